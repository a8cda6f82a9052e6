"""Wishart distribution of positive definite matrices, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.gamma import unit_rate_entropy
from elbocheck.families.matrices import cholesky, inverse, log_diagonal, symmetric, trace


@dataclass(frozen=True)
class Wishart:
    """p(U) = |U|^((ν−D−1)/2) exp(−½ tr V⁻¹U) / (2^(νD/2) |V|^(ν/2) Γ_D(ν/2)) for positive definite U, ν > D − 1.

    T(U) = (log |U|, U), η = ((ν − D − 1)/2, −V⁻¹/2), A = ν/2 (D log 2 + log |V|) + log Γ_D(ν/2), h = 1, with
    log Γ_D(ν/2) = D(D−1)/4 log π + Σ_i log Γ(a_i), a_i = (ν + 1 − i)/2 for i = 1, …, D.
    E log |U| = Σ_i ψ(a_i) + D log 2 + log |V|, E U = ν V. The entropy is (D+1)/2 (D log 2 + log |V|)
    + D(D−1)/4 (log π + 1) + Σ_i (G(a_i) + ½ (D − i) ψ(a_i)) with the entropy G of a gamma distribution, which cancels
    less than A − η · ∇A. Source: C. M. Bishop, Pattern Recognition and Machine Learning (2006), appendix B.

    Shapes: `degrees` ν (*batch,), `scale` V (*batch, D, D), broadcasting against each other; values (*batch, D, D). V
    has the unit of U. Of matrices only the symmetric part counts. Densities are with respect to the elements U_ij,
    i ≤ j. A matrix that is not positive definite raises the library's error, or gives NaN (JAX).
    """

    degrees: Array
    scale: Array

    family: ClassVar[str] = "Wishart"
    event_ndim: ClassVar[int] = 2
    support: ClassVar[str] = "positive definite"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(log_pi=True, statistics=("log |U|", "U"))

    def _size(self) -> int:
        return int(self.scale.shape[-1])

    def _batch(self) -> Array:
        """Zeros (*batch,)."""
        return zeros(self.degrees, self.scale[..., 0, 0])

    def _halves(self) -> Array:
        """a_i, (*batch, D)."""
        xp = namespace(self.degrees, self.scale).xp
        return 0.5 * ((self.degrees + self._batch())[..., None] - xp.arange(self._size(), dtype=self.scale.dtype))

    def _wide_degrees(self) -> Array:
        """ν, (*batch, 1, 1)."""
        return (self.degrees + self._batch())[..., None, None]

    def _log_determinant(self) -> Array:
        """D log 2 + log |V|."""
        ns = namespace(self.degrees, self.scale)
        return ns.xp.sum(ns.constants.log_2 + 2.0 * log_diagonal(cholesky(self.scale)), axis=-1)

    def _log_pi(self, more: float = 0.0) -> Array:
        """D(D−1)/4 (log π + more)."""
        constants = namespace(self.degrees, self.scale).constants
        return 0.25 * self._size() * (self._size() - 1) * (constants.log_2pi - constants.log_2 + more)

    def _log_gamma(self) -> Array:
        """log Γ_D(ν/2)."""
        ns = namespace(self.degrees, self.scale)
        return ns.xp.sum(ns.gammaln(self._halves()), axis=-1) + self._log_pi()

    def natural_parameters(self) -> NaturalParameters:
        zero = self._batch()
        return (0.5 * (self.degrees - (self._size() + 1.0)) + zero, zero[..., None, None] - 0.5 * inverse(self.scale))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(2.0 * eta[0] + (self._size() + 1.0), inverse(-2.0 * eta[1]))

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (2.0 * namespace(value).xp.sum(log_diagonal(cholesky(value)), axis=-1), value)

    def log_partition(self) -> Array:
        return 0.5 * self.degrees * self._log_determinant() + self._log_gamma()

    def mean_statistics(self) -> NaturalParameters:
        ns = namespace(self.degrees, self.scale)
        digammas = ns.xp.sum(ns.digamma(self._halves()), axis=-1)
        return (digammas + self._log_determinant(), self._wide_degrees() * symmetric(self.scale))

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value[..., 0, 0], self._batch())

    def expected_log_base_measure(self) -> Array:
        return self._batch()

    def _of_value(self, value: Array) -> tuple[Array, Array, Array]:
        """(log |U|, log |V⁻¹U|, tr V⁻¹U): the difference of logarithms before it is multiplied by ν/2."""
        xp = namespace(self.degrees, self.scale, value).xp
        root, own = cholesky(value), cholesky(self.scale)
        whitened = xp.matmul(xp.linalg.inv(own), root)
        log_root = log_diagonal(root)
        ratio = 2.0 * xp.sum(log_root - log_diagonal(own), axis=-1)
        return 2.0 * xp.sum(log_root, axis=-1), ratio, trace(whitened, whitened)

    def log_density(self, value: Array) -> Array:
        size, (log_value, ratio, whitened) = self._size(), self._of_value(value)
        halved = ratio - size * namespace(self.scale, value).constants.log_2
        return 0.5 * (self.degrees * halved - (size + 1.0) * log_value - whitened) - self._log_gamma()

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(self.degrees, self.scale, value)
        xp, size, (log_value, ratio, whitened) = ns.xp, self._size(), self._of_value(value)
        precision, opposite, degrees = inverse(self.scale), inverse(value), self._wide_degrees()
        pull = xp.abs(xp.matmul(xp.matmul(precision, symmetric(value)), precision))
        from_scale = trace(degrees * xp.abs(precision) + pull, xp.abs(self.scale))
        from_value = trace(xp.abs((degrees - (size + 1.0)) * opposite) + xp.abs(precision), xp.abs(value))
        logs = self.degrees * (xp.abs(ratio) + size) + (size + 1.0) * xp.abs(log_value)
        gammas = xp.sum(xp.abs(ns.gammaln(self._halves())), axis=-1) + self._log_pi()
        return 1.0 + 0.5 * (logs + whitened + from_scale + from_value) + gammas

    def entropy(self) -> Array:
        ns, size, halves = namespace(self.degrees, self.scale), self._size(), self._halves()
        after = (size - 1.0) - ns.xp.arange(size, dtype=self.scale.dtype)
        parts = ns.xp.sum(unit_rate_entropy(halves) + 0.5 * after * ns.digamma(halves), axis=-1)
        return 0.5 * (size + 1.0) * self._log_determinant() + self._log_pi(1.0) + parts

    def pseudo_entropy(self) -> Array:
        return self.entropy()
