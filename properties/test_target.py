"""A downstream's own bound: every check on every problem of the target that `--elbocheck-target` names."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.elbocheck
def test_bound(elbocheck_check: Callable[[], None]) -> None:
    elbocheck_check()
