"""Strategy for problems of the catalogue."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from elbocheck.backends import DTYPES, get_backend
from elbocheck.backends.libraries import LIBRARIES
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.models.catalogue import cells, find_cell
from elbocheck.models.datasets import cells_of
from elbocheck.models.sample import Cell, Sample
from elbocheck.strategies.checked import flag
from elbocheck.strategies.of_cells import samples


def problems(
    *, model: str | Cell | None = None, solvable: bool = False, backend: str = "jax", dtype: str = "float64"
) -> st.SearchStrategy[Problem]:
    """Problems of the catalogue at random parameters, ready for `check_target`, `decompose` or a solver.

    `model`: a cell, its name ("ppca/full"), or the name of a model, of which any q is drawn; None: any model that the
    theorem covers. `solvable`: only problems that have a finite stationary point, whose numbers come from a seed;
    otherwise every number is drawn, so that it shrinks. `backend`, `dtype`: what the problem is computed with; which
    problem is drawn depends on no backend, only on how far exp goes in `dtype`.

    Shrinks towards the first cell, one datum of one dimension, one latent, equal numbers. `problem.label` says what was
    drawn. Raises `InputError` for unknown names.
    """
    if backend not in LIBRARIES or dtype not in DTYPES:
        known = f"one of {', '.join(LIBRARIES)} and dtype one of {', '.join(DTYPES)}"
        raise InputError(f"problems: backend must be {known}; got {backend!r} and {dtype!r}")
    flag("problems", "solvable", solvable, (True, False))

    def made(sample: Sample) -> Problem:
        return sample.on(get_backend(backend, dtype)).problem()

    chosen = st.sampled_from(_cells(model))
    return chosen.flatmap(lambda cell: samples(cell, solvable=solvable, dtype=dtype)).map(made)


def _cells(model: Any) -> tuple[Cell, ...]:
    if isinstance(model, Cell):
        return (model,)
    if model is None:
        return tuple(cell for cell in cells() if not cell.out_of_scope)
    if not isinstance(model, str):
        raise InputError(f"problems: model must be a Cell, or the name of one or of a model; got {model!r}")
    return (find_cell(model),) if "/" in model else tuple(cells_of(model))
