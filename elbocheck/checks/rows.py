"""Which data a bound is taken over must not matter: their order, their number, their division into batches, particles.

Rejects: a factor N / batch that is missing or double, a sum over data for their mean, a bound that depends on order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elbocheck.bound.decomposition import Decomposition, decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import read
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Outcome, Result


def _inputs(problem: Problem) -> tuple[np.ndarray, Callable[[np.ndarray], float]]:
    """(data weights (N,), ELBO of some rows)."""
    params, weights = problem.code_params(problem.vector), read(problem).data_weights
    return weights, lambda rows: float(problem.scalar("subset", params, rows))


def _settled(problem: Problem, judged: Callable[[Problem, Decomposition], Result]) -> Result:
    """With measured noise where the bounds of the terms are exceeded."""
    found = judged(problem, decompose(problem))
    return judged(problem, decompose(problem, thorough=True)) if found.outcome is Outcome.VIOLATED else found


def scale(problem: Problem) -> Result | None:
    """Every datum twice leaves the bound per datum as it is; batches, and particles, average to the whole."""
    if problem.subset is None and not problem.particles:
        return None
    return _settled(problem, _scale)


def _scale(problem: Problem, terms: Decomposition) -> Result:
    deviations = []
    noise = 4 * terms.elbo_rounding
    if problem.subset is not None:
        weights, of = _inputs(problem)
        every = np.arange(len(weights))
        whole = of(every)
        deviations.append(Deviation(f"the ELBO {whole:.9g} of all rows against the whole {terms.elbo:.9g}",
                                    abs(whole - terms.elbo), noise, terms.magnitude))  # fmt: skip
        twice = of(np.concatenate([every, every]))
        deviations.append(Deviation(f"the ELBO per datum, {whole:.9g}, with every datum twice, {twice:.9g},",
                                    abs(twice - whole), noise, terms.magnitude))  # fmt: skip
        if len(every) > 1:
            batches = np.array_split(every, min(3, len(every)))
            mean = float(sum(weights[rows].sum() * of(rows) for rows in batches))
            deviations.append(Deviation(f"the mean {mean:.9g} of {len(batches)} batches against the whole {whole:.9g}",
                                        abs(mean - whole), noise * 4, terms.magnitude))  # fmt: skip
    if problem.particles:
        params = problem.code_params(problem.vector)
        mean = float(np.mean([float(problem.particle(k, params)) for k in range(len(problem.particles))]))
        what = f"the mean {mean:.9g} of {len(problem.particles)} particles against the whole {terms.elbo:.9g}"
        deviations.append(Deviation(what, abs(mean - terms.elbo), noise, terms.magnitude))
    return judge("scale", problem.label, deviations)


def permutation(problem: Problem) -> Result | None:
    """The data in another order give the same bound."""
    return None if problem.subset is None else _settled(problem, _permutation)


def _permutation(problem: Problem, terms: Decomposition) -> Result:
    weights, of = _inputs(problem)
    every = np.arange(len(weights))
    order = np.random.default_rng(0).permutation(len(every)) if len(every) > 2 else np.array(every[::-1])
    straight, turned = of(every), of(order)
    what = f"the ELBO {turned:.9g} of the data in another order against {straight:.9g}"
    return judge(
        "permutation",
        problem.label,
        [Deviation(what, abs(turned - straight), 4 * terms.elbo_rounding, terms.magnitude)],
    )
