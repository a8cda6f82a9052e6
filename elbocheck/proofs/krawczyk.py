"""Existence of a stationary point, proved: Krawczyk's test in ball arithmetic, on a slice across the symmetries.

F does not change along its symmetries, so that a stationary point is never isolated. With as many coordinates pinned as
there are independent generators T, ∂F = 0 in all other coordinates and the invertibility of T restricted to the pinned
ones give ∇F = 0 in full: 0 = T·∇F = T_pinned · ∂F_pinned.

For the free coordinates of the slice, a box X around x and any matrix Y, the gradient G has exactly one zero in X, and
it lies in K, if K = x − Y G(x) + (1 − Y H(X)) (X − x) lies in the interior of X (Krawczyk 1969; Neumaier, Interval
Methods for Systems of Equations, section 5.1). That F is invariant is what a model declares; `certify.verified` tries
it at random points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat
from scipy.linalg import qr

from elbocheck.backends.balls.arrays import Objects, boxed, objects
from elbocheck.errors import UndecidedError
from elbocheck.solver.certificate import Inertia

Gradient = Callable[[Objects], Objects]
Hessian = Callable[[Objects, np.ndarray], Objects]
RADII = (1e-24, 1e-30, 1e-36, 1e-42)
"""Radii of boxes that are tried, in natural units: the largest says most about uniqueness."""
DEPENDENT = 1e-7
"""Singular values of the generators below this share of the largest are taken for zero: they pin one coordinate less.
Nothing rests on it but the choice of a slice."""
NOT_ISOLATED = ": no point is isolated modulo the declared symmetries"
SINGULAR = 1e-9
"""Smallest eigenvalue, relative to the largest, of a Hessian that is called singular where a test fails."""


@dataclass(frozen=True, eq=False)
class Slice:
    """A point with some coordinates pinned, as many as there are independent generators of symmetries."""

    point: Objects
    """(P,), in natural units."""

    free: np.ndarray
    """Indices of coordinates that move."""

    pinned: np.ndarray
    """Indices of the others."""

    generators: np.ndarray
    """Indices of the generators that they are pinned against, as many as `pinned`."""

    def moved(self, displacement: Any) -> Objects:
        """The point displaced in its free coordinates."""
        result = self.point.copy()
        result[self.free] = result[self.free] + displacement
        return result


@dataclass(frozen=True, eq=False)
class Existence:
    """What was proved about a stationary point near a given one; lengths in natural units."""

    reason: str = ""
    """Why nothing was; empty if a stationary point exists."""

    radius: float = np.inf
    """How far from the given point it may lie in any coordinate."""

    unique: float = 0.0
    """Radius of the box in which there is no other one on the slice."""

    box: Objects | None = None
    """(P,), encloses it; None if none is proved."""

    inertia: Inertia | None = None
    """Signs of the Hessian's eigenvalues; None if they could not be proved."""

    @property
    def proved(self) -> bool:
        return not self.reason


def floats(x: Any) -> np.ndarray:
    """Midpoints as floats: for choices on which no proof rests."""
    return np.asarray(np.frompyfunc(float, 1, 1)(x)).astype(float)


def upper(x: Any) -> float:
    """A bound on the largest absolute value, infinite where there is none."""
    if not all(one.is_finite() for one in np.ravel(x)):
        return np.inf
    return float(np.nextafter(max((float(abs(one).upper()) for one in np.ravel(x)), default=0.0), np.inf))


def across(point: Objects, generators: Objects) -> Slice:
    """The slice through a point on which as many coordinates are pinned as there are independent generators (R, P)."""
    size, matrix = point.size, floats(generators).reshape((len(generators), point.size))
    rank = 0
    if matrix.size:
        lengths = np.linalg.norm(matrix, axis=1)
        matrix = matrix / np.where(lengths > 0.0, lengths, 1.0)[:, None]
        singular = np.linalg.svd(matrix, compute_uv=False)
        rank = int(np.sum(singular > DEPENDENT * max(singular[0], 1.0)))
    if not rank:
        return Slice(point, np.arange(size), np.zeros(0, dtype=int), np.zeros(0, dtype=int))
    rows = np.sort(qr(matrix.T, mode="r", pivoting=True)[1][:rank])
    pinned = np.sort(qr(matrix[rows], mode="r", pivoting=True)[1][:rank])
    return Slice(point, np.setdiff1d(np.arange(size), pinned), pinned, rows)


def inverse_of_middle(matrix: Objects) -> Objects | None:
    """An approximate inverse of a matrix of balls, as exact numbers; None if it is singular."""
    size = len(matrix)
    if not size:
        return matrix
    try:
        found = arb_mat(size, size, [one.mid() for one in matrix.ravel()]).inv()
    except ZeroDivisionError:
        return None
    return np.array([one.mid() for one in found.entries()], dtype=object).reshape((size, size))


def refined(where: Slice, gradient: Gradient, hessian: Objects, bits: int, steps: int = 16) -> Slice:
    """Newton's method on midpoints, until the steps are rounding or stop falling: nothing is proved by it.

    `hessian` (S, S), on the slice, stays as it is at the start: from a point found in float64 every step gains some ten
    digits, and a Hessian costs as much as ten gradients.
    """
    inverse, last = inverse_of_middle(hessian), np.inf
    for _ in range(steps if inverse is not None else 0):
        step = np.array([one.mid() for one in boxed(inverse @ gradient(where.point)[where.free])], dtype=object)
        size = upper(step)
        if not size < 1.0 or size >= last:
            return where
        point = np.array([one.mid() for one in where.moved(-step)], dtype=object)
        where = Slice(point, where.free, where.pinned, where.generators)
        if size < 2.0 ** (40 - bits):
            return where
        last = size
    return where


def exists(
    where: Slice, gradient: Gradient, hessian: Hessian, generators: Callable[[Objects], Objects], middle: Objects
) -> Existence:
    """Krawczyk's test around the slice's point, which should be all but stationary.

    `middle` (S, S): a Hessian near the point, whose inverse is the matrix Y; nothing rests on how near.
    Functions of a point or box (P,), all in natural units: `gradient` (P,), `hessian`, of the coordinates that are its
    second argument, `generators` (R, P).
    """
    size = len(where.free)
    try:
        slope = gradient(where.point)[where.free]
        inverse = inverse_of_middle(middle)
        if inverse is None or (size and not np.all(np.isfinite(floats(inverse)))):
            return Existence(f"the Hessian is singular on the slice{NOT_ISOLATED}")
        newton = boxed(inverse @ slope)
        for radius in RADII:
            if upper(newton) >= radius:
                continue
            cube = np.array([arb(0, radius)] * size, dtype=object)
            curvature = hessian(where.moved(cube), where.free)
            inside = boxed(inverse @ curvature)
            remainder = objects(np.eye(size)) - inside if size else inside
            image = -newton + boxed(remainder @ cube) if size else cube
            if upper(image) < radius:
                box = where.moved(image)
                if not _invertible(generators(box)[np.ix_(where.generators, where.pinned)]):
                    return Existence("the symmetries' generators may be dependent on the pinned coordinates")
                signs = _inertia(curvature, len(where.pinned))
                return Existence("", upper(image), radius, box, signs)
    except UndecidedError as error:
        return Existence(f"{error}")
    values = np.abs(np.linalg.eigvalsh(floats(middle)))
    far, blur = upper(newton), max((float(one.rad()) for one in newton), default=0.0)
    if far >= RADII[0] and values.min(initial=np.inf) > SINGULAR * values.max(initial=0.0):
        if blur >= RADII[0]:
            return Existence(f"rounding moves Newton's step by up to {blur:.1e}: use more bits")
        return Existence(f"not stationary: Newton's method would move the point by {far:.1e}")
    return Existence(f"the Hessian is singular on the slice, or too close to it{NOT_ISOLATED}")


def _invertible(matrix: Objects) -> bool:
    if not matrix.size:
        return True
    return not arb_mat(len(matrix), len(matrix), list(matrix.ravel())).det().contains(0)


def _inertia(hessian: Objects, symmetries: int) -> Inertia | None:
    """Inertia of all symmetric matrices in a box, by Gershgorin discs after a congruence that nearly diagonalises it.

    Each symmetry adds an eigenvalue 0 at the stationary point; None if a disc reaches 0.
    """
    size = len(hessian)
    if not size:
        return Inertia(0, symmetries, 0)
    values, vectors = np.linalg.eigh(floats(hessian))
    if np.any(values == 0.0):
        return None
    basis = objects(vectors / np.sqrt(np.abs(values)))
    congruent = boxed(basis.T @ hessian @ basis)
    positive = 0
    for i in range(size):
        disc = sum((abs(congruent[i, j]) for j in range(size) if j != i), arb(0))
        if congruent[i, i] - disc > 0:
            positive += 1
        elif not congruent[i, i] + disc < 0:
            return None
    return Inertia(positive, symmetries, size - positive)
