"""How fast elbocheck starts, and what it loads until something is computed.

Times are CPU times of the child process, the best of several, so that a busy machine does not matter.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence

import pytest

from support.processes import python

REPEATS = 7
IMPORT, HELP = 0.2, 0.5
"""Seconds, over those that Python itself takes for the import, in all for the help."""
LIST_MODULES = "import sys; print(*sys.modules)"


def run(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    done = python(*arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seconds(arguments: Sequence[str]) -> float:
    """Best CPU time of a Python process with these arguments."""
    found = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def packages(code: str) -> set[str]:
    """Top-level packages that are loaded after `code`, beyond Python's own and those that site loads."""
    names = [set(run("-c", f"{one}\n{LIST_MODULES}").splitlines()[-1].split()) for one in ("pass", code)]
    added = {name.partition(".")[0] for name in names[1] - names[0]}
    return {name for name in added if name not in sys.stdlib_module_names}


def test_importing_is_quick() -> None:
    assert seconds(["-c", "import elbocheck"]) - seconds(["-c", "pass"]) <= IMPORT


def test_help_answers_at_once() -> None:
    assert seconds(["-m", "elbocheck", "--help"]) <= HELP
    assert "verify" in run("-m", "elbocheck", "--help")


@pytest.mark.parametrize(
    "code",
    [
        "import elbocheck",
        "import elbocheck; dir(elbocheck); elbocheck.__version__",
        "from elbocheck import cli",
        "import elbocheck._pytest_plugin, pytest",
        "from elbocheck import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass",
        "from elbocheck import cli\ntry: cli.main(['verify', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_what_is_loaded_before_anything_is_computed(code: str) -> None:
    """The package itself and nothing else; its plugin also pytest and what that brings."""
    allowed = {"elbocheck"}
    if "pytest" in code:
        allowed |= packages("import pytest")
    assert packages(code) <= allowed


def test_importing_loads_one_module() -> None:
    loaded = run("-c", f"import elbocheck; {LIST_MODULES}").split()
    assert [name for name in loaded if name.partition(".")[0] == "elbocheck"] == ["elbocheck"]


def test_the_counter_sees_a_heavy_import() -> None:
    assert "scipy" in packages("import elbocheck.bound.decomposition, scipy.special")
    assert seconds(["-c", "import scipy.optimize"]) - seconds(["-c", "pass"]) > IMPORT / 2
