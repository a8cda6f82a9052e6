"""Fixtures that several test modules share."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

from support.compiled import jit

# a run in the background ignores Ctrl-C, and so would the processes that tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["numpy", "jax"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """(function, *arrays) -> its outputs as NumPy arrays, computed with one library in double precision."""
    if request.param == "numpy":
        return lambda function, *arrays: function(*arrays)

    def compiled(function: Callable[..., Any], *arrays: Any) -> Any:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, jit(function)(*arrays))

    return compiled


@pytest.fixture(autouse=True, scope="session")
def draws_depend_on_no_other_module() -> Iterator[None]:
    """Hypothesis draws constants of the modules that happen to be loaded, so that tests would depend on their order."""
    from hypothesis.internal.conjecture import providers

    with pytest.MonkeyPatch.context() as patch:
        if hasattr(providers, "_get_local_constants"):
            patch.setattr(providers, "_get_local_constants", providers.Constants)
        yield
