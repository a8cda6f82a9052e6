"""Is a reading right? A grade for a diagnosis, from its fields alone and what is known of the fault.

right           it blames the right place and nothing else, and it names the mistake or says nothing false of it:
                without a suspect it gives the place and the size only. Of a wrong gradient: it says that only the
                gradient is
                wrong, and names the factor or the block; of training: it says that training is at fault
partly          the right place among several; or the right place with a mistake that is not the one made; or the right
                mistake without a place
wrong           it blames another part, or names a mistake that was not made without the right place; it takes a wrong
                value for a wrong gradient or wrong training, or the other way round
does not know   it blames nothing and names nothing, or says that it cannot tell
"""

from __future__ import annotations

import re
from enum import StrEnum

from elbocheck.faults.unseen.fault import Unseen
from elbocheck.outcome import Diagnosis

APART = ("gradient", "training")
"""Kinds of diagnosis that send people to other code than that of the value."""
UNKNOWN = re.compile(
    r"does not know|not known|unknown|cannot be told|cannot tell|can't tell|could not be told|no usual"
)
"""What a reading says that knows it knows nothing."""
NO_SUSPECTS = ("", "a constant")
"""Suspects that claim no mistake: that a deviation is the same at every point is how it was measured."""
MENTIONS = (
    re.compile(r"\b(?:factors?|penalt(?:y|ies)) ([^\s:,.;()]+)"),
    re.compile(
        r"\b(?:factors?|penalt(?:y|ies)) [^\s:,.;()]+(?:,? (?:or|and) (?:of )?(?:factor |penalty )?)([^\s:,.;()]+)"
    ),
    re.compile(r"2π[^.;:]*? of ([^\s:,.;()]+) or of "),
    re.compile(r" or of ([^\s:,.;()]+)"),
)
OF_Q = re.compile(r"\bentropy of q\b|\bH\[q|\bhow q enters\b|(?<!KL of )\bq\(")
OF_KL = re.compile(r"\bKL\b")
OF_ROWS = re.compile(
    r"\b(?:rows?|datum|data) (?:is|are|was|were)\b|\b(?:lost|repeated|dropped|shuffled) (?:rows?|data)\b"
)


class Grade(StrEnum):
    """How good a reading is."""

    RIGHT = "right"
    PARTLY = "partly"
    WRONG = "wrong"
    UNKNOWN = "does not know"


def blamed(found: Diagnosis) -> set[str]:
    """The names of what a diagnosis blames: its factor, and what its sentence names besides."""
    names = {one for one in re.split(r"\s*(?:,|\+|\bor\b|\band\b)\s*", found.factor) if one}
    for pattern in MENTIONS:
        names |= {one for one in pattern.findall(found.sentence) if one not in ("of", "the", "its", "all")}
    if OF_Q.search(found.sentence):
        names.add("q")
    if OF_KL.search(f"{found.suspect} {found.sentence}"):
        names.add("KL")
    if found.kind == "data" and OF_ROWS.search(found.sentence):
        names.add("data")
    return names


def names_the_mistake(fault: Unseen, found: Diagnosis) -> bool:
    """Whether what is said, apart from the names of parts, mentions the mistake."""
    said = found.sentence
    for pattern in MENTIONS[:1]:
        said = pattern.sub(" ", said)
    return re.search(fault.words, f"{found.suspect} {said}", re.IGNORECASE) is not None


def judge(fault: Unseen, found: Diagnosis | None) -> Grade:
    """The grade of a reading; none at all does not know."""
    if found is None or not (found.kind or found.sentence):
        return Grade.UNKNOWN
    names, places = blamed(found), set(fault.places)
    of_kind = fault.fault.kind
    if found.kind in APART or of_kind in APART:
        if found.kind != of_kind:
            return Grade.WRONG
        said = of_kind == "training" or names & places or names_the_mistake(fault, found)
        return Grade.RIGHT if said else Grade.WRONG
    if "KL" in names and "KL" in places:
        names -= {"q"}  # a divergence is said to be of q
        names = {"KL"} | (names & places)
    elif "KL" in names:
        names -= {"KL"} if names & places else set()
    named, claims = names_the_mistake(fault, found), found.suspect not in NO_SUSPECTS
    if not names:
        if UNKNOWN.search(found.sentence) or not claims:
            return Grade.RIGHT if "" in places and named else Grade.UNKNOWN
        if named:
            return Grade.RIGHT if "" in places else Grade.PARTLY
        return Grade.WRONG
    if not names & places:
        return Grade.WRONG
    if names - places:
        return Grade.PARTLY
    return Grade.RIGHT if named or not claims else Grade.PARTLY
