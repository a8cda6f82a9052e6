"""Mistakes in a KL divergence of a Gaussian q that is written out, ½ (μ² + σ² − 1 − log σ²), piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from elbocheck.backends.namespace import double_precision, namespace, plain
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.problem import Problem
from elbocheck.bound.terms import weights_of
from elbocheck.diagnosis.suspects.base import Suspect, multiple
from elbocheck.diagnosis.suspects.sums import over_data
from elbocheck.families import Average, LogNormal, MultivariateNormal, Normal

Pieces = dict[tuple[str, str], float]
"""(factor, mistake) -> what it adds, nats per datum; names that begin with × have a coefficient."""


def suspects_of_divergences(problems: Sequence[Problem]) -> Iterator[Suspect]:
    """For every factor that is a normal prior of a latent: each of the pieces, squared, halved, with another sign."""
    with double_precision():
        found = [_pieces(problem.declaration) for problem in problems]
    data = len(plain(problems[0].declaration.data_weights))
    for factor, name in found[0]:
        sizes = tuple(one.get((factor, name), np.nan) for one in found)
        if name.startswith("×"):
            what = f"{name[1:]} in the KL divergence"
            kind, place = ("entropy", "q") if "log σ²" in name else ("value", factor)
            yield Suspect("", kind, place, sizes, coefficient=lambda a, what=what: multiple(what, a, data))  # type: ignore[misc]
        else:
            yield Suspect(f"{name} in the KL divergence", "value", factor, sizes)


def _pieces(declaration: Declaration) -> Pieces:
    found: Pieces = {}
    for factor in declaration.factors:
        found.update(_of_vectors(factor, declaration))
        moments = _moments(factor, declaration)
        if moments is None:
            continue
        prior, mean, variance = moments
        density = factor.distribution.log_density(factor.value)

        def total(
            elements: Any, factor: Factor = factor, density: Any = density, of: Declaration = declaration
        ) -> float:
            return float(over_data(factor, of, density, elements).sum())

        squares, v = (mean - prior.mean) ** 2, prior.variance
        root = variance**0.5
        log_v = namespace(variance).xp.log(variance)
        sizes = {
            "×½ μ²": total(-0.5 * squares / v),
            "×½ σ²": total(-0.5 * variance / v),
            "×½ log σ²": total(0.5 * log_v),
            "|μ| for μ²": total(-0.5 * (squares**0.5 - squares) / v),
            "σ for σ²": total(-0.5 * (root - variance) / v),
            "σ⁴ for σ²": total(-0.5 * (variance**2 - variance) / v),
            "log σ² for σ²": total(-0.5 * (log_v - variance) / v),
        }
        found.update({(factor.name, name): size for name, size in sizes.items()})
    return found


def _of_vectors(factor: Factor, declaration: Declaration) -> Pieces:
    """The same of a multivariate normal q: its mean and its trace in the quadratic form of the prior."""
    average: Any = factor.distribution
    if not isinstance(average, Average) or not isinstance(average.distribution, MultivariateNormal):
        return {}
    (linear, quadratic), (mean, second) = average.natural_parameters(), average.under.mean_statistics()
    outer = mean[..., :, None] * mean[..., None, :]
    density = average.log_density(factor.value)
    squares = (quadratic * outer).sum(-1).sum(-1) + (linear * mean).sum(-1)
    pieces = {"×the trace ½ tr Σ": (quadratic * (second - outer)).sum(-1).sum(-1), "×½ |μ|²": squares}
    return {
        (factor.name, name): float(over_data(factor, declaration, density, one).sum()) for name, one in pieces.items()
    }


def _moments(factor: Factor, declaration: Declaration) -> tuple[Any, Any, Any] | None:
    """(prior, mean and variance of q) of a factor that is a normal prior, with points on the second axis."""
    distribution: Any = factor.distribution
    if isinstance(distribution, Average):
        prior: Any = distribution.distribution
        q: Any = distribution.under
        both = all(isinstance(one, (Normal, LogNormal)) for one in (prior, q)) and type(prior) is type(q)
        return (prior, q.mean, q.variance) if both else None
    if not isinstance(distribution, Normal) or np.ndim(factor.value) < 2 or np.shape(factor.value)[1] == 1:
        return None
    r = weights_of(factor, declaration)
    if np.ndim(r) != 2:
        return None
    shaped = r.reshape((*np.shape(r), *(1,) * (np.ndim(factor.value) - 2)))
    mean = (shaped * factor.value).sum(1)[:, None]
    return distribution, mean, (shaped * (factor.value - mean) ** 2).sum(1)[:, None]
