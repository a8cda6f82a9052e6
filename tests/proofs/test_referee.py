"""Ball arithmetic as referee: two backends that differ, and the interval says which is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

flint = pytest.importorskip("flint", reason="needs python-flint: pip install 'elbocheck[certify]'")

from elbocheck import decompose  # noqa: E402
from elbocheck.backends import get_backend  # noqa: E402
from elbocheck.backends.batch import Batch  # noqa: E402
from elbocheck.checks import agreement  # noqa: E402
from elbocheck.families import Bernoulli  # noqa: E402
from elbocheck.models import cells, find_cell  # noqa: E402
from elbocheck.models.sample import Cell  # noqa: E402
from elbocheck.outcome import Outcome  # noqa: E402
from elbocheck.proofs import appeal  # noqa: E402
from elbocheck.proofs.referee import enclosed, referee, verdict  # noqa: E402
from support.oracle_tools import by_cell, draw  # noqa: E402

FAULT = 1e-10
SHOWN = ("sbn/exact", "gmm-full/exact", "poisson-mixture/exact", "ppca/exact", "hmm-gaussian/exact", "vae-1/encoder")


def test_the_nearest_float_is_found() -> None:
    with flint.ctx.workprec(192):
        third = flint.arb(1) / 3
        near, far = 1 / 3, float(np.nextafter(1 / 3, 1.0))
        found = verdict("a third", third, {"near": near, "far": far, "lost": float("nan")})
        assert found.nearest == "near"
        assert found.errors["near"] < found.errors["far"] < found.errors["lost"] == np.inf
        assert verdict("a third", third, {"one": near, "same": near}).nearest == ""


@by_cell([cell for cell in cells() if cell.name in SHOWN])
def test_both_backends_lie_within_their_bounds_of_the_truth(cell: Cell) -> None:
    problem = draw(cell, (5, 3, min(2, cell.capacity[2]))).problem()
    found = {"jax": decompose(problem), "numpy": decompose(problem.on(get_backend("numpy")))}
    verdicts = referee(problem, found)
    assert verdicts
    for one in verdicts:
        for name, error in one.errors.items():
            bound = found[name].gradient_rounding if one.what.endswith("∇F") else found[name].elbo_rounding
            assert error <= bound, (one.what, name)


@pytest.mark.parametrize(
    ("wrong", "method", "data"),  # sizes for which nothing else has compiled a program
    [("numpy", "entropy", 6), ("numpy", "log_density", 7), ("jax", "entropy", 8), ("jax", "log_density", 9)],
)
def test_the_backend_with_a_planted_fault_is_named(
    monkeypatch: pytest.MonkeyPatch, wrong: str, method: str, data: int
) -> None:
    """Larger than the bounds of both; the ball's own evaluation of the formula is left as it is."""
    import jax

    honest, array = getattr(Bernoulli, method), Batch if wrong == "numpy" else jax.Array

    def faulty(self: Bernoulli, *arguments: Any) -> Any:
        value = honest(self, *arguments)
        return value + FAULT if isinstance(self.logits, array) else value

    monkeypatch.setattr(Bernoulli, method, faulty)
    cell = find_cell("sbn/arbitrary")
    problem = draw(replace(cell, capacity=(data, 3, 2)), (data, 3, 2)).problem()
    result = agreement(problem, get_backend("numpy"), appeal)
    assert result.outcome is Outcome.VIOLATED
    right = "jax" if wrong == "numpy" else "numpy"
    assert f"; {right} is nearer" in result.message


def test_models_that_balls_cannot_compute_are_said_to_be() -> None:
    from elbocheck.errors import NotRigorousError
    from elbocheck.proofs.referee import appeal

    problem = draw(find_cell("von-mises-mixture/exact"), (5, 2, 2)).problem()
    with pytest.raises(NotRigorousError):
        enclosed(problem)
    assert "cannot say which is right" in appeal(problem, {"jax": decompose(problem)})
