"""Records say what each of their fields is, under the field, and have few of them; read off the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT

FOLDERS = ("elbocheck", "models", "strategies")
FILES = [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
FAMILIES = ("elbocheck/families/", "elbocheck/densities/")
"""Where fields are the parameters of a distribution, whose shapes the class says in one line."""
SHAPES = "Shapes:"
NOT_YET = ("elbocheck/adapters/",)
"""Folders whose records have no texts yet."""
MOST_FIELDS = 16


def records(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Every dataclass of a file, inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            named = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
            if any(ast.unparse(one).split(".")[-1] == "dataclass" for one in named):
                yield node


def fields(record: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """(name, the text under it, or nothing) of every field; what belongs to the class is none."""
    for position, node in enumerate(record.body):
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.annotation).split(".")[-1].startswith("ClassVar"):
            below = record.body[position + 1] if position + 1 < len(record.body) else None
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            yield ast.unparse(node.target), text.strip() if isinstance(text, str) else ""


def wrong(source: str, file: str = "elbocheck/some.py") -> list[str]:
    """What is missing, and what is too much, in the records of one file."""
    found = []
    for record in records(ast.parse(source)):
        names = dict(fields(record))
        doc = ast.get_docstring(record) or ""
        listed = doc.partition(SHAPES)[2] if file.startswith(FAMILIES) else ""
        found += [f"{record.name}.{name}" for name, text in names.items() if not text and f"`{name}`" not in listed]
        if len(names) > MOST_FIELDS:
            found.append(f"{record.name}: {len(names)} fields")
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_field_is_explained_and_there_are_few(file: str) -> None:
    found = wrong((ROOT / file).read_text(encoding="utf-8"), file)
    if file.startswith(NOT_YET):
        found = [one for one in found if one.endswith(" fields")]
    assert found == []


def test_records_are_found() -> None:
    """Catches a search that finds nothing."""
    found = {
        file: [one.name for one in records(ast.parse((ROOT / file).read_text(encoding="utf-8")))] for file in FILES
    }
    assert "Problem" in found["elbocheck/bound/problem.py"]
    assert "Model" in found["models/base.py"]
    assert "Choice" in found["strategies/targets/choice.py"]
    assert "Normal" in found["elbocheck/families/normal.py"]
    assert sum(map(len, found.values())) > 100


def record(body: str, doc: str = "A record.", decorator: str = "dataclass(frozen=True)") -> str:
    return f'@{decorator}\nclass Planted:\n    """{doc}"""\n\n{body}'


TEXT = '    """What it is."""\n'


@pytest.mark.parametrize("decorator", ["dataclass", "dataclass(frozen=True, eq=False)", "dataclasses.dataclass()"])
def test_a_field_without_a_text_is_rejected(decorator: str) -> None:
    said, silent = f"    size: int = 0\n{TEXT}", "    name: str\n"
    assert wrong(record(said, decorator=decorator)) == []
    assert wrong(record(silent + said, decorator=decorator)) == ["Planted.name"]
    assert wrong(record(said + silent, decorator=decorator)) == ["Planted.name"]
    assert wrong(record(silent + '    """ """\n', decorator=decorator)) == ["Planted.name"]
    assert wrong(record(silent, doc="`name`: what it is called.", decorator=decorator)) == ["Planted.name"]


def test_what_belongs_to_the_class_needs_no_text() -> None:
    assert wrong(record("    family: ClassVar[str] = ''\n    other: typing.ClassVar = 1\n")) == []
    assert wrong("class Plain:\n    name: str\n") == []


def test_a_record_of_seventeen_fields_is_rejected() -> None:
    many = [f"    field_{k}: int\n{TEXT}" for k in range(17)]
    assert wrong(record("".join(many[:16]))) == []
    assert wrong(record("".join(many))) == ["Planted: 17 fields"]


def test_families_may_say_the_shapes_of_their_parameters_instead() -> None:
    body, doc = "    mean: Array\n    scale: Array\n", "A family. Shapes: `mean` (*B), `scale` (*B)."
    assert wrong(record(body, doc), "elbocheck/families/planted.py") == []
    assert wrong(record(body, doc)) == ["Planted.mean", "Planted.scale"]
    assert wrong(record(body, "A family. Shapes: `mean` (*B)."), "elbocheck/families/planted.py") == ["Planted.scale"]


def test_what_is_not_done_yet_is_there() -> None:
    """Catches an exemption that nothing needs any more."""
    for folder in NOT_YET:
        assert any(
            wrong(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
            for path in sorted(Path(ROOT / folder).rglob("*.py"))
        ), f"{folder} is explained: take it out of NOT_YET"
