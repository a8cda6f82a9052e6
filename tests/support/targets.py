"""A small downstream for tests: a mixture of two normals in plain NumPy, with everything that a Problem can have."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from elbocheck import Declaration, Factor, Problem, Target
from elbocheck.families import Categorical, Normal

X = np.array([-1.3, -0.9, 0.2, 1.1, 1.6, 2.4])[:, None]
START = {"logits": np.array([0.1, -0.2]), "components": {"means": np.array([-1.0, 1.2]), "variances": [0.8, 1.3]}}


class Mixture:
    """Two normals with their exact responsibilities; parameters nested, variances as they are."""

    def __init__(self, x: np.ndarray = X) -> None:
        self.x = x

    def log_joint(self, p: Any) -> Any:
        means, variances = p["components"]["means"], np.stack(p["components"]["variances"])
        log_pi = p["logits"] - np.log(np.sum(np.exp(p["logits"])))
        return log_pi - 0.5 * ((self.x - means) ** 2 / variances + np.log(2 * np.pi) + np.log(variances))

    def responsibilities(self, p: Any) -> Any:
        joint = np.exp(self.log_joint(p))
        return joint / joint.sum(axis=1, keepdims=True)

    def elbo(self, p: Any) -> Any:
        r = self.responsibilities(p)
        return np.mean(np.sum(r * (self.log_joint(p) - np.log(r)), axis=1))

    def gradient(self, p: Any) -> Any:
        r, means = self.responsibilities(p), p["components"]["means"]
        variances = np.stack(p["components"]["variances"])
        pi = np.exp(p["logits"]) / np.exp(p["logits"]).sum()
        deviation = self.x - means
        on_variances = (r * 0.5 * (deviation**2 / variances**2 - 1 / variances)).mean(0)
        return {
            "logits": r.mean(0) - pi,
            "components": {"means": (r * deviation / variances).mean(0), "variances": list(on_variances)},
        }

    def em(self, p: Any, steps: int = 3000, count: float = 0.0) -> Any:
        for _ in range(steps):
            r = self.responsibilities(p)
            n = r.sum(0)
            means = (r * self.x).sum(0) / n
            variances = (r * (self.x - means) ** 2).sum(0) / (n - count)
            p = {"logits": np.log(n / n.sum()), "components": {"means": means, "variances": list(variances)}}
        return p

    def evidence(self, p: Any) -> Any:
        return np.mean(np.log(np.exp(self.log_joint(p)).sum(1)))

    def subset(self, p: Any, rows: np.ndarray) -> Any:
        return Mixture(self.x[rows]).evidence(p)

    def factors(self, p: Any) -> Declaration:
        means, variances = p["components"]["means"], np.stack(p["components"]["variances"])
        z = Factor("z", Categorical(p["logits"]), np.eye(2)[None], ("logits",))
        x = Factor("x", Normal(means, variances), self.x, ("components",))
        weights = np.full(len(self.x), 1 / len(self.x))
        return Declaration((z, x), self.responsibilities(p), None, weights, optimal=True)

    def problem(self, **changes: Any) -> Problem:
        """The correct problem, with some of its fields replaced."""
        fields = {
            "params": START,
            "elbo": self.elbo,
            "factors": self.factors,
            "grad": self.gradient,
            "fit": self.em,
            "log_evidence": self.evidence,
            "subset": self.subset,
            "particles": (self.elbo, self.elbo),
            "label": f"N = {len(self.x)}",
            **changes,
        }
        return Problem(**fields)


def drawn(seed: int, count: int) -> Problem:
    """A recipe for problems."""
    return Mixture(np.random.default_rng(seed).normal(size=(count, 1))).problem(fit=None)


def shifted(seed: int, count: int) -> Problem:
    """The same, wrong by ½ log 2π for more than four data."""
    problem = drawn(seed, count)
    elbo = problem.elbo
    assert elbo is not None
    return Problem(
        problem.params, lambda p: elbo(p) + 0.5 * np.log(2 * np.pi) * (count > 4), problem.factors, label=f"N = {count}"
    )


ARGUMENTS = {"seed": st.integers(0, 1000), "count": st.integers(3, 9)}
target = Target("mixture", [Mixture().problem()])
random_target = Target("random mixtures", drawn, ARGUMENTS)
broken = Target("broken mixtures", shifted, ARGUMENTS)
