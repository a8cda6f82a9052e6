"""For developing elbocheck itself; what downstream users need lives in the plugin."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import Any

import pytest

from elbocheck.cache import keep_compiled
from elbocheck.threads import one_thread

# must be set before NumPy and JAX load
os.environ.update(one_thread())

# workers and subprocesses share what one of them has compiled, as the command line does from run to run, or for the
# time of this run where ELBOCHECK_CACHE is "off"; must be set before JAX loads
if "PYTEST_XDIST_WORKER" not in os.environ and not keep_compiled() and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="elbocheck-compiled-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """As in a run of the installed properties, see `elbocheck._pytest_plugin`."""
    if config.getoption("dist") != "loadgroup":
        return None
    from elbocheck.testing.scheduling import ByCompiled

    return ByCompiled(config, log)


def pytest_sessionfinish() -> None:
    """Save what coverage has measured in a worker: xdist kills one that needs more than ten seconds to end."""
    coverage = sys.modules.get("coverage")
    current = None if coverage is None else coverage.Coverage.current()
    if current is not None and "PYTEST_XDIST_WORKER" in os.environ:
        current.stop()
        current.save()
