"""Log-normal mixture, base measure not constant."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import namespace
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import LogNormal
from elbocheck.models.base import Params
from elbocheck.models.mixture import mixture
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_positive, ones_like
from elbocheck.models.variational.exact import EXACT


def _component(params: Arrays, fixed: Arrays) -> LogNormal:
    variances = namespace(params["log_variances"]).xp.exp(params["log_variances"])
    return LogNormal(params["means"][None, ...], variances[None, ...])


def _initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    scale = np.sqrt(np.maximum(data_weights @ (np.log(x) - data_weights @ np.log(x)) ** 2, 1e-4))
    chosen = np.log(x[rng.integers(len(x), size=count)])
    return {
        "means": 0.7 * chosen + 0.3 * (data_weights @ np.log(x)) + 0.3 * scale * rng.normal(size=chosen.shape),
        "log_variances": 2 * np.log(scale) + 0.5 * rng.normal(size=chosen.shape),
    }


def _simulate(rng: np.random.Generator, data: int, observed: int, count: int) -> np.ndarray:
    """Logarithms in overlapping clusters."""
    centre = 1.4 * rng.normal(size=(max(count, 1), observed))[rng.integers(max(count, 1), size=data)]
    return np.exp(centre + rng.normal(size=centre.shape))


LOG_NORMAL_MIXTURE = mixture(
    name="log-normal-mixture",
    title="log-normal mixture",
    blocks=(
        Block("means", ("K", "D"), log_degree=1),
        Block("log_variances", ("K", "D")),
    ),
    component=_component,
    beta=lambda params: {"log_variances": -ones_like(params, "log_variances")},
    initial=_initial,
    check_data=check_positive,
    family="log-normal",
    constant_base_measure=False,
    simulate=_simulate,
    units="scale",
    fill=1.0,
)
CELLS = (Cell(LOG_NORMAL_MIXTURE, EXACT, (16, 3, 3)),)
