"""β of every factor, and what the theorem says of it: the claim, apart from the verdict on the code (THEORY section 9).

    rest_f = gap_f − δ_f − β_f·d = 0 at several random points   ⇔   F = S + δ at stationary points, for this factor

Whatever the parameters are shared with. β comes from, cheapest first: the declared closed form; a combination of
`candidates` that a reading already shows; least squares over candidates, with one forward product of the natural
parameters each; least squares over all elements, dense while they are few, else by LSMR on products (THEORY section
10). Factors that only together have a β are claimed as a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from elbocheck.bound import functions
from elbocheck.bound.candidates import COMMON, RARE, Part, Slopes, direction, elements, guess, meets, neat_solution
from elbocheck.bound.gaps import noise, targets, vanishes
from elbocheck.bound.least_squares import DENSE, Columns, rescaling, solve
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import Reading, read, read_beside, readings
from elbocheck.bound.trees import covers

EXACT = 1e-9
"""Relative residual of a system that has a solution; how exact that is, is then measured and enters the bound."""
GROUPS = 4
"""Most factors that are tried as a group, pair by pair and all."""

MOST_BLOCKS, MOST_WORK, CHECKED, FAR = 12, 1e9, 4, 0.3
"""A fixed prior's β is sought with at most so many blocks, data times parameters; points beyond the unknowns, and how
far they lie, in natural units."""

NONE_OF_ITS_OWN = "it has no parameters of its own that could scale its natural parameters"
FIXED = "one of its natural parameters does not depend on any parameter (a fixed variance, count or shape)"
NO_DIRECTION = "no direction of the parameters multiplies all its natural parameters by one factor"
DECLARED = "the direction β that it declares does not give its gap (parameters that occur elsewhere, or a wrong β)"
ELSEWHERE = "the direction that scales its natural parameters also moves q, its points or other factors"


@dataclass(frozen=True)
class Recipe:
    """How to make β of some factors at any point."""

    factors: tuple[str, ...]
    """Names; more than one have a β only together."""

    parts: tuple[Part, ...] | None = None
    """The combination of candidates; None where β is declared or solved for at every point, or there is none."""

    reason: str = ""
    """Why the theorem does not cover them; empty if it does."""

    residual: float = 0.0
    """‖(∂η/∂θ)β − η‖ / ‖η‖ of the best direction found.

    Of a declared β, or one that does not meet the gap: what is left of the gap, over Σ|terms|.
    """

    closed: bool = False
    """Whether β is what the factor declares."""

    rescales: int = 0
    """Degree of a fixed prior whose values β rescales in part of a block; 0 for others."""


@dataclass(frozen=True, eq=False)
class Direction:
    """β of some factors at one point; nats per datum."""

    recipe: Recipe
    """How it was made, and whether the theorem covers them."""

    beta: np.ndarray
    """(G, P), one row for each component that has its own."""

    slopes: tuple[float, ...]
    """(G,): ∂F along each row, F of the declared distributions."""

    reported: tuple[float, ...]
    """(G,): ∂F along each row, F of the code under test."""

    errors: tuple[float, ...]
    """(G,): of both slopes together, beyond rounding; 0 where derivatives are exact."""

    missed: float = 0.0
    """What an inexact β may cost."""


@dataclass
class Finder:
    """The search for recipes, at the problem's own point and at two beside it."""

    problem: Problem
    """At the point for which recipes are sought."""

    points: list[Reading] = field(init=False)
    """Readings at the three points, those of them that are finite."""

    def __post_init__(self) -> None:
        self.points = [one for one in (read(self.problem), *read_beside(self.problem)) if one.finite]

    def recipes(self) -> tuple[Recipe, ...]:
        """One for each factor, or group of factors."""
        terms = read(self.problem).terms["factors"]
        closed = [name for name in terms if "beta" in terms[name]]
        found = [self._declared(name) for name in closed]
        known = {name: self._outside(name) for name in terms}
        found += [Recipe((name,), reason=reason, residual=1.0) for name, reason in known.items() if reason]
        left = [name for name in terms if name not in closed and not known[name]]
        for kinds in (COMMON, (*COMMON, *RARE)):
            left = [name for name in left if not self._guessed((name,), kinds, found)]
        own = self._with_parameters() if left else set()
        for name in [name for name in left if name not in own]:
            rescaled = self._rescaled(name) or self._rescaled_by_elements(name)
            found.append(rescaled or Recipe((name,), reason=NONE_OF_ITS_OWN, residual=1.0))
        left = [name for name in left if name in own]
        for group in _groups(left):
            if all(name in left for name in group) and self._guessed(group, COMMON, found):
                left = [name for name in left if name not in group]
        return (*found, *self._products(left))

    def _outside(self, name: str) -> str:
        """Why a factor has no natural parameters at all; "" if it has."""
        return next(shape.outside for shape in self.problem.compiled.seen.shapes if shape.name == name)

    @property
    def _dear(self) -> bool:
        return self.problem.compiled.backend.cost.directional

    def _declared(self, name: str) -> Recipe:
        """A closed form is believed if what it predicts is there, component by component."""
        recipe = Recipe((name,), closed=True)
        for point in self.points:
            rows, aims = point.terms["factors"][name]["beta"], targets(point, name)
            for row, target in zip(rows, aims if len(rows) > 1 else [aims.sum()], strict=True):
                left, within = abs(float(target) - point.along(row)[0]), noise(point, row)
                if left > within and (left > 1e-6 * point.scale or not self._thorough(point, row, left)):
                    return replace(recipe, reason=DECLARED, residual=left / max(point.scale, 1e-300))
        return recipe

    def _thorough(self, point: Reading, row: np.ndarray, left: float) -> bool:
        known = noise(point, row, thorough=True)
        return left <= known or left <= known + point.value_noise + point.noise_along(row)

    def hinted(self, names: Sequence[str]) -> list[str]:
        """The blocks that the declaration names for these factors, those of the layout in its order; all if none."""
        hints = [one for shape in self.problem.compiled.seen.shapes if shape.name in names for one in shape.parameters]
        blocks = [name for name in self.problem.layout.names if any(covers(hint, name) for hint in hints)]
        return blocks or list(self.problem.layout.names)

    def _guessed(self, names: tuple[str, ...], kinds: Sequence[str], found: list[Recipe]) -> bool:
        hinted, every = self.hinted(names), list(self.problem.layout.names)
        for blocks in [hinted] if hinted == every or self._dear else [hinted, every]:
            parts = guess([self._slopes(point, names, blocks, kinds) for point in self.points], blocks, kinds)
            if parts is not None:
                found.append(Recipe(names, parts))
                return True
        return False

    def _slopes(self, point: Reading, names: Sequence[str], blocks: Sequence[str], kinds: Sequence[str]) -> Slopes:
        values, errors = {}, {}
        for block in blocks:
            for kind in kinds:
                values[block, kind], size, off = candidate_slope(point, block, kind)
                errors[block, kind] = point.constant * size + 10.0 * off
        target = float(sum(targets(point, name).sum() for name in names))
        return Slopes(values, errors, target, point.constant * point.scale)

    def _with_parameters(self) -> set[str]:
        """Factors whose natural parameters can change at all."""
        compiled, problem = self.problem.compiled, self.problem
        flags = compiled.backend.depends(compiled.of(functions.natural), problem.vector, problem.fixed)
        return {name for name, arrays in flags.items() if any(arrays)}

    def _rescaled(self, name: str) -> Recipe | None:
        """β of a fixed prior that is homogeneous in z: what rescales z in q and in the other factors together.

        Its multiples of the candidates of all blocks are what readings at more points than candidates say; like any
        guess it must then be right to rounding, at further points too (THEORY section 5).
        """
        shapes = {shape.name: shape for shape in self.problem.compiled.seen.shapes}
        blocks, data = self.problem.layout.names, len(self.points[0].data_weights)
        if shapes[name].scale_degree is None or len(blocks) > MOST_BLOCKS or self._dear:
            return None
        if float(data) * self.problem.vector.size > MOST_WORK:
            return None
        parts = [(block, kind) for block in blocks for kind in COMMON]
        slopes = []
        for seed in range(1, len(parts) + CHECKED + 1):
            for one in readings(self.problem.nearby(1, spread=FAR, seed=seed)):  # large problems are not kept
                slopes += [self._slopes(one, (name,), blocks, COMMON)] if one.finite else []
        if len(slopes) < len(parts) + CHECKED - 1:
            return None
        matrix = np.array([[one.values[part] for part in parts] for one in slopes])
        target = np.array([one.target for one in slopes])
        found = neat_solution(matrix, target)
        chosen = tuple((*part, times) for part, times in zip(parts, found, strict=True) if times)
        every = [*slopes, *(self._slopes(one, (name,), blocks, COMMON) for one in self.points)]
        return Recipe((name,), chosen) if chosen and all(meets(chosen, one) for one in every) else None

    def _rescaled_by_elements(self, name: str) -> Recipe | None:
        """The same where a block is rescaled in part: one layer that gives mean and scale of q."""
        degree = next(shape.scale_degree for shape in self.problem.compiled.seen.shapes if shape.name == name)
        if degree is None or self._dear:
            return None
        found = [rescaling(point.problem, name, degree) for point in self.points]
        solved = [one for one in found if one is not None and one.residual <= EXACT]
        if not solved or len(solved) < len(found):
            return None
        if not all(vanishes(point, (name,), one.beta) for point, one in zip(self.points, solved, strict=True)):
            return None
        return Recipe((name,), rescales=degree, residual=max(one.residual for one in solved))

    def _products(self, names: Sequence[str]) -> Iterator[Recipe]:
        """Least squares over candidates, then over all elements, for factors that no guess explains."""
        if not names:
            return
        columns = Columns(self.problem, [], {})
        moved: list[Recipe] = []
        for name in names:
            recipe = self._from_candidates(name, columns)
            few = int(self.problem.layout.mask(self.hinted((name,))).sum()) <= DENSE
            if not self._dear and (recipe.reason == NO_DIRECTION or (recipe.reason == ELSEWHERE and few)):
                recipe = self._from_elements(name, recipe)
            moved.append(recipe)
        yield from self._joined(moved)

    def _joined(self, recipes: list[Recipe]) -> list[Recipe]:
        """Factors whose β is the same direction, as one group, if it gives the sum of their gaps."""
        found = list(recipes)
        for one in recipes:
            for other in recipes:
                alike = one.parts and other.parts and set(one.parts) == set(other.parts)
                if one is other or not alike or one not in found or other not in found:
                    continue
                both = (*one.factors, *other.factors)
                if all(vanishes(point, both, self._beta(one, point)) for point in self.points):
                    found = [each for each in found if each not in (one, other)]
                    found.append(replace(one, factors=both, reason=""))
        return found

    def _beta(self, recipe: Recipe, point: Reading) -> np.ndarray:
        return direction(recipe.parts or (), self.problem.layout, point.problem.vector)

    def _from_candidates(self, name: str, columns: Columns) -> Recipe:
        best = Recipe((name,), reason=NO_DIRECTION, residual=1.0)
        blocks = self.hinted((name,))
        every = [*blocks, *(one for one in self.problem.layout.names if one not in blocks)]
        for stage, kinds in ((blocks, COMMON), (every, COMMON), (every, RARE)):
            if kinds == RARE and columns.constant(name):
                return replace(best, reason=FIXED)
            for block in reversed(stage):
                columns.add(block, kinds)
                parts, residual = columns.solve(name)
                best = replace(best, residual=min(best.residual, residual))
                if residual <= EXACT:
                    best = replace(best, parts=parts, reason=ELSEWHERE)
                    if all(vanishes(point, (name,), self._beta(best, point)) for point in self.points):
                        return replace(best, reason="")
        return best

    def _from_elements(self, name: str, best: Recipe) -> Recipe:
        found = [solve(point.problem, name, self.hinted((name,))) for point in self.points]
        if any(one is None for one in found):
            return best
        solutions = [one for one in found if one is not None]
        worst = max(one.residual for one in solutions)
        if worst > EXACT:
            return replace(best, residual=min(best.residual, worst))
        held = all(
            vanishes(point, (name,), one.beta, one.missed) for point, one in zip(self.points, solutions, strict=True)
        )
        return replace(best, parts=None, residual=worst, reason="") if held else replace(best, reason=ELSEWHERE)


MOST_SINGLE = 16
"""Elements of a block whose slopes are cheaper one by one than candidate by candidate, where each costs evaluations."""


def candidate_slope(point: Reading, block: str, kind: str) -> tuple[float, float, float]:
    """(slope of the declared F along a candidate, Σ|terms| of it, error beyond rounding)."""
    key = f"slope {block} {kind}"
    memory, where = point.problem.memory, point.problem.layout.slices[block]
    if key not in memory:
        along = elements(kind, point.problem.vector[where])
        memory[key] = (0.0, 0.0, 0.0)
        if np.all(np.isfinite(along)):
            memory[key] = _slope_in(point, block, along, single=kind not in COMMON)
    found: tuple[float, float, float] = memory[key]
    return found


def _slope_in(point: Reading, block: str, along: np.ndarray, single: bool) -> tuple[float, float, float]:
    """The same along given elements (…,) of a block."""
    where, size = point.problem.layout.slices[block], point.problem.vector.size
    if point.slope is not None:
        slopes = point.slope[where]
        return float(along @ slopes), float(np.abs(along) @ np.abs(slopes)), 0.0
    if single and along.size <= MOST_SINGLE:
        each = [point.along(np.eye(1, size, k)[0]) for k in range(where.start, where.stop)]
        slopes, errors = (np.array(one) for one in zip(*each, strict=True))
        return float(along @ slopes), float(np.abs(along) @ np.abs(slopes)), float(np.abs(along) @ errors)
    whole = np.zeros(size)
    whole[where] = along
    slope, error = point.along(whole)
    return slope, abs(slope), error


def _groups(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    if len(names) > 2:
        yield tuple(names)
    few = names[: 2 * GROUPS]
    yield from ((one, other) for k, one in enumerate(few) for other in few[k + 1 :])


def directions(problem: Problem) -> tuple[Direction, ...]:
    """β of every factor, or group of them, at the problem's parameters; how to find it is found once, see `Recipe`."""
    recipes = problem.compiled.recipes
    if "all" not in recipes:
        recipes["all"] = Finder(problem).recipes()
    return tuple(_still(read(problem), _at(problem, recipe)) for recipe in recipes["all"])


def _still(reading: Reading, found: Direction) -> Direction:
    """The same, outside the theorem after all if it does not meet the gap at this point."""
    names, total = found.recipe.factors, sum(found.slopes)
    if found.recipe.reason:
        return found
    left = abs(float(sum(targets(reading, name).sum() for name in names)) - total)
    if left <= reading.constant * (reading.scale + abs(total)) + 10.0 * sum(found.errors) + found.missed:
        return found
    beta = found.beta[0] if len(found.beta) == 1 else found.beta.sum(0)
    if vanishes(reading, names, beta, found.missed):
        return found
    return replace(found, recipe=replace(found.recipe, reason=ELSEWHERE, residual=left / max(reading.scale, 1e-300)))


def _at(problem: Problem, recipe: Recipe) -> Direction:
    reading = read(problem)
    if recipe.closed:
        rows = np.asarray(reading.terms["factors"][recipe.factors[0]]["beta"])
        return _measured(reading, recipe, rows)
    if recipe.parts:
        return _combined(reading, recipe)
    if recipe.parts is None and not recipe.reason:
        name = recipe.factors[0]
        if recipe.rescales:
            solved = rescaling(problem, name, recipe.rescales)
        else:
            solved = solve(problem, name, Finder(problem).hinted(recipe.factors))
        if solved is not None:
            return replace(_measured(reading, recipe, solved.beta[None]), missed=solved.missed)
    return Direction(recipe, np.zeros((1, problem.vector.size)), (0.0,), (0.0,), (0.0,))


def _measured(reading: Reading, recipe: Recipe, rows: np.ndarray) -> Direction:
    declared, reported = ([reading.along(row, side) for row in rows] for side in (True, False))
    return Direction(
        recipe,
        rows,
        tuple(one for one, _ in declared),
        tuple(one for one, _ in reported),
        tuple(one + other for (_, one), (_, other) in zip(declared, reported, strict=True)),
    )


def _combined(reading: Reading, recipe: Recipe) -> Direction:
    """From the blocks that a combination moves alone."""
    assert recipe.parts is not None
    beta = direction(recipe.parts, reading.problem.layout, reading.problem.vector)
    if reading.slope is None or reading.gradient is None:
        return _measured(reading, recipe, beta[None])
    slices = reading.problem.layout.slices
    moved = [slices[block] for block in dict.fromkeys(block for block, _, _ in recipe.parts)]
    slopes = [float(sum(one[where] @ beta[where] for where in moved)) for one in (reading.slope, reading.gradient)]
    return Direction(recipe, beta[None], (slopes[0],), (slopes[1],), (0.0,))
