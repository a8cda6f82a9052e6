"""`certify --all`: what is proved of cells, what cannot be and why, and that a false statement is an error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("flint", reason="needs python-flint: pip install 'elbocheck[certify]'")

from elbocheck import cli
from elbocheck import models as catalogue
from elbocheck.errors import Interrupted
from elbocheck.models import find_cell
from elbocheck.proofs.certify import Certificate
from elbocheck.proofs.enclosures import Enclosure
from elbocheck.runs import proofs as every
from elbocheck.runs.proofs import Proven, of_certificate, prove_cell
from support.pretended import killed

PROVED, LOOSE = "poisson-mixture/exact", "negative-binomial-mixture/exact"


def outside() -> str:
    """The name of a cell that the theorem does not cover."""
    return next(cell.name for cell in catalogue.cells() if cell.out_of_scope)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    found, _ = every.first_proof(every.random_problems(find_cell(PROVED), 0), 192)
    return found


def test_a_proof_has_a_radius_and_an_enclosure(certificate: Certificate) -> None:
    found = of_certificate(certificate, 1.0)
    assert found.proved
    assert not found.false
    assert found.radius < 1e-24
    assert found.gap is not None
    assert found.gap.contains_zero
    assert found.gap.size < 1e-24
    assert found.kind in ("maximum", "saddle")


def test_an_interval_that_excludes_zero_is_false(certificate: Certificate) -> None:
    """Planted: F − S − δ = 1e-20 at a stationary point, which float64 would take for 0."""
    index = next(i for i, one in enumerate(certificate.proofs) if one.proved)
    gap = certificate.proofs[index].gap
    assert gap is not None
    off = replace(gap, text="1e-20", middle=1e-20, contains_zero=False)
    proofs = [replace(one, gap=off) if i == index else one for i, one in enumerate(certificate.proofs)]
    assert of_certificate(replace(certificate, proofs=tuple(proofs)), 1.0).false


def test_reasons_why_nothing_is_proved() -> None:
    assert "not rigorous" in prove_cell(LOOSE).reason
    assert "outside the theorem" in prove_cell(outside()).reason
    assert prove_cell(PROVED, seconds=0.01).reason == "not finished after 0.01 s"


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], certificate: Certificate
) -> None:
    monkeypatch.setattr(catalogue, "cells", lambda: (find_cell(PROVED), find_cell(LOOSE)))
    monkeypatch.setattr(every, "first_proof", lambda *_: (certificate, 0))
    file = tmp_path / "proofs.json"
    assert cli.main(["certify", "--all", "--workers", "1", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "2 of 2 cells proved" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    first = json.loads(file.read_text(encoding="utf-8"))["cells"][0]
    assert (first["cell"], first["proved"], first["false"]) == (PROVED, True, False)
    off = Enclosure.of(__import__("flint").arb("1e-20", "1e-30"))
    false = replace(certificate, proofs=tuple(replace(one, gap=off) for one in certificate.proofs))
    monkeypatch.setattr(every, "first_proof", lambda *_: (false, 0))
    assert cli.main(["certify", "--all", "--workers", "1"]) == 1
    assert "FALSE" in capsys.readouterr().out


def test_what_is_finished_survives_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], certificate: Certificate
) -> None:
    def prove(name: str, *_: object) -> Proven:
        if name == LOOSE:
            raise Interrupted(2)
        return of_certificate(certificate, 1.0)

    monkeypatch.setattr(catalogue, "cells", lambda: (find_cell(PROVED), find_cell(LOOSE), find_cell(PROVED)))
    monkeypatch.setattr(every, "prove_cell", prove)
    file = tmp_path / "proofs.json"
    assert cli.main(["certify", "--all", "--workers", "1", "--json", str(file)]) == 130
    printed = capsys.readouterr()
    assert "1 of 1 cells proved" in printed.out
    assert f"interrupted; {file} keeps what had finished" in " ".join(printed.err.split())
    assert [one["cell"] for one in json.loads(file.read_text(encoding="utf-8"))["cells"]] == [PROVED]


def test_a_worker_that_is_killed_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every, "prove_cell", killed)
    heard: list[Proven] = []
    found = every.prove_all([PROVED, LOOSE], 2, heard.append)
    assert [one.cell for one in found] == [PROVED, LOOSE]
    assert {one.reason for one in (*found, *heard)} == {"a worker process was killed"}
    assert not any(one.proved for one in found)


def test_workers_prove_the_same() -> None:
    names = [PROVED, LOOSE, outside()]
    heard: list[Proven] = []
    many = every.prove_all(names, 2, heard.append)
    assert sorted(one.cell for one in heard) == sorted(names)
    assert [replace(one, seconds=0.0) for one in many] == [
        replace(one, seconds=0.0) for one in every.prove_all(names, 1)
    ]


@pytest.mark.parametrize("name", ["sbn/mean-field", "deep-sbn-3/exact", "vae-2/encoder", "vae-symbols/encoder"])
def test_cells_with_symmetries_of_their_own_are_proved(name: str) -> None:
    """Catches a symmetry that is no longer declared: then no point is isolated."""
    found = prove_cell(name)
    assert found.proved, found.reason
    assert not found.false


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "certify takes a MODEL, or --all"),
        (["ppca", "--all"], "certify takes a MODEL, or --all"),
        (["--all", "--data", "iris"], "--data does not go with --all"),
        (["--all", "--latents", "2"], "--latents does not go with --all"),
        (["ppca", "--workers", "2"], "--workers goes with --all"),
        (["ppca", "--timeout", "9"], "--timeout goes with --all"),
        (["--all", "--workers", "0"], "--workers must be at least 1; got 0"),
        (["--all", "--timeout", "0"], "--timeout must lie between 1 and 86400 seconds; got 0"),
        (["--all", "--timeout", "nan"], "--timeout must lie between 1 and 86400 seconds; got nan"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["certify", *arguments]) == 2
    assert message in capsys.readouterr().err
