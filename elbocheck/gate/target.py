"""Target: what a downstream hands over to be checked, by name: a list of problems, or a recipe to draw them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy, fixed_dictionaries

from elbocheck.bound.problem import Problem
from elbocheck.drawing import draw_many
from elbocheck.errors import ElbocheckError, InputError, TargetError
from elbocheck.limits import allowed, checked_seconds, limited, pass_on, time_limit

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One problem of a target and how to make it again."""

    problem: Problem
    """To be checked."""

    index: int = 0
    """Its place in the target's list; 0 where it was drawn."""

    arguments: Arguments | None = None
    """What the target's function made it from; None where there is none."""


@dataclass(frozen=True)
class Target:
    """Code under test. Raises `InputError` for fields of the wrong kind."""

    name: str
    """In reports, and in the ids that known failures match."""

    problems: Sequence[Problem] | SearchStrategy[Problem] | Callable[..., Problem]
    """A sequence of Problems, a Hypothesis strategy of them, or a function that makes one from keyword arguments.

    Only the first and the last can be replayed without Hypothesis.
    """

    arguments: Mapping[str, SearchStrategy[Any]] = field(default_factory=dict)
    """Name -> strategy of plain values (numbers, strings, lists, NumPy arrays), for a function `problems`."""

    timeout: float = 60.0
    """Seconds that one call of the code under test may take before it counts as hanging.

    Neither compilation nor what elbocheck does with the results counts.
    """

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"a Target needs a name; got {self.name!r}")
        checked_seconds(f"target {self.name!r}: timeout", self.timeout)
        if self.recipe is not None:
            wrong = {name: one for name, one in self.arguments.items() if not isinstance(one, SearchStrategy)}
            if wrong:
                raise InputError(f"target {self.name!r}: `arguments` must be Hypothesis strategies; got {wrong}")
            try:
                inspect.signature(self.recipe).bind(**dict.fromkeys(self.arguments))
            except TypeError as error:
                raise InputError(f"target {self.name!r}: problems(**arguments) does not fit: {error}") from None
        elif self.arguments:
            raise InputError(f"target {self.name!r}: `arguments` go with a function `problems`, not {self.problems!r}")
        elif not self.drawn:
            if not isinstance(self.problems, Sequence) or not self.problems:
                raise InputError(
                    f"target {self.name!r}: `problems` must be a non-empty sequence of Problems, a strategy or a "
                    f"function; got {self.problems!r}"
                )
            wrong_ones = [one for one in self.problems if not isinstance(one, Problem)]
            if wrong_ones:
                raise InputError(f"target {self.name!r}: {wrong_ones[0]!r} in `problems` is not a Problem")

    @property
    def drawn(self) -> bool:
        """Whether Hypothesis draws the problems."""
        return isinstance(self.problems, SearchStrategy) or self.recipe is not None

    @property
    def recipe(self) -> Callable[..., Problem] | None:
        """The function that makes problems, if it is one."""
        return self.problems if callable(self.problems) and not isinstance(self.problems, SearchStrategy) else None

    def strategy(self) -> SearchStrategy[Case]:
        """Cases, for Hypothesis; raises `InputError` for a list of problems."""
        if self.recipe is not None:
            return fixed_dictionaries(dict(self.arguments)).map(self.make)
        if isinstance(self.problems, SearchStrategy):
            return self.problems.map(self._checked).map(Case)
        raise InputError(f"target {self.name!r} has a list of problems, not a strategy")

    def make(self, arguments: Arguments) -> Case:
        """The case of these arguments."""
        assert self.recipe is not None
        label, what = f"target {self.name!r}", "problems(**arguments)"
        try:
            with allowed(self.timeout), limited(f"{label}: {what}"):
                problem = self.recipe(**arguments)
        except ElbocheckError:
            raise
        except BaseException as error:  # whatever the recipe raises, `sys.exit` included
            pass_on(error)
            raise TargetError.raised(label, what, error) from error
        return Case(self._checked(problem), arguments=arguments)

    def _checked(self, problem: Any) -> Problem:
        if not isinstance(problem, Problem):
            raise InputError(f"target {self.name!r}: problems should make a Problem; got {problem!r}")
        return problem

    def cases(self, examples: int) -> Iterator[Case]:
        """All problems of a list, or `examples` of those that can be drawn, always the same.

        Raises `TargetError` where nothing can be drawn.
        """
        if self.drawn:
            yield from self._drawn(examples)
        else:
            assert isinstance(self.problems, Sequence)
            yield from (Case(problem, index) for index, problem in enumerate(self.problems))

    def _drawn(self, examples: int) -> list[Case]:
        """Cases of a strategy, drawn before the first of them is judged."""
        label, what = f"target {self.name!r}", f"drawing {examples} problems"
        try:
            with time_limit(self.timeout * max(examples, 1), f"{label}: {what}"):
                found = draw_many(self.strategy(), examples)
        except ElbocheckError:
            raise
        except Unsatisfiable as error:
            raise TargetError(
                f"{label}: its strategies draw nothing; do they hold anything that `assume` and `filter` let pass?"
            ) from error
        except BaseException as error:  # what strategies raise, and what Hypothesis says of them
            pass_on(error)
            raise TargetError.raised(label, what, error) from error
        if not found:
            raise TargetError(f"{label}: its strategies drew nothing")
        return found
