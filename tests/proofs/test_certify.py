"""Certificates: what they prove on five kinds of models, and that they prove nothing that is false."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

flint = pytest.importorskip("flint", reason="needs python-flint: pip install 'elbocheck[certify]'")

from elbocheck import decompose, find_stationary_point  # noqa: E402
from elbocheck.bound.compiled import Compiled  # noqa: E402
from elbocheck.bound.factors import Declaration, Factor  # noqa: E402
from elbocheck.bound.problem import Problem  # noqa: E402
from elbocheck.cli import main  # noqa: E402
from elbocheck.errors import DeclarationError, InputError, NotRigorousError, UndecidedError  # noqa: E402
from elbocheck.families import Normal  # noqa: E402
from elbocheck.models import cells, find_cell  # noqa: E402
from elbocheck.models.sample import Sample, random_sample  # noqa: E402
from elbocheck.proofs.certify import (  # noqa: E402
    Certificate,
    certify_sample,
    prove,
    symmetries_of,
    unpadded,
    verified,
)
from elbocheck.proofs.enclosures import Enclosure, Enclosures  # noqa: E402
from elbocheck.proofs.krawczyk import across  # noqa: E402
from elbocheck.report.certificate import _written, above  # noqa: E402

SIZES = {
    "ppca/exact": (12, 3, 2),
    "sbn/exact": (16, 4, 1),
    "gmm-full/exact": (14, 2, 2),
    "gmm-spherical/exact": (14, 2, 2),
    "poisson-mixture/exact": (14, 2, 2),
    "vae-1/encoder": (8, 2, 1),
}
BITS_OF_SBN = (0b0000, 0b1111, 0b0000, 0b1111, 0b0001, 0b1110, 0b0010, 0b1101, 0b0100, 0b1011, 0b1000, 0b0111,
               0b0000, 0b1111, 0b0110, 0b1000)  # fmt: skip
"""Two opposite patterns with every bit flipped now and then, not quite symmetrically: one hidden unit, far from ±∞."""


def data(name: str) -> np.ndarray:
    size, observed, _ = SIZES[name]
    if name.startswith("sbn"):
        return np.array([[(word >> bit) & 1 for bit in range(observed)] for word in BITS_OF_SBN], dtype=float)
    rng = np.random.default_rng(5)
    if name.startswith("poisson"):
        return rng.poisson(np.where(np.arange(size)[:, None] % 2, [2.0, 9.0], [8.0, 3.0])).astype(float)
    return find_cell(name).model.data.simulate(rng, size, observed, SIZES[name][2])


@cache
def sample(name: str, seed: int = 0) -> Sample:
    return random_sample(find_cell(name), data(name), SIZES[name][2], seed)


@cache
def certificate(name: str) -> Certificate:
    return certify_sample(sample(name))


def problem(name: str) -> Problem:
    return unpadded(sample(name)).problem()


@pytest.mark.parametrize("name", SIZES)
def test_a_stationary_point_and_the_theorem_there_are_proved(name: str) -> None:
    """Residuals below 1e-30 around 0 everywhere; a true stationary point; F − S − δ below 1e-25 around 0 there."""
    found = certificate(name)
    assert found.holds
    residuals = [*found.start, *(one for proof in found.proofs for one in proof.residuals)]
    assert all(one.residual.contains_zero and one.residual.radius <= 1e-30 for one in residuals)
    assert max(abs(one.gap.middle) for one in found.start) > 1e-3, "the start should not be stationary"
    assert all(one.contains_zero and one.radius <= 1e-40 for one in found.symmetries)
    proofs = [proof for proof in found.proofs if proof.proved]
    for proof in proofs:
        assert proof.gap is not None
        assert proof.gap.contains_zero
        assert proof.gap.radius <= 1e-25
        assert proof.radius < proof.unique <= 1e-24
        assert proof.inertia is not None
        assert proof.inertia.positive + proof.inertia.negative == proof.free
        assert proof.inertia.zero == proof.pinned == len(found.symmetries)
    assert any(proof.inertia is not None and proof.inertia.kind == "maximum" for proof in proofs)


def test_kinds_and_values_agree_with_the_closed_form_of_ppca() -> None:
    """log σ² and F of a maximum from the eigenvalues of the sample covariance (THEORY section 6)."""
    x = data("ppca/exact")
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    noise = float(values[0])
    elbo = -0.5 * float(np.sum(np.log(values[1:])) + np.log(noise) + 3 * np.log(2 * np.pi) + 3)
    best = max(certificate("ppca/exact").proofs, key=lambda proof: proof.elbo.middle if proof.elbo else -np.inf)
    assert best.elbo is not None
    assert best.elbo.middle == pytest.approx(elbo, rel=1e-12)


def test_saddles_are_proved_too() -> None:
    kinds = [p.inertia.kind for p in certificate("ppca/exact").proofs if p.proved and p.inertia is not None]
    assert "saddle" in kinds


def with_factors(base: Problem, change: Callable[[Factor], Factor]) -> Problem:
    """The problem with every declared factor changed; F follows what is declared."""
    bound = base.compiled.bound

    def declare(params: Mapping[str, Any], fixed: Mapping[str, Any]) -> Declaration:
        declaration = bound.declare(params, fixed)
        return replace(declaration, factors=tuple(change(factor) for factor in declaration.factors))

    return base.with_compiled(Compiled(replace(bound, declare=declare), base.compiled.backend))


@dataclass(frozen=True)
class OffByLittle(Normal):
    """A normal distribution whose entropy is wrong by 1e-14."""

    def entropy(self) -> Any:
        return super().entropy() + 1e-14


def test_an_error_of_1e_minus_14_is_rejected_by_balls_and_not_by_float64() -> None:
    def change(factor: Factor) -> Factor:
        if factor.name != "x":
            return factor
        return replace(factor, distribution=OffByLittle(factor.distribution.mean, factor.distribution.variance))

    wrong = with_factors(problem("ppca/exact"), change)
    by_float = {term.label: abs(term.residual) <= term.rounding for term in decompose(wrong).factors}
    assert by_float == {"z": True, "x": True}
    by_balls = {one.label: one for one in Enclosures(wrong).residuals(wrong.vector)}
    assert by_balls["z"].holds
    assert not by_balls["x"].holds
    # the factor has three dimensions
    assert by_balls["x"].residual.middle == pytest.approx(3e-14, rel=1e-9)


def test_a_wrong_beta_is_rejected() -> None:
    def change(factor: Factor) -> Factor:
        return factor if factor.beta is None else replace(factor, beta={k: 0.5 * b for k, b in factor.beta.items()})

    wrong = with_factors(problem("ppca/exact"), change)
    z, x = Enclosures(wrong).residuals(wrong.vector)
    assert z.holds
    assert not x.holds


def test_a_factor_without_a_closed_form_is_not_certified() -> None:
    open_ = with_factors(problem("ppca/exact"), lambda factor: replace(factor, beta=None, rescaling=None))
    with pytest.raises(NotRigorousError, match="'z' has no β in closed form"):
        Enclosures(open_).residuals(open_.vector)


@pytest.mark.parametrize("name", ["ppca/exact", "gmm-spherical/exact", "vae-1/encoder"])
def test_a_point_that_is_not_stationary_is_not_proved(name: str) -> None:
    base, symmetries = problem(name), symmetries_of(find_cell(name))
    far = prove(base, symmetries, refine=False)
    assert not far.proved
    assert far.gap is None
    stationary = find_stationary_point(base).problem
    assert not prove(stationary, symmetries, refine=False).proved, "float64 is further away than the boxes reach"
    moved = stationary.at(stationary.vector + 1e-20 + 1e-5 * stationary.unit_vector * stationary.free_mask)
    near = prove(moved, symmetries, refine=False)
    assert not near.proved
    assert re.search("not stationary: Newton's method would move the point by|singular on the slice", near.reason)


def test_without_declared_symmetries_no_point_is_isolated() -> None:
    point = find_stationary_point(problem("gmm-spherical/exact")).problem
    found = prove(point)
    assert not found.proved
    assert "no point is isolated" in found.reason
    assert prove(point, symmetries_of(find_cell("gmm-spherical/exact"))).proved


def test_a_wrong_symmetry_is_refused() -> None:
    base = Enclosures(problem("gmm-spherical/exact"))
    with pytest.raises(DeclarationError, match="declared symmetry 0 is none"):
        verified(base, lambda params: ({"logits": params["logits"] * 0.0 + np.array([1.0, 0.0])},))
    ppca = Enclosures(problem("ppca/exact"))
    with pytest.raises(DeclarationError, match="declared symmetry 0 is none"):  # not a rotation, its sum with a shear
        verified(ppca, lambda params: ({"loadings": params["loadings"][:, ::-1] * np.array([1.0, 1.0])},))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("hmm-categorical/exact", 1 + 2 + 2),
        ("mfa/exact", 1 + 2),
        ("categorical-mixture/exact", 1 + 2 * 2),
        ("multinomial-mixture/exact", 1 + 2),
        ("gmm-tied/free", 1 + 4),
    ],
)
def test_symmetries_declared_elsewhere_hold(name: str, count: int) -> None:
    cell, rng = find_cell(name), np.random.default_rng(0)
    small = unpadded(random_sample(cell, cell.model.data.simulate(rng, 4, 2, 2), 2, 0)).problem()
    found = verified(Enclosures(small), symmetries_of(cell))
    assert len(found) == count
    assert max(one.size for one in found) <= 1e-40


def test_dependent_symmetries_pin_one_coordinate_only() -> None:
    """The same generator twice is one; a generator that vanishes at a point pins nothing."""
    twice = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    found = across(np.array([flint.arb(0)] * 3, dtype=object), np.frompyfunc(flint.arb, 1, 1)(twice.astype(object)))
    assert len(found.pinned) == len(found.generators) == 1
    assert found.pinned[0] in (0, 1)


def test_cells_outside_are_refused_with_a_reason() -> None:
    outside = next(cell for cell in cells() if cell.out_of_scope and cell.model.data.continuous)
    rng = np.random.default_rng(0)
    drawn = random_sample(outside, outside.model.data.simulate(rng, 4, 2, 1), 1, 0)
    with pytest.raises(InputError, match="out of the theorem's scope"):
        certify_sample(drawn)
    angles = random_sample(find_cell("von-mises-mixture/exact"), rng.uniform(-3, 3, (4, 2)), 2, 0)
    with pytest.raises(NotRigorousError, match="von Mises"):
        certify_sample(angles)
    with pytest.raises(InputError, match="between 128 and 4096 bits; got 20"):
        certify_sample(sample("ppca/exact"), bits=20)


def test_enclosures_hold_their_midpoint_s_rounding() -> None:
    with flint.ctx.workprec(192):
        third = Enclosure.of(flint.arb(1) / 3)
    assert 1e-18 < third.radius < 1e-16
    assert not third.contains_zero
    assert Enclosure.of(flint.arb(0, 1)).contains_zero
    assert Enclosure.of(flint.arb("nan")).radius == np.inf
    assert Enclosure.of(flint.arb(0.5)).radius == 0.0
    with flint.ctx.workprec(1500):  # narrower, and nearer to 0, than any float
        narrow = Enclosure.of(flint.arb("1e-400"))
        around = Enclosure.of(flint.arb(0, 1) * flint.arb("1e-400"))
    assert (narrow.contains_zero, around.contains_zero) == (False, True)
    assert narrow.radius > 0.0
    assert around.radius > 0.0


@pytest.mark.parametrize("size", ["2.42e-55", "1.28e-54", "9.99e-3", "1", "0.25"])
def test_printed_bounds_are_rounded_up(size: str) -> None:
    assert Decimal(above(float(size))) >= Decimal(float(size)) >= Decimal(above(float(size))) / 2
    with flint.ctx.workprec(192):
        third = _written(Enclosure.of(flint.arb(1) / 3), 3)
    middle, radius = third.split(" ± ")
    assert abs(Fraction(middle) - Fraction(1, 3)) <= Fraction(radius) <= Fraction(1, 1000)


def test_nothing_left_to_train_is_no_crash() -> None:
    """All parameters frozen, or all pinned by one symmetry: what is left is proved, or said to be singular."""
    one = random_sample(find_cell("exponential-mixture/exact"), np.array([[1.0], [2.0]]), 1, 0)
    for frozen in (("log_rates",), ("logits", "log_rates")):
        held = unpadded(replace(one, frozen=frozen)).problem()
        assert prove(held, symmetries_of(one.cell)).free == 0


def test_too_few_bits_are_told_from_points_that_are_not_stationary() -> None:
    assert "use more bits" in prove(problem("ppca/exact"), symmetries_of(sample("ppca/exact").cell), bits=64).reason


def test_truncated_posteriors_are_decided() -> None:
    """No state is compared with itself, which no precision decides."""
    cell = find_cell("gmm-tied/truncated")
    drawn = random_sample(cell, cell.model.data.simulate(np.random.default_rng(0), 12, 2, 3), 3, 0)
    problem = unpadded(drawn).problem()
    assert all(one.holds for one in Enclosures(problem).residuals(problem.vector))


def test_undecided_comparisons_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def undecided(*_: Any) -> None:
        raise UndecidedError("two balls overlap")

    monkeypatch.setattr("elbocheck.runs.proofs.certify_sample", undecided)
    assert main(["certify", "ppca"]) == 1
    assert capsys.readouterr().err == "elbocheck: nothing is proved: two balls overlap\n"


def test_the_command_line_prints_80_columns_and_writes_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "certificate.json"
    assert main(["certify", "poisson-mixture/exact", "--data", "horse_kicks", "--json", str(path)]) in (0, 1)
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "The identity at every point" in out
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["name"] == "poisson-mixture/exact"
    assert record["identity"] is True
    assert record["start"][0]["residual"]["radius"] <= 1e-30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown model 'nothing'"),
        (["ppca", "--posterior", "nothing"], "unknown cell 'ppca/nothing'"),
        (["ppca", "--json", "/nowhere/x.json"], "cannot write"),
        (["ppca", "--latents", "99"], "--latents 99 goes with --data"),
        (["ppca/exact", "--posterior", "full"], "names a posterior already; --posterior full is another one"),
        (["ppca", "--bits", "3"], "between 128 and 4096 bits; got 3"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
