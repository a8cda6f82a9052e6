"""Verified points per processor second, one by one and in lanes: the same numbered problems of a census, in one run.

    python benchmarks/lanes.py [--cells ppca/exact …] [--lanes 512] [--one-by-one 32]

Everything that a census does is in both numbers: drawing a problem, the identity at its parameters, searches from its
starts in turn until one ends certified, and the verdict. Programs are compiled before the clock starts. By default all
cells of the catalogue.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from elbocheck.checks import every_point, stationary
from elbocheck.models import CELLS
from elbocheck.models.sample import Cell
from elbocheck.runs.chunks import Chunk
from elbocheck.solver import find_in_turn
from elbocheck.strategies.of_cells import numbered_sample


def in_lanes(cell: Cell, count: int) -> tuple[int, float]:
    """(verified points, processor seconds)."""
    begin = time.process_time()
    points = sum(row.tally.points for row in Chunk(cell.name, 0, count, 0).run(lambda one: None)[1:2])
    return points, time.process_time() - begin


def one_by_one(cell: Cell, count: int) -> tuple[int, float]:
    """The same, as before there were lanes."""
    begin, points = time.process_time(), 0
    for number in range(count):
        problem = numbered_sample(cell, 0, number).problem()
        every_point(problem)
        points += stationary(problem, find_in_turn(problem, number)).points
    return points, time.process_time() - begin


def main() -> None:
    """Print the table."""
    names = [cell.name for cell in CELLS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=names, choices=names, metavar="CELL")
    parser.add_argument("--lanes", type=int, default=512)
    parser.add_argument("--one-by-one", type=int, default=32)
    options = parser.parse_args()
    print(f"{'points per processor second':32} {'parameters':>10} {'one by one':>10} {'in lanes':>9} {'ratio':>6}")
    ratios, costs = [], [0.0, 0.0]
    for cell in (cell for cell in CELLS if cell.name in options.cells):
        one_by_one(cell, 4)
        in_lanes(cell, 16)
        (alone, slow), (many, fast) = one_by_one(cell, options.one_by_one), in_lanes(cell, options.lanes)
        if not alone or not many:
            print(f"{cell.name:32} {cell.parameters:>10} {'no point':>10}")
            continue
        costs = [costs[0] + slow / alone, costs[1] + fast / many]
        ratios.append(many / fast * slow / alone)
        rates = f"{alone / slow:>10.1f} {many / fast:>9.1f} {ratios[-1]:>6.1f}"
        print(f"{cell.name:32} {cell.parameters:>10} {rates}", flush=True)
    if ratios:
        print(f"{'one point of every cell':32} {'':>10} {'':>10} {'':>9} {costs[0] / costs[1]:>6.1f}")
        print(f"{'median over cells':32} {'':>10} {'':>10} {'':>9} {np.median(ratios):>6.1f}")


if __name__ == "__main__":
    main()
