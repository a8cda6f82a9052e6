"""Command line: `elbocheck verify`, `replay`, `certify`, `list`, `census` and more; see `elbocheck --help`.

Exit codes: 0 all hold, 1 something violated or too much inconclusive, 2 bad usage or bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elbocheck import __version__
from elbocheck.backends import get_backend, require
from elbocheck.commands.arguments import parser
from elbocheck.errors import DeclarationError, InputError, UndecidedError
from elbocheck.profiles import PROFILES

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend
    from elbocheck.gate.target import Target
    from elbocheck.runs.jobs import Job
    from elbocheck.runs.pool import Report


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    run = {
        "verify": _verify, "census": _census, "certify": _certify, "explain": _explain, "replay": _replay,
        "faults": _faults, "list": _list,
    }  # fmt: skip
    options = parser(run).parse_args(arguments)
    try:
        return int(options.command(options))
    except (InputError, DeclarationError) as error:
        print(f"elbocheck: {error}", file=sys.stderr)
        return 2
    except UndecidedError as error:
        print(f"elbocheck: nothing is proved: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        kept = f"{options.record} keeps what had finished" if hasattr(options, "record") else "no report was written"
        print(f"elbocheck: interrupted; {kept}", file=sys.stderr)
        return 130


def _verify(options: argparse.Namespace) -> int:
    target = None if options.json is None else _writable(options.json)
    page = None if options.html is None else _writable(options.html)
    if page is not None:
        require("jinja2", "an HTML report needs Jinja2", "report")
    backend = get_backend(options.backend, options.dtype)
    begin, what = time.perf_counter(), f"profile {options.profile}, seed {options.seed}"
    targets = _targets(options)
    if targets:
        from elbocheck.commands.targets import verify_targets
        from elbocheck.gate.known_failures import load_known_failures

        known = () if options.known_failures is None else load_known_failures(options.known_failures)
        report, code = verify_targets(targets, options.source, options.profile, known)
    else:
        from elbocheck.runs.pool import run

        report = _show(_jobs(options, backend), what, options.workers, run, backend)
        code = report.exit_code
    if target is not None:
        _write_atomically(target, json.dumps(report.to_json(), indent=1) + "\n")
    if page is not None:
        from elbocheck.report.page import render

        written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        _write_atomically(page, render(report, time.perf_counter() - begin, what, written, code))
    return code


def _targets(options: argparse.Namespace) -> tuple[Target, ...]:
    """The targets that SOURCE names; empty if it names cells, or nothing."""
    if not options.source:
        if options.known_failures is not None:
            raise InputError(f"--known-failures {options.known_failures} goes with a Target; give MODULE:TARGET too")
        return ()
    if options.model or options.data:
        raise InputError(f"give either {options.source!r} or --model and --data, not both")
    _for_code_outside(options.dtype)
    from elbocheck.gate.cases import is_target, load_targets, named, refuse_single_precision

    if not is_target(named(options.source)):
        return ()
    refuse_single_precision(options.source, options.dtype)
    return load_targets(options.source)


def _for_code_outside(dtype: str) -> None:
    """Modules below the working directory can be imported, and JAX makes float64 arrays."""
    from elbocheck.backends.namespace import prefer_double_precision

    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if dtype == "float64":
        prefer_double_precision()


def _replay(options: argparse.Namespace) -> int:
    from elbocheck.commands.targets import replay_command
    from elbocheck.gate.cases import read_case, replay

    _for_code_outside(str(read_case(options.case)["dtype"]))
    return replay_command(options.case, replay)


def _faults(options: argparse.Namespace) -> int:
    target = None if options.json is None else _writable(options.json)
    from elbocheck.report.faults import faults_command

    return faults_command(target)


def _census(options: argparse.Namespace) -> int:
    record = _writable(options.record)
    if options.problems < 1:
        raise InputError(f"--problems must be at least 1; got {options.problems}")
    if options.workers < 0:
        raise InputError(f"--workers must be at least 1; got {options.workers}")
    backend = get_backend(options.backend, options.dtype)
    from elbocheck.models import CELLS
    from elbocheck.runs.census import census_jobs, recorded, take

    jobs = census_jobs(CELLS, options.problems, options.seed)
    recorded(record)
    what = f"census of {sum(job.size for job in jobs)} problems, seed {options.seed}"
    return _show(jobs, what, options.workers, lambda jobs, *others: take(jobs, record, *others), backend).exit_code


def _certify(options: argparse.Namespace) -> int:
    require("flint", "a certificate needs python-flint", "certify")
    target = None if options.json is None else _writable(options.json)
    from rich.console import Console

    from elbocheck.models import find_cell
    from elbocheck.models.datasets import cells_of, load, real_sample
    from elbocheck.proofs.certify import certify_sample, well_determined
    from elbocheck.report.certificate import print_certificate
    from elbocheck.strategies import draw_many, samples

    model, _, posterior = options.model.partition("/")
    if posterior and options.posterior not in (None, posterior):
        raise InputError(f"{options.model} names a posterior already; --posterior {options.posterior} is another one")
    posterior, latents = posterior or options.posterior or cells_of(model)[0].posterior, _latents(options)
    cell = find_cell(f"{model}/{posterior}")
    if options.data is None:  # the first draws are the simplest; some problems have no isolated stationary point
        drawn = draw_many(samples(well_determined(cell), solvable=True), PROBLEMS + 2, entropy=options.seed)[2:]
    else:
        drawn = [real_sample(cell, load(options.data), latents, options.seed)]
    console, begin, passed = Console(), time.perf_counter(), 0
    for sample in drawn:
        try:
            certificate = certify_sample(sample, options.bits)
        except UndecidedError:
            if sample is drawn[-1]:
                raise
        else:
            if certificate.proved or not certificate.identity:
                break
        passed += sample is not drawn[-1]
    skipped = f" ({passed} without an isolated stationary point passed over)" if passed else ""
    print_certificate(console, certificate, options.data or f"random problem, seed {options.seed}{skipped}")
    console.print(f"[{time.perf_counter() - begin:.1f} s]", markup=False, highlight=False)
    if target is not None:
        _write_atomically(target, json.dumps(certificate.to_json(), indent=1) + "\n")
    return 0 if certificate.holds else 1


def _explain(options: argparse.Namespace) -> int:
    plot = None if options.plot is None else _writable(options.plot)
    if plot is not None:
        from elbocheck.report.plot import check_available

        check_available(options.plot)
    backend = get_backend(options.backend, options.dtype)
    from elbocheck.report.explain import explain, lines, sample_for

    sample, data, rows = sample_for(options.model, options.data, options.latents, options.seed, backend)
    explanation = explain(sample, data, rows)
    print("\n".join(lines(explanation)))
    if plot is not None:
        from elbocheck.report.plot import draw

        draw(explanation.steps, f"{sample.cell.name} on {data}", plot)
    return 0


PROBLEMS = 30
"""Most random problems that `certify` tries."""


def _show(jobs: list[Job], what: str, workers: int, run: Callable[..., Report], backend: Backend) -> Report:
    """Run jobs with progress, then print the tables."""
    from rich.console import Console

    from elbocheck.report.terminal import Watcher, print_report

    workers = workers or min(os.cpu_count() or 1, len(jobs))
    console = Console()
    begin = time.perf_counter()
    console.print(
        f"elbocheck {__version__}: {backend.name}, {backend.dtype}, {what}, "
        f"{workers} worker{'s' if workers > 1 else ''}",
        highlight=False,
    )
    with tempfile.TemporaryDirectory(prefix="elbocheck-") as scratch:
        # Hypothesis would leave a folder in the working directory
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)
        with Watcher(console, sum(job.size for job in jobs)) as watcher:
            report = run(jobs, workers, watcher, backend)
    print_report(console, report, time.perf_counter() - begin)
    return report


def _jobs(options: argparse.Namespace, backend: Backend | None = None) -> list[Job]:
    """The run's jobs; every input is validated here, before anything is computed."""
    if options.workers < 0:
        raise InputError(f"--workers must be at least 1; got {options.workers}")
    from elbocheck.models import cells as catalogue
    from elbocheck.models import user_cells
    from elbocheck.models.datasets import REAL, SHIPPED, cells_of, load, real_sample

    if options.source and (options.model or options.data):
        raise InputError(f"give either {options.source!r} or --model and --data, not both")
    cells = list(catalogue()) if options.model is None else cells_of(options.model)
    if options.source:
        cells = list(user_cells(options.source))
    names = {cell.name for cell in cells}
    from elbocheck.runs.jobs import Job, RealJob, jobs_for

    examples = PROFILES[options.profile]
    if options.weights is not None and options.data is None:
        raise InputError(f"--weights {options.weights} names a column of the data; give --data too")
    latents = _latents(options)
    if options.data is not None:
        dataset = load(options.data, options.weights)
        if options.model is None:
            if options.data not in SHIPPED:
                raise InputError(f"--data {options.data}: say with --model which model to run on it")
            own = [entry for entry in REAL if entry[1] == options.data]
            chosen = [(name, data, k if options.latents is None else latents) for name, data, k in own]
            if not chosen:
                raise InputError(f"--data {options.data}: no model runs on it by default; choose one with --model")
        else:
            chosen = [(cell.name, options.data, latents) for cell in cells]
            for cell in cells:
                real_sample(cell, dataset, latents, options.seed)
        return [Job((RealJob(*entry, 2, options.seed, options.weights),)) for entry in chosen]
    reals = [RealJob(*entry, 2, options.seed) for entry in REAL if entry[0] in names and not options.source]
    return jobs_for(cells, reals, examples, max(examples // 10, 5), options.seed, options.source, backend)


def _latents(options: argparse.Namespace) -> int:
    """The number of latents on given data."""
    if options.latents is not None and options.data is None:
        raise InputError(f"--latents {options.latents} goes with --data; random problems have numbers of their own")
    return 2 if options.latents is None else int(options.latents)


def _list(options: argparse.Namespace) -> int:
    from elbocheck.models import cells
    from elbocheck.models.datasets import REAL

    rows: list[dict[str, Any]] = [
        {
            "model": cell.model.name,
            "title": cell.model.title,
            "theory": cell.model.theory,
            "posterior": cell.posterior,
            "posterior_title": cell.variational.title,
            "families": list(cell.model.families),
            "base_measure": "constant" if cell.model.constant_base_measure else "not constant",
            "trained": "model" if not (cell.variational.optimal or cell.variational.trained)
            else "likelihood" if cell.variational.optimal else "model, q",
            "scope": "out of scope" if cell.out_of_scope else "in scope",
            "reason": cell.out_of_scope,
            "frozen": list(cell.frozen),
            "capacity": dict(zip(("data", "dimensions", "latents"), cell.capacity, strict=True)),
            "data": [name for entry, name, _ in REAL if entry == cell.name],
        }
        for cell in cells()
    ]  # fmt: skip
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from elbocheck.report.terminal import show

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    kinds = {"likelihood": "exact", "model, q": "trained", "model": "fixed"}
    for column in ("model/posterior", "q", "p(x|z)", "h", "scope"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row['model']}/{row['posterior']}", kinds[row["trained"]], row["families"][1],
            "const." if row["base_measure"] == "constant" else "varies",
            "in" if row["scope"] == "in scope" else "out",
        )  # fmt: skip
    show(Console(), table)
    return 0


def _writable(name: str) -> Path:
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write the report to {name!r}: no such folder, or not writable")
    return path


def _write_atomically(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # as a file that is simply opened; mkstemp's is for the owner only
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
