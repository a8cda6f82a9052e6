"""How long one call of the code under test may take. Compilation and elbocheck's own work are not counted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elbocheck.errors import TimeoutExceeded

_allowed: list[float] = []
_running: list[str] = []


class _Expired(BaseException):
    """Not an Exception, so that no handler of the code under test takes it."""


@contextmanager
def allowed(seconds: float) -> Iterator[None]:
    """Calls of the code under test inside may take so long each."""
    _allowed.append(seconds)
    try:
        yield
    finally:
        _allowed.pop()


@contextmanager
def limited(what: str) -> Iterator[None]:
    """One call of the code under test, under the limit that is `allowed`, if any."""
    if not _allowed or _running:  # a call inside another counts with it
        yield
        return
    with time_limit(_allowed[-1], what):
        yield


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raises `TimeoutExceeded` if the block takes longer; without effect where this thread has no alarm."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(*_: Any) -> None:
        raise _Expired

    before = signal.signal(signal.SIGALRM, expire)
    _running.append(what)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Expired:
        raise TimeoutExceeded(
            f"{what} did not come back within {seconds:g} s; is there an endless loop in it? A Target(timeout=...) "
            "allows more for one call"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        _running.pop()
