"""Model, its parts, and Variational: records of functions from which every problem of the catalogue is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from elbocheck.backends.namespace import Array
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints

Params = dict[str, np.ndarray]
Units = Literal["affine", "scale", "none"]
Repair = Callable[[np.random.Generator, np.ndarray], np.ndarray]
Symmetries = Callable[[Arrays], tuple[Mapping[str, Array], ...]]
"""Parameters -> tangents T, block by block, along which F does not change: T(θ)·∇F(θ) = 0 at every θ."""


SPREADS = (0.0, 2.0, 10.0)


def as_drawn(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Data that need no repair."""
    return x


def no_symmetries(params: Arrays) -> tuple[Mapping[str, Array], ...]:
    """Nothing can be moved without changing F."""
    return ()


@dataclass(frozen=True, eq=False)
class Data:
    """What the data of a model are like, and how they are drawn."""

    check: Callable[[np.ndarray], None]
    """x (N, D): raises `InputError` unless it is in the support."""

    simulate: Callable[[np.random.Generator, int, int, int], np.ndarray]
    """(rng, N, D, K) -> data with the structure of the model (K latents; none if K is 0), well scaled."""

    units: Units = "none"
    """ "affine" if data may be shifted and rescaled, "scale" if only rescaled, "none" if they have no units."""

    scale: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    """(x, data_weights) -> natural unit of each column (D,), if not its own standard deviation."""

    fill: float = 0.0
    """A value inside the support, for the padding of data."""

    least_observed: int = 1
    """Smallest D that makes sense."""

    distinct: Callable[[int], int] = lambda observed: 2
    """D -> how many distinct data guarantee a finite stationary point with every parameter free."""

    repair: Repair = as_drawn
    """(rng, x) -> discrete data changed so that no logit is pushed to infinity.

    For example both values in a binary column.
    """

    @property
    def continuous(self) -> bool:
        """Whether the data have units, so that F depends on them."""
        return self.units != "none"


@dataclass(frozen=True, eq=False)
class Starts:
    """Where the parameters of a model start."""

    initial: Callable[[np.random.Generator, np.ndarray, np.ndarray, int], Params]
    """(rng, x, data_weights, K) -> random starting parameters, unpadded."""

    collapsed: Callable[[Params, np.ndarray], tuple[Params, Params]]
    """(params, subset) -> the same with the latents of boolean `subset` (K,) made redundant, and the elements to hold.

    Equal components, or zero weights; name -> boolean array of the elements. From there ascent reaches a saddle.
    """

    truth: Callable[[np.random.Generator, int, int, int], tuple[np.ndarray, Params]] | None = None
    """(rng, N, D, K) -> (x, params) of well-specified problems that start near the truth.

    For models whose ascents from elsewhere mostly end at infinity; None draws data and starts apart.
    """

    spreads: tuple[float, ...] = SPREADS
    """Standard deviations of the noise that makes parameters extreme where no solution is wanted."""

    single_datum_frozen: tuple[str, ...] = ()
    """Blocks that must be frozen for one datum to have a stationary point; empty: none exists."""


@dataclass(frozen=True, eq=False)
class Theory:
    """What is known of a model before anything is computed."""

    families: tuple[str, str]
    """Of prior and observations, for tables."""

    constant_base_measure: bool
    """Whether that of every factor is, for tables."""

    row: str
    """The row of THEORY section 7 that it belongs to."""

    out_of_scope: str = ""
    """Why the theorem does not apply, for models that are here to be recognised as such; else empty."""

    symmetries: Symmetries = no_symmetries
    """One-parameter symmetries of p(x, z), which hold for every q."""

    marginal_symmetries: Symmetries = no_symmetries
    """Those of p(x) besides, which hold where q is the exact posterior (rotations of the latents)."""

    scalings: Symmetries = no_symmetries
    """What undoes z_k -> a z_k in p, one tangent for each latent: symmetries together with those of q."""


@dataclass(frozen=True, eq=False)
class Model:
    """A generative model: named parameter blocks and the list of factors they make."""

    name: str
    """In the names of cells."""

    title: str
    """In words."""

    blocks: tuple[Block, ...]
    """Its parameters."""

    factors: Callable[[Arrays, Arrays, Arrays], tuple[Factor, ...]]
    """(params, fixed, latents) -> its factors, over the array namespace of its arguments.

    `fixed` holds x (N, D), data_weights (N,), inputs (N, D) (the data standardised, for encoders) and the masks
    exists_D (D,), exists_K (K,); `latents` what q's points supply.
    """

    data: Data
    """What its data are like."""

    starts: Starts
    """Where its parameters start."""

    theory: Theory
    """What is known of it."""

    axes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of axes of its own, besides N, D, K and M."""

    states: Callable[[int], np.ndarray] | None = None
    """K -> (M, K·L): all states of L binary units or of a component per latent; None if latents are not enumerated.

    In an order where the first K' latents use the first states.
    """

    gaussian_posterior: Callable[[Arrays, Arrays], tuple[Array, Array]] | None = None
    """(params, fixed) -> (precision times mean (N, K), precision (K, K)) of p(z | x).

    For linear Gaussian models.
    """

    moments: tuple[str, ...] = ()
    """Expectations that it wants from q besides points: "absolute", E_q|z|, as a latent of one point."""


@dataclass(frozen=True, eq=False)
class Variational:
    """A variational family: parameter blocks of its own and the weighted points they make."""

    name: str
    """In the names of cells."""

    title: str
    """In words."""

    blocks: tuple[Block, ...]
    """Its own parameters."""

    points: Callable[[Model, Arrays, Arrays], WeightedPoints]
    """(model, params, fixed) -> q of every datum."""

    initial: Callable[[np.random.Generator, Model, np.ndarray, int], Params]
    """(rng, model, x, K) -> random parameters of q for data x (N, D), unpadded."""

    trained: tuple[str, ...] = ()
    """The blocks that training moves; the others stay as drawn (a q that nobody optimised)."""

    optimal: bool = False
    """Whether q is the exact posterior of the current parameters, so that the ELBO is the log likelihood."""

    collapsed: Callable[[Model, Params, np.ndarray], tuple[Params, Params]] | None = None
    """(model, params, subset) -> parameters of q that go with the model's collapsed latents, and the elements to hold.

    None where this q cannot follow.
    """

    optimum: Callable[[Model, Arrays, Arrays], Params] | None = None
    """(model, params, fixed) -> q's best parameters given the model's, where there is a closed form (NumPy)."""

    relabelled: Callable[[Mapping[str, np.ndarray], np.ndarray], Params] | None = None
    """(params, order) -> parameters; only where relabelling latents is more than permuting axes."""

    axes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of axes of its own."""

    out_of_scope: str = ""
    """Why no model with a fixed prior is covered with this q; empty if they are."""

    symmetries: Symmetries = no_symmetries
    """One-parameter symmetries of q alone."""

    scalings: Symmetries = no_symmetries
    """What makes z_k -> a z_k in q, one tangent for each latent."""
