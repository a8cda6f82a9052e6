"""Normal–Wishart distribution of a mean and a precision matrix, constant base measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from elbocheck.backends.namespace import Array, namespace, zeros
from elbocheck.families.base import NaturalParameters, Parts
from elbocheck.families.wishart import Wishart


def _member(rng: np.random.Generator, batch: tuple[int, ...], length: int) -> Any:
    root = np.tril(0.3 * rng.normal(size=(*batch, length, length)), -1) + np.eye(length)
    count, extra = np.exp(0.5 * rng.normal(size=(2, *batch)))
    scale = root @ np.swapaxes(root, -1, -2)
    return NormalWishart(rng.normal(size=(*batch, length)), count, length - 1.0 + 2.0 * extra, scale)


def _values(rng: np.random.Generator, member: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Λ = L A (L A)ᵀ with Bartlett's A, and μ = m + (L A)⁻ᵀ ε / √κ."""
    length = member.mean.shape[-1]
    halves = 0.5 * (member.degrees[..., None] - np.arange(length))
    diagonal = np.sqrt(np.maximum(2.0 * rng.gamma(halves, size=(*shape, length)), 1e-6))
    below = np.tril(rng.normal(size=(*shape, length, length)), -1)
    root = np.linalg.cholesky(member.scale) @ (below + np.eye(length) * diagonal[..., None, :])
    noise = np.linalg.solve(np.swapaxes(root, -1, -2), rng.normal(size=(*shape, length, 1)))[..., 0]
    mean = member.mean + noise / np.sqrt(member.count)[..., None]
    return np.concatenate([mean[..., None, :], root @ np.swapaxes(root, -1, -2)], axis=-2)


@dataclass(frozen=True)
class NormalWishart:
    """p(μ, Λ) = N(μ | m, (κΛ)⁻¹) W(Λ | ν, V): the conjugate prior of a multivariate normal distribution.

    T = (log |Λ|, Λ, Λμ, μᵀΛμ), η = ((ν − D)/2, −½(V⁻¹ + κ m mᵀ), κm, −½κ), h = 1,
    A = A_W(ν, V) + ½D log 2π/κ with the Wishart's A_W; E T = (E log |Λ|, νV, νVm, D/κ + ν mᵀVm). The entropy is the
    Wishart's plus ½D log 2πe/κ − ½ E log |Λ|. E log N(x | μ, Λ⁻¹) is linear in T, with the coefficients
    (½, −½xxᵀ, x, −½) and the constant −½D log 2π: see `expected_log_density`. Source: C. M. Bishop, Pattern
    Recognition and Machine Learning (2006), sections 2.3.6 and 10.2.

    Shapes: `mean` m (*batch, D), `count` κ and `degrees` ν (*batch,), `scale` V (*batch, D, D), broadcasting against
    each other; values (*batch, D + 1, D), μ in the first row and Λ below it. Of matrices only the symmetric part
    counts. Densities are with respect to μ and the elements Λ_ij, i ≤ j.
    """

    mean: Array
    count: Array
    degrees: Array
    scale: Array

    family: ClassVar[str] = "normal-Wishart"
    event_ndim: ClassVar[int] = 2
    support: ClassVar[str] = "mean over precision"
    constant_base_measure: ClassVar[bool] = True
    scale_degree: ClassVar[int | None] = None
    parts: ClassVar[Parts] = Parts(log_pi=True)
    recipe: ClassVar[Any] = (_member, _values)

    @property
    def _size(self) -> int:
        return int(self.mean.shape[-1])

    @property
    def _zero(self) -> Array:
        """(*batch,)."""
        return zeros(self.mean[..., 0], self.count, self.degrees, self.scale[..., 0, 0])

    @property
    def _precision(self) -> Wishart:
        return Wishart(self.degrees + self._zero, self.scale + self._zero[..., None, None])

    def natural_parameters(self) -> NaturalParameters:
        log_determinant, matrix = self._precision.natural_parameters()
        pull = (self.count + self._zero)[..., None] * self.mean
        outer = pull[..., :, None] * self.mean[..., None, :]
        return (log_determinant + 0.5, matrix - 0.5 * outer, pull, -0.5 * self.count + self._zero)

    def with_natural_parameters(self, eta: NaturalParameters) -> Self:
        count = -2.0 * eta[3]
        mean = eta[2] / count[..., None]
        outer = eta[2][..., :, None] * mean[..., None, :]
        own = self._precision.with_natural_parameters((eta[0] - 0.5, eta[1] + 0.5 * outer))
        return type(self)(mean, count, own.degrees, own.scale)

    def sufficient_statistics(self, value: Array) -> NaturalParameters:
        mean, precision = value[..., 0, :], value[..., 1:, :]
        log_determinant, symmetric = self._precision.sufficient_statistics(precision)
        pulled = _times(symmetric, mean)
        return (log_determinant, symmetric, pulled, namespace(value).xp.sum(pulled * mean, axis=-1))

    def log_partition(self) -> Array:
        ns = namespace(self.mean, self.count)
        return self._precision.log_partition() + 0.5 * self._size * (ns.constants.log_2pi - ns.xp.log(self.count))

    def mean_statistics(self) -> NaturalParameters:
        log_determinant, precision = self._precision.mean_statistics()
        pulled = _times(precision, self.mean)
        squares = namespace(pulled).xp.sum(pulled * self.mean, axis=-1)
        return (log_determinant, precision, pulled, self._size / self.count + squares)

    def log_base_measure(self, value: Array) -> Array:
        return zeros(value[..., 0, 0], self._zero)

    def expected_log_base_measure(self) -> Array:
        return self._zero

    def log_density(self, value: Array) -> Array:
        ns, precision = namespace(self.mean, self.count, value), value[..., 1:, :]
        log_determinant, symmetric = self._precision.sufficient_statistics(precision)
        off = value[..., 0, :] - self.mean
        squares = ns.xp.sum(_times(symmetric, off) * off, axis=-1)
        logs = self._size * (ns.xp.log(self.count) - ns.constants.log_2pi) + log_determinant
        return 0.5 * (logs - self.count * squares) + self._precision.log_density(precision)

    def log_density_scale(self, value: Array) -> Array:
        ns, precision = namespace(self.mean, self.count, value), value[..., 1:, :]
        xp, size = ns.xp, self._size
        away = xp.abs(value[..., 0, :] - self.mean)
        around = away + xp.abs(value[..., 0, :]) + xp.abs(self.mean)
        squares = xp.sum(_times(xp.abs(precision), around) * away, axis=-1)
        logs = size * (2.0 + xp.abs(xp.log(self.count)))
        return logs + self.count * squares + 2.0 * self._precision.log_density_scale(precision)

    def entropy(self) -> Array:
        ns = namespace(self.mean, self.count)
        log_determinant, _ = self._precision.mean_statistics()
        of_mean = 0.5 * (self._size * (1.0 + ns.constants.log_2pi - ns.xp.log(self.count)) - log_determinant)
        return self._precision.entropy() + of_mean

    def pseudo_entropy(self) -> Array:
        return self.entropy()


def _times(matrix: Array, vector: Array) -> Array:
    """(*batch, D, D) and (*batch, D) -> (*batch, D)."""
    return namespace(matrix, vector).xp.sum(matrix * vector[..., None, :], axis=-1)
