"""Problems from the catalogue's code: a model, correct or with a fault in it, on its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import ModuleType

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.faults.fault import Fault, code
from elbocheck.faults.numerics import Array, Params

SIZES = {
    "gaussian_mixture": 30,
    "full_mixture": 30,
    "poisson_mixture": 30,
    "bernoulli_mixture": 80,
    "log_normal_mixture": 30,
    "ppca": 7,
    "factor_analysis": 30,
    "sbn": 250,
    "hmm": 30,
    "vae": 30,
}
"""Model -> number of data: few, but enough for finite parameters."""
LOCAL = ("q_means", "q_log_stds")
"""Blocks with one row for every datum."""


@cache
def sample(model: str) -> Array:
    """The data of a model, simulated from its true parameters."""
    return code(model).simulate(np.random.default_rng(0), SIZES[model])


def problem(model: str, fault: Fault | None = None) -> Problem:
    """The model's code on its data, at the parameters from which training starts; the reference code has no faults."""
    correct, module, x = code(model), code(model, fault), sample(model)
    return made(module, x, correct.begin(x), label=model, log_evidence=partial(correct.log_evidence, x=x))


def made(
    module: ModuleType, x: Array, params: Params, *, label: str, log_evidence: Callable[[Params], float]
) -> Problem:
    """Everything that a module's functions can say about the bound, as one problem."""
    return Problem(
        params,
        elbo=lambda p: module.elbo(p, x, len(x)),
        factors=lambda p: module.declare(p, x),
        grad=lambda p: module.grad(p, x),
        fit=lambda p: module.fit(p, x),
        log_evidence=log_evidence,
        subset=lambda p, rows: module.elbo(those(p, rows), x[rows], len(x)),
        particles=particles(module, x),
        library="numpy",
        label=label,
    )


def those(params: Params, rows: Array) -> Params:
    """The parameters that go with some of the data."""
    return {name: block[rows] if name in LOCAL else block for name, block in params.items()}


def particles(module: ModuleType, x: Array) -> tuple[Callable[[Params], Array], ...]:
    """The bound at one particle each, of models that have some."""
    return tuple(
        partial(lambda p, noise: module.elbo(p, x, len(x), noise), noise=np.array([noise]))
        for noise in getattr(module, "NOISE", ())
    )
