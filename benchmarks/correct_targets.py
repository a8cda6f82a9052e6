"""The gate on thousands of correct targets: how many does it reject, refuse or leave open, and what errors does it see?

    python benchmarks/correct_targets.py [--library numpy] [--count 1000] [--seed 0] [--workers 1] [--planted]
        [--json FILE] [--markdown FILE]

A row of JSON is written for every target as soon as it is judged, the table at the end.

Target number i of a library depends on the library, the seed and i alone; `--first i --count 1` repeats it. Without
`--planted` the exit code is 1 if any target is violated or refused, or more than 1 % are inconclusive. With it, on
targets without stress, a relative error of 1e-9 is planted in one block of the gradient, and one of 1e-11 in one term
of the value; rejections are counted. Seconds are those of the processor.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from elbocheck import Problem, Target, check_target
from elbocheck.strategies import Choice, choices, correct_target, draw_many, planted
from elbocheck.strategies.targets.choice import KINDS, LIBRARIES
from elbocheck.strategies.targets.families import NAMES

ERRORS = {"gradient": 1e-9, "value": 1e-11}
CHUNK, CHUNKS = 20, 10
"""Targets of one task, and tasks of one process, which then ends: compiled programs take memory."""
SHOWN = ("violated", "refused", "inconclusive")
MOST_INCONCLUSIVE = 0.01


@dataclass(frozen=True)
class Row:
    """One target, or one with an error planted: `outcome`, the check that deviates most, and how to repeat it."""

    library: str
    index: int
    kind: str
    family: str
    planted: str
    outcome: str
    check: str
    ratio: float
    seconds: float
    message: str
    choice: str


def chosen(library: str, seed: int, index: int, *, stressed: bool | None) -> Choice:
    """Choice number `index`: kinds and families take turns, everything else is drawn."""
    kind, family = KINDS[index % len(KINDS)], NAMES[index // len(KINDS) % len(NAMES)]
    strategy = choices(libraries=(library,), kinds=(kind,), families=(family,), stressed=stressed)
    entropy = (seed * len(LIBRARIES) + LIBRARIES.index(library)) * 10_000_000 + index
    return draw_many(strategy, 6, entropy=entropy)[-1]  # the first ones are the simplest there are


def judged(problem: Problem) -> tuple[str, str, float, str]:
    """(outcome, the check that deviates most, |deviation| / bound, message)."""
    try:
        report = check_target(Target("correct", [problem], timeout=300.0), on_fail="report")
    except Exception as error:
        return "refused", "", float("inf"), f"{type(error).__name__}: {error}"
    results = [(one.check, one.result) for one in report.checked if one.result is not None]
    check, worst = max(results, key=lambda one: one[1].ratio)
    if report.exit_code == 2:
        return "refused", check, float("inf"), report.bad
    for outcome in ("violated", "inconclusive"):
        found = [(name, result) for name, result in results if str(result.outcome) == outcome]
        if found:
            check, worst = max(found, key=lambda one: one[1].ratio)
            return outcome, check, worst.ratio, worst.message or worst.note
    outside = any(str(result.outcome) == "out of scope" for _, result in results)
    return "out of scope" if outside else "holds", check, worst.ratio, ""


def rows(library: str, seed: int, indices: Sequence[int], plant: bool) -> list[Row]:
    """What the gate says of these targets."""
    found = []
    for index in indices:
        choice = chosen(library, seed, index, stressed=False if plant else None)
        for what in ERRORS if plant else ("",):
            begin = time.process_time()
            target = correct_target(choice)
            rng = np.random.default_rng([seed, index])
            problem = planted(target, what, ERRORS[what], rng) if plant else target.problem  # type: ignore[arg-type]
            outcome, check, ratio, message = judged(problem)
            seconds = time.process_time() - begin
            label = f"{what}: {problem.label.rsplit('), ', 1)[-1]}" if plant else ""
            row = Row(
                library, index, choice.kind, choice.family, label, outcome, check, ratio, seconds, message, repr(choice)
            )
            found.append(row)
    if library == "jax":
        import jax

        jax.clear_caches()
    return found


def _task(arguments: tuple[str, int, list[int], bool]) -> list[Row]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return rows(*arguments)


def everything(options: argparse.Namespace) -> Iterator[Row]:
    """All rows, as they are ready."""
    indices = range(options.first, options.first + options.count)
    parts = [list(indices[i : i + CHUNK]) for i in range(0, len(indices), CHUNK)]
    tasks = [(library, options.seed, part, options.planted) for library in options.library for part in parts]
    if options.workers == 1 and len(tasks) == 1:
        yield from _task(tasks[0])
        return
    with multiprocessing.get_context("spawn").Pool(options.workers, maxtasksperchild=CHUNKS) as pool:
        for found in pool.imap(_task, tasks):
            yield from found


def table(found: Sequence[Row], plant: bool) -> list[str]:
    """The table in Markdown: a row for each library and kind, and one for each library."""
    columns = ("targets", "rejected") if plant else ("targets", "holds", "out of scope", *SHOWN)
    first = ("library", "kind", *(("planted",) if plant else ()))
    lines = [
        "| " + " | ".join((*first, *columns, "worst ratio", "seconds")) + " |",
        "|" + "---|" * len(first) + "---:|" * (len(columns) + 2),
    ]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in found:
        what = (row.planted.split(":")[0],) if plant else ()
        for kind in (row.kind, "**all**"):
            groups.setdefault((row.library, kind, *what), []).append(row)
    order = {library: place for place, library in enumerate(LIBRARIES)}
    for key in sorted(groups, key=lambda one: (order[one[0]], one[1].startswith("*"), one)):
        members = groups[key]
        count = Counter(row.outcome for row in members)
        numbers = [len(members), count["violated"]] if plant else [len(members), *(count[name] for name in columns[1:])]
        finite = [row.ratio for row in members if np.isfinite(row.ratio)]
        seconds = sum(row.seconds for row in members)
        cells = (*key, *map(str, numbers), f"{max(finite, default=0.0):.2g}", f"{seconds:.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def listed(found: Sequence[Row], seed: int, plant: bool) -> list[str]:
    """Everything that is not as it should be, with how to repeat it."""
    lines = []
    for row in found:
        if (row.outcome != "violated") if plant else (row.outcome in SHOWN):
            again = f"--library {row.library} --seed {seed} --first {row.index} --count 1" + " --planted" * plant
            what = f", {row.planted}" if plant else ""
            lines.append(f"{row.outcome}: {row.kind} ({row.family}){what}, {row.check} {row.ratio:.2g}: {again}")
            lines.append(f"    {row.message[:600]}")
            lines.append(f"    {row.choice}")
    return lines


def main() -> int:
    """Print the table and the list; see the module's docstring for the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="targets of each library")
    parser.add_argument("--library", action="append", choices=LIBRARIES, help="may be repeated; default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first target")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--json", type=Path, help="write all rows there, one JSON object a line")
    parser.add_argument("--markdown", type=Path, help="write the table and the list there")
    options = parser.parse_args()
    options.library = options.library or list(LIBRARIES)
    begin, found = time.perf_counter(), list[Row]()
    if options.json:
        options.json.write_text("", encoding="utf-8")
    for row in everything(options):
        found.append(row)
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
        if len(found) % 100 == 0:
            print(f"{len(found)} in {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    lines = [*table(found, options.planted), ""]
    trouble = listed(found, options.seed, options.planted)
    print("\n".join([*lines, *trouble]))
    if options.markdown:
        fence = ["```", *trouble, "```"] if trouble else []
        options.markdown.write_text("\n".join([*lines, *fence]) + "\n", encoding="utf-8")
    if options.planted:
        return 0
    count = Counter(row.outcome for row in found)
    wrong = count["violated"] + count["refused"]
    return int(wrong > 0 or count["inconclusive"] > MOST_INCONCLUSIVE * len(found))


if __name__ == "__main__":
    sys.exit(main())
