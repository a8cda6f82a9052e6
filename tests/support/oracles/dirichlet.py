"""The Dirichlet family at arbitrary precision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats

from elbocheck.families import Dirichlet
from support.oracles.base import ENTROPIES, Case, Exact, Number, Scaled, numbers
from support.oracles.components import Component, Params, each
from support.oracles.gamma import unit_rate_entropy

CONCENTRATIONS = np.array(
    [
        [0.7, 2.3, 1.1, 4.0],
        [1.0, 1.0, 1.0, 1.0],
        [1e-3, 1e-3, 1e-3, 1e-3],
        [1e-3, 1.0, 1e3, 1e6],
        [1e-6, 1e-6, 2.0, 3.0],
        [1e5, 2e5, 3e5, 4e5],
        [0.5, 0.5, 0.5, 0.5],
    ]
)
VALUES = np.array(
    [[0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4], [1e-9, 1 - 3e-9, 1e-9, 1e-9], [0.8, 0.1, 1e-9, 0.1 - 1e-9]]
)


def exact(member: Any) -> Exact:
    """gammaln and digamma are allowed an absolute error eps near their zeros, hence `1 +`."""
    shapes = numbers(member.concentration)
    count, total = len(shapes), mp.fsum(shapes)
    digammas, last = [mp.digamma(x) for x in shapes], mp.digamma(total)
    log_gammas = 1 + mp.fsum(abs(mp.loggamma(x)) for x in [*shapes, total])
    eta = [x - 1 for x in shapes]

    def log_partition(eta: list[Number]) -> Number:
        return mp.fsum(mp.loggamma(x + 1) for x in eta) - mp.loggamma(mp.fsum(eta) + count)

    def log_density(value: np.ndarray) -> Scaled:
        terms = [x * mp.log(mp.mpf(float(u))) for x, u in zip(eta, value, strict=True)]
        return mp.fsum(terms) - log_partition(eta), log_gammas + mp.fsum(map(abs, terms))

    entropy = log_partition(eta) - mp.fdot(eta, digammas) + (total - count) * last
    sizes = mp.fsum(abs(unit_rate_entropy(x)) for x in [*shapes, total]) + (count - 1) * abs(last)
    scales = {
        # what is left when the terms as large as the shapes have cancelled: entropies of gamma distributions
        **dict.fromkeys(ENTROPIES, (1 + sizes,)),
        "log_partition": [log_gammas],
        "mean_statistics": [1 + abs(x) + abs(last) for x in digammas],
    }
    condition = float(1 + 1 / min(shapes))  # of the shapes η + 1
    return Exact(eta, log_partition, entropy, log_density, scales=scales, condition=condition)


def scipy_dirichlet(member: Any) -> Any:
    """scipy.stats takes the coordinates first."""
    frozen = scipy.stats.dirichlet(member.concentration)
    return SimpleNamespace(logpdf=lambda values: frozen.logpdf(values.T), entropy=frozen.entropy)


CASE = Case(
    Dirichlet(CONCENTRATIONS),
    np.broadcast_to(VALUES[:, None], (len(VALUES), *CONCENTRATIONS.shape)),
    exact,
    scipy_dirichlet,
    differentiated=(0, 2, 5),
)


def components(params: Params) -> list[Any]:
    return [scipy.stats.dirichlet(np.exp(row)) for row in params["log_concentrations"]]


MIXTURES = {
    "dirichlet-mixture": Component(
        lambda x, p: each(components(p), "logpdf", x.T),
        lambda p, observed: np.array([float(one.entropy()) for one in components(p)]),
    )
}
