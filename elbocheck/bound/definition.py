"""Bound: a variational bound as functions of named parameters and fixed arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.layout import Arrays, Layout
from elbocheck.bound.posteriors import WeightedPoints


@dataclass(frozen=True, eq=False)
class Bound:
    """Definition of an ELBO over named parameters and fixed arrays (data, weights, masks)."""

    layout: Layout
    """Blocks of the parameters."""

    declare: Callable[[Arrays, Arrays], Declaration]
    """(params, fixed) -> all distributions and q at given parameters."""

    elbo: Callable[[Arrays, Arrays], Array] | None = None
    """(params, fixed) -> the value under test, nats per datum; None recomputes it from the declaration."""

    points: Callable[[Arrays, Arrays], WeightedPoints] | None = None
    """(params, fixed) -> q, where it is known apart: the criterion of a fixed prior needs it."""

    factors: Callable[[Arrays, Arrays, Arrays], tuple[Factor, ...]] | None = None
    """(params, fixed, latents) -> the factors, where they are known apart."""

    def in_chart(self, chart: Callable[[Array], Array]) -> Bound:
        """The same bound over ϑ with θ = chart(ϑ) on flat vectors; β must then be found by the criterion."""

        def moved(params: Arrays) -> dict[str, Array]:
            xp = namespace(*params.values()).xp
            return self.layout.unpack(chart(xp.concat([xp.reshape(params[name], (-1,)) for name in self.layout.names])))

        def without_beta(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
            return tuple(replace(factor, beta=None) for factor in factors)

        def declare(params: Arrays, fixed: Arrays) -> Declaration:
            declaration = self.declare(moved(params), fixed)
            return replace(declaration, factors=without_beta(declaration.factors), beta_by_criterion=True)

        elbo, points, factors = self.elbo, self.points, self.factors
        return Bound(
            self.layout,
            declare,
            elbo=None if elbo is None else lambda params, fixed: elbo(moved(params), fixed),
            points=None if points is None else lambda params, fixed: points(moved(params), fixed),
            factors=None
            if factors is None
            else lambda params, fixed, latents: without_beta(factors(moved(params), fixed, latents)),
        )
