"""The same mixture whose EM divides the variances by the wrong count."""

import mixture
import numpy as np

from elbocheck import Target


def em(p, x, steps=1000):
    for _ in range(steps):
        r = np.exp(mixture.log_responsibilities(p, x))
        means = np.sum(r * x, axis=0) / np.sum(r, axis=0)
        variances = np.sum(r * (x - means) ** 2, axis=0) / (
            np.sum(r, axis=0) - 1
        )
        p = {
            "logits": np.log(np.mean(r, axis=0)),
            "means": means,
            "log_variances": np.log(variances),
        }
    return p


mixture.em = em
target = Target(
    "unfinished", mixture.problem, arguments=mixture.target.arguments
)
