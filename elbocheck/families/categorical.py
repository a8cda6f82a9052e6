"""Categorical distribution, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts


@dataclass(frozen=True)
class Categorical:
    """p(u = e_c) = exp(η_c) / Σ_k exp(η_k) for one-hot u.

    T(u) = u, A(η) = log Σ_k exp(η_k), h = 1. Adding a constant to all logits changes nothing (a gauge direction).

    Shapes: `logits` (*batch, C), values one-hot (*batch, C). `where` (C,) boolean: the classes that exist; the others
    have probability zero and do not count. The log probability of the dominating class is −log1p(rest), so that an
    almost certain outcome, and its derivatives, keep their relative accuracy.
    """

    logits: Array
    where: Array | None = None

    family: ClassVar[str] = "categorical"
    event_ndim: ClassVar[int] = 1
    support: ClassVar[str] = "one-hot"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(states="one-hot", saturates=True)

    def _log_probabilities(self) -> tuple[Array, Array, Array]:
        """(log p with 0 for absent classes, p, the maximal logit + log of the normaliser)."""
        ns = namespace(self.logits)
        xp, logits = ns.xp, self.logits
        exists = xp.ones_like(logits) > 0
        if self.where is not None:
            exists = exists & (xp.astype(self.where, logits.dtype) > 0)
        top = ns.pivot(xp.where(exists, logits, -xp.inf), axis=-1)
        is_top = xp.arange(logits.shape[-1]) == xp.expand_dims(top, axis=-1)
        peak = xp.sum(xp.where(is_top, logits, 0.0), axis=-1, keepdims=True)
        is_below = exists & ~is_top  # the top class without `logits - peak`, whose derivatives cancel only in part
        below = xp.where(is_below, logits - peak, 0.0)
        rest = xp.sum(xp.where(is_below, xp.exp(below), 0.0), axis=-1, keepdims=True)
        log_normaliser = xp.log1p(rest)
        log_p = xp.where(exists, below - log_normaliser, 0.0)
        p = xp.where(exists, xp.exp(log_p), 0.0)
        return log_p, p, (peak + log_normaliser)[..., 0]

    def natural_parameters(self) -> NaturalParameters:
        ns = namespace(self.logits)
        return (self.logits if self.where is None else ns.xp.where(self.where > 0, self.logits, 0.0),)

    def without_gauge(self, eta: NaturalParameters) -> NaturalParameters:
        """η with mean 0 over the classes: a constant added to all logits changes no probability."""
        xp = namespace(*eta).xp
        if self.where is None:
            return (eta[0] - xp.mean(eta[0], axis=-1, keepdims=True),)
        exists = xp.astype(self.where > 0, eta[0].dtype) + xp.zeros_like(eta[0])
        mean = xp.sum(exists * eta[0], axis=-1, keepdims=True) / xp.sum(exists, axis=-1, keepdims=True)
        return (exists * (eta[0] - mean),)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0], self.where)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value,)

    def log_partition(self) -> Array:
        return self._log_probabilities()[2]

    def mean_statistics(self) -> NaturalParameters:
        return (self._log_probabilities()[1],)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.logits)[..., 0]

    def expected_log_base_measure(self) -> Array:
        return zeros(self.logits[..., 0])

    def log_density(self, value: Array) -> Array:
        xp = namespace(self.logits, value).xp
        return xp.sum(value * self._log_probabilities()[0], axis=-1)

    def log_density_scale(self, value: Array) -> Array:
        return namespace(self.logits, value).xp.abs(self.log_density(value))

    def entropy(self) -> Array:
        log_p, p, _ = self._log_probabilities()
        return -namespace(self.logits).xp.sum(p * log_p, axis=-1)

    def pseudo_entropy(self) -> Array:
        return self.entropy()
