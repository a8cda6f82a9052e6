"""The inverse Wishart family at arbitrary precision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import InverseWishart
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.wishart import DEGREES, SCALES, SIZE, absolute, backward, log_gamma, matrix, symmetric


def values() -> np.ndarray:
    """Ψ/ν and matrices about it, some much smaller or larger in one direction."""
    rng, root = np.random.default_rng(5), np.linalg.cholesky(SCALES)
    turned = [np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0] for _ in range(4)]
    stretched = [np.ones((len(SCALES), SIZE)) for _ in range(4)]
    stretched[0], stretched[1] = np.exp(rng.normal(size=(2, len(SCALES), SIZE)))
    stretched[2][:, 0], stretched[3][:, 0] = 0.1, 1e2
    factors = [np.eye(SIZE), *(one * sizes[:, None] for one, sizes in zip(turned, stretched, strict=True))]
    whole = np.stack([DEGREES[:, None, None] ** -0.5 * root @ factor for factor in factors])
    return symmetric(whole @ np.swapaxes(whole, -1, -2))


def exact(member: Any) -> Exact:
    (degrees,), scale = numbers(member.degrees), matrix(member.scale)
    precision, log_determinant = scale**-1, mp.log(mp.det(scale)) - SIZE * mp.log(2)
    halves = [(degrees - i) / 2 for i in range(SIZE)]
    digammas = [mp.digamma(x) for x in halves]
    sizes = absolute(precision), backward(scale)
    gammas = 1 + mp.fsum(abs(mp.loggamma(x)) for x in halves) + SIZE
    # log |Ψ| changes by tr Ψ⁻¹ dΨ
    log_scale = SIZE + float(np.sum(sizes[0] * sizes[1])) + abs(np.log(np.diag(absolute(scale)))).sum()

    def log_density(value: np.ndarray) -> Scaled:
        number = matrix(value)
        opposite, log_value = number**-1, mp.log(mp.det(number))
        trace = mp.fsum((opposite * scale)[i, i] for i in range(SIZE))
        result = degrees * log_determinant - (degrees + SIZE + 1) * log_value - trace
        pull, around = absolute(opposite * scale * opposite), absolute(opposite)
        from_scale = (float(degrees) * sizes[0] + around) * sizes[1]
        from_value = (float(degrees + SIZE + 1) * around + pull) * backward(number)
        logs = degrees * (SIZE + abs(log_determinant + SIZE * mp.log(2) - log_value)) + (SIZE + 1) * abs(log_value)
        moved = logs + trace + np.sum(from_scale) + np.sum(from_value)
        return result / 2 - log_gamma(degrees / 2), gammas + moved / 2

    def log_partition(eta: list[Number]) -> Number:
        half, other = -eta[0] - mp.mpf(SIZE + 1) / 2, -mp.matrix(np.reshape(eta[1:], (SIZE, SIZE)).tolist())
        return log_gamma(half) - half * mp.log(mp.det(other))

    # A − η · ∇A, term by term
    entropy = log_gamma(degrees / 2) - degrees / 2 * log_determinant + degrees * SIZE / 2
    entropy += (degrees + SIZE + 1) / 2 * (log_determinant - mp.fsum(digammas))
    of_entropy = [x + mp.loggamma(x) + (1 - x) * y for x, y in zip(halves, digammas, strict=True)]
    rest = mp.fsum(abs(x) + 2 * SIZE * abs(y) for x, y in zip(of_entropy, digammas, strict=True))
    scales = {
        **dict.fromkeys(ENTROPIES, (SIZE + rest + (SIZE + 1) * log_scale / 2,)),
        "log_partition": [gammas + degrees * log_scale / 2],
        "natural_parameters": [(degrees + SIZE + 1) / 2, *np.ravel(absolute(scale) / 2)],
        "mean_statistics": [
            1 + mp.fsum(map(abs, digammas)) + log_scale,
            *np.ravel(float(degrees) * (sizes[0] @ sizes[1] @ sizes[0])),
        ],
    }
    condition = float(1 + 2 * (SIZE + 1) / (degrees - SIZE + 1))  # of ν − D + 1, from −η₀
    eta = [-(degrees + SIZE + 1) / 2, *(-scale / 2)]
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


def scipy_inverse_wishart(member: Any) -> Any:
    """scipy.stats takes the matrices first; its `entropy` is wrong (docs/findings.md), that of the inverse is right."""
    degrees, scale = float(member.degrees), np.asarray(member.scale)
    frozen, inverse = scipy.stats.invwishart(degrees, scale), scipy.stats.wishart(degrees, np.linalg.inv(scale))
    digammas = scipy.special.digamma(0.5 * (degrees - np.arange(SIZE))).sum()
    expected = np.linalg.slogdet(scale)[1] - SIZE * np.log(2.0) - digammas  # E log |U|
    return SimpleNamespace(
        logpdf=lambda many: frozen.logpdf(np.moveaxis(many, 0, -1)),
        entropy=lambda: inverse.entropy() + (SIZE + 1) * expected,
    )


CASE = Case(InverseWishart(DEGREES, SCALES), values(), exact, scipy_inverse_wishart, differentiated=(0, 1, 3, 7))
