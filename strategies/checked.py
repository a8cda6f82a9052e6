"""Arguments of strategies, validated when a strategy is made and not when it is drawn from."""

from __future__ import annotations

from typing import Any

from elbocheck.errors import InputError


def whole(strategy: str, name: str, given: Any, least: int) -> None:
    """Raises `InputError` unless `given` is an integer, `least` at least."""
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        kind = "a positive integer" if least == 1 else f"an integer, {least} at least"
        raise InputError(f"{strategy}: {name} must be {kind}; got {given!r}")


def flag(strategy: str, name: str, given: Any, possible: tuple[bool | None, ...] = (True, False, None)) -> None:
    """Raises `InputError` unless `given` is one of `possible`."""
    if not any(given is one for one in possible):
        raise InputError(f"{strategy}: {name} must be {_either(possible)}; got {given!r}")


def _either(possible: tuple[bool | None, ...]) -> str:
    *others, last = map(str, possible)
    return f"{', '.join(others)} or {last}"
