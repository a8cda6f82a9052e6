"""Exponential families: one file per family, every one with the methods of `base.Distribution`.

A family enters by its file and its import here.
"""

from __future__ import annotations

from typing import Any

from elbocheck.families.average import Average as Average
from elbocheck.families.average import expected_log_density as expected_log_density
from elbocheck.families.base import Distribution as Distribution
from elbocheck.families.bernoulli import Bernoulli as Bernoulli
from elbocheck.families.beta import Beta as Beta
from elbocheck.families.binomial import Binomial as Binomial
from elbocheck.families.categorical import Categorical as Categorical
from elbocheck.families.dirichlet import Dirichlet as Dirichlet
from elbocheck.families.exponential import Exponential as Exponential
from elbocheck.families.gamma import Gamma as Gamma
from elbocheck.families.gamma_known_shape import GammaKnownShape as GammaKnownShape
from elbocheck.families.geometric import Geometric as Geometric
from elbocheck.families.half_normal import HalfNormal as HalfNormal
from elbocheck.families.inverse_gamma import InverseGamma as InverseGamma
from elbocheck.families.inverse_gaussian import InverseGaussian as InverseGaussian
from elbocheck.families.inverse_wishart import InverseWishart as InverseWishart
from elbocheck.families.laplace import Laplace as Laplace
from elbocheck.families.log_normal import LogNormal as LogNormal
from elbocheck.families.multinomial import Multinomial as Multinomial
from elbocheck.families.multivariate_normal import MultivariateNormal as MultivariateNormal
from elbocheck.families.negative_binomial import NegativeBinomial as NegativeBinomial
from elbocheck.families.normal import Normal as Normal
from elbocheck.families.normal_gamma import NormalGamma as NormalGamma
from elbocheck.families.normal_known_variance import NormalKnownVariance as NormalKnownVariance
from elbocheck.families.normal_wishart import NormalWishart as NormalWishart
from elbocheck.families.pareto import Pareto as Pareto
from elbocheck.families.poisson import Poisson as Poisson
from elbocheck.families.rayleigh import Rayleigh as Rayleigh
from elbocheck.families.von_mises import VonMises as VonMises
from elbocheck.families.weibull import Weibull as Weibull
from elbocheck.families.wishart import Wishart as Wishart

FAMILIES: tuple[Any, ...] = tuple(
    one for one in list(globals().values()) if isinstance(getattr(one, "family", None), str)
)
"""All families, in alphabetical order of their files."""

__all__ = ["FAMILIES", "Average", "Distribution", "expected_log_density", *(family.__name__ for family in FAMILIES)]
