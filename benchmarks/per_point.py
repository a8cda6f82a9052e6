"""Cost of a verified stationary point: in lanes, one by one, one `jax.jit` per example, `scipy.optimize`.

    python benchmarks/per_point.py [--cells ppca/exact …] [--problems 256] [--others 24] [--jit-examples 3]

The columns solve the same random problems of a cell from the same starts, each problem from the one whose turn it is,
in milliseconds of processor time per verified point. "In lanes" is the search and the certificate of all problems at
once, as a census runs them; "one by one" the same on the program that all problems of the cell share. "One jit per
example" is the latter with a program compiled for each problem's own shape. "SciPy" is
`scipy.optimize.minimize(method="trust-exact")` on the very same compiled derivatives, each evaluated once per point, to
the same gradient norm, without a certificate. What is shared is compiled before the clock starts. The last column is
how many times as much as in lanes. Where JAX computes on an accelerator, all times are those on the clock.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import scipy.optimize

from elbocheck.backends.lanes import on_accelerator
from elbocheck.bound.problem import Problem
from elbocheck.models import find_cell
from elbocheck.models.sample import Cell, Sample, program_for
from elbocheck.runs.chunks import Chunk, trained_columns
from elbocheck.solver import Start, find_stationary_point
from elbocheck.solver.batched import Cohort, search
from elbocheck.solver.batched_certificate import certify_lanes
from elbocheck.solver.precision import DOUBLE

LIMIT = DOUBLE.gradient
CELLS = ("poisson-mixture/exact", "gmm-diagonal/exact", "ppca/exact", "gmm-full/exact", "vae-1/encoder")
"""With 12 to 33 parameters."""

Evaluation = tuple[float, np.ndarray, np.ndarray]
Timed = tuple[float, int, int]
"""(processor seconds, verified points, problems)."""


def clock() -> float:
    """Seconds of the processor; those on the clock where an accelerator does the work."""
    return time.perf_counter() if on_accelerator() else time.process_time()


def turn(problem: Problem, number: int) -> Start:
    """The start whose turn it is."""
    start: Start = problem.starts[number % len(problem.starts)]
    return start


def in_lanes(cell: Cell, problems: Sequence[Problem]) -> Timed:
    """All at once, certificate included."""
    begin = clock()
    starts = [turn(problem, number) for number, problem in enumerate(problems)]
    cohort = Cohort.of(problems, trained_columns(cell, problems[0]))
    verified = int(certify_lanes(cohort, search(cohort, starts)).certified.sum())
    return clock() - begin, verified, len(problems)


def one_by_one(problems: Sequence[Problem]) -> Timed:
    """With the shared program, certificate included."""
    begin = clock()
    verified = sum(
        find_stationary_point(problem, turn(problem, number)).certified for number, problem in enumerate(problems)
    )
    return clock() - begin, verified, len(problems)


def one_jit_each(drawn: Sequence[Sample]) -> Timed:
    """The same, each problem with a program compiled for its own shape."""
    begin, verified = clock(), 0
    for number, sample in enumerate(drawn):
        cell = replace(sample.cell, capacity=sample.sizes)
        problem = replace(sample, cell=cell).problem()
        q = cell.variational
        axes, backend = tuple(q.axes.items()), cell.backend
        fresh = program_for.__wrapped__(cell.model, q.points, q.blocks, axes, cell.capacity, backend)
        problem = problem.with_compiled(fresh)
        verified += find_stationary_point(problem, turn(problem, number)).certified
    return clock() - begin, verified, len(drawn)


def negative(problem: Problem) -> Callable[[np.ndarray], Evaluation]:
    """(−F, −∇F, −Hessian) of the free parameters in their units; the last point is kept."""
    columns = np.flatnonzero(problem.free_mask)
    units = problem.unit_vector[columns]
    last: dict[bytes, Evaluation] = {}

    def evaluate(point: np.ndarray) -> Evaluation:
        key = point.tobytes()
        if key not in last:
            last.clear()
            vector = np.array(problem.vector)
            vector[columns] = point * units
            value, gradient, hessian = problem.derivatives(vector)
            curvature = hessian[np.ix_(columns, columns)] * units * units[:, None]
            last[key] = -value, -gradient[columns] * units, -curvature
        return last[key]

    return evaluate


def with_scipy(problems: Sequence[Problem]) -> Timed:
    """Points with ‖∇F‖ within the limit by trust-exact on the same derivatives, cached per point."""
    begin, reached = clock(), 0
    for number, problem in enumerate(problems):
        function, columns = negative(problem), np.flatnonzero(problem.free_mask)
        try:
            with np.errstate(all="ignore"):
                found = scipy.optimize.minimize(
                    lambda x, f=function: f(x)[0],
                    (turn(problem, number).vector / problem.unit_vector)[columns],
                    jac=lambda x, f=function: f(x)[1],
                    hess=lambda x, f=function: f(x)[2],
                    method="trust-exact",
                    options={"gtol": LIMIT, "maxiter": 200},
                )
        except (ValueError, np.linalg.LinAlgError):  # it ran into values that are not finite
            continue
        reached += bool(np.linalg.norm(found.jac) <= LIMIT)
    return clock() - begin, reached, len(problems)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--others", type=int, default=24, help="problems one by one, and with SciPy")
    parser.add_argument("--jit-examples", type=int, default=3)
    options = parser.parse_args()
    print(f"{'ms per verified point':28} {'problems':>8} {'points':>7} {'ms':>9} {'relative':>9}")
    for name in options.cells:
        cell = find_cell(name)
        drawn = Chunk(name, 0, options.problems, 0).samples(cell)
        problems = [sample.problem() for sample in drawn]
        begin = clock()
        in_lanes(cell, problems[:8])
        one_by_one(problems[:1])
        print(f"{name}, {cell.parameters} parameters; programs compiled in {clock() - begin:.0f} s")
        others = problems[: options.others]
        rows = (
            ("in lanes, certified", in_lanes(cell, problems)),
            ("one by one, certified", one_by_one(others)),
            ("one jit per example", one_jit_each(drawn[: options.jit_examples])),
            ("SciPy trust-exact", with_scipy(others)),
        )
        base = 1e3 * rows[0][1][0] / max(rows[0][1][1], 1)
        for what, (seconds, points, count) in rows:
            cost = 1e3 * seconds / max(points, 1)
            print(f"  {what:26} {count:>8} {points:>7} {cost:>9.2f} {cost / base:>9.1f}")


if __name__ == "__main__":
    main()
