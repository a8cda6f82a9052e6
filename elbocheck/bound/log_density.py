"""Densities that are no exponential family, and terms that are no distribution at all: known by their values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from elbocheck.backends.namespace import Array, namespace
from elbocheck.families.base import NaturalParameters


@dataclass(frozen=True)
class LogDensity:
    """log p(u) as numbers, (N or 1, M, *elements), or as a function of the value of its factor.

    For Concrete densities, flows, and expectations that somebody else has taken; Student-t, zero-inflated and truncated
    densities have names in `elbocheck.densities`. Such a factor takes part in value and gradient. It has no natural
    parameters, so that the theorem does not cover it: in the sum of entropies S it keeps its E_q log p (THEORY section
    12, the last but two rows), and its gap is 0 by definition.
    """

    values: Array | Callable[[Any], Array]
    """The density; of a function, what it is at the value of the factor is taken."""

    family: ClassVar[str] = "log density"

    event_ndim: ClassVar[int] = 0

    constant_base_measure: ClassVar[bool] = True

    scale_degree: ClassVar[int | None] = None

    outside: str = "it is declared by its log density, not as an exponential family: S keeps its E log p"
    """Why the theorem does not cover it."""

    @classmethod
    def of(cls, density: Any, values: Array) -> LogDensity:
        """That of a named density (`elbocheck.densities`), whose name is in the reason, from its numbers."""
        return cls(values, f"{density.family} is no exponential family: S keeps its E log p")

    def at(self, value: Any) -> LogDensity:
        """The same as numbers; raises whatever the function raises."""
        return type(self)(self.values(value), self.outside) if callable(self.values) else self

    def natural_parameters(self) -> NaturalParameters:
        return ()

    def with_natural_parameters(self, eta: NaturalParameters) -> LogDensity:
        return self

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return ()

    def mean_statistics(self) -> NaturalParameters:
        return ()

    def log_partition(self) -> Array:
        return -self._numbers

    def log_base_measure(self, value: Array) -> Array:
        return namespace(self._numbers).xp.zeros_like(self._numbers)

    def expected_log_base_measure(self) -> Array:
        return namespace(self._numbers).xp.zeros_like(self._numbers)

    def log_density(self, value: Array) -> Array:
        return self._numbers

    def log_density_scale(self, value: Array) -> Array:
        return namespace(self._numbers).xp.abs(self._numbers)

    def entropy(self) -> Array:
        """−log p at the points of q: S keeps E log p."""
        return -self._numbers

    def pseudo_entropy(self) -> Array:
        return -self._numbers

    @property
    def _numbers(self) -> Array:
        assert not callable(self.values)
        return self.values


@dataclass(frozen=True)
class Penalty(LogDensity):
    """A term of the bound that belongs to no distribution: weight decay, the log prior of a MAP estimate."""

    family: ClassVar[str] = "penalty"
    outside: str = "it is a penalty, no distribution: S keeps it"
    """Why the theorem does not cover it."""
