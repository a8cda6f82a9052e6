"""Positive definite matrices (*batch, D, D), of which only the symmetric part counts."""

from __future__ import annotations

from elbocheck.backends.namespace import Array, namespace


def symmetric(matrix: Array) -> Array:
    """½ (M + Mᵀ)."""
    return 0.5 * (matrix + namespace(matrix).xp.matrix_transpose(matrix))


def cholesky(matrix: Array) -> Array:
    """Cholesky factor of the symmetric part, so that derivatives in an element count half of its mirror image."""
    return namespace(matrix).xp.linalg.cholesky(symmetric(matrix))


def inverse(matrix: Array) -> Array:
    """L⁻ᵀ L⁻¹ of a positive definite matrix L Lᵀ."""
    xp = namespace(matrix).xp
    root = xp.linalg.inv(cholesky(matrix))
    return xp.matmul(xp.matrix_transpose(root), root)


def log_diagonal(root: Array) -> Array:
    """The logarithms of a diagonal, (*batch, D)."""
    xp = namespace(root).xp
    return xp.log(xp.linalg.diagonal(root))


def trace(one: Array, other: Array) -> Array:
    """tr(one otherᵀ)."""
    return namespace(one, other).xp.sum(one * other, axis=(-2, -1))
