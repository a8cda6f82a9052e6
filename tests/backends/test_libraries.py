"""The table of array libraries, and that a backend is handed over and never read from the process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from elbocheck.backends import get_backend
from elbocheck.backends.libraries import LIBRARIES, NUMPY, Library, library_of
from elbocheck.backends.namespace import double_precision, namespace, zeros
from elbocheck.bound.decomposition import decompose
from elbocheck.errors import InputError, MissingExtraError
from elbocheck.models import find_cell
from support.oracle_tools import draw

every_library = pytest.mark.parametrize(
    "library",
    [
        pytest.param(one, id=one.name, marks=[] if one.installed else pytest.mark.skip(f"needs {one.name}"))
        for one in LIBRARIES.values()
    ],
)


def made(library: Library, array: np.ndarray) -> Any:
    """An array of the library, in double precision."""
    with double_precision():
        return library.array(array, None)


@every_library
def test_arrays_belong_to_the_library_that_made_them(library: Library) -> None:
    array = made(library, np.arange(3.0))
    assert [one.name for one in LIBRARIES.values() if one.owns(array)] == [library.name]
    assert library_of([array]) is library_of([np.ones(2), 1.0, array]) is library
    assert str(array.dtype).endswith("float64")
    np.testing.assert_array_equal(np.asarray(array), np.arange(3.0))


@every_library
def test_constants_go_with_arrays_of_the_library(library: Library) -> None:
    array = made(library, np.arange(3.0))
    with double_precision():
        together = array + library.constant(np.array([1, 2, 3]), array)
    assert library_of([together]) is library
    np.testing.assert_array_equal(np.asarray(together), [1.0, 3.0, 5.0])


@every_library
def test_functions_are_those_of_the_library(library: Library) -> None:
    assert namespace(made(library, np.ones(1))).xp is library.namespace().xp


@every_library
def test_backends_are_named_after_their_library(library: Library) -> None:
    for dtype in ("float64", "float32"):
        backend = library.backend(dtype)
        assert (backend.name, backend.dtype) == (library.name, dtype)
        assert backend == get_backend(library.name, dtype)
    under_test = library.backend_under_test([made(library, np.ones(1))])
    assert (under_test.name, under_test.dtype) == (library.name, "float64")


@every_library
def test_traces_tell_the_type_and_the_constants(library: Library) -> None:
    if library.trace is None:
        pytest.skip("only a call can tell")
    noise = iter(np.arange(1.0, 9.0))
    held, fresh = (lambda v: v.sum() + 3.0, lambda v: (v * np.full(2, next(noise))).sum())
    one, other = (library.trace(held, np.ones(2)) for _ in range(2))
    assert one.dtype == np.float64
    assert one.constants == other.constants
    one, other = (library.trace(fresh, np.ones(2)) for _ in range(2))
    assert one.constants != other.constants


def test_everything_else_is_numpys() -> None:
    assert library_of([]) is library_of([1.0, [2.0]]) is library_of([np.float32(1.0)]) is NUMPY
    assert NUMPY.owns(np.ones(1))


def test_a_library_that_is_missing_is_named_with_its_extra() -> None:
    missing = Library(
        "no_such_library",
        NUMPY.owns,
        NUMPY.namespace,
        NUMPY.array,
        NUMPY.constant,
        NUMPY.backend,
        NUMPY.backend_under_test,
        extra="some",
    )
    assert not missing.installed
    assert not missing.loaded
    with pytest.raises(MissingExtraError, match="needs no_such_library"):
        missing.require()
    with pytest.raises(InputError, match="unknown backend 'no_such_library'"):
        get_backend("no_such_library")


def test_the_table_imports_no_library() -> None:
    code = "import sys, elbocheck.backends.libraries as t; print([n for n in t.LIBRARIES if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@every_library
def test_zeros_have_the_broadcast_shape(library: Library) -> None:
    with double_precision():
        found = zeros(made(library, np.ones((2, 1))), made(library, np.ones(3)))
    assert library_of([found]) is library
    np.testing.assert_array_equal(np.asarray(found), np.zeros((2, 3)))


def test_a_problem_runs_on_the_backend_of_its_cell() -> None:
    cell = find_cell("poisson-mixture/exact")
    numpy, single = get_backend("numpy"), get_backend("numpy", "float32")
    on = {backend: draw(cell.on(backend), (6, 2, 2)) for backend in (None, numpy, single)}
    for backend, sample in on.items():
        assert sample.problem().compiled.backend == (backend or get_backend())
    for name, array in on[None].params.items():  # what is drawn does not depend on it
        np.testing.assert_array_equal(array, on[single].params[name])
    assert decompose(on[None].on(numpy).problem()).elbo == pytest.approx(decompose(on[None].problem()).elbo, rel=1e-12)
    assert find_cell("poisson-mixture/exact").backend == get_backend()
