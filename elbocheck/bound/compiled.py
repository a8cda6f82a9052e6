"""The functions compiled from a bound, each on first use and once per shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from elbocheck.backends.base import Function, Kept
from elbocheck.backends.namespace import namespace
from elbocheck.bound import functions
from elbocheck.bound.definition import Bound

SKETCHES = 4
"""Random signs of the data that stand for derivatives datum by datum."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """Compiled functions of the flat vector and the fixed arrays of one bound."""

    bound: Bound
    """What is compiled."""

    backend: Any
    """What compiles it: a `TargetBackend` unless `catalogued`."""

    catalogued: bool = False
    """Whether problems are small enough for derivatives datum by datum, as those of the catalogue are."""

    key: str = ""
    """Tells a bound of the catalogue from all others in every run; empty: nothing of it is kept."""

    seen: functions.Seen = field(default_factory=functions.Seen)
    """What the declaration has said, last."""

    recipes: dict[Any, Any] = field(default_factory=dict)
    """What is known of the directions β of the factors, see `elbocheck.bound.directions`."""

    _elsewhere: dict[Any, Compiled] = field(default_factory=dict)
    """Backend -> the same program there."""

    _natural: dict[Any, Callable[..., Any]] = field(default_factory=dict)
    """Number of rows, and of what -> compiled products with the natural parameters."""

    def __post_init__(self) -> None:
        self._elsewhere[self.backend] = self

    def of(self, function: Function, *more: Any) -> Function:
        """A function of `elbocheck.bound.functions`, of this bound."""
        return partial(function, self.bound, *more)

    def kept(self, function: Function, name: str) -> Function:
        """The same function; what is compiled of it may be kept from run to run if the bound is the catalogue's."""
        return Kept(function, f"{name} of {self.key}") if self.key else function

    def on(self, backend: Any) -> Compiled:
        """The same bound compiled by another backend, once."""
        if backend not in self._elsewhere:
            self._elsewhere[backend] = Compiled(
                self.bound, backend, self.catalogued, self.key, _elsewhere=self._elsewhere
            )
        return self._elsewhere[backend]

    @cached_property
    def terms(self) -> Callable[..., Any]:
        """`-> ((N, P) Jacobian of the declared ELBO per datum, all terms)`, reverse mode."""
        return self.backend.jacobian(self.kept(self.of(functions.per_datum), "terms"), mode="reverse")

    @cached_property
    def sketch(self) -> Callable[..., Any]:
        """`-> ((1 + SKETCHES, P) Jacobian, all terms)`: of Σ_n w_n F_n, and of Σ_n ± w_n F_n with random signs.

        The mean square of the latter estimates Σ_n (w_n ∂F_n)² at the cost of a few gradients, where `terms` takes one
        for every datum.
        """

        def sums(vector: Any, fixed: Any) -> tuple[Any, Any]:
            elbo, terms = functions.per_datum(self.bound, vector, fixed)
            xp = namespace(elbo).xp
            signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(SKETCHES, elbo.shape[0]))
            rows = xp.asarray(np.concatenate([np.ones((1, elbo.shape[0])), signs]), dtype=elbo.dtype)
            return xp.matmul(rows, (terms["data_weights"] * elbo)[:, None])[:, 0], terms

        return self.backend.jacobian(sums, mode="reverse")

    @cached_property
    def reported(self) -> Callable[..., Any]:
        """`-> (F, ∇F, {})` of the value under test."""
        if self.bound.elbo is None:
            return self.declared
        return self._gradient(lambda vector, fixed: (functions.value(self.bound, vector, fixed), dict))

    @cached_property
    def declared(self) -> Callable[..., Any]:
        """`-> (F, ∇F, every term)` of the declared bound, in one reverse pass."""
        return self._gradient(self.of(functions.declared, self.seen))

    def _gradient(self, function: Function) -> Callable[..., Any]:
        return self.backend.gradient(function, self.bound.layout.unpack)

    @cached_property
    def signed(self) -> Callable[..., Any]:
        """`-> (·, ∇ Σ_n s_n w_n F_n, {})` for signs s of the data."""
        return self._gradient(self.of(functions.signed))

    @cached_property
    def held(self) -> Callable[..., Any]:
        """`-> (F, ∇F with q held, {})` of the declared bound."""
        return self._gradient(self.of(functions.held))

    @cached_property
    def held_along(self) -> Callable[..., Any]:
        """`-> ∂F` along a direction with q held, by complex steps only: differences move what is held."""
        return self.backend.pushforward(self.of(functions.held), lambda value, tangent, more: tangent)

    @cached_property
    def magnitudes(self) -> Callable[..., Any]:
        """`-> {factor: (G,)}`: Σ|terms|."""
        return self.backend.value(self.of(functions.magnitudes))

    def slope(self, declared: bool) -> Callable[..., Any]:
        """`-> ∂F` along a direction, of the declared or the reported bound, where gradients are dear."""
        return self._declared_slope if declared else self._reported_slope

    @cached_property
    def _declared_slope(self) -> Callable[..., Any]:
        return self.backend.pushforward(self.of(functions.declared, self.seen), lambda value, tangent, more: tangent)

    @cached_property
    def _reported_slope(self) -> Callable[..., Any]:
        if self.bound.elbo is None:
            return self._declared_slope
        value = self.of(functions.value)
        return self.backend.pushforward(
            lambda vector, fixed: (value(vector, fixed), dict), lambda value, tangent, more: tangent
        )

    @cached_property
    def signed_slope(self) -> Callable[..., Any]:
        """`-> ∂ Σ_n s_n w_n F_n` along a direction."""
        return self.backend.pushforward(self.of(functions.signed), lambda value, tangent, more: tangent)

    def natural(self, rows: int) -> Callable[..., Any]:
        """`-> {factor: η and its tangent at `rows` elements of each; what the direction misses as β}`, see `sampled`.

        Along a direction v: `missed` = Σ w_n r_nm |∂η v − η|·|T − ∇A| and `hidden`, the same for |∂η v| + |η|.
        """
        if rows not in self._natural:
            self._natural[rows] = self.backend.pushforward(self.of(functions.natural), partial(sampled, rows))
        return self._natural[rows]

    def natural_back(self, rows: int) -> Callable[..., Any]:
        """`(vector, {fixed, name}, weights)`: pulled back are the elements that `natural` samples, of one factor."""

        def elements(vector: Any, inputs: Any) -> Any:
            eta, _ = functions.natural(self.bound, vector, inputs)
            return {name: _flat_rows(rows, each) for name, each in eta.items()}

        if -rows not in self._natural:
            self._natural[-rows] = self.backend.pullback(elements)
        return self._natural[-rows]

    def rescaled(self, rows: int) -> Callable[..., Any]:
        """`-> {factor: "tangent" along a direction, "eta": what it is along a rescaling}`, see `functions.rescaled`."""
        if (rows, "rescaled") not in self._natural:
            self._natural[rows, "rescaled"] = self.backend.pushforward(
                self.of(functions.rescaled), partial(_aimed, rows)
            )
        return self._natural[rows, "rescaled"]

    def rescaled_back(self, rows: int) -> Callable[..., Any]:
        """`(vector, fixed, weights)`: pulled back are the elements that `rescaled` samples."""

        def elements(vector: Any, fixed: Any) -> Any:
            arrays, _ = functions.rescaled(self.bound, vector, fixed)
            return {name: _flat_rows(rows, each) for name, each in arrays.items()}

        if (-rows, "rescaled") not in self._natural:
            self._natural[-rows, "rescaled"] = self.backend.pullback(elements)
        return self._natural[-rows, "rescaled"]

    @cached_property
    def value(self) -> Callable[..., Any]:
        """`-> F`, the value under test."""
        return self.backend.value(self.of(functions.value))

    @cached_property
    def gradient(self) -> Callable[..., Any]:
        """`-> (∇F, F)` of the value under test, reverse mode."""
        return self.backend.jacobian(twice(self.of(functions.value)), mode="reverse")

    def slopes_along(self, columns: np.ndarray) -> Callable[..., Any]:
        """`-> (∂F/∂θ of some elements, F)` in their displacement from a base, at 0; compiled anew."""
        basis = np.eye(self.bound.layout.size, dtype=self.backend.dtype)[:, columns]

        def value(displacement: Any, inputs: Mapping[str, Any]) -> Any:
            xp = namespace(displacement).xp
            moved = xp.matmul(xp.asarray(basis), displacement[:, None])[:, 0]
            return functions.value(self.bound, inputs["base"] + moved, inputs["fixed"])

        return self.backend.jacobian(twice(value), mode="reverse")

    @cached_property
    def derivatives(self) -> Callable[..., Any]:
        """`-> (F, ∇F, ∇²F)` of the value under test, forward over reverse mode, see `displaced`."""
        return self.derivatives_along(self.bound.layout.present)

    def derivatives_along(self, columns: np.ndarray) -> Callable[..., Any]:
        """The same with the Hessian in some elements only, zero elsewhere; compiled anew."""
        return self.backend.value_gradient_hessian(self.kept(self.displaced, "derivatives"), columns)

    def displaced(self, displacement: Any, inputs: Mapping[str, Any]) -> Any:
        """The value under test at base + displacement · units: the functions above differentiate it at 0."""
        return functions.value(self.bound, inputs["base"] + displacement * inputs["units"], inputs["fixed"])

    @cached_property
    def leverages(self) -> Callable[..., Any]:
        """`-> {factor: (R,)}`: what an error in each natural parameter does to the gap."""
        return self.backend.value(self.of(functions.leverages))

    @cached_property
    def points(self) -> Callable[..., Any]:
        """`-> {latents}`: the points of q, to be held fixed in the criterion."""
        return self.backend.value(self.of(functions.held_points))

    @cached_property
    def natural_rows(self) -> Callable[..., Any]:
        """`-> (Jacobians, values)` of all natural parameters, forward mode."""
        return self.backend.jacobian(self.of(functions.natural_rows), mode="forward")


def _flat_rows(rows: int, arrays: Any) -> Any:
    """At most `rows` elements of each array, always the same, as one vector."""
    xp = namespace(*arrays).xp
    picked = []
    for array in arrays:
        flat = xp.reshape(array, (-1,))
        size = int(np.prod(np.shape(array)))
        if size > rows:
            chosen = np.sort(np.random.default_rng(size).choice(size, rows, replace=False))
            flat = xp.take(flat, xp.asarray(chosen), axis=0)
        picked.append(flat)
    return xp.concat(picked)


def _aimed(rows: int, arrays: Any, tangents: Any, more: Callable[[], Any]) -> Any:
    """See `Compiled.rescaled`."""
    aims = more()
    return {name: {"eta": _flat_rows(rows, aims[name]), "tangent": _flat_rows(rows, tangents[name])} for name in arrays}


def sampled(rows: int, eta: Any, tangents: Any, more: Callable[[], Any]) -> Any:
    """See `Compiled.natural`."""
    found, levers = {}, more()
    for name, arrays in eta.items():
        xp = namespace(*arrays).xp
        found[name] = {
            "eta": _flat_rows(rows, arrays),
            "tangent": _flat_rows(rows, tangents[name]),
            "missed": sum(
                xp.sum(lever * xp.abs(tangent - one))
                for lever, tangent, one in zip(levers[name], tangents[name], arrays, strict=True)
            ),
            "hidden": sum(
                xp.sum(lever * (xp.abs(tangent) + xp.abs(one)))
                for lever, tangent, one in zip(levers[name], tangents[name], arrays, strict=True)
            ),
        }
    return found


def twice(function: Function) -> Function:
    """The function's value as what to differentiate, and as an auxiliary result."""

    def both(*arguments: Any) -> tuple[Any, Any]:
        value = function(*arguments)
        return value, value

    return both
