"""Many problems of one shape at once: functions of one lane, mapped over all of them under one `jit(vmap(...))`.

What runs on lanes is written over `xp` and the transformations here, for one problem; arrays get a leading axis of
lanes outside. Float64, whatever the process has chosen; a device is JAX's default one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elbocheck.backends.jax import compiler_options, computing

xp = jnp
"""Array functions of a lane."""


def value_and_gradient(function: Callable[[Any], Any], vector: Any) -> tuple[Any, Any]:
    """(f, ∇f (P,)) by reverse mode."""
    return jax.value_and_grad(function)(vector)


def value_gradient_hessian(function: Callable[[Any], Any], vector: Any, columns: np.ndarray) -> tuple[Any, Any, Any]:
    """(f, ∇f (P,), rows (C, P) of ∇²f for some elements), forward over reverse mode."""
    both = jax.value_and_grad(function)

    def along(tangent: Any) -> Any:
        (value, gradient), (_, row) = jax.jvp(both, (vector,), (tangent,))
        return value, gradient, row

    basis = jnp.eye(vector.shape[0], dtype=vector.dtype)[columns]
    return jax.vmap(along, out_axes=(None, None, 0))(basis)


def jacobian(function: Callable[[Any], tuple[Any, Any]], vector: Any) -> tuple[Any, Any]:
    """(Jacobian of the first result by reverse mode, the second result)."""
    return jax.jacrev(function, has_aux=True)(vector)


def repeat(times: int, body: Callable[[Any], Any], state: Any) -> Any:
    """body(body(… state)), compiled once, until state["done"] or so many times."""

    def goes_on(counted: Any) -> Any:
        return (counted[0] < times) & ~counted[1]["done"]

    return jax.lax.while_loop(goes_on, lambda counted: (counted[0] + 1, body(counted[1])), (0, state))[1]


def on_accelerator() -> bool:
    """Whether lanes run on something else than this machine's processors."""
    return jax.default_backend() != "cpu"


def on_processors() -> AbstractContextManager[Any]:
    """What is computed inside runs on this machine's processors: one small problem at a time keeps no card busy."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS leaves processors out
        return nullcontext()


def over_lanes(function: Callable[..., Any], width: int) -> Callable[..., Any]:
    """A function of trees of arrays of one lane as one of (L, …) NumPy arrays, `width` lanes at a time on each device.

    One program serves every L: the last lanes are filled up with repetitions, which are dropped. Where memory does not
    suffice for so many, half as many are tried.
    """
    mapped, devices = jax.vmap(function), jax.local_devices()
    if len(devices) > 1:  # each goes on until its own lanes have ended
        mesh, lanes = jax.sharding.Mesh(np.array(devices), ("lanes",)), jax.sharding.PartitionSpec("lanes")
        mapped = jax.shard_map(mapped, mesh=mesh, in_specs=lanes, out_specs=lanes, check_vma=False)
        width *= len(devices)
    compiled = jax.jit(mapped, compiler_options=compiler_options())

    def run(*arguments: Any) -> Any:
        nonlocal width
        leaves, structure = jax.tree.flatten(arguments)
        count, begin, found = len(leaves[0]), 0, []
        with computing("float64"):
            while begin < count:
                rows = np.minimum(np.arange(begin, begin + width), count - 1)
                kept = min(width, count - begin)
                try:
                    part = compiled(*jax.tree.unflatten(structure, [np.asarray(leaf)[rows] for leaf in leaves]))
                    found.append(jax.tree.map(lambda leaf, kept=kept: np.asarray(leaf)[:kept], part))
                except jax.errors.JaxRuntimeError as error:
                    if "RESOURCE_EXHAUSTED" not in str(error) or width <= len(devices):
                        raise
                    width -= width // (2 * len(devices)) * len(devices)
                    continue
                begin += kept
        return found[0] if len(found) == 1 else jax.tree.map(lambda *parts: np.concatenate(parts), *found)

    return run
