"""Named densities that are no exponential family: given to a `Factor` like a family, judged in value and gradient.

    Factor("y", StudentT(df, location, scale), y)

A density is a frozen record of its parameters with `log_density(value)`, in nats, and with its name in `family`. All
parameters may be learned. It has no natural parameters, so that the theorem does not cover its factor: the sum of
entropies keeps its E log p, as of any `LogDensity` (THEORY section 12). Parameters have shape `(*batch, *event)`,
densities `batch`; arrays are of any library.

What is an exponential family once something is known is one in `elbocheck.families`: a negative binomial of known
dispersion, a half-normal, an inverse gamma.
"""

from __future__ import annotations

from elbocheck.densities.continuous import HalfCauchy as HalfCauchy
from elbocheck.densities.continuous import StudentT as StudentT
from elbocheck.densities.continuous import Uniform as Uniform
from elbocheck.densities.counts import NegativeBinomial2 as NegativeBinomial2
from elbocheck.densities.counts import ZeroInflated as ZeroInflated
from elbocheck.densities.lkj import LKJCholesky as LKJCholesky
from elbocheck.densities.mixture import Mixture as Mixture
from elbocheck.densities.truncated_normal import TruncatedNormal as TruncatedNormal

__all__ = [
    "HalfCauchy",
    "LKJCholesky",
    "Mixture",
    "NegativeBinomial2",
    "StudentT",
    "TruncatedNormal",
    "Uniform",
    "ZeroInflated",
]
