"""One step of many searches at once: a look with a Hessian, and a glide with gradients only, for one lane each.

`look` takes the Hessian and its spectrum, and makes a matrix that turns gradients into steps: of ascent, towards a
saddle, or, near a stationary point, of Newton without the directions in which the Hessian vanishes. `glide` goes on
with that matrix: quasi-Newton ascent (BFGS updates, a trust radius), one step towards a saddle, or chord steps while
each contracts the gradient. A Hessian costs as much as some twenty gradients, so most of a search glides.

Lanes have all the elements that any problem of the cell trains, in chart units; a lane's own are `moving`, those that
are tied move as the one that is their `label`, and the others do not count. Like `newton`, this is never believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from elbocheck.bound import functions
from elbocheck.bound.definition import Bound
from elbocheck.solver.newton import RUNAWAY
from elbocheck.solver.precision import DOUBLE

ENTRY = 1e-5
"""‖∇F‖ below which an ascent that does not soon end in rounding gets a look that may begin to polish."""
ENOUGH = 0.1 * DOUBLE.gradient
"""‖∇F‖ from which a search may end, once gradients stop falling."""
LOOSE, SHORT = 1e-2, 0.5
"""Largest ‖∇F‖ and largest Newton step from which polishing may begin."""
STEPS = 8
"""Glides of one call."""
CONTRACTION = 0.5
"""A chord step is kept if it reduces the gradient by this factor."""
FLOOR = 1e-15
"""No polishing below: rounding."""
LARGEST = (4.0, 1.0)
"""Largest trust radius of an ascent, and towards a saddle."""
CLIMB, CHORD, SADDLE = 0, 1, 2
"""Modes of `glide`."""

Lane = dict[str, Any]
"""What a search is about: `base` (P,), `units` (P,), `moving` (C,), `label` (C,), `eliminated` (P,), `index`, `fixed`;
and what changes: `point` (C,), `begin` (C,), `value`, `slope` (C,), `matrix` (C, C), `bend` (C,), `mode`, `radius` and
`entry`."""


@dataclass(frozen=True, eq=False)
class Landscape:
    """The bound of a cell as a function of the elements that its problems train."""

    bound: Bound
    """Whose value is climbed."""

    columns: np.ndarray
    """Integers (C,): the elements that some problem trains."""

    optimum: Callable[[Any, Any], Any] | None = None
    """(vector, fixed) -> vector with q's eliminated elements at their optimum."""

    def vector(self, lane: Lane, point: Any) -> Any:
        """The parameters (P,) at a point (C,) of the search."""
        from elbocheck.backends.lanes import xp

        moving = lane["moving"] > 0
        own = xp.where(moving, point[lane["label"]] * lane["units"][self.columns], lane["base"][self.columns])
        whole = lane["base"].at[self.columns].set(own)
        return self.settled(lane, whole)

    def settled(self, lane: Lane, whole: Any) -> Any:
        """The vector with eliminated elements at their optimum."""
        from elbocheck.backends.lanes import xp

        if self.optimum is None:
            return whole
        return xp.where(lane["eliminated"] > 0, self.optimum(whole, lane["fixed"]), whole)

    def grouping(self, lane: Lane) -> Any:
        """0/1 (C, C): element k moves as element g."""
        from elbocheck.backends.lanes import xp

        same = lane["label"][:, None] == xp.arange(self.columns.size)
        return xp.where(same & (lane["moving"][:, None] > 0), 1.0, 0.0)

    def value(self, lane: Lane) -> Callable[[Any], Any]:
        """vector (P,) -> F."""
        return lambda vector: functions.value(self.bound, vector, lane["fixed"])

    def slope(self, lane: Lane, point: Any) -> tuple[Any, Any]:
        """(F, its gradient (C,)) at a point of the search."""
        from elbocheck.backends.lanes import value_and_gradient, xp

        value, gradient = value_and_gradient(self.value(lane), self.vector(lane, point))
        return value, xp.matmul((gradient * lane["units"])[self.columns], self.grouping(lane))

    def curvature(self, lane: Lane, point: Any) -> tuple[Any, Any, Any]:
        """(F, gradient (C,), Hessian (C, C)); elements that do not count get curvature that no step follows."""
        from elbocheck.backends.lanes import value_gradient_hessian, xp

        columns, units = self.columns, lane["units"]
        value, gradient, rows = value_gradient_hessian(self.value(lane), self.vector(lane, point), columns)
        hessian = rows[:, columns] * units[columns] * units[columns][:, None]
        if self.optimum is not None:
            hessian = hessian - self._followed(lane, hessian)
        grouping = self.grouping(lane)
        reduced = xp.matmul(grouping.T, xp.matmul(hessian, grouping))
        return value, xp.matmul((gradient * units)[columns], grouping), filled(reduced, xp.any(grouping > 0, axis=0))

    def _followed(self, lane: Lane, hessian: Any) -> Any:
        """F_θφ F_φφ⁺ F_φθ for the eliminated elements φ: what their following their optimum adds."""
        from elbocheck.backends.lanes import xp

        others = (lane["eliminated"] * lane["free"])[self.columns]
        values, vectors = xp.linalg.eigh(hessian * others * others[:, None])
        keep = xp.abs(values) > 1e-14 * xp.max(xp.abs(values))
        mixed = xp.matmul(hessian * others, vectors)
        inverse = xp.where(keep, 1.0 / xp.where(keep, values, 1.0), 0.0)
        return xp.matmul(mixed * inverse, mixed.T)


def filled(hessian: Any, exists: Any) -> Any:
    """A Hessian whose elements that do not exist are directions apart, below the topmost of the others."""
    from elbocheck.backends.lanes import xp

    inside = exists[:, None] & exists[None, :]
    kept = xp.where(inside, (hessian + hessian.T) / 2, 0.0)
    return kept - xp.diag(xp.where(exists, 0.0, xp.max(xp.abs(kept))))


def look(landscape: Landscape, lane: Lane) -> Lane:
    """Spectrum at the point: `mode` and `matrix` that `glide` goes on with; `fine`: whether all is finite.

    `bend`: the Hessian times the step that the matrix makes of the gradient.
    """
    from elbocheck.backends.lanes import xp

    value, slope, hessian = landscape.curvature(lane, lane["point"])
    fine = xp.isfinite(value) & xp.all(xp.isfinite(slope)) & xp.all(xp.isfinite(hessian))
    slope = xp.where(fine, slope, 0.0)
    values, vectors = xp.linalg.eigh(xp.where(fine, hessian, 0.0))
    size, largest = xp.linalg.norm(slope), xp.max(xp.abs(values))
    keep = xp.abs(values) > xp.maximum(DOUBLE.null * largest, size)
    inverse = xp.where(keep, -1.0 / xp.where(keep, values, 1.0), 0.0)
    along = xp.matmul(slope, vectors)
    polishing = (size < lane["entry"]) & (xp.linalg.norm(inverse * along) < SHORT)
    up = 1.0 / xp.maximum(xp.abs(values), DOUBLE.curvature * xp.maximum(largest, 1e-12))
    count = values.shape[0]
    down = (lane["index"] > 0) & ~polishing & (xp.arange(count) >= count - lane["index"])
    turns = xp.where(polishing, inverse, xp.where(down, -up, up))
    return {
        "value": value,
        "slope": slope,
        "size": size,
        "matrix": xp.matmul(vectors * turns, vectors.T),
        "bend": xp.matmul(vectors, values * turns * along),
        "mode": xp.where(polishing, CHORD, xp.where(lane["index"] > 0, SADDLE, CLIMB)),
        "fine": fine,
    }


def where(landscape: Landscape, lane: Lane) -> Lane:
    """The parameters at the point, F, and its gradient (C,)."""
    from elbocheck.backends.lanes import xp

    value, slope = landscape.slope(lane, lane["point"])
    return {
        "vector": landscape.vector(lane, lane["point"]),
        "value": value,
        "slope": slope,
        "size": xp.linalg.norm(slope),
    }


def glide(landscape: Landscape, lane: Lane) -> Lane:
    """A few steps along gradients turned by the matrix; `done` where a look, or the end, is due."""
    from elbocheck.backends.lanes import repeat, xp

    chord, saddle = lane["mode"] == CHORD, lane["mode"] == SADDLE

    def step(state: Lane) -> Lane:
        point, value, slope, matrix, radius = (state[k] for k in ("point", "value", "slope", "matrix", "radius"))
        move = xp.matmul(matrix, slope)
        times = xp.where(chord, 1.0, xp.minimum(1.0, radius / xp.maximum(xp.max(xp.abs(move)), 1e-300)))
        move = move * times
        length = xp.max(xp.abs(move))
        trial, found = landscape.slope(lane, point + move)
        size, reached = xp.linalg.norm(slope), xp.linalg.norm(found)
        finite = xp.isfinite(trial) & xp.isfinite(reached)
        expected, gained = xp.sum(slope * move), trial - value
        noise = 4.0 * DOUBLE.eps * xp.abs(value)
        climbs = (gained >= -noise) & ((expected <= noise) | (gained >= 1e-3 * expected))
        error = xp.linalg.norm(found - slope - times * lane["bend"]) / xp.maximum(size, 1e-300)
        accepted = finite & xp.where(chord, reached < CONTRACTION * size, xp.where(saddle, error < 1.0, climbs))
        accepted = accepted & ((reached < size) | (size > ENOUGH))
        wider = xp.where(
            saddle,
            xp.where(error > 0.7, 0.5 * length, xp.where(error < 0.3, xp.minimum(2.0 * radius, LARGEST[1]), radius)),
            xp.where(gained > 0.25 * expected, xp.minimum(2.0 * radius, LARGEST[0]), radius),
        )
        narrowed = xp.where(accepted, wider, 0.25 * length)
        keep = accepted & ~state["done"]
        at = xp.where(keep, point + move, point)
        far = xp.max(xp.abs(at - lane["begin"])) > RUNAWAY
        now = xp.where(accepted, reached, size)
        stopped = ~(reached < CONTRACTION * size)
        over = xp.where(chord, stopped, (narrowed < DOUBLE.null) | far | (stopped & (now <= ENOUGH)))
        # close by, it may be rounding of F that refuses a step, and polishing goes by gradients
        over = over | (saddle & accepted) | (now <= FLOOR) | (~saddle & ~accepted & (size < LOOSE))
        updated = _updated(matrix, move, slope - found, finite & (lane["mode"] == CLIMB) & ~state["done"])
        return {
            "point": at,
            "value": xp.where(keep, trial, value),
            "slope": xp.where(keep, found, slope),
            "matrix": updated,
            "radius": xp.where(state["done"] | chord, radius, narrowed),
            "done": state["done"] | over,
        }

    names = ("point", "value", "slope", "matrix", "radius")
    begin = {**{name: lane[name] for name in names}, "done": xp.linalg.norm(lane["slope"]) <= FLOOR}
    state = repeat(STEPS, step, begin)
    state["ran_away"] = xp.max(xp.abs(state["point"] - lane["begin"])) > RUNAWAY
    state["size"] = xp.linalg.norm(state["slope"])
    return state


def _updated(matrix: Any, move: Any, bent: Any, wanted: Any) -> Any:
    """BFGS: the inverse of minus the Hessian after a move on which the gradient fell by `bent`."""
    from elbocheck.backends.lanes import xp

    bent = xp.where(wanted, bent, 0.0)
    curved = xp.sum(bent * move)
    useful = wanted & (curved > 1e-10 * xp.linalg.norm(bent) * xp.linalg.norm(move))
    turned, over = xp.matmul(matrix, bent), 1.0 / xp.where(useful, curved, 1.0)
    ahead = move * over
    updated = matrix + (1.0 + xp.sum(bent * turned) * over) * move[:, None] * ahead
    return xp.where(useful, updated - turned[:, None] * ahead - ahead[:, None] * turned, matrix)
