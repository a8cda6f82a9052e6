"""JAX backend: XLA compilation and automatic differentiation.

Precision is chosen per call with `jax.enable_x64`, a context manager, so that neither importing nor running
elbocheck changes the process-wide setting of the program it is used in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck.backends.base import Function, in_columns, machine_epsilon


@cache
def compiler_options() -> dict[str, Any]:
    """Options that make XLA compile faster on a CPU, where this XLA knows them.

    Programs here are compiled once for about a hundred short runs. Without fusion emitters and at optimisation level 1
    compilation takes about half the time and the runs as long as before; at level 0 they take three times as long.
    One module instead of one per core saves another fifth.
    """
    options: dict[str, Any] = {
        "xla_cpu_use_fusion_emitters": False,
        "xla_backend_optimization_level": 1,
        "xla_cpu_parallel_codegen_split_count": 1,
    }
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x, compiler_options=options)(np.float32(0.0))
    except jax.errors.JaxRuntimeError:
        return {}
    return options


@dataclass(frozen=True)
class JaxBackend:
    """Compilation and derivatives by JAX in `dtype` ("float64" or "float32")."""

    dtype: str = "float64"
    name: str = "jax"
    padded: bool = True
    cheap_hessians: bool = True
    hessian_error: float = 0.0
    share: int = 1

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    def _run(self, function: Function) -> Function:
        wide = self.dtype == "float64"
        compiled: Any = None

        def run(*arguments: Any) -> Any:
            nonlocal compiled
            if compiled is None:
                compiled = jax.jit(function, compiler_options=compiler_options())
            with jax.enable_x64(wide):
                cast = jax.tree.map(self._cast, arguments)
                return jax.tree.map(np.asarray, compiled(*cast))

        return run

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

        return in_columns(self._run(all_three), columns)

    def jacobian(self, function: Function, mode: str) -> Function:
        differentiate = jax.jacrev if mode == "reverse" else jax.jacfwd
        return self._run(lambda vector, fixed: differentiate(lambda v: function(v, fixed), has_aux=True)(vector))
