"""Pyro: any model and guide whose learnable quantities are `param` sites, with the loss that trains them.

The bound under test is −loss/N with the noise held fixed: model and guide run in `poutine.seed` handlers of their own,
inside the library's loss and in the traces from which factors, q and natural parameters are read, so that the check is
exact, not statistical. `TraceEnum_ELBO`: discrete latents that are enumerated in parallel are points of q, with the
guide's probabilities or, where the model marginalises them, those of the exact posterior.

Everything runs in double precision. Parameters of `torch.nn` modules are replaced where operations use them, so that
networks registered by `pyro.module` need not be rewritten.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from elbocheck.adapters.members import Site, Sites, number, weights
from elbocheck.adapters.plan import Tree, all_fields, taken
from elbocheck.adapters.programs import Guided, problem_of, refuse_shared, refuse_unknown
from elbocheck.adapters.pyro_handlers import double_precision, modules_replaced, seeded, values_held
from elbocheck.backends import require
from elbocheck.bound.problem import Problem
from elbocheck.errors import InputError

SEED_OF_MODEL = 2**20
"""Added to the seed of the guide: noise that the model draws by itself (subsampled plates) is other noise."""


def problem(
    model: Callable[..., Any],
    guide: Callable[..., Any],
    *args: Any,
    data: int,
    loss: Any = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    label: str = "",
    **kwargs: Any,
) -> Problem:
    """The problem of a model and a guide, both called with `args` and `kwargs`.

    `data`: the number N of data, by which the bound is divided; with subsampled plates, all of them. `loss`: a
    `Trace_ELBO` (default), `TraceMeanField_ELBO` or `TraceEnum_ELBO`, also one derived from them, with any number of
    particles (`vectorize_particles=False`). `params`: constrained values by site; default those of the parameter store
    or, if it has none, of the `param` statements. The problem's parameters are unconstrained, as Pyro's optimisers see
    them; the parameter store is left alone. `seed`: of the noise.

    `poutine.scale` around the same latent in model and guide counts as a declared KL weight, and around observations as
    a weight of theirs; around the model's latent alone it does not, and is found by the value check.
    A density that elbocheck does not know is taken from the library, and its site named in the label as not judged; so
    is one with a scale for each element. Raises `InputError` where nothing of the model could be judged, for parameters
    that model and guide share, sequential enumeration, and losses that are no bound.
    """
    require("pyro", "the Pyro adapter needs pyro-ppl", "pyro")
    import torch
    from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO
    from torch.utils._pytree import tree_map

    loss = Trace_ELBO() if loss is None else loss
    name = type(loss).__name__
    if not isinstance(loss, (Trace_ELBO, TraceMeanField_ELBO, TraceEnum_ELBO)):
        raise InputError(f"{name} is not supported; Trace_ELBO, TraceMeanField_ELBO and TraceEnum_ELBO are")
    if loss.vectorize_particles and loss.num_particles > 1:
        raise InputError(f"{name}(vectorize_particles=True): use False, which averages the same particles in turn")

    def double(leaf: Any) -> Any:
        return leaf.double() if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf

    with double_precision():
        if isinstance(loss, TraceEnum_ELBO) and loss.max_plate_nesting == float("inf"):
            loss = copy.copy(loss)
        program = PyroProgram(model, guide, tree_map(double, tuple(args)), tree_map(double, dict(kwargs)), loss, seed)
        start = program.unconstrained(params or {})
        program.settle_nesting(start)
        return problem_of(
            program,
            start,
            data=data,
            value=program.value,
            library="torch",
            label=label or f"{name} at seed {seed}",
            free=program.estimated(start),
        )


class PyroProgram(Guided):
    """`plan.Program` of a Pyro model and guide."""

    def zero(self) -> Any:
        import torch

        return torch.zeros(1, dtype=torch.float64)

    @cached_property
    def _start(self) -> dict[str, tuple[Any, Any, Any]]:
        """`param` site -> (its constraint, constrained value, the `torch.nn` parameter that it is, or None)."""
        import pyro
        import torch
        from pyro import poutine
        from torch.distributions import constraints

        store = pyro.get_param_store()
        with store.scope(store.get_state()), torch.random.fork_rng(devices=[]), modules_replaced({}):
            guide = poutine.trace(self.guide).get_trace(*self.args, **self.kwargs)
            model = poutine.trace(poutine.replay(self.model, trace=guide)).get_trace(*self.args, **self.kwargs)
            stored = store.get_state()["constraints"]  # modules give none in their statements
        found: dict[str, tuple[Any, Any, Any]] = {}
        owners: dict[str, set[str]] = {"model": set(), "guide": set()}
        for owner, trace in (("model", model), ("guide", guide)):
            for name, site in trace.nodes.items():
                if site["type"] == "param":
                    owners[owner].add(name)
                    given = site["args"][1] if len(site["args"]) > 1 else None
                    module = given if isinstance(given, torch.nn.Parameter) else None
                    constraint = stored.get(name, site["kwargs"].get("constraint", constraints.real))
                    value: Any = site["value"]
                    found[name] = (constraint, value.detach().double(), module)
        refuse_shared(**owners)
        return found

    def unconstrained(self, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Initial values, or those given, in the charts of Pyro's optimisers."""
        import torch
        from torch.distributions import transform_to

        refuse_unknown(params, self._start)
        start = {}
        for name, (constraint, value, _) in self._start.items():
            value = torch.as_tensor(params.get(name, value)).detach().double()
            start[name] = transform_to(constraint).inv(value).numpy().copy()
        return start

    def constrained(self, params: Tree) -> dict[str, Any]:
        """The values that `param` statements return."""
        import torch
        from torch.distributions import transform_to

        return {
            name: transform_to(self._start[name][0])(torch.as_tensor(value, dtype=torch.float64))
            for name, value in params.items()
        }

    @contextmanager
    def _at(self, params: Tree, latents: Tree | None = None) -> Iterator[None]:
        """`param` sites and parameters of modules have the given values, and latents are held."""
        import pyro

        values, modules = self.constrained(params), {}
        for name, (_, _, module) in self._start.items():
            if module is not None:
                modules[id(module)] = values[name]
        with (
            double_precision(),
            pyro.get_param_store().scope(),
            values_held(values, latents or {}),
            modules_replaced(modules),
        ):
            yield

    def _programs(self, particle: int | None = None) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """(model, guide) with noise of their own: of one particle, or of one after the other."""
        first = 0 if particle is None else particle
        model = seeded(self.model, self.seed + SEED_OF_MODEL + first)
        return model, seeded(self.guide, self.seed + first)

    def _traces(self, particle: int) -> tuple[Any, Any]:
        from pyro import poutine
        from pyro.infer import TraceEnum_ELBO
        from pyro.poutine.util import prune_subsample_sites

        model, guide = self._programs(particle)
        if isinstance(self.loss, TraceEnum_ELBO):
            nesting = self.loss.max_plate_nesting
            enumerating = TraceEnum_ELBO(max_plate_nesting=nesting, strict_enumeration_warning=False)
            traces = list(enumerating._get_traces(model, guide, self.args, self.kwargs))
            if len(traces) > 1:
                raise InputError('sequential enumeration is not supported; use infer={"enumerate": "parallel"}')
            model_trace, guide_trace = traces[0]
        else:
            guide_trace = poutine.trace(guide).get_trace(*self.args, **self.kwargs)
            model = poutine.replay(model, trace=guide_trace)
            model_trace = poutine.trace(model).get_trace(*self.args, **self.kwargs)
        return prune_subsample_sites(model_trace), prune_subsample_sites(guide_trace)

    def settle_nesting(self, params: Tree) -> None:
        """Let `TraceEnum_ELBO` guess `max_plate_nesting` now: it runs the guide for that, which shifts the noise."""
        from pyro.infer import TraceEnum_ELBO

        if isinstance(self.loss, TraceEnum_ELBO) and self.loss.max_plate_nesting == float("inf"):
            with self._at(params):
                self.loss._guess_max_plate_nesting(*self._programs(0), self.args, self.kwargs)

    def run(self, params: Tree, particle: int) -> tuple[Sites, Sites]:
        with self._at(params):
            return _sites(*self._traces(particle))

    def replay(self, params: Tree, latents: Tree, particle: int) -> Sites:
        held = {name: value for name, value in latents.items() if name not in self._enumerated}
        with self._at(params, held):
            return _sites(*self._traces(particle))[0]

    @cached_property
    def _enumerated(self) -> set[str]:
        """Latents whose states are enumerated: there is nothing to hold."""
        model, _ = self.run(self.unconstrained({}), 0)
        return {name for name, site in model.items() if site.states is not None}

    def draw(self, params: Tree, latents: Tree, particle: int) -> Sites:
        with self._at(params, latents):
            return _sites(*self._traces(particle))[1]

    def bijection(self, site: Site) -> Any:
        from torch.distributions import biject_to

        return biject_to(site.distribution.support)

    def analytic(self, model: Site, guide: Site) -> bool:
        from pyro.infer import TraceMeanField_ELBO
        from torch.distributions import kl_divergence

        if not isinstance(self.loss, TraceMeanField_ELBO):
            return False
        try:
            kl_divergence(guide.distribution, model.distribution)
        except NotImplementedError:
            return False
        return True

    def depends(self, function: Callable[[Tree, Tree], Tree], params: Tree, latents: Tree) -> dict[str, set[str]]:
        import torch

        def leaf(value: Any) -> Any:
            tensor = torch.as_tensor(value).detach().clone()
            return tensor.requires_grad_() if tensor.is_floating_point() else tensor

        moving = {name: leaf(value) for name, value in params.items()}
        held = {name: leaf(value) for name, value in latents.items()}
        inputs = {name: value for name, value in {**moving, **held}.items() if value.requires_grad}
        whole = {name: value for name, value in held.items() if not value.requires_grad}
        outputs, found = function(moving, held), {}
        others = function(moving, {**held, **{name: torch.zeros_like(value) for name, value in whole.items()}})
        for name, output in outputs.items():
            found[name] = set[str]()
            if isinstance(output, torch.Tensor) and output.requires_grad:
                slopes = torch.autograd.grad(output.sum(), list(inputs.values()), retain_graph=True, allow_unused=True)
                found[name] |= {one for one, slope in zip(inputs, slopes, strict=True) if slope is not None}
            if whole and not torch.equal(torch.as_tensor(output), torch.as_tensor(others[name])):
                found[name] |= set(whole)
        return found

    def estimated(self, params: Tree) -> dict[str, bool]:
        """Blocks whose gradient Pyro estimates by the score function: no derivative of any value."""
        drawn = {
            name: site
            for name, site in self.run(params, 0)[1].items()
            if not site.distribution.has_rsample and site.states is None
        }
        families = {name: taken(site) for name, site in drawn.items()}

        def fields(params: Tree, latents: Tree) -> Tree:
            guide = self.run(params, 0)[1]
            return all_fields({name: guide[name] for name in drawn}, families)

        found = {one for used in self.depends(fields, params, {}).values() for one in used}
        return dict.fromkeys(sorted(found), False)

    def value(self, params: Tree) -> Any:
        """−loss at the fixed noise, in nats for all data; its derivative is that of the differentiable loss."""
        return self._loss(self.loss, params, None)

    def particle(self, index: int) -> Callable[[Tree], Any]:
        """The same with one particle."""
        loss = copy.copy(self.loss)
        loss.num_particles = 1
        return lambda params: self._loss(loss, params, index)

    def _loss(self, loss: Any, params: Tree, particle: int | None) -> Any:
        import torch

        with self._at(params):
            reported = loss.loss(*self._programs(particle), *self.args, **self.kwargs)
            if not (torch.is_grad_enabled() and any(getattr(one, "requires_grad", False) for one in params.values())):
                return -torch.as_tensor(reported, dtype=torch.float64)
            smooth = loss.differentiable_loss(*self._programs(particle), *self.args, **self.kwargs)
            return -(reported + (smooth - smooth.detach()))


def _sites(model: Any, guide: Any) -> tuple[Sites, Sites]:
    """The sample sites of both traces, with the axes of enumerated states and of their plate."""
    states: dict[str, tuple[int, int]] = {}
    frames: dict[str, Any] = {}
    for trace in (guide, model):
        for name, site in trace.nodes.items():
            axis = site["infer"].get("_enumerate_dim") if site["type"] == "sample" else None
            if axis is not None and name not in states:
                states[name] = (axis, site["value"].shape[axis])
                frames |= {frame.name: frame for frame in site["cond_indep_stack"] if frame.vectorized}
    if len({axis for axis, _ in states.values()}) < len(states):
        raise InputError(f"enumerated sites {', '.join(states)} share axes (pyro.markov), which is not supported")
    if len(frames) > 1:
        raise InputError(
            f"enumerated sites {', '.join(states)} in several plates, {', '.join(frames)}: only one is supported"
        )
    rows = next(iter(frames.values()), None)
    return tuple(_of_trace(trace, states, rows) for trace in (model, guide))  # type: ignore[return-value]


def _of_trace(trace: Any, states: Mapping[str, tuple[int, int]], rows: Any) -> dict[str, Site]:
    found = {}
    for name, site in trace.nodes.items():
        if site["type"] != "sample":
            continue
        plates, local = 1.0, False
        for frame in site["cond_indep_stack"]:
            plates *= (frame.full_size or frame.size) / frame.size
            local = local or (rows is not None and frame.name == rows.name)
        distribution = site["fn"] if site["mask"] is None else site["fn"].mask(site["mask"])
        found[name] = Site(
            name,
            distribution,
            site["value"],
            number(site["scale"]),
            plates,
            bool(site["is_observed"]),
            bool(site["infer"].get("is_auxiliary", False)),
            tuple(states.values()),
            states[name][0] if name in states else None,
            rows.dim if local else None,
            rows.size if local else 1,
            weights(site["scale"]),
        )
    return found
