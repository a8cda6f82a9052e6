"""Correct targets: bounds written twice, by hand and with `elbocheck.families`, to test the gate itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from elbocheck.backends.libraries import LIBRARIES as ARRAY_LIBRARIES
from elbocheck.backends.namespace import double_precision
from elbocheck.bound.factors import Declaration
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError
from elbocheck.strategies.checked import flag, whole
from elbocheck.strategies.numbers import one_in
from elbocheck.strategies.of_cells import SEEDS
from elbocheck.strategies.targets.choice import KINDS, LIBRARIES, STRESSES, Choice, ChosenData, ChosenStyle
from elbocheck.strategies.targets.families import FAMILIES, MULTIVARIATE, NAMES
from elbocheck.strategies.targets.gaussians import factor_analysis, regression
from elbocheck.strategies.targets.mixtures import hidden_markov, mixture, observations
from elbocheck.strategies.targets.networks import OBSERVED, autoencoder, belief_network
from elbocheck.strategies.targets.tools import CHARTS, EVERY, Params, Tools, Written, tools

Writer = Callable[[Tools, Choice, np.random.Generator], Written]
WRITERS: dict[str, Writer] = {
    "observations": observations,
    "mixture": mixture,
    "linear regression": regression,
    "logistic regression": regression,
    "Poisson regression": regression,
    "ppca": factor_analysis,
    "factor analysis": factor_analysis,
    "sbn": belief_network,
    "vae": autoencoder,
    "hmm": hidden_markov,
}
SIZES = (1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 130, 200, 320, 500, 800, 1000)
"""Numbers of data, about equally spaced in their logarithms."""
MOST = {"jax": 200, "numpy": 1000, "numpy-differences": 200, "torch": 1000}
MOST_OF_CHAINS = 50
MOST_OWN = {"jax": 50, "numpy": 32, "numpy-differences": 5, "torch": 200}
"""Most data with parameters of their own (a free q), each of which may cost black boxes an evaluation."""
DIMENSIONS = {
    "observations": (4, 1),
    "mixture": (3, 4),
    "ppca": (5, 3),
    "factor analysis": (5, 3),
    "sbn": (4, 3),
    "vae": (4, 2),
    "hmm": (2, 3),
    "linear regression": (1, 4),
    "logistic regression": (1, 4),
    "Poisson regression": (1, 4),
}
"""Kind -> most dimensions, most components, latents, states or features."""
POSTERIORS = {
    "mixture": ("exact", "free", "held"),
    "ppca": ("exact", "free"),
    "factor analysis": ("exact", "free"),
    "sbn": ("exact", "free"),
    "hmm": ("exact", "free"),
    "vae": ("encoder",),
}
UNITS = (0, -1, 1, -3, 3, -6, 6)
OFFSETS = (0.0, 1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, eq=False)
class CorrectTarget:
    """A bound that is correct; `repr(choice)` is the problem's label, `correct_target(choice)` makes the same again."""

    problem: Problem
    """For `Target(name, [problem])`."""

    choice: Choice
    """What it was made from."""

    written: Written
    """The value by hand, which shares no formula with the declaration, and the declaration."""

    @property
    def stressed(self) -> bool:
        """Whether something is extreme: components nearly empty or equal, scales 1e±10, logits of ±40."""
        return bool(self.choice.stress)

    def __repr__(self) -> str:
        return f"correct_target({self.choice})"


def _chosen(name: str, given: Sequence[str], possible: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str) or not given or any(one not in possible for one in given):
        raise InputError(f"correct_targets: {name} must be some of {', '.join(possible)}; got {given!r}")
    return tuple(given)


def correct_targets(
    *,
    libraries: Sequence[str] = LIBRARIES,
    kinds: Sequence[str] = KINDS,
    families: Sequence[str] = NAMES,
    stressed: bool | None = None,
    hints: bool | None = None,
    max_data: int = SIZES[-1],
) -> st.SearchStrategy[CorrectTarget]:
    """Bounds that are mathematically correct, each written twice, through the public face of elbocheck.

    `libraries`: "jax", "numpy" (continues to complex numbers), "numpy-differences" (does not), "torch". `kinds`:
    kinds of models; `families`: of the observations of "observations", "mixture" and "hmm". `stressed`: only such
    draws, or only others; None: both. `hints`: whether factors name their parameters; None: some do. `max_data`: most
    data, N.

    Hypothesis draws sizes, kinds, charts and one seed, from which all numbers come. Shrinks towards one datum of one
    dimension, the first of `kinds` and `libraries`, flat parameters, units of 1, seed 0. Raises `InputError` for
    arguments of the wrong kind.
    """
    return choices(
        libraries=libraries, kinds=kinds, families=families, stressed=stressed, hints=hints, max_data=max_data
    ).map(correct_target)


def choices(
    *,
    libraries: Sequence[str] = LIBRARIES,
    kinds: Sequence[str] = KINDS,
    families: Sequence[str] = NAMES,
    stressed: bool | None = None,
    hints: bool | None = None,
    max_data: int = SIZES[-1],
) -> st.SearchStrategy[Choice]:
    """What `correct_targets` makes its targets from, with the same arguments; cheap to draw many of."""
    libraries, kinds = _chosen("libraries", libraries, LIBRARIES), _chosen("kinds", kinds, KINDS)
    families = _chosen("families", families, NAMES)
    for name, given in (("stressed", stressed), ("hints", hints)):
        flag("correct_targets", name, given)
    whole("correct_targets", "max_data", max_data, 1)
    if stressed:
        kinds = tuple(kind for kind in kinds if any(stresses(kind, family) for family in observed(kind, families)))
        if not kinds:
            raise InputError("correct_targets: none of these kinds and families has anything to stress")
    return _choices(libraries, kinds, families, stressed, hints, max_data)


def observed(kind: str, families: Sequence[str] = NAMES) -> tuple[str, ...]:
    """Families that the data of a kind can have, of these."""
    if kind in ("observations", "mixture"):
        return tuple(families)
    if kind == "hmm":
        return tuple(one for one in families if one != MULTIVARIATE) or tuple(FAMILIES)
    return OBSERVED if kind == "vae" else ("normal",)


def stresses(kind: str, family: str) -> tuple[str, ...]:
    """What can be extreme in a kind with this family of the data."""
    one = FAMILIES.get(family)
    scaled = family == MULTIVARIATE or bool(one and one.ranges.stretch)
    found = {
        "scales": {
            "observations": scaled, "mixture": scaled, "hmm": scaled, "ppca": True, "factor analysis": True,
            "linear regression": True, "vae": family == "normal",
        },
        "logits": {
            "observations": bool(one and one.ranges.logits), "mixture": True, "hmm": True, "sbn": True,
            "logistic regression": True, "Poisson regression": True, "vae": family in ("Bernoulli", "Poisson"),
        },
        "empty": {"mixture": True, "hmm": True, "sbn": True},
        "equal": {"mixture": True, "hmm": True, "sbn": True, "ppca": True, "factor analysis": True},
    }  # fmt: skip
    return tuple(name for name in STRESSES[1:] if found[name].get(kind))


@st.composite
def _choices(
    draw: st.DrawFn,
    libraries: Sequence[str],
    kinds: Sequence[str],
    families: Sequence[str],
    stressed: bool | None,
    hints: bool | None,
    max_data: int,
) -> Choice:
    kind, library = draw(st.sampled_from(kinds)), draw(st.sampled_from(libraries))
    possible = observed(kind, families)
    if stressed:
        possible = tuple(family for family in possible if stresses(kind, family))
    family = draw(st.sampled_from(possible))
    q = draw(st.sampled_from(POSTERIORS.get(kind, ("exact",))))
    most = min(max_data, MOST[library], MOST_OF_CHAINS if kind == "hmm" else SIZES[-1])
    most = min(most, MOST_OWN[library]) if q == "free" else most
    most_dims, most_latents = DIMENSIONS[kind]
    black_box = library == "numpy-differences"
    count = draw(st.sampled_from([size for size in SIZES if size <= most]))
    sizes = (
        count,
        draw(st.integers(1, min(most_dims, 2) if black_box else most_dims)),
        draw(st.integers(1, min(most_latents, 2) if black_box else most_latents)),
    )
    available = stresses(kind, family)
    stress = ""
    if stressed or (stressed is None and available and draw(one_in(4))):
        stress = draw(st.sampled_from(available))
    chart = draw(st.sampled_from(CHARTS))
    covariance, normalise = draw(st.sampled_from(("cholesky", "precision", "matrix"))), draw(st.booleans())
    log10_unit, offset = draw(st.sampled_from(UNITS)), draw(st.sampled_from(OFFSETS))
    form, nested = draw(st.integers(0, 1)), draw(st.booleans())
    hinted = draw(st.booleans()) if hints is None else hints
    graded, weighted, scipy = (draw(st.booleans()) for _ in range(3))
    data = ChosenData(log10_unit, offset, weighted)
    style = ChosenStyle(chart, covariance, normalise, form, nested, hinted, graded, scipy)
    return Choice(kind, library, sizes, family, q, stress, data, style, seed=draw(SEEDS))


def correct_target(choice: Choice) -> CorrectTarget:
    """The target that was chosen, a pure function of the choice."""
    if choice.kind not in KINDS or choice.library not in LIBRARIES:
        raise InputError(f"correct_target: no such kind or library: {choice}")
    black_box = choice.library == "numpy-differences"
    style = replace(choice.style, scipy=choice.style.scipy and black_box and not choice.stress)
    t = tools(choice.library)
    with double_precision():
        written = WRITERS[choice.kind](t, replace(choice, style=style), np.random.default_rng(choice.seed))
    read, tree, path = structure(written.params, choice.style.nested)
    library = t.library
    own = choice.style.graded and written.grad is not None and library == "numpy"

    def elbo(params: Any) -> Any:
        value = written.value(read(params), EVERY)
        return float(value) if black_box else value

    def subset(params: Any, rows: np.ndarray) -> Any:
        value = written.value(read(params), rows)
        return float(value) if black_box else value

    def factors(params: Any) -> Declaration:
        declaration = written.declare(read(params))
        names = [tuple(path(name) for name in f.parameters) if choice.style.hinted else () for f in declaration.factors]
        pairs = zip(declaration.factors, names, strict=True)
        return replace(declaration, factors=tuple(replace(f, parameters=found) for f, found in pairs))

    def grad(params: Any) -> Any:
        assert written.grad is not None
        return tree({name: np.asarray(one) for name, one in written.grad(read(params)).items()})

    with double_precision():
        made = ARRAY_LIBRARIES[library].array
        params = tree({name: made(np.array(one, dtype=float), None) for name, one in written.params.items()})
    problem = Problem(
        params,
        elbo=elbo,
        factors=factors,
        grad=grad if own else None,
        library=library,
        label=repr(choice),
        log_evidence=elbo if written.exact and choice.style.form else None,
        subset=None if choice.data.weighted else subset,
    )
    return CorrectTarget(problem, choice, written)


def structure(
    params: Params, nested: bool
) -> tuple[Callable[[Any], Params], Callable[[Params], Any], Callable[[str], str]]:
    """(parameters as kept -> block -> array, the inverse, the name of a block there); "x.mean" nested or flat."""
    parts = [(name, *name.split(".")) for name in params]
    if not nested:
        flat = {name: name.replace(".", "_") for name in params}
        return (
            lambda tree: {name: tree[key] for name, key in flat.items()},
            lambda blocks: {flat[name]: one for name, one in blocks.items()},
            lambda name: flat[name],
        )

    def tree(blocks: Params) -> Any:
        found: dict[str, dict[str, Any]] = {}
        for name, part, key in parts:
            found.setdefault(part, {})[key] = blocks[name]
        return found

    return (lambda kept: {name: kept[part][key] for name, part, key in parts}), tree, lambda name: name
