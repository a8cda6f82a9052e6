"""How long a call of the code under test may take, and which exceptions are its own.

Compilation and elbocheck's own work are not counted. An alarm ends a call that is late; a thread asks again, for code
that takes the alarm away or swallows what it raises; where nothing helps, that thread ends the process, with what had
been found (`ending`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from elbocheck.errors import InputError, Interrupted, TimeoutExceeded

IMPORT = 60.0
"""Seconds that the import of a user's module may take."""
LEAST, MOST = 1e-3, 1e6
"""Seconds that a limit may have."""
LOOP = "is there an endless loop in it?"
MORE = "A Target(timeout=...) allows more for one call"
REQUESTS = 3
"""How often a call that is late is asked to end."""
DRAWING = ("StopTest", "UnsatisfiedAssumption")
"""What Hypothesis raises to say that a draw is of no use."""
PATIENCE = 5.0
"""Seconds that an interruption waits for the import of a library."""
IMPORTLIB = "<frozen importlib"
DEVICES = "xla_bridge.py"
"""Left half-way, it leaves a thread that complains of a missing device a minute later."""
LIBRARIES = (IMPORTLIB, "site-packages", os.path.dirname(os.__file__))
"""What is in the names of their files."""
IDLE = 50
"""How often the thread that watches looks without seeing anything before it ends."""
POLL = 0.1
"""Seconds between two looks of the thread that watches."""

_allowed: list[float] = []
_running: list[_Limit] = []
_endings: list[Callable[[str], int]] = []
_lock = threading.RLock()
_watch: threading.Thread | None = None


class _Expired(BaseException):
    """Not an Exception, so that few handlers of the code under test take it."""


@dataclass(eq=False)
class _Limit:
    """One block with a limit."""

    what: str
    """What it is, for people."""

    seconds: float
    """On the clock."""

    hint: str
    """What to do about it."""

    call: bool
    """Whether it is one call of the code under test; calls inside it count with it."""

    begin: float = field(default_factory=time.monotonic)
    """When it began."""

    thread: int = field(default_factory=threading.get_ident)
    """Where it runs."""

    expired: bool = False
    """Whether it has been late, whatever became of what was raised for that."""

    requests: int = 0
    """How often the watching thread has asked it to end."""

    @property
    def left(self) -> float:
        return self.begin + self.seconds - time.monotonic()

    @property
    def grace(self) -> float:
        """Seconds between two requests."""
        return min(max(0.2 * self.seconds, 0.5), 5.0)

    @property
    def message(self) -> str:
        return f"{self.what} did not come back within {self.seconds:g} s; {self.hint}"


def checked_seconds(what: str, seconds: Any) -> float:
    """A limit; raises `InputError` for anything but a number of seconds that a clock can count."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not LEAST <= seconds <= MOST:
        raise InputError(f"{what} must be a number of seconds from {LEAST:g} to {MOST:g}; got {seconds!r}")
    return float(seconds)


def pass_on(error: BaseException) -> None:
    """Raise what the code under test did not raise itself: Ctrl-C, the end of its time, Hypothesis' own exceptions."""
    own = not isinstance(error, (_Expired, Interrupted))
    if own and isinstance(error, KeyboardInterrupt) and Interrupted not in _ours():
        # where nobody tells Ctrl-C from a `raise`; a job in the background is sent none
        own = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if type(error).__name__ in DRAWING and type(error).__module__.startswith("hypothesis."):
        own = False
    if not own:
        raise error
    if Interrupted.pending:
        raise Interrupted from error


def _ours() -> tuple[Any, ...]:
    """What the handler of Ctrl-C raises, if it is elbocheck's."""
    return (Interrupted,) if getattr(signal.getsignal(signal.SIGINT), "raises", None) is Interrupted else ()


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise `Interrupted` inside, also after code that has swallowed one; the third one ends all.

    While a library is imported they wait for it: many cannot be left half-way, and say so at length.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count, since, again = 0, 0.0, False

    def interrupt(number: int, frame: Any) -> None:
        nonlocal count, since, again
        if not again:
            count, since = count + 1, time.monotonic()
        Interrupted.pending, again = number, False
        if count >= REQUESTS:
            os._exit(128 + number)
        if _beginning(frame) and time.monotonic() - since < PATIENCE:
            _later(number, POLL / 2, asked)
            return
        _later(number, 5 * POLL, asked)  # some callbacks and libraries swallow it
        raise Interrupted(number)

    def asked() -> bool:
        nonlocal again
        again = bool(Interrupted.pending)
        return again

    interrupt.raises = Interrupted  # type: ignore[attr-defined]
    before = {}
    for name in ("SIGINT", "SIGTERM"):
        number = getattr(signal, name)
        if signal.getsignal(number) not in (signal.SIG_IGN, None):  # who ignores it has a reason: nohup
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        Interrupted.pending = 0
        for number, handler in before.items():
            signal.signal(number, handler)


def _beginning(frame: Any) -> bool:
    """Whether what runs is the import of a library, not of a module of the user's own, or JAX looking for devices."""
    if frame is None or not any(one in frame.f_code.co_filename for one in LIBRARIES):
        return False
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(IMPORTLIB) or file.endswith(DEVICES):
            return True
        frame = frame.f_back
    return False


def _later(number: int, seconds: float, asked: Callable[[], bool]) -> None:
    """The same signal again, if it is still asked for then."""

    def send() -> None:
        if asked():
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    timer = threading.Timer(seconds, send)
    timer.daemon = True
    timer.start()


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
    if not _allowed or any(one.call for one in _running):  # a call inside another counts with it
        yield
        return
    with time_limit(_allowed[-1], what, f"{LOOP} {MORE}", call=True):
        yield


@contextmanager
def ending(process: Callable[[str], int]) -> Iterator[None]:
    """A block whose process may be ended by what hangs in it: `process` shows what was found, and is the exit code.

    It is called in another thread, with one sentence on what hangs.
    """
    _endings.append(process)
    try:
        yield
    finally:
        _endings.pop()


@contextmanager
def time_limit(seconds: float, what: str, hint: str = LOOP, *, call: bool = False) -> Iterator[None]:
    """Raises `TimeoutExceeded` if the block takes longer, also if it has swallowed what should have ended it.

    Blocks may lie in each other; the one whose time is over first ends.
    """
    own = _Limit(what, seconds, hint, call)
    alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def expire(*_: Any) -> None:
        late = [one for one in _running if one.left <= 0.0]
        for one in late:
            one.expired = True
        if late:
            raise _Expired
        _set_alarm()

    before = signal.signal(signal.SIGALRM, expire) if alarm else None
    _running.append(own)
    _start_watching()
    try:
        if alarm:
            _set_alarm()
        yield
    except BaseException as error:
        if not own.expired or isinstance(error, Interrupted):
            raise
    finally:
        with _lock:
            _running.remove(own)
            if own.requests:
                _take()
        if alarm:
            signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
            _set_alarm()
    if own.expired:
        raise TimeoutExceeded(own.message)
    if Interrupted.pending:
        raise Interrupted(Interrupted.pending)


def _take() -> None:
    """Take what this thread was asked for and has not raised yet.

    Taking it back would leave CPython 3.11 looking for it at every call for ever, and hanging in the first function
    that is traced (`sys.settrace`: a debugger, coverage, Hypothesis): so it is raised, here.
    """
    try:
        _ask(threading.get_ident())
        while True:  # it is raised at one of the next jumps
            time.sleep(0.0)
    except _Expired:
        pass


def _ask(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Expired))


def _set_alarm() -> None:
    left = [one.left for one in _running]
    signal.setitimer(signal.ITIMER_REAL, max(min(left), 1e-4) if left else 0.0)


def _start_watching() -> None:
    global _watch
    with _lock:
        if _watch is None or not _watch.is_alive():
            _watch = threading.Thread(target=_watching, name="elbocheck limits", daemon=True)
            _watch.start()


def _watching() -> None:
    global _watch
    idle = 0
    while True:
        time.sleep(POLL)
        with _lock:
            idle = 0 if _running else idle + 1
            if idle > IDLE:
                _watch = None
                return
            late = [one for one in _running if one.left < -one.grace * (1 + one.requests)]
            for one in late[:1]:
                one.expired = True
                one.requests += 1
                if one.requests > REQUESTS and _endings:
                    code = 2
                    try:
                        code = _endings[-1](one.message)
                    finally:
                        os._exit(code)
                _ask(one.thread)
