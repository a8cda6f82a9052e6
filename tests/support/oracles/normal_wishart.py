"""The normal–Wishart family at arbitrary precision: the Wishart's oracle, and a normal distribution given it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import NormalWishart, Wishart
from support.oracles import wishart
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers

SIZE = wishart.SIZE
CHOSEN = (0, 1, 3, 5)
"""Members of the Wishart's case that are well conditioned, or graded."""

MEANS = np.array([[0.7, -1.2, 0.3], [0.0, 0.0, 0.0], [1e2, -2e2, 5e1], [0.3, 0.1, -2.0]])
COUNTS = np.array([1.9, 1.0, 1e-2, 30.0])
DEGREES, SCALES = wishart.DEGREES[list(CHOSEN)], wishart.SCALES[list(CHOSEN)]


def values() -> np.ndarray:
    precisions = wishart.values()[:3, list(CHOSEN)]
    noise = np.random.default_rng(8).normal(size=(*precisions.shape[:-1], 1))
    root = np.swapaxes(np.linalg.cholesky(precisions), -1, -2)
    off = np.linalg.solve(root, noise)[..., 0] / np.sqrt(COUNTS)[:, None]
    return np.concatenate([(MEANS + off)[..., None, :], precisions], axis=-2)


def vector(array: Any) -> Any:
    return mp.matrix(numbers(array))


def exact(member: Any) -> Exact:
    (count,), (degrees,), mean = numbers(member.count), numbers(member.degrees), vector(member.mean)
    of_precision = wishart.exact(Wishart(member.degrees, member.scale))
    scale, log_2pi = wishart.matrix(member.scale), mp.log(2 * mp.pi)
    expected = of_precision.scaled("mean_statistics")
    log_precision = expected[0]

    def log_density(value: np.ndarray) -> Scaled:
        own, size = of_precision.log_density(value[1:])
        precision, off = wishart.matrix(value[1:]), vector(value[0]) - mean
        log_determinant = mp.log(mp.det(precision))
        squares = (off.T * precision * off)[0]
        around = np.abs(np.array(numbers(value[0]))) + np.abs(np.array(numbers(member.mean)))
        away = np.abs(np.array(list(off)))
        pulled = np.abs(np.array(precision.tolist())) @ (away + around)
        more = SIZE * (2 + abs(mp.log(count))) + count * (pulled @ away) + abs(log_determinant)
        return own + (SIZE * (mp.log(count) - log_2pi) + log_determinant - count * squares) / 2, 2 * size + more

    def log_partition(eta: list[Number]) -> Number:
        k, pull = -2 * eta[-1], mp.matrix(eta[1 + SIZE**2 : -1])
        flat = list(pull * pull.T / (2 * k))
        matrix = [one + more for one, more in zip(eta[1 : 1 + SIZE**2], flat, strict=True)]
        own = of_precision.log_partition([eta[0] - mp.mpf(1) / 2, *matrix])
        return own + SIZE * (log_2pi - mp.log(k)) / 2

    more = SIZE * (2 + abs(mp.log(count)))
    pull = count * mean
    mean_sizes = [size for _, size in expected[1:]]
    widths = np.abs(np.array(numbers(member.mean)))
    pulled = np.reshape(np.array(mean_sizes), (SIZE, SIZE)) @ widths
    sizes = of_precision.scaled("natural_parameters")
    outer = np.ravel(np.outer(widths, widths)) * count
    scales = {
        **dict.fromkeys(ENTROPIES, (of_precision.scaled("entropy")[0][1] + more + log_precision[1],)),
        "log_partition": [of_precision.scaled("log_partition")[0][1] + more],
        "natural_parameters": [
            sizes[0][1] + 1, *(one + two for (_, one), two in zip(sizes[1:], outer, strict=True)),
            *(count * widths), count,
        ],
        "mean_statistics": [log_precision[1], *mean_sizes, *pulled, SIZE / count + pulled @ widths],
    }  # fmt: skip
    entropy = of_precision.entropy + (SIZE * (1 + log_2pi - mp.log(count)) - log_precision[0]) / 2
    matrix = -(scale**-1 + pull * mean.T) / 2
    eta = [(degrees - SIZE) / 2, *matrix, *pull, -count / 2]
    growth = float(count * (mean.T * scale * mean)[0])
    condition = of_precision.condition * (1.0 + growth)
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


def scipy_normal_wishart(member: Any) -> Any:
    """A multivariate normal distribution given a Wishart matrix, of SciPy."""
    precision = scipy.stats.wishart(float(member.degrees), np.asarray(member.scale))
    halves = 0.5 * (member.degrees - np.arange(SIZE))
    log_determinant = np.sum(scipy.special.digamma(halves) + np.log(2)) + np.linalg.slogdet(member.scale)[1]

    def one(value: np.ndarray) -> float:
        given = scipy.stats.multivariate_normal(member.mean, np.linalg.inv(member.count * value[1:]))
        return float(given.logpdf(value[0]) + precision.logpdf(value[1:]))

    given = scipy.stats.multivariate_normal(np.zeros(SIZE), np.eye(SIZE) / member.count).entropy()
    return SimpleNamespace(
        logpdf=lambda many: np.array([one(value) for value in many]),
        entropy=lambda: precision.entropy() + given - 0.5 * log_determinant,
    )


CASE = Case(NormalWishart(MEANS, COUNTS, DEGREES, SCALES), values(), exact, scipy_normal_wishart, differentiated=(0, 1))
