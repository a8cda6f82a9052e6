"""The von Mises family at arbitrary precision."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import VonMises
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.components import continuous

COSINES = np.array([0.8, 0.0, 1e-9, 1e-3, -3.0, 8.0, 16.97, 0.0, 0.0, -1e2, 1e4])
SINES = np.array([-0.5, 0.0, 0.0, 1e-3, 4.0, -1.0, -16.97, 23.9999, 24.0001, 3e2, -1e4])
VALUES = np.array([0.0, 1e-3, -0.7, 2.0, np.pi])


def exact(member: Any) -> Exact:
    eta = [*numbers(member.cosine), *numbers(member.sine)]

    def log_partition(eta: list[Number]) -> Number:
        return mp.log(2 * mp.pi * mp.besseli(0, mp.hypot(*eta)))

    def log_density(value: np.ndarray) -> Scaled:
        angle, last = mp.mpf(float(value)), log_partition(eta)
        terms = [eta[0] * mp.cos(angle), eta[1] * mp.sin(angle)]
        return mp.fsum(terms) - last, mp.fsum(map(abs, terms)) + last

    kappa = mp.hypot(*eta)
    ratio = mp.besseli(1, kappa) / mp.besseli(0, kappa)
    entropy = log_partition(eta) - kappa * ratio
    # ½ |log 2πe/κ|, what is left of A − κ r when κ has cancelled, and log 2π where κ is small
    scales = dict.fromkeys(ENTROPIES, (mp.log(2 * mp.pi * mp.e) + abs(mp.log(max(kappa, 1))) / 2,))
    return Exact(eta, log_partition, entropy, log_density, scales=scales)


CASE = Case(
    VonMises(COSINES, SINES),
    VALUES[:, None] + 0.0 * COSINES,
    exact,
    lambda m: scipy.stats.vonmises(np.hypot(m.cosine, m.sine), loc=np.arctan2(m.sine, m.cosine)),
    differentiated=(0, 2, 3, 4, 6, 8, 9, 10),  # near κ = 24, A'' cancels: 1e-13
)

MIXTURES = {
    "von-mises-mixture": continuous(
        lambda p: scipy.stats.vonmises(np.hypot(p["cosines"], p["sines"]), loc=np.arctan2(p["sines"], p["cosines"]))
    )
}
