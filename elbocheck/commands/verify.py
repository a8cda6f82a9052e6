"""`elbocheck verify`: the catalogue, cells of your own, or a target."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from elbocheck.commands.arguments import (
    Commands,
    add_backend,
    add_workers,
    backend_of,
    given,
    latents,
    refuse_empty,
    refuse_ignored,
    seed,
    workers_of,
)
from elbocheck.commands.outside import for_code_outside
from elbocheck.commands.running import run_and_show
from elbocheck.errors import InputError
from elbocheck.files import different, writable, written
from elbocheck.profiles import PROFILES

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend
    from elbocheck.gate.target import Target
    from elbocheck.report.terminal import Watcher
    from elbocheck.runs.jobs import Job
    from elbocheck.runs.rows import Report

QUICK = "quick"
"""The profile where none is chosen."""


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "verify",
        help="run the catalogue on real data and random problems",
        description="Run the catalogue of models on real data, on random problems and on negative controls. "
        "With SOURCE, check a Target of your own, code outside elbocheck, or cells of your own instead. "
        "With --model and --data, run that model on that data only.",
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="FILE.py[:NAME] or MODULE[:NAME]: a Target (NAME defaults to target), or cells of your own (to CELLS)",
    )
    parser.add_argument("--model", metavar="NAME", help="only this model of the catalogue (see `elbocheck list`)")
    parser.add_argument("--data", metavar="NAME|FILE.csv", help="shipped data set, or CSV file with a header")
    parser.add_argument("--weights", metavar="COLUMN", help="column of the data that holds weights")
    parser.add_argument("--latents", type=int, metavar="K", help="latents on --data (default 2)")
    profiles = ", ".join(f"{name} {count}" for name, count in PROFILES.items())
    parser.add_argument(
        "--profile",
        choices=tuple(PROFILES),
        help=f"random problems per cell: {profiles} (default quick)",
    )
    add_backend(parser)
    parser.add_argument("--seed", type=seed, help="seed of the random problems (default 0)")
    add_workers(parser)
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON")
    parser.add_argument("--html", metavar="FILE", help="write the report as one self-contained page (extra: report)")
    parser.add_argument(
        "--known-failures", metavar="FILE.toml", help="failures of a target that are known, each with a reason"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from elbocheck.backends import require

    refuse_empty(options)
    reports = Reports.of(options)
    if reports.html is not None:
        require("jinja2", "an HTML report needs Jinja2", "report")
    begin, chosen = time.perf_counter(), given(options.profile, QUICK)
    what = f"profile {chosen}, seed {given(options.seed, 0)}"
    targets = _targets(options)
    if targets:
        from elbocheck.commands.targets import verify_targets
        from elbocheck.gate.known_failures import load_known_failures

        known = () if options.known_failures is None else load_known_failures(options.known_failures)

        def keep(report: Report, code: int) -> None:
            reports.write(report, time.perf_counter() - begin, what, code)

        report, code = verify_targets(targets, options.source, chosen, known, keep=keep)
    else:
        backend = backend_of(options)
        report = run_and_show(jobs(options, backend), what, workers_of(options), _run, backend)
        code = report.exit_code
    reports.write(report, time.perf_counter() - begin, what, code)
    return code


def _run(jobs: Sequence[Job], workers: int, watcher: Watcher, backend: Backend) -> Report:
    """Run all jobs; rows are shown when they are ready."""
    from elbocheck.runs import pool

    return pool.run(jobs, workers, watcher, backend, watcher.ready)


@dataclass(frozen=True)
class Reports:
    """Where the reports of a run go."""

    json: Path | None
    """None: nowhere."""

    html: Path | None
    """None: nowhere."""

    @classmethod
    def of(cls, options: argparse.Namespace) -> Reports:
        """Raises `InputError` for a place that cannot be written, or that holds what is read."""
        file = None if options.source is None else options.source.partition(":")[0]
        if file is not None and not file.endswith(".py"):
            file = file.replace(".", "/") + ".py"  # a module of the working directory
        different(
            {"--json": options.json, "--html": options.html},
            {"SOURCE": file, "--data": options.data, "--known-failures": options.known_failures},
        )
        return cls(*(None if name is None else writable(name) for name in (options.json, options.html)))

    def write(self, report: Report, seconds: float, what: str, code: int) -> None:
        """Write both; what cannot be written is one line, and changes no verdict."""
        if self.json is not None:
            written(self.json, lambda: json.dumps(report.to_json(), indent=1) + "\n", "the report")
        if self.html is not None:
            when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")

            def page() -> str:
                from elbocheck.report.page import render

                return render(report, seconds, what, when, code)

            written(self.html, page, "the page")


def _targets(options: argparse.Namespace) -> tuple[Target, ...]:
    """The targets that SOURCE names; empty if it names cells, or nothing."""
    if options.source is None:
        if options.known_failures is not None:
            raise InputError(f"--known-failures {options.known_failures} goes with a Target; give MODULE:TARGET too")
        return ()
    if options.model or options.data:
        raise InputError(f"give either {options.source!r} or --model and --data, not both")
    refuse_ignored(options, ("latents", "weights"), "SOURCE, whose data are its own")
    for_code_outside(given(options.dtype, "float64"))
    from elbocheck.gate.sources import is_target, load_targets, refuse_single_precision
    from elbocheck.loading import named

    if not is_target(named(options.source, "target")):
        if options.known_failures is not None:
            raise InputError(
                f"--known-failures {options.known_failures} goes with a Target; {options.source} has cells"
            )
        return ()
    refuse_ignored(options, ("workers", "backend", "seed"), "a Target, which runs here, in a library of its own")
    refuse_single_precision(options.source, given(options.dtype, "float64"))
    return load_targets(options.source)


def jobs(options: argparse.Namespace, backend: Backend | None = None) -> list[Job]:
    """The run's jobs; every input is validated here, before anything is computed."""
    workers_of(options)
    seed = given(options.seed, 0)
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

    examples = PROFILES[given(options.profile, QUICK)]
    if options.weights is not None and options.data is None:
        raise InputError(f"--weights {options.weights} names a column of the data; give --data too")
    count = latents(options)
    if options.data is not None:
        refuse_ignored(options, ("profile",), "--data, on which two searches are run")
        dataset = load(options.data, options.weights)
        if options.model is None:
            if options.data not in SHIPPED:
                raise InputError(f"--data {options.data}: say with --model which model to run on it")
            own = [entry for entry in REAL if entry[1] == options.data]
            chosen = [(name, data, k if options.latents is None else count) for name, data, k in own]
            if not chosen:
                raise InputError(f"--data {options.data}: no model runs on it by default; choose one with --model")
        else:
            chosen = [(cell.name, options.data, count) for cell in cells]
            for cell in cells:
                real_sample(cell, dataset, count, seed)
        return [Job((RealJob(*entry, 2, seed, options.weights),)) for entry in chosen]
    reals = [RealJob(*entry, 2, seed) for entry in REAL if entry[0] in names and not options.source]
    return jobs_for(cells, reals, examples, max(examples // 10, 5), seed, options.source or "", backend)
