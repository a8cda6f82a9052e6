"""The pytest plugin from outside: header, options, and an unknown profile refused as a usage error."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from elbocheck.profiles import PROFILES
from elbocheck.testing.scheduling import group_of
from support.processes import python


def run(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return python("-m", "pytest", "-p", "no:cacheprovider", *arguments, folder=folder, environment=environment)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_settings.py").write_text(
        "import sys\n"
        "def test_budget(elbocheck_settings):\n"
        "    assert 'jax' not in sys.modules and 'scipy' not in sys.modules\n"
        "    print('budget', elbocheck_settings.max_examples, elbocheck_settings.deadline)\n",
        encoding="utf-8",
    )
    return tmp_path


def test_header_and_default_profile(project: Path) -> None:
    done = run(project, "-s")
    assert done.returncode == 0, done.stdout
    assert f"backend jax, dtype float64, profile quick ({PROFILES['quick']} problems per cell)" in done.stdout
    assert f"budget {PROFILES['quick']} None" in done.stdout


def test_profile_on_the_command_line_and_in_the_ini_file(project: Path) -> None:
    assert f"budget {PROFILES['gate']} None" in run(project, "-s", "--elbocheck-profile", "gate").stdout
    (project / "pytest.ini").write_text("[pytest]\nelbocheck_profile = nightly\n", encoding="utf-8")
    assert f"budget {PROFILES['nightly']} None" in run(project, "-s").stdout


def test_unknown_profiles_are_usage_errors(project: Path) -> None:
    assert run(project, "--elbocheck-profile", "lightly").returncode == 4
    (project / "pytest.ini").write_text("[pytest]\nelbocheck_profile = lightly\n", encoding="utf-8")
    done = run(project)
    assert done.returncode == 4
    assert "'lightly'" in done.stdout + done.stderr


def test_a_worker_of_the_properties_computes_on_one_thread(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import os, pytest\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_configure(config):\n"
        "    pytest.exit(f\"threads: {os.environ.get('OPENBLAS_NUM_THREADS')}\", 0)\n",
        encoding="utf-8",
    )
    properties = ("--pyargs", "elbocheck.properties")
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    assert "threads: 1" in run(tmp_path, *properties, environment=environment).stdout
    assert "threads: 3" in run(tmp_path, *properties, environment={**environment, "OPENBLAS_NUM_THREADS": "3"}).stdout
    assert "threads: None" in run(tmp_path, environment=environment).stdout


def test_tests_of_one_program_run_on_one_worker(tmp_path: Path) -> None:
    chosen = ("-k", "(order or repeated) and (sbn/arbitrary or sbn/bad or ppca/unit or ppca/full) and not deep")
    properties = ("--pyargs", "elbocheck.properties.test_invariance", "--elbocheck-backend", "numpy")
    done = run(tmp_path, *properties, "-n2", "-v", *chosen)
    assert done.returncode == 0, done.stdout
    found = re.findall(r"\[(gw\d)\].*PASSED.*\[(.+)\]", done.stdout)
    workers = {cell: {worker for worker, other in found if other == cell} for _, cell in found}
    assert len(workers["ppca/full"]) == 1
    assert workers["sbn/arbitrary"] == workers["sbn/bad"] != workers["ppca/full"]


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("test_every_point.py::test_identity[sbn/bad]", "sbn/table"),
        ("properties/test_controls.py::test_control[σ² held fixed: ppca/exact]", "ppca/exact_gaussian"),
        ("properties/test_saddles.py::test_every_subset", "properties/test_saddles.py::test_every_subset"),
        ("properties/test_target.py::test_bound[my [old] mixture[12]-every point]", "my [old] mixture[12]"),
        ("tests/test_cli.py::test_arguments[--data]", "tests/test_cli.py::test_arguments[--data]"),
    ],
)
def test_groups(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group
