"""The criterion of the theorem: is there a direction β that scales all natural parameters of a factor at once?

β is the least-squares solution of (∂η/∂θ) β = η stacked over all parent values at the points of q; its residual is
the criterion itself (THEORY section 4). A prior without parameters is covered by rescaling z instead (section 5):
(1) a tangent of the model's parameters must undo z -> a z in every other factor, and (2) unless q is optimal by
itself, a tangent of q's parameters must move every point by z and every entropy by the number of latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from elbocheck.errors import DeclarationError

if TYPE_CHECKING:
    from elbocheck.bound.problem import Problem


@dataclass(frozen=True)
class Criterion:
    """β of one factor, found by least squares."""

    factor: str
    """Name."""

    beta: np.ndarray
    """(P,): the minimum-norm solution."""

    residual: float
    """‖(∂η/∂θ)β − η‖ / ‖η‖: 0, up to rounding, when the theorem applies."""

    redundant: bool
    """Whether other β have the same effect, because some parameters are redundant."""

    jacobian: np.ndarray
    """(R, P): the matrix of the system that was solved."""

    target: np.ndarray
    """(R,): its right side, jacobian · β = target."""

    parameters: bool = True
    """Whether the factor has parameters of its own."""

    rescaling: bool = False
    """Whether the direction sought is that of a fixed prior, z -> a z."""

    def error(self, leverages: Mapping[str, np.ndarray], eps: float, scale: float) -> float:
        """By how much β·∇F can miss (R), nats per datum: Σ |(∂η/∂θ)β − η|·|T − ∇A|, with what rounding hides of it.

        `leverages`: of every factor; `scale`: Σ|terms|. Where the points of q are rescaled, too, their rows (z, and the
        number of latents for the entropy) come last, with Σ|terms| per largest |z| and 1 as what they do.
        """
        rows = [leverages[self.factor]] if not self.rescaling else [v for k, v in leverages.items() if k != self.factor]
        known = np.concatenate(rows) if rows else np.zeros(0)
        left = np.abs(self.jacobian @ self.beta - self.target)
        hidden = 16 * eps * (np.abs(self.jacobian) @ np.abs(self.beta) + np.abs(self.target))
        missed = left + hidden
        rest = missed[known.size :]
        largest = max(float(np.abs(self.target[known.size :]).max(initial=0.0)), 1.0)
        return float(known @ missed[: known.size]) + scale * float(rest.max(initial=0.0)) / largest

    def applies(self, eps: float) -> bool:
        """Whether the residual is explained by rounding (√eps leaves room for a badly conditioned Jacobian)."""
        return self.residual <= float(np.sqrt(eps))


def criteria(problem: Problem) -> dict[str, Criterion]:
    """The criterion of every factor at the problem's parameters.

    Raises `DeclarationError` if a factor's natural parameters depend on blocks that another factor owns.
    """
    compiled, bound = problem.compiled, problem.compiled.bound
    size = problem.vector.size
    held = compiled.points(problem.vector, problem.fixed)
    extended = np.append(problem.vector, 0.0)
    jacobians, values = compiled.natural_rows(extended, {"fixed": problem.fixed, "held": held})
    owned = {name: np.array(mask) for name, mask in values["owned"].items()}
    masks = {
        name: bound.layout.mask([b for b, mine in zip(bound.layout.names, owns, strict=True) if mine])
        for name, owns in owned.items()
    }
    results = {}
    for name, mask in masks.items():
        if mask.any():
            jacobian = jacobians["eta"][name][:, :size]
            others = np.any([other for key, other in masks.items() if key != name], axis=0) & ~mask
            stray = float(np.abs(jacobian[:, others]).max(initial=0.0))
            error = compiled.backend.error_of(compiled.natural_rows)  # what differences cannot tell from 0 is 0
            if stray > 10.0 * error * float(np.abs(values["eta"][name]).max(initial=0.0) + np.abs(jacobian).max()):
                raise DeclarationError(
                    f"factor {name!r}: its natural parameters depend on parameters that another factor owns "
                    f"(largest derivative {stray:.3g}); the blocks of different factors must be disjoint"
                )
            results[name] = _least_squares(name, jacobian, values["eta"][name], mask, 1.0)
        elif name in values["degree"]:
            rescaled = _rescaling(name, jacobians, values, bound.layout.present)
            results[name] = replace(rescaled, parameters=False, rescaling=True)
        else:
            without = _least_squares(name, jacobians["eta"][name][:, :size], values["eta"][name], mask, 1.0)
            results[name] = replace(without, parameters=False)
    return results


def _least_squares(name: str, jacobian: np.ndarray, target: np.ndarray, mask: np.ndarray, degree: float) -> Criterion:
    columns = np.flatnonzero(mask & np.any(jacobian != 0.0, axis=0))
    beta, scale, redundant = np.zeros(mask.size), float(np.linalg.norm(target)), False
    if columns.size and scale > 0.0:
        lengths = np.linalg.norm(jacobian[:, columns], axis=0)
        solution, _, rank, _ = np.linalg.lstsq(jacobian[:, columns] / lengths, target, rcond=None)
        beta[columns] = solution / lengths
        redundant = bool(rank < columns.size)
    residual = float(np.linalg.norm(jacobian @ beta - target)) / scale if scale > 0.0 else 0.0
    return Criterion(name, beta / degree, residual, redundant, jacobian * degree, target)


def _rescaling(name: str, jacobians: Mapping[str, Any], values: Mapping[str, Any], present: np.ndarray) -> Criterion:
    """The tangent of THEORY section 5, divided by the degree of homogeneity of the prior.

    What each other factor, the points and the entropy ask for counts alike, whatever the units of the data: natural
    parameters of data of size 1e-4 are so large that a violated demand of size one would pass for rounding.
    """
    size = jacobians["eta"][name].shape[-1] - 1
    demands = [(rows[:, :size], -rows[:, size]) for other, rows in jacobians["eta"].items() if other != name]
    demands += [(jacobians[key][:, :size], values[key]) for key in ("points", "entropy") if key in jacobians]
    lengths = [float(np.linalg.norm(aim) or np.linalg.norm(rows) or 1.0) for rows, aim in demands]
    matrix = [rows / length for (rows, _), length in zip(demands, lengths, strict=True)]
    target = [aim / length for (_, aim), length in zip(demands, lengths, strict=True)]
    trained = np.zeros(size, dtype=bool)
    trained[present] = True
    degree = float(values["degree"][name])
    solved = _least_squares(name, np.concatenate(matrix), np.concatenate(target), trained, degree)
    whole = np.concatenate([rows for rows, _ in demands]) * degree
    return replace(solved, jacobian=whole, target=np.concatenate([aim for _, aim in demands]))
