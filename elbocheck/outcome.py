"""Outcomes of checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from elbocheck.profiles import MOST_INCONCLUSIVE


@dataclass(frozen=True)
class Diagnosis:
    """What is at fault, as far as it can be told."""

    kind: str
    """ "value", "entropy", "gradient", "training", "scale", "sign" or "data"."""

    factor: str = ""
    """Where: its name, "q" for the variational distribution, empty for the whole bound or if it cannot be told."""

    component: int | None = None
    """Of the factor; None if it concerns all, or cannot be told."""

    suspect: str = ""
    """The usual mistake of exactly that size, empty if none is."""

    sentence: str = ""
    """All that, for people."""

    others: tuple[str, ...] = ()
    """Where else it may be, if several explanations fit equally well; as `factor`."""


@dataclass(frozen=True)
class Claim:
    """What the theorem says of a factor, or of factors that only together have a β (THEORY section 9)."""

    factors: tuple[str, ...]
    """Names."""

    covered: bool
    """Whether F = S + δ holds for them at every stationary point."""

    reason: str = ""
    """Why not; empty if it does."""

    rest: float = 0.0
    """gap − δ − β·∇F at the point where it was taken, times the weights, nats per datum.

    At a stationary point the gap of factors that are not covered is δ + `rest`.
    """

    rounding: float = 0.0
    """Bound on the rounding error of `rest`."""

    @property
    def label(self) -> str:
        return " + ".join(self.factors)

    @property
    def sentence(self) -> str:
        """What is claimed, without the name."""
        if self.covered:
            return "covered: F = S + δ at stationary points"
        if not self.rest:  # S keeps what it is
            return f"outside: {self.reason}"
        return f"outside: {self.reason}; F − S − δ there is not 0, and {self.rest:+.3g} nats per datum here"

    def __str__(self) -> str:
        return f"{self.label} {self.sentence}"


class Outcome(StrEnum):
    """The only words in which elbocheck judges."""

    HOLDS = "holds"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"
    OUT_OF_SCOPE = "out of scope"


@dataclass(frozen=True)
class Result:
    """What one check found on one problem; sizes in nats per datum."""

    check: str
    """Name in the table of checks."""

    problem: str
    """Label of the problem."""

    outcome: Outcome
    """The verdict."""

    gap: float = 0.0
    """The deviation that was judged, the one whose ratio to its bound was largest."""

    bound: float = 0.0
    """The computed bound of that deviation."""

    relative: float = 0.0
    """The largest deviation over the Σ|terms| behind it."""

    points: int = 1
    """How many parameter points were verified."""

    kinds: tuple[str, ...] = ()
    """Inertia of each of them: "maximum", "saddle", …"""

    attempts: tuple[str, ...] = ()
    """ "origin: reason" of searches that were not certified."""

    message: str = ""
    """For people, naming the factor; empty if the check holds."""

    gradient_norm: float = 0.0
    """‖∇F‖ in natural units, the largest of the points; 0 where it was not needed."""

    power: float = 0.0
    """The smallest error that would have been seen in every term that was judged: the largest of their bounds."""

    note: str = ""
    """What explains a result that holds."""

    at: tuple[float, ...] = ()
    """The parameters that were judged (P,), where they are not the problem's own; else empty."""

    diagnosis: Diagnosis | None = None
    """What is at fault in a result that does not hold, where it was asked for."""

    claims: tuple[Claim, ...] = ()
    """What the theorem says of each factor, apart from the verdict."""

    @property
    def ratio(self) -> float:
        """|gap| / bound: at most 1 where the check holds."""
        if self.bound > 0.0:
            return self.gap / self.bound
        return 0.0 if self.gap == 0.0 else float("inf")

    @property
    def reading(self) -> str:
        """What is wrong, by how much and where, as far as it can be told; empty for a check that does not reject."""
        return "" if self.diagnosis is None else self.diagnosis.sentence


@dataclass
class Worst:
    """The largest numbers of many results, nats per datum."""

    gap: float = 0.0
    """The deviation whose ratio to its bound was largest."""

    bound: float = 0.0
    """The bound of that deviation."""

    ratio: float = 0.0
    """`gap` / `bound`; at most 1 where all hold."""

    relative: float = 0.0
    """Deviation over Σ|terms|."""

    gradient: float = 0.0
    """The largest ‖∇F‖, in natural units."""

    power: float = 0.0
    """The smallest error that would have been seen in every problem."""

    problem: str = ""
    """Label of the problem whose ratio it is."""


@dataclass
class Tally:
    """Many results of one check, counted; nothing inconclusive is dropped, and too much of it is an outcome."""

    problems: int = 0
    """Results that were counted."""

    points: int = 0
    """Verified parameter points."""

    inconclusive: int = 0
    """Those without verdict, for rounding or for want of a certified point."""

    out_of_scope: int = 0
    """Those that the theorem says nothing about."""

    outcome: str = Outcome.HOLDS.value
    """The worst so far; that too much was inconclusive is judged by `judged`."""

    message: str = ""
    """Of the first result that does not hold, of the first violation if there is one."""

    inertia: dict[str, int] = field(default_factory=dict)
    """Kind of point -> how many."""

    searches_without_certificate: dict[str, int] = field(default_factory=dict)
    """Reason -> how many."""

    worst: Worst = field(default_factory=Worst)
    """Over all of them."""

    claims: tuple[str, ...] = ()
    """What the theorem says of each factor, each label once."""

    open: tuple[str, ...] = ()
    """Problem and reason of the first results that are neither a verdict for nor against."""

    @classmethod
    def of(cls, results: Iterable[Result]) -> Tally:
        """Of these results."""
        tally = cls()
        for result in results:
            tally.add(result)
        return tally

    def add(self, result: Result) -> None:
        """Count one result."""
        worst = self.worst
        self.problems += 1
        self.points += result.points
        self.inertia = dict(Counter(self.inertia) + Counter(result.kinds))
        reasons = Counter(attempt.split(": ", 1)[1].split(":")[0] for attempt in result.attempts)
        self.searches_without_certificate = dict(Counter(self.searches_without_certificate) + reasons)
        worst.power = max(worst.power, result.power)
        worst.gradient = max(worst.gradient, result.gradient_norm)
        worst.relative = max(worst.relative, result.relative)
        known = {one.split(":")[0] for one in self.claims}
        self.claims += tuple(str(one) for one in result.claims if str(one).split(":")[0] not in known)
        if result.outcome is Outcome.INCONCLUSIVE:
            self.inconclusive += 1
        elif result.ratio >= worst.ratio:
            worst.gap, worst.bound, worst.ratio, worst.problem = result.gap, result.bound, result.ratio, result.problem
        self.out_of_scope += result.outcome is Outcome.OUT_OF_SCOPE
        if result.outcome in (Outcome.INCONCLUSIVE, Outcome.OUT_OF_SCOPE) and len(self.open) < MOST_SHOWN:
            self.open += (f"{result.problem}: {result.outcome.value}, {result.message}",)
        if result.outcome is not Outcome.HOLDS and not self.message:
            self.message = result.message
        if result.outcome is Outcome.VIOLATED and self.outcome != Outcome.VIOLATED.value:
            self.outcome, self.message = Outcome.VIOLATED.value, result.message
        if result.outcome is Outcome.OUT_OF_SCOPE and self.outcome == Outcome.HOLDS.value:
            self.outcome = Outcome.OUT_OF_SCOPE.value

    def merged(self, other: Tally) -> Tally:
        """Of the problems of both, each judged already, to be judged anew."""
        one, two = self.worst, other.worst
        wrong = [tally for tally in (self, other) if tally.outcome == Outcome.VIOLATED.value]
        outside = Outcome.OUT_OF_SCOPE.value
        found = Tally(
            self.problems + other.problems,
            self.points + other.points,
            self.inconclusive + other.inconclusive,
            self.out_of_scope + other.out_of_scope,
            Outcome.VIOLATED.value if wrong else outside if outside in (self.outcome, other.outcome) else "holds",
            wrong[0].message if wrong else self.message or other.message,
            dict(Counter(self.inertia) + Counter(other.inertia)),
            dict(Counter(self.searches_without_certificate) + Counter(other.searches_without_certificate)),
            replace(one if one.ratio >= two.ratio else two),
            tuple(dict.fromkeys(self.claims + other.claims)),
            (self.open + other.open)[:MOST_SHOWN],
        )
        for name in ("relative", "gradient", "power"):
            setattr(found.worst, name, max(getattr(one, name), getattr(two, name)))
        return found

    @property
    def undecided(self) -> int:
        """Problems without verdict, for whatever reason."""
        return self.inconclusive + self.out_of_scope

    def require_conclusive(self) -> None:
        """Raises `AssertionError`, with the reasons, if more than `MOST_INCONCLUSIVE` of the problems are undecided."""
        if not self.problems:
            raise AssertionError("no problem was drawn")
        if self.undecided > MOST_INCONCLUSIVE * self.problems:
            reasons = "\n".join(f"  {reason}" for reason in self.open)
            raise AssertionError(
                f"{self.undecided} of {self.problems} problems without verdict, allowed {MOST_INCONCLUSIVE:.0%}:\n"
                f"{reasons}"
            )

    def judged(self) -> Tally:
        """Itself, inconclusive if too many of its problems are, and without a message if all is well."""
        if self.outcome == Outcome.HOLDS.value and self.inconclusive > MOST_INCONCLUSIVE * self.problems:
            self.outcome = Outcome.INCONCLUSIVE.value
        if self.outcome == Outcome.HOLDS.value:
            self.message = ""
        return self


MOST_SHOWN = 10
"""Reasons that a tally keeps word by word."""
