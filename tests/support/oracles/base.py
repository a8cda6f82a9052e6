"""What an oracle is made of: exact values with scales, and the members and values to compare at.

The scale of a result is computed with its exact value: its magnitude if nothing cancels, otherwise the sum of absolute
terms, times a condition number if not 1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 16
"""Roundings (of half an eps, most of them) that one result may carry; 16 eps = 3.6e-15."""
TINY = 1e-300  # results may underflow: XLA flushes subnormal numbers to zero
ENTROPIES = ("entropy", "pseudo_entropy")

Number = Any  # mpmath has no type stubs
Scaled = tuple[Number, Number]  # (exact value, scale)


@dataclass(frozen=True)
class Exact:
    """One distribution at 50 digits; `log_partition` is A at any flattened η; `scales`, where not the magnitude."""

    eta: list[Number]
    log_partition: Callable[[list[Number]], Number]
    entropy: Number
    log_density: Callable[[np.ndarray], Scaled]
    log_base_measure: Callable[[np.ndarray], Scaled] = lambda value: (mp.mp.zero, mp.mp.zero)
    expected_log_base_measure: Number = mp.mp.zero
    scales: Mapping[str, Sequence[Number]] = dataclasses.field(default_factory=dict)
    condition: float = 1.0  # of the map from η back to the parameters

    @functools.cached_property
    def mean_statistics(self) -> list[Number]:
        """∇A(η), by numerical differentiation at the working precision."""
        count = len(self.eta)
        orders = [tuple(int(i == k) for k in range(count)) for i in range(count)]
        return [mp.diff(lambda *eta: self.log_partition(list(eta)), tuple(self.eta), order) for order in orders]

    def scaled(self, method: str) -> list[Scaled]:
        """One method of the parameters: flattened exact values with their scales."""
        log_partition = self.log_partition(self.eta)
        exact = {
            "log_partition": [log_partition],
            "entropy": [self.entropy],
            "pseudo_entropy": [log_partition - mp.fdot(self.eta, self.mean_statistics)],
            "expected_log_base_measure": [self.expected_log_base_measure],
            "natural_parameters": self.eta,
            "mean_statistics": self.mean_statistics,
        }[method]
        return list(zip(exact, self.scales.get(method, map(abs, exact)), strict=True))


def numbers(array: Any) -> list[Number]:
    """Floating point numbers as they are; `test_parameter_derivatives.py` passes arrays of mpmath numbers."""
    return [x if isinstance(x, mp.mpf) else mp.mpf(float(x)) for x in np.ravel(array)]


@dataclass(frozen=True)
class Case:
    """A batch of members of one family, the first of them moderate; `values` (V, batch, *event)."""

    distribution: Any
    values: np.ndarray
    exact: Callable[[Any], Exact]
    scipy: Callable[[Any], Any]
    digits: int = 50
    differentiated: tuple[int, ...] = (0, -1)
    """Members for `test_parameter_derivatives.py`: those whose derivatives do not cancel."""

    @property
    def family(self) -> Any:
        return type(self.distribution)
