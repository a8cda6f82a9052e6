"""A monitor for a training loop of one's own: how far it is from stationary, in nats, factor by factor.

At every point of training F − S − δ = Σ_f β_f·∇F (THEORY section 3). So the difference of two numbers that the loop
can print anyway says how much is left to be gained along β, and ‖β‖·‖∇F‖ + rounding bounds it for good: a certificate
of convergence in nats, where the norm of a gradient has units of no meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem, flat
from elbocheck.errors import InputError
from elbocheck.training.snapshots import Snapshot, snapshot

SHOWN = 12
"""Most readings that a printed monitor lists."""


class Monitor:
    """Readings of one bound along a training loop; call it with the parameters after each step.

    `every`: steps between readings, since a reading costs about as much as a dozen gradients of the whole data.
    `tolerance`: nats per datum; training counts as `converged` once the bound on |F − S − δ| is below it.

    The readings are those of the problem's own data, in double precision, whatever batches and precision the loop
    itself uses. Raises `InputError` for an unusable `every` or `tolerance`, and when called with parameters that are
    not finite.
    """

    def __init__(self, problem: Problem, every: int = 1, tolerance: float = 1e-3) -> None:
        if every < 1:
            raise InputError(f"every must be at least 1 step; got {every}")
        if not tolerance > 0.0:
            raise InputError(f"tolerance must be positive, in nats per datum; got {tolerance}")
        self.problem, self.every, self.tolerance = problem, every, tolerance
        self.readings: list[Snapshot] = []
        self._steps = 0

    def __call__(self, params: Any, step: int | None = None) -> Snapshot | None:
        """Take a reading at `params`, of the problem's structure, if it is time for one.

        `step`: the number of steps taken so far; by default calls are counted, from 0.
        """
        number = self._steps if step is None else int(step)
        self._steps = number + 1
        return self.read(params, number) if number % self.every == 0 else None

    def read(self, params: Any, step: int | None = None) -> Snapshot:
        """Take a reading now, for example after the last step."""
        given, wanted = flat(params, "the monitor's params"), self.problem.arrays
        shapes = [{name: np.shape(value) for name, value in arrays.items()} for arrays in (given, wanted)]
        if shapes[0] != shapes[1]:
            raise InputError(f"the monitor needs parameters of the shapes {shapes[1]}; got {shapes[0]}")
        for name, value in given.items():
            if not np.all(np.isfinite(value)):
                raise InputError(f"training has left the numbers: parameter {name!r} is not finite: {value}")
        reading = snapshot(decompose(self.problem, params, sketched=True), self._steps if step is None else step)
        self.readings.append(reading)
        return reading

    @property
    def last(self) -> Snapshot:
        """The latest reading; raises `InputError` before the first."""
        if not self.readings:
            raise InputError("the monitor has no reading yet; call it with the parameters")
        return self.readings[-1]

    @property
    def converged(self) -> bool:
        """Whether the latest reading proves |F − S − δ| ≤ `tolerance`."""
        return bool(self.readings) and self.last.bound <= self.tolerance

    @property
    def violations(self) -> list[tuple[int, str, float]]:
        """(step, factor, nats) wherever gap = β·∇F + δ did not hold: ELBO, gradient or declaration are wrong there.

        Without a factor: F is not that of the declared distributions, by so much.
        """
        found = []
        for one in self.readings:
            found += [(one.step, "", one.undeclared)] if one.undeclared else []
            found += [(one.step, share.name, share.gap - share.predicted) for share in one.factors if not share.holds]
        return found

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{'step':>8}{'F':>14}{'S + δ':>14}{'F − S − δ':>12}{'bound':>10}  farthest factor"
        spread = max(1, -(-(len(self.readings) - 1) // (SHOWN - 1)))
        for one in [*self.readings[:-1:spread], *self.readings[-1:]]:
            farthest = max(one.factors, key=lambda share: share.distance)
            yield (
                f"{one.step:>8}{one.elbo:>14.6f}{one.entropy_sum + one.delta:>14.6f}{one.gap:>12.1e}{one.bound:>10.0e}"
                f"  {farthest.name} {farthest.distance:.1e}"
            )
        yield self.verdict

    @property
    def verdict(self) -> str:
        """One sentence on the latest reading."""
        if not self.readings:
            return "no reading yet"
        if self.violations:
            step, factor, size = self.violations[0]
            what = f"factor {factor}" if factor else "the ELBO"
            return f"not what is declared: at step {step} {what} is off by {size:.2g} nats"
        if self.converged:
            return f"converged: F = S{' + δ' if self.last.delta else ''} within {self.last.bound:.0e} nats per datum"
        return f"not converged: |F − S{' − δ' if self.last.delta else ''}| ≤ {self.last.bound:.0e} nats per datum"
