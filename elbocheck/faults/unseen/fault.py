"""An unseen fault: one line of a target, and what a right reading of it may name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from elbocheck.faults.fault import Fault, Kind

TARGETS = "elbocheck.faults.unseen.targets"
"""The package with the correct code, one file for each target."""
SEED = "elbocheck unseen 1"
"""Of the split into halves; another one would be another split, and the half that is not looked at would be seen."""


@dataclass(frozen=True)
class Unseen:
    """A fault with the answer to the question what is wrong."""

    fault: Fault
    """The line that is replaced."""

    places: tuple[str, ...]
    """Names that a right reading may blame: factors, penalties, "q" (the variational distribution or its entropy), "KL"
    (a divergence, whichever of its two parts it is filed under), "data" (rows of the data), "training", "" (the bound
    as a whole)."""

    words: str
    """A regular expression that is found, without regard of case, in a reading that names the mistake."""

    @property
    def id(self) -> str:
        """Target and name."""
        return f"{self.fault.model}: {self.fault.name}"

    @property
    def half(self) -> Literal["A", "B"]:
        """The half it lies in, by a stable hash of its id."""
        return "A" if hashlib.sha256(f"{SEED} {self.id}".encode()).digest()[0] % 2 == 0 else "B"


def unseen(model: str, name: str, kind: Kind, places: str, sentence: str, old: str, new: str, words: str) -> Unseen:
    """A fault of a target; `places` separated by commas."""
    where = tuple(one.strip() for one in places.split(","))
    first = where[0] if where[0] not in ("KL", "data", "training") else ""
    return Unseen(Fault(model, name, kind, first, sentence, old, new, folder=TARGETS), where, words)
