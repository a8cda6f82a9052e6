"""What `OneStatistic` makes of six formulas is what the families write out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elbocheck.families import Laplace, Rayleigh
from elbocheck.families.base import OneStatistic


class ShortRayleigh(OneStatistic):
    """A Rayleigh distribution that keeps only what is asked of it."""

    family, powers = "Rayleigh", (2, 1)

    def __init__(self, full: Any) -> None:
        self.natural_parameters, self.sufficient_statistics = full.natural_parameters, full.sufficient_statistics
        self.log_partition, self.mean_statistics = full.log_partition, full.mean_statistics
        self.log_base_measure: Any = full.log_base_measure
        self.expected_log_base_measure: Any = full.expected_log_base_measure


class ShortLaplace(OneStatistic):
    """A Laplace distribution that keeps only what is asked of it; h is constant."""

    family, powers, constant_base_measure = "Laplace", (1, 0), True

    def __init__(self, full: Any) -> None:
        self.natural_parameters, self.sufficient_statistics = full.natural_parameters, full.sufficient_statistics
        self.log_partition, self.mean_statistics = full.log_partition, full.mean_statistics


@pytest.mark.parametrize(("short", "family"), [(ShortRayleigh, Rayleigh), (ShortLaplace, Laplace)])
def test_what_follows_from_one_statistic_is_what_the_families_write_out(short: Any, family: Any) -> None:
    full = family(np.array([0.02, 1.0, 3e4]))
    own, value = short(full), np.array([[1e-3], [0.7], [50.0]])
    for name in ("log_density", "log_density_scale", "log_base_measure"):
        np.testing.assert_allclose(getattr(own, name)(value), getattr(full, name)(value), rtol=1e-13, err_msg=name)
    for name in ("entropy", "pseudo_entropy", "expected_log_base_measure"):
        np.testing.assert_allclose(getattr(own, name)(), getattr(full, name)(), rtol=1e-13, err_msg=name)
