"""`elbocheck verify --html`: one page with everything a run found, that needs no other file and no network.

Everything on it may come from a user's target, so the template escapes all of it, and the page's own script and style
are the only ones that its content security policy lets run.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass
from importlib import resources

from elbocheck import __version__
from elbocheck.backends import require
from elbocheck.errors import harmless
from elbocheck.outcome import Outcome
from elbocheck.report.charts import card, scatter
from elbocheck.report.terminal import power, summary
from elbocheck.runs.rows import Report, Row

ORDER = ("violated", "inconclusive", "known", "out of scope", "holds")
"""The worst first."""
KINDS = ("maximum", "saddle", "other")


def check_available() -> None:
    """Raises `MissingExtraError` where the page cannot be written, before anything is computed."""
    require("jinja2", "an HTML report needs Jinja2", "report")


@dataclass(frozen=True)
class Line:
    """One row of the table of cells."""

    row: Row
    """From which it is made."""

    check: str
    """Name of the check; "control" for all controls."""

    gap: float | None
    """The worst of the row, of what must have a gap the smallest; nats per datum, None if there is none."""

    bound: float | None
    """Of that gap; None where it must exceed any."""

    kinds: tuple[int, int, int]
    """How many (maxima, saddles, other points) the row found."""

    @property
    def name(self) -> str:
        return f"{self.row.target}/{self.row.posterior}" if self.row.posterior else self.row.target

    @property
    def outcome(self) -> str:
        """The row's outcome; "known" for violations that were declared."""
        return "known" if self.row.failure.known and self.row.outcome == Outcome.VIOLATED.value else self.row.outcome

    @property
    def rank(self) -> int:
        """Place of the outcome in the order of urgency."""
        return ORDER.index(self.outcome)


def line(row: Row) -> Line:
    """What the table shows of a row: of a control its smallest gap, and no bound, since it must exceed any."""
    control = row.check.startswith("control")
    smallest = control or row.check == "scope"
    return Line(
        row,
        "control" if control else row.check,
        row.least_gap if smallest else row.tally.worst.gap,
        None if smallest else row.tally.worst.bound,
        kinds(row),
    )


def kinds(row: Row) -> tuple[int, int, int]:
    """(maxima, saddles, other points) that a row found."""
    counts = Counter(row.tally.inertia)
    maxima, saddles = counts["maximum"], counts["saddle"]
    return maxima, saddles, counts.total() - maxima - saddles


def sentence(report: Report, seconds: float) -> str:
    """One sentence for the top of the page."""
    if report.rows and any(row.check == "stationary" or row.check.startswith("control") for row in report.rows):
        return summary(report, seconds)
    names = ", ".join(dict.fromkeys(row.target for row in report.rows))
    bad = sum(line(row).outcome in ORDER[:2] for row in report.rows)
    known = sum(line(row).outcome == "known" for row in report.rows)
    if not report.rows:
        return f"nothing could be verified; {seconds:.0f} s"
    verdict = f"{bad} of {len(report.rows)} checks failed" if bad else f"all of {len(report.rows)} checks hold"
    return f"{names}: {verdict}{f', {known} known' if known else ''}; {seconds:.0f} s"


def render(report: Report, seconds: float, arguments: str, written: str = "", code: int | None = None) -> str:
    """The page as text.

    `arguments`: what was run, in words; `written`: when, for the head line; `code`: the exit code of the run, by
    default that of the report.
    """
    check_available()
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("elbocheck.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda one: type(one)(harmless(one)) if isinstance(one, str) else one,
    )
    environment.filters["nats"] = nats
    environment.filters["count"] = lambda number: f"{number:,}".replace(",", " ")  # a narrow space
    css, script = (_own(name) for name in ("page.css", "page.js"))
    theorem = [row for row in report.rows if row.check == "stationary"]
    controls = [row for row in report.rows if row.check.startswith("control")]
    lines = sorted((line(row) for row in report.rows), key=lambda one: one.rank)
    outcomes = Counter(one.outcome for one in lines)
    return environment.get_template("page.html.j2").render(
        version=__version__,
        report=report,
        failed=bool(report.exit_code if code is None else code),
        arguments=arguments,
        written=written,
        summary=sentence(report, seconds),
        power=power(report) if any(row.tally.worst.power for row in theorem) else "",
        seconds=seconds,
        outcomes=[(one, outcomes[one]) for one in ORDER if outcomes[one]],
        problems=sum(row.tally.problems for row in theorem),
        theorem=bool(theorem),
        control_problems=sum(row.tally.problems for row in controls),
        open=sum(row.tally.inconclusive for row in theorem),
        kinds=list(zip(KINDS, map(sum, zip(*(kinds(row) for row in theorem), strict=True)), strict=True))
        if theorem
        else [],
        failures=[
            one for one in lines if (one.row.message or one.row.failure.explanation) and one.outcome in ORDER[:3]
        ],
        lines=lines,
        checks=sorted({one.check for one in lines}),
        cards=[card(row) for row in report.rows if row.training],
        scatter=scatter(report.rows),
        css=Markup(css),
        script=Markup(script),
        hashes={"css": digest(css), "script": digest(script)},
    )


def _own(name: str) -> str:
    return resources.files("elbocheck.report").joinpath(name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """A source expression of the content security policy: the only text that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def nats(value: float | None, digits: int = 4) -> str:
    """A number of nats for people: small ones by their power of ten, others with `digits` digits."""
    if value is None:
        return "–"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.1e}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")
