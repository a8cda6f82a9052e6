"""Probe of a backend on the device that it runs on: is the arithmetic what the header of a report says?

Two products of matrices tell how many binary digits they keep: 52 in float64, 23 in float32, 10 where a device
multiplies in TF32, 7 in bfloat16. Special functions are compared with numbers of mpmath, rounded to 17 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from elbocheck.backends.base import Backend
from elbocheck.backends.namespace import namespace
from elbocheck.errors import PrecisionError

DIGITS = {"float64": 52, "float32": 23}
"""Binary digits after the first, by type."""
ROUNDINGS = 16.0
"""Most roundings, in units of eps·(1 + |f|), by which a special function may be wrong."""
SIZE = 64
"""Rows of the matrices: enough for the units of a device that multiply in fewer digits."""
POINTS = (0.25, 0.5, 1.25, 3.75, 10.5, 20.0)
"""Where functions are taken; exact in every type."""
EXACT = {
    "exp": np.array(
        [
            7.7880078307140487e-1,
            6.0653065971263342e-1,
            2.865047968601901e-1,
            2.3517745856009108e-2,
            2.7536449349747158e-5,
            2.0611536224385578e-9,
        ]
    ),
    "log": np.array(
        [
            -1.3862943611198906,
            -6.9314718055994531e-1,
            2.2314355131420976e-1,
            1.3217558399823194,
            2.3513752571634777,
            2.995732273553991,
        ]
    ),
    "gammaln": np.array(
        [
            1.2880225246980775,
            5.7236494292470009e-1,
            -9.8271836421813161e-2,
            1.4868155785934171,
            13.940625219403764,
            39.339884187199494,
        ]
    ),
    "digamma": np.array(
        [
            -4.2274535333762654,
            -1.9635100260214235,
            -2.2745353337626541e-1,
            1.1825373886117962,
            2.3030010342976864,
            2.9705239922421491,
        ]
    ),
    "erf": np.array(
        [2.7632639016823693e-1, 5.2049987781304654e-1, 9.2290012825645823e-1, 9.9999988627274343e-1, 1.0, 1.0]
    ),
    "expit": np.array(
        [
            5.621765008857981e-1,
            6.2245933120185456e-1,
            7.7729986117469115e-1,
            9.7702263008997439e-1,
            9.9997246430888542e-1,
            9.9999999793884638e-1,
        ]
    ),
}
"""Name -> the function's values there, by mpmath; "exp" is of −x."""


def probe(backend: Backend) -> None:
    """Raises `PrecisionError` if the backend does not compute in the precision that it is named after, here."""
    found = backend.value(_measured)(np.array(POINTS), {"diagonal": _powers(backend.dtype)})
    wanted = DIGITS[backend.dtype]
    kept = min(_kept(found[side], wanted) for side in ("left", "right"))
    if kept < wanted:
        raise PrecisionError(
            f"{backend.name} is to compute in {backend.dtype}, but products of matrices keep {kept} of its {wanted} "
            "binary digits on this device. Some hardware multiplies in fewer digits to be fast; elbocheck asks for all "
            "of them, and the device, a setting of the process or an environment variable overrules that. Set "
            "NVIDIA_TF32_OVERRIDE=0 or choose another device (JAX_PLATFORMS=cpu): no bound on rounding would hold."
        )
    for name, exact in EXACT.items():
        error = np.abs(np.asarray(found[name], dtype=float) - exact) / (1.0 + np.abs(exact)) / backend.eps
        worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
        if not error[worst] <= ROUNDINGS:
            raise PrecisionError(
                f"{backend.name} is to compute in {backend.dtype}, but on this device {name} at {POINTS[worst]} is "
                f"{float(found[name][worst])!r}, where mpmath has {exact[worst]!r}: {error[worst]:.0f} roundings "
                f"apart, {ROUNDINGS:.0f} allowed. Choose another device (JAX_PLATFORMS=cpu) or another version of "
                f"{backend.name}: no bound on rounding would hold."
            )


def _powers(dtype: str) -> np.ndarray:
    """1 + 2^−k for every binary digit k of the type, then ones: (SIZE,)."""
    digits = np.arange(1, SIZE + 1)
    return np.where(digits <= DIGITS[dtype], 1.0 + 2.0**-digits, 1.0)


def _kept(products: Any, wanted: int) -> int:
    """How many leading digits come through a product with ones."""
    excess = (np.asarray(products, dtype=float)[:wanted] - 1.0) * 2.0 ** np.arange(1, wanted + 1)
    wrong = np.flatnonzero(excess != 1.0)
    return int(wrong[0]) if wrong.size else wanted


def _measured(points: Any, inputs: Any) -> dict[str, Any]:
    """Products of diag(1 + 2^−k) with ones from either side, and functions at the points."""
    functions = namespace(points)
    xp, diagonal = functions.xp, inputs["diagonal"]
    matrix = xp.eye(SIZE, dtype=diagonal.dtype) * diagonal
    ones = xp.ones((SIZE, SIZE), dtype=diagonal.dtype)
    return {
        "left": xp.matmul(matrix, ones)[:, 0],
        "right": xp.matmul(ones, matrix)[0, :],
        "exp": xp.exp(-points),
        "log": xp.log(points),
        **{name: getattr(functions, name)(points) for name in ("gammaln", "digamma", "erf", "expit")},
    }
