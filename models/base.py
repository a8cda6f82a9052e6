"""Model and Variational: records of functions from which every problem of the catalogue is made."""

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


def as_drawn(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Data that need no repair."""
    return x


def no_symmetries(params: Arrays) -> tuple[Mapping[str, Array], ...]:
    """Nothing can be moved without changing F."""
    return ()


@dataclass(frozen=True, eq=False)
class Model:
    """A generative model: named parameter blocks and the list of factors they make.

    `theory`: the row of THEORY section 7 that it belongs to. `axes`: sizes of axes of its own, besides N, D, K and M.
    `factors(params, fixed, latents)`: the model's factors, over the array namespace of its arguments. `fixed` holds
    x (N, D), data_weights (N,), inputs (N, D) (the data standardised, for encoders) and the masks exists_D (D,),
    exists_K (K,); `latents` what q's points supply.
    `states(K)`: (M, K·L) all states of L binary units or of a component per latent, in an order where the first K'
    latents use the first states; None if the latents are not enumerated.
    `moments`: expectations that the model wants from q besides points ("absolute": E_q|z|, as a latent of one point).
    `initial(rng, x, data_weights, K)`: random starting parameters, unpadded.
    `collapsed(params, subset)`: the same with the latents of boolean `subset` (K,) made redundant (equal components,
    zero weights), and the elements to hold there (name -> boolean array): from it ascent reaches a saddle.
    `check_data(x)`: raises `InputError` unless x (N, D) is in the support.
    `families`: the families of prior and observations, for tables.
    `simulate(rng, N, D, K)`: data with the structure of the model (K latents; none if K is 0), well scaled.
    `units`: "affine" if data may be shifted and rescaled, "scale" if only rescaled, "none" if they have no units.
    `scale(x, data_weights)`: natural unit of each column (D,), if not its own standard deviation. `spreads`: standard
    deviations of the noise that makes parameters extreme where no solution is wanted.
    `fill`: a value inside the support, for the padding of data; `least_observed`: smallest D that makes sense.
    `distinct_data(D)`: how many distinct data guarantee a finite stationary point with every parameter free;
    `repair(rng, x)`: discrete data changed so that no logit is pushed to infinity (both values in a binary column).
    `single_datum_frozen`: blocks that must be frozen for one datum to have a stationary point (empty: none exists).
    `truth(rng, N, D, K)`: (x, params) of well-specified problems that start near the truth, for models whose ascents
    from elsewhere mostly end at infinity; None draws data and starts apart.
    `out_of_scope`: why the theorem does not apply, for models that are here to be recognised as such.
    `gaussian_posterior(params, fixed)`: (precision times mean (N, K), precision (K, K)) of p(z | x), for linear
    Gaussian models.
    `symmetries`: one-parameter symmetries of p(x, z), which hold for every q; `marginal_symmetries`: those of p(x)
    besides, which hold where q is the exact posterior (rotations of the latents).
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    factors: Callable[[Arrays, Arrays, Arrays], tuple[Factor, ...]]
    initial: Callable[[np.random.Generator, np.ndarray, np.ndarray, int], Params]
    collapsed: Callable[[Params, np.ndarray], tuple[Params, Params]]
    check_data: Callable[[np.ndarray], None]
    families: tuple[str, str]
    constant_base_measure: bool
    simulate: Callable[[np.random.Generator, int, int, int], np.ndarray]
    theory: str
    axes: Mapping[str, int] = field(default_factory=dict)
    states: Callable[[int], np.ndarray] | None = None
    gaussian_posterior: Callable[[Arrays, Arrays], tuple[Array, Array]] | None = None
    moments: tuple[str, ...] = ()
    scale: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    spreads: tuple[float, ...] = (0.0, 2.0, 10.0)
    units: Units = "none"
    fill: float = 0.0
    least_observed: int = 1
    distinct_data: Callable[[int], int] = lambda observed: 2
    repair: Repair = as_drawn
    single_datum_frozen: tuple[str, ...] = ()
    truth: Callable[[np.random.Generator, int, int, int], tuple[np.ndarray, Params]] | None = None
    out_of_scope: str = ""
    symmetries: Symmetries = no_symmetries
    marginal_symmetries: Symmetries = no_symmetries

    @property
    def continuous_data(self) -> bool:
        """Whether the data have units, so that F depends on them."""
        return self.units != "none"


@dataclass(frozen=True, eq=False)
class Variational:
    """A variational family: parameter blocks of its own and the weighted points they make.

    `points(model, params, fixed)`: q of every datum.
    `trained`: the blocks that training moves; the others stay as drawn (a q that nobody optimised).
    `optimal`: q is the exact posterior of the current parameters, so that the ELBO is the log likelihood.
    `initial(rng, model, x, K)`: random parameters of q for data x (N, D), unpadded.
    `collapsed(model, params, subset)`: parameters of q that go with the model's collapsed latents, and the elements
    to hold; None where this q cannot follow.
    `optimum(model, params, fixed)`: q's best parameters given the model's, where there is a closed form (NumPy).
    `relabelled(params, order)`: only where relabelling latents is more than permuting axes.
    `axes`: sizes of axes of its own. `out_of_scope`: why no model with a fixed prior is covered with this q.
    `symmetries`: one-parameter symmetries of q alone.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    points: Callable[[Model, Arrays, Arrays], WeightedPoints]
    initial: Callable[[np.random.Generator, Model, np.ndarray, int], Params]
    trained: tuple[str, ...] = ()
    optimal: bool = False
    collapsed: Callable[[Model, Params, np.ndarray], tuple[Params, Params]] | None = None
    optimum: Callable[[Model, Arrays, Arrays], Params] | None = None
    relabelled: Callable[[Mapping[str, np.ndarray], np.ndarray], Params] | None = None
    axes: Mapping[str, int] = field(default_factory=dict)
    out_of_scope: str = ""
    symmetries: Symmetries = no_symmetries
