"""Problems without a finite or isolated optimum, built on purpose: an open verdict with its reason, never a false one.

A component on one datum, Heywood cases, separable binary data, pure columns and repeated data send a parameter to
infinity; equal components and idle latents make continua of stationary points.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from elbocheck.checks import every_point, stationary
from elbocheck.models import find_cell
from elbocheck.models.sample import Sample, random_sample
from elbocheck.outcome import Outcome
from elbocheck.problem import Problem
from elbocheck.solver import StationaryPoint, certify, find_stationary_point, find_stationary_points

SECONDS = 60.0
"""For one problem, compilation included, on a slow machine; a hang is what it is about."""
OPEN = ("boundary at infinity: ", "gradient too large: ", "gradient below its own rounding", "non-isolated or at infinity")

Rows = list[list[float]]


@dataclass(frozen=True)
class Case:
    """A problem that runs away: `blocks`, one of which the reason names if the search went far enough."""

    cell: str
    x: Rows
    latents: int
    blocks: tuple[str, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)

    def sample(self, seed: int = 0) -> Sample:
        sample = random_sample(find_cell(self.cell), np.array(self.x, dtype=float), self.latents, seed, label=self.cell)
        moved = {name: np.broadcast_to(value, sample.params[name].shape) for name, value in self.params.items()}  # type: ignore[call-overload]
        return sample.with_params({name: np.array(value, dtype=float) for name, value in moved.items()})


LINE = [[-1.2], [-0.7], [0.1], [0.4], [0.9], [7.0]]
RUNAWAYS = {
    "a component on one datum": Case(
        "gmm-diagonal/exact", LINE, 2, ("log_variances",),
        {"means": [[0.0], [7.0]], "log_variances": [[0.0], [-6.0]], "logits": [1.0, -1.0]},
    ),
    "a spherical component on one datum": Case(
        "gmm-spherical/exact", LINE, 2, ("log_variances",),
        {"means": [[0.0], [7.0]], "log_variances": [0.0, -6.0], "logits": [1.0, -1.0]},
    ),
    "more components than distinct data": Case(
        "gmm-diagonal/exact", [[0.0], [0.0], [1.0], [1.0]], 3, ("log_variances",),
        {"means": [[0.0], [1.0], [1.0]], "log_variances": [[-5.0], [-5.0], [-4.0]]},
    ),
    "a full covariance of data on a line": Case(
        "gmm-full/exact", [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [4.0, 4.0]], 1,
        ("precision_log_diagonal", "precision_lower"),
    ),
    "a constant column": Case("gmm-diagonal/exact", [[0.3, 2.0], [1.0, 2.0], [-0.5, 2.0]], 1, ("log_variances",)),
    "one datum, PPCA": Case("ppca/exact", [[1.0, 2.0, 3.0]], 1, ("log_variance",)),
    "as many latents as dimensions, PPCA": Case(
        "ppca/exact", [[0.0, 0.0], [1.0, 0.2], [0.3, 1.0]], 2, ("log_variance",)
    ),
    "Heywood case": Case(
        "factor-analysis/exact", [[-1.0, -1.1, 0.3], [1.0, 0.9, -0.2], [0.2, 0.0, 1.0], [-0.2, 0.2, -1.1]], 1,
        ("log_variance",), {"loadings": [[1.0], [0.95], [0.0]], "mean": 0.0, "log_variance": [-9.0, -4.0, 0.0]},
    ),
    "a constant column, factor analysis": Case(
        "factor-analysis/exact", [[0.0, 1.0], [1.0, 1.0], [3.0, 1.0]], 1, ("log_variance", "mean")
    ),
    "VAE without noise": Case(
        "vae-1/encoder", [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]], 1, ("log_variance", "q_log_variances"),
    ),
    "separable binary data, SBN": Case(
        "sbn/exact", [[0.0, 0.0], [1.0, 1.0]] * 3, 1, ("weights", "bias"),
        {"prior_logits": 0.0, "weights": [[6.0], [6.0]], "bias": -3.0},
    ),
    "a pure column, SBN": Case("sbn/exact", [[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]], 1, ("bias", "weights")),
    "separable binary data, VAE": Case(
        "vae-binary/hermite", [[0.0, 0.0], [1.0, 1.0]] * 4, 1, ("loadings", "mean"),
    ),
    "a pure component": Case(
        "bernoulli-mixture/exact", [[0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]] * 2, 2, ("logits_x",),
        {"logits": 0.0, "logits_x": [[-6.0, 0.2], [6.0, -0.1]]},
    ),
    "a pure column": Case("bernoulli-mixture/exact", [[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]], 1, ("logits_x",)),
    "counts that are all zero": Case("poisson-mixture/exact", [[0.0], [0.0], [0.0]], 1, ("log_rates",)),
    "equal proportions, beta": Case("beta-mixture/exact", [[0.3], [0.3]], 1, ("log_alphas", "log_betas")),
    "equal data, gamma": Case("gamma-mixture/exact", [[2.0], [2.0]], 1, ("log_shapes", "log_rates")),
    "equal angles": Case("von-mises-mixture/exact", [[0.5], [0.5], [0.5]], 1, ("cosines", "sines")),
    "one angle": Case("von-mises-mixture/exact", [[0.5]], 1, ("cosines", "sines")),
    "absorbing states": Case(
        "hmm-categorical/exact", [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]], 3,
        ("initial_logits", "transition_logits", "emission_logits"),
        {"transition_logits": 8.0 * np.eye(3), "emission_logits": 6.0 * np.eye(3)},
    ),
}


def named(case: Case, point: StationaryPoint) -> bool:
    """Whether the reason is one of the known ones and names a block that can run away here."""
    if not point.reason.startswith("boundary at infinity: "):
        return point.reason.startswith(OPEN)
    return point.reason.removeprefix("boundary at infinity: ").split(" ran away")[0] in case.blocks
