"""Can this code be judged at all? What a problem's functions return, before anything is made of it.

Everything that is wrong is refused here with one paragraph: exceptions, NaN, shapes, types, changed inputs, values
that differ from call to call, functions that do not come back.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from elbocheck.errors import TargetError
from elbocheck.identity import decompose
from elbocheck.problem import Problem, flat


def examine(problem: Problem) -> None:
    """Raises `TargetError`, or another `ElbocheckError`, for a problem that cannot be judged."""
    label = problem.label
    if problem.elbo is not None:
        values = [_untouched(problem, "elbo") for _ in range(2)]
        value = np.asarray(values[0])
        if value.dtype.kind != "f":
            raise TargetError(
                f"{label}: elbo(params) must return a real floating-point number; got {values[0]!r} of {value.dtype}"
            )
        if not np.isfinite(value):
            raise TargetError(
                f"{label}: elbo(params) is {float(value)} at the problem's own parameters; choose parameters where the "
                "bound is finite, or look for log(0) and 0/0 in it"
            )
        if value.dtype.itemsize < 8 and problem.program.backend.dtype == "float64":
            raise TargetError(
                f"{label}: elbo(params) computes in {value.dtype}, though the parameters are float64: an astype or a "
                "dtype= in it, or constants made before JAX's x64 mode was on; or run with --dtype float32"
            )
        if float(values[0]) != float(values[1]):
            raise TargetError(
                f"{label}: elbo(params) differs between two calls, {float(values[0])!r} and {float(values[1])!r}; hold "
                "the noise fixed (a fixed key or seed), then no statistical tolerance is needed"
            )
    for name in ("grad", "fit"):
        if getattr(problem, name) is not None:
            _same_structure(problem, name, _untouched(problem, name))
    _untouched(problem, "factors")
    terms = decompose(problem)
    for term in terms.factors:
        for what, number in (("E log p", term.log_density), ("entropy", term.entropy)):
            if not np.isfinite(number):
                raise TargetError(f"{label}: the {what} of factor {term.label} is {number} at the problem's parameters")
    if not (np.isfinite(terms.entropy_q) and np.all(np.isfinite(terms.gradient))):
        what = "gradient" if np.isfinite(terms.entropy_q) else "entropy of q"
        raise TargetError(f"{label}: the {what} is not finite at the problem's parameters")


def _untouched(problem: Problem, name: str) -> Any:
    """What a function returns; raises `TargetError` if it changes its input."""
    params = problem.code_params(problem.vector)
    result = (
        problem.declared(params)
        if name == "factors"
        else (problem.scalar if name == "elbo" else problem.call)(name, params)
    )
    after = flat(params, f"{problem.label}: params after {name}(params)")
    changed = [key for key, array in problem.arrays.items() if not np.array_equal(after[key], np.asarray(array))]
    if changed:
        raise TargetError(
            f"{problem.label}: {name}(params) changes its input in place ({', '.join(map(repr, changed))}); work on a "
            "copy, or every later value is that of other parameters"
        )
    return result.detach() if hasattr(result, "detach") else result


def _same_structure(problem: Problem, name: str, tree: Any) -> None:
    what = f"{problem.label}: {name}(params)"
    found = flat(tree, what)
    for block, array in problem.arrays.items():
        if block not in found:
            raise TargetError(f"{what} must return the structure of params; {block!r} is missing in {list(found)}")
        if np.shape(found[block]) != np.shape(array):
            raise TargetError(f"{what}: {block!r} has the shape {np.shape(found[block])}, expected {np.shape(array)}")
        if not np.all(np.isfinite(found[block])):
            raise TargetError(f"{what}: {block!r} is not finite: {found[block]}")


class _Expired(BaseException):
    """Not an Exception, so that no handler of the code under test takes it."""


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raises `TargetError` if the block takes longer; without effect where the system has no alarm for this thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(*_: Any) -> None:
        raise _Expired

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Expired:
        raise TargetError(
            f"{what} did not come back within {seconds:g} s; is there an endless loop in it? A Target(timeout=...) "
            "allows more"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
