"""Bayesian linear regression in plain NumPy, right and wrong in nine ways."""

import numpy as np

from elbocheck import Declaration, Factor, Latents, Problem, Target
from elbocheck.families import Average, Normal

rng = np.random.default_rng(3)
N, D = 10, 3
X = rng.normal(size=(N, D))
Y = X @ np.array([0.8, -1.0, 0.3]) + 0.5 * rng.normal(size=N)
LOG_2PI = np.log(2 * np.pi)


def terms(p):
    """E log p(y | w) per datum, E log p(w) and H[q] of all weights."""
    m, v = p["m"], np.exp(p["log_v"])
    squares = (Y - X @ m) ** 2 + X**2 @ v
    of_y = 0.5 * (p["log_beta"] - LOG_2PI - np.exp(p["log_beta"]) * squares)
    scaled = np.exp(p["log_alpha"]) * (m**2 + v)
    of_w = 0.5 * np.sum(p["log_alpha"] - LOG_2PI - scaled)
    entropy = 0.5 * np.sum(1 + LOG_2PI + p["log_v"])
    return of_y, of_w, entropy


def elbo(p):
    of_y, of_w, entropy = terms(p)
    return np.mean(of_y) + (of_w + entropy) / N


def fit(p, frozen=()):
    for _ in range(500):
        alpha, beta = np.exp(p["log_alpha"]), np.exp(p["log_beta"])
        m = np.linalg.solve(beta * X.T @ X + alpha * np.eye(D), beta * X.T @ Y)
        v = 1 / (beta * np.sum(X**2, axis=0) + alpha)
        new = {
            "m": m,
            "log_v": np.log(v),
            "log_beta": np.log(N / np.sum((Y - X @ m) ** 2 + X**2 @ v)),
            "log_alpha": np.log(D / np.sum(m**2 + v)),
        }
        p = {k: p[k] if k in frozen else new[k] for k in new}
    return p


def declare(p):
    v, alpha = np.exp(p["log_v"]), np.exp(p["log_alpha"])
    mean, std = X @ p["m"], np.sqrt(X**2 @ v)
    q = Normal(p["m"][None, None], v[None, None])
    prior = Normal(np.zeros((1, 1, D)), np.full((1, 1, D), 1 / alpha))
    ends = np.stack([mean - std, mean + std], axis=1)  # exact for squares
    noise = Normal(ends, np.exp(-p["log_beta"]))
    return Declaration(
        factors=(
            Factor("w", Average(prior, q), under="w"),
            Factor("y", noise, Y[:, None], under="w"),
        ),
        q=Latents(
            "w",
            weights=np.full((1, 2), 0.5),
            entropy=Normal(p["m"][None], v[None]),
            plate=None,
        ),
    )


# --- what goes wrong


def no_spread(p):
    """Squares at the mean of w only."""
    spread = 0.5 * np.exp(p["log_beta"]) * (X**2 @ np.exp(p["log_v"]))
    return elbo(p) + np.mean(spread)


def annealed(p):
    """The weight of the KL divergence was left at 0.5."""
    of_y, of_w, entropy = terms(p)
    return np.mean(of_y) + 0.5 * (of_w + entropy) / N


def entropy_per_datum(p):
    """The entropy of the weights counts for each datum, not once."""
    of_y, of_w, entropy = terms(p)
    return np.mean(of_y) + of_w / N + entropy


def one_row_lost(p):
    """The first row is taken for a header."""
    of_y, of_w, entropy = terms(p)
    return (np.sum(of_y[1:]) + of_w + entropy) / N


def half_log_det(p):
    """log σ in place of log σ² in the entropy."""
    return elbo(p) - 0.25 * np.sum(p["log_v"]) / N


def rounded(p):
    """float32 on the way."""
    of_y, of_w, entropy = terms(p)
    return float(np.mean(of_y.real.astype("f4"))) + (of_w + entropy) / N


def slopes(p):
    """∇F by hand; the pull of the prior is forgotten."""
    beta, alpha = np.exp(p["log_beta"]), np.exp(p["log_alpha"])
    v = np.exp(p["log_v"])
    residual = Y - X @ p["m"]
    squares = residual**2 + X**2 @ v
    return {
        "m": beta * X.T @ residual / N,
        "log_v": 0.5 * (1 - v * (beta * np.sum(X**2, axis=0) + alpha)) / N,
        "log_beta": 0.5 * np.mean(1 - beta * squares),
        "log_alpha": 0.5 * np.sum(1 - alpha * (p["m"] ** 2 + v)) / N,
    }


START = {
    "m": np.array([0.5, -0.2, 0.1]),
    "log_v": np.array([-1.0, -0.6, -1.4]),
    "log_beta": np.array(0.4),
    "log_alpha": np.array(-0.3),
}


def target(name, elbo=elbo, **more):
    return Target(name, [Problem(START, elbo, declare, **more)])


correct = target("correct", fit=fit)
wrong = {
    "loss": target("loss", lambda p: -elbo(p)),
    "total": target("total", lambda p: N * elbo(p)),
    "no spread": target("no spread", no_spread),
    "annealed": target("annealed", annealed),
    "entropy per datum": target("entropy per datum", entropy_per_datum),
    "one row lost": target("one row lost", one_row_lost),
    "half log det": target("half log det", half_log_det),
    "rounded": target("rounded", rounded),
    "slopes": target("slopes", grad=slopes),
    "frozen": target("frozen", fit=lambda p: fit(p, frozen=("log_alpha",))),
}
