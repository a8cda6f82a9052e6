"""Models that are in the catalogue already: a library's parameters and reported ELBO beside elbocheck's own factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.factors import Declaration
from elbocheck.bound.layout import Arrays
from elbocheck.models.base import Model, Variational

Params = Mapping[str, Any]


def fixed_arrays(x: np.ndarray, latents: int) -> dict[str, np.ndarray]:
    """What the catalogue's models call `fixed`: data x (N, D) of weight 1/N each, and nothing padded."""
    return {
        "x": x,
        "inputs": x,
        "data_weights": np.full(len(x), 1.0 / len(x)),
        "exists_D": np.ones(x.shape[1]),
        "exists_K": np.ones(latents),
    }


def declaration(model: Model, q: Variational, arrays: Arrays) -> Callable[[Params], Declaration]:
    """`params -> Declaration` of a catalogue model with the posterior q on given arrays, see `fixed_arrays`."""

    def declare(params: Params) -> Declaration:
        xp = namespace(*params.values()).xp
        fixed = {name: xp.asarray(array) for name, array in arrays.items()}
        points = q.points(model, params, fixed)
        factors = model.factors(params, fixed, points.latents)
        return Declaration(
            factors, points.weights, points.entropy, fixed["data_weights"], points.rescaling, points.optimal
        )

    return declare
