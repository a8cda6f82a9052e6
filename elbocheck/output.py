"""Standard output and standard error of the command line: nothing that is printed gets lost, or stops a verdict.

Streams that cannot write a character write its name in ASCII, or "?". What standard output refuses (a full disk) goes
to standard error; a reader that has gone away (`| head`) is no error of elbocheck's.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from elbocheck.errors import one_line

NAMES = {
    "½": "1/2", "−": "-", "–": "-", "—": "-", "…": "...", "·": "*", "×": "x", "→": "->", "←": "<-", "∇": "grad ",
    "‖": "||", "Σ": "sum ", "∂": "d", "±": "+-", "²": "^2", "†": "+", "≤": "<=", "≥": ">=", "√": "sqrt", "∞": "inf",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "eps", "η": "eta", "θ": "theta", "λ": "lambda",
    "μ": "mu", "π": "pi", "σ": "sigma", "τ": "tau", "φ": "phi", "ψ": "psi", "ω": "omega", "ϑ": "theta", "─": "-",
    "ä": "ae", "ö": "oe", "ü": "ue", "é": "e",
}  # fmt: skip
"""How symbols are written where there is no place for them."""
ERRORS = "elbocheck.names"
NUMBERS = 3
"""Files with smaller numbers are the streams that every process has."""


def _named(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(NAMES.get(one, "?") for one in lost), error.end


codecs.register_error(ERRORS, _named)


class Stream:
    """A stream of text that never fails: what `stream` refuses goes to `other`, if there is one, from there on."""

    def __init__(self, stream: Any, other: Any = None) -> None:
        self.stream, self.other, self.lost = stream, other, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text, at once; the number of its characters."""
        if not self.lost:
            try:
                self.stream.write(text)
                self.stream.flush()
            except BrokenPipeError:
                self.lost, self.other = "nobody reads it any more", None
            except (OSError, ValueError) as error:  # full, or closed
                self.lost = getattr(error, "strerror", "") or str(error)
                if self.other is not None:
                    self.other.write(f"elbocheck: standard output cannot be written ({self.lost}); it goes on here\n")
        if self.lost and self.other is not None:
            self.other.write(text)
        return len(text)

    def flush(self) -> None:
        """Nothing waits to be written."""


@contextmanager
def guarded() -> Iterator[None]:
    """Standard output and standard error are `Stream`s inside, whatever they are connected to."""
    before, own = (sys.stdout, sys.stderr), list[tuple[Any, str]]()
    for stream in before:
        if hasattr(stream, "reconfigure"):
            own.append((stream, str(stream.errors)))
            with suppress(OSError, ValueError):
                stream.reconfigure(errors=ERRORS)
    error = Stream(_or_nothing(sys.stderr, 2))
    output = Stream(_or_nothing(sys.stdout, 1), error)
    sys.stdout, sys.stderr = output, error
    try:
        if before[0] is None:
            output.lost = "it is closed"
            error.write("elbocheck: standard output is closed; what belongs there is written here\n")
        yield
    finally:
        sys.stdout, sys.stderr = before
        _said.clear()
        for one, stream in zip(before, (output, error), strict=True):
            if one is None and stream.stream.fileno() >= NUMBERS:
                stream.stream.close()
        for stream, errors in own:
            with suppress(OSError, ValueError):
                stream.reconfigure(errors=errors)
        for stream, number in ((output, 1), (error, 2)):
            if stream.lost and stream.stream in (sys.__stdout__, sys.__stderr__):
                with suppress(OSError):  # what is still in its buffer would fail when Python ends
                    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _or_nothing(stream: Any, number: int) -> Any:
    """A stream; where it is closed, its number is kept from the next file that is opened."""
    if stream is not None:
        return stream
    nothing = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    with suppress(OSError):
        if nothing.fileno() != number:
            os.dup2(nothing.fileno(), number)
    return nothing


_said: set[str] = set()


def complain(text: object, *, once: bool = False) -> None:
    """One line (or paragraph) of elbocheck on standard error; `once`: not again in this run."""
    line = f"elbocheck: {one_line(text)}"
    if not once or line not in _said:
        print(line, file=sys.stderr)
    _said.add(line)
