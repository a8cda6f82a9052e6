"""Which of several floating-point results is right: the true terms of the bound, enclosed in ball arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from elbocheck.bound import functions
from elbocheck.bound.decomposition import Decomposition
from elbocheck.bound.problem import Problem
from elbocheck.checks.agreement import TERMS, numbers
from elbocheck.errors import NotRigorousError, UndecidedError
from elbocheck.proofs.enclosures import Enclosure, Enclosures, arb, ctx, gap_and_delta
from elbocheck.proofs.krawczyk import upper


@dataclass(frozen=True)
class Verdict:
    """Which of several floats lies nearest to the true value of one quantity.

    `errors`: bounds on their distances from it; `nearest`: "" where the enclosure cannot tell, or two are equal.
    """

    what: str
    """Name of the quantity, as in `checks.agreement.numbers`."""

    enclosure: Enclosure
    """Of the true value."""

    errors: Mapping[str, float]
    """Name of each float -> bound on its distance from the true value."""

    nearest: str
    """Name of the float; empty where the enclosure cannot tell, or two are equal."""


def referee(problem: Problem, found: Mapping[str, Decomposition], bits: int = 192) -> tuple[Verdict, ...]:
    """The verdict on every term, and every element of ∇F, that decompositions of one problem have found differently.

    Raises `NotRigorousError` for formulae that are only approximate, `UndecidedError` where the model compares balls
    that overlap.
    """
    columns = {name: numbers(decomposition) for name, decomposition in found.items()}
    shared = set.intersection(*(set(column) for column in columns.values()))
    with ctx.workprec(bits):
        true = enclosed(problem, bits)
        verdicts = []
        for what in (what for what in true if what in shared):
            values = {name: column[what] for name, column in columns.items()}
            if len(set(values.values())) > 1:
                verdicts.append(verdict(what, true[what], values))
    return tuple(verdicts)


def verdict(what: str, true: arb, values: Mapping[str, float]) -> Verdict:
    """Which value is nearest; a value that is not finite is as far away as can be."""
    apart = {
        name: abs(true - arb(float(value))) if np.isfinite(value) else arb("inf") for name, value in values.items()
    }
    best = min(apart, key=lambda name: upper(apart[name]))
    clear = all(apart[best] < other for name, other in apart.items() if name != best)
    return Verdict(what, Enclosure.of(true), {name: upper(one) for name, one in apart.items()}, best if clear else "")


def enclosed(problem: Problem, bits: int = 192) -> dict[str, arb]:
    """The true values of what `checks.agreement.numbers` names, at the problem's parameters."""
    enclosures, free = Enclosures(problem, bits), problem.free_mask
    per_datum = problem.compiled.of(functions.per_datum)
    elbo, terms = enclosures.backend.value(per_datum)(problem.vector, problem.fixed)
    weights = terms["data_weights"]
    found = {"the ELBO": (weights * elbo).sum(), "the entropy of q": (weights * terms["entropy"]).sum()}
    for name, term in terms["factors"].items():
        _, delta = gap_and_delta(term, weights)
        columns = {**{key: weights @ term[key] for key in TERMS if key in term}, "delta": delta}
        groups = len(term["beta"]) if "beta" in term else 1
        for key in TERMS:
            parts = columns[key] if groups > 1 else [columns[key].sum()]
            for group, part in enumerate(parts):
                found[f"{key} of factor {name if groups == 1 else f'{name}[{group}]'}"] = part
    slopes = enclosures.gradient(problem.vector) * problem.unit_vector
    return found | {f"element {i} of ∇F": slope if free[i] else arb(0) for i, slope in enumerate(slopes)}


def appeal(problem: Problem, found: Mapping[str, Decomposition]) -> str:
    """The worst of the verdicts in words, to be added to a message; "" where balls cannot compute the model."""
    try:
        verdicts = referee(problem, found)
    except (NotRigorousError, UndecidedError) as error:
        return f"; ball arithmetic cannot say which is right: {error}"
    if not verdicts:
        return ""
    worst = max(verdicts, key=lambda one: max(one.errors.values()))
    off = " and ".join(f"{name} by {error:.0e}" for name, error in worst.errors.items())
    right = f"; {worst.nearest} is nearer" if worst.nearest else ""
    return f"; by ball arithmetic {worst.what} is {worst.enclosure.middle:.12g}, missed by {off}{right}"
