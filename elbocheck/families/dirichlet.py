"""Dirichlet distribution, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.gamma import unit_rate_entropy


@dataclass(frozen=True)
class Dirichlet:
    """p(u) = Π_d u_d^(a_d−1) Γ(Σ_d a_d) / Π_d Γ(a_d) for u on the simplex.

    T(u) = log u, η = a − 1, A = Σ_d log Γ(a_d) − log Γ(Σ_d a_d), h = 1 (with respect to all coordinates but one).

    Shapes: `concentration` a (*batch, D), values (*batch, D). `where` (D,) boolean: the entries that exist; the others
    do not count, ∇A is 0 there, and values there may be anything finite. The entropy is Σ_d G(a_d) − G(Σ_d a_d)
    − (D − 1) ψ(Σ_d a_d) with the entropy G of a gamma distribution, which cancels less than the textbook form.
    Source: THEORY section 4 and section 7, row EF mixtures.
    """

    concentration: Array
    where: Array | None = None

    family: ClassVar[str] = "Dirichlet"
    event_ndim: ClassVar[int] = 1
    support: ClassVar[str] = "simplex"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(statistics=("log u",))

    def _existing(self, elements: Array, absent: float = 0.0) -> Array:
        if self.where is None:
            return elements
        return namespace(elements).xp.where(self.where > 0, elements, absent)

    def _shapes(self) -> tuple[Array, Array]:
        """(a, 1 where absent; Σ_d a_d)."""
        xp = namespace(self.concentration).xp
        return self._existing(self.concentration, 1.0), xp.sum(self._existing(self.concentration), axis=-1)

    def natural_parameters(self) -> NaturalParameters:
        return (self._existing(self.concentration - 1.0),)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(eta[0] + 1.0, self.where)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (namespace(value).xp.log(self._existing(value, 1.0)),)

    def log_partition(self) -> Array:
        ns, (shapes, total) = namespace(self.concentration), self._shapes()
        return ns.xp.sum(self._existing(ns.gammaln(shapes)), axis=-1) - ns.gammaln(total)

    def mean_statistics(self) -> NaturalParameters:
        ns, (shapes, total) = namespace(self.concentration), self._shapes()
        return (self._existing(ns.digamma(shapes) - ns.digamma(total)[..., None]),)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.concentration)[..., 0]

    def expected_log_base_measure(self) -> Array:
        return zeros(self.concentration[..., 0])

    def log_density(self, value: Array) -> Array:
        xp = namespace(self.concentration, value).xp
        (eta,), (log_value,) = self.natural_parameters(), self.sufficient_statistics(value)
        return xp.sum(eta * log_value, axis=-1) - self.log_partition()

    def log_density_scale(self, value: Array) -> Array:
        ns, (shapes, total) = namespace(self.concentration, value), self._shapes()
        (eta,), (log_value,) = self.natural_parameters(), self.sufficient_statistics(value)
        logs = ns.xp.sum(self._existing(ns.xp.abs(ns.gammaln(shapes))), axis=-1) + ns.xp.abs(ns.gammaln(total))
        return 1.0 + logs + ns.xp.sum(ns.xp.abs(eta) * (1.0 - log_value), axis=-1)

    def entropy(self) -> Array:
        ns, (shapes, total) = namespace(self.concentration), self._shapes()
        parts = ns.xp.sum(self._existing(unit_rate_entropy(shapes)), axis=-1)
        count = ns.xp.sum(self._existing(ns.xp.ones_like(shapes)), axis=-1)
        return parts - unit_rate_entropy(total) - (count - 1.0) * ns.digamma(total)

    def pseudo_entropy(self) -> Array:
        return self.entropy()

    def entropy_terms(self) -> dict[str, Array]:
        """The entropy as it is written out, log B(a) + (Σa − D) ψ(Σa) − Σ (a − 1) ψ(a)."""
        ns, (shapes, total) = namespace(self.concentration), self._shapes()
        count = ns.xp.sum(self._existing(ns.xp.ones_like(shapes)), axis=-1)
        return {
            "Σ log Γ(a)": ns.xp.sum(self._existing(ns.gammaln(shapes)), axis=-1),
            "log Γ(Σa)": -ns.gammaln(total),
            "(Σa − D) ψ(Σa)": (total - count) * ns.digamma(total),
            "Σ (a − 1) ψ(a)": -ns.xp.sum(self._existing((shapes - 1.0) * ns.digamma(shapes)), axis=-1),
        }
