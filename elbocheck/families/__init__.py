"""Exponential families: one file per family, every one with the methods of `base.Distribution`."""

from __future__ import annotations

from elbocheck.families.base import Distribution
from elbocheck.families.bernoulli import Bernoulli
from elbocheck.families.categorical import Categorical
from elbocheck.families.multivariate_normal import MultivariateNormal
from elbocheck.families.normal import Normal
from elbocheck.families.poisson import Poisson

FAMILIES = (Bernoulli, Categorical, Normal, MultivariateNormal, Poisson)

__all__ = ["FAMILIES", "Bernoulli", "Categorical", "Distribution", "MultivariateNormal", "Normal", "Poisson"]
