"""The unseen faults: targets that hold, a split that stays, a judge that can say every grade."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from elbocheck import Target, check_target
from elbocheck.commands.faults import faults_command
from elbocheck.faults.fault import lines
from elbocheck.faults.unseen import __main__ as command
from elbocheck.faults.unseen import run
from elbocheck.faults.unseen.catalogue import FAULTS, MODELS, OF_TORCH, of_half, problem
from elbocheck.faults.unseen.fault import Unseen
from elbocheck.faults.unseen.judge import Grade, judge
from elbocheck.faults.unseen.run import Reading, read, totals
from elbocheck.outcome import Diagnosis

SAMPLE = (
    "bayes_linear: prior not over N",
    "lda: padding counted",
    "mixture_em: counts − 1",
    "map_decay: decay twice",
    "zero_inflated: gradient of zeros",
    "hmm: transposed transitions",
    "sparse_gp: no trace term",
    "vae_sampled: no Jacobian",
)
BY_ID = {one.id: one for one in FAULTS}


def needed(model: str) -> None:
    if model in OF_TORCH:
        pytest.importorskip("torch")


def test_the_catalogue_is_large_enough() -> None:
    assert len(FAULTS) >= 130
    assert len(MODELS) >= 22
    assert len(BY_ID) == len(FAULTS)
    assert {one.fault.kind for one in FAULTS} >= {"value", "entropy", "gradient", "training", "scale", "sign", "data"}
    assert all(one.places and one.words and len(one.fault.sentence) > 10 for one in FAULTS)


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.id)
def test_a_fault_is_one_line(one: Unseen) -> None:
    before, after = lines(one.fault)
    assert before != after


@pytest.mark.parametrize("model", MODELS)
def test_correct_targets_hold(model: str) -> None:
    needed(model)
    report = check_target(Target(model, [problem(model)]), on_fail="report")
    assert report.exit_code == 0, [one.result.message for one in report.failures if one.result]


@pytest.mark.parametrize("name", SAMPLE)
def test_faults_are_rejected(name: str) -> None:
    one = BY_ID[name]
    needed(one.fault.model)
    assert read(FAULTS.index(one)).rejected


SAID = {
    "gamma_poisson: entropy sign": ("q", "sign: (1 − a) ψ(a) in the entropy of q(lambda)"),
    "lda: normaliser sign": ("q", "sign: the log normaliser A in the entropy of q(theta)"),
    "lda: prior concentration": ("theta", "E log u under q (an exponent off by one), lost"),
    "gamma_regression: E log τ whole": ("y", "½ E log u under q, too much"),
    "vae_full: no trace": ("z", "missing: the trace ½ tr Σ in the KL divergence"),
    "bayes_linear: D forgotten": ("w", "multiple 1 / 3 (dimensions of w): the log-partition A"),
    "beta_vae: no 2 in Laplace": ("x", "log 2 per dimension, lost"),
}
"""Faults of half A -> where, and what a reading calls it."""


@pytest.mark.parametrize("name", SAID)
def test_a_term_that_is_written_out_is_named(name: str) -> None:
    one = BY_ID[name]
    assert one.half == "A"
    needed(one.fault.model)
    found = read(FAULTS.index(one)).found
    assert found is not None
    assert (found.factor, found.suspect) == SAID[name]


def test_the_split_is_stable() -> None:
    """It hangs on the names alone: what is added or reordered moves no other fault."""
    sizes = Counter(one.half for one in FAULTS)
    assert set(sizes) == {"A", "B"}
    assert min(sizes.values()) >= 60
    assert {*of_half("A"), *of_half("B")} == set(FAULTS)
    pinned = {"bayes_linear: no spread": "B", "kalman: a for a²": "A", "gp_exact: no such fault": None}
    assert {name: BY_ID[name].half for name in pinned if name in BY_ID} == {k: v for k, v in pinned.items() if v}


PLANTED = BY_ID["bayes_linear: no spread"]
DIVERGENCE = BY_ID["vae_full: no trace"]
GRADIENT = BY_ID["map_decay: gradient of decay"]
GRADES = [
    (PLANTED, Diagnosis("value", "y", None, "missing: the variance", "factor y: missing: the variance"), Grade.RIGHT),
    (PLANTED, Diagnosis("value", "y", None, "", "factor y: differs by 0.3"), Grade.RIGHT),
    (PLANTED, Diagnosis("value", "y", None, "twice: log 2π", "factor y: twice: log 2π"), Grade.PARTLY),
    (PLANTED, Diagnosis("value", "y", None, "trace", "the trace in factor y or factor w"), Grade.PARTLY),
    (PLANTED, Diagnosis("value", "w", None, "missing: the variance", "factor w: missing: the variance"), Grade.WRONG),
    (PLANTED, Diagnosis("entropy", "q", None, "", "the entropy of q, or how q enters: off by 1"), Grade.WRONG),
    (PLANTED, Diagnosis("gradient", "y", None, "", "the gradient of m is wrong"), Grade.WRONG),
    (PLANTED, Diagnosis("value", "", None, "", "cannot be told"), Grade.UNKNOWN),
    (PLANTED, Diagnosis("value", "", None, "a constant", "a constant of 1"), Grade.UNKNOWN),
    (PLANTED, Diagnosis("scale", "", None, "× N", "the whole bound is multiplied by N"), Grade.WRONG),
    (PLANTED, None, Grade.UNKNOWN),
    (DIVERGENCE, Diagnosis("entropy", "q", None, "σ²", "KL of q(z): σ² is missing"), Grade.RIGHT),
    (DIVERGENCE, Diagnosis("entropy", "q", None, "", "the entropy of q: differs by 0.3"), Grade.WRONG),
    (GRADIENT, Diagnosis("gradient", "", None, "twice", "the gradient of w is twice that of the decay"), Grade.RIGHT),
    (GRADIENT, Diagnosis("value", "decay", None, "twice", "factor decay: twice"), Grade.WRONG),
]


@pytest.mark.parametrize(("fault", "found", "grade"), GRADES)
def test_the_judge_grades_planted_readings(fault: Unseen, found: Diagnosis | None, grade: Grade) -> None:
    assert judge(fault, found) is grade


def test_totals_count_rejections_and_grades() -> None:
    own = [FAULTS.index(one) for one in of_half("A")[:3]]
    found = [Reading(own[0], "value", None, Grade.RIGHT, 0.0), Reading(own[1], "", None, None, 0.0)]
    found.append(Reading(FAULTS.index(of_half("B")[0]), "value", None, Grade.WRONG, 0.0))
    assert totals("A", found).sentence == (
        "half A: 2 faults, 1 rejected; readings: right 1, partly 0, wrong 0, does not know 0"
    )


def test_the_half_that_is_only_counted_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Reading(i, "value", Diagnosis("value", sentence="planted"), Grade.WRONG, 0.0) for i in range(len(FAULTS))]
    monkeypatch.setattr(run, "readings", lambda half, workers: iter(found))
    monkeypatch.setattr(run, "holds", lambda model: model != "hmm")
    assert command.main(["--half", "both", "--verbose", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert all((f"{one.id}:" in out) == (one.half == "A") for one in FAULTS)
    assert "half B" in out
    assert "correct targets hold: not hmm" in out


def test_the_command_prints_the_totals(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`elbocheck faults --catalogue unseen`: kills, readings, correct targets; a rejected target is an error."""
    chosen = [0, *(FAULTS.index(of_half(half)[1]) for half in ("A", "B"))]
    found = [Reading(i, "value", None, Grade.UNKNOWN, 0.0) for i in chosen]
    monkeypatch.setattr(run, "readings", lambda half, workers: iter(found))
    for rejected in ("", "hmm"):
        monkeypatch.setattr(run, "holds", lambda model, rejected=rejected: model != rejected)
        file = tmp_path / "totals.json"
        assert faults_command(file, "unseen") == bool(rejected)
        text = capsys.readouterr().out
        assert all(len(line) <= 80 for line in text.splitlines())
        assert f"not {rejected}" in text if rejected else "correct targets hold\n" in text
        written = json.loads(file.read_text(encoding="utf-8"))["unseen"]
        assert written["rejected_targets"] == [rejected][: bool(rejected)]
        assert sum(one["grades"]["does not know"] for one in written["totals"]) == 3
