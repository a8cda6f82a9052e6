"""The normal–gamma family at arbitrary precision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special
import scipy.stats

from elbocheck.families import NormalGamma
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers

MEANS = np.array([0.7, -1.3, 0.0, 1e3, -1e-3, 0.4])
COUNTS = np.array([1.9, 1e-3, 1.0, 1e3, 20.0, 0.5])
SHAPES = np.array([2.3, 0.4, 1.0, 50.0, 3.0, 1e4])
RATES = np.array([1.7, 1e-3, 1.0, 40.0, 1e3, 1e2])


def values() -> np.ndarray:
    """The means of both, and pairs some standard deviations away."""
    precision = SHAPES / RATES * np.array([1.0, 0.3, 3.0, 1e-3])[:, None]
    off = np.array([0.0, -1.2, 2.0, 0.4])[:, None] / np.sqrt(COUNTS * precision)
    return np.stack([MEANS + off, precision], axis=-1)


def exact(member: Any) -> Exact:
    mean, count, shape, rate = (numbers(getattr(member, name))[0] for name in ("mean", "count", "shape", "rate"))
    log_gamma, digamma, half_log_2pi = mp.loggamma(shape), mp.digamma(shape), mp.log(2 * mp.pi) / 2

    def log_density(value: np.ndarray) -> Scaled:
        mu, tau = numbers(value)
        off, log_ratio = mu - mean, mp.log(rate * tau)
        terms = [mp.log(count * tau) / 2 - half_log_2pi, -count * tau * off**2 / 2]
        terms += [shape * mp.log(rate) - log_gamma, (shape - 1) * mp.log(tau), -rate * tau]
        size = 2 + abs(log_gamma) + shape * (1 + abs(log_ratio)) + abs(mp.log(tau)) + 2 * rate * tau
        size += abs(mp.log(count * tau)) / 2 + count * tau * abs(off) * (abs(off) + abs(mu) + abs(mean))
        return mp.fsum(terms), size

    def log_partition(eta: list[Number]) -> Number:
        k, a = -2 * eta[3], eta[0] + mp.mpf(1) / 2
        b = -eta[1] - eta[2] ** 2 / (2 * k)
        return mp.loggamma(a) - a * mp.log(b) + half_log_2pi - mp.log(k) / 2

    log_rate, log_count = mp.log(rate), mp.log(count)
    entropy = shape - log_rate + log_gamma + (1 - shape) * digamma + half_log_2pi
    entropy += (1 - log_count - digamma + log_rate) / 2
    size = 3 + abs(shape + log_gamma + (1 - shape) * digamma) + abs(log_rate) + abs(digamma) + abs(log_count)
    expected = shape / rate
    scales = {
        **dict.fromkeys(ENTROPIES, (size,)),
        "log_partition": [3 + abs(log_gamma) + shape * abs(log_rate) + abs(log_count)],
        "mean_statistics": [
            1 + abs(digamma) + abs(log_rate), expected, abs(mean) * expected, 1 / count + mean**2 * expected,
        ],
        "natural_parameters": [shape + 1, rate + count * mean**2, count * abs(mean), count],
    }  # fmt: skip
    pull = count * mean
    eta = [shape - mp.mpf(1) / 2, -rate - pull * mean / 2, pull, -count / 2]
    condition = float(1 + 1 / shape + count * mean**2 / rate)
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


def scipy_normal_gamma(member: Any) -> Any:
    """A normal distribution given a gamma distribution, of SciPy."""
    precision = scipy.stats.gamma(member.shape, scale=1 / member.rate)

    def logpdf(value: np.ndarray) -> np.ndarray:
        given = scipy.stats.norm(member.mean, (member.count * value[..., 1]) ** -0.5)
        return np.asarray(given.logpdf(value[..., 0]) + precision.logpdf(value[..., 1]))

    log_precision = scipy.special.digamma(member.shape) - np.log(member.rate)
    given = scipy.stats.norm(0.0, member.count**-0.5).entropy() - 0.5 * log_precision
    return SimpleNamespace(logpdf=logpdf, entropy=lambda: precision.entropy() + given)


CASE = Case(NormalGamma(MEANS, COUNTS, SHAPES, RATES), values(), exact, scipy_normal_gamma, differentiated=(0, 1, 2, 4))
