"""Gallery: a limit that has ended leaves nothing behind in the process."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from elbocheck.errors import Interrupted
from elbocheck.limits import pass_on

SWALLOWED = """
import sys, time
from elbocheck.errors import TimeoutExceeded
from elbocheck.limits import time_limit

def stubborn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                time.sleep(0.01)
        except BaseException:
            pass

try:
    with time_limit(0.2, "it"):
        stubborn(2.0)
except TimeoutExceeded as error:
    print(error)

def outer():
    held = 1
    def inner():
        return held
    return inner()

sys.settrace(lambda *_: None)
outer()
sys.settrace(None)
print("done")
"""


def test_functions_can_be_traced_after_code_has_swallowed_the_end_of_its_time() -> None:
    """CPython 3.11 hung there when a request was taken back: a debugger, coverage and Hypothesis all trace."""
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "it did not come back within 0.2 s; is there an endless loop in it?\ndone\n"


def test_where_ctrl_c_is_ignored_a_keyboard_interrupt_is_the_code_s_own() -> None:
    """As in a job in the background, which nobody interrupts; elsewhere nobody tells the two apart."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pass_on(KeyboardInterrupt())
        with pytest.raises(Interrupted, match="15"):  # SIGTERM is not ignored
            pass_on(Interrupted(15))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            pass_on(KeyboardInterrupt())
    finally:
        signal.signal(signal.SIGINT, before)
