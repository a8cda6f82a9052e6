"""Random numbers that shrink: the methods of `numpy.random.Generator` that models use, each drawn by Hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from elbocheck.errors import InputError

Size = int | tuple[int, ...] | None
Numbers = Any
"""An array, or a number where no size was asked for."""
LEVEL = 1e-3
"""Quantiles are taken at multiples of it: a normal number is at most 3.09 away from its mean."""
LIMIT = round(0.5 / LEVEL) - 1
ANGLES = np.arange(-314, 315) / 100.0
_plain = np.vectorize(lambda number: float(f"{number:.3g}"), otypes=[float])


def generator(draw: st.DrawFn) -> np.random.Generator:
    """A `DrawnGenerator`, typed as what functions of models ask for."""
    return cast(np.random.Generator, DrawnGenerator(draw))


def one_in(number: int) -> st.SearchStrategy[bool]:
    """True once in `number` draws; shrinks to False, together with what is drawn only then (booleans do not)."""
    return st.sampled_from([False] * (number - 1) + [True])


@dataclass(frozen=True)
class DrawnGenerator:
    """What a function of a model needs of a `numpy.random.Generator`, from `draw` of a composite strategy.

    Arguments and shapes are NumPy's. Integers are drawn as they are, everything else is a quantile at a level from
    0.001 to 0.999, so that all numbers are finite. Shrinks to arrays of one number, integers to their lower end and
    quantiles to the median. Numbers have two decimals (normal ones, angles) or three digits before they are scaled.
    """

    draw: st.DrawFn
    """Of the composite strategy."""

    def integers(self, low: int, high: int | None = None, size: Size = None) -> Numbers:
        """Integers from `low` to `high` − 1, or from 0 to `low` − 1. Raises `InputError` if there are none."""
        least, most = (0, low - 1) if high is None else (low, high - 1)
        if most < least:
            raise InputError(f"integers: there are none from {least} to {most}")
        return self._array(least, most, _shape(size))

    def _array(self, least: int, most: int, shape: tuple[int, ...]) -> Numbers:
        """Drawn even where there is one possibility: sizes shrink best if what follows them is drawn alike."""
        if not shape:
            return self.draw(st.integers(least, most))
        return self.draw(_arrays(least, most, shape, self.draw(one_in(2))))

    def _levels(self, size: Size, *parameters: Any) -> np.ndarray:
        """Levels of quantiles, of the shape that NumPy gives its result; 1/2 is the simplest."""
        return 0.5 + LEVEL * np.asarray(self._array(-LIMIT, LIMIT, _shape(size, *parameters)))

    def random(self, size: Size = None) -> Numbers:
        """Uniform between 0 and 1."""
        return self._levels(size)[()]

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Size = None) -> Numbers:
        """Uniform between `low` and `high`."""
        return low + np.subtract(high, low) * self._levels(size, low, high)[()]

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Size = None) -> Numbers:
        """Normal with mean `loc` and standard deviation `scale`."""
        return loc + np.multiply(scale, np.round(special.ndtri(self._levels(size, loc, scale)), 2))[()] + 0.0

    def lognormal(self, mean: Any = 0.0, sigma: Any = 1.0, size: Size = None) -> Numbers:
        """exp of `normal`."""
        return np.exp(self.normal(mean, sigma, size))

    def exponential(self, scale: Any = 1.0, size: Size = None) -> Numbers:
        """Exponential with mean `scale`."""
        return np.multiply(scale, _plain(-np.log1p(-self._levels(size, scale))))[()]

    def laplace(self, loc: Any = 0.0, scale: Any = 1.0, size: Size = None) -> Numbers:
        """Laplace about `loc`, never `loc` itself: the sign is drawn apart from the distance."""
        distance = self.exponential(scale, size=_shape(size, loc, scale))
        return loc + np.where(np.asarray(self._array(0, 1, np.shape(distance))) == 0, distance, -distance)[()]

    def gumbel(self, loc: Any = 0.0, scale: Any = 1.0, size: Size = None) -> Numbers:
        """Gumbel with mode `loc`."""
        return loc + np.multiply(scale, np.round(-np.log(-np.log(self._levels(size, loc, scale))), 2))[()]

    def gamma(self, shape: Any, scale: Any = 1.0, size: Size = None) -> Numbers:
        """Gamma with mean `shape` times `scale`."""
        return np.multiply(scale, _plain(special.gammaincinv(shape, self._levels(size, shape, scale))))[()]

    def standard_gamma(self, shape: Any, size: Size = None) -> Numbers:
        """Gamma of scale 1."""
        return self.gamma(shape, size=size)

    def beta(self, a: Any, b: Any, size: Size = None) -> Numbers:
        """Beta with mean a / (a + b)."""
        return special.betaincinv(a, b, self._levels(size, a, b))[()]

    def dirichlet(self, alpha: Any, size: Size = None) -> np.ndarray:
        """Dirichlet (*size, K) with concentrations `alpha` (K,)."""
        drawn = np.asarray(self.gamma(np.asarray(alpha), size=(*_shape(size), len(alpha))))
        return np.asarray(drawn / drawn.sum(axis=-1, keepdims=True))

    def pareto(self, a: Any, size: Size = None) -> Numbers:
        """Lomax of shape `a`: Pareto above 1, less 1."""
        return np.expm1(self.exponential(size=_shape(size, a)) / a)

    def rayleigh(self, scale: Any = 1.0, size: Size = None) -> Numbers:
        """Rayleigh with mode `scale`."""
        return np.multiply(scale, _plain(np.sqrt(-2.0 * np.log1p(-self._levels(size, scale)))))[()]

    def weibull(self, a: Any, size: Size = None) -> Numbers:
        """Weibull of shape `a` and scale 1."""
        return self.exponential(size=_shape(size, a)) ** (1.0 / np.asarray(a))

    def wald(self, mean: Any, scale: Any, size: Size = None) -> Numbers:
        """Inverse Gaussian, by the transformation of Michael, Schucany and Haas (1976)."""
        shape = _shape(size, mean, scale)
        part = 0.5 * np.asarray(mean) * np.square(self.normal(size=shape)) / scale
        small = mean / (1.0 + part + np.sqrt(part * (2.0 + part)))
        return np.where(self._levels(shape) * (mean + small) <= mean, small, np.square(mean) / small)[()]

    def vonmises(self, mu: Any, kappa: Any, size: Size = None) -> Numbers:
        """Von Mises about `mu` with concentration `kappa`, between −π and π."""
        levels = self._levels(size, mu, kappa)
        density = np.exp(np.asarray(kappa)[..., None] * (np.cos(ANGLES) - 1.0))
        distribution = np.cumsum(density, axis=-1) / np.sum(density, axis=-1, keepdims=True)
        found = mu + ANGLES[np.sum(distribution < levels[..., None], axis=-1)]
        return np.where(np.abs(found) > np.pi, found - 2.0 * np.pi * np.sign(found), found)[()]

    def poisson(self, lam: Any = 1.0, size: Size = None) -> Numbers:
        """Poisson with mean `lam`."""
        levels = self._levels(size, lam)
        return _first(lambda count: special.pdtr(count, lam), special.pdtrik(levels, lam), levels)

    def binomial(self, n: Any, p: Any, size: Size = None) -> Numbers:
        """Successes among `n` of probability `p`."""
        levels, count = self._levels(size, n, p), np.arange(np.max(n))
        left = np.maximum(np.asarray(n)[..., None] - count, 0)
        below = (left > 0) & (
            special.betaincc(count + 1.0, np.maximum(left, 1.0), np.asarray(p)[..., None]) < levels[..., None]
        )
        return np.sum(below, axis=-1)

    def negative_binomial(self, n: Any, p: Any, size: Size = None) -> Numbers:
        """Failures before `n` successes of probability `p`."""
        levels = self._levels(size, n, p)
        return _first(lambda count: special.betainc(n, count + 1.0, p), special.nbdtrik(levels, n, p), levels)

    def geometric(self, p: Any, size: Size = None) -> Numbers:
        """Trials up to the first success of probability `p`."""
        trials = np.log1p(-self._levels(size, p)) / np.log1p(-np.asarray(p))
        return np.ceil(np.maximum(trials - 1e-9, 1.0)).astype(int)[()]

    def multinomial(self, n: int, pvals: Any, size: Size = None) -> np.ndarray:
        """Counts (*size, K) with sum `n`, of probabilities `pvals` (..., K): one binomial after the other."""
        pvals = np.asarray(pvals, dtype=float)
        shape = _shape(size, pvals[..., 0])
        left, rest, found = np.full(shape, n), np.ones(pvals.shape[:-1]), []
        for place in range(pvals.shape[-1] - 1):
            share = np.clip(pvals[..., place] / np.where(rest > 0.0, rest, 1.0), 0.0, 1.0)
            found.append(np.asarray(self.binomial(left, share, size=shape)))
            left, rest = left - found[-1], rest - pvals[..., place]
        return np.stack([*found, left], axis=-1)

    def choice(self, a: Any, size: Size = None, replace: bool = True, p: Any = None) -> Numbers:
        """Elements of `a`, or integers below it, with probabilities `p`; without replacement only equal ones."""
        values = np.arange(a) if np.ndim(a) == 0 else np.asarray(a)
        if not replace:
            if p is not None:
                raise InputError("choice: without replacement all elements are equally probable; got p")
            return self.permutation(values)[: int(np.prod(_shape(size)))].reshape(_shape(size))[()]
        if p is None:
            return values[self.integers(len(values), size=size)]
        return values[np.minimum(np.searchsorted(np.cumsum(p), self._levels(size)), len(values) - 1)]

    def permutation(self, x: Any) -> np.ndarray:
        """The rows of `x`, or the integers below it, in another order; shrinks to the order as it is."""
        values = np.arange(x) if np.ndim(x) == 0 else np.asarray(x)
        return values[np.array(self.draw(st.permutations(range(len(values)))), dtype=int)]


def _shape(size: Size, *parameters: Any) -> tuple[int, ...]:
    if size is None:
        return np.broadcast_shapes(*(np.shape(one) for one in parameters))
    return tuple(size) if isinstance(size, tuple | list) else (int(size),)


@cache
def _arrays(least: int, most: int, shape: tuple[int, ...], dense: bool) -> st.SearchStrategy[np.ndarray]:
    """Arrays of integers; not `dense`: about ten of them, or the root of their number, differ from all others."""
    elements = st.integers(least, most)
    return arrays(np.int64, shape, elements=elements, fill=st.nothing() if dense else elements)


def _first(distribution: Any, near: np.ndarray, levels: np.ndarray) -> Numbers:
    """The smallest count at which a distribution function reaches `levels`, from `near` by its continuous inverse."""
    above = np.ceil(near)
    below = np.maximum(above - 1.0, 0.0)
    return np.where(distribution(below) >= levels, below, above).astype(int)[()]
