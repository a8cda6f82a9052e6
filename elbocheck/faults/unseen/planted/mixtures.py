"""Faults in mixtures, topics, chains and factor models."""

from __future__ import annotations

from functools import partial

from elbocheck.faults.unseen.fault import unseen

topics = partial(unseen, "lda")
system = partial(unseen, "kalman")
chain = partial(unseen, "hmm")
array = partial(unseen, "mixture_array")
by_em = partial(unseen, "mixture_em")
poisson = partial(unseen, "poisson_mixture")
bernoulli = partial(unseen, "bernoulli_mixture")
bayes = partial(unseen, "bayes_mixture")
analysis = partial(unseen, "factor_analysis")
ratings = partial(unseen, "matrix_factorisation")

FAULTS = (
    topics(
        "padding counted", "data", "w, z, q, data", "tokens of the padding count as words",
        "phi = np.exp(log_phi) * MASK[:, :, None]", "phi = np.exp(log_phi)", r"padding|mask|row|token|where",
    ),
    topics(
        "topics per document", "scale", "KL, beta, q", "the KL divergence of the topics counts for every document",
        "- kl_topics.sum() / DOCS", "- kl_topics.sum()", r"× ?5|5|N",
    ),
    topics(
        "assignment entropy twice", "entropy", "q", "the entropy of the assignments is added twice",
        "+ h_phi + shares", "+ 2.0 * h_phi + shares", r"twice|× ?2|double|entropy",
    ),
    topics(
        "E log is log E", "value", "z", "log of the expected shares in place of E log",
        "assigned = (phi * theta[:, None, :])",
        "assigned = (phi * np.log(gamma / gamma.sum(1, keepdims=True))[:, None, :])",
        r"E log|digamma|ψ|log E",
    ),
    topics(
        "prior concentration", "value", "theta, KL", "α − 1 − γ in place of α − γ in the KL of the shares",
        "((ALPHA - gamma) * theta)", "((ALPHA - 1.0 - gamma) * theta)", r"concentration|exponent|− ?1|α|E log",
    ),
    topics(
        "topic prior lost", "value", "beta, KL", "the normaliser of the topics' prior is left out",
        "kl_topics = log_beta(prior) - log_beta(lam)", "kl_topics = -log_beta(lam)",
        r"normali|partition|Γ|constant|log B",
    ),
    topics(
        "normaliser sign", "sign", "q, KL, theta", "log B(γ) has the wrong sign",
        "shares = log_beta(gamma) -", "shares = -log_beta(gamma) -", r"sign|log B|Γ|normali|partition|entropy",
    ),
    system(
        "prediction off by one", "value", "step", "the first step is predicted, too",
        "if t > 0:", "if t >= 0:", r"step|start|time|first",
    ),
    system(
        "a for a²", "value", "step, x", "the predicted variance has a in place of a²",
        "var = a**2 * var + q", "var = a * var + q", r"varian|square|σ",
    ),
    system(
        "noise lost", "value", "step", "the innovation noise is not added",
        "a**2 * var + q", "a**2 * var", r"noise|varian|σ",
    ),
    system(
        "log s whole", "value", "x, start, step", "log s in place of ½ log s",
        "innovation**2 / s + jnp.log(s)", "innovation**2 / s + 2.0 * jnp.log(s)",
        r"log σ|log.?det|normali|half|½|twice",
    ),
    system(
        "gain without c", "value", "x, start, step", "the updated variance has the gain without c",
        "var = (1.0 - gain * c) * var", "var = (1.0 - gain) * var", r"gain|varian|σ",
    ),
    system(
        "last step lost", "data", "x, step, data", "the last time is left out",
        "for t in range(T):", "for t in range(T - 1):", r"row|last|lost|time|datum",
    ),
    system(
        "2π of two", "value", "x", "log 2π counts twice",
        "jnp.log(s) + LOG_2PI)", "jnp.log(s) + 2.0 * LOG_2PI)", r"2π",
    ),
    chain(
        "transposed transitions", "value", "z", "the transition matrix is transposed",
        "alpha = (alpha @ trans) * b[:, t]", "alpha = (alpha @ trans.T) * b[:, t]", r"transpos|transition",
    ),
    chain(
        "log-factorial lost", "value", "x", "log x! is left out",
        "log_evidence = log_evidence - special.gammaln(X + 1.0).sum(1)", "log_evidence = log_evidence - 0.0",
        r"factorial|log x!|base measure|constant|log h",
    ),
    chain(
        "emission shifted", "data", "x", "states emit the count of the time before",
        "(alpha @ trans) * b[:, t]", "(alpha @ trans) * b[:, t - 1]", r"shift|time|row|order|index",
    ),
    chain(
        "first scale lost", "value", "x, z1, z", "the first scale factor is not counted",
        "log_evidence = log_evidence + np.log(scale)", "log_evidence = log_evidence + np.log(scale) * (t > 0)",
        r"first|scale|lost|missing",
    ),
    chain(
        "columns normalised", "training", "training", "transitions are normalised over the wrong axis",
        "counts / counts.sum(1, keepdims=True)", "counts / counts.sum(0, keepdims=True)", r"train|step|stop|trans|axis",
    ),
    chain(
        "rates n − 1", "training", "training", "rates are estimated with one count less",
        ".sum((0, 1)) / gamma.sum((0, 1))", ".sum((0, 1)) / (gamma.sum((0, 1)) - 1.0)", r"train|step|stop|log_rate",
    ),
    chain(
        "start frozen", "training", "training", "the first state's distribution is never updated",
        'new = {"start": start,', 'new = {"start": p["start"],', r"train|never|stand|start|stop",
    ),
    array(
        "D forgotten", "value", "x", "½ log 2π once in place of D times",
        "+ D * LOG_2PI", "+ LOG_2PI", r"2π",
    ),
    array(
        "entropy sign", "sign", "q", "the entropy is subtracted",
        "(expected + entropy).mean()", "(expected - entropy).mean()", r"sign|× ?[-−]1|subtract|revers",
    ),
    array(
        "unnormalised weights", "value", "z", "the logits of the weights are not normalised",
        'log_pi = torch.log_softmax(p["pi"], dim=-1)', 'log_pi = p["pi"]', r"normali|partition|softmax|sum to",
    ),
    array(
        "softmax axis", "value", "q, x, z", "the responsibilities are normalised over the data",
        'torch.log_softmax(p["logits"], dim=-1)', 'torch.log_softmax(p["logits"], dim=0)',
        r"axis|normali|sum to|weights|entropy",
    ),
    array(
        "log var of first", "value", "x", "the log determinant is a mean over the dimensions",
        'p["log_var"].sum(-1)', 'p["log_var"].mean(-1)', r"log.?det|log σ|dimension|normali|partition|half|½",
    ),
    array(
        "r detached", "gradient", "q", "responsibilities are detached in the entropy",
        "entropy = -(r * log_r)", "entropy = -(r.detach() * log_r)", r"logits|detach|held|stop",
    ),
    array(
        "responsibilities squared", "value", "x, z, q", "r² weighs the log joint",
        "(r * (log_n + log_pi))", "(r**2 * (log_n + log_pi))", r"squar|r²|weight|respons",
    ),
    by_em(
        "log σ² for log σ", "value", "x", "log σ counts twice in the normaliser",
        '- p["log_sigma"] - 0.5 * np.log(2 * np.pi)', '- 2 * p["log_sigma"] - 0.5 * np.log(2 * np.pi)',
        r"log σ|normali|partition|log_sigma|twice",
    ),
    by_em(
        "2π lost", "value", "x", "½ log 2π is dropped",
        " - 0.5 * np.log(2 * np.pi)", "", r"2π",
    ),
    by_em(
        "maximum for the sum", "value", "q, x, z, ", "the best component counts alone",
        "log_px = top[:, 0] + np.log(np.exp(terms - top).sum(1))", "log_px = top[:, 0]",
        r"maxim|hard|log-sum|entropy|sum over",
    ),
    by_em(
        "sum for mean", "scale", "", "the evidence is a sum over the data",
        "return log_px.mean()", "return log_px.sum()", r"14|total|sum|N",
    ),
    by_em(
        "gradient of log σ", "gradient", "x", "the gradient of log σ is halved",
        "d_log_sigma = (r * (off**2 * precision - 1.0)).mean(0)",
        "d_log_sigma = (r * 0.5 * (off**2 * precision - 1.0)).mean(0)", r"log_sigma|half|½|0\.5",
    ),
    by_em(
        "counts − 1", "training", "training", "variances are estimated with n − 1",
        "(X[:, None] - mu) ** 2).sum(0) / counts", "(X[:, None] - mu) ** 2).sum(0) / (counts - 1.0)",
        r"train|step|stop|leaves|log_sigma",
    ),
    by_em(
        "weights frozen", "training", "training", "weights of the components are frozen",
        '"pi": np.log(counts / N)', '"pi": p["pi"]', r"train|never|stand|stop|pi\b",
    ),
    by_em(
        "every second row", "data", "data, x, ", "a stride skips data",
        "return log_px.mean()\n\n\ndef elbo", "return log_px[::2].mean()\n\n\ndef elbo", r"row|datum|data|lost|skip",
    ),
    poisson(
        "exposure lost", "value", "x", "the exposure is left out of λ",
        "lam = EXPOSURE[:, None, None] * rate", "lam = jnp.ones((N, 1, 1)) * rate",
        r"exposure|offset|rate|log-partition|partition",
    ),
    poisson(
        "log-factorial lost", "value", "x", "log x! is left out",
        " - jax.scipy.special.gammaln(X + 1.0)[:, None]", "", r"factorial|log x!|base measure|constant|log h",
    ),
    poisson(
        "factorial of x − 1", "value", "x", "log Γ(x + ½) in place of log Γ(x + 1)",
        "gammaln(X + 1.0)", "gammaln(X + 0.5)", r"factorial|log x!|base measure|gamma|constant",
    ),
    poisson(
        "entropy of the mean", "entropy", "q", "the entropy is that of the average responsibilities",
        "(log_joint - log_q)", "(log_joint - jnp.log(q.mean(0)))", r"entropy|mean|average|log q",
    ),
    poisson(
        "weights reversed", "value", "z", "the weights of the components come in the reversed order",
        'log_pi = jax.nn.log_softmax(p["pi"])', 'log_pi = jax.nn.log_softmax(p["pi"][::-1])',
        r"order|index|permut|label|revers",
    ),
    poisson(
        "one dimension", "value", "x", "the dimensions are averaged",
        "log_pi + log_px.sum(-1)", "log_pi + log_px.mean(-1)", r"dimension|half|½|mean|× ?0\.5|1/2|/ ?2",
    ),
    bernoulli(
        "mask ignored", "data", "x", "missing pixels count as zeros",
        "torch.nn.functional.softplus(theta)) * MASK[:, None]", "torch.nn.functional.softplus(theta))",
        r"mask|missing|padding|where",
    ),
    bernoulli(
        "exp for softplus", "value", "x", "exp θ in place of log(1 + exp θ)",
        "torch.nn.functional.softplus(theta)", "torch.exp(theta)", r"exp|softplus|partition|normali",
    ),
    bernoulli(
        "cross entropy sign", "sign", "z", "E log p(z) is subtracted",
        "(rec + cross + entropy)", "(rec - cross + entropy)", r"sign|× ?[-−]1|subtract|revers",
    ),
    bernoulli(
        "entropy missing", "entropy", "q", "the entropy of q is left out",
        "(rec + cross + entropy)", "(rec + cross)", r"missing|left out|× ?0|dropped|entropy|lost",
    ),
    bernoulli(
        "q detached", "gradient", "q, x", "the encoder is detached in the reconstruction",
        "rec = (q * log_px", "rec = (q.detach() * log_px", r"enc|detach|held|stop",
    ),
    bernoulli(
        "uniform prior", "value", "z", "the mixture weights are taken as uniform",
        'log_pi = torch.log_softmax(p["pi"], dim=-1)', 'log_pi = torch.log_softmax(0.0 * p["pi"], dim=-1)',
        r"uniform|weights|pi|prior",
    ),
    bayes(
        "no 1/k", "value", "x", "the variance of the means is lost",
        "(X[:, None] - m) ** 2 + 1.0 / k", "(X[:, None] - m) ** 2", r"varian|1/k|trace|at the mean|½",
    ),
    bayes(
        "E log τ whole", "value", "x", "E log τ in place of half of it",
        "log_lik = 0.5 * e_log_tau", "log_lik = e_log_tau", r"log τ|E log|half|½|twice|normali",
    ),
    bayes(
        "E log π is log E π", "value", "z", "log of the expected weights",
        "e_log_pi = digamma(alpha) - digamma(alpha.sum())", "e_log_pi = np.log(alpha) - np.log(alpha.sum())",
        r"E log|digamma|ψ|log E",
    ),
    bayes(
        "weights' KL lost", "value", "KL, pi, q", "KL of the Dirichlet q is left out",
        "- kl_dirichlet(alpha) - kl", "- kl", r"KL|missing|left out|lost|dropped",
    ),
    bayes(
        "KL reversed constant", "value", "KL, theta, q", "the − 1 of the KL of the means is missing",
        "K0 / k - 1.0 - np.log", "K0 / k - np.log", r"½|constant|1/2|[-−+] ?1\b",
    ),
    bayes(
        "prior count", "value", "theta, KL", "k in place of k₀ weighs the distance to the prior mean",
        "0.5 * (K0 * (m - M0)", "0.5 * (k * (m - M0)", r"count|k₀|prior|mean|weight",
    ),
    bayes(
        "E τ without rate", "value", "theta, KL", "E τ = a in place of a / b in the KL of the precisions",
        "(R0 - b) * a / b", "(R0 - b) * a", r"rate|precision|λ|τ|mean",
    ),
    analysis(
        "log det of the core", "value", "x, q, z", "log det of the core is left out",
        ' + np.log(np.linalg.det(core))', "", r"log.?det|entropy|determinant|½ log",
    ),
    analysis(
        "Ψ for its inverse", "value", "x", "noise variances multiply the squares",
        "(centred**2 / psi)", "(centred**2 * psi)", r"precision|varian|invers|square",
    ),
    analysis(
        "mean lost", "value", "x", "the data are not centred",
        'centred = x - p["b"]', 'centred = x - 0.0 * p["b"]', r"mean|centre|offset|bias|\bb\b",
    ),
    analysis(
        "sign of the correction", "sign", "x, z, q", "the lemma's correction is added",
        ".sum(1) - (projected", ".sum(1) + (projected", r"sign|quadrat|square|correct",
    ),
    analysis(
        "second moment without covariance", "training", "training", "the covariance of z is lost in the M-step",
        "second[:K, :K] += N * covariance", "second[:K, :K] += 0.0 * covariance", r"train|step|stop|leaves|stationary",
    ),
    analysis(
        "float32 evidence", "value", "x, , q", "squares are summed in float32",
        "projected = (centred / psi) @ w", "projected = ((centred / psi) @ w).astype(np.float32)",
        r"float32|single|precision|round",
    ),
    ratings(
        "unrated counted", "data", "r", "missing ratings count as zeros",
        "np.where(RATED, -0.5 * (LOG_2PI", "np.where(RATED | True, -0.5 * (LOG_2PI", r"mask|missing|padding|where",
    ),
    ratings(
        "no uncertainty", "value", "r", "the variance of the prediction is lost",
        "(R - prediction) ** 2 + uncertainty", "(R - prediction) ** 2", r"varian|trace|at the mean|spread|σ²",
    ),
    ratings(
        "items not squared", "value", "r", "variances are weighted by items in place of their squares",
        'uncertainty = v @ (p["items"] ** 2).T', 'uncertainty = v @ np.abs(p["items"]).T', r"varian|square|absolut|σ²",
    ),
    ratings(
        "log noise lost", "value", "r", "the log noise is left out",
        '+ p["log_noise"] + error', "+ error", r"log σ|log_noise|normali|partition|log.?var",
    ),
    ratings(
        "prior variance lost", "value", "u, KL", "the prior's variance is left out of the squares",
        "(m**2 + v) / prior_var", "(m**2 + v)", r"varian|scale|prior|σ²|square",
    ),
    ratings(
        "KL sign of log", "sign", "q, KL, u", "log σ² of q has the wrong sign",
        '+ p["log_prior"] - p["log_v"])', '+ p["log_prior"] + p["log_v"])', r"sign|log σ|log_v|entropy",
    ),
)  # fmt: skip
