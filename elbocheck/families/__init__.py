"""Exponential families: one file per family, every one with the methods of `base.Distribution`."""

from __future__ import annotations

from elbocheck.families.average import Average, expected_log_density
from elbocheck.families.base import Distribution
from elbocheck.families.bernoulli import Bernoulli
from elbocheck.families.beta import Beta
from elbocheck.families.binomial import Binomial
from elbocheck.families.categorical import Categorical
from elbocheck.families.dirichlet import Dirichlet
from elbocheck.families.exponential import Exponential
from elbocheck.families.gamma import Gamma
from elbocheck.families.gamma_known_shape import GammaKnownShape
from elbocheck.families.geometric import Geometric
from elbocheck.families.half_normal import HalfNormal
from elbocheck.families.inverse_gamma import InverseGamma
from elbocheck.families.inverse_gaussian import InverseGaussian
from elbocheck.families.laplace import Laplace
from elbocheck.families.log_normal import LogNormal
from elbocheck.families.multinomial import Multinomial
from elbocheck.families.multivariate_normal import MultivariateNormal
from elbocheck.families.negative_binomial import NegativeBinomial
from elbocheck.families.normal import Normal
from elbocheck.families.normal_known_variance import NormalKnownVariance
from elbocheck.families.pareto import Pareto
from elbocheck.families.poisson import Poisson
from elbocheck.families.rayleigh import Rayleigh
from elbocheck.families.von_mises import VonMises
from elbocheck.families.weibull import Weibull
from elbocheck.families.wishart import Wishart

FAMILIES = (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Exponential,
    Gamma,
    GammaKnownShape,
    Geometric,
    HalfNormal,
    InverseGamma,
    InverseGaussian,
    Laplace,
    LogNormal,
    Multinomial,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    NormalKnownVariance,
    Pareto,
    Poisson,
    Rayleigh,
    VonMises,
    Weibull,
    Wishart,
)

__all__ = [
    "FAMILIES",
    "Average",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "GammaKnownShape",
    "Geometric",
    "HalfNormal",
    "InverseGamma",
    "InverseGaussian",
    "Laplace",
    "LogNormal",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "NormalKnownVariance",
    "Pareto",
    "Poisson",
    "Rayleigh",
    "VonMises",
    "Weibull",
    "Wishart",
    "expected_log_density",
]
