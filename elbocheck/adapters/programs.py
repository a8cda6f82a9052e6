"""The problem of a traced program: what the adapters of NumPyro and Pyro have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from elbocheck.adapters.plan import Program, Tree, make_plan
from elbocheck.adapters.traced import declaration_of, factors_of, points_of
from elbocheck.backends.libraries import LIBRARIES
from elbocheck.bound.compiled import Compiled
from elbocheck.bound.definition import Bound
from elbocheck.bound.factors import Declaration, Factor
from elbocheck.bound.layout import Arrays, Layout
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.bound.problem import Prepared, Problem, flat
from elbocheck.bound.trees import leaves, rebuilt
from elbocheck.errors import InputError


class Valued(Program, Protocol):
    """A program whose loss can also be evaluated with one of its particles alone."""

    def particle(self, index: int) -> Callable[[Tree], Any]:
        """`params -> −loss` with one particle, nats for all data."""
        ...


@dataclass(frozen=True, eq=False)
class Guided:
    """A model and a guide, what both are called with, the loss that trains them, and the seed of the noise."""

    model: Callable[..., Any]
    guide: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    loss: Any
    seed: int

    @property
    def particles(self) -> int:
        """How often q is drawn."""
        return int(self.loss.num_particles)


def refuse_shared(model: set[str], guide: set[str]) -> None:
    """Raise `InputError` for `param` sites of both."""
    if shared := sorted(model & guide):
        raise InputError(f"parameters {shared} are in the model and in the guide: q then moves with β")


def refuse_unknown(params: Iterable[str], sites: Iterable[str]) -> None:
    """Raise `InputError` for parameters that are no `param` sites."""
    if unknown := sorted(set(params) - set(sites)):
        raise InputError(f"there are no param sites {unknown}; there are {sorted(sites)}")


def problem_of(
    program: Valued,
    params: Tree,
    *,
    data: int,
    value: Callable[[Tree], Any],
    library: str,
    label: str,
    free: Mapping[str, bool],
    fit: Callable[[Tree], Tree] | None = None,
) -> Problem:
    """`value(params)`: the bound under test, in nats for all `data`; `free`, `fit` as those of the problem."""
    if data < 1:
        raise InputError(f"data must be the number of data, at least 1; got {data}")
    plan = make_plan(program, params, data)

    def elbo(tree: Tree) -> Any:
        return value(tree) / data

    def declare(arrays: Arrays, fixed: Arrays) -> Declaration:
        return declaration_of(program, plan, rebuilt(params, arrays)).resolved()

    def points(arrays: Arrays, fixed: Arrays) -> WeightedPoints:
        return points_of(program, plan, rebuilt(params, arrays))

    def factors(arrays: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
        return factors_of(program, plan, rebuilt(params, arrays), latents)

    def alone(index: int) -> Callable[[Tree], Any]:
        one = program.particle(index)
        return lambda tree: one(tree) / data

    bound = Bound(
        Layout.of(flat(params, f"{label}: params")),
        declare,
        elbo=lambda arrays, fixed: elbo(rebuilt(params, arrays)),
        points=points,
        factors=factors,
    )
    weights = sorted({one.weight for one in plan.model if not one.observed} - {1.0})
    named = "".join(f", KL × {weight:g}" for weight in weights)
    named += "".join(f"; not judged: {one}" for one in plan.unjudged)
    return Problem(
        params=params,
        elbo=elbo,
        factors=lambda tree: declaration_of(program, plan, tree),
        particles=tuple(alone(index) for index in range(program.particles)) if program.particles > 1 else (),
        prepared=Prepared(Compiled(bound, LIBRARIES[library].backend_under_test(leaves(params).values()))),
        free=free,
        fit=fit,
        library=library,
        label=f"{label}{named}",
    )
