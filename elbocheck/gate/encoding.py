"""Plain values in the JSON of a case; arrays keep every bit."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from elbocheck.errors import InputError


def encoded(value: Any) -> Any:
    """A plain value as JSON; raises `InputError` for anything else. Arrays keep every bit."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": data, "dtype": value.dtype.str, "shape": list(value.shape), "shown": str(value)[:200]}
    if isinstance(value, tuple):
        return {"tuple": [encoded(one) for one in value]}
    if isinstance(value, list):
        return [encoded(one) for one in value]
    if isinstance(value, Mapping):
        return {"mapping": {str(key): encoded(one) for key, one in value.items()}}
    if dataclasses.is_dataclass(value):
        raise InputError(f"cannot write {type(value).__name__} into a case; draw plain values in `arguments`")
    raise InputError(f"cannot write {value!r} into a case; draw numbers, strings, lists and arrays in `arguments`")


def decoded(value: Any) -> Any:
    """The inverse of `encoded`; raises `InputError` for a damaged file."""
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    try:
        if "array" in value:
            flat = np.frombuffer(base64.b64decode(value["array"]), dtype=np.dtype(value["dtype"]))
            return flat.reshape(value["shape"]).copy()
        if "tuple" in value:
            return tuple(decoded(one) for one in value["tuple"])
        return {key: decoded(one) for key, one in value["mapping"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the case is damaged: {error!r} in {str(value)[:80]}") from error
