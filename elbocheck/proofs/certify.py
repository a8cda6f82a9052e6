"""Certificates: the identity and a stationary point, proved in ball arithmetic.

Three statements about one problem, each an interval computed with rigorous rounding: (R) holds at a point, F does not
change along the declared symmetries, and a true stationary point exists near the computed one, where F − S = δ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from elbocheck.errors import DeclarationError, InputError, MissingExtraError, UndecidedError

try:
    from flint import ctx
except ModuleNotFoundError as error:
    raise MissingExtraError("a certificate needs python-flint", "certify") from error

from elbocheck.backends.balls.arrays import Objects, boxed, objects
from elbocheck.bound.layout import DATA
from elbocheck.bound.problem import Problem
from elbocheck.models.base import Symmetries, no_symmetries
from elbocheck.models.sample import Cell, Sample
from elbocheck.proofs import krawczyk
from elbocheck.proofs.enclosures import Enclosure, Enclosures, Residual
from elbocheck.proofs.krawczyk import Existence
from elbocheck.solver import Inertia, StationaryPoint, find_stationary_points
from elbocheck.solver import distinct as distinct_points

LEAST_BITS = 128
"""With fewer, rounding is larger than the boxes in which a stationary point is sought."""
PROBES = 3
"""Random points at which declared symmetries are tried."""


@dataclass(frozen=True)
class Proof:
    """What is proved at a stationary point."""

    origin: str
    """Of the search that found it."""

    residuals: tuple[Residual, ...]
    """(R) at the computed point."""

    reason: str
    """Why no stationary point is proved; empty if one is."""

    radius: float
    """See `krawczyk.Existence`."""

    unique: float
    """See `krawczyk.Existence`."""

    pinned: int
    """How many coordinates are pinned against symmetries."""

    free: int
    """How many are not."""

    inertia: Inertia | None
    """Signs of the Hessian's eigenvalues; None if they are not proved."""

    gap: Enclosure | None
    """F − S − δ at the true stationary point, nats per datum; None if none is proved."""

    elbo: Enclosure | None
    """F there, nats per datum; None if none is proved."""

    @property
    def proved(self) -> bool:
        return not self.reason


@dataclass(frozen=True)
class Certificate:
    """Everything that was proved about one problem; `to_json` for files."""

    name: str
    """Of the cell."""

    sizes: tuple[int, ...]
    """(N, D, K)."""

    bits: int
    """Of the midpoints of all balls."""

    start: tuple[Residual, ...]
    """(R) at the problem's own parameters."""

    symmetries: tuple[Enclosure, ...]
    """T·∇F of each declared symmetry at random points."""

    proofs: tuple[Proof, ...]
    """One for every different stationary point that the search found."""

    @property
    def identity(self) -> bool:
        """Whether (R) holds at every point that was tried."""
        return all(one.holds for one in (*self.start, *(one for proof in self.proofs for one in proof.residuals)))

    @property
    def proved(self) -> bool:
        """Whether a stationary point is proved to exist."""
        return any(proof.proved for proof in self.proofs)

    @property
    def holds(self) -> bool:
        """Whether (R) holds wherever it was tried, a stationary point exists, and F − S = δ at all that are proved."""
        gaps = [proof.gap for proof in self.proofs if proof.gap is not None]
        return self.identity and bool(gaps) and all(gap.contains_zero for gap in gaps)

    def to_json(self) -> dict[str, Any]:
        """Names and numbers; null for what is not known."""
        record: dict[str, Any] = _finite({**asdict(self), "identity": self.identity, "holds": self.holds})
        return record


def _finite(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _finite(value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not np.isfinite(tree) else tree


def symmetries_of(cell: Cell) -> Symmetries:
    """One-parameter symmetries of F: of the model, of its evidence if q is optimal, of q, and of both together."""
    theory, q = cell.model.theory, cell.variational

    def scalings(params: Any) -> tuple[dict[str, Any], ...]:
        return tuple({**one, **other} for one, other in zip(theory.scalings(params), q.scalings(params), strict=False))

    parts = [theory.symmetries, q.symmetries, scalings]
    if q.optimal and not q.blocks:
        parts.append(theory.marginal_symmetries)
    return lambda params: tuple(tangent for part in parts for tangent in part(params))


def verified(enclosures: Enclosures, symmetries: Symmetries, seed: int = 0) -> tuple[Enclosure, ...]:
    """T·∇F of every symmetry, the widest of several random points; raises `DeclarationError` where it is not 0."""
    problem, rng = enclosures.problem, np.random.default_rng(seed)
    free, units = problem.free_mask, problem.unit_vector
    widest: list[Enclosure] = []
    for _ in range(PROBES):
        vector = problem.vector + 0.3 * units * rng.normal(size=free.size) * free
        generators = enclosures.tangents(symmetries, vector)
        if not len(generators):
            return ()
        slope = enclosures.gradient(vector)
        with ctx.workprec(enclosures.bits):
            found = [Enclosure.of(one) for one in boxed(generators @ slope)]
        for index, one in enumerate(found):
            if not one.contains_zero:
                raise DeclarationError(
                    f"{problem.label}: declared symmetry {index} is none, the derivative of F along it at a random "
                    f"point is {one.text}; correct `symmetries`"
                )
        pairs = zip(widest or found, found, strict=True)
        widest = [max(pair, key=lambda one: one.radius) for pair in pairs]
    return tuple(widest)


def prove(
    problem: Problem, symmetries: Symmetries = no_symmetries, bits: int = 192, origin: str = "", refine: bool = True
) -> Proof:
    """Whether a stationary point exists near the problem's parameters, and the gap there.

    `refine`: improve the parameters by Newton's method at full precision first; nothing rests on it.
    """
    enclosures, units = Enclosures(problem, bits), problem.unit_vector
    trained = np.flatnonzero(problem.free_mask)
    base = objects(problem.vector)

    def place(point: Objects) -> Objects:
        full = base.copy()
        full[trained] = full[trained] + point * units[trained]
        return full

    def gradient(point: Objects) -> Objects:
        return enclosures.gradient(place(point), trained) * units[trained]

    def hessian(point: Objects, columns: np.ndarray) -> Objects:
        scale = units[trained][columns]
        return enclosures.hessian(place(point), trained[columns]) * scale * scale[:, None]

    frozen = np.setdiff1d(np.arange(units.size), trained)

    def generators(point: Objects) -> Objects:
        rows = enclosures.tangents(symmetries, place(point))[usable]
        if any(not one.is_zero() for one in rows[:, frozen].ravel()):
            raise UndecidedError("a symmetry moves parameters that are not trained")
        return rows[:, trained] / units[trained]

    with ctx.workprec(bits):
        try:
            tangents = enclosures.tangents(symmetries, base)
            usable = [i for i, row in enumerate(tangents) if all(one.is_zero() for one in row[frozen])]
            start = objects(np.zeros(trained.size))
            where = krawczyk.across(start, generators(start))
            middle = hessian(where.point, where.free)
            if refine:
                where = krawczyk.refined(where, gradient, middle, bits)
            residuals = enclosures.residuals(place(where.point))
        except UndecidedError as error:
            return Proof(origin, (), f"{error}", np.inf, 0.0, 0, trained.size, None, None, None)
        found: Existence = krawczyk.exists(where, gradient, hessian, generators, middle)
        gap = elbo = None
        if found.box is not None:
            gap, elbo = (Enclosure.of(one) for one in enclosures.gap(place(found.box)))
    return Proof(
        origin,
        residuals,
        found.reason,
        found.radius,
        found.unique,
        len(where.pinned),
        len(where.free),
        found.inertia,
        gap,
        elbo,
    )


def well_determined(cell: Cell) -> Cell:
    """The cell for random problems with more data and fewer latents: in small problems few points are isolated.

    Not so many that a Hessian takes minutes: fewer where q has parameters for each datum, or quadrature nodes.
    """
    data, observed, latents = cell.capacity
    if any(DATA in block.axes for block in cell.variational.blocks):
        most = min(data, 8)
    else:
        most = max(data, 20 if cell.model.states is None else 64)
    least = (min(max(cell.least[0], 3 * most // 4), most), max(cell.least[1], observed - 1), cell.least[2])
    return replace(cell, capacity=(most, observed, min(latents, 2)), least=least)


def unpadded(sample: Sample) -> Sample:
    """The sample in a cell of its own sizes, so that nothing is computed for padding."""
    return replace(sample, cell=replace(sample.cell, capacity=sample.sizes))


def certify_sample(
    sample: Sample, bits: int = 192, search: Callable[[Problem], Sequence[StationaryPoint]] = find_stationary_points
) -> Certificate:
    """A certificate for one sample: float64 search, then everything else in ball arithmetic.

    Raises `InputError` where the theorem does not apply, `NotRigorousError` where a formula of the model is only
    approximate, `DeclarationError` where a declared symmetry is none, `UndecidedError` where balls overlap that the
    model compares.
    """
    cell = sample.cell
    if cell.out_of_scope:
        raise InputError(f"{cell.name} is out of the theorem's scope: {cell.out_of_scope}")
    if not LEAST_BITS <= bits <= 4096:
        raise InputError(f"the precision must lie between {LEAST_BITS} and 4096 bits; got {bits}")
    problem, symmetries = unpadded(sample).problem(), symmetries_of(cell)
    enclosures = Enclosures(problem, bits)
    start = enclosures.residuals(problem.vector)
    checked = verified(enclosures, symmetries, sample.seed)
    found = distinct_points(list(search(sample.problem())))
    proofs = tuple(
        prove(problem.at(problem.layout.pack(sample.unpadded(point.problem.params))), symmetries, bits, point.origin)
        for point in found
    )
    return Certificate(cell.name, sample.sizes, bits, start, checked, proofs)
