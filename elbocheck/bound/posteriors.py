"""What a variational family yields: finitely many weighted points of the latents, and an entropy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elbocheck.backends.namespace import Array


@dataclass(frozen=True)
class WeightedPoints:
    """q_n(z) as points z_nm with weights r_nm: E_{q_n} f(z) = Σ_m r_nm f(z_nm).

    Enumerated states, quadrature nodes, or samples with the noise held fixed; sigma points are exact for Gaussian q
    and polynomials of degree two. The same points serve the ELBO, the entropy sum and the gradient.
    """

    latents: Mapping[str, Array]
    """Name -> (N or 1, M, *elements)."""

    weights: Array
    """(N, M), rows summing to 1; or (N, M, E), where the points have other weights for each of E elements.

    So have the pairs of neighbouring states of a Markov chain at E times.
    """

    entropy: Array
    """(N,): H[q_n] in nats."""

    rescaling: Mapping[str, Array] | None = None
    """The tangent, block by block, along which every q_n is rescaled, z -> a z (THEORY section 5).

    None if the family cannot produce it.
    """

    optimal: bool = False
    """Whether q follows the model as its optimum (an exact posterior).

    It is then stationary by itself and needs no tangent.
    """
