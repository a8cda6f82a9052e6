"""Mixtures: Categorical component, any family for x | component; what Gaussian and Poisson mixtures share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from elbocheck.backends.namespace import Array
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.families import Categorical
from elbocheck.families.base import Distribution
from elbocheck.models.base import (
    Data,
    Model,
    Params,
    Repair,
    Starts,
    Symmetries,
    Theory,
    Units,
    as_drawn,
    no_symmetries,
)
from elbocheck.models.support import component_states, shifts, together

Component = Callable[[Arrays, Arrays], Distribution]


def mixture(
    *,
    name: str,
    title: str,
    blocks: tuple[Block, ...],
    component: Component,
    beta: Callable[[Arrays], Mapping[str, Array]],
    initial: Callable[[np.random.Generator, np.ndarray, np.ndarray, int], Params],
    check_data: Callable[[np.ndarray], None],
    family: str,
    constant_base_measure: bool,
    simulate: Callable[[np.random.Generator, int, int, int], np.ndarray],
    value: Callable[[Array], Array] = lambda x: x,
    axes: Mapping[str, int] | None = None,
    vector_event: bool = False,
    tied: tuple[str, ...] = (),
    theory: str = "",
    units: Units = "none",
    fill: float = 0.0,
    least_observed: int = 1,
    repair: Repair = as_drawn,
    distinct_data: Callable[[int], int] = lambda observed: 2,
    single_datum_frozen: tuple[str, ...] = (),
    symmetries: Symmetries = no_symmetries,
) -> Model:
    """The model p(c) = softmax(logits)_c, p(x | c) = component(params, fixed), batch shape (1, K, *elements).

    `blocks`: of the components, with "K" as first axis unless named in `tied` (shared by all components; the identity
    then holds for their sum only). `beta(params)`: closed form of β for the component factor. `value(x)`: data
    (N, 1, D) as the family wants them; `vector_event`: the D columns are one value of the family; `symmetries`: of the
    components.
    """

    def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
        z, x, logits = latents["z"], fixed["x"][:, None, :], params["logits"]
        prior = Categorical(logits, where=fixed["exists_K"])
        return (
            Factor("z", prior, z, parameters=("logits",), beta={"logits": logits}),
            Factor(
                "x",
                component(params, fixed),
                value(x),
                parameters=tuple(block.name for block in blocks),
                beta=beta(params),
                where=None if vector_event else fixed["exists_D"],
                groups=None if tied else z,
            ),
        )

    def start(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
        return {"logits": rng.normal(scale=0.5, size=count), **initial(rng, x, data_weights, count)}

    def collapsed(params: Params, subset: np.ndarray) -> tuple[Params, Params]:
        """All components of the subset made equal to its first: a ridge, and a saddle if they would rather split."""
        split = ["logits", *(block.name for block in blocks if block.name not in tied)]
        return {**params, **{name: merged(params[name], subset) for name in split}}, {}

    return Model(
        name=name,
        title=title,
        blocks=(Block("logits", ("K",)), *blocks),
        factors=factors,
        states=component_states,
        axes=axes or {},
        data=Data(
            check=check_data,
            simulate=simulate,
            units=units,
            fill=fill,
            least_observed=least_observed,
            repair=repair,
            distinct=distinct_data,
        ),
        starts=Starts(
            initial=start,
            collapsed=collapsed,
            single_datum_frozen=single_datum_frozen,
        ),
        theory=Theory(
            families=("categorical", family),
            constant_base_measure=constant_base_measure,
            row=theory or f"EF mixtures, {'constant' if constant_base_measure else 'non-constant'} base measure",
            symmetries=together(shifts("logits"), symmetries),
        ),
    )


def merged(value: np.ndarray, subset: np.ndarray, axis: int = 0) -> np.ndarray:
    """A copy in which all slices of `subset` along `axis` equal the first of them."""
    result = np.moveaxis(np.array(value, dtype=float), axis, 0)
    members = np.flatnonzero(subset)
    if members.size:
        result[members] = result[members[0]]
    return np.moveaxis(result, 0, axis)
