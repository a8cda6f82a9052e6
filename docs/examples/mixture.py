"""A mixture of two Gaussians in plain NumPy, trained by EM, and its target."""

import numpy as np
from hypothesis import strategies as st

from elbocheck import Declaration, Factor, Problem, Target
from elbocheck.families import Categorical, Normal

# --- the code under test: it knows nothing of elbocheck


def log_joint(p, x):
    log_weights = p["logits"] - np.log(np.sum(np.exp(p["logits"])))
    squares = (x - p["means"]) ** 2 / np.exp(p["log_variances"])
    return log_weights - 0.5 * (
        squares + np.log(2 * np.pi) + p["log_variances"]
    )


def log_responsibilities(p, x):
    joint = log_joint(p, x)
    return joint - np.log(np.sum(np.exp(joint), axis=1))[:, None]


def elbo(p, x):
    log_r = log_responsibilities(p, x)
    return np.mean(np.sum(np.exp(log_r) * (log_joint(p, x) - log_r), axis=1))


def em(p, x, steps=1000):
    for _ in range(steps):
        r = np.exp(log_responsibilities(p, x))
        means = np.sum(r * x, axis=0) / np.sum(r, axis=0)
        variances = np.sum(r * (x - means) ** 2, axis=0) / np.sum(r, axis=0)
        p = {
            "logits": np.log(np.mean(r, axis=0)),
            "means": means,
            "log_variances": np.log(variances),
        }
    return p


# --- what it is made of: q as weighted points, one factor for each conditional


def declare(p, x):
    log_r = log_responsibilities(p, x)
    return Declaration(
        factors=(
            Factor(
                "z",
                Categorical(p["logits"]),
                np.eye(2)[None],
                parameters=("logits",),
            ),
            Factor(
                "x",
                Normal(p["means"], np.exp(p["log_variances"])),
                x,
                parameters=("means", "log_variances"),
            ),
        ),
        weights=np.exp(log_r),
        entropy=-np.sum(np.exp(log_r) * log_r, axis=1),
        data_weights=np.full(len(x), 1 / len(x)),
    )


def problem(seed, size):
    rng = np.random.default_rng(seed)
    x = np.concatenate(
        [rng.normal(-2, 0.7, (size, 1)), rng.normal(2, 1, (size, 1))]
    )
    params = {
        "logits": rng.normal(size=2),
        "means": np.array([-1.0, 1.0]),
        "log_variances": np.zeros(2),
    }
    return Problem(
        params,
        elbo=lambda p: elbo(p, x),
        factors=lambda p: declare(p, x),
        fit=lambda p: em(p, x),
        label=f"{2 * size} data, seed {seed}",
    )


target = Target(
    "mixture",
    problem,
    arguments={"seed": st.integers(0, 1000), "size": st.integers(10, 30)},
)
