"""Out of scope: a sigmoid belief network whose logits are 1.5 tanh(W z + b); bounded logits cannot be multiplied."""

from __future__ import annotations

from dataclasses import replace

from elbocheck.backends.namespace import namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays
from elbocheck.families import Bernoulli
from elbocheck.models.sample import Cell
from elbocheck.models.sbn import SBN
from elbocheck.models.variational.table import ARBITRARY

BOUND = 1.5


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """The network of `sbn.py`, its logits bounded."""
    prior, network = SBN.factors(params, fixed, latents)
    xp = namespace(latents["z"]).xp
    bounded = Bernoulli(BOUND * xp.tanh(network.distribution.natural_parameters()[0]))
    return (prior, replace(network, distribution=bounded, beta=None))


BOUNDED_LOGITS = replace(
    SBN,
    name="bounded-logits",
    title="sigmoid belief network, logits bounded by tanh",
    factors=factors,
    theory=replace(
        SBN.theory,
        row="",
        out_of_scope="the logits are bounded by tanh: no direction multiplies all of them by one factor",
    ),
)
CELLS = (Cell(BOUNDED_LOGITS, ARBITRARY, (16, 4, 3), least=(14, 2, 2), evaluations=80),)
