"""What Hypothesis chooses of a correct target: plain values, from which it can be made again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LIBRARIES = ("jax", "numpy", "numpy-differences", "torch")
KINDS = (
    "observations",
    "mixture",
    "linear regression",
    "logistic regression",
    "Poisson regression",
    "ppca",
    "factor analysis",
    "sbn",
    "vae",
    "hmm",
)
STRESSES = ("", "scales", "logits", "empty", "equal")
SATURATED = 40.0


@dataclass(frozen=True)
class Choice:
    """Everything that was chosen; `repr` makes it again, all numbers come from `seed`.

    `sizes`: (N, D, K), data, dimensions, and components, latents, states or features. `family` of the observations.
    `q`: "exact", "free" (a table or Gaussian of its own for every datum), "held" (a constant table), "encoder".
    `chart`, `covariance`: of positive numbers and covariance matrices. `normalise`: logits are declared as
    log-probabilities. `log10_unit` of the data and their `offset` in units of their spread. `form`: 0 or 1, which of
    two ways the value is written. `stress`: what is extreme. `nested` parameters, `hinted` factors, hand-written
    `graded` gradient, `weighted` data, `scipy`: densities of scipy.stats, where there is a choice.
    """

    kind: str
    library: str
    sizes: tuple[int, int, int]
    family: str = "normal"
    q: str = "exact"
    chart: str = "log"
    covariance: str = "cholesky"
    normalise: bool = False
    log10_unit: int = 0
    offset: float = 0.0
    form: int = 0
    stress: str = ""
    nested: bool = False
    hinted: bool = False
    graded: bool = False
    weighted: bool = False
    scipy: bool = False
    seed: int = 0

    @property
    def unit(self) -> float:
        """Unit of the data."""
        return float(10.0**self.log10_unit)


def stretched(rng: np.random.Generator, value: np.ndarray, log10_most: float) -> np.ndarray:
    """Some elements times 10^±log10_most, at least one."""
    chosen = rng.random(value.shape) < 0.5
    chosen.flat[0] = True
    return np.asarray(value * np.where(chosen, 10.0 ** (log10_most * rng.choice([-1.0, 1.0], size=value.shape)), 1.0))


def saturated(rng: np.random.Generator, logits: np.ndarray, most: float = SATURATED) -> np.ndarray:
    """Some elements replaced by −40 or 40 (`most`), at least one."""
    chosen = rng.random(logits.shape) < 0.5
    chosen.flat[0] = True
    return np.where(chosen, rng.choice([-SATURATED, most], size=logits.shape), logits)


def data_weights(choice: Choice, rng: np.random.Generator) -> np.ndarray | None:
    """Weights (N,) summing to 1, or None for equal ones."""
    if not choice.weighted:
        return None
    weights = np.exp(rng.normal(size=choice.sizes[0]))
    return np.asarray(weights / weights.sum())
