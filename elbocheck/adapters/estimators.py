"""What the adapters of scikit-learn's estimators share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any


def quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Without warnings that training has not converged: with tol=0 it never says that it has."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return function(*arguments)
