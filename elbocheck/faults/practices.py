"""What people check today, run on the same code: each a function of (code, correct code, data, start) -> rejected."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType

import numpy as np

from elbocheck.faults.fault import Fault, code
from elbocheck.faults.numerics import Array, Params
from elbocheck.faults.problems import sample

STEPS = 100
"""Most training steps along which the ELBO is watched."""
SLACK = 1e-9
"""What rounding may do to an ELBO, relative to its size."""
STEP, RELATIVE, ABSOLUTE = 1e-6, 1e-4, 1e-6
"""Central differences of the value against the reported gradient: their step and their tolerance."""
RECOVERY = {
    "gaussian_mixture": 5000,
    "full_mixture": 20_000,
    "poisson_mixture": 5000,
    "bernoulli_mixture": 5000,
    "log_normal_mixture": 5000,
    "ppca": 8000,
    "factor_analysis": 20_000,
    "sbn": 10_000,
    "hmm": 5000,
    "vae": 4000,
}
"""Model -> number of data in the simulation: as many as the correct code needs."""
CLOSE = 0.05
"""Recovered parameters are within 5 % of the true ones, or within 0.05 of those below 1."""


def decreases(module: ModuleType, correct: ModuleType, x: Array, start: Params) -> bool:
    """The reported ELBO goes down in a step of training."""
    params, previous = start, float(module.elbo(start, x, len(x)))
    for _ in range(STEPS):
        params = module.step(params, x)
        value = float(module.elbo(params, x, len(x)))
        if not value >= previous - SLACK * (1 + abs(previous)):
            return True
        previous = value
    return False


def gradient_differs(module: ModuleType, correct: ModuleType, x: Array, start: Params) -> bool:
    """Finite differences of the reported ELBO are not the reported gradient."""
    reported = module.grad(start, x)
    for name, block in start.items():
        for index in np.ndindex(np.shape(block)):
            values = []
            for step in (STEP, -STEP):
                moved = np.array(block, dtype=float)
                moved[index] += step
                values.append(float(module.elbo({**start, name: moved}, x, len(x))))
            slope = (values[0] - values[1]) / (2 * STEP)
            if not abs(slope - reported[name][index]) <= ABSOLUTE + RELATIVE * abs(slope):
                return True
    return False


def not_recovered(module: ModuleType, correct: ModuleType, x: Array, start: Params) -> bool:
    """Training on simulated data does not end within 5 % of the true parameters, up to relabelling and rotation.

    Training that ends where the correct code's does, bit by bit, on the small data is not run on the large.
    """
    model = module.__name__.removesuffix("_correct")
    if module is not correct:
        model = correct.__name__.removesuffix("_correct")
        one, other = _trained(module, model), _trained(correct, model)
        if all(np.array_equal(one[name], other[name]) for name in start):
            module = correct
    return _off_target(model, module)


@cache
def _trained(module: ModuleType, model: str) -> Params:
    """Where training on the small data ends, from where the correct code begins; two practices ask for it."""
    x = sample(model)
    return dict(module.fit(code(model).begin(x), x))


@cache
def _off_target(model: str, module: ModuleType) -> bool:
    x = module.simulate(np.random.default_rng(1), RECOVERY[model])
    found = module.identified(module.fit(module.begin(x), x))
    return not np.allclose(found, module.identified(module.TRUE), rtol=CLOSE, atol=CLOSE)


def above_evidence(module: ModuleType, correct: ModuleType, x: Array, start: Params) -> bool:
    """The reported ELBO exceeds the log evidence, before training or after."""
    for params in (start, _trained(module, correct.__name__.removesuffix("_correct"))):
        value, evidence = float(module.elbo(params, x, len(x))), correct.log_evidence(params, x)
        if not value <= evidence + SLACK * (1 + abs(evidence)):
            return True
    return False


PRACTICES: dict[str, Callable[[ModuleType, ModuleType, Array, Params], bool]] = {
    "ELBO increases": decreases,
    "finite differences": gradient_differs,
    "recovery within 5 %": not_recovered,
    "F ≤ log evidence": above_evidence,
}


def rejected_by(practice: str, model: str, fault: Fault | None = None) -> bool:
    """Whether a practice of today rejects the code; code that raises, or yields no numbers, is rejected."""
    correct, x = code(model), sample(model)
    try:
        with np.errstate(all="ignore"):
            return PRACTICES[practice](code(model, fault), correct, x, correct.begin(x))
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        return True
