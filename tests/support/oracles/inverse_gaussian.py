"""The inverse Gaussian family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import InverseGaussian
from support.oracles.base import Case, Exact, Number, Scaled, numbers
from support.oracles.components import continuous

MEANS = np.array([1.3, 1.0, 2e3, 1e-3, 1e6, 1.0, 0.02, 5.0, 1e3])
SHAPES = np.array([2.1, 1.0, 1.0, 5e2, 1.0, 1e6, 7.0, 0.5, 1e-3])


def exact(member: Any) -> Exact:
    mean, shape = *numbers(member.mean), *numbers(member.shape)
    log_2pi, log_shape, log_mean = mp.log(2 * mp.pi), mp.log(shape), mp.log(mean)
    ratio = 2 * shape / mean
    scaled_integral = mp.exp(ratio) * mp.e1(ratio)
    log_terms = (log_2pi + abs(log_shape)) / 2

    def log_base_measure(value: np.ndarray) -> Scaled:
        result = -3 * mp.log(mp.mpf(float(value))) / 2
        return result, abs(result)

    def log_density(value: np.ndarray) -> Scaled:
        (log_h, size), number = log_base_measure(value), mp.mpf(float(value))
        pull = shape * abs(number - mean) / mean**2 / number  # of the rounded ratio u/μ
        result = (log_shape - log_2pi) / 2 + log_h - shape * (number - mean) ** 2 / mean**2 / number / 2
        return result, size + log_terms + pull * (number + abs(number - mean))

    def log_partition(eta: list[Number]) -> Number:
        return (log_2pi - mp.log(-2 * eta[1])) / 2 - 2 * mp.sqrt(eta[0] * eta[1])

    expected = 3 * (scaled_integral - log_mean) / 2
    from_base = 3 * (scaled_integral + abs(log_mean)) / 2
    pseudo_entropy = (log_2pi + 1 - log_shape) / 2
    scales = {
        "log_partition": [log_terms + shape / mean],
        "pseudo_entropy": [log_terms + 0.5],
        "entropy": [log_terms + 0.5 + from_base],
        "expected_log_base_measure": [from_base],
    }
    eta = [-shape / mean**2 / 2, -shape / 2]
    return Exact(eta, log_partition, pseudo_entropy - expected, log_density, log_base_measure, expected, scales)


CASE = Case(
    InverseGaussian(MEANS, SHAPES),
    MEANS * np.array([1e-3, 0.5, 1.0, 1.1, 30.0])[:, None],
    exact,
    lambda m: scipy.stats.invgauss(m.mean / m.shape, scale=m.shape),
    differentiated=(0, 1, 2, 4, 5),
)

MIXTURES = {
    "inverse-gaussian-mixture": continuous(
        lambda p: scipy.stats.invgauss(np.exp(p["log_means"] - p["log_shapes"]), scale=np.exp(p["log_shapes"])),
        log_h=lambda u: -1.5 * np.log(u),
    )
}
