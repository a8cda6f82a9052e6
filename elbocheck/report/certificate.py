"""A certificate in plain words, at 80 columns."""

from __future__ import annotations

import textwrap
from decimal import ROUND_UP, Context, Decimal

from rich.console import Console

from elbocheck.proofs.certify import Certificate, Proof
from elbocheck.proofs.enclosures import Enclosure, Residual
from elbocheck.solver import Inertia


def print_certificate(console: Console, certificate: Certificate, problem: str) -> None:
    """What is proved, with radii, and what is not."""
    data, observed, latents = certificate.sizes
    _say(console, f"{certificate.name}, {problem}: N = {data}, D = {observed}, K = {latents}; {certificate.bits} bits")
    _say(console, "\nThe identity at every point: gap − (β·∇F + δ) = 0, nats per datum, enclosed")
    _say(console, f"  {'factor':<14}{'gap, about':>12}  {'residual':>14}  where")
    places = [("start", certificate.start), *((proof.origin, proof.residuals) for proof in certificate.proofs)]
    for place, residuals in places:
        for one in residuals:
            _say(console, _row(one, place), None if one.holds else "bold red")
    if certificate.symmetries:
        count, widest = len(certificate.symmetries), max(one.size for one in certificate.symmetries)
        _say(
            console,
            f"\nSymmetries: {count} declared; the derivative of F along {'it' if count == 1 else 'each'} is "
            f"0 ± {above(widest)} at random points.",
        )
    _say(console, "")
    if not certificate.proofs:
        _say(console, "Not proved: the float64 search found no stationary point of this problem.", "yellow")
    for proof in certificate.proofs:
        _say_proof(console, proof)


def _say(console: Console, text: str, style: str | None = None) -> None:
    lines = [
        textwrap.fill(line, 79, subsequent_indent="  ", drop_whitespace=True) if len(line) > 79 else line
        for line in text.split("\n")
    ]
    console.print("\n".join(lines), style=style, markup=False, highlight=False)


def _row(one: Residual, place: str) -> str:
    return f"  {one.label:<14}{one.gap.middle:>12.3g}  {around(one.residual):>14}  {place}"


def _say_proof(console: Console, proof: Proof) -> None:
    if proof.gap is None or proof.elbo is None:
        _say(console, f"Not proved ({proof.origin}): {proof.reason}.", "yellow")
        return
    modulo = ", up to symmetries," if proof.pinned else ""
    pinned = f", {proof.pinned} more pinned against symmetries" if proof.pinned else ""
    _say(
        console,
        f"Proved ({proof.origin}): a stationary point exists within {above(proof.radius, 2)} of the computed one, "
        f"in natural units, and no other one{modulo} within {proof.unique:.0e} ({proof.free} coordinates{pinned}).",
    )
    _say(console, f"  Kind: {_kind(proof.inertia)}.")
    _say(
        console,
        f"  There F = {_written(proof.elbo)} nats per datum, and F − S − δ = {around(proof.gap)}.",
        "green" if proof.gap.contains_zero else "bold red",
    )


def _kind(inertia: Inertia | None) -> str:
    if inertia is None:
        return "not proved, an eigenvalue of the Hessian is too close to 0"
    flat = f", {inertia.zero} along symmetries" if inertia.zero else ""
    return f"{inertia.kind}, proved ({inertia.positive} directions up, {inertia.negative} down{flat})"


def above(size: float | Decimal, digits: int = 1) -> str:
    """A bound in few digits, rounded up: what is printed contains what was proved."""
    return f"{Context(prec=digits, rounding=ROUND_UP).create_decimal(Decimal(size)):.{digits - 1}e}"


def around(enclosure: Enclosure) -> str:
    """An interval around 0 by its bound; one without 0 in full."""
    return f"0 ± {above(enclosure.size)}" if enclosure.contains_zero else _written(enclosure, 3)


def _written(enclosure: Enclosure, digits: int = 12) -> str:
    """middle ± radius in few digits: the radius includes what rounding the middle leaves out."""
    middle, up = f"{enclosure.middle:.{digits}g}", Context(prec=60, rounding=ROUND_UP)
    left_out = abs(up.subtract(Decimal(middle), Decimal(enclosure.middle)))
    return f"{middle} ± {above(up.add(left_out, Decimal(enclosure.radius)))}"
