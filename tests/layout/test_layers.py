"""The floors of DESIGN section 2, read off the source: imports point downwards only, heavy libraries stay in place.

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
    "elbocheck.errors": 0, "elbocheck.outcome": 0, "elbocheck.profiles": 0, "elbocheck.data": 0,
    "elbocheck.backends": 0, "elbocheck.threads": 0, "elbocheck.limits": 0,
    "elbocheck.bound.layout": 1, "elbocheck.families": 1, "elbocheck.bound.posteriors": 1, "elbocheck.bound.factors": 1,
    "elbocheck.bound.trees": 1, "elbocheck.models.base": 1,
    "elbocheck.bound.terms": 1, "elbocheck.bound.definition": 1, "elbocheck.bound.compiled": 1, "elbocheck.bound.problem": 1,
    "elbocheck.bound.candidates": 2, "elbocheck.bound.reading": 2, "elbocheck.bound.directions": 2, "elbocheck.bound.least_squares": 2,
    "elbocheck.bound.criterion": 2, "elbocheck.bound.decomposition": 2, "elbocheck.solver": 2, "elbocheck.models": 2,
    "elbocheck.training.snapshots": 2, "elbocheck.training.monitor": 3,
    "elbocheck.checks": 3, "elbocheck.proofs.krawczyk": 3, "elbocheck.proofs.certify": 3, "elbocheck.proofs.referee": 3,
    "elbocheck.faults": 3,
    "elbocheck.gate.preflight": 3, "elbocheck.diagnosis.diagnose": 3, "elbocheck.diagnosis.suspects.of_factors": 3, "elbocheck.diagnosis.suspects.base": 3,
    "elbocheck.diagnosis.suspects.of_q": 3,
    "elbocheck.gate.target": 4, "elbocheck.gate.checking": 5, "elbocheck.gate.known_failures": 5, "elbocheck.gate.failure_text": 5,
    "elbocheck.gate.cases": 5, "elbocheck.adapters": 4, "elbocheck.strategies": 4,
    "elbocheck.testing.properties": 5, "elbocheck.properties": 5, "elbocheck.runs.jobs": 5, "elbocheck.runs.pool": 5,
    "elbocheck.runs.census": 5,
    "elbocheck.cli": 6, "elbocheck.commands.targets": 6, "elbocheck.commands.arguments": 6, "elbocheck.report": 6,
    "elbocheck._pytest_plugin": 6, "elbocheck.__main__": 6, "elbocheck.testing.scheduling": 6,
}  # fmt: skip
FACADE = "elbocheck"
"""The package itself loads everything else lazily; inside the package only its version may be imported from it."""
HYPOTHESIS_FLOOR = 4
PYTEST = ("elbocheck.testing.properties", "elbocheck.properties", "elbocheck._pytest_plugin")
JAX = (("elbocheck.backends.jax",), ("elbocheck.backends.namespace", "elbocheck.adapters"))
TORCH = (
    ("elbocheck.backends.torch", "elbocheck.backends.torch_eager"),
    ("elbocheck.backends.namespace", "elbocheck.adapters"),
)
"""Files that load the library, and those that may in functions."""
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


def floor(module: str) -> int | None:
    return next((level for package, level in FLOORS.items() if within(module, package)), None)


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
    own, broken = floor(module), []
    if own is None and module != FACADE:
        return [f"{module} has no floor; add it to FLOORS"]
    for one in imports(source):
        where, target = f"{module}:{one.line} imports {one.target}", one.target
        if one.relative:
            broken.append(f"{where}, relatively")
            continue
        if within(target, FACADE) and target != f"{FACADE}.__version__":
            other = floor(target)
            if other is None:
                broken.append(f"{where}: through the facade, or without a floor")
            elif other > (0 if own is None else own):
                broken.append(f"{where}: upwards, from floor {own} to {other}")
        if within(target, "hypothesis") and (own is None or own < HYPOTHESIS_FLOOR):
            broken.append(f"{where} below floor {HYPOTHESIS_FLOOR}")
        if within(target, ("pytest", "_pytest")) and not within(module, PYTEST):
            broken.append(f"{where}: only {', '.join(PYTEST)} may")
        for library, (owners, users) in ((("jax", "jaxlib"), JAX), (("torch", "functorch"), TORCH)):
            if within(target, library) and not (module in owners or (within(module, users) and one.lazy)):
                broken.append(f"{where}: only {', '.join(owners)} may, and functions of {', '.join(users)}")
            if within(target, owners) and not one.lazy:
                broken.append(f"{where} when loaded, which loads {library[0]}")
    return broken


@pytest.mark.parametrize("module", files())
def test_imports_point_downwards(module: str) -> None:
    assert violations(module, files()[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("elbocheck.bound.decomposition", "from elbocheck.checks import every_point", "upwards, from floor 2 to 3"),
        ("elbocheck.bound.decomposition", "def f():\n    import elbocheck.strategies", "upwards, from floor 2 to 4"),
        ("elbocheck.models.new", "from elbocheck import checks", "upwards, from floor 2 to 3"),
        ("elbocheck.bound.definition", "from elbocheck import decompose", "through the facade"),
        ("elbocheck", "from elbocheck.bound.decomposition import decompose", "upwards"),
        ("elbocheck.newcomer", "", "has no floor"),
        ("elbocheck.checks.new", "from elbocheck.newcomer import x", "without a floor"),
        ("elbocheck.checks.new", "from . import compare", "relatively"),
        ("elbocheck.checks.new", "from hypothesis import given", "below floor 4"),
        ("elbocheck.strategies.new", "import pytest", "only elbocheck.testing.properties"),
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


def test_modules_load_in_some_order() -> None:
    """No cycles among the imports that run when a module is loaded (an import inside a function may go anywhere)."""
    known = files()
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        targets = [one.target for one in imports(path.read_text(encoding="utf-8")) if not one.lazy]
        named = {target if target in known else target.rpartition(".")[0] for target in targets}
        graph[module] = {target for target in named if target in known and target not in (module, FACADE)}
    while free := [module for module, needs in graph.items() if not needs]:
        for module in free:
            del graph[module]
        for needs in graph.values():
            needs.difference_update(free)
    assert not graph, f"a cycle runs through some of {sorted(graph)}"


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
        [sys.executable, "-c", code], cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False,
        env=environment, timeout=120,
    )  # fmt: skip
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
