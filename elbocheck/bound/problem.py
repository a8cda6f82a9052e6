"""Problem: one ELBO at one parameter point on one data set, ready to be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from elbocheck.backends.base import Backend, TargetBackend
from elbocheck.backends.libraries import LIBRARIES, NUMPY, library_of
from elbocheck.backends.namespace import double_precision, plain
from elbocheck.bound.compiled import Compiled
from elbocheck.bound.definition import Bound
from elbocheck.bound.departures import Departure
from elbocheck.bound.factors import Declaration, for_numbers, log_density_of
from elbocheck.bound.layout import Layout
from elbocheck.bound.trees import leaves, rebuilt
from elbocheck.errors import InputError, NotFiniteError, TargetError
from elbocheck.limits import limited, pass_on


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is known of a problem before it is made, and shared by all problems of a cell of the catalogue."""

    compiled: Compiled | None = None
    """The compiled bound; None: compiled from the problem's functions when it is needed."""

    fixed: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name -> array that the program takes besides the parameters: data, weights, masks."""

    starts: tuple[Any, ...] = ()
    """Where searches for stationary points begin, see `elbocheck.solver.Start`; none: one ascent from `params`."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One bound with its parameters.

    Raises `InputError` for parameters that are not finite, and for fields of the wrong kind.
    """

    params: Any
    """Any nested dict, list, tuple or dataclass of real numbers and arrays, in the chart that the code trains.

    Blocks are called by dotted paths ("decoder.0").
    """

    elbo: Callable[[Any], Any] | None = None
    """params -> scalar: the value under test, nats per datum, to be maximised; None recomputes it from `factors`."""

    factors: Callable[[Any], Declaration] | None = None
    """params -> the distributions that the bound is made of; may only be missing where a program is prepared."""

    grad: Callable[[Any], Any] | None = None
    """params -> tree like params: the code's own gradient of `elbo`; default what the library derives."""

    fit: Callable[[Any], Any] | None = None
    """params -> params: the code's own training, from there to where it stops."""

    log_evidence: float | Callable[[Any], Any] | None = None
    """(1/N) log p(x), where known, in nats per datum; or a function of the parameters."""

    free: Mapping[str, Any] = field(default_factory=dict)
    """Name -> boolean array (or bool): what training moves; default everything."""

    units: Mapping[str, Any] = field(default_factory=dict)
    """Name -> positive array: natural unit of each element, default 1.

    With them gradients and steps do not depend on the units of the data.
    """

    label: str = "problem"
    """What the problem is, for messages."""

    prepared: Prepared = Prepared()
    """What problems of the catalogue and of adapters have already; code under test needs none of it."""

    subset: Callable[[Any, np.ndarray], Any] | None = None
    """(params, indices) -> scalar: the same code on these rows of the data (repeated or not), nats per datum."""

    particles: tuple[Callable[[Any], Any], ...] = ()
    """params -> scalar, each: the same code with one particle, whose mean `elbo` is."""

    departures: tuple[Departure, ...] = ()
    """Known reasons why training stops elsewhere."""

    library: str = ""
    """Whose arrays the functions take, "jax", "numpy" or "torch".

    By default the library of the parameters or, if those are NumPy's, of what the functions return.
    """

    def __post_init__(self) -> None:
        for name, value in self.arrays.items():
            if not np.all(np.isfinite(value)):
                raise NotFiniteError(f"{self.label}: parameter {name!r} is not finite: {_shown(value)}")
        if self.factors is None and self.prepared.compiled is None:
            raise InputError(f"{self.label}: `factors` is missing; give a function params -> Declaration")
        for name in ("elbo", "factors", "grad", "fit", "subset"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise InputError(f"{self.label}: `{name}` must be a function; got {getattr(self, name)!r}")
        for name, given in (("free", self.free), ("units", self.units)):
            unknown = [key for key in given if key not in self.arrays]
            if unknown and self.prepared.compiled is None:
                raise InputError(f"{self.label}: `{name}` names {unknown}; the parameters are {list(self.arrays)}")
        if self.library not in ("", *LIBRARIES):
            raise InputError(f"{self.label}: `library` must be one of {', '.join(LIBRARIES)}; got {self.library!r}")

    @property
    def fixed(self) -> Mapping[str, np.ndarray]:
        """What the program takes besides the parameters."""
        return self.prepared.fixed

    @property
    def starts(self) -> tuple[Any, ...]:
        """Where searches begin; none: one ascent from `params`."""
        return self.prepared.starts

    @cached_property
    def memory(self) -> dict[str, Any]:
        """What has been computed at these parameters, so that it is computed once."""
        return {}

    @cached_property
    def beside(self) -> list[Problem]:
        """The same problem at two random points beside its own."""
        return self.nearby(2)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters as NumPy arrays, by path."""
        return flat(self.params, f"{self.label}: params")

    @cached_property
    def compiled(self) -> Compiled:
        if self.prepared.compiled is not None:
            return self.prepared.compiled
        return Compiled(self._bound, self._backend)

    @cached_property
    def _bound(self) -> Bound:
        tree = self.params
        return Bound(
            layout=self.layout,
            declare=lambda params, fixed: self.declared(rebuilt(tree, params)),
            elbo=None if self.elbo is None else lambda params, fixed: self.scalar("elbo", rebuilt(tree, params)),
        )

    def call(self, name: str, params: Any, *arguments: Any) -> Any:
        """A function of the problem, in double precision; raises `TargetError` with what it raised, or if it hangs."""
        return self._limited(getattr(self, name), f"{name}(params)", params, *arguments)

    def _limited(self, function: Callable[..., Any], what: str, *arguments: Any) -> Any:
        try:
            with double_precision(), limited(f"{self.label}: {what}"):
                return function(*arguments)
        except TargetError:
            raise
        except BaseException as error:  # whatever the code under test raises, `sys.exit` included
            pass_on(error)
            raise TargetError.raised(self.label, what, error) from error

    def scalar(self, name: str, params: Any, *arguments: Any) -> Any:
        """The same for functions that return one number; raises `TargetError` for anything else."""
        value = self.call(name, params, *arguments)
        if np.shape(value) != () or isinstance(value, (str, bytes, type(None))):
            got = f"shape {np.shape(value)}" if np.shape(value) else repr(value)
            raise TargetError(
                f"{self.label}: {name}(params) must return one number, nats per datum; got {got}. "
                "Take the mean over the data."
            )
        if self.departures and name in ("elbo", "subset"):
            with double_precision():
                for departure in self.departures:
                    value = value - self.departed(departure, params)
        return value

    def departed(self, departure: Departure, params: Any) -> Any:
        """What a departure adds to the reported bound; raises `TargetError` as `call` does."""
        return self._limited(departure.added, f"departure {departure.name!r}: value(params)", params)

    def particle(self, index: int, params: Any) -> Any:
        """The value of one particle; raises `TargetError` as `call` does."""
        return self._limited(self.particles[index], f"particles[{index}](params)", params)

    def declared(
        self, params: Any, read: Callable[[Declaration], Declaration] = lambda declaration: declaration
    ) -> Declaration:
        """What `factors` declares at these parameters, after `read`; raises `TargetError` if it is no `Declaration`."""
        declaration = self.call("factors", params)
        if not isinstance(declaration, Declaration):
            raise TargetError(
                f"{self.label}: factors(params) must return a Declaration; got {type(declaration).__name__}"
            )
        with double_precision():
            return read(declaration).resolved()

    def code_params(self, vector: np.ndarray) -> Any:
        """Parameters in their own structure, with arrays of the library that the problem's functions are written in."""
        arrays = {name: np.array(value) for name, value in self.layout.unpack(np.asarray(vector)).items()}
        library, own = LIBRARIES[self.compiled.backend.name], leaves(self.params)
        with double_precision():
            return rebuilt(self.params, {name: library.array(a, own.get(name)) for name, a in arrays.items()})

    @cached_property
    def declaration(self) -> Declaration:
        """What `factors` declares at the problem's own parameters, for values that nothing differentiates."""
        return self.declared(self.code_params(self.vector), for_numbers)

    @cached_property
    def _backend(self) -> TargetBackend:
        """Derivatives for code of the library that this problem's functions are written in, in double precision."""
        own = [*leaves(self.params).values()]
        library = LIBRARIES[self.library] if self.library else library_of(own)
        if library is NUMPY and not self.library:
            library = library_of(self._outputs())
        return library.backend_under_test(own)

    def _outputs(self) -> list[Any]:
        """What the functions return for NumPy arrays."""
        params = rebuilt(self.params, self.arrays)
        if self.elbo is not None:
            return [self.call("elbo", params)]
        declaration = self.declared(params)
        with double_precision():
            return [declaration.weights, *(log_density_of(f) for f in declaration.factors)]

    @cached_property
    def layout(self) -> Layout:
        ready = self.prepared.compiled
        return Layout.of(self.arrays) if ready is None else ready.bound.layout

    @cached_property
    def vector(self) -> np.ndarray:
        """The parameters as one vector (P,)."""
        return self.layout.pack(self.arrays)

    def vector_of(self, params: Any) -> np.ndarray:
        """Other parameters, of the same structure, as a vector (P,); raises `InputError` for another one."""
        arrays = flat(params, f"{self.label}: params")
        expected = dict(zip(self.layout.names, self.layout.shapes, strict=True))
        if {name: np.shape(array) for name, array in arrays.items()} != expected:
            found = {name: np.shape(array) for name, array in arrays.items()}
            raise InputError(f"{self.label}: params have the shapes {found}; the problem's own have {expected}")
        return self.layout.pack(arrays)

    def tree(self, vector: np.ndarray) -> Any:
        """A vector (P,) as parameters of the problem's own structure, NumPy arrays inside."""
        arrays = {name: np.array(value) for name, value in self.layout.unpack(np.asarray(vector)).items()}
        return rebuilt(self.params, arrays)

    def tree_of(self, arrays: Mapping[str, Any]) -> Any:
        """Arrays by path, of any library, as parameters of the problem's own structure."""
        return rebuilt(self.params, arrays)

    def leaves_of(self, tree: Any) -> dict[str, Any]:
        """The inverse of `tree_of`."""
        return leaves(tree, f"{self.label}: params")

    def value(self, vector: np.ndarray) -> float:
        """F, the value under test."""
        return float(self.compiled.value(vector, self.fixed))

    @cached_property
    def free_mask(self) -> np.ndarray:
        """Boolean (P,): the elements that training moves."""
        everything = {name: np.ones(shape) for name, shape in zip(self.layout.names, self.layout.shapes, strict=True)}
        return self.layout.pack({**everything, **self.free}) > 0

    @cached_property
    def unit_vector(self) -> np.ndarray:
        """Natural units (P,)."""
        ones = {name: np.ones(shape) for name, shape in zip(self.layout.names, self.layout.shapes, strict=True)}
        return self.layout.pack({**ones, **self.units})

    @cached_property
    def plain_units(self) -> bool:
        """Whether everything is trained, in units of 1."""
        return bool(self.free_mask.all() and (self.unit_vector == 1.0).all())

    def scaled(self, direction: np.ndarray, *, up: bool = False) -> np.ndarray:
        """A direction (P,) in natural units, free elements only; `up`: a gradient, which is multiplied by them."""
        if self.plain_units:
            return direction
        units = self.unit_vector
        return np.where(self.free_mask, direction * units if up else direction / units, 0.0)

    def gradient(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """(F, ∇F (P,)) of the value under test."""
        if not self.compiled.catalogued and not self.compiled.backend.cost.directional:
            value, gradient, _ = self.compiled.reported(vector, self.fixed)
            return float(value), gradient
        gradient, value = self.compiled.gradient(vector, self.fixed)
        return float(value), gradient

    def free_gradient(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """The same with ∇F 0 in elements that no one trains, for which no time is spent where every one costs some."""
        if self.compiled.backend.cost.padded:
            return self.gradient(vector)
        slopes, value = self._slopes(np.zeros(int(self.free_mask.sum())), {"base": vector, "fixed": self.fixed})
        gradient = np.zeros(vector.shape)
        gradient[self.free_mask] = slopes
        return float(value), gradient

    def derivatives(self, vector: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """(F, ∇F (P,), ∇²F (P, P)) of the value under test; the Hessian's rows of elements that no one trains are 0."""
        units = 2.0 ** np.round(np.log2(self.unit_vector))  # powers of two: neither steps nor scaling round
        inputs = {"base": vector, "units": units, "fixed": self.fixed}
        value, gradient, hessian = self._derivatives(np.zeros(vector.shape), inputs)
        return float(value), gradient / units, hessian / (units * units[:, None])

    @cached_property
    def _slopes(self) -> Callable[..., Any]:
        return self.compiled.slopes_along(np.flatnonzero(self.free_mask))

    @cached_property
    def _derivatives(self) -> Callable[..., Any]:
        compiled = self.compiled
        if compiled.backend.cost.padded:  # one compiled program for all problems, with all columns any of them may need
            return compiled.derivatives
        return compiled.derivatives_along(np.flatnonzero(self.free_mask))

    def with_compiled(self, compiled: Compiled) -> Problem:
        """The same problem, computed by another program."""
        return replace(self, prepared=replace(self.prepared, compiled=compiled))

    def from_here(self) -> Problem:
        """The same problem with one search, from its own parameters."""
        return replace(self, prepared=replace(self.prepared, starts=()))

    def on(self, backend: Backend) -> Problem:
        """The same problem, data and parameters padded as here, computed by another backend."""
        return self.with_compiled(self.compiled.on(backend))

    def at(self, vector: np.ndarray) -> Problem:
        """The same problem at other parameters."""
        moved = replace(self.with_compiled(self.compiled), params=self.tree(vector))
        for name in ("free_mask", "unit_vector", "plain_units"):  # they do not depend on the parameters
            moved.__dict__[name] = getattr(self, name)
        return moved

    def nearby(self, count: int, spread: float = 0.05, seed: int = 0) -> list[Problem]:
        """The same problem at random points beside its own, `spread` natural units away; what is frozen stays."""
        rng, size = np.random.default_rng(seed), np.where(self.vector == 0.0, 1.0, np.minimum(np.abs(self.vector), 1.0))
        moves = [spread * size * self.unit_vector * rng.normal(size=size.shape) for _ in range(count)]
        return [self.at(self.vector + np.where(self.free_mask, move, 0.0)) for move in moves]

    def in_chart(self, chart: Callable[[Any], Any], inverse: Callable[[np.ndarray], np.ndarray]) -> Problem:
        """The same problem over ϑ, where θ = chart(ϑ) acts on flat vectors of any array library."""
        compiled = Compiled(self.compiled.bound.in_chart(chart), self.compiled.backend, self.compiled.catalogued)
        params = {name: np.array(value) for name, value in self.layout.unpack(inverse(self.vector)).items()}
        return replace(self, params=params, units={}, prepared=Prepared(compiled, self.fixed))


def _shown(value: np.ndarray) -> str:
    """An array in a message: its first elements."""
    return str(value) if value.size <= 12 else f"{np.ravel(value)[:12]} … of {value.size} elements"


def flat(params: Any, what: str) -> dict[str, np.ndarray]:
    """Path -> NumPy array of floating point, from arrays of any library; raises `InputError`, see `trees.leaves`."""
    found = {}
    for name, leaf in leaves(params, what).items():
        array = plain(leaf)
        found[name] = array.astype(float)
    return found
