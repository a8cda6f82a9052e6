"""What holds a Pyro program in place: its noise, its parameters, its latents, and those of `torch.nn` modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elbocheck.adapters.plan import Tree


def seeded(program: Callable[..., Any], seed: int) -> Callable[..., Any]:
    """The program with noise that depends on how often it has run, and not on the state of the process."""
    from pyro import poutine

    calls = [seed]

    def run(*args: Any, **kwargs: Any) -> Any:
        with poutine.seed(rng_seed=calls[0]):
            calls[0] += 1
            return program(*args, **kwargs)

    return run


@contextmanager
def values_held(values: Mapping[str, Any], latents: Tree) -> Iterator[None]:
    """`param` sites have these values, and latents are held."""
    from pyro.poutine.messenger import Messenger

    class Values(Messenger):
        """Gives `param` sites their values, and holds latents."""

        def _pyro_param(self, message: Any) -> None:
            if message["name"] in values:
                message["done"], message["value"] = True, values[message["name"]]

        def _pyro_sample(self, message: Any) -> None:
            if message["name"] in latents and not message["is_observed"]:
                message["done"], message["value"] = True, latents[message["name"]]

    with Values():
        yield


@contextmanager
def modules_replaced(modules: Mapping[int, Any]) -> Iterator[None]:
    """Within, operations see other tensors in place of the `torch.nn` parameters with these ids; the rest double."""
    from torch import Tensor
    from torch.nn import Parameter
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_leaves, tree_map

    def other(leaf: Any) -> Any:
        if isinstance(leaf, Parameter):
            return modules.get(id(leaf), leaf.double() if leaf.is_floating_point() else leaf)
        return leaf

    class Replace(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            # pyro.module asks the parameter itself, and a torch.Size that is rebuilt would be another tuple
            if getattr(function, "__self__", None) is not Tensor.requires_grad and any(
                isinstance(leaf, Parameter) for leaf in tree_leaves((args, kwargs))
            ):
                args, kwargs = tree_map(other, (args, kwargs))
            return function(*args, **kwargs)

    with Replace():
        yield


@contextmanager
def double_precision() -> Iterator[None]:
    """Tensors that code makes by itself are of float64."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
