"""Ball arithmetic: enclosures of values and derivatives contain the truth, and nothing undecided is guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

flint = pytest.importorskip("flint", reason="needs python-flint: pip install 'elbocheck[certify]'")

from elbocheck.backends.balls.arrays import Balls, Kleene, balls  # noqa: E402
from elbocheck.backends.balls.backend import BallBackend  # noqa: E402
from elbocheck.backends.namespace import Namespace, namespace  # noqa: E402
from elbocheck.bound import functions  # noqa: E402
from elbocheck.errors import UndecidedError  # noqa: E402
from elbocheck.families import Bernoulli, Categorical  # noqa: E402
from elbocheck.models import find_cell  # noqa: E402
from elbocheck.models.sample import random_sample  # noqa: E402

mp = mpmath.mp.clone()
mp.dps = 70
NS: Namespace = Balls.array_namespace()
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "exp": (NS.xp.exp, mp.exp),
    "expm1": (NS.xp.expm1, mp.expm1),
    "log": (NS.xp.log, mp.log),
    "log1p": (NS.xp.log1p, mp.log1p),
    "sqrt": (NS.xp.sqrt, mp.sqrt),
    "tanh": (NS.xp.tanh, mp.tanh),
    "cos": (NS.xp.cos, mp.cos),
    "sin": (NS.xp.sin, mp.sin),
    "expit": (NS.expit, lambda x: 1 / (1 + mp.exp(-x))),
    "gammaln": (NS.gammaln, mp.loggamma),
    "digamma": (NS.digamma, lambda x: mp.psi(0, x)),
    "erf": (NS.erf, mp.erf),
    "reciprocal": (lambda x: 1.0 / x, lambda x: 1 / x),
    "cube": (lambda x: x**3, lambda x: x**3),
    "power": (lambda x: x**-1.5, lambda x: x ** (-mp.mpf(3) / 2)),
    "base": (lambda x: 2.5**x, lambda x: mp.mpf(2.5) ** x),
    "abs": (lambda x: abs(-x) * x, lambda x: x * x),
    "softplus": (NS.softplus, lambda x: mp.log(1 + mp.exp(x))),
    "log_sum_exp": (
        lambda x: NS.log_sum_exp(NS.xp.concat([x[None], 2.0 * x[None]]), axis=0),
        lambda x: mp.log(mp.exp(x) + mp.exp(2 * x)),
    ),
}


def ball(low: float, high: float) -> Any:
    return flint.arb((low + high) / 2, (high - low) / 2)


def array(*elements: Any) -> Balls:
    found = np.empty(len(elements), dtype=object)
    found[:] = [flint.arb(element) for element in elements]
    return Balls(found)


def contains(enclosure: Any, true: Any) -> bool:
    with flint.ctx.workprec(230):
        rounded = flint.arb(mp.nstr(true, 60, strip_zeros=False))
        return bool(enclosure.overlaps(rounded + flint.arb(0, 1e-58) * (1 + abs(rounded))))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("at", [0.3, 1.7, 12.25])
def test_values_and_two_derivatives_are_enclosed(name: str, at: float) -> None:
    mine, true = FUNCTIONS[name]
    value, gradient, hessian = BallBackend(192).value_gradient_hessian(lambda v, _: mine(v[0]), np.array([0]))(
        np.array([at]), {}
    )
    x = mp.mpf(at)
    for found, expected in ((value, true(x)), (gradient[0], mp.diff(true, x)), (hessian[0, 0], mp.diff(true, x, 2))):
        with flint.ctx.workprec(192):  # the oracle's numerical second derivative is good to some 25 of its 70 digits
            assert abs(found - flint.arb(mp.nstr(expected, 40))).upper() < 1e-18 * (1 + abs(float(expected)))
        assert float(found.rad()) < 1e-45 * (1 + abs(float(expected)))
    assert contains(value, true(x))


def test_mixed_derivatives_by_polarisation() -> None:
    """f = x² y + e^{yz}: every entry of the Hessian in closed form."""
    x, y, z = 0.5, -1.25, 2.0

    def f(v: Any, _: Any) -> Any:
        return v[0] * v[0] * v[1] + NS.xp.exp(v[1] * v[2])

    _, gradient, hessian = BallBackend(192).value_gradient_hessian(f, np.arange(3))(np.array([x, y, z]), {})
    e = mp.exp(mp.mpf(y) * z)
    expected = [[2 * y, 2 * x, 0], [2 * x, z * z * e, (1 + y * z) * e], [0, (1 + y * z) * e, y * y * e]]
    for row, true in zip(hessian, expected, strict=True):
        assert all(contains(one, mp.mpf(other)) for one, other in zip(row, true, strict=True))
    assert all(contains(one, mp.mpf(g)) for one, g in zip(gradient, [2 * x * y, x * x + z * e, y * e], strict=True))
    assert max(float(one.rad()) for one in hessian.ravel()) < 1e-50


def test_a_box_encloses_all_values_in_it() -> None:
    rng = np.random.default_rng(0)
    centre, width = rng.normal(size=4), 0.01

    def f(v: Any, _: Any) -> Any:
        logits = NS.xp.matmul(v.reshape((2, 2)), NS.xp.asarray([[0.5], [-1.5]]))
        return NS.xp.sum(Bernoulli(logits).log_density(1.0)) + Categorical(v).entropy()

    run = BallBackend(96).value_gradient_hessian(f, np.arange(4))
    box = np.array([flint.arb(c, width) for c in centre], dtype=object)
    enclosures = run(box, {})
    for _ in range(20):
        inside = run(centre + width * rng.uniform(-1, 1, 4), {})
        for wide, narrow in zip(enclosures, inside, strict=True):
            assert all(a.contains(b) for a, b in zip(np.ravel(wide), np.ravel(narrow), strict=True))


def test_undecided_comparisons_raise_and_are_never_guessed() -> None:
    x = array(ball(-1, 1), 2.0)
    condition = x > 0.0
    assert isinstance(condition, Kleene)
    for use in (bool, lambda c: c + 1.0, np.asarray, lambda c: NS.xp.astype(c, None)):
        with pytest.raises(UndecidedError, match="1 comparison of overlapping balls cannot be decided"):
            use(condition)
    assert (x[1:] > 0.0).all()
    assert (x[1:] == 2.0).all()
    with pytest.raises(UndecidedError):
        NS.xp.argmax(array(ball(0, 1), ball(0.5, 2)), axis=-1)
    with pytest.raises(UndecidedError):
        NS.xp.sort(array(ball(0, 1), ball(0.5, 2)))
    with pytest.raises(UndecidedError, match="not positive definite"):
        NS.xp.linalg.cholesky(balls(-np.eye(2)))
    with pytest.raises(UndecidedError):
        NS.xp.linalg.inv(array(ball(-1, 1)).reshape((1, 1)))
    with pytest.raises(UndecidedError):  # the derivative of |x| at a ball around 0
        BallBackend().gradient(lambda v, _: abs(v[0]), np.array([0]))(np.array([ball(-1, 1)], dtype=object), {})


def test_kleene_logic() -> None:
    """False and undecided is false, true or undecided is true; the rest stays open."""
    open_ = array(ball(-1, 1)) > 0.0
    yes, no = np.array([True]), np.array([False])
    assert (open_ & no == no).all()
    assert (yes | open_ == yes).all()
    assert isinstance(open_ & yes, Kleene)
    assert isinstance(~(no | open_), Kleene)


def test_where_takes_the_union_of_undecided_branches() -> None:
    x = array(ball(-1, 1), 2.0)
    result = NS.xp.where(x > 0.0, 3.0, 5.0)
    assert result.v[0].contains(3)
    assert result.v[0].contains(5)
    assert result.v[1] == 3


def test_ties_are_no_obstacle_where_any_choice_is_right() -> None:
    """Softmax and Bernoulli of balls that overlap: the pivot cancels."""
    tied = array(ball(-1e-30, 1e-30), ball(-1e-30, 1e-30))
    entropy = Categorical(tied).entropy().v[()]
    assert abs(entropy - flint.arb(2).log()).upper() < 1e-12
    assert Bernoulli(tied).entropy().v[0].contains(flint.arb(2).log())


def test_linear_algebra() -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(2, 3, 3))
    matrix = root @ np.swapaxes(root, -1, -2) + np.eye(3)
    x = balls(matrix)
    xp = namespace(x).xp
    factor = xp.linalg.cholesky(x)
    with flint.ctx.workprec(192):
        for found in (
            xp.matmul(x, xp.linalg.inv(x)) - np.eye(3),
            xp.matmul(factor, xp.matrix_transpose(factor)) - x,
            xp.matmul(x, xp.linalg.solve(x, x)) - x,
        ):
            assert all(one.contains(0) for one in found.v.ravel())
    assert np.all(np.triu(np.frompyfunc(float, 1, 1)(factor.v[0]).astype(float), 1) == 0.0)


@pytest.mark.parametrize("axis", [1, -2, (0, 2), (-1, 1)])
def test_derivatives_are_reversed_with_their_values(axis: int | tuple[int, ...]) -> None:
    """Catches an axis counted from the front, which is another one behind the directions."""

    def f(v: Any, _: Any) -> Any:
        xp = namespace(v).xp
        cube = xp.reshape(v[:, None] * v[None, :] * v[0], (2, 3, 6))
        return xp.sum(xp.flip(cube, axis=axis) * np.arange(36.0).reshape((2, 3, 6)))

    x = np.linspace(0.5, 1.5, 6)
    _, gradient, hessian = BallBackend(128).value_gradient_hessian(f, np.arange(6))(x, {})
    weights = np.flip(np.arange(36.0).reshape((2, 3, 6)), axis=axis).reshape((6, 6))

    def slope(v: np.ndarray) -> np.ndarray:
        """∇ of v₀ Σ W_ij v_i v_j."""
        return v[0] * (weights + weights.T) @ v + np.eye(6)[0] * (v @ weights @ v)

    numeric = np.array(
        [(slope(x + 1e-3 * one) - slope(x - 1e-3 * one)) / 2e-3 for one in np.eye(6)]
    )  # quadratic: exact
    for mine, other in ((gradient, slope(x)), (hessian, numeric)):
        assert np.abs(np.frompyfunc(float, 1, 1)(mine).astype(float) - other).max() <= 1e-9


@pytest.mark.parametrize(
    "name",
    [
        "ppca/exact", "sbn/exact", "deep-sbn-2/exact", "gmm-full/exact", "poisson-mixture/exact", "mfa/exact",
        "vae-2/encoder", "sparse-coding/hermite", "hmm-gaussian/exact", "hmm-categorical/exact",
        "hmm-gaussian/arbitrary", "factorial-hmm/exact", "linear-dynamical-system/exact", "switching-ar/exact",
        "gaussian-process/exact", "random-effects/exact", "experts/arbitrary",
    ],
)  # fmt: skip
def test_gradients_and_hessians_contain_those_of_automatic_differentiation(name: str) -> None:
    rng = np.random.default_rng(2)
    cell = find_cell(name)
    latents = min(2, cell.capacity[2])
    problem = random_sample(cell, cell.model.data.simulate(rng, 6, 3, latents), latents, 3).problem()
    free = np.flatnonzero(problem.free_mask)
    value, gradient, hessian = BallBackend(128).value_gradient_hessian(problem.compiled.of(functions.value), free)(
        problem.vector, problem.fixed
    )
    f, g, h = problem.derivatives(problem.vector)
    assert abs(float(value) - f) <= 1e-13 * (1 + abs(f))
    for mine, other in ((gradient, g[free]), (hessian, h[np.ix_(free, free)])):
        difference = np.abs(np.frompyfunc(float, 1, 1)(mine).astype(float) - other)
        assert difference.max() <= 1e-12 * (1 + np.abs(other).max())
        assert max(float(one.rad()) for one in mine.ravel()) < 1e-30
