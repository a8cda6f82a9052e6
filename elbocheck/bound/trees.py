"""Parameters as people keep them: nested dicts, lists, tuples and dataclasses of arrays, called by dotted paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from elbocheck.backends.namespace import Array
from elbocheck.errors import InputError


def leaves(tree: Any, what: str = "params") -> dict[str, Array]:
    """Path -> leaf of every number or array of floating point: {"decoder": [W, b]} gives "decoder.0" and "decoder.1".

    Whole numbers count as numbers; strings, None and functions are left where they are. Raises `InputError` for leaves
    that hold neither real numbers nor anything that can stay (complex arrays, arrays of objects), and if there is none.
    """
    found: dict[str, Array] = {}
    for path, leaf in _walk(tree, ""):
        if leaf is None or isinstance(leaf, str) or callable(leaf):
            continue
        dtype = str(getattr(leaf, "dtype", "")) or np.asarray(leaf).dtype.name
        if not any(kind in dtype for kind in ("float", "int")):
            raise InputError(f"{what}: {path!r} must hold real numbers; got {type(leaf).__name__} of dtype {dtype}")
        found[path] = leaf
    if not found:
        raise InputError(f"{what} holds no array; got {tree!r}")
    return found


def rebuilt(tree: Any, values: Mapping[str, Array]) -> Any:
    """The same structure with the leaves of `values`, by path; other leaves stay."""
    return _replaced(tree, "", lambda path, leaf: values.get(path, leaf))


def covers(name: str, path: str) -> bool:
    """Whether a name stands for the block at `path`: the block itself, or a branch that it is on."""
    return path == name or path.startswith(f"{name}.")


def _branches(tree: Any) -> dict[str, Any] | None:
    if isinstance(tree, np.ndarray):  # most leaves are, and the questions below take longer
        return None
    if isinstance(tree, Mapping):
        return {str(key): value for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        names = getattr(tree, "_fields", range(len(tree)))
        return {str(name): value for name, value in zip(names, tree, strict=True)}
    if is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: getattr(tree, field.name) for field in fields(tree)}
    return None


def _walk(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    inside = _branches(tree)
    if inside is None:
        yield path, tree
    else:
        for name, value in inside.items():
            yield from _walk(value, f"{path}.{name}" if path else name)


def _replaced(tree: Any, path: str, leaf: Callable[[str, Any], Any]) -> Any:
    inside = _branches(tree)
    if inside is None:
        return leaf(path, tree)
    new = {name: _replaced(value, f"{path}.{name}" if path else name, leaf) for name, value in inside.items()}
    if isinstance(tree, Mapping):
        return {key: new[str(key)] for key in tree}
    if isinstance(tree, (tuple, list)):
        return type(tree)(*new.values()) if hasattr(tree, "_fields") else type(tree)(new.values())
    return replace(tree, **{field.name: new[field.name] for field in fields(tree) if field.init})
