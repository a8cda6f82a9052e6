"""E_q log p in closed form, where q and p are members of one family: what analytic KL divergences are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.errors import InputError
from elbocheck.families.base import Distribution, NaturalParameters, Parts, inner, parts_of


@dataclass(frozen=True)
class Average:
    """p at a value that is averaged over q: E_q log p = η_p · E_q T − A(η_p) + E_q log h, as log p is linear in T.

    It stands in for p in a factor whose value is not sampled and is not given: a conjugate prior, the analytic KL
    divergence of an autoencoder. The base measure h must not depend on p. Shapes as those of any factor: (N or 1, 1,
    *elements, *event) for the parameters of both. The factor is claimed like any other: its η are p's.
    """

    distribution: Distribution
    """p."""

    under: Distribution
    """q, of the same family."""

    @property
    def family(self) -> str:
        """That of p; so are the three after `parts`."""
        return self.distribution.family

    @property
    def parts(self) -> Parts:
        """Those of p, of which nothing but E_q T is known."""
        return replace(parts_of(self.distribution), mean_and_variance=False, saturates=False)

    @property
    def event_ndim(self) -> int:
        """Axes of one value."""
        return self.distribution.event_ndim

    @property
    def constant_base_measure(self) -> bool:
        """Whether h depends on the value."""
        return self.distribution.constant_base_measure

    @property
    def scale_degree(self) -> int | None:
        """Degree of homogeneity."""
        return self.distribution.scale_degree

    def natural_parameters(self) -> NaturalParameters:
        return self.distribution.natural_parameters()

    def with_natural_parameters(self, eta: NaturalParameters) -> Average:
        return Average(self.distribution.with_natural_parameters(eta), self.under)

    def log_partition(self) -> Array:
        return self.distribution.log_partition()

    def mean_statistics(self) -> NaturalParameters:
        return self.distribution.mean_statistics()

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        eta = self.distribution.natural_parameters()
        return tuple(mean + zeros(one) for mean, one in zip(self.under.mean_statistics(), eta, strict=True))

    def log_density(self, value: Array) -> Array:
        log_partition = self.distribution.log_partition()
        statistics = self.sufficient_statistics(value)
        axes = tuple(one.ndim - log_partition.ndim for one in self.distribution.natural_parameters())
        linear = inner(self.distribution.natural_parameters(), statistics, axes)
        return linear - log_partition + self.log_base_measure(value)

    def log_density_scale(self, value: Array) -> Array:
        log_partition = self.distribution.log_partition()
        xp = namespace(log_partition).xp
        eta = self.distribution.natural_parameters()
        axes = tuple(one.ndim - log_partition.ndim for one in eta)
        statistics = tuple(xp.abs(one) for one in self.sufficient_statistics(value))
        linear = inner(tuple(xp.abs(one) for one in eta), statistics, axes)
        return linear + xp.abs(log_partition) + xp.abs(self.log_base_measure(value))

    def log_base_measure(self, value: Array) -> Array:
        return self.under.expected_log_base_measure() + zeros(self.distribution.log_partition())

    def expected_log_base_measure(self) -> Array:
        return self.distribution.expected_log_base_measure()

    def entropy(self) -> Array:
        return self.distribution.entropy()

    def pseudo_entropy(self) -> Array:
        return self.distribution.pseudo_entropy()


def expected_log_density(under: Distribution, coefficients: Sequence[Array], constant: Array | float = 0.0) -> Array:
    """E_q log p(x | θ) of a density whose parameters θ ~ q are random, in nats, for `LogDensity`.

    It must be linear in the statistics of q: log p(x | θ) = Σ_k c_k(x) · T_k(θ) + constant(x); then E_q T = ∇A of q's
    own family. `under`: q; `coefficients`: c_k, one for each statistic of q, shaped like it and broadcasting.

    - states z (one-hot) under a Dirichlet q(π): c = (z,), not normalised: Σ_k z_k E log π_k
    - counts x under a gamma q(λ), T = (log λ, λ): c = (x, −1), constant = −log x!
    - Gaussian x of unknown precision τ under a gamma q(τ): c = (½, −½ (x − μ)²), constant = −½ log 2π

    Raises `InputError` for another number of coefficients.
    """
    means = under.mean_statistics()
    if len(coefficients) != len(means):
        raise InputError(f"{type(under).__name__} has {len(means)} statistics; got {len(coefficients)} coefficients")
    ndim = under.log_partition().ndim
    total: Array = constant
    for coefficient, mean in zip(coefficients, means, strict=True):
        product = coefficient * mean
        for _ in range(mean.ndim - ndim):
            product = namespace(product).xp.sum(product, axis=-1)
        total = total + product
    return total
