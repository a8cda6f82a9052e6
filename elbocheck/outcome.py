"""Outcomes of checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Diagnosis:
    """What is at fault, as far as it can be told.

    `kind`: "value", "entropy", "gradient", "training", "scale", "sign" or "data"; `factor`, `component`: where, "q" for
    the variational distribution, empty and None if it is the whole bound or cannot be told; `suspect`: the usual
    mistake of exactly that size, empty if none is; `sentence`: all that for people.
    """

    kind: str
    factor: str = ""
    component: int | None = None
    suspect: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Claim:
    """What the theorem says of a factor, or of factors that only together have a β (THEORY section 9).

    `covered`: F = S + δ holds for them at every stationary point; else `reason` says why not, and at a stationary point
    their gap is δ + `rest`, where `rest` = gap − δ − β·∇F is taken here; nats per datum, times the weights.
    `rounding`: of `rest`.
    """

    factors: tuple[str, ...]
    covered: bool
    reason: str = ""
    rest: float = 0.0
    rounding: float = 0.0

    @property
    def label(self) -> str:
        return " + ".join(self.factors)

    @property
    def sentence(self) -> str:
        """What is claimed, without the name."""
        if self.covered:
            return "covered: F = S + δ at stationary points"
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
    """What one check found on one problem.

    `gap`, `bound`: the deviation that was judged and its computed bound, nats per datum, where gap / bound was
    largest; `relative`: that deviation over Σ|terms|. `points`: how many parameter points were verified; `kinds`:
    inertia of each of them; `power`: the smallest error, nats per datum, that would have been seen in every term that
    was judged, which is the largest of their bounds; `attempts`: reasons of searches that were not certified.
    `message`: for people, naming the factor; empty if the check holds; `note`: what explains a result that holds;
    `at`: the parameters that were judged (P,), where they are not the problem's own;
    `diagnosis`: of one that does not; `claims`: what the theorem says of each factor, apart from the verdict.
    """

    check: str
    problem: str
    outcome: Outcome
    gap: float = 0.0
    bound: float = 0.0
    relative: float = 0.0
    points: int = 1
    kinds: tuple[str, ...] = ()
    attempts: tuple[str, ...] = ()
    message: str = ""
    gradient_norm: float = 0.0
    power: float = 0.0
    note: str = ""
    at: tuple[float, ...] = ()
    diagnosis: Diagnosis | None = None
    claims: tuple[Claim, ...] = ()

    @property
    def ratio(self) -> float:
        """|gap| / bound: at most 1 where the check holds."""
        if self.bound > 0.0:
            return self.gap / self.bound
        return 0.0 if self.gap == 0.0 else float("inf")
