"""Out of scope: latent Dirichlet allocation; the topic of a word has the natural parameters log θ, none free."""

from __future__ import annotations

import numpy as np

from elbocheck.backends.namespace import Array, namespace
from elbocheck.bound.factors import Factor
from elbocheck.bound.layout import Arrays, Block
from elbocheck.bound.posteriors import WeightedPoints
from elbocheck.families import Categorical, Dirichlet
from elbocheck.models.base import Data, Model, Params, Starts, Theory, Variational
from elbocheck.models.sample import Cell
from elbocheck.models.support import check_symbols, every_symbol, one_hot

WORDS, POINTS = 3, 4


def factors(params: Arrays, fixed: Arrays, latents: Arrays) -> tuple[Factor, ...]:
    """θ_n ~ Dirichlet(α), topic of word d ~ Categorical(θ_n), word ~ Categorical(φ_topic); D words per document."""
    theta, z, exists, words = latents["theta"], latents["z"], fixed["exists_K"], fixed["exists_D"]
    xp = namespace(theta).xp
    once = xp.astype(xp.arange(words.shape[0]) == 0, theta.dtype)
    log_alpha, topics = params["log_concentration"], params["topic_logits"]
    log_theta = xp.log(xp.where(exists > 0, theta, 1.0))
    return (
        Factor(
            "theta",
            Dirichlet(xp.exp(log_alpha), where=exists),
            theta,
            parameters=("log_concentration",),
            beta={"log_concentration": 1.0 - xp.exp(-log_alpha)},
            where=once,
        ),
        Factor("topic", Categorical(log_theta, where=exists), z, where=words),
        Factor(
            "word",
            Categorical(xp.matmul(z, topics)),
            one_hot(WORDS)(fixed["x"][:, None, :]),
            parameters=("topic_logits",),
            beta={"topic_logits": topics},
            where=words,
        ),
    )


def _softmax(logits: Array, exists: Array) -> tuple[Array, Array]:
    q = Categorical(logits, where=exists)
    return q.mean_statistics()[0], q.entropy()


def topic_points(model: Model, params: Arrays, fixed: Arrays) -> WeightedPoints:
    """Pairs (θ_s, topic) with weight a_ns ρ_ndk for word d: any q(θ_n) on a few points, any q(topic) per word."""
    exists, words = fixed["exists_K"], fixed["exists_D"]
    xp = namespace(exists).xp
    theta = _softmax(params["q_theta"], exists)[0]
    a, entropy_theta = _softmax(params["q_theta_logits"], xp.ones_like(params["q_theta_logits"][0, ...]))
    rho, entropy_topics = _softmax(params["q_topics"], exists)
    data, count = rho.shape[0], rho.shape[-1]
    one = xp.astype(xp.eye(count), rho.dtype)
    latents = {
        "theta": xp.repeat(theta, count, axis=1)[:, :, None, :],
        "z": xp.tile(one, (POINTS, 1))[None, :, None, :],
    }
    weights = a[:, :, None, None, ...] * xp.matrix_transpose(rho)[:, None, ...]
    entropy = entropy_theta + xp.sum(words * entropy_topics, axis=-1)
    return WeightedPoints(latents, xp.reshape(weights, (data, POINTS * count, rho.shape[1])), entropy)


def initial(rng: np.random.Generator, x: np.ndarray, data_weights: np.ndarray, count: int) -> Params:
    """Concentrations around 1, topics of their own."""
    return {"log_concentration": 0.3 * rng.normal(size=count), "topic_logits": rng.normal(size=(count, WORDS))}


def initial_points(rng: np.random.Generator, model: Model, x: np.ndarray, latents: int) -> Params:
    """q(θ) and q(topics) that know nothing of the data."""
    return {
        "q_theta": rng.normal(size=(len(x), POINTS, latents)),
        "q_theta_logits": rng.normal(size=(len(x), POINTS)),
        "q_topics": rng.normal(size=(*x.shape, latents)),
    }


LDA = Model(
    name="lda",
    title="latent Dirichlet allocation",
    blocks=(Block("log_concentration", ("K",)), Block("topic_logits", ("K", "C"))),
    factors=factors,
    axes={"C": WORDS},
    data=Data(
        check=check_symbols(WORDS),
        simulate=lambda rng, data, observed, count: rng.integers(WORDS, size=(data, observed)).astype(float),
        distinct=lambda observed: WORDS,
        repair=every_symbol(WORDS),
    ),
    starts=Starts(
        initial=initial,
        collapsed=lambda params, subset: (params, {}),
    ),
    theory=Theory(
        row="",
        families=("Dirichlet", "categorical"),
        constant_base_measure=True,
        out_of_scope="the topic of a word given θ has the natural parameters log θ and no parameters of its own",
    ),
)
TOPIC_POINTS = Variational(
    name="points",
    title="arbitrary q on points of θ",
    axes={"S": POINTS},
    points=topic_points,
    initial=initial_points,
    blocks=(
        Block("q_theta", ("N", "S", "K"), constant=True),
        Block("q_theta_logits", ("N", "S"), constant=True),
        Block("q_topics", ("N", "D", "K"), constant=True),
    ),
)
CELLS = (Cell(LDA, TOPIC_POINTS, (8, 4, 3), least=(4, 2, 2)),)
