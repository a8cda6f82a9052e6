"""Known reasons why a bound that is right is not quite the declared one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Departure:
    """A known, legitimate reason why the reported bound is not the declared one, or training stops elsewhere.

    What is known is subtracted and named, not silenced: the rest is judged as strictly as ever.
    """

    name: str
    """For reports, with its value ("reg_covar = 1e-06", "jitter 1e-4")."""
    gaps: Callable[[Any], Mapping[str, float]] | Mapping[str, float] = field(default_factory=dict)
    """params -> {factor: nats per datum}: what it adds to gap_f − δ_f where training stops; without a function if it is
    constant."""
    value: Callable[[Any], Any] | float = 0.0
    """params -> nats per datum, written in the library of the code under test: what it adds to the reported bound, at
    any parameters, so that its derivative is subtracted from the gradient, too."""

    def added(self, params: Any) -> Any:
        """What it adds to the reported bound at these parameters."""
        return self.value(params) if callable(self.value) else self.value

    def at(self, params: Any) -> Mapping[str, float]:
        """The predicted gaps at these parameters."""
        return self.gaps(params) if callable(self.gaps) else self.gaps
