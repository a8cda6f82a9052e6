"""`elbocheck explain`: at 80 columns, with numbers that add up to what they are said to be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elbocheck import cli
from elbocheck.models import find_cell
from elbocheck.models.datasets import load, real_sample
from elbocheck.report.explain import lines
from elbocheck.report.plot import draw
from elbocheck.runs.explain import explain, sample_for
from elbocheck.training.snapshots import Share, Snapshot

NUMBER = r"(−?\d+\.\d+|−?\d+e[−+-]\d+|0(?!\.))"


def numbers(text: str) -> list[float]:
    return [float(word.replace("−", "-")) for word in re.findall(rf"(?<![\w(]){NUMBER}(?!\w)", text)]


def after(text: str, start: str) -> list[float]:
    """The numbers of the lines that begin like this, in order."""
    return [number for line in text.splitlines() if line.startswith(f"    {start} ") for number in numbers(line)]


@pytest.fixture(scope="module")
def shown() -> str:
    sample = real_sample(find_cell("poisson-mixture/exact"), load("horse_kicks"), 2, 0)
    return "\n".join(lines(explain(sample, "horse_kicks", 280)))


@pytest.mark.xdist_group("poisson-mixture/table")
def test_it_fits_80_columns_and_says_what_runs(shown: str) -> None:
    assert max(map(len, shown.splitlines())) < 80
    assert "poisson-mixture/exact: Poisson mixture; q: exact posterior" in shown
    assert "N = 280 (5 distinct), D = 1, K = 2" in shown


@pytest.mark.xdist_group("poisson-mixture/table")
def test_the_terms_add_up(shown: str) -> None:
    entropy_q, both = after(shown, "H[q]")[:2]
    prior, prior_entropy = after(shown, "E log p(z)")[:2]
    density, entropy = after(shown, "E log p(x)")[:2]
    elbo, entropy_sum = after(shown, "F")[:2]
    assert entropy_q == both
    assert entropy_q + prior + density == pytest.approx(elbo, abs=3e-6)
    assert entropy_q + prior_entropy + entropy == pytest.approx(entropy_sum, abs=3e-6)
    gap, slope, delta, off, rounding = after(shown, "x")[:5]
    assert gap == pytest.approx(density - entropy, abs=3e-6)
    assert gap == pytest.approx(slope + delta, abs=3e-6)
    assert off <= rounding < 1e-11
    assert abs(delta) > 0.1


@pytest.mark.xdist_group("poisson-mixture/table")
def test_it_ends_at_a_stationary_point(shown: str) -> None:
    assert "At the stationary point that it ends in, a maximum:" in shown
    steps = [line.split() for line in shown.splitlines() if re.match(r" +\d+ +−\d", line)]
    assert steps[0][0] == "0"
    assert float(steps[-1][-1].replace("−", "-")) < 1e-9 < 1e-2 < float(steps[0][-1].replace("−", "-"))
    gap, slope, delta, *_ = after(shown, "x")[5:]
    assert abs(slope) < 1e-9
    assert gap == pytest.approx(delta, abs=1e-6)
    assert "F = S + δ, with δ = 0.000673" in " ".join(shown.split())


@pytest.mark.xdist_group("ppca/moments")
def test_a_model_out_of_scope_says_why_and_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "ppca/unit"]) == 0
    out = capsys.readouterr().out
    assert "no β scales this factor: nothing is predicted" in out
    assert "The theorem does not cover this model: the prior is fixed" in " ".join(out.split())
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bsn"], "unknown model 'bsn'"),
        (["sbn/nothing"], "'sbn/nothing': sbn has exact, mean-field, arbitrary, bad"),
        (["sbn", "--data", "iris"], "binary data (0 or 1) are needed"),
        (["sbn", "--plot", "sbn.bmp"], "the name must end in one of .png, .svg, .pdf"),
        (["sbn", "--plot", "no/such/folder/sbn.png"], "no such folder"),
    ],
)
def test_bad_usage_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a computation was started")

    monkeypatch.setattr("elbocheck.runs.explain.explain", refuse)
    assert cli.main(["explain", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_plot_without_matplotlib_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["explain", "sbn", "--plot", str(tmp_path / "sbn.png")]) == 2
    assert capsys.readouterr().err == (
        "elbocheck: a plot needs Matplotlib, which is not installed; pip install 'elbocheck[report]'\n"
    )


@pytest.mark.parametrize("name", ["sbn", "sbn/mean-field", "gmm-full", "lda", "sbn/bad"])
def test_every_model_has_something_to_be_explained_on(name: str) -> None:
    sample, data, rows = sample_for(name, None, None, 0)
    assert sample.cell.name.startswith(name)
    assert rows >= sample.sizes[0]
    assert ("random" in data) == (name in ("lda", "sbn/bad"))


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_plot_shows_the_training_and_nothing_of_the_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
) -> None:
    """Bytes change with a gap and not with the date, so that a plot under version control changes with its model."""

    def drawn(date: int, first: float) -> bytes:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(date))
        steps = [
            Snapshot(k, -2.0 + gap, 0.3, (Share("z", 0.7, gap, gap, 0), Share("x", 1.6, 0, 0, 0)), gap, 2 * gap + 1e-12)
            for k, gap in enumerate([first, 0.1, 0.001, 0.0])
        ]
        draw(steps, "a model", tmp_path / f"plot{suffix}")
        return (tmp_path / f"plot{suffix}").read_bytes()

    assert drawn(0, 1.0) == drawn(10**9, 1.0) != drawn(0, 0.9)


def test_a_dark_plot_has_other_colours_and_the_same_lines(tmp_path: Path) -> None:
    steps = [
        Snapshot(k, -2.0 + gap, 0.3, (Share("z", 0.7, gap, gap, 0),), gap, 1.0) for k, gap in enumerate([1.0, 0.0])
    ]
    texts = []
    for dark in (False, True):
        draw(steps, "a model", tmp_path / "plot.svg", dark)
        texts.append((tmp_path / "plot.svg").read_text(encoding="utf-8"))
    assert "#ffffff" not in texts[1]
    assert "#0d1117" not in texts[0]
    paths = [re.findall(r' d="([^"]*)"', text) for text in texts]
    assert paths[0] == paths[1]
