"""Any module of torch by way of `functional_call`, as in docs/recipes.md; and faults in its loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from elbocheck import Declaration, Factor, Latents, Problem, Target, check_target, decompose
from elbocheck.families import Average, Normal

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

RNG = np.random.default_rng(0)
X, NOISE = torch.as_tensor(RNG.normal(size=(8, 3))), torch.as_tensor(RNG.normal(size=(8, 3, 2)))


class Loss(torch.nn.Module):
    """An autoencoder with its loss; `share` of the divergence, and whether the sample is detached."""

    def __init__(self, share: float = 1.0, detached: bool = False) -> None:
        super().__init__()
        self.encoder, self.decoder = torch.nn.Linear(3, 4), torch.nn.Linear(2, 3)
        self.log_noise = torch.nn.Parameter(torch.zeros(3))
        self.share, self.detached = share, detached

    def forward(self, what: str = "loss") -> Any:
        mean, log_spread = self.encoder(X).chunk(2, dim=-1)
        z = mean[:, None] + torch.exp(log_spread)[:, None] * NOISE
        decoded = self.decoder(z.detach() if self.detached and what == "loss" else z)
        if what == "parts":
            return mean, torch.exp(2.0 * log_spread), decoded
        squares = (X[:, None] - decoded) ** 2 / torch.exp(self.log_noise)
        fit = -0.5 * (squares + self.log_noise + math.log(2.0 * math.pi)).sum(-1).mean(1)
        divergence = 0.5 * (mean**2 + torch.exp(2.0 * log_spread) - 1.0 - 2.0 * log_spread).sum(1)
        return -(fit - self.share * divergence).mean()


def problem(**options: Any) -> Problem:
    torch.manual_seed(0)
    module = Loss(**options).double()

    def factors(params: Any) -> Declaration:
        mean, variance, decoded = torch.func.functional_call(module, params, ("parts",))
        prior, q = Normal(np.zeros((1, 1, 2)), np.ones((1, 1, 2))), Normal(mean[:, None], variance[:, None])
        average: Any = Average(prior, q)
        return Declaration(
            (Factor("z", average), Factor("x", Normal(decoded, torch.exp(params["log_noise"])), X[:, None])),
            q=Latents("z", weights=np.full((8, 3), 1 / 3), entropy=Normal(mean, variance)),
        )

    return Problem(
        {name: value.detach().numpy().copy() for name, value in module.named_parameters()},
        lambda params: -torch.func.functional_call(module, params, ()),
        factors,
        library="torch",
    )


def test_a_right_module_holds() -> None:
    right = problem()
    assert check_target(Target("module", [right]), on_fail="report").exit_code == 0
    assert {one.label for one in decompose(right).claims if one.covered} == {"z", "x"}


def test_a_weighted_divergence_is_named() -> None:
    report = check_target(Target("module", [problem(share=0.5)]), on_fail="report")
    diagnosis = next(one.result.diagnosis for one in report.failures if one.check == "value" and one.result)
    assert diagnosis is not None
    assert (diagnosis.factor, diagnosis.suspect) == ("z", "β ≠ 1: KL × 0.5 (1 / 2, dimensions of z)")


def test_a_detached_sample_is_found_in_the_encoder() -> None:
    report = check_target(Target("module", [problem(detached=True)]), on_fail="report")
    messages = {one.check: one.message for one in report.results}
    assert "the gradient in encoder.weight deviates" in messages["gradient"]
    assert "the gradient in decoder" not in messages["gradient"]
