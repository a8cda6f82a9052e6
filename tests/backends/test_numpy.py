"""The NumPy backend: continued functions against mpmath, batches lane by lane, Hessians against JAX, and types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from elbocheck.backends import get_backend
from elbocheck.backends.analytic import continued
from elbocheck.backends.batch import Batch
from elbocheck.backends.namespace import namespace
from elbocheck.errors import InputError
from elbocheck.models.catalogue import cells, find_cell
from elbocheck.models.datasets import load
from elbocheck.models.sample import Cell, random_sample
from elbocheck.runs.jobs import RealJob
from support.oracle_tools import by_cell, draw

EPS = float(np.finfo(np.float64).eps)
ROUNDINGS = 16
TINY = 2.0**-462
"""Slopes below are subnormal once they are multiplied by the step of 2^-560."""
REAL = np.concatenate([np.linspace(-6, 6, 61), [1e-300, 1e-12, -1e-6, 30.0, -30.0]])
POSITIVE = np.concatenate([10.0 ** np.linspace(-3, 6, 91), [1.0, 2.0, 1.4616321449683623, 1 + 1e-9, 2 - 1e-9]])
ABOVE = np.concatenate([REAL[REAL > -0.99], [1e-16, -1e-16]])
TAILS = np.concatenate([np.linspace(-40, 40, 81), [-700.0, -300.0, 300.0]])
Exact = Callable[[Any], Any]


def relative(exact: Any) -> Any:
    return abs(exact) + TINY


def near_zeros(exact: Any) -> Any:
    """Where a function crosses zero between two numbers it is right to an absolute error."""
    return 1 + abs(exact)


FUNCTIONS: dict[str, tuple[np.ndarray, Exact, Exact, Exact, Exact]] = {
    # points, f, f', scales of their rounding errors
    "exp": (REAL, mp.exp, mp.exp, relative, relative),
    "expm1": (REAL, mp.expm1, mp.exp, relative, relative),
    "log": (POSITIVE, mp.log, lambda x: 1 / x, relative, relative),
    "log1p": (ABOVE, mp.log1p, lambda x: 1 / (1 + x), relative, relative),
    "sqrt": (POSITIVE, mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), relative, relative),
    "sin": (REAL, mp.sin, mp.cos, relative, relative),
    "cos": (REAL, mp.cos, lambda x: -mp.sin(x), relative, relative),
    "sinh": (REAL, mp.sinh, mp.cosh, relative, relative),
    "cosh": (REAL, mp.cosh, mp.sinh, relative, relative),
    "tanh": (REAL, mp.tanh, lambda x: mp.sech(x) ** 2, relative, relative),
    "abs": (REAL, abs, mp.sign, relative, relative),
    "expit": (TAILS, lambda x: 1 / (1 + mp.exp(-x)), lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2, relative, relative),
    "softplus": (TAILS, lambda x: mp.log1p(mp.exp(x)), lambda x: 1 / (1 + mp.exp(-x)), relative, relative),
    "gammaln": (POSITIVE, mp.loggamma, mp.digamma, near_zeros, near_zeros),
    "digamma": (POSITIVE, mp.digamma, lambda x: mp.psi(1, x), near_zeros, relative),
    # rounding x² shifts the exponent by x² eps/2
    "erf": (REAL, mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), relative, lambda y: 36 * abs(y) + TINY),
}


def slopes(function: Callable[[Any], Any], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values, slopes) of an elementwise function by the backend."""

    def twice(vector: Any, fixed: Any) -> tuple[Any, Any]:
        return function(vector), function(vector)

    jacobian, values = get_backend("numpy", "float64").jacobian(twice, "forward")(points, {})
    assert np.count_nonzero(jacobian - np.diag(np.diag(jacobian))) == 0
    return values, np.diag(jacobian)


def looked_up(name: str) -> Callable[[Any], Any]:
    return lambda x: getattr(namespace(x) if hasattr(namespace(x), name) else namespace(x).xp, name)(x)


def worst(points: np.ndarray, actual: np.ndarray, exact: Exact, scale: Exact) -> float:
    """Largest error in units of EPS · scale."""
    with mp.workdps(400):
        errors = [
            abs(mp.mpf(float(number)) - exact(mp.mpf(float(point)))) / scale(exact(mp.mpf(float(point))))
            for point, number in zip(points, actual, strict=True)
        ]
    return float(max(errors)) / EPS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_their_continuations(name: str) -> None:
    points, exact, slope, scale, slope_scale = FUNCTIONS[name]
    values, derivatives = slopes(looked_up(name), points)
    assert worst(points, values, exact, scale) <= ROUNDINGS
    assert worst(points, derivatives, slope, slope_scale) <= ROUNDINGS
    assert np.array_equal(values, looked_up(name)(points)), "the real part is what NumPy gives for real arrays"


def test_a_wrong_continuation_is_rejected() -> None:
    planted = continued(np.tanh, lambda x, value: 1 - value * value)  # loses the tails
    _, derivatives = slopes(lambda x: Batch(planted(x.data)), REAL)
    assert worst(REAL, derivatives, FUNCTIONS["tanh"][2], relative) > 1e3


def test_points_where_branches_meet() -> None:
    """|x| has the slope 0 at 0; log(e^x + e^y) at x = y and a power at 0 have their own."""
    assert slopes(abs, np.zeros(1))[1] == [0.0]
    assert slopes(lambda x: namespace(x).xp.logaddexp(x, x), np.array([3.0]))[1] == [1.0]
    assert slopes(lambda x: namespace(x).softplus(x), np.zeros(1))[1] == [0.5]
    assert [slopes(lambda x, k=k: x**k, np.zeros(1))[1][0] for k in (0, 1, 2, 3)] == [0.0, 1.0, 0.0, 0.0]


SPD = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.7], [0.5, -0.7, 2.0]])
UPPER = np.triu_indices(3)


def symmetric(vector: Any) -> Any:
    """A symmetric matrix from its six elements."""
    picked = np.zeros((3, 3, 6))
    for element, (i, j) in enumerate(zip(*UPPER, strict=True)):
        picked[i, j, element] = picked[j, i, element] = 1.0
    return namespace(vector).xp.matmul(namespace(vector).xp.asarray(picked), vector[:, None])[..., 0]


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("cholesky", lambda xp, a: xp.matmul(xp.linalg.cholesky(a), xp.matrix_transpose(xp.linalg.cholesky(a))) - a),
        ("inv", lambda xp, a: xp.matmul(xp.linalg.inv(a), a)),
        ("solve", lambda xp, a: xp.linalg.solve(a, xp.matmul(a, xp.ones((3, 1))))),
    ],
)
def test_matrix_functions_obey_their_identity(name: str, identity: Callable[[Any, Any], Any]) -> None:
    """L Lᵀ − A, A⁻¹ A and A \\ (A 1) are constant, so their derivatives vanish."""

    def both(vector: Any, fixed: Any) -> tuple[Any, Any]:
        result = identity(namespace(vector).xp, symmetric(vector))
        return result, result

    jacobian, _ = get_backend("numpy", "float64").jacobian(both, "forward")(SPD[UPPER], {})
    assert np.abs(jacobian).max() <= 16 * EPS * np.linalg.cond(SPD)


def on_lanes(function: Callable[[Any, Any], Any]) -> None:
    """A function of batches must be what it is lane by lane."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 3))
    batch = function(Batch(first), Batch(second)).data
    for lane in range(4):
        expected = function(first[lane], second[lane])
        np.testing.assert_allclose(np.broadcast_to(batch, (4, *batch.shape[1:]))[lane], expected, rtol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: x + y, lambda x, y: y - x, lambda x, y: 2.0 / x, lambda x, y: x[:, None, ...] * y,
        lambda x, y: x[..., None] - y[0], lambda x, y: namespace(x).xp.matmul(x, y[:, None])[..., 0],
        lambda x, y: namespace(x).xp.matmul(x, np.ones((3, 2))),
        lambda x, y: namespace(x).xp.sum(x, axis=0), lambda x, y: namespace(x).xp.sum(x, axis=(-1, -2), keepdims=True),
        lambda x, y: namespace(x).xp.max(x, axis=-1), lambda x, y: namespace(x).xp.sort(x, axis=0),
        lambda x, y: namespace(x).xp.reshape(x, (3, -1)), lambda x, y: namespace(x).xp.matrix_transpose(x),
        lambda x, y: namespace(x).xp.concat([x, namespace(x).xp.zeros_like(x)], axis=1),
        lambda x, y: namespace(x).xp.tile(y, (2, 1)), lambda x, y: namespace(x).xp.repeat(x, 2, axis=0),
        lambda x, y: namespace(x).xp.repeat(y, 3), lambda x, y: namespace(x).xp.flip(x, axis=1),
        lambda x, y: namespace(x).xp.where(x > y, x, 0.0), lambda x, y: namespace(x).xp.expand_dims(x, axis=0),
        lambda x, y: namespace(x).xp.squeeze(x[:1, :], axis=0), lambda x, y: namespace(x).xp.argmax(x, axis=-1),
        lambda x, y: namespace(x).xp.astype((x > 0) & ~(x > 1) | (x < -1), x.dtype),
        lambda x, y: namespace(x).log_sum_exp(x, axis=0), lambda x, y: abs(x) ** 2.5,
        lambda x, y: namespace(x).xp.linalg.diagonal(namespace(x).xp.matmul(x, namespace(x).xp.matrix_transpose(x))),
    ],
)  # fmt: skip
def test_batches_lane_by_lane(function: Callable[[Any, Any], Any]) -> None:
    on_lanes(function)


def test_batches_refuse_what_would_mix_lanes_up() -> None:
    x = Batch(np.ones((4, 2)))
    for misuse in (lambda: np.exp(x), lambda: np.asarray(x), lambda: bool(x[0] > 0), lambda: np.sum(x)):
        with pytest.raises((TypeError, AttributeError)):
            misuse()


HESSIANS = (
    "sbn/exact",
    "ppca/full",
    "gmm-full/exact",
    "vae-1/encoder",
    "hmm-gaussian/exact",
    "dirichlet-mixture/exact",
)


@pytest.mark.parametrize("name", HESSIANS)
def test_hessians_to_their_stated_error(name: str) -> None:
    """In chart units, against JAX's forward over reverse mode; data of any size, far from zero."""
    problem = draw(find_cell(name), (6, 3, 2)).problem()
    free, units, backend = problem.free_mask, problem.unit_vector, get_backend("numpy", "float64")
    scale = (units * units[:, None])[np.ix_(free, free)]
    value, gradient, hessian = problem.on(backend).derivatives(problem.vector)
    expected_value, expected_gradient, expected = problem.derivatives(problem.vector)
    size = np.abs(np.linalg.eigvalsh(expected[np.ix_(free, free)] * scale)).max()
    assert abs(value - expected_value) <= 100 * EPS * abs(value)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-11, atol=1e-12 * np.abs(gradient).max())
    error = np.linalg.norm((hessian - expected)[np.ix_(free, free)] * scale, 2)
    assert error <= backend.cost.hessian_error * size


@by_cell(cells())
def test_float32_stays_float32(cell: Cell) -> None:
    """No constant of another type enters anywhere (`aligned` raises), and every result is what was asked for."""
    problem = draw(cell.on(get_backend("numpy", "float32")), (5, 3, min(2, cell.capacity[2]))).problem()
    compiled, fixed = problem.compiled, problem.fixed
    held = compiled.points(problem.vector, fixed)
    jacobian, terms = compiled.terms(problem.vector, fixed)
    jacobians, _ = compiled.natural_rows(np.append(problem.vector, 0.0), {"fixed": fixed, "held": held})
    derivatives = compiled.derivatives_along(np.flatnonzero(problem.free_mask))
    displaced = {"base": problem.vector, "units": np.ones(problem.vector.shape), "fixed": fixed}
    found = [*held["latents"].values(), jacobian, *jacobians["eta"].values()]
    found += derivatives(np.zeros(problem.vector.shape), displaced)
    found += [leaf for factor in terms["factors"].values() for leaf in factor.values()]
    assert {leaf.dtype for leaf in found} == {np.dtype("float32")}


def test_a_constant_of_another_type_is_an_error() -> None:
    backend, wide = get_backend("numpy", "float32"), np.ones(2)
    with pytest.raises(TypeError, match="different floating-point types meet: complex64, float64"):
        backend.jacobian(lambda vector, fixed: (vector * wide, vector), "forward")(np.ones(2), {})
    with pytest.raises(TypeError, match="is float64, the backend computes in float32"):
        backend.value(lambda vector, fixed: namespace(vector).xp.zeros((2,)))(np.ones(2), {})


def test_data_beyond_the_type_are_refused() -> None:
    cell = find_cell("ppca/exact").on(get_backend("numpy", "float32"))
    with pytest.raises(InputError, match="data up to 1e\\+39 do not fit into float32"):
        random_sample(cell, np.array([[1e39], [0.0], [1.0]]), 1, seed=0)


def test_of_real_data_as_much_as_the_backend_can_afford() -> None:
    jobs = [
        RealJob("ppca/full", "iris", 1, 2, 0),
        RealJob("hmm-gaussian/exact", "waiting_times", 2, 2, 0),
        RealJob("gmm-full/exact", "old_faithful", 2, 2, 0),
    ]
    assert [job.affordable(get_backend("jax")) for job in jobs] == jobs
    numpy = get_backend("numpy")
    fewer = [job.affordable(numpy) for job in jobs]
    assert [(job.starts, job.thinning) for job in fewer] == [(1, numpy.cost.share), (1, numpy.cost.share), (1, 1)]
    rows, sequence = (load(job.data).thinned(job.thinning) for job in fewer[:2])
    assert (rows.name, rows.x.shape) == ("iris, 1 row in 6", (25, 4))
    assert rows.data_weights.sum() == pytest.approx(1.0)
    assert (sequence.name, sequence.x.shape) == ("waiting_times, first 1/6", (1, 46))
