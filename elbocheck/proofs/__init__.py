"""The same statements in ball arithmetic."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from elbocheck.bound.decomposition import Decomposition
from elbocheck.bound.problem import Problem


def appeal(problem: Problem, found: Mapping[str, Decomposition]) -> str:
    """Which of several decompositions is nearest to the truth, for a message; "" without python-flint."""
    if importlib.util.find_spec("flint") is None:
        return ""
    from elbocheck.proofs import referee

    return referee.appeal(problem, found)
