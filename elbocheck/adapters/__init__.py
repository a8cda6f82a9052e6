"""Adapters: the problem of a model that another library fits, one module per library, imported on demand.

Each makes a `Problem` from the library's own objects: the ELBO is what the library reports, training is the library's
own, and the declared distributions, posteriors and entropies come from elbocheck alone.
"""
