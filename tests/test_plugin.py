"""The pytest plugin from outside: header, options, and an unknown profile refused as a usage error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from elbocheck.profiles import PROFILES


def run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **options)


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


def test_a_run_of_the_properties_keeps_a_program_on_one_worker_and_a_worker_on_one_thread(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import os, pytest\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_configure(config):\n"
        "    print('threads', os.environ.get('OPENBLAS_NUM_THREADS'), 'dist', config.getoption('dist'))\n"
        "    pytest.exit('seen', 0)\n",
        encoding="utf-8",
    )
    properties = ("--pyargs", "elbocheck.properties", "-n2")
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    assert "threads 1 dist loadgroup\n" in run(tmp_path, *properties, env=environment).stdout
    assert "threads 1 dist load\n" in run(tmp_path, *properties, "--dist=load", env=environment).stdout
    assert (
        "threads 3 dist loadgroup\n"
        in run(tmp_path, *properties, env={**environment, "OPENBLAS_NUM_THREADS": "3"}).stdout
    )
    assert "threads None dist load\n" in run(tmp_path, "-n2", env=environment).stdout
