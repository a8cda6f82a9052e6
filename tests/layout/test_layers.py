"""The floors of DESIGN section 1, read off the source: imports point downwards only, heavy libraries stay in place.

Every file is discovered, and one that no floor claims is a failure. Two of the promises, that importing is light and
that JAX's global settings are left alone, are tried out in processes of their own.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "elbocheck": ROOT / "elbocheck",
    "elbocheck.models": ROOT / "models",
    "elbocheck.strategies": ROOT / "strategies",
    "elbocheck.properties": ROOT / "properties",
}
FLOORS = {
    "elbocheck.data": 0, "elbocheck.drawing": 0, "elbocheck.errors": 0, "elbocheck.executables": 0,
    "elbocheck.profiles": 0, "elbocheck.threads": 0,
    "elbocheck.backends": 1, "elbocheck.cache": 1, "elbocheck.limits": 1, "elbocheck.outcome": 1, "elbocheck.output": 1,
    "elbocheck.densities": 2, "elbocheck.families": 2, "elbocheck.files": 2,
    "elbocheck.bound": 3, "elbocheck.loading": 3,
    "elbocheck.replay_files": 4, "elbocheck.solver": 4,
    "elbocheck.checks": 5, "elbocheck.models": 5, "elbocheck.training": 5,
    "elbocheck.diagnosis": 6, "elbocheck.proofs": 6, "elbocheck.strategies": 6,
    "elbocheck.faults": 7, "elbocheck.gate": 7, "elbocheck.runs": 7,
    "elbocheck.adapters": 8, "elbocheck.report": 8, "elbocheck.testing": 8,
    "elbocheck.commands": 9, "elbocheck.properties": 9,
    "elbocheck._pytest_plugin": 10, "elbocheck.cli": 10,
    "elbocheck.__main__": 11,
}  # fmt: skip
"""One number for each folder and each flat file; what is imported, in a function or not, has a smaller one."""
APART = {"elbocheck.gate": ("elbocheck.models", "elbocheck.strategies", "elbocheck.proofs")}
"""Folder -> what it must not import, although that lies below: the gate knows no model of the catalogue."""
FACADE = "elbocheck"
"""The package itself loads everything else lazily; inside the package only its version may be imported from it."""
HYPOTHESIS = (
    "elbocheck.drawing",
    "elbocheck.strategies",
    "elbocheck.gate",
    "elbocheck.testing",
    "elbocheck.properties",
    "elbocheck._pytest_plugin",
)
PYTEST = ("elbocheck.testing", "elbocheck.properties", "elbocheck._pytest_plugin")
JAX = (
    (
        "elbocheck.backends.jax",
        "elbocheck.backends.kept",
        "elbocheck.backends.lanes",
        "elbocheck.faults.unseen.targets",
    ),
    ("elbocheck.backends.namespace", "elbocheck.adapters"),
)
TORCH = (
    (
        "elbocheck.backends.torch",
        "elbocheck.backends.torch_eager",
        "elbocheck.backends.torch_trigamma",
        "elbocheck.faults.unseen.targets",
    ),
    ("elbocheck.backends.namespace", "elbocheck.adapters"),
)
"""Files that load the library (code under test, too, which is run, never imported), and those that may in functions."""
BACKENDS = ("jax", "torch", "tensorflow", "cupy", "flint")


@dataclass(frozen=True)
class Import:
    """One import statement's target; `lazy`: inside a function, or for type checkers only."""

    target: str
    line: int
    lazy: bool
    relative: bool = False


@cache
def files() -> dict[str, Path]:
    """Module name -> file, for everything that is installed."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def within(module: str, packages: tuple[str, ...] | str) -> bool:
    packages = (packages,) if isinstance(packages, str) else packages
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def room(module: str) -> str | None:
    """The folder or flat file of FLOORS that a module lies in."""
    return next((package for package in FLOORS if within(module, package)), None)


def imports(source: str) -> Iterator[Import]:
    yield from _imports(ast.parse(source), lazy=False)


def _imports(node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(f"{child.module}.{alias.name}", child.lineno, lazy, relative=child.level > 0)
        else:
            types_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, lazy=lazy or types_only or inside)


def violations(module: str, source: str) -> list[str]:
    """What `source` would break as the file of `module`."""
    own, broken = room(module), []
    if own is None and module != FACADE:
        return [f"{module} has no floor; add it to FLOORS"]
    for one in imports(source):
        where, target = f"{module}:{one.line} imports {one.target}", one.target
        if one.relative:
            broken.append(f"{where}, relatively")
            continue
        if within(target, FACADE) and target != f"{FACADE}.__version__":
            other = room(target)
            if other is None:
                broken.append(f"{where}: through the facade, or without a floor")
            elif own is None or (other != own and FLOORS[other] >= FLOORS[own]):
                broken.append(f"{where}: from floor {FLOORS.get(own or '', 0)} to {FLOORS[other]}")
            elif other in APART.get(own, ()):
                broken.append(f"{where}: {own} must do without {other}")
        if within(target, "hypothesis") and not within(module, HYPOTHESIS):
            broken.append(f"{where}: only {', '.join(HYPOTHESIS)} may")
        if within(target, ("pytest", "_pytest")) and not within(module, PYTEST):
            broken.append(f"{where}: only {', '.join(PYTEST)} may")
        for library, (owners, users) in ((("jax", "jaxlib"), JAX), (("torch", "functorch"), TORCH)):
            if within(target, library) and not (within(module, owners) or (within(module, users) and one.lazy)):
                broken.append(f"{where}: only {', '.join(owners)} may, and functions of {', '.join(users)}")
            if within(target, owners) and not one.lazy and not within(module, owners):
                broken.append(f"{where} when loaded, which loads {library[0]}")
    return broken


@pytest.mark.parametrize("module", files())
def test_imports_point_downwards(module: str) -> None:
    assert violations(module, files()[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("elbocheck.bound.new", "from elbocheck.checks import every_point", "from floor 3 to 5"),
        ("elbocheck.bound.new", "def f():\n    import elbocheck.strategies", "from floor 3 to 6"),
        ("elbocheck.models.new", "from elbocheck import checks", "from floor 5 to 5"),
        ("elbocheck.runs.new", "def f():\n    from elbocheck.adapters import pyro", "from floor 7 to 8"),
        ("elbocheck.gate.new", "def f():\n    from elbocheck.models.catalogue import cells", "must do without"),
        ("elbocheck.bound.definition", "from elbocheck import decompose", "through the facade"),
        ("elbocheck", "from elbocheck.bound.decomposition import decompose", "from floor 0 to 3"),
        ("elbocheck.newcomer", "", "has no floor"),
        ("elbocheck.checks.new", "from elbocheck.newcomer import x", "without a floor"),
        ("elbocheck.checks.new", "from . import compare", "relatively"),
        ("elbocheck.checks.new", "from hypothesis import given", "only elbocheck.drawing"),
        ("elbocheck.strategies.new", "import pytest", "only elbocheck.testing"),
        ("elbocheck.models.new", "def f():\n    import jax.numpy", "only elbocheck.backends.jax"),
        ("elbocheck.backends.namespace", "from jax import numpy", "only elbocheck.backends.jax"),
        ("elbocheck.backends", "from elbocheck.backends.jax import JaxBackend", "which loads jax"),
        ("elbocheck.bound.definition", "import torch", "only elbocheck.backends.torch"),
        ("elbocheck.cli", "from elbocheck.backends.torch import TorchBackend", "which loads torch"),
    ],
)
def test_the_walker_sees_violations(module: str, source: str, message: str) -> None:
    (broken,) = violations(module, source)
    assert message in broken


def test_floors_say_what_the_tree_says() -> None:
    """Every room exists, every folder and flat file is one, and there are at most twelve floors."""
    modules = set(files()) - {FACADE}
    assert {room(module) for module in modules} == set(FLOORS)
    assert all(one.count(".") == 1 for one in FLOORS)
    assert len({*FLOORS.values()}) <= 12


def module_graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Module -> modules that it imports, in functions and for types too."""
    graph = {}
    for module, source in sources.items():
        targets = [one.target for one in imports(source)]
        named = {target if target in sources else target.rpartition(".")[0] for target in targets}
        graph[module] = {target for target in named if target in sources and target not in (module, FACADE)}
    return graph


def room_graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Room -> rooms that it imports, in functions too."""
    graph: dict[str, set[str]] = {one: set() for one in FLOORS}
    for module, source in sources.items():
        own = room(module)
        found = {room(one.target) for one in imports(source) if one.target != f"{FACADE}.__version__"}
        if own is not None:
            graph[own] |= {one for one in found if one is not None and one != own}
    return graph


def on_circles(graph: dict[str, set[str]]) -> list[str]:
    """What is left when everything that needs nothing is taken away, again and again."""
    left = {name: set(needs) for name, needs in graph.items()}
    while free := [name for name, needs in left.items() if not needs]:
        for name in free:
            del left[name]
        for needs in left.values():
            needs.difference_update(free)
    return sorted(left)


def sources() -> dict[str, str]:
    return {module: path.read_text(encoding="utf-8") for module, path in files().items()}


def test_no_circles() -> None:
    """Neither among rooms nor among modules; the facade, which loads everything by name, apart."""
    assert on_circles(room_graph(sources())) == []
    assert on_circles(module_graph(sources())) == []


def test_planted_circles_are_seen() -> None:
    lazy = {**sources(), "elbocheck.bound.new": "def f():\n    from elbocheck.gate import target"}
    assert {"elbocheck.bound", "elbocheck.gate"} <= set(on_circles(room_graph(lazy)))
    for later in ("import elbocheck.checks.a", "def f():\n    import elbocheck.checks.a"):
        pair = {"elbocheck.checks.a": "import elbocheck.checks.b", "elbocheck.checks.b": later}
        assert on_circles(module_graph(pair)) == ["elbocheck.checks.a", "elbocheck.checks.b"]


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_no_relative_imports_outside_either(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        assert not [one for one in imports(path.read_text(encoding="utf-8")) if one.relative], path


def test_every_packaged_folder_is_known() -> None:
    import tomllib

    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert {name: ROOT / folder for name, folder in tables["package-dir"].items()} == {
        name: folder for name, folder in PACKAGES.items() if name != FACADE
    }
    packages = {module for module, path in files().items() if path.name == "__init__.py"}
    assert set(tables["packages"]) == packages, "setuptools must list exactly the packages that exist"


@pytest.mark.parametrize("module", [module for module in files() if within(module, "elbocheck.models")])
def test_no_model_knows_a_backend(module: str) -> None:
    text = files()[module].read_text(encoding="utf-8").lower()
    assert [name for name in BACKENDS if name in text] == []


def run(code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("elbocheck", ("jax", "scipy", "matplotlib", "hypothesis", "pytest", "numpy")),
        ("elbocheck._pytest_plugin", ("jax", "scipy", "matplotlib", "hypothesis", "numpy")),
        ("elbocheck.models", ("jax", "matplotlib", "hypothesis", "pytest")),
        ("elbocheck.checks", ("jax", "matplotlib", "hypothesis", "pytest")),
    ],
)
def test_importing_is_light(module: str, absent: tuple[str, ...]) -> None:
    loaded = run(f"import sys, {module}; print(*sys.modules)").split()
    assert module in loaded
    assert [name for name in absent if name in loaded] == []


def test_the_gate_loads_no_model() -> None:
    """A target, its checks and its verdict need neither the catalogue nor its strategies."""
    code = "import sys, elbocheck; elbocheck.Target, elbocheck.check_target; print(*sys.modules)"
    loaded = [name for name in run(code).split() if within(name, FACADE)]
    assert [name for name in loaded if within(name, ("elbocheck.models", "elbocheck.strategies"))] == []
    assert len(loaded) <= MOST_LOADED


MOST_LOADED = 122
"""Modules of elbocheck, of about 250, that a target and its checks load: families are some 25 of them."""


def test_precision_of_the_process_is_left_alone() -> None:
    code = """
import numpy as np, jax, jax.numpy as jnp
from elbocheck import decompose
from elbocheck.models import find_cell
from elbocheck.models.sample import random_sample
before = dict(jax.config.values)
cell = find_cell("sbn/arbitrary")
result = decompose(random_sample(cell, np.array([[0.0], [1.0], [1.0]]), 1, 0).problem())
assert all(abs(term.residual) <= term.rounding < 1e-12 for term in result.factors)
assert dict(jax.config.values) == before
print(jax.config.jax_enable_x64, jnp.ones(1).dtype, jax.jit(lambda x: x + 1)(np.ones(1)).dtype)
"""
    assert run(code).split() == ["False", "float32", "float32"]
