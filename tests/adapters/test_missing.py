"""Adapters of libraries that are not installed: one line that says what to install."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest

from elbocheck.errors import MissingExtraError

NAMES = ("sklearn", "numpyro", "pyro", "hmmlearn", "gpytorch", "dynamax")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "numpyro": {"data": 1},
    "pyro": {"data": 1},
    "gpytorch": {"y": None},
    "dynamax": {"properties": None, "emissions": None},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_library_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter: Any = importlib.import_module(f"elbocheck.adapters.{name}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda library: None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'elbocheck\[{name}\]'") as raised:
        adapter.problem(None, None, **ARGUMENTS.get(name, {}))
    assert "\n" not in str(raised.value)
