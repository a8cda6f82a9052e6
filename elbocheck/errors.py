"""Exceptions of elbocheck: every message states what is wrong, the value, and what to do."""

from __future__ import annotations

import unicodedata
from typing import ClassVar

LONGEST = 300
"""Characters of a message of others that are shown."""
ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of what is no text: controls (ANSI begins with one), directions, half characters, ends of line."""


def harmless(text: object) -> str:
    """A text for a terminal, a log, a page: whatever would act there (but ends of line) is written as an escape."""
    text = str(text)
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        one if one == "\n" or unicodedata.category(one) not in ACTING else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


def one_line(text: object) -> str:
    """A `harmless` text whose ends of line are escapes, too: a name begins no line of its own in a log."""
    return harmless(text).replace("\n", "\\n")


def named(error: BaseException) -> str:
    """Type and message of an exception in one sentence without its dot: the first line, at most `LONGEST` characters.

    An exception that cannot say what it is has no message.
    """
    try:
        text = (str(error).strip().splitlines() or [""])[0]
    except BaseException:
        text = ""
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"
    return f"{type(error).__name__}: {text.rstrip('.') or 'no message'}"


class ElbocheckError(Exception):
    """Base class of every exception that elbocheck raises on purpose; its message is `harmless`."""

    def __str__(self) -> str:
        return harmless(super().__str__())


class InputError(ElbocheckError, ValueError):
    """Data, weights, parameters or names handed to elbocheck are unusable.

    Usual causes: NaN or infinite data, a wrong shape, values outside the support of the model (0/1 for Bernoulli
    observations, non-negative integers for Poisson ones), weights that are negative or all zero, or a name that is
    not in the catalogue. Raised before anything is computed; the command line turns it into exit code 2.
    """


class TargetError(InputError):
    """The code under test cannot be judged: it raises, returns something else than it should, or changes its input.

    Usual causes: a function that is not written for the library that was recognised (`library="numpy"` takes it as a
    black box), a vector in place of a number, results that differ from call to call (hold the noise fixed).
    """

    @classmethod
    def raised(cls, label: str, what: str, error: BaseException) -> TargetError:
        """What to say of an exception of the code under test."""
        hint = ""
        if "Tracer" in type(error).__name__ or "Concretization" in type(error).__name__:
            hint = (
                " It cannot be traced by JAX: write it with jax.numpy, without float(), NumPy functions or `if` on "
                'values, or hand it over as a black box with Problem(..., library="numpy").'
            )
        return cls(f"{label}: {what} raised {named(error)}.{hint}")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM, as the command line raises it; any other `KeyboardInterrupt` is that of the code under test.

    `pending`: the number of the last such signal of this run, also if the code under test has swallowed it; 0: none.
    """

    pending: ClassVar[int] = 0


class TimeoutExceeded(TargetError):
    """One call of the code under test did not come back in time."""


class NotFiniteError(InputError):
    """Parameters are NaN or infinite: handed over, or where the code's own training ended."""


class DeclarationError(ElbocheckError, ValueError):
    """What a problem declares about itself is inconsistent.

    Usual causes: a factor names a parameter block that does not exist, a block has another shape than the
    parameters, or a factor's value does not broadcast to (data, points, elements).
    """


class MissingExtraError(InputError):
    """An optional library is not installed; the message is one line that says what to install."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what}, which is not installed; pip install 'elbocheck[{extra}]'")


class UndecidedError(ElbocheckError, ArithmeticError):
    """A comparison of overlapping balls has no answer: more bits, or a narrower box, may give it one."""


class NotRigorousError(InputError):
    """A formula is only approximate (a truncated series in float64), so that no enclosure can be computed with it."""


class PrecisionError(InputError):
    """A device computes in another precision than the one that was asked for, so that no bound on rounding holds.

    Usual causes: matrix products in TF32 or bfloat16 by a setting of the process; a special function of the device.
    """
