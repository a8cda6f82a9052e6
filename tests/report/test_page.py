"""The HTML report: self-contained, complete, and safe whatever a user's target is called or says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from elbocheck import cli
from elbocheck.outcome import Outcome, Result
from elbocheck.report.charts import FLOOR, MOST_POINTS, card, scatter, thinned
from elbocheck.report.page import nats, render
from elbocheck.report.scales import Scale, decades, linear
from elbocheck.runs.rows import Report, Row
from elbocheck.training.snapshots import PointRecord, Share, Snapshot
from support.processes import elbocheck
from support.report_rows import row as made

EVIL = """<script>document.title="broken into"</script>"&'><img src=x onerror=alert(1)>"""


def training(names: tuple[str, ...] = ("z", "x")) -> tuple[Snapshot, ...]:
    """Training that ends with F = S."""
    steps = []
    for step in range(6):
        gap = 10.0 ** (-3 * step)
        shares = tuple(Share(name, 0.7 + 0.1 * step, gap / 2, gap / 2, 0.0) for name in names)
        entropies = sum(share.entropy for share in shares)
        steps.append(Snapshot(step, 0.3 - entropies + gap, 0.3, shares, gap, 3 * gap + 1e-12))
    return tuple(steps)


def rows(name: str = "sbn", message: str = "factor x deviates") -> list[Row]:
    theorem = made(name, "exact", "iris", "stationary", elbo=-1.0, entropy_sum=-1.0, delta=0.0)
    theorem.records = (
        PointRecord("maximum", 1e-15, 2e-15, 1e-12, 3.0),
        PointRecord("saddle", 0.0, 0.0, 1e-12, 3.0),
        PointRecord("degenerate", 1e-12, 1e-14, 4e-12, 3.0),
    )
    theorem.training = training()
    theorem.tally.inertia = {"maximum": 2, "saddle": 1, "degenerate": 1}
    theorem.tally.points, theorem.tally.problems = 4, 3
    control = made(name, "exact", "random", "control: true entropies", problems=2, least_gap=0.5)
    control.records = (PointRecord("control", 1e-14, 0.5, 1e-12, 3.0), PointRecord("control", 1.0, 0.5, 3.0, 3.0))
    broken = made(name, "bad", "random", "every point", problems=3)
    broken.tally.add(Result("every point", "p", Outcome.VIOLATED, gap=0.5, bound=1e-12, message=message))
    return [theorem.close(0.5), control.close(0.1), broken.close(2.0), made(name, "x", "random", "scope").close(0.0)]


def page(*found: Row) -> str:
    return render(Report(tuple(found or rows()), "jax", "float64"), 3.0, "profile quick, seed 0", "today")


class Structure(HTMLParser):
    """Tags with their attributes, and all text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str, style: str = "") -> int:
        return (
            sum(found == tag and style in (values.get("class") or "").split() for found, values in self.tags)
            if (style)
            else sum(found == tag for found, _ in self.tags)
        )


def test_the_page_says_everything() -> None:
    found = Structure(page())
    assert "1 row violated, 0 with too much inconclusive: 4 stationary points of 3 problems verified" in found.text
    assert "sbn/bad on random, every point violated factor x deviates" in found.text
    assert "3 of 3 verified points lie under their own bound" in found.text
    assert "1 of 2 negative controls lie above it" in found.text
    assert found.count("tr") == 1 + len(rows())
    assert found.count("circle", "maximum") - 1 == found.count("circle", "saddle") - 1 == 1  # and one in the legend
    assert found.count("circle", "step") - 1 == len(training())
    assert found.count("path", "control") - 1 == 2
    assert [values["aria-label"] for tag, values in found.tags if tag == "svg" and "role" in values][-1] == (
        "2 maximum, 1 saddle, 1 other"
    )
    assert re.search("F − S: 1 at the start, [0-9.]+e−1[56] at the end", found.text)


def test_a_run_that_holds_has_no_failures() -> None:
    found = Structure(page(*(row for row in rows() if row.outcome == Outcome.HOLDS.value)))
    assert "✓ ELBO = entropy sum" in found.text
    assert "What failed" not in found.text


def test_the_page_needs_nothing_else() -> None:
    text = page()
    found = Structure(text)
    assert {tag for tag, values in found.tags if {"src", "href"} & set(values)} == {"link"}
    assert re.findall(r"https?://|@import|url\(", text) == []
    policy = next(values["content"] for tag, values in found.tags if "http-equiv" in values)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not any("style" in values or any(name.startswith("on") for name in values) for _, values in found.tags)


@pytest.mark.parametrize(
    "place",
    [
        "target",
        "posterior",
        "data",
        "check",
        "message",
        "factor",
        "kind",
        "arguments",
        "explanation",
        "known",
        "replay",
    ],
)
def test_what_a_target_says_is_text(place: str) -> None:
    """Names and messages are shown as they are, and add no element to the page."""
    row = rows()[2]
    if place == "factor":
        row.training = training(("z", EVIL))
    elif place == "kind":
        row.tally.inertia = {EVIL: 1}
        row.records = (PointRecord(EVIL, 1e-15, 1e-15, 1e-12, 1.0),)
    elif place in ("replay", "explanation", "known"):
        setattr(row.failure, place, EVIL)
    elif place == "message":
        row.said = EVIL
    elif place != "arguments":
        setattr(row, place, EVIL)
    text = render(Report((row,), "jax", "float64"), 1.0, EVIL if place == "arguments" else "quick")
    found = Structure(text)
    assert found.count("script") == 1
    assert found.count("img") == 0
    assert not any(name.startswith("on") for _, values in found.tags for name in values)
    assert "broken into" in text or place == "kind"
    assert EVIL not in text


def test_a_replay_line_is_shown_where_a_row_has_one() -> None:
    row = rows()[2]
    row.failure.replay = "elbocheck replay case.json"
    assert Structure(page(row)).count("pre", "replay") == 1
    assert Structure(page()).count("pre", "replay") == 0


def test_a_target_without_catalogue_has_its_own_sentence() -> None:
    fine = made("coin", "", "target", "value", problems=3)
    broken = made("coin", "", "target", "fit", problems=3, outcome="violated", explanation="VIOLATED <b>", known="")
    known = made("coin", "", "target", "scale", problems=3, outcome="violated", message="off by N", known="issue 7")
    found = Structure(render(Report((fine, broken, known), "target", "float64"), 3.0, "quick"))
    assert "✗ coin: 1 of 3 checks failed, 1 known; 3 s" in found.text
    assert "coin, fit violated VIOLATED <b>" in found.text
    assert "coin, scale known Known: issue 7" in found.text
    assert "stationary points verified" not in found.text
    declared = Structure(render(Report((fine, known), "target", "float64"), 3.0, "quick", code=0))
    assert "✓ coin: all of 2 checks hold, 1 known; 3 s" in declared.text
    nothing = Structure(render(Report((), "target", "float64"), 3.0, "quick", code=2))
    assert "✗ nothing could be verified" in nothing.text


def test_a_missing_extra_is_refused_before_computing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a computation was started")

    monkeypatch.setattr("elbocheck.runs.pool.run", refuse)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["verify", "--html", str(tmp_path / "report.html")]) == 2
    error = capsys.readouterr().err
    assert error == (
        "elbocheck: an HTML report needs Jinja2, which is not installed; pip install 'elbocheck[report]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "--html", "no/such/folder/report.html"]) == 2
    assert "cannot write the report" in capsys.readouterr().err


@pytest.mark.xdist_group("poisson-mixture/table")
def test_verify_writes_the_page_and_the_same_points_as_json(tmp_path: Path) -> None:
    command = ["verify", "--model", "poisson-mixture", "--data", "horse_kicks", "--workers", "1"]
    outputs = ["--html", str(tmp_path / "report.html"), "--json", str(tmp_path / "report.json")]
    assert elbocheck(*command, *outputs, folder=tmp_path).returncode == 0
    found = Structure((tmp_path / "report.html").read_text(encoding="utf-8"))
    (tmp_path / "plain").touch()
    assert (tmp_path / "report.html").stat().st_mode == (tmp_path / "plain").stat().st_mode  # others may read it, too
    cells = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["cells"]
    theorem = [cell for cell in cells if cell["check"] == "stationary"]
    points = [point for cell in theorem for point in cell["records"]]
    assert len(points) == sum(cell["points"] for cell in theorem) > 0
    for point in points:
        assert point["gap"] <= point["bound"]
        assert point["bound"] >= point["beta"] * point["gradient"]
    assert f"{len(points)} of {len(points)} verified points lie under their own bound" in found.text
    trained = [cell for cell in theorem if cell["posterior"] != "arbitrary"]
    assert all(cell["training"] for cell in trained)
    for cell in trained:
        first, last = cell["training"][0], cell["training"][-1]
        assert first["elbo"] < last["elbo"]
        assert gap(last) <= last["bound"] < 1e-9 < gap(first) <= first["bound"]
        assert last["elbo"] == pytest.approx(cell["elbo"], abs=1e-9)


def gap(step: dict[str, Any]) -> float:
    """|F − S − δ| from the terms that the JSON report lists."""
    entropies = sum(share["entropy"] - share["delta"] for share in step["factors"])
    return abs(float(step["elbo"] - step["entropy_q"] + entropies))


def test_a_cell_without_gap_or_points_can_be_drawn() -> None:
    one = replace(training()[0], elbo=-1.1, factors=(Share("x", 1.4, 0.0, 0.0, 0.0),), gradient=0.0, bound=0.0)
    row = made("gmm", "exact", "iris", "stationary", training=(one,))
    assert "gmm/exact" in page(row)
    assert scatter([made("gmm", "exact", "iris", "stationary")]) is None
    assert Structure(page(made("gmm", "exact", "iris", "stationary"))).count("circle") == 0


def test_columns_of_entropies_end_where_they_should() -> None:
    row = made("m", "q", "iris", "stationary", training=training())
    _, entropies, _ = card(row).panels
    ends = {bar.style: re.findall(r"M[\d.]+ ([\d.]+)h[\d.]+V([\d.]+)", bar.path) for bar in entropies.bars}
    for (q_begin, q_end), (z_begin, z_end), (x_begin, x_end) in zip(
        ends["q"], ends["factor0"], ends["factor1"], strict=True
    ):
        assert q_begin == z_begin  # zero: one goes up from there, the other down
        assert z_end == x_begin
        assert float(q_end) < float(q_begin) < float(z_end) < float(x_end)


def test_the_scatter_keeps_the_points_nearest_to_their_bounds() -> None:
    records = tuple(PointRecord("maximum", 1e-14, 1e-18 * k, 1e-12, 1.0) for k in range(2 * MOST_POINTS))
    named = [("m/q on random", "stationary", one) for one in records]
    kept = thinned(named)
    assert len(kept) == len({id(one) for *_, one in kept}) == MOST_POINTS
    assert {id(one) for one in records[-MOST_POINTS // 3 :]} <= {id(one) for *_, one in kept}
    drawn = scatter([made("m", "q", "random", "stationary", records=records)])
    assert drawn is not None
    assert (drawn.points, drawn.drawn, drawn.above) == (2 * MOST_POINTS, MOST_POINTS, 0)


def test_points_above_their_bounds_are_counted() -> None:
    records = (PointRecord("maximum", 1e-14, 1e-3, 1e-12, 1.0), PointRecord("maximum", 1e-14, 1e-15, 1e-12, 1.0))
    found = scatter([made("m", "q", "random", "stationary", records=records)])
    assert found is not None
    assert (found.points, found.above) == (2, 1)
    assert (
        "1 of 2 verified points lie under" in Structure(page(made("m", "q", "r", "stationary", records=records))).text
    )


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        (Scale(-6.4, -2.5, 0, 1), ["−6", "−5", "−4", "−3"]),
        (Scale(0.0, 0.1, 0, 1), ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10"]),
        (Scale(-1096.0, -1094.0, 0, 1), ["−1096.0", "−1095.5", "−1095.0", "−1094.5", "−1094.0"]),
        (Scale(1e-12, 1e1, 0, 1, logarithmic=True), ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "1"]),
    ],
)
def test_ticks_are_round_numbers(scale: Scale, labels: list[str]) -> None:
    assert [tick.label for tick in scale.ticks()] == labels


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0], [float("nan"), 1.0], [-1e9, 1e9], [1e-300, 1e300]])
def test_scales_of_strange_values_have_ticks_inside(values: list[float]) -> None:
    for scale in (linear(values, 100.0, 0.0), decades(values, 100.0, 0.0, FLOOR)):
        assert all(0.0 <= tick.at <= 100.0 for tick in scale.ticks())
        assert all(0.0 <= scale(value) <= 100.0 for value in (0.0, -1.0, 1e30))


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0"), (-3e-15, "−3.0e−15"), (0.5, "0.5"), (-1095.28, "−1095"), (2.5e7, "2.5e+07")],
)
def test_numbers_for_people(value: float | None, text: str) -> None:
    assert nats(value) == text


def test_a_log_has_no_trailing_blanks_and_no_colours() -> None:
    import io

    from rich.console import Console

    from elbocheck.report.terminal import print_report

    found = [row for row in rows() if row.check != "every point"]
    found.append(made("sbn", "exact", "iris", "every point"))
    console = Console(file=io.StringIO(), width=80)
    print_report(console, Report(tuple(found), "jax", "float64"), 1.0)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Real data" in text
    assert "Negative controls" in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
    assert "\x1b" not in text
