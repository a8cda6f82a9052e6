"""Does a program print what a page shows? Words exactly, numbers as far as the processor's rounding lets them agree.

Pages (docs/blocks.py) and tests compare with `difference` and with nothing else. Of two numbers at the same place

    at rounding level, below 1e-9 or below the bound of their row   must both be so; sign and exponent are noise
    a bound: below a heading `bound` or `rounding`, after `bound`   must have the same order of magnitude
    whole numbers                                                   must be equal
    others                                                          must agree to 1e-4 or to the last printed digit ± 1

Seconds, versions and the names of cases are not compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

ROUNDING = 1e-9
LARGEST_ROUNDING = 1e-6
"""Larger bounds are no rounding: a row of training says `bound 3e-01`, and its gap must be right all the same."""
FACTOR = 10.5
RELATIVE = 1e-4
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)")
HEADING = re.compile(r"\b(?:bound|rounding)\b")
BEFORE_A_BOUND = re.compile(r"\b(?:bound(?: of)?|an error of|one of)\s+$")
IGNORED = (
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s*s\b"), "# s"),
    (re.compile(r"\b(elbocheck|Python|numpy|jax|torch)(\s+)\d+\.[\w.]*\w"), r"\1\2#"),
    (re.compile(r"-[0-9a-f]{8}\.json"), "-#.json"),
    (re.compile("[─━]+"), "─"),
)


@dataclass(frozen=True)
class Number:
    """A number as it was printed, whether it is a bound, and below what it would be a rounding error."""

    text: str
    is_bound: bool = False
    rounding: float = ROUNDING

    @property
    def value(self) -> float:
        """What was printed."""
        return float(self.text)

    @property
    def whole(self) -> bool:
        """Written without a point and an exponent."""
        return self.text.lstrip("+-").isdigit()

    @property
    def unit(self) -> float:
        """One unit of the last printed digit; 0 where that says nothing: for `0e+00`, and for `0.5`, which is exact."""
        digits, _, exponent = self.text.partition("e")
        decimals = len(digits.partition(".")[2])
        if exponent:
            return 10.0 ** (int(exponent) - decimals) if self.value else 0.0
        return 10.0**-decimals if decimals > 2 or len(digits.lstrip("+-0.").replace(".", "")) > 2 else 0.0

    @property
    def tiny(self) -> bool:
        """Possibly nothing but rounding."""
        return abs(self.value) <= self.rounding

    def agrees(self, other: Number, drawn: bool) -> bool:
        """Whether both can be the same number on two machines; `drawn`: from problems that Hypothesis drew anew."""
        one, two = self.value, other.value
        if drawn and self.whole and other.whole:
            return True
        if (self.is_bound or other.is_bound) and not drawn:
            return one == two or (min(one, two) > 0 and max(one, two) <= FACTOR * min(one, two))
        if self.tiny and other.tiny:
            return True
        if self.whole and other.whole:
            return one == two
        unit = 1.001 * min(self.unit, other.unit)
        return abs(one - two) <= max(unit, RELATIVE * max(abs(one), abs(two)))


Token = str | Number


def numbers(line: str, headings: list[tuple[int, int]], before: str) -> list[tuple[tuple[int, int], Number]]:
    """The numbers of a line and where they are; `before` is what stands before the line."""
    found = [(one.span(), one[0]) for one in NUMBER.finditer(line)]
    bounds = [
        any(begin < end and start < stop for start, end in headings)
        or BEFORE_A_BOUND.search(before + line[:begin]) is not None
        for (begin, stop), _ in found
    ]
    sizes = [float(text) for (_, text), is_bound in zip(found, bounds, strict=True) if is_bound]
    rounding = max([ROUNDING, *(size for size in sizes if size <= LARGEST_ROUNDING)])
    return [(span, Number(text, bound, rounding)) for (span, text), bound in zip(found, bounds, strict=True)]


def tokens(text: str) -> list[Token]:
    """Words and numbers of a text, without what is not compared."""
    text = text.replace("−", "-")
    for pattern, instead in IGNORED:
        text = pattern.sub(instead, text)
    headings: list[tuple[int, int]] = []
    found: list[Token] = []
    before = ""
    for line in text.splitlines():
        if not line.strip():
            headings = []
        elif HEADING.search(line) and NUMBER.search(line) is None:
            headings = [one.span() for one in HEADING.finditer(line)]
        position = 0
        for (begin, end), number in numbers(line, headings, before):
            found += [*line[position:begin].split(), number]
            position = end
        found += line[position:].split()
        before = f"{line} "
    return found


def difference(printed: str, shown: str, *, drawn: bool = False) -> str:
    """Where what is printed differs from what a page shows, in words; empty if they agree.

    `drawn`: the numbers come from problems that another version of Hypothesis draws differently, so that counts are
    any number, and bounds any rounding.
    """
    one, two = tokens(printed), tokens(shown)
    for k, (new, old) in enumerate(zip_longest(one, two, fillvalue="(the end)")):
        if isinstance(new, Number) and isinstance(old, Number):
            if new.agrees(old, drawn):
                continue
        elif new == old:
            continue
        return f"{context(one, k)} is printed, {context(two, k)} is shown"
    return ""


def context(found: list[Token], position: int) -> str:
    """A token with a few before it."""
    near = found[max(position - 6, 0) : position + 1]
    return repr(" ".join(one.text if isinstance(one, Number) else one for one in near))
