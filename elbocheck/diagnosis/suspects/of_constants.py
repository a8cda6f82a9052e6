"""Constants that bounds lose or have too much of, by the numbers of the problem: elements, masks, points, data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.factors import Factor
from elbocheck.bound.latents import Latents
from elbocheck.bound.log_density import LogDensity, Penalty
from elbocheck.bound.problem import Problem
from elbocheck.diagnosis.suspects.base import Suspect
from elbocheck.diagnosis.suspects.sums import HALF_LOG_2PI, with_log_pi
from elbocheck.families import Beta, Dirichlet
from elbocheck.families.base import parts_of

CONSTANTS = {
    "½ log 2π": HALF_LOG_2PI,
    "½": 0.5,
    "log 2π": 2.0 * HALF_LOG_2PI,
    "½ log 2πe": HALF_LOG_2PI + 0.5,
    "½ log 2": 0.5 * math.log(2.0),
    "log 2": math.log(2.0),
    "½ log π": 0.5 * math.log(math.pi),
    "one nat": 1.0,
}
"""The first is tried first."""
MOST = 1_000_000
"""Most elements of which some may be without their constant: of more, any number is a multiple of it to rounding."""


def constants(problem: Problem, elements: Mapping[str, float], count: int) -> Iterator[Suspect]:
    """`elements`: factor -> how many of its elements count for each datum; `count`: of probes."""
    data = len(plain(problem.declaration.data_weights))
    for factor, size in (*with_log_pi(problem.declaration), *_unknown(problem)):
        own, dimensions = elements[factor.name] * size, _dimensions(factor) * size
        by_numbers = isinstance(factor.distribution, LogDensity)  # whether they hold the constant is not known
        for rank, name, numbers in (
            (0, "{} per dimension", own),
            (1, f"{{}} of {dimensions - 1} of {dimensions} dimensions", own * (dimensions - 1) / dimensions),
            (0, "{} of the elements that are masked", _masked(factor) * size),
            (2, "{} once for a datum", 1.0),
            (2, "{} once for all data", 1.0 / data),
        ):
            if numbers:
                most = math.inf if "masked" in name else own * (1.0 + 1e-9)  # what is not there is not lost
                named = "2π" if by_numbers else ""
                yield from _each(factor.name, name, numbers, rank + by_numbers, count, most, named)
    for numbers in latent_dimensions(problem):
        yield from _of_entropy(numbers, count)
    for factor in problem.declaration.factors:
        if parts_of(factor.distribution).log_two:
            yield from _signed(factor.name, "log 2 per dimension", math.log(2.0) * elements[factor.name], 0, count)
    of_data = {"log N": math.log(data), "log N / N": math.log(data) / data, "log N! / N": math.lgamma(data + 1) / data}
    for name, number in of_data.items():
        yield from _signed("", name, number, 1, count)
    for factor in problem.declaration.factors:
        with double_precision():
            shape = np.shape(factor.distribution.log_density(factor.value))
        for axis, what in ((1, "points of q"), (2, f"elements of {factor.name}")):
            if len(shape) > axis and shape[axis] > 2:
                name = f"log {shape[axis]}, the number of {what}: a sum for a mean, or 1/{shape[axis]} forgotten"
                yield from _signed(factor.name if axis > 1 else "", name, math.log(shape[axis]), 1, count)
        yield from _of_values(factor, problem, count)
    yield from _of_counts(problem, count)


def _of_counts(problem: Problem, count: int) -> Iterator[Suspect]:
    """The logarithm of one number of the problem in place of that of another, as in log (1/S) of S samples."""
    numbers = {len(plain(problem.declaration.data_weights)): "data"}
    for factor in problem.declaration.factors:
        with double_precision():
            shape = np.shape(factor.distribution.log_density(factor.value))
        for size, what in zip(
            shape[1:], ("points of q", *(f"elements of {factor.name}" for _ in shape[2:])), strict=False
        ):
            numbers.setdefault(size, what)
    for one, what in numbers.items():
        for other, those in numbers.items():
            if one != other and min(one, other) > 1:
                name = f"log {one} (number of {what}) for log {other} (number of {those})"
                for sign in (1.0, -1.0):  # added, or subtracted
                    size = sign * math.log(one / other)
                    yield Suspect(name, "value", "", (size,) * count, rank=3)


def some_elements(problem: Problem, elements: Mapping[str, float], excess: float, count: int) -> Iterator[Suspect]:
    """½ log 2π, or ½, of some elements only, of the many that the data have in all; `excess`: to be explained."""
    data = len(plain(problem.declaration.data_weights))
    for factor, size in with_log_pi(problem.declaration):
        whole = elements[factor.name] * size * data
        for constant in ("½ log 2π", "½"):
            some = round(abs(excess) * data / CONSTANTS[constant])
            if abs(whole - round(whole)) < 1e-9 * whole and 0 < some < whole <= MOST:
                how = "lost" if excess > 0 else "too much"
                number = math.copysign(CONSTANTS[constant] * some / data, excess)
                name = f"{constant} of {some} of {round(whole)} elements in all data is {how}"
                yield Suspect(name, "value", factor.name, (number,) * count, rank=3)


def _each(factor: str, name: str, numbers: float, rank: int, count: int, most: float, named: str) -> Iterator[Suspect]:
    """`most`: how many there are, of which no more can be lost; `named`: which constants are tried."""
    for constant, size in CONSTANTS.items():
        if not constant.endswith(named):
            continue
        rarer = 0 if constant == "½ log 2π" else 2 if constant.startswith("½") else 1  # a ½ is the entropy's
        for one in _signed(factor, name.format(constant), size * numbers, rank + rarer, count):
            if one.sizes[0] < 0.0 and constant == "½ log 2π" and numbers == most / (1.0 + 1e-9):
                yield replace(one, rank=rank)  # log 2π for ½ log 2π: as usual as one that the entropy lacks
            elif numbers <= most or one.sizes[0] < 0.0:
                yield one


def _unknown(problem: Problem) -> Iterator[tuple[Factor, int]]:
    """Factors that are declared by their numbers: what constants they hold is not known.

    What is given shares or probabilities is discrete, and holds no π.
    """
    raw = problem.call("factors", problem.code_params(problem.vector))
    groups = (raw.q,) if isinstance(raw.q, Latents) else tuple(raw.q)
    shares = {one.name for one in groups if isinstance(one.entropy, (Dirichlet, Beta))}
    under = {one.name: {one.under} if isinstance(one.under, str) else set(one.under) for one in raw.factors}
    for factor in problem.declaration.factors:
        by_numbers = isinstance(factor.distribution, LogDensity) and not isinstance(factor.distribution, Penalty)
        if by_numbers and not under.get(factor.name, set()) & shares:
            yield factor, 1


def _dimensions(factor: Factor) -> int:
    """Elements of a value of a factor."""
    with double_precision():
        return math.prod(np.shape(factor.distribution.log_density(factor.value))[2:])


def _of_entropy(numbers: float, count: int) -> Iterator[Suspect]:
    """The constants of the entropy of a Gaussian q, ½ log 2πe for each latent dimension, lost more often than not."""
    for constant, size in CONSTANTS.items():
        rarer = 0 if constant in ("½ log 2π", "½", "½ log 2πe") else 1
        for what, times in (("per latent dimension", numbers), ("once for a datum", 1.0)):
            for sign, how in ((-1.0, "lost"), (1.0, "too much")):
                rank = rarer + (sign > 0) + 2 * (times != numbers)
                name = f"{constant} {what}, {how}"
                yield Suspect(name, "entropy", "q", (sign * size * times,) * count, rank=rank)


def latent_dimensions(problem: Problem) -> Iterator[float]:
    """Dimensions of each Gaussian group of latents, for each datum, times the weight of the entropy.

    Of an entropy that is given as an array only the latents' priors tell: those that are taken at points of q.
    """
    raw = problem.call("factors", problem.code_params(problem.vector))
    declaration = problem.declaration
    shares = plain(declaration.data_weights)
    groups = (raw.q,) if isinstance(raw.q, Latents) else tuple(raw.q)
    once = 1.0 / float(raw.data or len(shares))
    families = [(one.entropy, 1.0 if one.plate is not None else once) for one in groups]
    if raw.entropy is not None:
        families.append((raw.entropy, 1.0))
    for entropy, share in families:
        for part in entropy if isinstance(entropy, tuple) else (entropy,):
            if parts_of(part).gaussian:
                with double_precision():
                    shape = np.shape(plain(part.entropy()))
                event = np.shape(part.mean)[-1] if part.event_ndim else 1
                yield float(raw.entropy_weight) * share * event * math.prod(shape[1:])
            elif part is not None and not hasattr(part, "entropy"):
                for factor, size in with_log_pi(declaration):
                    if np.ndim(factor.value) > 1 and np.shape(factor.value)[1] > 1:
                        with double_precision():
                            axes = np.shape(factor.distribution.log_density(factor.value))[2:]
                        yield float(raw.entropy_weight) * size * math.prod(axes)


def _signed(factor: str, name: str, size: float, rank: int, count: int) -> Iterator[Suspect]:
    for sign, how in ((1.0, "lost"), (-1.0, "too much")):
        said = f"{name}, {how}" if name.startswith(("½", "one", "log 2")) else name
        yield Suspect(said, "value", factor, (sign * size,) * count, rank=rank + (sign < 0))


def _masked(factor: Factor) -> float:
    """Elements for each datum that `where` masks, on average."""
    if factor.where is None:
        return 0.0
    with double_precision():
        shape = np.shape(factor.distribution.log_density(factor.value))
        where = np.broadcast_to(plain(factor.where), np.broadcast_shapes(np.shape(plain(factor.where)), shape[2:]))
    hidden = np.logical_not(where)
    axes = len(shape) - 2
    lead = hidden.reshape((-1, *hidden.shape[hidden.ndim - axes :])) if axes else hidden.reshape((-1,))
    return float(hidden.sum()) / (len(lead) if axes else 1)


def _of_values(factor: Factor, problem: Problem, count: int) -> Iterator[Suspect]:
    """Constants that depend on the data alone: the Jacobian of log x, log x! of counts."""
    value = plain(factor.value)
    weights = plain(problem.declaration.data_weights)
    if value.ndim < 2 or value.shape[:2] != (len(weights), 1) or factor.distribution.event_ndim or np.any(value < 0):
        return
    sums = value.reshape((len(weights), -1))
    if np.all(sums > 0):
        number = float(weights @ np.log(sums).sum(1))
        name = f"Σ log {factor.name}, the Jacobian of its logarithm"
        yield from _signed(factor.name, name, number, 1, count)
    if np.all(sums == np.round(sums)) and sums.max() > 1:
        number = float(weights @ np.vectorize(math.lgamma)(sums + 1.0).sum(1))
        yield from _signed(factor.name, f"log {factor.name}!", number, 1, count)
