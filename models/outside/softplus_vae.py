"""Out of scope: a VAE whose σ(z) comes from a softplus head; no direction multiplies all 1/σ²(z) by one factor."""

from __future__ import annotations

from dataclasses import replace

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.layout import Arrays
from elbocheck.families import Normal
from elbocheck.models.decoder import LINEAR, head
from elbocheck.models.sample import Cell
from elbocheck.models.vae import vae
from elbocheck.models.vae_parts import GAUSSIAN_VARYING, STANDARD_NORMAL
from elbocheck.models.variational.amortised import AMORTISED_LINEAR


def _softplus_head(params: Arrays, features: Array) -> Normal:
    """N(net(z), diag softplus(net(z))²)."""
    deviation = namespace(features).softplus(head(features, params["variance_weights"], params["log_variance"]))
    return Normal(head(features, params["loadings"], params["mean"]), deviation * deviation)


SOFTPLUS = replace(
    GAUSSIAN_VARYING, distribution=_softplus_head, beta=None, data=replace(GAUSSIAN_VARYING.data, units="none")
)
SOFTPLUS_VAE = vae(
    "softplus-vae",
    "VAE, softplus head for σ(z)",
    "",
    STANDARD_NORMAL,
    LINEAR,
    SOFTPLUS,
    out_of_scope="σ(z) is the softplus of a network: no direction multiplies all 1/σ²(z) by one factor",
)
CELLS = (Cell(SOFTPLUS_VAE, AMORTISED_LINEAR, (30, 4, 1), least=(20, 4, 1), evaluations=120),)
