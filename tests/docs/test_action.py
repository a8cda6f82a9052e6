"""The GitHub action: its shell steps are run here as a runner would, with inputs put in; and the citation file."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import ROOT

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
TARGET = """
import numpy as np
from elbocheck import Declaration, Factor, Problem, Target
from elbocheck.families import Bernoulli

X = np.array([[0.0], [1.0], [1.0]])


def log_likelihood(p):
    return np.mean(X * p["logit"] - np.log1p(np.exp(p["logit"]))) + MISTAKE


def declare(p):
    one = np.ones((3, 1))
    factor = Factor("x", Bernoulli(p["logit"]), X, parameters=("logit",), beta={"logit": p["logit"]})
    return Declaration((factor,), one, np.zeros(3), np.full(3, 1 / 3))


MISTAKE = 0.0
TARGET = Target("coin", [Problem({"logit": np.array(0.3)}, elbo=log_likelihood, factors=declare)])
"""


def step(name: str) -> dict[str, Any]:
    (found,) = [one for one in ACTION["runs"]["steps"] if one["name"] == name]
    return dict(found)


@dataclass
class Runner:
    """What a GitHub runner gives to a step: its environment, and the files that it reads afterwards."""

    folder: Path
    inputs: dict[str, str]

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run the shell step of that name in the folder, as `shell: bash` does."""
        one = step(name)
        values = {key: str(value["default"]) for key, value in ACTION["inputs"].items()} | self.inputs
        context = {f"inputs.{key}": value for key, value in values.items()} | {"github.action_path": str(ROOT)}
        environment = {key: self.filled(text, context) for key, text in one["env"].items()}
        script = self.folder / "step.sh"
        script.write_text(one["run"], encoding="utf-8")
        files = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
        shell = {key: str(self.folder / file) for key, file in files.items()} | {"RUNNER_TEMP": str(self.folder)}
        path = f"{self.folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, **environment, **shell, "PATH": path},
        )

    @staticmethod
    def filled(text: str, context: dict[str, str]) -> str:
        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: context[found[1]], text)

    def stub(self, name: str) -> None:
        """A command that only writes down how it was called."""
        (self.folder / "bin").mkdir(exist_ok=True)
        path = self.folder / "bin" / name
        path.write_text('#!/bin/bash\nprintf "%s\\n" "$@" >> calls\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text(encoding="utf-8").splitlines()


def test_it_has_the_inputs_of_its_documentation() -> None:
    assert {"target", "backend", "profile", "known-failures", "version", "python"} <= set(ACTION["inputs"])
    assert all(one["description"] and "default" in one for one in ACTION["inputs"].values())
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text(encoding="utf-8")))
    assert used == set(ACTION["inputs"])
    assert ACTION["runs"]["using"] == "composite"
    assert all("shell" in one for one in ACTION["runs"]["steps"] if "run" in one)


def test_no_input_is_put_into_a_script() -> None:
    """Inputs reach scripts as variables only: text that a pull request chooses is never code."""
    assert [one["name"] for one in ACTION["runs"]["steps"] if "${{" in one.get("run", "")] == []


def test_the_report_is_kept_whatever_happens() -> None:
    last = ACTION["runs"]["steps"][-1]
    assert last["uses"].startswith("actions/upload-artifact@")
    assert last["if"].startswith("always()")
    assert last["with"]["path"] == "${{ steps.verify.outputs.report }}"


@pytest.mark.parametrize(
    ("inputs", "wanted"),
    [
        ({}, f"{ROOT}[report]"),
        ({"backend": "torch"}, f"{ROOT}[report,torch]"),
        ({"version": "1.2.3"}, "elbocheck[report]==1.2.3"),
        ({"version": "1; touch broken"}, "elbocheck[report]==1; touch broken"),
    ],
)
def test_what_is_installed(tmp_path: Path, inputs: dict[str, str], wanted: str) -> None:
    runner = Runner(tmp_path, inputs)
    runner.stub("python")
    assert runner.run("Install elbocheck").returncode == 0
    assert runner.calls == ["-m", "pip", "install", wanted]
    assert not (tmp_path / "broken").exists()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {"report", "torch"} <= set(extras)


@pytest.mark.parametrize(
    ("inputs", "profile", "last"),
    [
        ({"target": "my model.py", "known-failures": "known.toml", "profile": "gate"}, "gate",
         ["--known-failures", "known.toml", "my model.py"]),
        ({"target": "my model.py", "backend": "torch"}, "quick", ["my model.py"]),
        ({"target": ""}, "quick", [""]),  # a variable that is not set is refused, and is not the catalogue
        ({"backend": "numpy"}, "quick", ["--backend", "numpy"]),
    ],
)  # fmt: skip
def test_how_elbocheck_is_called(tmp_path: Path, inputs: dict[str, str], profile: str, last: list[str]) -> None:
    runner = Runner(tmp_path, inputs)
    runner.stub("elbocheck")
    assert runner.run("Verify").returncode == 0
    report = tmp_path / "elbocheck-report"
    assert runner.calls == [
        "verify", "--profile", profile, "--json", f"{report}/report.json", "--html", f"{report}/report.html", *last,
    ]  # fmt: skip
    assert (tmp_path / "output").read_text(encoding="utf-8") == f"report={report}\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(("mistake", "code"), [("0.0", 0), ("0.5", 1)])
def test_a_target_is_verified_and_the_report_is_there(tmp_path: Path, mistake: str, code: int) -> None:
    text = TARGET.replace("MISTAKE = 0.0", f"MISTAKE = {mistake}")
    (tmp_path / "coin.py").write_text(text, encoding="utf-8")
    runner = Runner(tmp_path, {"target": "coin.py:TARGET"})
    done = runner.run("Verify")
    assert done.returncode == code, done.stdout + done.stderr
    report = tmp_path / "elbocheck-report"
    assert json.loads((report / "report.json").read_text(encoding="utf-8"))
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "coin" in page
    assert ("What failed" in page) == bool(code)
    assert "coin" in (tmp_path / "summary").read_text(encoding="utf-8")


def test_the_citation_file_is_about_this_project() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["version"] == project["version"]
    assert cited["license"] == project["license"]
    assert cited["authors"] == [{"name": project["authors"][0]["name"]}]
    assert cited["preferred-citation"]["url"].endswith("2209.03077")
    assert [one["family-names"] for one in cited["preferred-citation"]["authors"]] == ["Lücke", "Warnken"]


def test_changelog_fragments_have_a_known_type() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    types = {one["directory"] for one in settings["type"]}
    found = [path for path in (ROOT / settings["directory"]).iterdir() if path.name != "README.md"]
    for path in found:
        assert re.fullmatch(rf"(\d+|\+[\w-]+)\.({'|'.join(types)})\.md", path.name), path
        assert path.read_text(encoding="utf-8").strip()
    assert settings["start_string"] in (ROOT / settings["filename"]).read_text(encoding="utf-8")
    readme = (ROOT / settings["directory"] / "README.md").read_text(encoding="utf-8")
    assert all(f"`{one}`" in readme for one in types)
