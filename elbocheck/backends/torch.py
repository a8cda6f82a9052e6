"""PyTorch backend: derivatives by `torch.func`, on the CPU, recorded once per shape as a graph of plain operations.

Every operation of a transformed function costs Python calls at each level of the transforms. They run once; what is
left of them below, plain operations on plain tensors, is recorded and repeated (a tenth of the time, and no autograd
graph is kept). Default dtype, number of threads and gradient mode of the process stay as they are.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import array_api_compat.torch as xp
import numpy as np
import torch
from torch.func import grad_and_value, jacfwd, jacrev, jvp, vmap
from torch.fx import Graph, GraphModule, Node
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from elbocheck.backends.base import Cost, Function, in_columns, machine_epsilon
from elbocheck.backends.namespace import Namespace

IDENTITIES = (torch.ops.aten.detach.default, torch.ops.aten.alias.default, torch.ops.aten.lift_fresh_copy.default)
"""Operations that do nothing where no derivative is taken and nothing is written in place."""

CONVERSIONS = (torch.ops.aten._to_copy.default, torch.ops.aten.to.dtype, torch.ops.aten.to.dtype_layout)

SHAPE_ONLY = (
    torch.ops.aten.new_zeros.default,
    torch.ops.aten.new_ones.default,
    torch.ops.aten.new_full.default,
    torch.ops.aten.zeros_like.default,
    torch.ops.aten.ones_like.default,
    torch.ops.aten.full_like.default,
    torch.ops.aten._new_zeros_with_same_feature_meta.default,
    torch.ops.aten.is_same_size.default,
    torch.ops.aten._has_same_storage_numel.default,
)
"""Operations whose results do not depend on the numbers in their arguments."""


@contextmanager
def precise() -> Iterator[None]:
    """Matrix products and convolutions keep all digits of their type inside, on every device."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


def elementwise(function: Function, derivative: Function) -> Function:
    """`function` of a tensor, with a derivative of our own for every transform."""

    class Elementwise(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any) -> Any:
            return function(x)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, change: Any) -> Any:
            return change * derivative(*ctx.saved_tensors)

        jvp = backward

    return Elementwise.apply


@cache
def hurwitz_zeta(order: float) -> Function:
    """x -> ζ(order, x) = Σ_k (x + k)^−order for x > 0; its derivative is −order ζ(order + 1, x)."""
    return elementwise(lambda x: torch.special.zeta(order, x), lambda x: -order * hurwitz_zeta(order + 1.0)(x))


# ψ' = ζ(2, ·): PyTorch's own trigamma, a series cut off after three terms, is right to 5e-10 only
digamma = elementwise(torch.special.digamma, hurwitz_zeta(2.0))
"""ψ(x) for x > 0, with derivatives to a few eps."""
gammaln = elementwise(torch.special.gammaln, digamma)
"""log Γ(x) for x > 0, with derivatives to a few eps."""


def functions() -> Namespace:
    """The namespace of tensors."""
    return Namespace(xp, torch.special.expit, gammaln, digamma, torch.special.erf, torch.Tensor.detach)


@dataclass(frozen=True)
class TorchBackend:
    """Recorded functions and their derivatives by PyTorch in `dtype` ("float64" or "float32").

    Raises `RuntimeError` for a function that cannot be recorded, see `Recorder`.
    """

    dtype: str = "float64"
    """Floating-point type of values and derivatives."""

    name: str = "torch"
    """Name of its library."""

    @property
    def eps(self) -> float:
        return machine_epsilon(self.dtype)

    @property
    def cost(self) -> Cost:
        return Cost(padded=True, cheap_hessians=True, share=6)

    def _tensor(self, leaf: Any) -> torch.Tensor:
        """A leaf as a tensor that owns its memory, in `dtype` where it is of floating point."""
        tensor = leaf if isinstance(leaf, torch.Tensor) else torch.tensor(leaf)
        return tensor.to(getattr(torch, self.dtype)) if tensor.is_floating_point() else tensor

    def _run(self, function: Function) -> Function:
        recorded: dict[Any, Function] = {}

        def run(*arguments: Any) -> Any:
            leaves, structure = tree_flatten(tree_map(np.asarray, arguments))
            inputs = [self._tensor(leaf) for leaf in leaves]
            key = (structure, *((leaf.shape, leaf.dtype) for leaf in inputs))
            with torch.no_grad(), precise():
                if key not in recorded:
                    recorded[key] = record(
                        lambda *flat: function(*tree_unflatten(list(flat), structure)),
                        inputs,
                        getattr(torch, self.dtype),
                    )
                return recorded[key](inputs)

        return run

    def error_of(self, derived: Function) -> float:
        return 0.0

    def value(self, function: Function) -> Function:
        return self._run(self._tensors(function))

    def _tensors(self, function: Function) -> Function:
        """The function with every leaf of its result a tensor."""
        return lambda *arguments: tree_map(self._tensor, function(*arguments))

    def value_gradient_hessian(self, function: Function, columns: np.ndarray) -> Function:
        function = self._tensors(function)

        def all_three(vector: torch.Tensor, fixed: Any) -> Any:
            value_last = grad_and_value(lambda v: function(v, fixed))

            def along(tangent: torch.Tensor) -> Any:
                pushed: Any = jvp(value_last, (vector,), (tangent,))
                (gradient, value), (column, _) = pushed
                return value, gradient, column

            basis = torch.eye(vector.shape[0], dtype=vector.dtype)[torch.as_tensor(columns)]
            shared: Any = (None, None, 0)  # only the columns of the Hessian differ
            return vmap(along, out_dims=shared)(basis)

        return in_columns(self._run(all_three), columns)

    def jacobian(self, function: Function, mode: str) -> Function:
        function, differentiate = self._tensors(function), jacrev if mode == "reverse" else jacfwd
        return self._run(lambda vector, fixed: differentiate(lambda v: function(v, fixed), has_aux=True)(vector))


class Recorder(TorchDispatchMode):
    """Writes down the operations that depend on the inputs; results of all others are constants.

    Below all transforms only operations on plain tensors are left, and equal ones are written once. Raises
    `RuntimeError` where a result could not be repeated (an operation in place, a number read out of a tensor), and
    where one has another floating-point type than `dtype`.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.graph = Graph()
        self.nodes: dict[int, Node] = {}
        self.memory: set[float] = set()
        self.captured: set[float] = set()
        self.written: dict[Any, Node] = {}
        self.constants: dict[str, torch.Tensor] = {}
        self.names: dict[int, str] = {}
        self.failures: list[Node] = []
        self.kept: list[torch.Tensor] = []
        self.widened: set[int] = set()

    def input(self, tensor: torch.Tensor) -> None:
        """The next argument of the graph."""
        self._name(tensor, self.graph.placeholder(f"input_{len(self.nodes)}"))

    def _name(self, tensor: torch.Tensor, node: Node) -> None:
        self.nodes[id(tensor)] = node
        self.memory.add(memory(tensor))
        self.kept.append(tensor)  # so that neither its id nor its memory is used again

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if operation is torch.ops.aten._linalg_check_errors.default:
            self.failures.append(self.node(args[0]))
            return None
        result = operation(*args, **kwargs)
        tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
        dependent = any(self.known(tensor) for tensor in tensors)
        if operation is torch.ops.aten.copy_.default and dependent and self._fresh(*args[:2]):
            self._name(args[0], self._laid_out(*args[:2]))  # the buffer of a result, written once and whole
        elif operation._schema.is_mutable and (dependent or any(memory(x) in self.captured for x in tensors)):
            raise RuntimeError(f"the torch backend cannot record {operation}; write the function without it")
        elif dependent and (operation in IDENTITIES or self._only_converts(operation, args[0], result)):
            self._name(result, self.nodes[id(args[0])])
        elif dependent and operation not in SHAPE_ONLY:
            if not isinstance(result, torch.Tensor | tuple | list):
                raise RuntimeError(f"the torch backend cannot record {operation}; write the function without it")
            self._write(operation, args, kwargs, result, tensors)
        elif not dependent and isinstance(result, torch.Tensor) and self._widens(result, operation, tensors):
            self._widened(result)
        return result

    def _fresh(self, buffer: torch.Tensor, source: torch.Tensor) -> bool:
        """Whether copying overwrites all of a buffer that nothing has used."""
        alike = all(getattr(buffer, name) == getattr(source, name) for name in ("shape", "dtype"))
        whole = buffer.numel() * buffer.itemsize == buffer.untyped_storage().nbytes()
        unused = id(buffer) not in self.nodes and memory(buffer) not in self.captured
        return alike and whole and unused and self.known(source)

    def _laid_out(self, buffer: torch.Tensor, source: torch.Tensor) -> Node:
        """The source, in the order in memory that the buffer has."""
        node = self.nodes[id(source)]
        if buffer.stride() == source.stride():
            return node
        order = sorted(range(buffer.ndim), key=lambda axis: -buffer.stride()[axis])
        inverse = sorted(range(buffer.ndim), key=order.__getitem__)
        aten = torch.ops.aten
        turned = self._call(aten.permute.default, (node, order), {})
        ordered = self._call(aten.clone.default, (turned,), {"memory_format": torch.contiguous_format})
        return self._call(aten.permute.default, (ordered, inverse), {})

    def known(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor depends on the inputs; one that shares memory with such a tensor must have been seen."""
        if id(tensor) in self.nodes:
            return True
        if memory(tensor) in self.memory:
            raise RuntimeError("the torch backend lost track of a tensor; write the function with plain operations")
        return False

    def node(self, leaf: Any) -> Any:
        """The node of a tensor; anything else is itself."""
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if not self.known(leaf):
            name = self.names.setdefault(id(leaf), f"constant_{len(self.names)}")
            number = leaf.is_floating_point() and (not leaf.ndim or id(leaf) in self.widened)
            self.constants[name] = leaf.to(self.dtype) if number else leaf
            self.captured.add(memory(leaf))
            return self._once(("constant", name), lambda: self.graph.get_attr(name))
        return self.nodes[id(leaf)]

    def _write(self, operation: Any, args: Any, kwargs: Any, result: Any, tensors: Sequence[torch.Tensor]) -> None:
        node = self._call(operation, *tree_map(self.node, (tuple(args), kwargs)))
        if isinstance(result, torch.Tensor):
            self._name(self._checked(result, operation, tensors), node)
        else:
            for index, part in enumerate(result):
                self._name(self._checked(part, operation, tensors), self._call(operator.getitem, (node, index), {}))

    def _only_converts(self, operation: Any, source: Any, result: Any) -> bool:
        """Whether `torch.vmap` takes a scalar that meets a Python number into the number's type, float64, or back.

        What is written down stays in `dtype`; all of the wider type that comes of it is marked as `widened`.
        """
        if operation not in CONVERSIONS or not (source.is_floating_point() and result.is_floating_point()):
            return False
        if result.dtype is not self.dtype:
            self._widened(result)
        return source.dtype is not result.dtype or id(source) in self.widened

    def _widened(self, tensor: torch.Tensor) -> None:
        self.widened.add(id(tensor))
        self.kept.append(tensor)

    def _widens(self, result: torch.Tensor, operation: Any, tensors: Sequence[torch.Tensor]) -> bool:
        """Whether a result has a wider type because of scalars that `torch.vmap` has converted, and of nothing else."""
        if not result.is_floating_point() or result.dtype is self.dtype:
            return False
        floating = [one for one in tensors if one.is_floating_point()]
        own = [one for one in floating if one.dtype is self.dtype or id(one) in self.widened]
        numbers = [one for one in floating if not one.ndim and not self.known(one)]
        converted = (
            operation in CONVERSIONS or any(id(one) in self.widened for one in own) or len(numbers) == len(floating)
        )
        return bool(floating) and converted and all(any(one is mine for mine in (*own, *numbers)) for one in floating)

    def _checked(self, result: torch.Tensor, operation: Any, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """PyTorch would go on in the wider type where two meet, whatever was asked for."""
        if self._widens(result, operation, tensors):
            self._widened(result)
        elif result.is_floating_point() and result.dtype is not self.dtype:
            raise RuntimeError(
                f"{operation} gives {result.dtype}, the backend computes in {self.dtype}: a constant of another type "
                "entered; make it with dtype= or xp.astype"
            )
        return result

    def _call(self, operation: Any, args: Any, kwargs: Any) -> Node:
        return self._once(
            (operation, repr(args), repr(kwargs)), lambda: self.graph.call_function(operation, args, kwargs)
        )

    def _once(self, key: Any, make: Callable[[], Node]) -> Node:
        if key not in self.written:
            self.written[key] = make()
        return self.written[key]


def memory(tensor: torch.Tensor) -> float:
    """Address of a tensor's memory; NaN, equal to nothing, where it has none (symbolic zeros of forward mode)."""
    if tensor.is_meta or tensor._is_zerotensor() or not tensor.numel():
        return float("nan")
    return tensor.untyped_storage().data_ptr()


def record(function: Function, inputs: list[torch.Tensor], dtype: torch.dtype) -> Function:
    """The function of a list of tensors, for tensors of these shapes, as a list of plain operations.

    Where a matrix has no inverse or Cholesky factor, everything is NaN.
    """
    recorder = Recorder(dtype)
    with recorder, warnings.catch_warnings():
        # PyTorch itself scripts some forward derivatives when the first is taken, and warns of that
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        for tensor in inputs:
            recorder.input(tensor)
        results, structure = tree_flatten(function(*inputs))
    recorder.graph.output(([recorder.node(result) for result in results], recorder.failures))
    recorder.graph.eliminate_dead_code()
    module = GraphModule(recorder.constants, recorder.graph)

    def replay(inputs: list[torch.Tensor]) -> Any:
        found, failures = module(*inputs)
        arrays = [result.numpy().copy() for result in found]
        if any(bool(code.any()) for code in failures):
            arrays = [np.full_like(array, np.nan) if array.dtype.kind == "f" else array for array in arrays]
        return tree_unflatten(arrays, structure)

    return replay
