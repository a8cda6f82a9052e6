"""Faults in the mixtures, as one reads them in the issue trackers of libraries for variational inference."""

from __future__ import annotations

from functools import partial

from elbocheck.faults.fault import Fault

gaussian = partial(Fault, "gaussian_mixture")
full = partial(Fault, "full_mixture")
poisson = partial(Fault, "poisson_mixture")
bernoulli = partial(Fault, "bernoulli_mixture")
log_normal = partial(Fault, "log_normal_mixture")

GAUSSIAN = (
    gaussian(
        "no log 2π", "value", "x", "the normaliser ½ log 2π of every dimension is lost",
        "constant = x.shape[-1] * np.log(2 * np.pi)", "constant = 0.0",
    ),
    gaussian(
        "log 2π once", "value", "x", "½ log 2π is counted once, not once per dimension",
        "constant = x.shape[-1] * np.log(2 * np.pi)", "constant = np.log(2 * np.pi)",
    ),
    gaussian(
        "log det doubled", "value", "x", "the log variances are taken for log standard deviations",
        'log_determinants = np.sum(params["log_variances"], axis=-1)',
        'log_determinants = 2 * np.sum(params["log_variances"], axis=-1)',
    ),
    gaussian(
        "σ for σ²", "value", "x", "squares are divided by the standard deviation",
        'params["means"]) ** 2 / variances', 'params["means"]) ** 2 / np.sqrt(variances)',
    ),
    gaussian(
        "total", "scale", "", "the ELBO of all data, not of one datum",
        "(reconstruction - cross_entropy + entropy) / size", "(reconstruction - cross_entropy + entropy)",
    ),
    gaussian(
        "no N/batch", "scale", "", "a minibatch is not scaled up to all data",
        "batch_scale = size / len(x)", "batch_scale = 1.0",
    ),
    gaussian(
        "N/batch twice", "scale", "", "a minibatch is scaled up twice",
        "batch_scale = size / len(x)", "batch_scale = (size / len(x)) ** 2",
    ),
    gaussian(
        "no entropy", "entropy", "q", "the entropy of q is dropped",
        "entropy = -np.sum(r * log_r)", "entropy = 0.0",
    ),
    gaussian(
        "−entropy", "entropy", "q", "the entropy of q has the wrong sign",
        "entropy = -np.sum(r * log_r)", "entropy = np.sum(r * log_r)",
    ),
    gaussian(
        "loss", "sign", "", "the negative ELBO, a loss, is reported",
        "return batch_scale * (", "return -batch_scale * (",
    ),
    gaussian(
        "no log-sum-exp", "value", "z", "the prior's logits are taken for log probabilities",
        'return log_softmax(params["logits"])', 'return params["logits"] - 0.0',
    ),
    gaussian(
        "lost component", "value", "z", "the first component is left out of E log p(z)",
        "cross_entropy = -np.sum(r * log_prior(params))", "cross_entropy = -np.sum((r * log_prior(params))[:, 1:])",
    ),
    gaussian(
        "∇ no chain rule", "gradient", "x", "the gradient in log σ² is the one in σ²",
        "(deviations**2 / variances - 1), axis=0)", "(deviations**2 / variances - 1) / variances, axis=0)",
    ),
    gaussian(
        "∇ no precision", "gradient", "x", "the gradient in the means is not divided by the variances",
        "np.mean(r[..., None] * deviations / variances, axis=0)", "np.mean(r[..., None] * deviations, axis=0)",
    ),
    gaussian(
        "∇ softmax", "gradient", "z", "the gradient in the logits forgets the softmax's normaliser",
        "np.mean(r, axis=0) - np.exp(log_prior(params))", "np.mean(r, axis=0) / np.exp(log_prior(params)) - 1",
    ),
    gaussian(
        "M n−1", "training", "x", "the M-step divides by n − 1",
        "deviations**2, axis=0) / counts[:, None]", "deviations**2, axis=0) / (counts[:, None] - 1)",
    ),
    gaussian(
        "M frozen weights", "training", "z", "the M-step leaves the mixture weights where they were",
        'return {"logits": np.log(counts / len(x))', 'return {"logits": params["logits"]',
    ),
    gaussian(
        "M hard", "training", "x", "the E-step of training assigns each datum to one component",
        "    counts = np.sum(r, axis=0)", "    counts = np.sum(r := np.round(r), axis=0)",
    ),
    gaussian(
        "M previous means", "training", "x", "the M-step measures variances from the previous means",
        "deviations = x[:, None, :] - means", 'deviations = x[:, None, :] - params["means"]',
        equivalent="where training stops, the previous means are the means: the two steps have the same fixed points",
    ),
)  # fmt: skip

FULL = (
    full(
        "−log det", "value", "x", "the log determinant of the precision's root has the wrong sign",
        "axis=-1) + log_determinants", "axis=-1) - log_determinants",
    ),
    full(
        "½ log det", "value", "x", "log det of the root is halved, as that of the precision would be",
        "axis=-1) + log_determinants", "axis=-1) + 0.5 * log_determinants",
    ),
    full(
        "transposed root", "value", "x", "the Cholesky factor is applied transposed",
        'np.einsum("nkd,kde->nke", deviations, factors(params))',
        'np.einsum("nkd,ked->nke", deviations, factors(params))',
    ),
    full(
        "D/2 log 2π", "value", "x", "log 2π is halved once more",
        "log_determinants - np.log(2 * np.pi)", "log_determinants - 0.5 * np.log(2 * np.pi)",
    ),
    full(
        "entropy twice", "entropy", "q", "the entropy of q is added twice",
        "np.mean(energy + entropy)", "np.mean(energy + 2 * entropy)",
    ),
    full(
        "no square", "value", "x", "the Mahalanobis distance is not squared",
        "np.sum(whitened**2, axis=-1)", "np.sqrt(np.sum(whitened**2, axis=-1))",
    ),
    full(
        "∇ no log det", "gradient", "x", "the gradient leaves the log determinant out",
        "of_log_diagonals + np.sum(r, axis=0)[:, None]", "of_log_diagonals",
    ),
    full(
        "∇ no exp", "gradient", "x", "the gradient in the log diagonal misses the derivative of exp",
        "np.diagonal(c * of_factor,", "np.diagonal(of_factor,",
    ),
    full(
        "∇ upper triangle", "gradient", "x", "the gradient is read from the wrong triangle",
        '"lower": of_factor[:, 1, 0]', '"lower": of_factor[:, 0, 1]',
    ),
    full(
        "M precision", "training", "x", "the M-step stores the root of the covariance, not of the precision",
        "np.linalg.cholesky(np.linalg.inv(covariances))", "np.linalg.cholesky(covariances)",
    ),
    full(
        "M regulariser", "training", "x", "an undeclared regulariser is added to the covariances",
        "deviations) / counts[:, None, None]", "deviations) / counts[:, None, None] + 1e-3 * np.eye(2)",
    ),
    full(
        "M not centred", "training", "x", "the M-step forgets to centre the data",
        "deviations = x[:, None, :] - means", "deviations = x[:, None, :] - 0 * means",
    ),
    full(
        "M n−1", "training", "x", "the M-step divides by n − 1",
        "deviations) / counts[:, None, None]", "deviations) / (counts[:, None, None] - 1)",
    ),
)  # fmt: skip

POISSON = (
    poisson(
        "no log x!", "value", "x", "the base measure −log x! is dropped",
        "- log_factorials[:, None]", "- 0 * log_factorials[:, None]",
    ),
    poisson(
        "log (x+1)!", "value", "x", "log Γ is taken one too far",
        "gammaln(x + 1)", "gammaln(x + 2)",
    ),
    poisson(
        "wrong axis", "value", "x", "rates are summed over components, not over dimensions",
        "np.sum(rates, axis=-1)", "np.sum(rates, axis=0)",
    ),
    poisson(
        "+rate", "value", "x", "the rate is added",
        "- np.sum(rates, axis=-1)", "+ np.sum(rates, axis=-1)",
    ),
    poisson(
        "KL × 0.9", "value", "z", "the KL term has the weight 0.9",
        "np.sum(reconstruction - kl)", "np.sum(reconstruction - 0.9 * kl)",
    ),
    poisson(
        "KL reversed", "value", "z", "KL(p ‖ q) in place of KL(q ‖ p)",
        "np.sum(r * (log_r - log_prior(params)), axis=1)",
        "np.sum(np.exp(log_prior(params)) * (log_prior(params) - log_r), axis=1)",
    ),
    poisson(
        "loss", "sign", "", "the negative ELBO, a loss, is reported",
        "np.sum(reconstruction - kl)", "np.sum(kl - reconstruction)",
    ),
    poisson(
        "mean over D", "scale", "", "the mean over dimensions is taken, too",
        "np.sum(reconstruction - kl) / len(x)", "np.sum(reconstruction - kl) / x.size",
    ),
    poisson(
        "∇ no exp", "gradient", "x", "the gradient in log rates misses the derivative of exp",
        "shares[:, None] * rates", "shares[:, None]",
    ),
    poisson(
        "∇ total", "gradient", "x", "half of the gradient is a sum over data, the other a mean",
        "r.T @ x / len(x)", "r.T @ x",
    ),
    poisson(
        "M smoothed", "training", "x", "a pseudo-count that nobody declared",
        "rates = r.T @ x / counts[:, None]", "rates = (r.T @ x + 1) / counts[:, None]",
    ),
    poisson(
        "M no log", "training", "z", "probabilities are stored where logits belong",
        '"logits": np.log(counts / len(x))', '"logits": counts / len(x)',
    ),
    poisson(
        "M counts swapped", "training", "x", "sums are divided by the other component's count",
        "rates = r.T @ x / counts[:, None]", "rates = r.T @ x / counts[::-1, None]",
    ),
)  # fmt: skip

BERNOULLI = (
    bernoulli(
        "no normaliser", "value", "x", "log σ(η) is taken for η",
        "return ones - normaliser", "return ones - 0 * normaliser",
    ),
    bernoulli(
        "softplus of sum", "value", "x", "the normaliser is the softplus of the sum, not the sum",
        'np.sum(softplus(params["log_odds"]), axis=-1)', 'softplus(np.sum(params["log_odds"], axis=-1))',
    ),
    bernoulli(
        "exp for softplus", "value", "x", "the normaliser is that of a Poisson distribution",
        'np.sum(softplus(params["log_odds"]), axis=-1)', 'np.sum(np.exp(params["log_odds"]), axis=-1)',
    ),
    bernoulli(
        "no log π", "value", "z", "E log p(z) is missing",
        "prior = r @ log_weights", "prior = 0.0",
    ),
    bernoulli(
        "E without prior", "data", "q", "responsibilities leave the mixture weights out, and are no posterior",
        'log_softmax(log_softmax(params["logits"]) + log_density(params, x))', "log_softmax(log_density(params, x))",
    ),
    bernoulli(
        "mean entropy", "entropy", "q", "the entropy of the mean responsibilities, not the mean of their entropies",
        "entropy = -np.sum(r * log_r, axis=1)", "entropy = -np.sum(np.mean(r, axis=0) * np.log(np.mean(r, axis=0)))",
    ),
    bernoulli(
        "half a batch", "scale", "", "the likelihood of a minibatch is divided by N, its entropy by its own size",
        "np.mean(likelihood + prior + entropy)", "np.sum(likelihood + prior) / size + np.mean(entropy)",
    ),
    bernoulli(
        "∇ 1 − σ", "gradient", "x", "σ(−η) is taken for σ(η) in the gradient",
        'probabilities = 1 / (1 + np.exp(-params["log_odds"]))', 'probabilities = 1 / (1 + np.exp(params["log_odds"]))',
    ),
    bernoulli(
        "∇ stopped", "gradient", "z", "the gradient stops at the prior's normaliser",
        'np.mean(r, axis=0) - np.exp(log_softmax(params["logits"]))', "np.mean(r, axis=0)",
    ),
    bernoulli(
        "M log p", "training", "x", "log probabilities are stored where log odds belong",
        "log_odds = np.log(probabilities) - np.log1p(-probabilities)", "log_odds = np.log(probabilities)",
    ),
    bernoulli(
        "M clipped", "training", "x", "probabilities are clipped, which nobody declared",
        "probabilities = r.T @ x / counts[:, None]", "probabilities = np.clip(r.T @ x / counts[:, None], 0.2, 0.8)",
    ),
)  # fmt: skip

LOG_NORMAL = (
    log_normal(
        "no Jacobian", "value", "x", "the change of variables has no Jacobian",
        " + log_jacobian[:, None]", " + 0 * log_jacobian[:, None]",
    ),
    log_normal(
        "−Jacobian", "value", "x", "the log Jacobian has the wrong sign",
        "log_jacobian = -np.sum(y, axis=-1)", "log_jacobian = np.sum(y, axis=-1)",
    ),
    log_normal(
        "Jacobian once", "value", "x", "the Jacobian of one dimension is taken for all",
        "log_jacobian = -np.sum(y, axis=-1)", "log_jacobian = -y[:, 0]",
    ),
    log_normal(
        "log σ²", "value", "x", "log σ² is subtracted in place of log σ",
        "- np.log(stds) -", "- np.log(stds**2) -",
    ),
    log_normal(
        "σ² for σ", "value", "x", "deviations are divided by the variance",
        'params["locations"]) / stds) ** 2', 'params["locations"]) / stds**2) ** 2',
    ),
    log_normal(
        "∇ no softplus", "gradient", "x", "the gradient misses the derivative of softplus",
        '"rho": of_stds / (1 + np.exp(-params["rho"]))', '"rho": of_stds',
    ),
    log_normal(
        "∇ exp for softplus", "gradient", "x", "the derivative of exp is taken for that of softplus",
        '"rho": of_stds / (1 + np.exp(-params["rho"]))', '"rho": of_stds * stds',
    ),
    log_normal(
        "M log chart", "training", "x", "log σ is stored where softplus⁻¹(σ) belongs",
        "inverse_softplus(np.sqrt(variances))", "np.log(np.sqrt(variances))",
    ),
    log_normal(
        "M variance", "training", "x", "the variance is stored as a standard deviation",
        "inverse_softplus(np.sqrt(variances))", "inverse_softplus(variances)",
    ),
    log_normal(
        "M log of mean", "training", "x", "the log of the mean is taken for the mean of the logs",
        "locations = r.T @ y / counts[:, None]", "locations = np.log(r.T @ x / counts[:, None])",
    ),
)  # fmt: skip

PLANTED = (*GAUSSIAN, *FULL, *POISSON, *BERNOULLI, *LOG_NORMAL)
