"""Which worker of pytest-xdist runs which test: all tests of a compiled program on one, so that it is compiled once.

The mark `xdist_group` says the same, but pytest from 9.2 on does not show it to pytest-xdist 3.8.
"""

from __future__ import annotations

import re
from functools import cache

from xdist.scheduler import LoadScopeScheduling

from elbocheck.models.catalogue import cells


class ByCompiled(LoadScopeScheduling):
    """Groups tests by the cell that they are parametrised with; others are spread one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The program of the cell in the test's brackets ("cell", or "what is done: cell"), the problem of a target, or
    else the test itself.
    """
    inside = nodeid[nodeid.find("[") + 1 : nodeid.rfind("]")]
    problem = re.fullmatch(r"(.*\[\d+\])-[^\]]*", inside)  # of a target: "name[number]-check"
    if problem is not None:
        return problem.group(1)
    return groups().get(inside.rpartition(": ")[2], nodeid)


@cache
def groups() -> dict[str, str]:
    """Cell name -> program."""
    return {cell.name: cell.group for cell in cells()}
