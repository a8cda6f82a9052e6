"""pytest plugin: options, header, and the settings fixture of the property tests.

Loaded by pytest wherever elbocheck is installed, so it imports nothing heavy and changes nothing by itself.
"""

from __future__ import annotations

from typing import Any

import pytest

from elbocheck import __version__
from elbocheck.profiles import PROFILES


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options with the prefix `--elbocheck-`, also as ini keys."""
    group = parser.getgroup("elbocheck", "verification of variational lower bounds")
    group.addoption(
        "--elbocheck-profile", choices=tuple(PROFILES), default=None,
        help="random problems per cell and property: " + ", ".join(f"{n} {c}" for n, c in PROFILES.items()),
    )  # fmt: skip
    parser.addini("elbocheck_profile", "default of --elbocheck-profile", default="quick")


def profile_of(config: pytest.Config) -> str:
    """The profile of this run; raises `pytest.UsageError` for an unknown one in the ini file."""
    chosen = config.getoption("--elbocheck-profile") or config.getini("elbocheck_profile")
    if chosen not in PROFILES:
        raise pytest.UsageError(f"elbocheck_profile = {chosen!r} in the ini file; choose one of {', '.join(PROFILES)}")
    return str(chosen)


def pytest_report_header(config: pytest.Config) -> str:
    """One line that names what judges and how hard."""
    profile = profile_of(config)
    count = PROFILES[profile]
    return f"elbocheck: {__version__}, backend jax, dtype float64, profile {profile} ({count} problems per cell)"


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
