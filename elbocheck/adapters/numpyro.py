"""NumPyro: any model and guide whose learnable quantities are `param` sites, with the loss that trains them.

The bound under test is −loss/N at a fixed random key. The guide runs in a `seed` handler of its own, so that its noise
stays the same inside the library's loss and in the traces from which factors, q and natural parameters are read: the
check is exact, not statistical. Distributions, entropies and closed-form expectations are elbocheck's own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from elbocheck.adapters.members import Site, Sites, number, weights
from elbocheck.adapters.plan import Tree, all_fields, taken
from elbocheck.adapters.programs import Guided, problem_of, refuse_shared, refuse_unknown
from elbocheck.backends import require
from elbocheck.backends.namespace import double_precision
from elbocheck.bound.problem import Problem
from elbocheck.bound.trees import covers, leaves
from elbocheck.errors import InputError

NO_BOUND = {
    "RenyiELBO": "its value is no expectation under q for α other than 1",
    "TraceEnum_ELBO": "enumeration is done by funsor, which hides the points of q; Pyro's TraceEnum_ELBO is supported",
}


def problem(
    model: Callable[..., Any],
    guide: Callable[..., Any],
    *args: Any,
    data: int,
    loss: Any = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    optim: Any = None,
    steps: int = 1000,
    label: str = "",
    **kwargs: Any,
) -> Problem:
    """The problem of a model and a guide, both called with `args` and `kwargs`.

    `data`: the number N of data, by which the bound is divided; with subsampled plates, all of them. `loss`: a
    `Trace_ELBO` (default), `TraceMeanField_ELBO` or `TraceGraph_ELBO`, also one derived from them, with any number of
    particles. `params`: values by site, constrained, such as `SVIRunResult.params`; default those of the `param`
    statements. The parameters of the problem are unconstrained, as NumPyro's optimisers see them. `seed`: of the noise.
    `optim`, `steps`: an optimiser makes `SVI` with this loss, at the same noise in every step, the training under test.

    A scale handler around the same latent in model and guide counts as a declared KL weight, and one around
    observations as a weight of theirs; around the model's latent alone it does not, and is found by the value check.
    A density that elbocheck does not know is taken from the library, and its site named in the label as not judged; so
    is one with a scale for each element. Raises `InputError` where nothing of the model could be judged, for parameters
    that model and guide share, and losses that are no bound.
    """
    require("numpyro", "the NumPyro adapter needs numpyro", "numpyro")
    with double_precision():
        program = _program(model, guide, args, kwargs, loss, seed)
        start = program.unconstrained(params or {})
        return problem_of(
            program,
            start,
            data=data,
            value=program.value,
            library="jax",
            label=label or f"{type(program.loss).__name__} at seed {seed}",
            free=program.estimated(start),
            fit=None if optim is None else program.training(optim, steps),
        )


def _program(
    model: Callable[..., Any], guide: Callable[..., Any], args: Any, kwargs: Any, loss: Any, seed: int
) -> NumPyroProgram:
    import jax
    from numpyro.infer import Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO

    loss = Trace_ELBO() if loss is None else loss
    if not isinstance(loss, (Trace_ELBO, TraceMeanField_ELBO, TraceGraph_ELBO)):
        name = type(loss).__name__
        raise InputError(f"{name} is not supported: {NO_BOUND.get(name, 'it is no ELBO that is known here')}")
    for option in ("multi_sample_guide", "sum_sites"):
        if getattr(loss, option, option == "sum_sites") != (option == "sum_sites"):
            raise InputError(f"{type(loss).__name__}({option}={getattr(loss, option)}) is not supported")
    args, kwargs = jax.tree.map(_double, (tuple(args), dict(kwargs)))
    return NumPyroProgram(model, guide, args, kwargs, loss, seed)


def _double(leaf: Any) -> Any:
    """Arrays of floating point in double precision."""
    array = np.asarray(leaf)
    return array.astype(float) if array.dtype.kind == "f" and array.ndim else leaf


class NumPyroProgram(Guided):
    """`plan.Program` of a NumPyro model and guide."""

    def zero(self) -> Any:
        import jax.numpy as jnp

        return jnp.zeros(1)

    @cached_property
    def keys(self) -> list[tuple[Any, Any]]:
        """(key of the model, key of the guide) for every particle; of several, as the loss itself hands them out."""
        import jax
        import numpyro

        if self.particles == 1:
            return [self._first_keys]
        found: dict[str, list[np.ndarray]] = {"model": [], "guide": []}

        def recorded(name: str, program: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                key = numpyro.prng_key()
                jax.debug.callback(lambda key: found[name].append(np.asarray(key)), key)
                return _seeded(program, key)(*args, **kwargs)

            return run

        values = {name: value for name, (_, value) in self._constraints.items()}
        model, guide = recorded("model", self.model), recorded("guide", self.guide)
        self.loss.loss(self._key, values, model, guide, *self.args, **self.kwargs)
        jax.effects_barrier()
        if not len(found["model"]) == len(found["guide"]) == self.particles:
            raise InputError(
                f"{type(self.loss).__name__}({self.particles} particles) ran the guide {len(found['guide'])} times and "
                f"the model {len(found['model'])} times; every particle should run each of them once"
            )
        return list(zip(found["model"], found["guide"], strict=True))

    @property
    def _first_keys(self) -> tuple[Any, Any]:
        import jax

        model_key, guide_key = jax.random.split(self._key)
        return model_key, guide_key

    @property
    def _key(self) -> Any:
        import jax

        return jax.random.PRNGKey(self.seed)

    @cached_property
    def _constraints(self) -> dict[str, Any]:
        """`param` site -> (transform to its constraint, initial value), of model and guide."""
        from numpyro.distributions import biject_to, constraints

        model, guide = self._traces({}, self._first_keys)
        found: dict[str, tuple[Any, Any]] = {}
        owners: dict[str, set[str]] = {"model": set(), "guide": set()}
        for owner, sites in (("model", model), ("guide", guide)):
            for name, site in sites.items():
                if site["type"] == "param":
                    owners[owner].add(name)
                    transform = biject_to(site["kwargs"].get("constraint", constraints.real))
                    found[name] = (transform, site["value"])
        refuse_shared(**owners)
        return found

    def unconstrained(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Initial values, or those given, in the charts of NumPyro's optimisers; nested for modules."""
        import jax

        refuse_unknown(params, self._constraints)
        start = {}
        for name, (transform, value) in self._constraints.items():
            value = jax.tree.map(lambda leaf: np.asarray(leaf, dtype=float), params.get(name, value))
            start[name] = jax.tree.map(lambda leaf, back=transform._inverse: np.asarray(back(leaf)), value)
        return start

    def constrained(self, params: Tree) -> dict[str, Any]:
        """The values that `param` statements return."""
        import jax

        return {name: jax.tree.map(self._constraints[name][0], value) for name, value in params.items()}

    def _traces(self, values: Mapping[str, Any], keys: tuple[Any, Any]) -> tuple[Any, Any]:
        from numpyro import handlers

        model_key, guide_key = keys
        guide = handlers.substitute(handlers.seed(self.guide, guide_key), data=values)
        guide_trace = handlers.trace(guide).get_trace(*self.args, **self.kwargs)
        model = handlers.replay(handlers.seed(self.model, model_key), guide_trace)
        model_trace = handlers.trace(handlers.substitute(model, data=values)).get_trace(*self.args, **self.kwargs)
        return model_trace, guide_trace

    def run(self, params: Tree, particle: int) -> tuple[Sites, Sites]:
        model, guide = self._traces(self.constrained(params), self.keys[particle])
        return _sites(model), _sites(guide)

    def replay(self, params: Tree, latents: Tree, particle: int) -> Sites:
        from numpyro import handlers

        held = handlers.substitute(self.model, data={**self.constrained(params), **latents})
        _, guide = self._traces(self.constrained(params), self.keys[particle])
        plates = {name: site["value"] for name, site in guide.items() if site["type"] == "plate"}
        model = handlers.seed(handlers.substitute(held, data=plates), self.keys[particle][0])
        return _sites(handlers.trace(model).get_trace(*self.args, **self.kwargs))

    def draw(self, params: Tree, latents: Tree, particle: int) -> Sites:
        from numpyro import handlers

        guide = handlers.seed(self.guide, self.keys[particle][1])
        held = handlers.substitute(guide, data={**self.constrained(params), **latents})
        return _sites(handlers.trace(held).get_trace(*self.args, **self.kwargs))

    def bijection(self, site: Site) -> Any:
        from numpyro.distributions import biject_to

        return biject_to(site.distribution.support)

    def analytic(self, model: Site, guide: Site) -> bool:
        from numpyro.distributions.kl import kl_divergence
        from numpyro.infer import TraceMeanField_ELBO

        if not isinstance(self.loss, TraceMeanField_ELBO):
            return False
        try:
            kl_divergence(guide.distribution, model.distribution)
        except NotImplementedError:
            return False
        return True

    def depends(self, function: Callable[[Tree, Tree], Tree], params: Tree, latents: Tree) -> dict[str, set[str]]:
        from numpyro.ops.provenance import eval_provenance

        inputs = {**params, **latents}

        def split(**inputs: Any) -> Tree:
            return function({name: inputs[name] for name in params}, {name: inputs[name] for name in latents})

        return {name: set(used) & set(inputs) for name, used in eval_provenance(split, **inputs).items()}

    def value(self, params: Tree) -> Any:
        """−loss at the fixed noise, in nats for all data."""
        if self.particles == 1:
            return self.particle(0)(params)
        model, guide = _own_noise(self.model), _own_noise(self.guide)
        return -self.loss.loss(self._key, self.constrained(params), model, guide, *self.args, **self.kwargs)

    def training(self, optim: Any, steps: int) -> Callable[[Tree], Tree]:
        """`params -> params`: `SVI` with the noise of the one particle in every step."""
        if self.particles > 1:
            raise InputError(
                f"training at fixed noise needs one particle; {type(self.loss).__name__} has {self.particles}"
            )
        from numpyro.infer import SVI

        def fit(params: Tree) -> Tree:
            model_key, guide_key = self.keys[0]
            model, guide = _seeded(self.model, model_key), _seeded(self.guide, guide_key)
            with double_precision():
                svi, start = SVI(model, guide, optim, self.loss), self.constrained(params)
                run = svi.run(self._key, steps, *self.args, progress_bar=False, init_params=start, **self.kwargs)
                return self.unconstrained(run.params)

        return fit

    def estimated(self, params: Tree) -> dict[str, bool]:
        """Blocks whose gradient `TraceGraph_ELBO` estimates by the score function: no derivative of any value."""
        from numpyro.infer import TraceGraph_ELBO

        if not isinstance(self.loss, TraceGraph_ELBO):
            return {}
        drawn = {name: site for name, site in self.run(params, 0)[1].items() if not site.distribution.has_rsample}
        families = {name: taken(site) for name, site in drawn.items()}

        def fields(params: Tree, latents: Tree) -> Tree:
            return all_fields({name: self.run(params, 0)[1][name] for name in drawn}, families)

        found = {one for used in self.depends(fields, params, {}).values() for one in used}
        return {path: False for path in leaves(params) if any(covers(name, path) for name in found)}

    def particle(self, index: int) -> Callable[[Tree], Any]:
        """The same with one particle."""
        loss = copy.copy(self.loss)
        loss.num_particles = 1
        model_key, guide_key = self.keys[index]

        def value(params: Tree) -> Any:
            model, guide = _seeded(self.model, model_key), _seeded(self.guide, guide_key)
            return -loss.loss(self._key, self.constrained(params), model, guide, *self.args, **self.kwargs)

        return value


def _own_noise(program: Callable[..., Any]) -> Callable[..., Any]:
    """The program in a seed handler of its own, with the first key that the loss gives it."""
    import numpyro

    return lambda *args, **kwargs: _seeded(program, numpyro.prng_key())(*args, **kwargs)


def _seeded(program: Callable[..., Any], key: Any) -> Callable[..., Any]:
    from numpyro import handlers

    return handlers.seed(program, key)


def _sites(trace: Mapping[str, Any]) -> dict[str, Site]:
    """The sample sites of a trace."""
    import jax.numpy as jnp

    sizes = {name: site["args"] for name, site in trace.items() if site["type"] == "plate"}
    found = {}
    for name, site in trace.items():
        if site["type"] != "sample":
            continue
        plates = 1.0
        for frame in site["cond_indep_stack"]:
            plates *= sizes[frame.name][0] / frame.size if frame.name in sizes else 1.0
        found[name] = Site(
            name,
            site["fn"],
            jnp.asarray(site["value"]),
            number(site["scale"]),
            plates,
            bool(site["is_observed"]),
            bool(site["infer"].get("is_auxiliary", False)),
            weights=weights(site["scale"]),
            intermediates=site.get("intermediates"),
        )
    return found
