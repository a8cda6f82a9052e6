"""The probe accepts every backend here, and rejects arithmetic with fewer digits and functions that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from elbocheck.backends import DTYPES, get_backend
from elbocheck.backends.base import Backend
from elbocheck.backends.namespace import double_precision
from elbocheck.backends.probe import DIGITS, EXACT, POINTS, probe
from elbocheck.errors import InputError, PrecisionError
from support.oracle_tools import backend_param

HALF_BITS = {"TF32": 10, "bfloat16": 7}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("library", [backend_param(name) for name in ("numpy", "jax", "torch")])
def test_backends_here_compute_in_their_precision(library: str, dtype: str) -> None:
    probe(get_backend(library, dtype))


def test_stored_numbers_are_those_of_mpmath() -> None:
    functions = {"exp": lambda x: mp.exp(-x), "log": mp.log, "gammaln": mp.loggamma, "digamma": mp.digamma}
    functions |= {"erf": mp.erf, "expit": lambda x: 1 / (1 + mp.exp(-x))}
    assert set(functions) == set(EXACT)
    with mp.workdps(40):
        for name, function in functions.items():
            exact = [float(function(mp.mpf(point))) for point in POINTS]
            np.testing.assert_allclose(EXACT[name], exact, rtol=4e-16)


@dataclass(frozen=True)
class Planted:
    """A backend whose results are changed before anybody sees them."""

    real: Backend
    change: Callable[[dict[str, Any]], dict[str, Any]]
    name: str = "planted"
    made: list[str] = field(default_factory=list)

    @property
    def dtype(self) -> str:
        return self.real.dtype

    @property
    def eps(self) -> float:
        return self.real.eps

    def value(self, function: Callable[..., Any]) -> Callable[..., Any]:
        compiled = self.real.value(function)
        return lambda *arguments: self.change(dict(compiled(*arguments)))


def rounded(bits: int, side: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Products whose factors have so many binary digits after the first."""

    def change(found: dict[str, Any]) -> dict[str, Any]:
        exact = np.asarray(found[side], dtype=float)
        return {**found, side: np.round(exact * 2.0**bits) / 2.0**bits}

    return change


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bits", HALF_BITS.values(), ids=HALF_BITS)
def test_products_in_fewer_digits_are_rejected(bits: int, dtype: str, side: str) -> None:
    real = get_backend("numpy", dtype)
    message = f"planted is to compute in {dtype}, but products of matrices keep {bits} of its {DIGITS[dtype]} "
    with pytest.raises(PrecisionError, match=message):
        probe(Planted(real, rounded(bits, side)))  # type: ignore[arg-type]


def test_float32_under_the_name_of_float64_is_rejected() -> None:
    with pytest.raises(InputError, match="keep 23 of its 52 binary digits"):
        probe(Planted(get_backend("numpy"), rounded(23, "left")))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("wrong", [1e-13, np.nan])
def test_a_special_function_that_is_wrong_is_rejected(name: str, wrong: float) -> None:
    def change(found: dict[str, Any]) -> dict[str, Any]:
        return {**found, name: np.asarray(found[name]) + wrong * np.array([0, 0, 1, 0, 0, 0]) * 30.0}

    with pytest.raises(PrecisionError, match=f"on this device {name} at "):
        probe(Planted(get_backend("numpy"), change))  # type: ignore[arg-type]


def test_jax_is_asked_for_all_digits_inside_only() -> None:
    """Catches products that are traced, or code of others that is called, outside the scope."""
    seen, before = [], jax.config.jax_default_matmul_precision  # None, unless a library that is loaded sets it

    def product(vector: Any, fixed: Any) -> Any:
        seen.append(jax.config.jax_default_matmul_precision)
        return vector @ vector

    backend = get_backend("jax", "float32")
    backend.value(product)(np.ones(3), {})
    with double_precision():
        seen.append(jax.config.jax_default_matmul_precision)
    from elbocheck.backends.lanes import over_lanes

    over_lanes(lambda vector: product(vector, {}), 2)(np.ones((3, 2)))
    assert set(seen) == {"highest"}
    assert len(seen) == 3
    assert jax.config.jax_default_matmul_precision == before


def test_torch_is_asked_for_all_digits_inside_only() -> None:
    torch = pytest.importorskip("torch")
    from elbocheck.backends.torch import precise

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    convolutions = torch.backends.cudnn.allow_tf32
    try:
        with precise():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.allow_tf32 == convolutions
    finally:
        torch.set_float32_matmul_precision(before)
