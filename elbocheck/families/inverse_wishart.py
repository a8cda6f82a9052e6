"""Inverse Wishart distribution of positive definite matrices, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.gamma import unit_rate_entropy
from elbocheck.families.matrices import cholesky, inverse, log_diagonal, symmetric, trace


def _member(rng: np.random.Generator, batch: tuple[int, ...], length: int) -> Any:
    root = np.tril(0.3 * rng.normal(size=(*batch, length, length)), -1)
    root = root + np.exp(0.3 * rng.normal(size=(*batch, 1, length))) * np.eye(length)
    degrees = length - 1.0 + np.exp(0.5 * rng.normal(size=batch) + 1.0)
    return InverseWishart(degrees, root @ np.swapaxes(root, -1, -2))


def _values(rng: np.random.Generator, member: Any, shape: tuple[int, ...]) -> np.ndarray:
    """L B⁻ᵀ B⁻¹ Lᵀ with Ψ = L Lᵀ and Bartlett's factor B of a standard Wishart matrix."""
    size = member.scale.shape[-1]
    lower = np.tril(rng.normal(size=(*shape, size, size)), -1)
    degrees = np.broadcast_to(member.degrees, shape)[..., None] - np.arange(size)
    lower = lower + np.sqrt(2.0 * rng.gamma(0.5 * degrees))[..., None, :] * np.eye(size)
    whole = np.linalg.cholesky(member.scale) @ np.swapaxes(np.linalg.inv(lower), -1, -2)
    return whole @ np.swapaxes(whole, -1, -2)


@dataclass(frozen=True)
class InverseWishart:
    """p(U) = |Ψ|^(ν/2) |U|^(−(ν+D+1)/2) exp(−½ tr ΨU⁻¹) / (2^(νD/2) Γ_D(ν/2)) for positive definite U, ν > D − 1.

    U⁻¹ has a Wishart distribution with ν degrees of freedom and the scale Ψ⁻¹. T(U) = (log |U|, U⁻¹),
    η = (−(ν + D + 1)/2, −Ψ/2), A = ν/2 (D log 2 − log |Ψ|) + log Γ_D(ν/2), h = 1, with
    log Γ_D(ν/2) = D(D−1)/4 log π + Σ_i log Γ(a_i), a_i = (ν + 1 − i)/2 for i = 1, …, D.
    E log |U| = log |Ψ| − D log 2 − Σ_i ψ(a_i), E U⁻¹ = ν Ψ⁻¹. The entropy is that of U⁻¹ plus (D + 1) E log |U|, for
    the Jacobian of the inversion. Source: A. Gelman et al., Bayesian Data Analysis (3rd ed., 2013), appendix A.

    Shapes: `degrees` ν (*batch,), `scale` Ψ (*batch, D, D), broadcasting against each other; values (*batch, D, D). Ψ
    has the unit of U. Of matrices only the symmetric part counts. Densities are with respect to the elements U_ij,
    i ≤ j. A matrix that is not positive definite raises the library's error, or gives NaN (JAX).
    """

    degrees: Array
    scale: Array

    family: ClassVar[str] = "inverse Wishart"
    event_ndim: ClassVar[int] = 2
    support: ClassVar[str] = "positive definite"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(log_pi=True)
    recipe: ClassVar[Any] = (_member, _values)

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
        """log |Ψ| − D log 2."""
        ns = namespace(self.degrees, self.scale)
        return ns.xp.sum(2.0 * log_diagonal(cholesky(self.scale)) - ns.constants.log_2, axis=-1)

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
        first = -0.5 * (self.degrees + (self._size() + 1.0)) + zero
        return (first, zero[..., None, None] - 0.5 * symmetric(self.scale))

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        return type(self)(-2.0 * eta[0] - (self._size() + 1.0), -2.0 * eta[1])

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (2.0 * namespace(value).xp.sum(log_diagonal(cholesky(value)), axis=-1), inverse(value))

    def log_partition(self) -> Array:
        return self._log_gamma() - 0.5 * self.degrees * self._log_determinant()

    def mean_statistics(self) -> NaturalParameters:
        ns = namespace(self.degrees, self.scale)
        digammas = ns.xp.sum(ns.digamma(self._halves()), axis=-1)
        return (self._log_determinant() - digammas, self._wide_degrees() * inverse(self.scale))

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value[..., 0, 0], self._batch())

    def expected_log_base_measure(self) -> Array:
        return self._batch()

    def _of_value(self, value: Array) -> tuple[Array, Array, Array]:
        """(log |U|, log |U⁻¹Ψ|, tr ΨU⁻¹): the difference of logarithms before it is multiplied by ν/2."""
        xp = namespace(self.degrees, self.scale, value).xp
        root, own = cholesky(value), cholesky(self.scale)
        whitened = xp.matmul(xp.linalg.inv(root), own)
        log_root = log_diagonal(root)
        ratio = 2.0 * xp.sum(log_diagonal(own) - log_root, axis=-1)
        return 2.0 * xp.sum(log_root, axis=-1), ratio, trace(whitened, whitened)

    def log_density(self, value: Array) -> Array:
        size, (log_value, ratio, whitened) = self._size(), self._of_value(value)
        halved = ratio - size * namespace(self.scale, value).constants.log_2
        return 0.5 * (self.degrees * halved - (size + 1.0) * log_value - whitened) - self._log_gamma()

    def log_density_scale(self, value: Array) -> Array:
        ns = namespace(self.degrees, self.scale, value)
        xp, size, (log_value, ratio, whitened) = ns.xp, self._size(), self._of_value(value)
        precision, opposite, degrees = inverse(self.scale), inverse(value), self._wide_degrees()
        pull = xp.abs(xp.matmul(xp.matmul(opposite, symmetric(self.scale)), opposite))
        from_scale = trace(degrees * xp.abs(precision) + xp.abs(opposite), xp.abs(self.scale))
        from_value = trace((degrees + (size + 1.0)) * xp.abs(opposite) + pull, xp.abs(value))
        logs = self.degrees * (xp.abs(ratio) + size) + (size + 1.0) * xp.abs(log_value)
        gammas = xp.sum(xp.abs(ns.gammaln(self._halves())), axis=-1) + self._log_pi()
        return 1.0 + 0.5 * (logs + whitened + from_scale + from_value) + gammas

    def entropy(self) -> Array:
        ns, size, halves = namespace(self.degrees, self.scale), self._size(), self._halves()
        after = 0.5 * ((size - 1.0) - ns.xp.arange(size, dtype=self.scale.dtype)) - (size + 1.0)
        parts = ns.xp.sum(unit_rate_entropy(halves) + after * ns.digamma(halves), axis=-1)
        return 0.5 * (size + 1.0) * self._log_determinant() + self._log_pi(1.0) + parts

    def pseudo_entropy(self) -> Array:
        return self.entropy()
