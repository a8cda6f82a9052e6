"""How many data a bound is taken over must not matter, nor their division into batches, nor particles.

Rejects: a factor N / batch that is missing or double, a sum over data for their mean.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elbocheck.bound.decomposition import Decomposition
from elbocheck.bound.latents import Latents
from elbocheck.bound.problem import Problem
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.checks.rows import inputs, settled
from elbocheck.outcome import Result

NAME = "scale"


def scale(problem: Problem) -> Result | None:
    """Every datum twice leaves the bound per datum as it is; batches, and particles, average to the whole."""
    if problem.subset is None and not problem.particles:
        return None
    return settled(problem, _scale)


def _scale(problem: Problem, terms: Decomposition) -> Result:
    deviations = []
    noise = 4 * terms.elbo_rounding
    if problem.subset is not None:
        weights, of = inputs(problem)
        every = np.arange(len(weights))
        whole = of(every)
        deviations.append(
            Deviation(
                f"the ELBO {whole:.9g} of all rows against the whole {terms.elbo:.9g}",
                abs(whole - terms.elbo),
                noise,
                terms.magnitude,
            )
        )
        twice = of(np.concatenate([every, every]))
        deviations.append(
            Deviation(
                f"the ELBO per datum, {whole:.9g}, with every datum twice, {twice:.9g},",
                abs(twice - whole),
                noise,
                terms.magnitude,
            )
        )
        if len(every) > 1:
            batches = np.array_split(every, min(3, len(every)))
            mean = float(sum(weights[rows].sum() * of(rows) for rows in batches))
            deviations.append(
                Deviation(
                    f"the mean {mean:.9g} of {len(batches)} batches against the whole {whole:.9g}",
                    abs(mean - whole),
                    noise * 4,
                    terms.magnitude,
                )
            )
    if problem.particles:
        params = problem.code_params(problem.vector)
        mean = float(np.mean([float(problem.particle(k, params)) for k in range(len(problem.particles))]))
        what = f"the mean {mean:.9g} of {len(problem.particles)} particles against the whole {terms.elbo:.9g}"
        deviations.append(Deviation(what, abs(mean - terms.elbo), noise, terms.magnitude))
    result = judge(NAME, problem.label, deviations)
    return replace(result, message=result.message + _of_globals(problem)) if result.message else result


def _of_globals(problem: Problem) -> str:
    """What `subset` means for terms of what is there once for all data; empty without such terms."""
    if problem.subset is None or problem.factors is None:
        return ""
    q = problem.call("factors", problem.code_params(problem.vector)).q
    once = [one.name for one in ((q,) if isinstance(q, Latents) else q) if one.plate is None]
    if not once:
        return ""
    return f"; the terms of {', '.join(once)}, there once for all data, count 1 / N of them for any rows, N of all data"


CHECK = Check(
    name=NAME,
    letter="s",
    promise="the ELBO per datum does not depend on how often each datum is there (theory, section 1)",
    run=scale,
    needs=("subset", "particles"),
    diagnose="rows",
)
