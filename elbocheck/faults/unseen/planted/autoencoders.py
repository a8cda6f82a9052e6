"""Faults in autoencoders and their relatives."""

from __future__ import annotations

from functools import partial

from elbocheck.faults.unseen.fault import unseen

analytic = partial(unseen, "vae_analytic")
sampled = partial(unseen, "vae_sampled")
binary = partial(unseen, "vae_bernoulli")
full = partial(unseen, "vae_full")
beta = partial(unseen, "beta_vae")
weighted = partial(unseen, "iwae")

FAULTS = (
    analytic(
        "half the squares", "value", "z, KL", "½ μ² of the KL divergence is halved again",
        "logvar - mu**2 -", "logvar - 0.5 * mu**2 -", r"μ|mean|square",
    ),
    analytic(
        "std is variance", "value", "x, q", "samples are drawn with the variance in place of the standard deviation",
        "std = jnp.exp(0.5 * logvar)", "std = jnp.exp(logvar)", r"σ|varian|standard dev|spread|scale",
    ),
    analytic(
        "one log sigma", "value", "x", "the normaliser has one log σ for all D dimensions",
        "rec - D * log_sigma", "rec - log_sigma", r"log σ|log.?scale|normali|dimension|partition",
    ),
    analytic(
        "no 2π", "value", "x", "½ D log 2π is dropped",
        " - 0.5 * D * LOG_2PI", "", r"2π",
    ),
    analytic(
        "samples summed", "value", "x", "the reconstruction is summed over the samples",
        "jnp.mean(rec, axis=1) - kl", "jnp.sum(rec, axis=1) - kl", r"× ?6|6 ?(samples|particles|points)|sum",
    ),
    analytic(
        "free bits", "value", "KL, z, q", "the KL divergence of a datum is at least 1.5 nats",
        "rec, axis=1) - kl)", "rec, axis=1) - jnp.maximum(kl, 1.5))", r"free bits|clip|maxim|floor|below",
    ),
    analytic(
        "encoder detached", "gradient", "q, x", "the samples are cut from the encoder in the decoder",
        "decode(p, z)\n    log_sigma", "decode(p, jax.lax.stop_gradient(z))\n    log_sigma", r"enc|detach|stop|held",
    ),
    sampled(
        "prior without 2π", "value", "z", "log p(z) lacks its ½ log 2π, which log q keeps",
        " - 0.5 * K * LOG_2PI\n", "\n", r"2π",
    ),
    sampled(
        "no Jacobian", "entropy", "q", "log q(z) lacks log σ, the Jacobian of the reparametrisation",
        "NOISE**2 - log_std - 0.5", "NOISE**2 - 0.5", r"log σ|log.?std|jacobian|scale|entropy",
    ),
    sampled(
        "variance for std", "value", "x, q, z", "log σ is used as log σ² when z is drawn",
        "mean + torch.exp(log_std) * NOISE", "mean + torch.exp(0.5 * log_std) * NOISE", r"σ|varian|spread|scale",
    ),
    sampled(
        "log σ for log σ²", "value", "x", "the decoder's log variance counts twice",
        "+ x_logvar + LOG_2PI", "+ 2.0 * x_logvar + LOG_2PI", r"log σ|log.?var|normali|partition",
    ),
    sampled(
        "KL reversed", "sign", "KL, z, q", "log q − log p(z) enters with the other sign",
        "log_px + log_pz - log_qz", "log_px - log_pz + log_qz", r"sign|× ?[-−]1|revers|added|[-−]KL",
    ),
    sampled(
        "q detached", "gradient", "q", "log q is cut from the graph",
        "log_pz - log_qz).mean()", "log_pz - log_qz.detach()).mean()", r"enc|detach|held|stop",
    ),
    binary(
        "BCE sign", "sign", "x", "the term x · logit has the wrong sign",
        "0.0) - logits * X", "0.0) + logits * X", r"sign|label|flip|1 [-−] x|linear",
    ),
    binary(
        "clipped log", "value", "x", "the cross entropy is clipped from below",
        "log_likelihood = -bce.sum(-1)", "log_likelihood = -jnp.maximum(bce, 0.3).sum(-1)", r"clip|floor|maxim|below",
    ),
    binary(
        "mean over pixels", "value", "x", "the cross entropy is averaged over the pixels",
        "bce.sum(-1).mean(0)", "bce.mean(-1).mean(0)", r"1/6|/ ?6|dimension|mean|pixel|0\.1667|0\.16666",
    ),
    binary(
        "exp for softplus", "value", "x, q", "the samples use exp(σ) − 1 as their scale",
        "z = mu + sigma * EPS", "z = mu + jnp.expm1(sigma) * EPS", r"σ|exp|softplus|spread|scale",
    ),
    binary(
        "no ½ in log σ", "entropy", "q, KL", "log σ² in place of log σ in the KL divergence",
        "- 1.0) - jnp.log(sigma)", "- 1.0) - 2.0 * jnp.log(sigma)", r"log σ|twice|log.?scale|entropy",
    ),
    binary(
        "KL annealed", "value", "KL, z", "an annealing weight of ½ was left in",
        "(log_likelihood - kl)", "(log_likelihood - 0.5 * kl)", r"KL × 0\.5|half|β",
    ),
    full(
        "no trace", "value", "z, KL", "the trace of the covariance is missing",
        "0.5 * (trace + (m**2)", "0.5 * ((m**2)", r"trace|varian|σ²|spread",
    ),
    full(
        "log det twice", "entropy", "q, KL", "log det Σ in place of ½ log det Σ",
        "- K) - half_log_det", "- K) - 2.0 * half_log_det", r"log.?det|log σ|twice|entropy|× ?2",
    ),
    full(
        "K forgotten", "entropy", "q, KL, z", "the constant K of the KL divergence is missing",
        "(m**2).sum(-1) - K)", "(m**2).sum(-1))", r"½|1/2|dimension|constant|\+ ?1\b|[-−] ?1\b|K",
    ),
    full(
        "transposed Cholesky", "value", "x, q", "samples are drawn with Lᵀ",
        '"nij,nsj->nsi"', '"nji,nsj->nsi"', r"transpos|covarian|correl|samples|points",
    ),
    full(
        "float32 draws", "value", "x, q", "the samples pass through float32",
        "mean = z @ p", "mean = z.astype(jnp.float32).astype(float) @ p", r"float32|single|precision|round",
    ),
    full(
        "precision for variance", "value", "x", "exp(log_var) multiplies the squares in place of dividing them",
        "** 2 * jnp.exp(-log_var)", "** 2 * jnp.exp(log_var)", r"precision|varian|invers|square",
    ),
    full(
        "absolute means", "value", "z, KL", "|m| in place of m²",
        "trace + (m**2)", "trace + jnp.abs(m)", r"absolut|abs|square|μ|mean",
    ),
    beta(
        "weight squared", "scale", "KL, z, q", "β is squared",
        "BETA * kl.mean()", "BETA**2 * kl.mean()", r"β|× ?4|KL × 4|weight",
    ),
    beta(
        "weight forgotten", "scale", "KL, z, q", "the declared β is not in the code",
        "- BETA * kl.mean()", "- kl.mean()", r"β|0\.25|¼|1/4|weight",
    ),
    beta(
        "KL summed over data", "scale", "KL, z, q", "the KL divergence is summed over the data",
        "BETA * kl.mean()", "BETA * kl.sum()", r"× ?7|N|sum|data",
    ),
    beta(
        "no 2 in Laplace", "value", "x", "log b in place of log 2b",
        "torch.log(2.0 * scale)", "torch.log(scale)", r"log 2\b|normali|constant|partition",
    ),
    beta(
        "squares for absolutes", "value", "x", "squared errors in a Laplace density",
        "p[\"dec\"]).abs()\n    rec", "p[\"dec\"]).square()\n    rec", r"squar|absolut",
    ),
    beta(
        "log σ² for σ²", "value", "z, KL", "log σ² where σ² belongs in the KL divergence",
        "(mu**2 + logvar.exp() - logvar", "(mu**2 + logvar - logvar", r"σ²|varian|exp|KL",
    ),
    weighted(
        "1/S forgotten", "value", "q, ", "log S is not subtracted from the log-sum-exp",
        " - np.log(S)).mean()", ").mean()", r"log 6|log.?S|1/K|1\.79176|particles|samples",
    ),
    weighted(
        "mean of logs", "value", "q, , z, x", "the ELBO of q is reported: the mean of log weights",
        "(torch.logsumexp(log_w, dim=1) - np.log(S))", "log_w.mean(1)", r"importan|ELBO|iwae|weights|log-mean",
    ),
    weighted(
        "sum over samples", "value", "q, ", "1/S is taken of the logs: log-sum-exp divided by S",
        "torch.logsumexp(log_w, dim=1)", "torch.logsumexp(log_w, dim=1) / S", r"1/6|/ ?6|S|particles|samples",
    ),
    weighted(
        "log q wrong", "entropy", "q", "the proposal's log σ has the wrong sign",
        "NOISE**2 - log_s -", "NOISE**2 + log_s -", r"sign|log σ|log_s|scale",
    ),
    weighted(
        "likelihood 2π once", "value", "x", "½ log 2π is subtracted once in place of once per dimension",
        " - 0.5 * LOG_2PI).sum(-1)", ").sum(-1) - 0.5 * LOG_2PI", r"2π",
    ),
    weighted(
        "decoder scale", "value", "x", "log σ² counts in full in the normaliser",
        '- 0.5 * p["log_v"] -', '- p["log_v"] -', r"log σ|log.?var|normali|partition|log_v",
    ),
)  # fmt: skip
