"""What libraries do on purpose that keeps training off a stationary point: named, with the exact gap it leaves.

All gaps are those of `Departure`: F − S of one factor where the library's training stops, in nats per datum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from elbocheck.bound.departures import Departure

NOISE_FLOOR = 1e-12
"""The smallest noise variance that scikit-learn's FactorAnalysis allows."""


def regularised(kind: str, amount: float) -> tuple[Departure, ...]:
    """`reg_covar` of a Gaussian mixture: gap = ½ Σ_c r̄_c · reg · tr Σ_c⁻¹ of the factor x.

    EM with a regulariser stops where Σ_c = S_c + reg · I (S_c: the weighted scatter of component c, r̄_c its mean
    responsibility, equal to π_c there), so that E log p + H = ½ Σ_c r̄_c tr Σ_c⁻¹ (Σ_c − S_c). It holds for full,
    tied, diagonal and spherical covariances alike.
    """
    if amount == 0.0:
        return ()

    def gaps(params: Mapping[str, Any]) -> dict[str, float]:
        weights = np.exp(params["logits"] - np.max(params["logits"]))
        size = params["means"].shape[1]
        if kind == "spherical":
            traces = size * np.exp(-params["log_variances"])
        elif kind == "diag":
            traces = np.exp(-params["log_variances"]).sum(axis=-1)
        else:
            squares = np.exp(2.0 * params["precision_log_diagonal"]).sum(axis=-1)
            traces = squares + (params["precision_lower"] ** 2).sum(axis=-1)
        return {"x": 0.5 * amount * float(np.sum(weights / weights.sum() * traces))}

    return (Departure(f"reg_covar = {amount:g}", gaps),)


def fewer_degrees_of_freedom(estimator: Any, x: np.ndarray) -> tuple[Departure, ...]:
    """PCA's variances divide by N − 1: the gaps sum to ½ (D − R (N − 1)/N), that is D/2N where R = D.

    With eigenvalues λ_i of the sample covariance (1/N), PCA has λ̂_i = λ_i N/(N − 1), and σ̂² is the mean of the last
    R − K of R = min(N, D) eigenvalues, hence tr C⁻¹ S = R (N − 1)/N, where a maximum has D. The prior's part of it is
    Σ_i (1 − σ̂²/λ̂_i)/2N, because E z_i² = 1 − (1 − σ̂²/λ̂_i)/N; the rest is that of x.
    """
    data, observed = x.shape
    kept, noise = estimator.explained_variance_, float(estimator.noise_variance_)
    averaged = round((float(np.var(x, axis=0, ddof=1).sum()) - float(np.sum(kept))) / noise)
    total = 0.5 * (observed - (len(kept) + averaged) * (data - 1) / data)

    def gaps(params: Mapping[str, Any]) -> dict[str, float]:
        lengths = np.linalg.svd(params["loadings"], compute_uv=False) ** 2
        prior = float(np.sum(lengths / (lengths + np.exp(params["log_variance"])))) / (2.0 * data)
        return {"z": prior, "x": total - prior}

    return (Departure("variances divide by N − 1", gaps),)


def clamped_noise(estimator: Any, x: np.ndarray) -> tuple[Departure, ...]:
    """FactorAnalysis keeps noise variances at 1e-12 or above: gap + ½ for every constant column.

    Such a column has residuals 0, so that E log p_d + H_d = −½ · 0/1e-12 + ½.
    """
    columns = [int(column) for column in np.flatnonzero(np.ptp(x, axis=0) == 0.0)]
    if not columns:
        return ()
    named = ", ".join(str(column) for column in columns)
    return (
        Departure(
            f"noise clamped at {NOISE_FLOOR:g} (constant columns: {named})", lambda params: {"x": 0.5 * len(columns)}
        ),
    )
