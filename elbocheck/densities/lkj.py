"""Correlation matrices: the density of Lewandowski, Kurowicka and Joe of their Cholesky factors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from elbocheck.backends.namespace import Array, namespace, zeros


@dataclass(frozen=True)
class LKJCholesky:
    """p(L) = Π_i L_ii^(D − i + 2η − 2) / Z for lower L of size D with rows of length 1: L Lᵀ ~ |R|^(η − 1).

    A density with respect to the elements below the diagonal. With partial correlations on (−1, 1) as in a vine,
    log Z = Σ_k (D − k) ((2a_k − 1) log 2 + 2 log Γ(a_k) − log Γ(2a_k)) with a_k = η + (D − k − 1)/2, k < D. Source:
    D. Lewandowski, D. Kurowicka and H. Joe, J. Multivariate Analysis 100 (2009), equations 16 and 17.

    Shapes: `concentration` η > 0 (*batch,); values (*batch, D, D).
    """

    concentration: Array

    family: ClassVar[str] = "LKJ"
    event_ndim: ClassVar[int] = 2

    def log_density(self, value: Array) -> Array:
        """log p(L), nats."""
        ns = namespace(self.concentration, value)
        size = value.shape[-1]
        total = zeros(self.concentration, value[..., 0, 0])
        for k in range(1, size):
            a = self.concentration + 0.5 * (size - k - 1)
            log_z = (2.0 * a - 1.0) * math.log(2.0) + 2.0 * ns.gammaln(a) - ns.gammaln(2.0 * a)
            power = size - k - 1 + 2.0 * (self.concentration - 1.0)
            total = total + power * ns.xp.log(value[..., k, k]) - (size - k) * log_z
        return total
