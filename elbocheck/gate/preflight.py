"""Can this code be judged at all? What a problem's functions return, before anything is made of it.

Everything that is wrong is refused here with one paragraph: exceptions, NaN, shapes, types, changed inputs, values
that differ from call to call, functions that do not come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from elbocheck.backends.base import Trace
from elbocheck.backends.libraries import LIBRARIES
from elbocheck.bound.problem import Problem, flat
from elbocheck.bound.reading import Reading, read
from elbocheck.errors import ElbocheckError, TargetError
from elbocheck.gate.declarations import check_declaration
from elbocheck.limits import pass_on


def examine(problem: Problem) -> None:
    """Raises `TargetError`, or another `ElbocheckError`, for a problem that cannot be judged."""
    label, trace = problem.label, LIBRARIES[problem.compiled.backend.name].trace
    if problem.elbo is not None and trace is not None:
        _traced(problem, trace)
    elif problem.elbo is not None:
        values = [_untouched(problem, "elbo") for _ in range(2)]
        _number(problem, values[0])
        _repeated(problem, *values)
    if problem.grad is not None:
        same_structure(problem, "grad", _untouched(problem, "grad"))
    if trace is None:
        _untouched(problem, "factors")
    if problem.factors is not None:
        check_declaration(problem)
    try:
        _finite(problem, read(problem))
    except ElbocheckError:
        raise
    except BaseException as error:  # arrays and families that do not fit together
        pass_on(error)
        raise TargetError.raised(label, "the bound of its declaration", error) from error


def _number(problem: Problem, found: Any) -> None:
    """That `elbo` returns a real, finite number in double precision."""
    value = np.asarray(found)
    if value.dtype.kind != "f":
        raise TargetError(
            f"{problem.label}: elbo(params) must return a real floating-point number; got {found!r} of {value.dtype}"
        )
    _finite_value(problem, float(value))
    _precision(problem, value.dtype.itemsize, str(value.dtype))


def _precision(problem: Problem, size: int, dtype: str) -> None:
    if size < 8 and problem.compiled.backend.dtype == "float64":
        raise TargetError(
            f"{problem.label}: elbo(params) computes in {dtype}, though the parameters are float64: an astype or a "
            "dtype= in it, or constants made before JAX's x64 mode was on; or run with --dtype float32"
        )


def _finite_value(problem: Problem, value: float) -> None:
    if not np.isfinite(value):
        raise TargetError(
            f"{problem.label}: elbo(params) is {value} at the problem's own parameters; choose parameters where the "
            "bound is finite, or look for log(0) and 0/0 in it"
        )


def _repeated(problem: Problem, one: Any, other: Any) -> None:
    if float(one) != float(other):
        raise TargetError(
            f"{problem.label}: elbo(params) differs between two calls, {float(one)!r} and {float(other)!r}; hold "
            "the noise fixed (a fixed key or seed), then no statistical tolerance is needed"
        )


def _traced(problem: Problem, trace: Callable[[Callable[..., Any], Any], Trace]) -> None:
    """The same from two traces, which take no compilation: type, inputs, constants that differ."""

    def value(vector: Any) -> Any:
        params = problem.layout.unpack(vector)
        given = problem.tree_of(params)
        found = problem.scalar("elbo", given)
        changed = [name for name, leaf in problem.leaves_of(given).items() if leaf is not params[name]]
        if changed:
            _refuse_changes(problem, "elbo", changed)
        return found

    first, second = (trace(value, problem.vector) for _ in range(2))
    dtype = first.dtype
    if dtype.kind != "f":
        raise TargetError(f"{problem.label}: elbo(params) must return a real floating-point number; got one of {dtype}")
    _precision(problem, dtype.itemsize, str(dtype))
    if first.constants != second.constants:
        _repeated(problem, *(problem.scalar("elbo", problem.code_params(problem.vector)) for _ in range(2)))


def _finite(problem: Problem, reading: Reading) -> None:
    label, terms = problem.label, reading.terms
    if problem.elbo is not None:
        _finite_value(problem, reading.elbo)
    for name, term in terms["factors"].items():
        for what, numbers in (("E log p", term["log_density"]), ("entropy", term["entropy"])):
            if not np.all(np.isfinite(numbers)):
                raise TargetError(
                    f"{label}: the {what} of factor {name} is {float(np.sum(numbers))} at the problem's parameters"
                )
    gradients = [one for one in (reading.gradient, reading.slope) if one is not None]
    entropy = float(reading.data_weights @ terms["entropy"])
    if not (np.isfinite(entropy) and all(np.all(np.isfinite(one)) for one in gradients)):
        what = "gradient" if np.isfinite(entropy) else "entropy of q"
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
        _refuse_changes(problem, name, changed)
    return result.detach().cpu() if hasattr(result, "detach") else result


def _refuse_changes(problem: Problem, name: str, changed: list[str]) -> None:
    raise TargetError(
        f"{problem.label}: {name}(params) changes its input in place ({', '.join(map(repr, changed))}); work on a "
        "copy, or every later value is that of other parameters"
    )


def same_structure(problem: Problem, name: str, tree: Any) -> None:
    """Raises `TargetError` unless a tree has the structure of the problem's parameters, and is finite."""
    what = f"{problem.label}: {name}(params)"
    found = flat(tree, what)
    for block, array in problem.arrays.items():
        if block not in found:
            raise TargetError(f"{what} must return the structure of params; {block!r} is missing in {list(found)}")
        if np.shape(found[block]) != np.shape(array):
            raise TargetError(f"{what}: {block!r} has the shape {np.shape(found[block])}, expected {np.shape(array)}")
        if not np.all(np.isfinite(found[block])):
            raise TargetError(f"{what}: {block!r} is not finite: {found[block]}")
