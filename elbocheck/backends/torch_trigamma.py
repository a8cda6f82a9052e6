"""PyTorch's own ψ′ is a series cut off after three terms, right to 5e-10 only: the code under test is spared that.

It is what `torch.digamma` has for a derivative, so that the gradient of correct code with a gamma, beta or Dirichlet
distribution would be rejected for an error that is not its own. ψ⁽¹⁾ is ζ(2, ·), which PyTorch knows to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class _Exact(TorchDispatchMode):
    """Calls of `polygamma(1, x)` at x > 0 become ζ(2, x), in values and derivatives."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.polygamma.default and args[0] == 1:
            self.seen = True
            x = args[1]
            exact = torch.special.zeta(torch.full_like(x, 2.0), x.clamp(min=torch.finfo(x.dtype).tiny))
            return torch.where(x > 0, exact, func(*args))
        return func(*args, **(kwargs or {}))


def exact_trigamma() -> Callable[[], Any]:
    """A context for every run of one function: from the second run on it costs nothing where ψ′ does not occur."""
    needed = True

    @contextmanager
    def context() -> Iterator[None]:
        nonlocal needed
        if not needed:
            yield
            return
        with _Exact() as mode:
            yield
        needed = mode.seen

    return context
