"""Problems without a finite or isolated optimum, built on purpose: an open verdict with its reason, never a false one.

A component on one datum, Heywood cases, separable binary data, pure columns and repeated data send a parameter to
infinity; equal components and idle latents make continua of stationary points.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from elbocheck.checks import every_point, stationary
from elbocheck.models import find_cell
from elbocheck.models.sample import Sample, random_sample
from elbocheck.models.starts import collapsed_start
from elbocheck.outcome import Outcome
from elbocheck.solver import find_stationary_point, find_stationary_points

SECONDS = 60.0
"""For one problem, compilation included, on a slow machine; a hang is what it is about."""
Rows = list[list[float]]


@dataclass(frozen=True)
class Case:
    """A problem whose ascent runs away; `blocks`: the reason names one of them."""

    cell: str
    x: Rows
    latents: int
    blocks: tuple[str, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)

    def sample(self, seed: int = 0) -> Sample:
        sample = random_sample(find_cell(self.cell), np.array(self.x, dtype=float), self.latents, seed, label=self.cell)
        moved = {name: np.broadcast_to(value, sample.params[name].shape) for name, value in self.params.items()}  # type: ignore[call-overload]
        return sample.with_params({name: np.array(value, dtype=float) for name, value in moved.items()})


LINE = [[-1.2], [-0.7], [0.1], [0.4], [0.9], [7.0]]
RUNAWAYS = {
    "a component on one datum": Case(
        "gmm-diagonal/exact",
        LINE,
        2,
        ("log_variances",),
        {"means": [[0.0], [7.0]], "log_variances": [[0.0], [-6.0]], "logits": [1.0, -1.0]},
    ),
    "a spherical component on one datum": Case(
        "gmm-spherical/exact",
        LINE,
        2,
        ("log_variances",),
        {"means": [[0.0], [7.0]], "log_variances": [0.0, -6.0], "logits": [1.0, -1.0]},
    ),
    "more components than distinct data": Case(
        "gmm-diagonal/exact",
        [[0.0], [0.0], [1.0], [1.0]],
        3,
        ("log_variances",),
        {"means": [[0.0], [1.0], [1.0]], "log_variances": [[-5.0], [-5.0], [-4.0]]},
    ),
    "a full covariance of data on a line": Case(
        "gmm-full/exact",
        [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [4.0, 4.0]],
        1,
        ("precision_log_diagonal", "precision_lower"),
    ),
    "a constant column": Case("gmm-diagonal/exact", [[0.3, 2.0], [1.0, 2.0], [-0.5, 2.0]], 1, ("log_variances",)),
    "one datum, PPCA": Case("ppca/exact", [[1.0, 2.0, 3.0]], 1, ("log_variance",)),
    "Heywood case": Case(
        "factor-analysis/exact",
        [[-1.0, -1.1, 0.3], [1.0, 0.9, -0.2], [0.2, 0.0, 1.0], [-0.2, 0.2, -1.1]],
        1,
        ("log_variance",),
        {"loadings": [[1.0], [0.95], [0.0]], "mean": 0.0, "log_variance": [-9.0, -4.0, 0.0]},
    ),
    "a constant column, factor analysis": Case(
        "factor-analysis/exact", [[0.0, 1.0], [1.0, 1.0], [3.0, 1.0]], 1, ("log_variance", "mean")
    ),
    "VAE without noise": Case(
        "vae-1/encoder",
        [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]],
        1,
        ("log_variance", "q_log_variances"),
    ),
    "separable binary data, SBN": Case(
        "sbn/exact",
        [[0.0, 0.0], [1.0, 1.0]] * 3,
        1,
        ("weights", "bias"),
        {"prior_logits": 0.0, "weights": [[6.0], [6.0]], "bias": -3.0},
    ),
    "a pure column, SBN": Case("sbn/exact", [[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]], 1, ("bias", "weights")),
    "pure components": Case(
        "bernoulli-mixture/exact",
        [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]] * 4,
        2,
        ("logits_x",),
        {"logits": 0.0, "logits_x": [[-2.0, -2.5, -3.0], [2.0, 2.5, 3.0]]},
    ),
    "a pure column": Case("bernoulli-mixture/exact", [[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]], 1, ("logits_x",)),
    "counts that are all zero": Case("poisson-mixture/exact", [[0.0], [0.0], [0.0]], 1, ("log_rates",)),
    "one datum, SBN": Case("sbn/exact", [[1.0, 0.0]], 1, ("bias", "weights", "prior_logits")),
    "equal proportions, beta": Case("beta-mixture/exact", [[0.3], [0.3]], 1, ("log_alphas", "log_betas")),
    "equal data, gamma": Case("gamma-mixture/exact", [[2.0], [2.0]], 1, ("log_shapes", "log_rates")),
    "equal angles": Case("von-mises-mixture/exact", [[0.5], [0.5], [0.5]], 1, ("cosines", "sines")),
    "one angle": Case("von-mises-mixture/exact", [[0.5]], 1, ("cosines", "sines")),
    "absorbing states": Case(
        "hmm-categorical/exact",
        [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]],
        3,
        ("initial_logits", "transition_logits", "emission_logits"),
        {"transition_logits": 8.0 * np.eye(3), "emission_logits": 6.0 * np.eye(3)},
    ),
}


def by_case(cases: Mapping[str, Case]) -> Iterable[object]:
    return [
        pytest.param(case, id=name, marks=pytest.mark.xdist_group(find_cell(case.cell).group))
        for name, case in cases.items()
    ]


@pytest.mark.parametrize("case", by_case(RUNAWAYS))
def test_what_runs_away_is_open_with_its_reason_and_no_alarm(case: Case) -> None:
    begin, problem = time.process_time(), case.sample().problem()
    point = find_stationary_point(problem)
    assert not point.certified
    kind, _, which = (
        point.reason.replace(" ran away", " had moved").replace("infinity: ", "infinity; ").rpartition("; ")
    )
    assert kind.startswith(("boundary at infinity", "non-isolated or at infinity", "gradient too large"))
    assert which.split(" had moved")[0] in case.blocks, point.reason
    assert every_point(problem).outcome is Outcome.HOLDS
    assert every_point(point.problem).outcome is Outcome.HOLDS, "the identity holds on the way to infinity too"
    result = stationary(problem, [point])
    assert result.outcome is Outcome.INCONCLUSIVE
    assert point.reason in result.message
    # other starts of the same problem may end in a saddle, or in nothing
    assert stationary(problem, find_stationary_points(problem)).outcome in (Outcome.HOLDS, Outcome.INCONCLUSIVE)
    assert time.process_time() - begin < SECONDS


SPREAD = [[-1.2, 0.3], [-0.7, -1.0], [0.1, 0.8], [0.4, -0.2], [0.9, 1.1], [1.6, 0.2]]
BITS = [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
CONTINUA = {
    "two equal components": Case("gmm-diagonal/exact", SPREAD, 2),
    "three equal components": Case("gmm-diagonal/exact", SPREAD, 3),
    "equal components, spherical": Case("gmm-spherical/exact", SPREAD, 2),
    "equal components, one datum twice": Case("gmm-diagonal/exact", [[0.0], [0.0], [1.0], [1.0]], 3),
    "equal components, Bernoulli": Case("bernoulli-mixture/exact", BITS, 3),
    "equal components, one datum, Poisson": Case("poisson-mixture/exact", [[3.0, 1.0]], 3),
    "idle units": Case("sbn/exact", BITS, 2),
    "equal states": Case(
        "hmm-categorical/exact", [[0.0, 1.0, 2.0, 0.0], [2.0, 1.0, 1.0, 0.0], [1.0, 2.0, 0.0, 0.0]], 2
    ),
}


@pytest.mark.parametrize("case", by_case(CONTINUA))
@pytest.mark.parametrize("seed", [0, 1])
def test_redundant_latents_are_certified_points_of_a_continuum(case: Case, seed: int) -> None:
    sample = case.sample(seed)
    problem = sample.problem()
    point = find_stationary_point(problem, collapsed_start(sample, np.ones(sample.latents, dtype=bool)))
    assert point.certified, point.reason
    assert point.kind in ("saddle", "maximum")
    assert point.inertia.zero >= sample.latents - 1, point.inertia
    assert stationary(problem, [point]).outcome is Outcome.HOLDS


@pytest.mark.xdist_group(find_cell("ppca/exact").group)
def test_as_many_latents_as_dimensions_is_a_continuum_of_maxima() -> None:
    """Any σ² up to the least variance of the data can be completed; nothing is isolated, and all of it holds."""
    case = Case("ppca/exact", [[0.0, 0.0], [1.0, 0.2], [0.3, 1.0], [-0.4, 0.7]], 2)
    values = []
    for seed in range(4):
        problem = case.sample(seed).problem()
        point = find_stationary_point(problem)
        assert stationary(problem, [point]).outcome in (Outcome.HOLDS, Outcome.INCONCLUSIVE)
        values += [point.decomposition.elbo] if point.certified else []
    assert values
    np.testing.assert_allclose(values, values[0], rtol=1e-9)
