"""Faults in regressions, processes and hierarchical models."""

from __future__ import annotations

from functools import partial

from elbocheck.faults.unseen.fault import unseen

linear = partial(unseen, "bayes_linear")
precise = partial(unseen, "gamma_regression")
logistic = partial(unseen, "logistic_sampled")
process = partial(unseen, "gp_exact")
sparse = partial(unseen, "sparse_gp")
inflated = partial(unseen, "zero_inflated")
decayed = partial(unseen, "map_decay")
survival = partial(unseen, "survival")
schools = partial(unseen, "hierarchical")
rates = partial(unseen, "gamma_poisson")

FAULTS = (
    linear(
        "prior not over N", "scale", "w", "E log p(w) is not divided by N",
        "(likelihood + prior + entropy) / N", "(likelihood + entropy) / N + prior", r"× ?12|N|12",
    ),
    linear(
        "no spread", "value", "y", "the likelihood is taken at the mean of the weights",
        "(residual**2 + spread)", "(residual**2 + 0.0 * spread)", r"varian|trace|spread|at the mean",
    ),
    linear(
        "D forgotten", "value", "w", "the prior's normaliser is that of one weight",
        'prior = 0.5 * D * (p["log_alpha"]', 'prior = 0.5 * (p["log_alpha"]',
        r"dimension|normali|log.?α|log_alpha|2π|D\b",
    ),
    linear(
        "variance for precision", "value", "y", "the noise precision divides",
        "0.5 * beta * (residual", "0.5 / beta * (residual", r"precision|varian|invers",
    ),
    linear(
        "entropy ½ D", "entropy", "q", "the entropy has log 2π without the ½ D",
        "entropy = 0.5 * D * (1.0 + LOG_2PI)", "entropy = 0.5 * (1.0 + LOG_2PI)", r"2π|½ ?log|dimension|constant|D\b",
    ),
    linear(
        "N − 1", "training", "training", "the noise precision is estimated with N − 1",
        "beta_new, alpha_new = N / expected", "beta_new, alpha_new = (N - 1) / expected", r"train|step|log_beta|stop",
    ),
    linear(
        "alpha frozen", "training", "training", "the prior precision is never updated",
        "beta, alpha = beta_new, alpha_new", "beta = beta_new", r"train|never|stand|log_alpha|stop",
    ),
    precise(
        "E log τ whole", "value", "y", "E log τ counts in full in place of half",
        "0.5 * (e_log_tau - LOG_2PI", "0.5 * (2.0 * e_log_tau - LOG_2PI", r"log τ|E log|tau|half|½",
    ),
    precise(
        "log E τ", "value", "y, tau", "log E τ in place of E log τ",
        "special.digamma(a) - np.log(b)\n    squares", "np.log(a) - np.log(b)\n    squares",
        r"log τ|E log|tau|digamma|ψ",
    ),
    precise(
        "prior log λ²", "value", "w", "log λ in place of 2 log λ in the prior's normaliser",
        '+ 2.0 * p["log_lam"]', '+ p["log_lam"]', r"log σ|log.?λ|log_lam|normali|partition|scale",
    ),
    precise(
        "rate for scale", "value", "tau", "the prior's rate b₀ divides",
        "- B0 * e_tau", "- e_tau / B0", r"rate|scale|invers|b₀",
    ),
    precise(
        "entropy log b sign", "entropy", "q", "the entropy of the gamma q has + log b",
        "h_tau = a - np.log(b)", "h_tau = a + np.log(b)", r"sign|log b|rate|entropy",
    ),
    precise(
        "H[τ] missing", "entropy", "q", "the entropy of q(τ) is left out",
        "+ h_w + h_tau) / N", "+ h_w) / N", r"tau|missing|left out|dropped|× ?0",
    ),
    precise(
        "a₀ for a₀ − 1", "value", "tau", "the exponent of the gamma prior is a₀",
        "(A0 - 1.0) * e_log_tau", "A0 * e_log_tau", r"log τ|exponent|shape|E log|− ?1",
    ),
    logistic(
        "N / batch missing", "scale", "y", "the likelihood is averaged over the batch and not scaled by N",
        "(N / len(y) * log_lik", "(log_lik / len(y)", r"1/12|/ ?12|N|batch|mean",
    ),
    logistic(
        "prior log σ", "value", "w", "the prior lacks log σ",
        "- np.log(PRIOR_STD) - 0.5", "- 0.5", r"log σ|normali|log 2\b|0\.693|constant|scale",
    ),
    logistic(
        "prior variance", "value", "w", "the prior's variance is taken for its standard deviation",
        "(w / PRIOR_STD) ** 2", "(w / PRIOR_STD**2) ** 2", r"σ|varian|standard|scale|square",
    ),
    logistic(
        "labels reversed", "sign", "y", "a label of 1 counts as 0",
        "(1.0 - y) * jax.nn.log_sigmoid(-logits)", "(1.0 - y) * jax.nn.log_sigmoid(logits)", r"label|sign|flip|1 [-−]",
    ),
    logistic(
        "entropy twice", "entropy", "q", "log q is subtracted twice",
        "log_prior - log_q).mean()", "log_prior - 2.0 * log_q).mean()", r"twice|× ?2|double|entropy",
    ),
    logistic(
        "last row lost", "data", "y, data, ", "the last datum is dropped",
        "jax.nn.log_sigmoid(-logits)).sum(1)", "jax.nn.log_sigmoid(-logits))[:, :-1].sum(1)",
        r"row|datum|data|lost|last",
    ),
    process(
        "half log det twice", "value", "y", "log det K in place of ½ log det K",
        "Y @ alpha - half_log_det", "Y @ alpha - 2.0 * half_log_det", r"log.?det|normali|partition|twice",
    ),
    process(
        "N forgotten", "value", "y", "½ log 2π once in place of N times",
        "- 0.5 * N * np.log(2.0 * np.pi)", "- 0.5 * np.log(2.0 * np.pi)", r"2π",
    ),
    process(
        "noise std", "value", "y", "the noise enters as standard deviation",
        "noise**2 * np.eye(N)\n\n\ndef elbo", "noise * np.eye(N)\n\n\ndef elbo", r"noise|σ|varian|diagonal",
    ),
    process(
        "jitter", "value", "y", "a jitter of 1e-4 is added to the kernel",
        "chol = np.linalg.cholesky(k)", "chol = np.linalg.cholesky(k + 1e-4 * np.eye(N))", r"jitter|diagonal|noise",
    ),
    process(
        "gradient of ℓ", "gradient", "y", "the gradient of log ℓ has ℓ for ℓ²",
        'd_ell = smooth * D2 * np.exp(-2.0 * p["log_ell"])', 'd_ell = smooth * D2 * np.exp(-p["log_ell"])', r"log_ell",
    ),
    process(
        "gradient of amplitude", "gradient", "y", "the gradient of the log amplitude lacks its 2",
        "d_amp = 2.0 * smooth", "d_amp = smooth", r"log_amp|half|½|0\.5|twice",
    ),
    process(
        "½ of the quadratic form", "value", "y", "the quadratic form has no ½",
        "-0.5 * Y @ alpha", "-Y @ alpha", r"quadrat|square|twice|½|half|mahalanobis",
    ),
    sparse(
        "no trace term", "value", "y", "the trace term is left out",
        "+ trace_term.sum() - kl", "- kl", r"trace|varian|at the mean",
    ),
    sparse(
        "trace sign", "sign", "y", "the remaining variance is added instead of subtracted",
        "trace_term = -0.5 * f_var", "trace_term = 0.5 * f_var", r"trace|varian|sign",
    ),
    sparse(
        "KL per datum", "scale", "KL, v, q", "the KL divergence is not divided by N",
        "(fit_term.sum() + trace_term.sum() - kl) / N", "(fit_term.sum() + trace_term.sum()) / N - kl", r"× ?14|14|N",
    ),
    sparse(
        "amplitude", "value", "y", "the amplitude enters the variance without square",
        "+ amp**2 * LEFT", "+ amp * LEFT", r"varian|amp|spread|square|trace|σ",
    ),
    sparse(
        "s² is s", "value", "v, KL", "s in place of s² in the KL divergence",
        "0.5 * (s**2 + m**2", "0.5 * (s + m**2", r"σ|varian|std|square|s²",
    ),
    sparse(
        "noise log", "value", "y", "log σ² is halved once more",
        "+ np.log(noise2) +", "+ 0.5 * np.log(noise2) +", r"log σ|log_noise|normali|partition|half",
    ),
    inflated(
        "log-factorial lost", "value", "y", "log y! is left out",
        " - special.gammaln(y + 1.0)\n", "\n", r"factorial|log .!|base measure|gammaln|log h",
    ),
    inflated(
        "zero of the counts", "value", "y", "a zero is never one of the counts",
        "np.log(np.exp(log_pi) + np.exp(log_rest - lam))", "log_pi + 0.0 * lam", r"zero|inflat|density",
    ),
    inflated(
        "weights swapped", "value", "y", "π and 1 − π are mixed up",
        "positive = log_rest + y", "positive = log_pi + y", r"π|weight|gate|density",
    ),
    inflated(
        "gradient of zeros", "gradient", "y", "the gradient at zeros is that of the counts",
        "-lam * none / (pi + none)", "-lam", r"beta",
    ),
    inflated(
        "first row lost", "data", "data, y, ", "the first row is skipped",
        "at_zero, positive).mean()", "at_zero, positive)[1:].mean()", r"row|datum|data|lost|first|skip",
    ),
    decayed(
        "decay twice", "value", "decay", "the ½ of the decay is missing",
        "penalty = 0.5 * DECAY", "penalty = DECAY", r"twice|× ?2|half|½|double",
    ),
    decayed(
        "decay over N", "scale", "decay", "the decay is divided by N",
        "log_lik.mean() - penalty", "log_lik.mean() - penalty / N", r"N|13",
    ),
    decayed(
        "absolute decay", "value", "decay", "absolute values are decayed",
        'np.sum(p["w"] ** 2)', 'np.sum(np.abs(p["w"]))', r"absolut|square|L1",
    ),
    decayed(
        "log rate for rate", "value", "y", "the rate is η in place of exp η",
        "Y * eta - np.exp(eta)", "Y * eta - np.log1p(np.exp(eta))", r"exp|softplus|rate|partition|log-partition|A\b",
    ),
    decayed(
        "gradient of decay", "gradient", "decay, y", "the gradient has twice the decay",
        '- DECAY * p["w"], "b"', '- 2.0 * DECAY * p["w"], "b"', r"gradient of w\b|decay|twice",
    ),
    decayed(
        "intercept decays", "training", "training", "training decays the intercept, too",
        "np.diag([1.0] * D + [0.0])", "np.diag([1.0] * D + [1.0])", r"train|stop|leaves|stationary|\bb\b",
    ),
    survival(
        "no half variance", "value", "t", "E exp(b) = exp(m) in place of exp(m + s²/2)",
        "m + 0.5 * s**2)[:, None]", "m + 0.0 * s**2)[:, None]", r"varian|σ²|exp|at the mean|spread",
    ),
    survival(
        "censoring ignored", "data", "t", "every time counts as an event",
        "log_lik = EVENT * (eta", "log_lik = EVENT**0 * (eta", r"censor|mask|event|padding|where",
    ),
    survival(
        "prior τ for τ²", "value", "b", "τ in place of τ² in the prior of the effect",
        "(m**2 + s**2) / tau**2", "(m**2 + s**2) / tau", r"σ|varian|scale|τ|square",
    ),
    survival(
        "effect per subject", "scale", "b", "the prior of an effect counts once for each subject",
        "log_lik.sum(1) + log_prior", "log_lik.sum(1) + EACH * log_prior", r"× ?3|3",
    ),
    survival(
        "entropy ½", "entropy", "q", "½ log σ² is halved again",
        '+ LOG_2PI) + p["log_s"]\n', '+ LOG_2PI) + 0.5 * p["log_s"]\n', r"log σ|log_s|half|½",
    ),
    survival(
        "log τ detached", "gradient", "b", "the gradient stops at the scale of the prior",
        '-0.5 * LOG_2PI - p["log_tau"]', '-0.5 * LOG_2PI - lax.stop_gradient(p["log_tau"])',
        r"held|detach|stop|log_tau",
    ),
    schools(
        "no Jacobian of τ", "value", "tau", "the log-normal prior lacks − log τ",
        '- 0.5 * LOG_2PI - p["tau_m"]', "- 0.5 * LOG_2PI", r"jacobian|log τ|base measure|log h|E log|mean",
    ),
    schools(
        "entropy on the log scale", "entropy", "q", "the entropy is that of log τ, without its mean",
        '(1.0 + LOG_2PI) + p["tau_m"]', "(1.0 + LOG_2PI)", r"jacobian|log τ|mean|entropy of q\(tau|tau_m",
    ),
    schools(
        "σ² for σ", "value", "y", "known standard errors are squared once too often",
        "(Y - theta) / SIGMA)", "(Y - theta) / SIGMA**2)", r"σ|varian|scale|square|standard",
    ),
    schools(
        "log τ once", "value", "theta", "log τ is subtracted once in place of once per school",
        "- log_tau[:, None] - 0.5 * LOG_2PI).sum(1)", "- 0.5 * LOG_2PI).sum(1) - log_tau",
        r"log σ|log τ|normali|partition|scale|dimension",
    ),
    schools(
        "q of θ not per J", "scale", "q", "the entropy of θ is averaged over the schools",
        "(1.0 + LOG_2PI)).sum()", "(1.0 + LOG_2PI)).mean()", r"1/8|/ ?8|mean|0\.125|theta",
    ),
    schools(
        "no prior mean", "value", "theta", "the prior mean of the effects is left out",
        'scaled = (theta - p["mu"])', 'scaled = (theta - 0.0 * p["mu"])', r"mean|mu\b|μ|centre|square",
    ),
    rates(
        "rate for scale", "value", "lambda, x, q", "E λ = a b in place of a / b",
        "e_lam, e_log = a / b", "e_lam, e_log = a * b", r"rate|scale|mean|λ|invers",
    ),
    rates(
        "entropy sign", "entropy", "q", "(1 − a) ψ(a) has the wrong sign",
        "+ (1.0 - a) * special.digamma(a)", "- (1.0 - a) * special.digamma(a)", r"sign|ψ|digamma",
    ),
    rates(
        "lgamma of prior", "value", "lambda", "log Γ of the prior's shape is left out",
        '- special.loggamma(shape)\n', "\n", r"Γ|gamma|normali|partition",
    ),
    rates(
        "log-factorial lost", "value", "x", "log x! is left out",
        " - special.gammaln(X + 1.0)).sum(1)", ").sum(1)", r"factorial|log x!|base measure|constant|log h",
    ),
    rates(
        "repeats averaged", "scale", "x", "the repeats are averaged",
        "special.gammaln(X + 1.0)).sum(1)", "special.gammaln(X + 1.0)).mean(1)", r"1/3|/ ?3|mean|0\.333|repeat",
    ),
    rates(
        "log rate once", "value", "lambda", "log b counts once in place of a times",
        'shape * p["log_rate"] -', 'p["log_rate"] -', r"log b|rate|normali|partition|shape",
    ),
)  # fmt: skip
