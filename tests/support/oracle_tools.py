"""What the oracles of the catalogue share: samples, and agreement within computed bounds.

Oracles use nothing of elbocheck's factors, families or posteriors: parameters are read from a sample, unpadded, and
everything else is computed anew with NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from elbocheck.backends import available, get_backend
from elbocheck.bound.decomposition import Decomposition
from elbocheck.models import CELLS
from elbocheck.models.sample import Cell, Sample, random_sample

NATS_2PIE = float(np.log(2 * np.pi * np.e))
SIZES = ((7, 3, 2), (1, 2, 1), (3, 2, 2), (8, 3, 1))
"""(N, D, K): below capacity, so that padding is always present; a single datum and one latent among them."""


def models(*names: str) -> list[Cell]:
    """All cells of the named models, an ending of the name being enough (`-mixture`)."""
    found = [cell for cell in CELLS if cell.model.name.endswith(names)]
    missing = [name for name in names if not any(cell.model.name.endswith(name) for cell in found)]
    assert not missing, f"no model of the catalogue is called {missing}"
    return found


def by_cell(cells: Iterable[Cell]) -> pytest.MarkDecorator:
    """One test per cell; those that share a compiled program run in one process."""
    marked = [pytest.param(cell, id=cell.name, marks=pytest.mark.xdist_group(cell.group)) for cell in cells]
    return pytest.mark.parametrize("cell", marked)


def by_cell_on_numpy(cells: Iterable[Cell]) -> pytest.MarkDecorator:
    """One test per cell, where nothing is compiled: that backends agree is a property of its own."""
    numpy = get_backend("numpy")
    return pytest.mark.parametrize("cell", [pytest.param(cell.on(numpy), id=cell.name) for cell in cells])


def backend_param(name: str) -> Any:
    """A backend as a parameter; its tests are skipped where its library is not installed."""
    missing = name not in available()
    return pytest.param(
        name, marks=pytest.mark.skipif(missing, reason=f"needs {name}: pip install 'elbocheck[{name}]'")
    )


def draw(cell: Cell, sizes: tuple[int, int, int], seed: int = 0) -> Sample:
    """Moderate parameters, unequal weights (one of them zero)."""
    data, observed, latents = sizes
    rng = np.random.default_rng((seed, *sizes))
    weights = rng.exponential(size=data)
    weights[1:2] = 0.0
    return random_sample(cell, cell.model.data.simulate(rng, data, observed, latents), latents, seed, weights)


def moderate(cell: Cell) -> list[Sample]:
    """One sample for each of `SIZES`, where they fit."""
    fits = [tuple(np.minimum(sizes, cell.capacity)) for sizes in SIZES]
    return [draw(cell, (int(n), int(d), int(k)), seed) for seed, (n, d, k) in enumerate(fits)]


def assert_elbo(decomposition: Decomposition, oracle: float, sample: Sample) -> None:
    """Equal within the bound on rounding that elbocheck computes for the size of the terms; a finite gradient."""
    error = abs(decomposition.elbo - oracle)
    assert np.all(np.isfinite(decomposition.gradient)), sample
    assert error <= decomposition.elbo_rounding, (sample, decomposition.elbo, oracle, decomposition.elbo_rounding)


def assert_entropy_sum(decomposition: Decomposition, oracle: float, sample: Sample) -> None:
    error = abs(decomposition.entropy_sum - oracle)
    assert error <= decomposition.rounding < 1e-6, (sample, decomposition.entropy_sum, oracle, decomposition.rounding)


def assert_delta(decomposition: Decomposition, oracle: float, sample: Sample) -> None:
    error = abs(decomposition.delta - oracle)
    assert error <= decomposition.rounding < 1e-6, (sample, decomposition.delta, oracle, decomposition.rounding)
