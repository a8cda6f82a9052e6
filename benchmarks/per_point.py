"""Marginal cost of a verified stationary point: shared program, one `jax.jit` per example, `scipy.optimize`.

    python benchmarks/per_point.py [--cell ppca/exact] [--problems 60] [--jit-examples 5]

The three columns solve the same random problems of one cell from the same starts. "Here" is the search and the
certificate on the program that all problems of the cell share. "One jit per example" is the same with a program
compiled for each problem's own shape. "scipy" is `scipy.optimize.minimize(method="trust-exact")` on the very same
compiled derivatives, each evaluated once per point, to the same gradient norm, without a certificate.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import scipy.optimize

from elbocheck.bound.problem import Problem
from elbocheck.models import find_cell
from elbocheck.models.sample import Sample, program_for
from elbocheck.solver import find_stationary_point
from elbocheck.solver.precision import DOUBLE
from elbocheck.strategies import draw_many, samples

LIMIT = DOUBLE.gradient

Evaluation = tuple[float, np.ndarray, np.ndarray]


def here(problems: list[Problem]) -> tuple[float, int]:
    """(seconds, verified points) with the shared program, certificate included."""
    begin = time.perf_counter()
    verified = sum(find_stationary_point(problem, problem.starts[0]).certified for problem in problems)
    return time.perf_counter() - begin, verified


def one_jit_each(drawn: list[Sample]) -> tuple[float, int]:
    """The same, each problem with a program compiled for its own shape."""
    begin, verified = time.perf_counter(), 0
    for sample in drawn:
        cell = replace(sample.cell, capacity=sample.sizes)
        problem = replace(sample, cell=cell).problem()
        q = cell.variational
        axes, backend = tuple(q.axes.items()), cell.backend
        fresh = program_for.__wrapped__(cell.model, q.points, q.blocks, axes, cell.capacity, backend)
        problem = problem.with_compiled(fresh)
        verified += find_stationary_point(problem, problem.starts[0]).certified
    return time.perf_counter() - begin, verified


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


def with_scipy(problems: list[Problem]) -> tuple[float, int]:
    """(seconds, points with ‖∇F‖ within the limit) by trust-exact on the same derivatives, cached per point."""
    begin, reached = time.perf_counter(), 0
    for problem in problems:
        function, columns = negative(problem), np.flatnonzero(problem.free_mask)
        try:
            with np.errstate(all="ignore"):
                found = scipy.optimize.minimize(
                    lambda x, f=function: f(x)[0],
                    (problem.starts[0].vector / problem.unit_vector)[columns],
                    jac=lambda x, f=function: f(x)[1],
                    hess=lambda x, f=function: f(x)[2],
                    method="trust-exact",
                    options={"gtol": LIMIT, "maxiter": 200},
                )
        except (ValueError, np.linalg.LinAlgError):  # it ran into values that are not finite
            continue
        reached += bool(np.linalg.norm(found.jac) <= LIMIT)
    return time.perf_counter() - begin, reached


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", default="ppca/exact")
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--jit-examples", type=int, default=5)
    options = parser.parse_args()
    cell = find_cell(options.cell)
    drawn = draw_many(samples(cell, solvable=True), options.problems)
    problems = [sample.problem() for sample in drawn]

    begin = time.perf_counter()
    find_stationary_point(problems[0], problems[0].starts[0])
    compilation = time.perf_counter() - begin
    rows = [
        ("here, certificate included", *here(problems), len(problems)),
        ("one jax.jit per example", *one_jit_each(drawn[-options.jit_examples :]), options.jit_examples),
        ("scipy trust-exact", *with_scipy(problems), len(problems)),
    ]
    sizes = len({sample.sizes for sample in drawn})
    print(f"{cell.name}: {len(problems)} problems of {sizes} sizes; the shared program compiled in {compilation:.1f} s")
    print(f"{'':28} {'problems':>8} {'points':>7} {'ms per point':>13} {'relative':>9}")
    base = 1e3 * rows[0][1] / max(rows[0][2], 1)
    for name, seconds, points, count in rows:
        cost = 1e3 * seconds / max(points, 1)
        print(f"{name:28} {count:>8} {points:>7} {cost:>13.1f} {cost / base:>9.1f}")


if __name__ == "__main__":
    main()
