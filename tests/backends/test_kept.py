"""Executables that are kept from run to run: found again, never for another program, and never needed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elbocheck.backends import get_backend, kept
from elbocheck.backends.base import Kept
from elbocheck.cache import VARIABLE
from elbocheck.executables import VARIABLE as EXECUTABLES
from elbocheck.models import find_cell
from elbocheck.models.sample import program_for
from support.processes import python

ARGUMENTS = (np.arange(3.0), {"fixed": np.eye(3)})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(EXECUTABLES, str(tmp_path))
    return tmp_path


NEW = time.time()
"""So that no cache of JAX has the program."""


def product(vector: Any, fixed: Any) -> Any:
    return {"product": fixed["fixed"] @ vector, "more": vector + NEW}


def run(function: Any = product) -> Any:
    def lowered() -> Any:
        return jax.jit(lambda *arguments: function(*arguments)).lower(*ARGUMENTS), {}

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, kept.find_or_compile("product", ARGUMENTS, lowered)(*ARGUMENTS))


def never(*arguments: Any) -> Any:
    raise AssertionError("traced again")


def test_what_was_compiled_is_found_and_not_traced_again(folder: Path) -> None:
    first, second = run(), run(never)
    assert len(list(folder.iterdir())) == 1
    for name, expected in product(*ARGUMENTS).items():
        np.testing.assert_array_equal(first[name], expected)
        np.testing.assert_array_equal(second[name], expected)


def test_what_comes_from_the_cache_of_jax_is_not_kept(folder: Path) -> None:
    lowered = jax.jit(product).lower(*ARGUMENTS)

    class FromJax:
        as_text = lowered.as_text

        def compile(self, compiler_options: Any) -> Any:
            jax.monitoring.record_event("/jax/compilation_cache/cache_hits")
            return lowered.compile(compiler_options)

    with jax.enable_x64(True):
        kept.find_or_compile("of JAX", ARGUMENTS, lambda: (FromJax(), {}))
    assert not list(folder.iterdir())
    limit = jax.config.jax_persistent_cache_min_compile_time_secs
    with pytest.raises(ZeroDivisionError):
        kept.find_or_compile("undefined", ARGUMENTS, lambda: 1 // 0)
    assert jax.config.jax_persistent_cache_min_compile_time_secs == limit


def test_what_was_used_last_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for position, name in enumerate(("oldest", "older", "new")):
        (folder / name).write_bytes(b"x" * 100)
        os.utime(folder / name, (position, position))
    monkeypatch.setattr(kept, "MOST", 250)
    kept._make_room.cache_clear()
    run()
    assert {path.name for path in folder.iterdir() if len(path.name) < 10} == {"older", "new"}
    (mine,) = [path for path in folder.iterdir() if len(path.name) > 10]
    os.utime(mine, (0, 0))
    run(never)
    assert mine.stat().st_mtime > 1e9


def test_other_libraries_than_lapack_are_not_kept(folder: Path) -> None:
    def printing(vector: Any, fixed: Any) -> Any:
        jax.debug.callback(lambda: None)
        return product(vector, fixed)

    run(printing)
    assert not list(folder.iterdir())
    run(lambda vector, fixed: {"product": jnp.linalg.cholesky(fixed["fixed"] * NEW), "more": vector})
    assert len(list(folder.iterdir())) == 1


def test_lapack_is_found_by_a_process_that_lowers_nothing(folder: Path) -> None:
    program = (
        "import jax, numpy as np; from elbocheck.backends import kept\n"
        f"made = lambda v: jax.numpy.linalg.solve(v * {NEW}, v)\n"
        "lower = lambda: print('lowered') or (jax.jit(made).lower(np.eye(3, dtype='f')), {})\n"
        "print(float(kept.find_or_compile('a', (np.eye(3, dtype='f'),), lower)(np.eye(3, dtype='f'))[0, 0]) > 0)\n"
    )
    environment = {**os.environ, EXECUTABLES: str(folder)}
    first, second = (python("-c", program, folder=folder, environment=environment) for _ in range(2))
    assert first.stdout.split() == ["lowered", "True"], first.stderr
    assert second.stdout.split() == ["True"], second.stderr


def test_another_key_shape_type_source_or_version_is_another_program(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {kept._name("a", ARGUMENTS), kept._name("b", ARGUMENTS)}
    names.add(kept._name("a", (np.arange(4.0), ARGUMENTS[1])))
    names.add(kept._name("a", (np.arange(3, dtype=np.float32), ARGUMENTS[1])))
    names.add(kept._name("a", (ARGUMENTS[0], {"other": np.eye(3)})))
    kept._made_from.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(kept, "version", lambda of: "0")
        names.add(kept._name("a", ARGUMENTS))
    kept._made_from.cache_clear()
    with monkeypatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
        names.add(kept._name("a", ARGUMENTS))
    kept._made_from.cache_clear()
    source = folder / "package"
    source.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_packages", lambda: [source])
        for line in ("x = 1\n", "x = 2\n"):
            (source / "module.py").write_text(line)
            kept._made_from.cache_clear()
            names.add(kept._name("a", ARGUMENTS))
    kept._made_from.cache_clear()
    assert len(names) == 9
    assert kept._name("a", ARGUMENTS) in names


def test_the_digest_is_of_every_file_that_makes_programs() -> None:
    files = {path for package in kept._packages() for path in package.rglob("*.py")}
    for module in (kept, get_backend.__code__, program_for.__wrapped__.__code__):
        name = getattr(module, "__file__", None) or module.co_filename
        assert Path(name).resolve() in {path.resolve() for path in files}


def test_an_executable_that_loads_and_does_not_run_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise jax.errors.JaxRuntimeError("NOT_FOUND: Function not found")

    run()
    with monkeypatch.context() as patch:
        patch.setattr(kept.serialize_executable, "deserialize_and_load", lambda *parts: broken)
        run()
    run(never)


@pytest.mark.parametrize("damage", [b"", b"no program", None])
def test_a_damaged_file_is_written_again(folder: Path, damage: bytes | None) -> None:
    run()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    run()
    run(never)


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(EXECUTABLES, str(tmp_path / "file" / "below"))
    np.testing.assert_array_equal(run()["product"], [0.0, 1.0, 2.0])


def test_only_the_catalogues_own_have_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = find_cell("poisson-mixture/exact")
    other = replace(cell, model=replace(cell.model))  # of the same name, whatever else it may be
    axes, backend = tuple(cell.variational.axes.items()), get_backend()

    def key(of: Any) -> str:
        q = of.variational
        fresh = program_for.__wrapped__(of.model, q.points, q.blocks, axes, of.capacity, backend)
        return str(fresh.key)

    keys = {key(cell), key(replace(cell, capacity=(5, 2, 2))), key(find_cell("poisson-mixture/free"))}
    assert len(keys) == 3
    assert "" not in keys
    assert key(other) == ""
    assert kept.key_of(product) == ""
    assert kept.key_of(Kept(product, "a"), "reverse") != kept.key_of(Kept(product, "a"), "forward")
    monkeypatch.delenv(EXECUTABLES)
    assert key(cell) == ""
    assert kept.key_of(Kept(product, "a")) == ""


def test_other_devices_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    assert kept.key_of(Kept(product, "a")) == ""
    monkeypatch.undo()
    monkeypatch.setenv(EXECUTABLES, "somewhere")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert kept.key_of(Kept(product, "a")) == ""


def test_a_second_run_traces_nothing_again_and_says_the_same(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", EXECUTABLES))}
    environment |= {VARIABLE: str(tmp_path), "JAX_LOG_COMPILES": "1"}
    command = ("-m", "elbocheck", "verify", "--model", "geometric-mixture", "--workers", "1", "--json")
    first, second = (python(*command, name, folder=tmp_path, environment=environment) for name in ("first", "second"))
    assert first.returncode == second.returncode == 0, first.stderr
    for name in ("all_three", "rows"):
        assert f"tracing {name}" in first.stderr.replace("transforming ", "")
        assert f"tracing {name}" not in second.stderr.replace("transforming ", "")
    assert len(list(tmp_path.rglob("executables/*"))) == 2
    rows = [
        [{name: value for name, value in row.items() if name != "seconds"} for row in json.loads(text)["cells"]]
        for text in ((tmp_path / name).read_text() for name in ("first", "second"))
    ]
    assert rows[0] == rows[1]
    assert rows[0]
