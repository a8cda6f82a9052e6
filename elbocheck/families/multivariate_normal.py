"""Multivariate normal distribution with full covariance, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts


@dataclass(frozen=True)
class MultivariateNormal:
    """p(u) = N(u; m, Λ⁻¹) with precision Λ = C Cᵀ.

    T(u) = (u, u uᵀ), η = (Λm, −Λ/2), A = ½ (mᵀΛm − log det Λ + D log 2π), h = 1.

    Shapes: `mean` (*batch, D); `precision_cholesky` (*batch, D, D), the lower triangular C with positive diagonal
    (only matrix products are needed, which keeps derivatives cheap). `where` (D,) boolean: the dimensions that exist;
    on the others values and mean must be 0 and C the identity; they do not count, and ∇A is 0 there.
    `from_covariance` takes a covariance.
    """

    mean: Array
    precision_cholesky: Array
    where: Array | None = None

    family: ClassVar[str] = "multivariate normal"
    event_ndim: ClassVar[int] = 1
    support: ClassVar[str] = "vector"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = 2
    parts: ClassVar[Parts] = Parts(log_pi=True, gaussian="u")

    @classmethod
    def from_covariance(cls, mean: Array, covariance: Array) -> MultivariateNormal:
        """From `mean` (*batch, D) and a positive definite `covariance` Σ (*batch, D, D).

        With Σ = U Uᵀ, U upper triangular (Cholesky in reversed order), C = U⁻ᵀ: Σ itself is never inverted.
        """
        xp = namespace(mean, covariance).xp
        reverse = partial(xp.flip, axis=(-2, -1))
        return cls(mean, xp.matrix_transpose(xp.linalg.inv(reverse(xp.linalg.cholesky(reverse(covariance))))))

    def _log_diagonal(self) -> Array:
        """log C_dd, zero on dimensions that do not exist; (*batch, D)."""
        xp = namespace(self.mean, self.precision_cholesky).xp
        return self._existing(xp.log(xp.linalg.diagonal(self.precision_cholesky)))

    def _existing(self, elements: Array) -> Array:
        if self.where is None:
            return elements
        return namespace(elements).xp.where(self.where > 0, elements, 0.0)

    def _whitened(self, deviation: Array) -> Array:
        xp = namespace(deviation, self.precision_cholesky).xp
        return xp.matmul(deviation[..., None, :], self.precision_cholesky)[..., 0, :]

    def _per_dimension(self, more: float = 0.0) -> Array:
        """Σ_d (½ log 2π + ½ more − log C_dd) over existing dimensions."""
        ns = namespace(self.mean, self.precision_cholesky)
        log_diagonal = self._log_diagonal()
        halves = self._existing(0.5 * (ns.constants.log_2pi + more) + ns.xp.zeros_like(log_diagonal))
        return ns.xp.sum(halves - log_diagonal, axis=-1)

    def natural_parameters(self) -> NaturalParameters:
        xp = namespace(self.mean, self.precision_cholesky).xp
        precision = xp.matmul(self.precision_cholesky, xp.matrix_transpose(self.precision_cholesky))
        return (xp.matmul(precision, self.mean[..., None])[..., 0], -0.5 * precision)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        precision_times_mean, negative_half_precision = eta
        xp = namespace(*eta).xp
        precision = -2.0 * negative_half_precision
        mean = xp.linalg.solve(precision, precision_times_mean[..., None])[..., 0]
        return type(self)(mean, xp.linalg.cholesky(precision), self.where)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        return (value, value[..., :, None] * value[..., None, :])

    def log_partition(self) -> Array:
        xp = namespace(self.mean, self.precision_cholesky).xp
        whitened = self._whitened(self.mean)
        return 0.5 * xp.sum(whitened * whitened, axis=-1) + self._per_dimension()

    def mean_statistics(self) -> NaturalParameters:
        xp = namespace(self.mean, self.precision_cholesky).xp
        inverse = xp.linalg.inv(self.precision_cholesky)
        covariance = self._existing(xp.matmul(xp.matrix_transpose(inverse), inverse))
        return (self.mean, self.mean[..., :, None] * self.mean[..., None, :] + covariance)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value, self.mean, self.precision_cholesky[..., 0])[..., 0]

    def expected_log_base_measure(self) -> Array:
        return zeros(self.entropy())

    def log_density(self, value: Array) -> Array:
        xp = namespace(self.mean, self.precision_cholesky, value).xp
        whitened = self._existing(self._whitened(value - self.mean))
        return -0.5 * xp.sum(whitened * whitened, axis=-1) - self._per_dimension()

    def log_density_scale(self, value: Array) -> Array:
        xp = namespace(self.mean, self.precision_cholesky, value).xp
        whitened = xp.abs(self._existing(self._whitened(value - self.mean)))
        sizes = xp.matmul((xp.abs(value) + xp.abs(self.mean))[..., None, :], xp.abs(self.precision_cholesky))[..., 0, :]
        return xp.abs(self.log_density(value)) + xp.sum(whitened * self._existing(sizes), axis=-1)

    def entropy(self) -> Array:
        return self._per_dimension(1.0) + zeros(self.mean[..., 0])

    def pseudo_entropy(self) -> Array:
        return self.entropy()
