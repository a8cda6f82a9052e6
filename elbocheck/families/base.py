"""What every exponential family offers.

A distribution is a frozen record of its parameters (and of known constants); its class is the family:

    log p(u; η) = η · T(u) − A(η) + log h(u).

Shapes: parameters have shape `(*batch, *event)`, where `event` is the last `event_ndim` axes; densities, entropies and
log-partitions have shape `batch`, all broadcasting from the right. Units are nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self

from elbocheck.backends.namespace import Array, namespace, zeros

NaturalParameters = tuple[Array, ...]


@dataclass(frozen=True)
class Parts:
    """What the log density of a family is made of: facts of its formulas, for those who look for what is wrong."""

    log_pi: bool = False
    """Whether it holds a constant with π, ½ log 2π for each dimension or a multiple of it."""

    gaussian: Literal["", "u", "log u"] = ""
    """What of the value is Gaussian, if anything: the entropy then holds ½ log det 2πeΣ."""

    mean_and_variance: bool = False
    """Whether the parameters of that Gaussian are called `mean` and `variance`, one each for every element."""

    states: Literal["", "one-hot", "binary"] = ""
    """How the value says which of finitely many states it is: along its last axis, or as 0 or 1; empty if neither."""

    log_two: bool = False
    """Whether it holds a constant log 2, as that of a distribution of |u| does."""

    statistics: tuple[str, ...] = ()
    """Names of the sufficient statistics T(u), one each; none if they have no usual ones."""

    saturates: bool = False
    """Whether the density is computed from logits, apart from η·T − A, whose digits saturation takes."""


PLAIN = Parts()
"""Of a family that says nothing of its parts."""


class Distribution(Protocol):
    """One member of an exponential family (THEORY sections 1 and 2).

    A family may also have `parts: ClassVar[Parts]`, see `parts_of`, and `entropy_terms() -> dict[str, Array]`: the
    terms of its entropy as code writes them out, by name, signed as they enter.
    """

    family: ClassVar[str]
    """Name for tables."""

    event_ndim: ClassVar[int]
    """Number of trailing axes that make up one value: 0 for scalars, 1 for vectors."""

    constant_base_measure: ClassVar[bool]
    """Whether h does not depend on u, so that the theorem holds with true entropies."""

    scale_degree: ClassVar[int | None]
    """k if log p(u), at the parameters a fixed prior has, is homogeneous of degree k in u up to a constant."""

    def natural_parameters(self) -> NaturalParameters:
        """η, one array per sufficient statistic, each of shape `(*batch, *event_of_statistic)`."""
        ...

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        """The member of the same family, with the same known constants, at η."""
        ...

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        """T(u), shaped like the natural parameters."""
        ...

    def log_partition(self) -> Array:
        """A(η)."""
        ...

    def mean_statistics(self) -> NaturalParameters:
        """∇A(η) = E[T(u)]."""
        ...

    def log_base_measure(self, value: Array) -> Array:
        """log h(u); zero, of the shape of the density, where h is constant."""
        ...

    def expected_log_base_measure(self) -> Array:
        """E log h(u) under the distribution itself."""
        ...

    def log_density(self, value: Array) -> Array:
        """log p(u), with a rounding error relative to the sum of its absolute terms, in the tails too."""
        ...

    def log_density_scale(self, value: Array) -> Array:
        """Size of the numbers behind log p(u): rounding errors of the density are a few eps of it.

        |log p(u)|, the terms that cancel in it, and |u ∂ log p/∂u|, what a rounding of the value does.
        """
        ...

    def entropy(self) -> Array:
        """H[p] = −E log p; differential entropy for continuous values."""
        ...

    def pseudo_entropy(self) -> Array:
        """H̃ = A(η) − η · ∇A(η) = H[p] + E log h; equals the entropy where h is constant (equal to 1)."""
        ...


class OneStatistic:
    """Base of scalar families with one sufficient statistic: what follows from η, T, A, ∇A, log h and E log h.

    A subclass is a frozen dataclass with those methods and `family`; where h is constant it says so and leaves the two
    of the base measure out. `powers`: (a, b) if T(u) is proportional to u^a and h(u) to u^b, for what rounding of a
    continuous value does to its density; discrete values are exact, (0, 0).
    """

    family: ClassVar[str]
    event_ndim: ClassVar[int] = 0
    constant_base_measure: ClassVar[bool] = False
    scale_degree: ClassVar[int | None] = None
    powers: ClassVar[tuple[float, float]] = (0.0, 0.0)

    def log_base_measure(self: Any, value: Array) -> Array:
        return zeros(value, self.natural_parameters()[0])

    def expected_log_base_measure(self: Any) -> Array:
        return zeros(self.natural_parameters()[0])

    def log_density(self: Any, value: Array) -> Array:
        (eta,), (statistic,) = self.natural_parameters(), self.sufficient_statistics(value)
        linear = eta * statistic - self.log_partition()
        return linear if self.constant_base_measure else linear + self.log_base_measure(value)

    def log_density_scale(self: Any, value: Array) -> Array:
        (eta,), (statistic,) = self.natural_parameters(), self.sufficient_statistics(value)
        of_statistic, of_base = abs(self.powers[0]), abs(self.powers[1])
        scale = (1.0 + of_statistic) * abs(eta * statistic) + abs(self.log_partition())
        return scale if self.constant_base_measure else scale + abs(self.log_base_measure(value)) + of_base

    def pseudo_entropy(self: Any) -> Array:
        return self.log_partition() - self.natural_parameters()[0] * self.mean_statistics()[0]

    def entropy(self: Any) -> Array:
        pseudo_entropy = self.pseudo_entropy()
        return pseudo_entropy if self.constant_base_measure else pseudo_entropy - self.expected_log_base_measure()


def parts_of(distribution: Any) -> Parts:
    """What the family of a distribution is made of; `PLAIN` for one that does not say, and for what is no family."""
    parts: Parts = getattr(distribution, "parts", PLAIN)
    return parts


def inner(eta: NaturalParameters, statistics: NaturalParameters, event_ndims: tuple[int, ...]) -> Any:
    """η · T: products of matching arrays, summed over the trailing event axes of each statistic."""
    total: Any = 0.0
    for one, other, ndim in zip(eta, statistics, event_ndims, strict=True):
        product = one * other
        for _ in range(ndim):
            product = namespace(product).xp.sum(product, axis=-1)
        total = total + product
    return total
