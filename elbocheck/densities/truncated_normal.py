"""Normal distribution truncated to an interval or to a half-line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from elbocheck.backends.namespace import Array, Namespace, namespace

TAIL = 2.0
"""Arguments above take the continued fraction of Mills' ratio."""
DEPTH = 48
"""Of the fraction: it is then exact to exp(−2 · 2 · √(2 · 48)) < 1e-16, relatively."""


@dataclass(frozen=True)
class TruncatedNormal:
    """p(u) = N(u; m, v) / (Φ(β) − Φ(α)) for a ≤ u ≤ b, with α = (a − m)/√v and β = (b − m)/√v.

    Shapes: `mean` m, `variance` v, those of the normal that is cut, `low` a, `high` b, (*batch,); None: not cut there.
    An interval far out in a tail keeps its digits; of one that is short beside √v the logarithm of its width is all
    there is, and digits go as in α − β. Not an exponential family with a common base measure where a or b are learned;
    where they are known, it is one whose entropy has no simple form: it is declared by its density.
    """

    mean: Array
    variance: Array
    low: Array | None = None
    high: Array | None = None

    family: ClassVar[str] = "truncated normal"
    event_ndim: ClassVar[int] = 0

    def log_density(self, value: Array) -> Array:
        """log p(u), nats; u must lie in the interval."""
        ns = namespace(*(one for one in (self.mean, self.variance, self.low, self.high, value) if one is not None))
        deviation, spread = value - self.mean, ns.xp.sqrt(self.variance)
        normal = -0.5 * (deviation * deviation / self.variance + ns.constants.log_2pi + ns.xp.log(self.variance))
        alpha = None if self.low is None else (self.low - self.mean) / spread
        beta = None if self.high is None else (self.high - self.mean) / spread
        if alpha is None and beta is None:
            return normal
        if beta is None:
            return normal - _log_upper(ns, alpha)
        if alpha is None:
            return normal - _log_upper(ns, -beta)
        return normal - _log_between(ns, alpha, beta)


def _log_upper(ns: Namespace, x: Array) -> Array:
    """log(1 − Φ(x)) to relative accuracy, whatever x."""
    xp, far = ns.xp, x > TAIL
    near = xp.where(far, xp.zeros_like(x), x)
    x = xp.where(far, x, xp.zeros_like(x) + TAIL)
    fraction = x
    for k in range(DEPTH, 0, -1):
        fraction = x + k / fraction
    tail = -0.5 * (x * x + ns.constants.log_2pi) - xp.log(fraction)
    return xp.where(far, tail, xp.log(0.5 - 0.5 * ns.erf(near * math.sqrt(0.5))))


def _log_between(ns: Namespace, alpha: Array, beta: Array) -> Array:
    """log(Φ(β) − Φ(α)), taken on the side of 0 where nothing cancels."""
    xp = ns.xp
    alpha, beta = alpha + 0.0 * beta, beta + 0.0 * alpha
    left, right = beta < 0.0, alpha > 0.0
    near, off = xp.where(left, -beta, alpha), xp.where(left, -alpha, beta)  # both in the upper tail, near < off
    one_side: Any = left | right
    none = xp.zeros_like(near)
    near, off = xp.where(one_side, near, none), xp.where(one_side, off, none + 1.0)
    upper = _log_upper(ns, near)
    tail = upper + xp.log(-xp.expm1(_log_upper(ns, off) - upper))
    low, high = xp.where(one_side, none, alpha), xp.where(one_side, none + 1.0, beta)
    across = xp.log(0.5 * (ns.erf(high * math.sqrt(0.5)) - ns.erf(low * math.sqrt(0.5))))
    return xp.where(one_side, tail, across)
