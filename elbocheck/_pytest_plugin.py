"""pytest plugin: options, header, and the settings fixture of the property tests; targets of a downstream as tests.

Loaded by pytest wherever elbocheck is installed, so it imports nothing heavy and changes nothing by itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from elbocheck import __version__
from elbocheck.profiles import PROFILES, TARGET_PROFILES
from elbocheck.threads import single_threaded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elbocheck.gate.known_failures import KnownFailure
    from elbocheck.gate.target import Target
    from elbocheck.models.sample import Cell

INI = {
    "backend": ("array library of the catalogue: jax, numpy or torch", "jax"),
    "dtype": ("float64 or float32", "float64"),
    "profile": (
        "random problems per cell and property: " + ", ".join(f"{n} {c}" for n, c in PROFILES.items()),
        "quick",
    ),
    "max-examples": ("problems per cell and property, in place of the profile's number", ""),
    "target": ("MODULE:ATTRIBUTE, a Target, or cells, of your own to be checked in place of the catalogue", ""),
    "known-failures": ("TOML file of failures that are known, each with a reason", ""),
    "report": ("write a JSON report to this file", ""),
}
"""Option -> (help, default); every one is also an ini key, with _ for -."""

PROPERTIES = "elbocheck.properties"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options with the prefix `--elbocheck-`, also as ini keys."""
    group = parser.getgroup("elbocheck", "verification of variational lower bounds")
    for name, (text, default) in INI.items():
        choices: dict[str, Any] = {"choices": tuple(PROFILES)} if name == "profile" else {}
        ini = f"elbocheck_{name.replace('-', '_')}"
        suffix = f" (default {default})" if default else ""
        group.addoption(f"--elbocheck-{name}", default=None, help=text + suffix, **choices)
        parser.addini(ini, f"default of --elbocheck-{name}", default=default)


def option(config: pytest.Config, name: str) -> str:
    """An option, or the ini key of its name; raises `pytest.UsageError` for one that is given, and empty."""
    given = config.getoption(f"--elbocheck-{name}")
    if given is not None and not str(given).strip():
        raise pytest.UsageError(f"--elbocheck-{name} is given, and empty; is a variable not set?")
    return str(config.getini(f"elbocheck_{name.replace('-', '_')}") if given is None else given)


def profile_of(config: pytest.Config) -> str:
    """The profile of this run; raises `pytest.UsageError` for an unknown one in the ini file."""
    chosen = option(config, "profile")
    if chosen not in PROFILES:
        raise pytest.UsageError(f"elbocheck_profile = {chosen!r} in the ini file; choose one of {', '.join(PROFILES)}")
    return chosen


def examples_of(config: pytest.Config) -> int:
    """Problems per cell and property; raises `pytest.UsageError` for a number that is none."""
    given = option(config, "max-examples")
    if not given:
        return (TARGET_PROFILES if option(config, "target") else PROFILES)[profile_of(config)]
    if not given.isdecimal() or int(given) < 1:
        raise pytest.UsageError(f"--elbocheck-max-examples must be a positive number; got {given!r}")
    return int(given)


def names_properties(arguments: list[str]) -> bool:
    """Whether a run is one of `elbocheck.properties`, so that how it is run is for this plugin to say."""
    return any(PROPERTIES in argument for argument in arguments)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one compiled program go to one worker, unless `--dist` asks for something else."""
    if names_properties(config.args) and config.getoption("dist") in ("load", "loadgroup"):
        from elbocheck.testing.scheduling import ByCompiled

        return ByCompiled(config, log)
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Choose the backend of this process (and of each worker); raises `pytest.UsageError` if it cannot run."""
    config.addinivalue_line("markers", "elbocheck: a check of a variational lower bound by elbocheck")
    if names_properties(config.args):
        stack = ExitStack()
        stack.enter_context(single_threaded())  # workers inherit it
        _keep_compiled()
        config.add_cleanup(stack.close)
    backend, dtype = backend_of(config)
    if (backend, dtype) != ("jax", "float64"):  # the default needs no import
        from elbocheck.backends import get_backend
        from elbocheck.errors import InputError
        from elbocheck.testing.properties import choose_backend

        try:
            choose_backend(get_backend(backend, dtype))
        except InputError as error:
            raise pytest.UsageError(str(error)) from None
    if option(config, "target"):
        _prepare_targets(config, dtype)
    elif option(config, "known-failures"):
        raise pytest.UsageError("--elbocheck-known-failures goes with --elbocheck-target")


def _keep_compiled() -> None:
    from elbocheck.cache import keep_compiled
    from elbocheck.errors import InputError

    try:
        keep_compiled()
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


def _prepare_targets(config: pytest.Config, dtype: str) -> None:
    from elbocheck.backends.namespace import prefer_double_precision
    from elbocheck.errors import ElbocheckError
    from elbocheck.files import beginning_here
    from elbocheck.gate.known_failures import load_known_failures
    from elbocheck.gate.sources import is_target, load_targets, refuse_single_precision
    from elbocheck.limits import ending
    from elbocheck.loading import named

    if dtype == "float64":
        prefer_double_precision()
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    known, stack = option(config, "known-failures"), ExitStack()
    config.add_cleanup(stack.close)
    try:
        stack.enter_context(beginning_here())  # whatever code under test makes of the directory
        stack.enter_context(ending(partial(_ended, config)))
        config.stash[KNOWN] = load_known_failures(known) if known else ()
        if is_target(named(option(config, "target"), "target")):
            refuse_single_precision(option(config, "target"), dtype)
            config.stash[TARGETS] = load_targets(option(config, "target"))
        else:
            from elbocheck.models.catalogue import user_cells
            from elbocheck.testing.properties import cells_under_test, choose_cells

            choose_cells(user_cells(option(config, "target")))
            config.stash[CELLS] = cells_under_test()
    except ElbocheckError as error:
        raise pytest.UsageError(str(error)) from None


def _ended(config: pytest.Config, what: str) -> int:
    """Say what was found until now, and what ends this process: a call that nothing else ends; its exit code."""
    reporter, capture = (config.pluginmanager.get_plugin(name) for name in ("terminalreporter", "capturemanager"))
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    if reporter is not None:
        from elbocheck.testing.records import summary_lines

        reporter.ensure_newline()
        for line in summary_lines(one for kind in ("passed", "failed") for one in reporter.stats.get(kind, [])):
            reporter.write_line(line)
        reporter.write_line(f"elbocheck: {what}; nothing ended it but the end of this process", red=True)
        reporter.flush()
    return int(pytest.ExitCode.INTERRUPTED)


TARGETS: pytest.StashKey[Sequence[Target]] = pytest.StashKey()
CELLS: pytest.StashKey[Sequence[Cell]] = pytest.StashKey()
KNOWN: pytest.StashKey[Sequence[KnownFailure]] = pytest.StashKey()


def backend_of(config: pytest.Config) -> tuple[str, str]:
    """(backend, dtype) of this run."""
    return option(config, "backend"), option(config, "dtype")


def what_ran(config: pytest.Config) -> tuple[str, str]:
    """(backend, dtype) of the reports of this run: targets run in their own library."""
    return ("target", "float64") if TARGETS in config.stash else backend_of(config)


def pytest_report_header(config: pytest.Config) -> str:
    """One line that names what judges and how hard."""
    profile, (backend, dtype), target = profile_of(config), backend_of(config), option(config, "target")
    if target:
        count = f"{examples_of(config)} problems of each target that draws them"
        return f"elbocheck: {__version__}, target {target}, dtype {dtype}, profile {profile} ({count})"
    count = f"{examples_of(config)} problems per cell"
    return f"elbocheck: {__version__}, backend {backend}, dtype {dtype}, profile {profile} ({count})"


@pytest.fixture(scope="session")
def elbocheck_settings(request: pytest.FixtureRequest) -> Any:
    """Hypothesis settings of the chosen profile: no deadline (XLA compiles), deterministic except `nightly`.

    Raises `PrecisionError` if the device does not compute in the precision of the header.
    """
    from hypothesis import HealthCheck, settings

    if "elbocheck.testing.properties" in sys.modules:  # tests that compute nothing load no array library
        from elbocheck.backends import get_backend
        from elbocheck.backends.probe import probe

        probe(get_backend(*backend_of(request.config)))
    return settings(
        max_examples=examples_of(request.config),
        deadline=None,
        derandomize=profile_of(request.config) != "nightly",
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without a target there is nothing for the module of targets to test."""
    of_targets = collection_path.parts[-2:] == ("properties", "test_target.py")
    return True if of_targets and TARGETS not in config.stash else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of a target: one for each check and problem."""
    if "elbocheck_check" not in metafunc.fixturenames or TARGETS not in metafunc.config.stash:
        return
    from elbocheck.errors import ElbocheckError
    from elbocheck.testing.targets import parameters

    config = metafunc.config
    try:
        found = parameters(config.stash[TARGETS], config.stash[KNOWN], examples_of(config), option(config, "target"))
    except ElbocheckError as error:
        raise pytest.UsageError(str(error)) from None
    metafunc.parametrize("elbocheck_check", found)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a target, elbocheck's own catalogue is not what is tested."""
    if TARGETS not in config.stash and CELLS not in config.stash:
        return
    cells = config.stash.get(CELLS, ())
    own = Path(__file__).parent
    properties = {own / "properties", own.parent / "properties"}
    away = [
        item
        for item in items
        if item.path.parent in properties
        and (bool(cells) or "elbocheck_check" not in getattr(item, "fixturenames", ()))
        and (not cells or _cell_of(item) not in cells)
    ]
    items[:] = [item for item in items if item not in away]
    config.hook.pytest_deselected(items=away)


def _cell_of(item: pytest.Item) -> Any:
    """The cell that a property runs on; None for other tests."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("cell")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """What the checks of a test found becomes properties of it: in JUnit files, in the summary, in the report."""
    testing = sys.modules.get("elbocheck.testing.records")
    if testing is not None:
        testing.RECORDED.clear()
    yield
    testing = sys.modules.get("elbocheck.testing.records")
    if testing is not None and testing.RECORDED:
        item.user_properties += testing.junit_properties(testing.RECORDED)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line for each target, what is stale in the list of known failures, and what guided draws came close to."""
    guided = profile_of(config) == "nightly"
    if TARGETS not in config.stash and not option(config, "report") and not guided:
        return
    from elbocheck.testing.records import near_lines, stale_entries, summary_lines, write_report

    reports = [one for kind in ("passed", "failed", "xfailed") for one in terminalreporter.stats.get(kind, [])]
    reports = [one for one in reports if getattr(one, "when", "call") == "call"]
    lines = [*summary_lines(reports), *(near_lines(reports) if guided else ())]
    if lines:
        terminalreporter.section("elbocheck")
        for line in lines:
            terminalreporter.write_line(line)
    for line in stale_entries(reports, config.stash.get(KNOWN, ())):
        terminalreporter.write_line(line, red=True)
    if TARGETS in config.stash and names_properties(config.args) and not lines and terminalreporter.stats:
        terminalreporter.write_line("elbocheck: no check of the target was judged", red=True)
    if option(config, "report"):
        terminalreporter.write_line(f"report: {write_report(option(config, 'report'), reports, *what_ran(config))}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Known failures that are stale fail the run, and so do targets of which nothing was judged."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or KNOWN not in session.config.stash or exitstatus != pytest.ExitCode.OK:
        return
    from elbocheck.testing.records import stale_entries, summary_lines

    reports = [one for kind in ("passed", "failed", "xfailed") for one in reporter.stats.get(kind, [])]
    judged = summary_lines(one for one in reports if getattr(one, "when", "call") == "call")
    collecting = session.config.getoption("collectonly", default=False)
    asked = TARGETS in session.config.stash and names_properties(session.config.args)
    nothing = asked and not judged and not collecting
    if nothing or stale_entries(reports, session.config.stash[KNOWN]):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
