"""pytest plugin: options, header, and the settings fixture of the property tests.

Loaded by pytest wherever elbocheck is installed, so it imports nothing heavy and changes nothing by itself.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from elbocheck import __version__
from elbocheck.profiles import PROFILES
from elbocheck.threads import single_threaded

PROPERTIES = "elbocheck.properties"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options with the prefix `--elbocheck-`, also as ini keys."""
    group = parser.getgroup("elbocheck", "verification of variational lower bounds")
    group.addoption(
        "--elbocheck-profile", choices=tuple(PROFILES), default=None,
        help="random problems per cell and property: " + ", ".join(f"{n} {c}" for n, c in PROFILES.items()),
    )  # fmt: skip
    group.addoption("--elbocheck-backend", default=None, help="array library: jax, numpy or torch (default jax)")
    group.addoption("--elbocheck-dtype", default=None, help="float64 (default) or float32")
    parser.addini("elbocheck_backend", "default of --elbocheck-backend", default="jax")
    parser.addini("elbocheck_dtype", "default of --elbocheck-dtype", default="float64")
    parser.addini("elbocheck_profile", "default of --elbocheck-profile", default="quick")


def profile_of(config: pytest.Config) -> str:
    """The profile of this run; raises `pytest.UsageError` for an unknown one in the ini file."""
    chosen = config.getoption("--elbocheck-profile") or config.getini("elbocheck_profile")
    if chosen not in PROFILES:
        raise pytest.UsageError(f"elbocheck_profile = {chosen!r} in the ini file; choose one of {', '.join(PROFILES)}")
    return str(chosen)


def names_properties(arguments: list[str]) -> bool:
    """Whether a run is one of `elbocheck.properties`, so that how it is run is for this plugin to say."""
    return any(PROPERTIES in argument for argument in arguments)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one compiled program go to one worker, unless `--dist` asks for something else."""
    if names_properties(config.args) and config.getoption("dist") in ("load", "loadgroup"):
        from elbocheck.scheduling import ByProgram

        return ByProgram(config, log)
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Choose the backend of this process (and of each worker); raises `pytest.UsageError` if it cannot run."""
    if names_properties(config.args):
        stack = ExitStack()
        stack.enter_context(single_threaded())  # workers inherit it
        config.add_cleanup(stack.close)
    backend, dtype = backend_of(config)
    if (backend, dtype) != ("jax", "float64"):  # the default needs no import
        from elbocheck.backends import select
        from elbocheck.errors import InputError

        try:
            select(backend, dtype)
        except InputError as error:
            raise pytest.UsageError(str(error)) from None


def backend_of(config: pytest.Config) -> tuple[str, str]:
    """(backend, dtype) of this run."""
    backend = config.getoption("--elbocheck-backend") or config.getini("elbocheck_backend")
    return str(backend), str(config.getoption("--elbocheck-dtype") or config.getini("elbocheck_dtype"))


def pytest_report_header(config: pytest.Config) -> str:
    """One line that names what judges and how hard."""
    profile = profile_of(config)
    count = PROFILES[profile]
    backend, dtype = backend_of(config)
    return f"elbocheck: {__version__}, backend {backend}, dtype {dtype}, profile {profile} ({count} problems per cell)"


@pytest.fixture(scope="session")
def elbocheck_settings(request: pytest.FixtureRequest) -> Any:
    """Hypothesis settings of the chosen profile: no deadline (XLA compiles), deterministic except `nightly`."""
    from hypothesis import HealthCheck, settings

    profile = profile_of(request.config)
    return settings(
        max_examples=PROFILES[profile],
        deadline=None,
        derandomize=profile != "nightly",
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
    )
