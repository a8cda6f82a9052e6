"""JAX backend: XLA compilation and automatic differentiation.

Precision is chosen per call by context managers, see `computing`, so that neither importing nor running
elbocheck changes the process-wide setting of the program it is used in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck.backends.base import Cost, Function, Trace, in_columns, machine_epsilon
from elbocheck.backends.kept import find_or_compile, key_of
from elbocheck.backends.namespace import Namespace


def compiler_options() -> dict[str, Any]:
    """Options that make XLA compile faster on a CPU, where programs are going to run on one and this XLA knows them.

    Programs here are compiled once for about a hundred short runs. Without fusion emitters and at optimisation level 1
    compilation takes about half the time and the runs as long as before. One module instead of one per core saves
    another fifth. Level 0 would save two thirds of what is left, and is not to be trusted: what XLA computes twice in
    two loops then differs by a rounding, and weights whose logarithms are large do not sum to 1.
    """
    here = _chosen_device()
    on_cpu = getattr(here, "platform", here or jax.default_backend()) == "cpu"
    return _known_options() if on_cpu else {}


def _chosen_device() -> Any:
    """A device, its platform, or None where JAX decides."""
    return jax.config.jax_default_device  # type: ignore[attr-defined]


@cache
def _known_options() -> dict[str, Any]:
    options: dict[str, Any] = {
        "xla_cpu_use_fusion_emitters": False,
        "xla_backend_optimization_level": 1,
        "xla_cpu_parallel_codegen_split_count": 1,
    }
    try:
        jax.jit(lambda x: x, compiler_options=options)(np.float32(0.0))
    except jax.errors.JaxRuntimeError:
        return {}
    return options


@contextmanager
def computing(dtype: str) -> Iterator[None]:
    """JAX computes in `dtype` inside, with all of its digits in matrix products, too.

    By default an accelerator multiplies float32 matrices with 10 or fewer bits, and a report would name another
    precision than was there.
    """
    with jax.enable_x64(dtype == "float64"), jax.default_matmul_precision("highest"):
        yield


@dataclass(frozen=True)
class JaxBackend:
    """Compilation and derivatives by JAX in `dtype` ("float64" or "float32")."""

    dtype: str = "float64"
    """Floating-point type of values and derivatives."""

    name: str = "jax"
    """Name of its library."""

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    @property
    def cost(self) -> Cost:
        return Cost(padded=True, cheap_hessians=True, share=1)

    def _run(self, function: Function, key: str = "") -> Function:
        """The function, compiled once for each device and for all arguments of the same shapes.

        With a key it is taken from what earlier runs have kept.
        """
        made: dict[Any, Any] = {}

        def run(*arguments: Any) -> Any:
            with computing(self.dtype):
                leaves, structure = jax.tree.flatten(arguments)
                leaves = [self._cast(leaf) for leaf in leaves]
                cast = jax.tree.unflatten(structure, leaves)
                place = (_chosen_device(), structure, *((leaf.shape, leaf.dtype) for leaf in leaves))
                if place not in made:
                    made[place] = find_or_compile(key, cast, lambda: _lowered(function, cast))
                return jax.tree.map(np.asarray, made[place](*cast))

        return run

    def _hoisted(self, function: Function) -> Function:
        """`_run` for code of others: the arrays that it closes over, whole data sets, are handed over at each call.

        Left in the program they are copied into it, and XLA spends seconds on folding what is made of them.
        """
        made: dict[Any, Any] = {}

        def run(*arguments: Any) -> Any:
            with computing(self.dtype):
                flat, structure = jax.tree.flatten(jax.tree.map(self._cast, arguments))
                key = (structure, *((leaf.shape, leaf.dtype) for leaf in flat))
                if key not in made:
                    made[key] = self._traced(function, arguments)
                compiled, constants, results = made[key]
                return jax.tree.map(np.asarray, jax.tree.unflatten(results, compiled(constants, *flat)))

        return run

    def _traced(self, function: Function, arguments: Any) -> tuple[Any, list[Any], Any]:
        """(compiled function of the constants and the flat arguments, constants, structure of what it returns)."""
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*jax.tree.map(self._cast, arguments))
        constants = [jnp.asarray(one) for one in closed.consts]
        compiled = jax.jit(
            lambda constants, *flat: jax.core.eval_jaxpr(closed.jaxpr, constants, *flat),
            compiler_options=compiler_options(),
        )
        return compiled, constants, jax.tree.structure(shapes)

    def _cast(self, leaf: Any) -> np.ndarray:
        leaf = np.asarray(leaf)
        return leaf.astype(self.dtype, copy=False) if leaf.dtype.kind == "f" else leaf

    def error_of(self, derived: Function) -> float:
        return 0.0

    def value(self, function: Function) -> Function:
        return self._run(function)

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        def all_three(vector: Any, fixed: Any) -> Any:
            value_and_gradient = jax.value_and_grad(lambda v: function(v, fixed))

            def along(tangent: Any) -> Any:
                (value, gradient), (_, column) = jax.jvp(value_and_gradient, (vector,), (tangent,))
                return value, gradient, column

            basis = jnp.eye(vector.shape[0], dtype=vector.dtype)[columns]
            return jax.vmap(along, out_axes=(None, None, 0))(basis)

        return in_columns(self._run(all_three, key_of(function, self.dtype, columns.tolist())), columns)

    def jacobian(self, function: Function, mode: str) -> Function:
        differentiate = jax.jacrev if mode == "reverse" else jax.jacfwd

        def rows(vector: Any, fixed: Any) -> Any:
            return differentiate(lambda v: function(v, fixed), has_aux=True)(vector)

        return self._run(rows, key_of(function, self.dtype, mode))

    def gradient(self, function: Function, unpack: Function) -> Function:
        def whole(vector: Any, fixed: Any) -> Any:
            def with_terms(blocks: Any) -> Any:
                value, terms = function(blocks, fixed)
                return value, terms()

            # by blocks: the derivative of a slice is a vector of all parameters, mostly zeros
            blocks = unpack(vector)
            (value, terms), slopes = jax.value_and_grad(with_terms, has_aux=True)(blocks)
            return value, jnp.concatenate([jnp.ravel(slopes[name]) for name in blocks]), terms  # JAX sorts names

        return self._hoisted(whole)

    def pushforward(self, function: Function, finish: Function) -> Function:
        def along(vector: Any, fixed: Any, direction: Any) -> Any:
            def arrays(v: Any) -> Any:
                found, more = function(v, fixed)
                return found, more()

            found, tangents, more = jax.jvp(arrays, (vector,), (direction,), has_aux=True)
            return finish(found, tangents, lambda: more)

        return self._hoisted(along)

    def pullback(self, function: Function) -> Function:
        def back(vector: Any, fixed: Any, weights: Any) -> Any:
            return jax.vjp(lambda v: function(v, fixed), vector)[1](weights)[0]

        return self._hoisted(back)

    def depends(self, function: Function, vector: Any, fixed: Any) -> Any:
        with computing(self.dtype):
            traced, shapes = jax.make_jaxpr(lambda v: function(v, fixed)[0], return_shape=True)(self._cast(vector))
        moving = set(traced.jaxpr.invars)
        for equation in traced.jaxpr.eqns:
            if any(not hasattr(one, "val") and one in moving for one in equation.invars):
                moving |= set(equation.outvars)
        flags = [not hasattr(one, "val") and one in moving for one in traced.jaxpr.outvars]
        return jax.tree.unflatten(jax.tree.structure(shapes), flags)


def _lowered(function: Function, arguments: Any) -> tuple[Any, dict[str, Any]]:
    """(program, options of its compiler)."""
    return jax.jit(function).lower(*arguments), compiler_options()


def functions() -> Namespace:
    """The namespace of JAX arrays."""
    special = jax.scipy.special
    return Namespace(jnp, jax.nn.sigmoid, special.gammaln, special.digamma, special.erf, jax.lax.stop_gradient)


def placed(array: np.ndarray, like: Any) -> Any:
    """A NumPy array as one of JAX, where `like` is."""
    found = jnp.asarray(array)
    return jax.device_put(found, like.sharding) if isinstance(like, jax.Array) else found


def constant(array: np.ndarray, like: Any) -> Any:
    """A NumPy array as one of JAX."""
    return jnp.asarray(array)


def under_test(parameters: Iterable[Any]) -> JaxBackend:
    """The backend for JAX code of others; JAX itself looks after devices."""
    return JaxBackend("float64")


def double_precision() -> AbstractContextManager[Any]:
    """JAX code run inside computes in float64, where it says nothing else."""
    return computing("float64")


def trace(function: Function, vector: np.ndarray) -> Trace:
    """What a function of one float64 vector does; nothing is compiled."""
    with jax.enable_x64(True):
        # a new function each time, as JAX keeps the trace of an old one
        closed = jax.make_jaxpr(lambda v: function(v))(np.asarray(vector, dtype=np.float64))
    return Trace(np.dtype(closed.out_avals[0].dtype), tuple(_constants(closed)))


def _constants(closed: Any) -> list[bytes]:
    """Every constant that a trace has taken up, of inner jaxprs too."""
    found = [np.asarray(one).tobytes() for one in closed.consts]

    def walk(jaxpr: Any) -> None:
        for equation in jaxpr.eqns:
            found.extend(np.asarray(one.val).tobytes() for one in equation.invars if hasattr(one, "val"))
            for inner in jax.tree.leaves(equation.params, is_leaf=lambda one: hasattr(one, "eqns")):
                if hasattr(inner, "consts"):
                    found.extend(np.asarray(one).tobytes() for one in inner.consts)
                if hasattr(inner, "jaxpr") or hasattr(inner, "eqns"):
                    walk(getattr(inner, "jaxpr", inner))

    walk(closed.jaxpr)
    return found


def devices() -> list[str]:
    """What JAX computes on; whatever JAX raises where it cannot start."""
    return [str(one) for one in jax.devices()]
