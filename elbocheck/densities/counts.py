"""Densities of counts: negative binomial with learned dispersion, zero inflation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from elbocheck.backends.namespace import Array, namespace


@dataclass(frozen=True)
class NegativeBinomial2:
    """p(u) = Γ(u + r) / (Γ(r) u!) · (r/(r + m))^r (m/(r + m))^u for u = 0, 1, 2, …: variance m + m²/r.

    Shapes: `mean` m > 0, `dispersion` r > 0 (*batch,). With r known it is the exponential family
    `elbocheck.families.NegativeBinomial(log m/r, r)`, and better declared as that.
    """

    mean: Array
    dispersion: Array

    family: ClassVar[str] = "negative binomial with learned dispersion"
    event_ndim: ClassVar[int] = 0

    def log_density(self, value: Array) -> Array:
        """log p(u), nats."""
        ns = namespace(self.mean, self.dispersion, value)
        of_u = ns.gammaln(value + self.dispersion) - ns.gammaln(self.dispersion) - ns.gammaln(value + 1.0)
        odds = self.mean / self.dispersion
        return of_u - (value + self.dispersion) * ns.xp.log1p(odds) + value * ns.xp.log(odds)


@dataclass(frozen=True)
class ZeroInflated:
    """p(u) = π [u = 0] + (1 − π) p₀(u): counts of which some are zero for another reason, with π = σ(logits).

    Shapes: `logits` (*batch,); `counts`, p₀: a family or density of counts, `elbocheck.families.Poisson` say, whose
    parameters broadcast against it.
    """

    logits: Array
    counts: Any

    family: ClassVar[str] = "zero-inflated counts"
    event_ndim: ClassVar[int] = 0

    def log_density(self, value: Array) -> Array:
        """log p(u), nats."""
        others = self.counts.log_density(value)
        ns = namespace(self.logits, others, value)
        others = others - ns.softplus(self.logits)
        zero = -ns.softplus(-self.logits) + ns.xp.zeros_like(others)
        return ns.xp.where(value == 0, ns.xp.logaddexp(zero, others), others)
