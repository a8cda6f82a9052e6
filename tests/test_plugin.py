"""The pytest plugin from outside: header, options, and an unknown profile refused as a usage error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from elbocheck.profiles import PROFILES


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


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
