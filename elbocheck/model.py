"""Model and Variational: records of functions from which every problem of the catalogue is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from elbocheck.backends.namespace import Array
from elbocheck.factors import Factor
from elbocheck.parameters import Arrays, Block
from elbocheck.posteriors import WeightedPoints

Params = dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """A generative model: named parameter blocks and the list of factors they make.

    `factors(params, fixed, latents)`: the model's factors, over the array namespace of its arguments. `fixed` holds
    x (N, D), data_weights (N,) and the masks exists_D (D,), exists_K (K,); `latents` what q's points supply.
    `states(K)`: (M, K) all latent states in an order where the first K' latents use the first states; None if the
    latents are continuous.
    `initial(rng, x, data_weights, K)`: random starting parameters, unpadded.
    `collapsed(params, subset)`: the same with the latents of boolean `subset` (K,) made redundant (equal components,
    zero weights), and the elements to hold there (name -> boolean array): from it ascent reaches a saddle.
    `check_data(x)`: raises `InputError` unless x (N, D) is in the support.
    `families`: the families of prior and observations, for tables.
    `simulate(rng, N, D, K)`: data with the structure of the model (K latents; none if K is 0), well scaled.
    `distinct_data(D)`: how many distinct data guarantee a finite stationary point with every parameter free;
    `single_datum_frozen`: blocks that must be frozen for one datum to have one (empty: none exists).
    `gaussian_posterior(params, fixed)`: (precision times mean (N, K), precision (K, K)) of p(z | x), for linear
    Gaussian models.
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
    states: Callable[[int], np.ndarray] | None = None
    gaussian_posterior: Callable[[Arrays, Arrays], tuple[Array, Array]] | None = None
    continuous_data: bool = False
    distinct_data: Callable[[int], int] = lambda observed: 2
    single_datum_frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variational:
    """A variational family: parameter blocks of its own and the weighted points they make.

    `points(model, params, fixed)`: q of every datum.
    `trained`: the blocks that training moves; the others stay as drawn (a q that nobody optimised).
    `optimal`: q is the exact posterior of the current parameters, so that the ELBO is the log likelihood.
    `initial(rng, model, N, K)`: random parameters of q, unpadded.
    `collapsed(model, params, subset)`: parameters of q that go with the model's collapsed latents, and the elements
    to hold; None where this q cannot follow.
    `optimum(model, params, fixed)`: q's best parameters given the model's, where there is a closed form (NumPy).
    `relabelled(params, order)`: only where relabelling latents is more than permuting axes.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    points: Callable[[Model, Arrays, Arrays], WeightedPoints]
    initial: Callable[[np.random.Generator, Model, int, int], Params]
    trained: tuple[str, ...] = ()
    optimal: bool = False
    collapsed: Callable[[Model, Params, np.ndarray], tuple[Params, Params]] | None = None
    optimum: Callable[[Model, Arrays, Arrays], Params] | None = None
    relabelled: Callable[[Mapping[str, np.ndarray], np.ndarray], Params] | None = None
