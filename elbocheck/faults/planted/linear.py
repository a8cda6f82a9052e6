"""Faults in the linear Gaussian models, the networks and the hidden Markov model."""

from __future__ import annotations

from functools import partial

from elbocheck.faults.fault import Fault

ppca = partial(Fault, "ppca")
analysis = partial(Fault, "factor_analysis")
network = partial(Fault, "sbn")
chain = partial(Fault, "hmm")
autoencoder = partial(Fault, "vae")

PPCA = (
    ppca(
        "−trace", "value", "x", "the trace term of the likelihood has the wrong sign",
        "np.sum(residuals**2, axis=1) + trace", "np.sum(residuals**2, axis=1) - trace",
    ),
    ppca(
        "no trace", "value", "x", "the likelihood is taken at the mean of q only",
        "np.sum(residuals**2, axis=1) + trace", "np.sum(residuals**2, axis=1) + 0 * trace",
    ),
    ppca(
        "½ for D/2", "value", "x", "the normaliser is that of one dimension",
        'x.shape[1] * (params["log_variance"]', '1 * (params["log_variance"]',
    ),
    ppca(
        "KL log σ", "entropy", "q", "log σ is taken for log σ² in the KL term",
        "- 1 - 2 * params", "- 1 - params",
    ),
    ppca(
        "KL no −1", "entropy", "q", "the −1 of every latent is missing in the KL term",
        "- 1 - 2 * params", "- 2 * params",
    ),
    ppca(
        "KL no mean", "value", "z", "the KL term leaves the means out",
        'spreads + params["q_means"] ** 2', "spreads",
    ),
    ppca(
        "+KL", "value", "z", "the KL term is added",
        "reconstruction(params, x) - divergence(params)", "reconstruction(params, x) + divergence(params)",
    ),
    ppca(
        "last datum lost", "data", "", "a slice leaves the last datum out",
        "np.sum(reconstruction(params, x) - divergence(params))",
        "np.sum((reconstruction(params, x) - divergence(params))[:-1])",
    ),
    ppca(
        "shuffled q", "value", "x", "every datum meets the q of another one",
        '- params["q_means"] @ params["weights"].T', '- params["q_means"][::-1] @ params["weights"].T',
    ),
    ppca(
        "∇ no spread", "gradient", "x", "the gradient in W is that at the mean of q",
        " - weights * np.sum(spreads, axis=0)) / variance", ") / variance",
    ),
    ppca(
        "∇ log σ²", "gradient", "q", "the gradient in log s is the one in log s²",
        '"q_log_stds": (1 - spreads', '"q_log_stds": 0.5 * (1 - spreads',
    ),
    ppca(
        "M no spread", "training", "x", "the noise is estimated at the mean of q",
        " + np.sum(spreads @ weights.T**2)", "",
    ),
    ppca(
        "M no D", "training", "x", "the noise is divided by N, not by N·D",
        "variance = squares / (size * observed)", "variance = squares / size",
    ),
    ppca(
        "E variance", "training", "q", "the variance of q is stored as its standard deviation",
        '"q_log_stds": 0.5 * np.log(spreads)', '"q_log_stds": np.log(spreads)',
    ),
    ppca(
        "M not centred", "training", "x", "the regression's inputs are not centred",
        "centred, mean_x = z - np.mean(z, axis=0)", "centred, mean_x = z - 0 * np.mean(z, axis=0)",
        equivalent="a fixed point has μ = mean(x) − W mean(z) and, from the update of q, mean(z) proportional to "
        "mean(x) − μ: (1 − MW) mean(z) = 0 with 1 − MW invertible, so mean(z) = 0 and centring changes nothing",
    ),
)  # fmt: skip

FACTOR_ANALYSIS = (
    analysis(
        "+log det", "entropy", "q", "the log determinant in the entropy of q has the wrong sign",
        "np.log(2 * np.pi * np.e) - 0.5", "np.log(2 * np.pi * np.e) + 0.5",
    ),
    analysis(
        "no e", "entropy", "q", "½ of every latent is missing in the entropy of q",
        "np.log(2 * np.pi * np.e)", "np.log(2 * np.pi)",
    ),
    analysis(
        "prior no trace", "value", "z", "E log p(z) is taken at the mean of q",
        "(np.sum(m**2, axis=1) + np.trace(spread))", "(np.sum(m**2, axis=1))",
    ),
    analysis(
        "prior no log 2π", "value", "z", "the prior's normaliser is lost",
        "np.trace(spread)) - np.log(2 * np.pi)", "np.trace(spread))",
    ),
    analysis(
        "trace unscaled", "value", "x", "the trace term is not divided by the variances",
        "(residuals**2 + trace) / variances", "residuals**2 / variances + trace",
    ),
    analysis(
        "E not centred", "data", "q", "the posterior's means forget to centre the data, and q is no posterior",
        'return (x - params["mean"]) @ scaled', "return x @ scaled",
    ),
    analysis(
        "∇ no ½", "gradient", "x", "½ is missing in the gradient of the log variances",
        "0.5 * (second / variances - 1)", "(second / variances - 1)",
    ),
    analysis(
        "∇ no spread", "gradient", "x", "the gradient in W is that at the mean of q",
        ' - params["weights"] @ spread) / variances', ") / variances",
    ),
    analysis(
        "M not centred", "training", "x", "variances are taken about zero",
        "np.mean((x - mean) ** 2, axis=0) -", "np.mean(x**2, axis=0) -",
    ),
    analysis(
        "M n−1", "training", "x", "variances are divided by n − 1",
        "np.mean((x - mean) ** 2, axis=0) -", "np.var(x, axis=0, ddof=1) -",
    ),
    analysis(
        "M floor", "training", "x", "noise variances have a floor that nobody declared",
        '"log_variances": np.log(variances)}', '"log_variances": np.log(np.maximum(variances, 0.5))}',
    ),
)  # fmt: skip

NETWORK = (
    network(
        "prior no normaliser", "value", "z", "the prior's normaliser is lost",
        'return STATES @ params["prior"] - normaliser', 'return STATES @ params["prior"] - 0 * normaliser',
    ),
    network(
        "mean over units", "value", "x", "the normaliser is averaged over units, not summed",
        "np.sum(softplus(logits), axis=1)", "np.mean(softplus(logits), axis=1)",
    ),
    network(
        "no bias", "value", "x", "the likelihood's normaliser leaves the biases out",
        "np.sum(softplus(logits), axis=1)", 'np.sum(softplus(logits - params["bias"]), axis=1)',
    ),
    network(
        "lost state", "entropy", "q", "the state of zeros is left out of the entropy",
        "entropy = -np.sum(q * log_q, axis=1)", "entropy = -np.sum((q * log_q)[:, 1:], axis=1)",
    ),
    network(
        "prior twice", "value", "z", "E log p(z) is added twice",
        "np.mean(likelihood + prior + entropy)", "np.mean(likelihood + 2 * prior + entropy)",
    ),
    network(
        "∇ prior", "gradient", "z", "exp is taken for σ in the gradient",
        'np.mean(q @ STATES, axis=0) - 1 / (1 + np.exp(-params["prior"]))',
        'np.mean(q @ STATES, axis=0) - np.exp(params["prior"])',
    ),
    network(
        "∇ centred states", "gradient", "x", "the gradient of W uses centred states",
        "errors.T @ STATES / len(x)", "errors.T @ (STATES - 0.5) / len(x)",
    ),
    network(
        "M pseudo-counts", "training", "z", "the prior is smoothed, which nobody declared",
        "shares = np.mean(q @ STATES, axis=0)", "shares = (np.sum(q @ STATES, axis=0) + 1) / (len(x) + 2)",
    ),
    network(
        "M counts", "training", "x", "the Newton step counts every state once too often",
        "counts = np.sum(q, axis=0)[:, None]", "counts = np.sum(q, axis=0)[:, None] + 1",
    ),
    network(
        "M weight decay", "training", "x", "a weight decay that nobody declared",
        "linear = linear + np.linalg", "linear = 0.99 * linear + np.linalg",
    ),
)  # fmt: skip

CHAIN = (
    chain(
        "last transition", "value", "transition", "a loop ends one transition too early",
        'np.sum(pair * log_softmax(params["transition"]), axis=(1, 2, 3))',
        'np.sum((pair * log_softmax(params["transition"]))[:, :-1], axis=(1, 2, 3))',
    ),
    chain(
        "entropy off by one", "entropy", "q", "the entropy of the last state is subtracted, too",
        "(single * log_single)[:, 1:-1]", "(single * log_single)[:, 1:]",
    ),
    chain(
        "transposed", "value", "transition", "the transition matrix is transposed in E log p",
        'np.sum(pair * log_softmax(params["transition"]), axis',
        'np.sum(pair * log_softmax(params["transition"]).T, axis',
    ),
    chain(
        "columns", "value", "transition", "columns of the transition matrix are normalised, not rows",
        'np.sum(pair * log_softmax(params["transition"]), axis',
        'np.sum(pair * log_softmax(params["transition"].T).T, axis',
    ),
    chain(
        "no initial", "value", "initial", "E log p(z_1) is missing",
        "np.mean(emission + initial + transition", "np.mean(emission + transition",
    ),
    chain(
        "no log 2π", "value", "x", "the emissions' normaliser is lost",
        ' + params["log_variances"] + np.log(2 * np.pi))', ' + params["log_variances"])',
    ),
    chain(
        "per time step", "scale", "", "the ELBO is divided by the length of the chain",
        "np.mean(emission + initial + transition + entropy_of_pairs - shared)",
        "np.mean(emission + initial + transition + entropy_of_pairs - shared) / TIMES",
    ),
    chain(
        "independent states", "entropy", "q", "the path's entropy is that of independent states",
        "np.mean(emission + initial + transition + entropy_of_pairs - shared)",
        "np.mean(emission + initial + transition - np.sum(single * log_single, axis=(1, 2)))",
    ),
    chain(
        "∇ columns", "gradient", "transition", "the gradient normalises columns",
        "pairs - np.sum(pairs, axis=1, keepdims=True) * rows", "pairs - np.sum(pairs, axis=0, keepdims=True) * rows",
    ),
    chain(
        "∇ first step", "gradient", "x", "the gradient in the variances sees only the first time",
        "np.sum(single * (deviations**2 / variances - 1), axis=(0, 1))",
        "np.sum((single * (deviations**2 / variances - 1))[:, 0], axis=0)",
    ),
    chain(
        "M columns", "training", "transition", "the M-step normalises columns",
        "rows = pairs / np.sum(pairs, axis=1, keepdims=True)", "rows = pairs / np.sum(pairs, axis=0, keepdims=True)",
    ),
    chain(
        "M marginal start", "training", "initial", "the initial distribution is averaged over all times",
        "starts = np.mean(single[:, 0], axis=0)", "starts = np.mean(single, axis=(0, 1))",
    ),
    chain(
        "M last time", "training", "x", "the variances leave the last time out",
        "np.sum(single * (x[..., None] - means) ** 2, axis=(0, 1))",
        "np.sum((single * (x[..., None] - means) ** 2)[:, :-1], axis=(0, 1))",
    ),
)  # fmt: skip

AUTOENCODER = (
    autoencoder(
        "KL log σ", "entropy", "q", "log σ is taken for log σ² in the KL term",
        '- 1 - 2 * params["log_std"])', '- 1 - params["log_std"])',
    ),
    autoencoder(
        "KL × 0.9", "value", "z", "the KL term has the weight 0.9",
        "np.sum(likelihood - divergence(params, x))", "np.sum(likelihood - 0.9 * divergence(params, x))",
    ),
    autoencoder(
        "no KL", "value", "z", "the KL term is still switched off, as it was for warming up",
        "np.sum(likelihood - divergence(params, x))", "np.sum(likelihood - 0.0 * divergence(params, x))",
    ),
    autoencoder(
        "mean over pixels", "value", "x", "squares are averaged over dimensions, not summed",
        "squares = np.sum(residuals**2, axis=-1)", "squares = np.mean(residuals**2, axis=-1)",
    ),
    autoencoder(
        "σ for σ²", "value", "x", "squares are divided by the standard deviation",
        'axis=-1) / np.exp(params["log_variance"])', 'axis=-1) / np.exp(0.5 * params["log_variance"])',
    ),
    autoencoder(
        "log σ", "value", "x", "log σ is subtracted in place of log σ²",
        '3 * (params["log_variance"] + np', '3 * (0.5 * params["log_variance"] + np',
    ),
    autoencoder(
        "another q", "value", "x", "particles are drawn with exp(log σ / 2)",
        'np.exp(params["log_std"]) * noise', 'np.exp(0.5 * params["log_std"]) * noise',
    ),
    autoencoder(
        "one particle", "value", "x", "only the first of the particles is used",
        'np.exp(params["log_std"]) * noise', 'np.exp(params["log_std"]) * noise[:1]',
    ),
    autoencoder(
        "loss", "sign", "", "the negative ELBO, a loss, is reported",
        "return (size / len(x)) * batch_total / size", "return -(size / len(x)) * batch_total / size",
    ),
    autoencoder(
        "particles summed", "scale", "", "particles are divided by the default number of particles",
        "np.mean(reconstruction(params, x, noise), axis=1)",
        "np.sum(reconstruction(params, x, noise), axis=1) / len(NOISE)",
    ),
    autoencoder(
        "KL of the batch", "scale", "", "the KL term of a minibatch is not scaled up",
        "np.sum(likelihood - divergence(params, x))",
        "np.sum(likelihood) - np.sum(divergence(params, x)) * len(x) / size",
    ),
    autoencoder(
        "∇ detached", "gradient", "q", "the particles are detached: no gradient flows to the encoder through them",
        "of_m = np.mean(of_z, axis=1) - m", "of_m = 0 * np.mean(of_z, axis=1) - m",
    ),
    autoencoder(
        "∇ no exp", "gradient", "q", "the gradient in log s misses the derivative of exp",
        "np.mean(of_z * NOISE) * std - std**2", "np.mean(of_z * NOISE) - std**2",
    ),
    autoencoder(
        "∇ no entropy", "gradient", "q", "the gradient of the entropy of q is missing",
        "* std - std**2 + 1", "* std - std**2",
    ),
    autoencoder(
        "log s not saved", "training", "q", "the checkpoint that training returns has the encoder's initial log s",
        "return step(params, x, 60)", 'return step(params, x, 60) | {"log_std": params["log_std"]}',
    ),
)  # fmt: skip

PLANTED = (*PPCA, *FACTOR_ANALYSIS, *NETWORK, *CHAIN, *AUTOENCODER)
