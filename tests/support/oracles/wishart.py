"""The Wishart family at arbitrary precision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Wishart
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers

SIZE = 3
ROTATION = np.linalg.qr(np.random.default_rng(3).normal(size=(SIZE, SIZE)))[0]


def symmetric(array: np.ndarray) -> np.ndarray:
    return 0.5 * (array + np.swapaxes(array, -1, -2))


def scale_matrices() -> np.ndarray:
    """Moderate, identity, condition 1e6 in general position, small, large, graded, moderate."""
    moderate = np.array([[1.3, 0.4, -0.2], [0.4, 0.8, 0.3], [-0.2, 0.3, 2.1]])
    ill = symmetric((ROTATION * np.array([1e-3, 1.0, 1e3])) @ ROTATION.T)
    graded = np.diag([1e3, 1.0, 1e-3])
    return np.stack([moderate, np.eye(SIZE), ill, 1e-6 * moderate, 1e6 * moderate, graded, moderate, moderate])


SCALES = scale_matrices()
DEGREES = np.array([5.3, 4.0, 3.5, 7.0, 2.5, 30.0, 1e4, 2.001])
"""One is D + 1, at which |U| does not enter; the others lie on both sides of it."""


NARROW = np.array([0.1, 0.1, 1e-3, 0.1, 1e-3, 1e-3, 1e-3, 0.1])
"""How narrow one value is: log |U|, the derivative of log p in ν/2, loses digits with the condition of U, NARROW⁻²."""


def values() -> np.ndarray:
    """ν V and matrices about it, some much smaller or larger in one direction."""
    rng, root = np.random.default_rng(5), np.linalg.cholesky(SCALES)
    turned = [np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0] for _ in range(4)]
    stretched = [np.ones((len(SCALES), SIZE)) for _ in range(4)]
    stretched[0], stretched[1] = np.exp(rng.normal(size=(2, len(SCALES), SIZE)))
    stretched[2][:, 0], stretched[3][:, 0] = NARROW, 1e2
    factors = [np.eye(SIZE), *(one * sizes[:, None] for one, sizes in zip(turned, stretched, strict=True))]
    whole = np.stack([DEGREES[:, None, None] ** 0.5 * root @ factor for factor in factors])
    return symmetric(whole @ np.swapaxes(whole, -1, -2))


def matrix(array: Any) -> Any:
    """The symmetric part, which is all that counts."""
    whole = mp.matrix(np.reshape(numbers(array), (SIZE, SIZE)).tolist())
    return (whole + whole.T) / 2


def absolute(whole: Any) -> np.ndarray:
    return np.abs(np.array(whole.tolist(), dtype=float))


def log_gamma(half: Number) -> Number:
    """log Γ_D(ν/2)."""
    parts = mp.fsum(mp.loggamma(half - mp.mpf(i) / 2) for i in range(SIZE))
    return parts + mp.mpf(SIZE * (SIZE - 1)) / 4 * mp.log(mp.pi)


def backward(whole: Any) -> np.ndarray:
    """|L| |Lᵀ|, L the Cholesky factor: by as many roundings the factor belongs to another matrix."""
    root = absolute(mp.cholesky(whole))
    return root @ root.T


def exact(member: Any) -> Exact:
    (degrees,), scale = numbers(member.degrees), matrix(member.scale)
    precision, log_determinant = scale**-1, SIZE * mp.log(2) + mp.log(mp.det(scale))
    halves = [(degrees - i) / 2 for i in range(SIZE)]
    digammas = [mp.digamma(x) for x in halves]
    sizes = absolute(precision), backward(scale)
    gammas = 1 + mp.fsum(abs(mp.loggamma(x)) for x in halves) + SIZE
    # log |V| changes by tr V⁻¹ dV
    log_scale = SIZE + float(np.sum(sizes[0] * sizes[1])) + abs(np.log(np.diag(absolute(scale)))).sum()

    def log_density(value: np.ndarray) -> Scaled:
        number = matrix(value)
        log_value, trace = mp.log(mp.det(number)), mp.fsum((precision * number)[i, i] for i in range(SIZE))
        result = ((degrees - SIZE - 1) * log_value - trace - degrees * log_determinant) / 2 - log_gamma(degrees / 2)
        pull, inverse = absolute(precision * number * precision), absolute(number**-1)
        from_scale = (float(degrees) * sizes[0] + pull) * sizes[1]
        from_value = (abs(float(degrees - SIZE - 1)) * inverse + sizes[0]) * backward(number)
        logs = degrees * (SIZE + abs(log_value + SIZE * mp.log(2) - log_determinant)) + (SIZE + 1) * abs(log_value)
        return result, gammas + (logs + trace + np.sum(from_scale) + np.sum(from_value)) / 2

    def log_partition(eta: list[Number]) -> Number:
        half, other = eta[0] + mp.mpf(SIZE + 1) / 2, -mp.matrix(np.reshape(eta[1:], (SIZE, SIZE)).tolist())
        return log_gamma(half) - half * mp.log(mp.det(other))

    # A − η · ∇A, term by term
    entropy = degrees / 2 * log_determinant + log_gamma(degrees / 2) + degrees * SIZE / 2
    entropy -= (degrees - SIZE - 1) / 2 * (mp.fsum(digammas) + log_determinant)
    of_entropy = [x + mp.loggamma(x) + (1 - x) * y for x, y in zip(halves, digammas, strict=True)]
    rest = mp.fsum(abs(x) + 2 * SIZE * abs(y) for x, y in zip(of_entropy, digammas, strict=True))
    scales = {
        **dict.fromkeys(ENTROPIES, (SIZE + rest + (SIZE + 1) * log_scale / 2,)),
        "log_partition": [gammas + degrees * log_scale / 2],
        "natural_parameters": [abs(degrees - SIZE - 1) / 2, *np.ravel(sizes[0] @ sizes[1] @ sizes[0])],
        "mean_statistics": [1 + mp.fsum(map(abs, digammas)) + log_scale, *np.ravel(float(degrees) * absolute(scale))],
    }
    condition = np.linalg.cond(np.asarray(member.scale, dtype=float)) * float(1 + 1 / (degrees - SIZE + 1))
    eta = [(degrees - SIZE - 1) / 2, *(-precision / 2)]
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


def scipy_wishart(member: Any) -> Any:
    """scipy.stats takes the matrices first."""
    frozen = scipy.stats.wishart(float(member.degrees), np.asarray(member.scale))
    return SimpleNamespace(logpdf=lambda many: frozen.logpdf(np.moveaxis(many, 0, -1)), entropy=frozen.entropy)


CASE = Case(Wishart(DEGREES, SCALES), values(), exact, scipy_wishart, differentiated=(0, 1, 3, 7))
