"""What one reading of a point costs, against one `value_and_grad` of the code under test: `python benchmarks/scale.py`.

    python benchmarks/scale.py [--models mixture,vae,width,numpy] [--libraries jax,torch] [--sizes 1000,100000]
        [--no-check] [--json FILE] [--markdown FILE|-] [--limit SECONDS] [--memory GIB] [--assert] [--small]

Every number comes from a process of its own, so that peaks of memory do not mix: "bare" computes value and gradient as
a training loop does and never imports elbocheck, "reading" decomposes the bound at points moved a little, so that
nothing is cached, and "check" runs `check_target` once, compilation included. The first two have one core
(`--threads`), so that seconds do not depend on how well either is parallelised; the check has all of them. Seconds are
the least of several repetitions, in processor time and on the clock; memory is the peak of the whole process. A
process that fails, or is stopped by its limit of time or memory, is a row with the reason.

Models: `mixture`, 16 dimensions and 8 components, with so many data; `vae`, 784-400-20, with so many data; `width`,
autoencoders with about so many parameters; `numpy`, regressions with so many parameters, whose gradient no library
derives: there "bare" is the value alone, and what counts is how often a reading calls it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

Row = dict[str, Any]

SIZES = {
    "mixture": (1_000, 10_000, 100_000, 1_000_000),
    "vae": (128, 1_024, 10_000),
    "width": (1_000, 10_000, 100_000, 1_000_000),
    "linear": (10, 100, 1_000),
    "logistic": (10, 100, 1_000),
}
SMALL = {"mixture": (200, 400), "vae": (16,), "width": (300,), "linear": (5,), "logistic": (5,)}
GROUPS = {"numpy": ("linear", "logistic")}
KINDS = ("bare", "reading", "check")
WIDTH = 80
"""Columns of tables."""

RATIO, EXTRA_MB, CHECK_SECONDS = 3.0, 300.0, 60.0
"""Bars of `--assert`: a reading in multiples of the bare code, MB beside those multiples, seconds of `check_target`."""


def seconds_of(run: Callable[[Any], object], point: Callable[[int], Any], budget: float) -> dict[str, float]:
    """The least processor and clock seconds of `run(point(step))`, 3 to 100 times within about `budget` seconds."""
    clock, processor, begin = [], [], time.perf_counter()
    while len(clock) < 3 or (len(clock) < 100 and time.perf_counter() - begin < budget):
        here = point(len(clock))
        used, started = time.process_time(), time.perf_counter()
        run(here)
        clock.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return {"seconds": min(processor), "wall": min(clock)}


def peak() -> float:
    """Most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def bare(options: argparse.Namespace) -> Row:
    """Value and gradient by the library of the code, with the data as an argument."""
    import scale_models as models

    lib = models.library(options.libraries)
    bound = models.MODELS[options.models](lib, int(options.sizes), options.small)
    start = peak()
    if lib.name == "jax":
        import jax

        slope, data = jax.jit(jax.value_and_grad(bound.elbo)), jax.tree.map(jax.numpy.asarray, bound.data)

        def run(params: Any) -> None:
            jax.block_until_ready(slope(params, data))

    elif lib.name == "torch":
        import torch

        tensors = tuple(torch.from_numpy(array) for array in bound.data)

        def leaves(tree: Any) -> Any:
            if isinstance(tree, dict):
                return {name: leaves(branch) for name, branch in tree.items()}
            return torch.tensor(tree, requires_grad=True)

        def run(params: Any) -> None:
            bound.elbo(leaves(params), tensors).backward()

    else:

        def run(params: Any) -> None:
            bound.elbo(params, bound.data)

    run(bound.params)
    seconds = seconds_of(run, partial(models.moved, bound.params), options.budget)
    return {"parameters": models.count(bound.params), "before": start, **seconds}


def problem_of(options: argparse.Namespace, calls: dict[str, int]) -> tuple[Any, Any]:
    """(the problem, its bound); `calls` counts how often its two functions are called."""
    import scale_models as models

    from elbocheck import Problem

    lib = models.library(options.libraries)
    bound = models.MODELS[options.models](lib, int(options.sizes), options.small)
    data = tuple(lib.array(array) for array in bound.data)

    def elbo(params: Any) -> Any:
        calls["elbo"] += 1
        return bound.elbo(params, data)

    def factors(params: Any) -> Any:
        calls["factors"] += 1
        return bound.declare(params, data)

    label = f"{options.models} {options.sizes}"
    return Problem(bound.params, elbo=elbo, factors=factors, library=lib.name, label=label), bound


def reading(options: argparse.Namespace) -> Row:
    """One decomposition of the bound; the first one of a problem compiles and may look for directions β."""
    import scale_models as models

    from elbocheck import decompose

    calls = {"elbo": 0, "factors": 0}
    problem, bound = problem_of(options, calls)
    start, used, begin = peak(), time.process_time(), time.perf_counter()
    decompose(problem)
    first = {"first": time.process_time() - used, "first_wall": time.perf_counter() - begin}
    calls.update(elbo=0, factors=0)
    terms = decompose(problem.at(problem.vector_of(models.moved(bound.params, -2))))
    each = {f"calls_{name}": number for name, number in calls.items()}
    timed = seconds_of(
        lambda vector: decompose(problem.at(vector)),
        lambda step: problem.vector_of(models.moved(bound.params, step)),
        options.budget,
    )
    covered = sum(term.covered for term in terms.factors)
    return {"before": start, **first, **each, **timed, "covered": f"{covered} of {len(terms.factors)}"}


def check(options: argparse.Namespace) -> Row:
    """Everything that `check_target` does, once, in seconds on the clock."""
    from elbocheck import Target, check_target

    problem, _ = problem_of(options, {"elbo": 0, "factors": 0})
    begin = time.perf_counter()
    report = check_target(Target("scale", [problem], timeout=options.limit), on_fail="report")
    wall, outcomes = time.perf_counter() - begin, {}
    for one in report.checked:
        if one.result is not None:
            outcomes.setdefault(one.result.outcome.name.lower().replace("_", " "), []).append(one.check)
    verdict = ", ".join(
        f"{len(names)} {outcome}" if outcome == "holds" else f"{outcome}: {', '.join(names)}"
        for outcome, names in outcomes.items()
    )
    return {"wall": wall, "ok": report.ok, "verdict": report.bad or verdict}


def child(options: argparse.Namespace) -> None:
    """One measurement in this process; prints it as JSON."""
    if options.memory > 0:
        limit = int(options.memory * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if options.threads and options.child != "check":
        os.environ.update(
            dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
        )
        if hasattr(os, "sched_setaffinity"):  # XLA has as many threads as cores that it may use
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads :])
    found = {"bare": bare, "reading": reading, "check": check}[options.child](options)
    print(json.dumps({**found, "peak": peak()}))


def measured(kind: str, row: Row, options: argparse.Namespace) -> Row:
    """What a process of its own measures; `error` says why if it does not."""
    command = [
        sys.executable, __file__, "--child", kind, "--models", row["model"], "--libraries", row["library"],
        "--sizes", str(row["size"]), "--limit", str(options.limit), "--memory", str(options.memory),
        "--budget", str(options.budget), "--threads", str(options.threads), *(["--small"] if options.small else []),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONHASHSEED": "0", "JAX_PLATFORMS": "cpu"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=options.limit, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"error": f"stopped after {options.limit:g} s"}
    if done.returncode == 0:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    return {"error": reason(done.returncode, done.stderr)}


def reason(code: int, errors: str) -> str:
    """One line on why a process failed."""
    size = re.search(r"allocat[^\n]*?(\d[\d.]*) (bytes|[KMGT]iB)", errors)
    if size:
        amount = f"{float(size[1]) / 2**30:.1f} GiB" if size[2] == "bytes" else f"{size[1]} {size[2]}"
        return f"out of memory, for {amount}"
    if re.search(r"MemoryError|bad_alloc|RESOURCE_EXHAUSTED|[Oo]ut of memory", errors) or code == -signal.SIGKILL:
        return "out of memory"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    fatal = [line for line in lines if re.search(r"[Cc]heck failed|terminate called|[Ff]atal", line)]
    said = (fatal[:1] or lines[-1:] or ["no message"])[0][:150]
    return f"ended by {signal.Signals(-code).name}: {said}" if code < 0 else f"exit code {code}: {said}"


def ratios(row: Row) -> Row:
    """A reading in multiples of the bare code."""
    base, ours = row.get("bare", {}), row.get("reading", {})
    if "seconds" not in base or "seconds" not in ours:
        return {}
    return {name: ours[of] / base[of] for name, of in (("seconds", "seconds"), ("wall", "wall"), ("memory", "peak"))}


def wanted(options: argparse.Namespace) -> Iterable[Row]:
    """The rows to be measured."""
    sizes = SMALL if options.small else SIZES
    names = [name for given in options.models.split(",") if given for name in GROUPS.get(given, (given,))]
    for name in names:
        numbers = [int(float(size)) for size in options.sizes.split(",")] if options.sizes else sizes[name]
        for library in ("numpy",) if name in GROUPS["numpy"] else options.libraries.split(","):
            for size in numbers:
                yield {"model": name, "library": library, "size": size}


def failures(rows: Iterable[Row]) -> list[str]:
    """What exceeds the bars of `--assert`, where they apply; a measurement that failed exceeds them."""
    found = []
    for row in rows:
        name, size = row["model"], row["size"]
        if not ((name == "mixture" and size >= 10_000) or (name == "vae" and size in (128, 1_024))):
            continue
        title = f"{name}, {row['library']}, {size}"
        base, ours, checked = (row.get(kind, {}) for kind in KINDS)
        broken = [f"{kind}: {row[kind]['error']}" for kind in KINDS if "error" in row.get(kind, {})]
        found += [f"{title}: {one}" for one in broken]
        times = row.get("ratios", {}).get("seconds", 0.0)
        if times > RATIO:
            found.append(f"{title}: a reading takes {times:.1f} times as long as the bare code")
        if not broken and base and ours and ours["peak"] > RATIO * base["peak"] + EXTRA_MB:
            found.append(f"{title}: a reading needs {ours['peak']:.0f} MB, the bare code {base['peak']:.0f} MB")
        if checked.get("wall", 0.0) > CHECK_SECONDS and (name, size) in (("mixture", 100_000), ("vae", 1_024)):
            found.append(f"{title}: check_target takes {checked['wall']:.0f} s")
        if not checked.get("ok", True):
            found.append(f"{title}: check_target says {checked['verdict']}")
    return found


def cell(row: Row, kind: str, name: str, form: str = ".3g") -> str:
    """A number of a row, or a dash."""
    value = row.get(kind, {}).get(name)
    return "–" if value is None else f"{value:{form}}"


def table(rows: list[Row], what: str) -> list[str]:
    """Lines of one table: `data` (rows by the number of data), `width` (by parameters) or `numpy` (calls).

    Three parts below each other, each with all rows: seconds, memory (or calls) and cover, and
    the whole check if one was run.
    """
    black = what == "numpy"
    keys, times, memory, checks = [], [], [], []
    for row in rows:
        size = row["size"] if what == "data" else row.get("bare", {}).get("parameters", row["size"])
        calls = [cell(row, "reading", "calls_elbo", "d"), cell(row, "reading", "calls_factors", "d")]
        peaks = [cell(row, kind, "peak", ".0f") for kind in ("bare", "reading")]
        said = [row["check"]["verdict"]] if "verdict" in row.get("check", {}) else []
        said += [f"{kind}: {row[kind]['error']}" for kind in KINDS if "error" in row.get(kind, {})]
        keys.append([row["model"], row["library"], f"{size:,}"])
        times.append([cell(row, *one) for one in (("bare", "seconds"), ("reading", "seconds"))])
        times[-1] += [cell(row, "ratios", "seconds"), cell(row, "ratios", "wall")]
        memory.append(calls if black else [*peaks, cell(row, "ratios", "memory", ".1f")])
        memory[-1] += [cell(row, "reading", "covered", ""), cell(row, "reading", "first_wall", ".1f")]
        checks.append([cell(row, "check", "wall", ".1f"), "; ".join(said) or "–"])
    key = ["model", "library", "data" if what == "data" else "parameters"]
    heads = [*(["elbo", "factors"] if black else ["bare MB", "reading MB", "ratio"]), "covered", "first s"]
    parts = [(["bare s", "reading s", "ratio", "clock"], times), (heads, memory)]
    if any(one != ["–", "–"] for one in checks):
        parts.append((["check s", "verdict"], checks))
    lines: list[str] = []
    for head, found in parts:
        own = [one + other for one, other in zip(keys, found, strict=True)]
        lines += ["", *aligned([[*key, *head], *own], left=(0, 1, 4) if found is checks else (0, 1))]
    return lines[1:]


def aligned(lines: list[list[str]], left: tuple[int, ...]) -> list[str]:
    """Cells in columns, `left` ones to the left; of the last column what exceeds `WIDTH` goes to lines below."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    last = len(widths) - 1
    begin = sum(widths[:last]) + 2 * last
    found = []
    for line in lines:
        cells = [
            one.ljust(n) if k in left else one.rjust(n) for k, (one, n) in enumerate(zip(line, widths, strict=True))
        ]
        first, *others = textwrap.wrap(line[last], WIDTH - begin) if last in left else [cells[last]]
        found += ["  ".join([*cells[:last], first]).rstrip(), *(" " * begin + one for one in others)]
    return found


def tables(rows: list[Row]) -> dict[str, list[str]]:
    """All tables that have rows, by the marker of their block in docs/scale.md."""
    parts = {"data": ("mixture", "vae"), "width": ("width",), "numpy": GROUPS["numpy"]}
    chosen = {what: [row for row in rows if row["model"] in names] for what, names in parts.items()}
    return {what: table(some, what) for what, some in chosen.items() if some}


def fill(path: Path, blocks: dict[str, list[str]]) -> None:
    """Replace the fenced blocks after `<!-- scale NAME -->`."""
    text = path.read_text(encoding="utf-8")
    for what, lines in blocks.items():
        block = f"<!-- scale {what} -->\n```\n" + "\n".join(lines) + "\n```"
        pattern = rf"<!-- scale {what} -->\n```\n.*?^```$"
        text, count = re.subn(pattern, lambda _, block=block: block, text, flags=re.S | re.M)
        if count != 1:
            raise SystemExit(f"{path}: {count} blocks are marked <!-- scale {what} -->")
    path.write_text(text, encoding="utf-8")


def merged(path: Path, rows: list[Row]) -> list[Row]:
    """The rows of a file, with these in place of those measured before; writes them back."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    place = {(row["model"], row["library"], row["size"]): row for row in [*known, *rows]}
    order = list(SIZES)
    kept = sorted(place.values(), key=lambda row: (order.index(row["model"]), row["library"], row["size"]))
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return kept


def main() -> None:
    """Measure, print, and fill what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="mixture,vae,width,numpy", help="empty: measure nothing, show --json FILE")
    parser.add_argument("--libraries", default="jax,torch")
    parser.add_argument("--sizes", default="", help="instead of the usual ones of each model")
    parser.add_argument("--small", action="store_true", help="tiny versions of the models, to see that everything runs")
    parser.add_argument("--no-check", action="store_true", help="leave `check_target` out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the rows to this file")
    parser.add_argument("--markdown", metavar="FILE", help="fill the marked blocks of this page; - prints them")
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="for each process")
    parser.add_argument("--memory", type=float, default=20.0, metavar="GIB", help="for each process; 0: no limit")
    parser.add_argument("--budget", type=float, default=3.0, metavar="SECONDS", help="for repetitions")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="but for checks; 0: as the libraries choose"
    )
    parser.add_argument("--assert", action="store_true", dest="judge", help="exit code 1 if a bar is exceeded")
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    unknown = {*filter(None, options.models.split(","))} - {*SIZES, *GROUPS}
    if unknown:
        parser.error(f"unknown models: {', '.join(sorted(unknown))}; there are {', '.join([*SIZES, *GROUPS])}")
    rows: list[Row] = []
    for row in wanted(options):
        for kind in KINDS[: 2 if options.no_check else 3]:
            print(f"{row['model']}, {row['library']}, {row['size']}: {kind}", file=sys.stderr, flush=True)
            row[kind] = measured(kind, row, options)
        rows.append({**row, "ratios": ratios(row)})
        if options.json:
            merged(options.json, rows)
    shown = merged(options.json, []) if options.json else rows
    blocks = tables(shown)
    if options.markdown and options.markdown != "-":
        fill(Path(options.markdown), blocks)
    for what, lines in blocks.items():
        if options.markdown == "-":
            lines = [f"<!-- scale {what} -->", "```", *lines, "```"]
        print("\n".join(lines), end="\n\n")
    exceeded = failures(shown) if options.judge else []
    print("\n".join(exceeded), end="\n" if exceeded else "", file=sys.stderr)
    sys.exit(1 if exceeded else 0)


if __name__ == "__main__":
    main()
