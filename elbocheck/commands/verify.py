"""`elbocheck verify`: the catalogue, cells of your own, or a target."""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from elbocheck.commands.arguments import Commands, add_backend, add_workers, check_workers, latents, seed
from elbocheck.commands.outside import for_code_outside
from elbocheck.commands.running import run_and_show
from elbocheck.errors import InputError
from elbocheck.files import writable, write_atomically
from elbocheck.profiles import PROFILES

if TYPE_CHECKING:
    from elbocheck.backends.base import Backend
    from elbocheck.gate.target import Target
    from elbocheck.runs.jobs import Job


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
        default="",
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
        default="quick",
        help=f"random problems per cell: {profiles} (default quick)",
    )
    add_backend(parser)
    parser.add_argument("--seed", type=seed, default=0, help="seed of the random problems (default 0)")
    add_workers(parser)
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON")
    parser.add_argument("--html", metavar="FILE", help="write the report as one self-contained page (extra: report)")
    parser.add_argument(
        "--known-failures", metavar="FILE.toml", help="failures of a target that are known, each with a reason"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from elbocheck.backends import get_backend, require

    target = None if options.json is None else writable(options.json)
    page = None if options.html is None else writable(options.html)
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
        from elbocheck.runs import pool

        report = run_and_show(jobs(options, backend), what, options.workers, pool.run, backend)
        code = report.exit_code
    if target is not None:
        write_atomically(target, json.dumps(report.to_json(), indent=1) + "\n")
    if page is not None:
        from elbocheck.report.page import render

        written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        write_atomically(page, render(report, time.perf_counter() - begin, what, written, code))
    return code


def _targets(options: argparse.Namespace) -> tuple[Target, ...]:
    """The targets that SOURCE names; empty if it names cells, or nothing."""
    if not options.source:
        if options.known_failures is not None:
            raise InputError(f"--known-failures {options.known_failures} goes with a Target; give MODULE:TARGET too")
        return ()
    if options.model or options.data:
        raise InputError(f"give either {options.source!r} or --model and --data, not both")
    for_code_outside(options.dtype)
    from elbocheck.gate.sources import is_target, load_targets, refuse_single_precision
    from elbocheck.loading import named

    if not is_target(named(options.source, "target")):
        return ()
    refuse_single_precision(options.source, options.dtype)
    return load_targets(options.source)


def jobs(options: argparse.Namespace, backend: Backend | None = None) -> list[Job]:
    """The run's jobs; every input is validated here, before anything is computed."""
    check_workers(options)
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
    count = latents(options)
    if options.data is not None:
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
                real_sample(cell, dataset, count, options.seed)
        return [Job((RealJob(*entry, 2, options.seed, options.weights),)) for entry in chosen]
    reals = [RealJob(*entry, 2, options.seed) for entry in REAL if entry[0] in names and not options.source]
    return jobs_for(cells, reals, examples, max(examples // 10, 5), options.seed, options.source, backend)
