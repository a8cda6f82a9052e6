"""Exceptions of elbocheck: every message states what is wrong, the value, and what to do."""

from __future__ import annotations


class ElbocheckError(Exception):
    """Base class of every exception that elbocheck raises on purpose."""


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
    def raised(cls, label: str, what: str, error: Exception) -> TargetError:
        """What to say of an exception of the code under test."""
        text = str(error).strip().splitlines()
        hint = ""
        if "Tracer" in type(error).__name__ or "Concretization" in type(error).__name__:
            hint = (
                " It cannot be traced by JAX: write it with jax.numpy, without float(), NumPy functions or `if` on "
                'values, or hand it over as a black box with Problem(..., library="numpy").'
            )
        return cls(f"{label}: {what} raised {type(error).__name__}: {text[0] if text else 'no message'}.{hint}")


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
