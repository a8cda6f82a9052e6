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
class ChosenData:
    """What is done to the data after they are drawn."""

    log10_unit: int = 0
    """Power of ten that is their unit."""

    offset: float = 0.0
    """How far from the origin they lie, in units of their spread."""

    weighted: bool = False
    """Whether they have weights of their own, not 1/N each."""

    @property
    def unit(self) -> float:
        """Unit of the data."""
        return float(10.0**self.log10_unit)


@dataclass(frozen=True)
class ChosenStyle:
    """In which of several ways the same bound is written, where there is a choice."""

    chart: str = "log"
    """Of positive numbers, one of `tools.CHARTS`."""

    covariance: str = "cholesky"
    """What is trained of a covariance matrix: its "cholesky" factor, that of its "precision", or the "matrix"."""

    normalise: bool = False
    """Whether logits are declared as log-probabilities, and an autoencoder's prior is learned."""

    form: int = 0
    """0 or 1: which of two formulas gives the value."""

    nested: bool = False
    """Whether parameters are a dict of dicts, not a flat one."""

    hinted: bool = False
    """Whether factors name their parameters."""

    graded: bool = False
    """Whether a gradient written by hand is handed over, where there is one."""

    scipy: bool = False
    """Whether log densities are those of scipy.stats."""


@dataclass(frozen=True)
class Choice:
    """Everything that was chosen; `repr` makes it again."""

    kind: str
    """Of the model, one of `KINDS`."""

    library: str
    """Whose functions it is written with, one of `LIBRARIES`."""

    sizes: tuple[int, int, int]
    """(N, D, K): data, dimensions, and components, latents, states or features."""

    family: str = "normal"
    """Of the observations."""

    q: str = "exact"
    """ "exact", "free" (a table or Gaussian of its own for every datum), "held" (a constant table) or "encoder"."""

    stress: str = ""
    """What is extreme, one of `STRESSES`; empty for nothing."""

    data: ChosenData = ChosenData()
    """What is done to the data."""

    style: ChosenStyle = ChosenStyle()
    """How it is written."""

    seed: int = 0
    """From which all numbers come."""


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
    if not choice.data.weighted:
        return None
    weights = np.exp(rng.normal(size=choice.sizes[0]))
    return np.asarray(weights / weights.sum())
