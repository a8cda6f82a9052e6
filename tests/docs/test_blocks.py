"""The documentation is true: its blocks run, print what the pages show, and every page can be reached."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from elbocheck.cli import parser
from support import ROOT
from support.printed import difference

DOCS = ROOT / "docs"


def load_blocks() -> Any:
    """docs/blocks.py, which is no part of the package."""
    specification = importlib.util.spec_from_file_location("docs_blocks", DOCS / "blocks.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["docs_blocks"] = module
    specification.loader.exec_module(module)
    return module


docs = load_blocks()
PAGES = sorted(DOCS.rglob("*.md"))
RUN = docs.pages()
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


COMMANDS = ("verify", "census", "certify", "explain", "replay", "faults", "list")
TESTED_ELSEWHERE = ("add-a-model.md", "extend.md", "faults.md", "gate.md")


def parse(arguments: list[str]) -> Any:
    """The options of a command line of elbocheck; leaves with exit code 2 if it is wrong."""
    return parser().parse_args(arguments)


def name(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("path", RUN, ids=name)
def test_blocks_print_what_the_page_shows(path: Path, tmp_path: Path) -> None:
    page = docs.Page(path, docs.workspace(lambda: tmp_path))
    for block, printed in page.run():
        assert not difference(printed, block.body), f"{name(path)}: run `python docs/blocks.py {path}`"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_blocks_are_well_formed(path: Path) -> None:
    for block in docs.blocks(path.read_text(encoding="utf-8")):
        if block.language == "yaml":
            assert yaml.safe_load(block.body)
        elif block.language == "toml":
            assert tomllib.loads(block.body)
        elif block.language == "ini":
            parser = configparser.ConfigParser()
            parser.read_string(block.body)
            assert parser.sections()
        elif block.language == "python" and "--8<--" not in block.body:
            compile(block.body, str(path), "exec")
        for line in commands(block):
            program, *arguments = shlex.split(line, comments=True)
            if program == "elbocheck" and not {"--help", "--version"} & set(arguments):
                parse(arguments)


def commands(block: Any) -> list[str]:
    """The commands of elbocheck that a block shows."""
    lines = [line.removeprefix("$ ") for line in block.body.splitlines()]
    shown = [line for line in lines if line.startswith("elbocheck ") and "{" not in line]
    return (
        []
        if block.language not in ("console", "") or "output" in block.marks
        else [line for line in shown if line.split()[1].isalpha() and not line.split()[1][0].isdigit()]
    )


def test_every_page_whose_blocks_could_run_is_run() -> None:
    for path in PAGES:
        languages = {block.language for block in docs.blocks(path.read_text(encoding="utf-8"))}
        if languages & {"python", "console", "toml", "yaml", "ini"} and path.name not in TESTED_ELSEWHERE:
            assert path in RUN, f"{name(path)} needs <!-- blocks are run -->"
    assert len(RUN) >= 8


def test_the_runner_sees_a_wrong_output(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(0.5)\n```\n\n<!-- output -->\n```\n0.6\n```\n", encoding="utf-8")
    ((block, printed),) = docs.Page(page, tmp_path).run()
    assert difference(printed, block.body)
    page.write_text("```console\n$ elbocheck --version\nelbocheck 9.9.9\n```\n", encoding="utf-8")
    ((block, printed),) = docs.Page(page, tmp_path).run()
    assert not difference(printed, block.body)
    page.write_text("<!-- needs: no_such_library -->\n```python\nraise SystemExit\n```\n", encoding="utf-8")
    assert list(docs.Page(page, tmp_path).run()) == []


def entries(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    return [entry for value in (node.values() if isinstance(node, dict) else node) for entry in entries(value)]


def test_every_page_is_in_the_navigation() -> None:
    assert sorted(entries(SITE["nav"])) == [name(path) for path in PAGES]
    assert SITE["strict"] is True


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)", text):
        if not link.startswith("http"):
            assert (path.parent / link).resolve().is_relative_to(ROOT), link
            assert (path.parent / link).exists(), link


def test_what_the_reference_names_exists() -> None:
    for path in sorted((DOCS / "reference").glob("*.md")):
        for identifier in re.findall(r"^::: (\S+)$", path.read_text(encoding="utf-8"), flags=re.M):
            module, _, attribute = identifier.rpartition(".")
            if importlib.util.find_spec(module) is None or identifier == "elbocheck.errors":
                continue
            source = importlib.util.find_spec(module)
            assert source is not None
            assert attribute in Path(str(source.origin)).read_text(encoding="utf-8"), identifier


def test_every_public_name_and_family_is_in_the_reference() -> None:
    import elbocheck
    from elbocheck import families

    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((DOCS / "reference").glob("*.md")))
    shown = {line.rsplit(".", 1)[-1] for line in text.splitlines() if line.startswith("::: ")}
    assert {one for one in elbocheck.__all__ if one != "__version__"} <= shown
    assert {one for one in families.__all__ if isinstance(getattr(families, one), type)} <= shown


def test_the_workflow_uses_inputs_that_the_action_has() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    page = (DOCS / "ci.md").read_text(encoding="utf-8")
    workflow = next(yaml.safe_load(block.body) for block in docs.blocks(page) if block.language == "yaml")
    (step,) = [one for one in workflow["jobs"]["elbocheck"]["steps"] if "elbocheck" in one.get("uses", "")]
    assert set(step["with"]) <= set(action["inputs"])


def test_the_tox_environment_is_a_command_that_exists(tmp_path: Path) -> None:
    page = (DOCS / "ci.md").read_text(encoding="utf-8")
    text = next(block.body for block in docs.blocks(page) if block.file == "tox.ini")
    parser = configparser.ConfigParser()
    parser.read_string(text)
    command = parser["testenv:elbo"]["commands"].replace("{env_tmp_dir}", str(tmp_path)).replace("{/}", "/")
    program, *arguments = shlex.split(command)
    assert program == "elbocheck"
    options = parse(arguments)
    assert (docs.EXAMPLES / options.source).exists()
    extra = re.findall(r"elbocheck\[(\w+)\]", parser["testenv:elbo"]["deps"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extra) <= set(project["optional-dependencies"])


def test_the_profiles_are_the_real_ones() -> None:
    from elbocheck.profiles import PROFILES, TARGET_PROFILES

    text = (DOCS / "profiles.md").read_text(encoding="utf-8")
    for profile, count in PROFILES.items():
        assert f"| `{profile}` | {count} | {TARGET_PROFILES[profile]} |" in text


def test_every_check_is_explained() -> None:
    from elbocheck.checks.table import OF_TARGETS

    text = (DOCS / "what-it-checks.md").read_text(encoding="utf-8")
    assert [check for check in OF_TARGETS if f"| `{check}` |" not in text] == []
