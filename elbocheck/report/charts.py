"""What the page draws, as coordinates: training on real data, and every point against its bound.

Charts are inline SVG made here and in the template, so that they follow the reader's colour scheme and need no network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from elbocheck.report.scales import Scale, Tick, decades, linear
from elbocheck.runs.rows import Row
from elbocheck.training.snapshots import PointRecord, Snapshot

MOST_POINTS = 3000
"""Most points that the scatter draws; a page of 74,000 would be slow, and they lie on top of each other."""
FLOOR = 1e-18
"""Where a logarithmic axis ends: smaller numbers, and 0, are drawn there."""


@dataclass(frozen=True)
class Curve:
    """An SVG path."""

    style: str
    """The class that colours it."""

    path: str
    """Its attribute d."""


@dataclass(frozen=True)
class Panel:
    """One chart of a card."""

    title: str
    """Written above it."""

    top: float
    """Coordinate of its upper edge, y downwards."""

    bottom: float
    """Coordinate of its lower edge."""

    ticks: list[Tick]
    """Of its vertical axis."""

    curves: list[Curve]
    """Lines over the steps."""

    bars: list[Curve]
    """Stacked columns, one path for each colour; mostly none."""


@dataclass(frozen=True)
class Card:
    """Training of one model on one data set: F and S, the entropies of S, and F − S − δ with its bound."""

    model: str
    """ "model/posterior"."""

    data: str
    """Name of the data set."""

    entropies: list[str]
    """Factors whose entropies S subtracts, in the order of their colours."""

    dagger: bool
    """Whether δ is not 0, so that titles must name it."""

    first: Snapshot
    """The first step."""

    last: Snapshot
    """The last step."""

    panels: list[Panel]
    """From above: F and S, the entropies, the gap."""

    steps: list[Tick]
    """Ticks of the horizontal axis, which the panels share."""


LEFT, RIGHT = 48.0, 352.0
"""Horizontal extent of the panels of a card, whose width is 360."""


def card(row: Row) -> Card:
    """The card of a row with training."""
    steps = row.training
    names = [share.name for share in steps[0].factors]
    across = Scale(-0.5, len(steps) - 0.5, LEFT, RIGHT)
    spread = max(1, round(len(steps) / 6))
    shown = [position for position in range(0, len(steps), spread) if len(steps) - 1 - position >= 0.7 * spread]
    return Card(
        model=f"{row.target}/{row.posterior}",
        data=row.data,
        entropies=names,
        dagger=any(share.delta for share in steps[-1].factors),
        first=steps[0],
        last=steps[-1],
        panels=[_bound_panel(steps, across), _entropy_panel(steps, across), _gap_panel(steps, across)],
        steps=[Tick(across(position), str(steps[position].step)) for position in [*shown, len(steps) - 1]],
    )


def _bound_panel(steps: Sequence[Snapshot], across: Scale) -> Panel:
    sums = [one.entropy_sum + one.delta for one in steps]
    up = linear([*sums, *(one.elbo for one in steps)], 138.0, 18.0)
    curves = [
        Curve("sum", polyline(across, up, sums)),
        Curve("elbo", polyline(across, up, [one.elbo for one in steps])),
    ]
    return Panel("F and S, nats per datum", 18.0, 138.0, up.ticks(5), curves, [])


def _entropy_panel(steps: Sequence[Snapshot], across: Scale) -> Panel:
    """Columns of what S adds up, H[q] and the negative entropies of the factors: positive ones up, others down."""
    parts = [[one.entropy_q, *(-share.entropy for share in one.factors)] for one in steps]
    highs = [sum(part for part in column if part > 0) for column in parts]
    lows = [sum(part for part in column if part < 0) for column in parts]
    up = linear([0.0, *highs, *lows], 268.0, 168.0, margin=0.03)
    width = 0.8 * (RIGHT - LEFT) / len(steps)
    paths = ["" for _ in parts[0]]
    for position, column in enumerate(parts):
        left, ends = round(across(position) - width / 2, 1), [0.0, 0.0]
        for part, size in enumerate(column):
            side = 0 if size > 0 else 1
            begin, ends[side] = ends[side], ends[side] + size
            paths[part] += f"M{left} {up(begin)}h{width:.1f}V{up(ends[side])}h{-width:.1f}z"
    bars = [Curve("q" if part == 0 else f"factor{(part - 1) % 5}", path) for part, path in enumerate(paths)]
    net = polyline(across, up, [one.entropy_sum for one in steps])
    return Panel("the entropies that S adds up", 168.0, 268.0, up.ticks(5), [Curve("sum", net)], bars)


def _gap_panel(steps: Sequence[Snapshot], across: Scale) -> Panel:
    gaps, bounds = [abs(one.gap) for one in steps], [one.bound for one in steps]
    up = decades([*gaps, *bounds], 368.0, 298.0, FLOOR)
    curves = [Curve("bound", polyline(across, up, bounds)), Curve("gap", polyline(across, up, gaps))]
    return Panel("|F − S| and its bound", 298.0, 368.0, up.ticks(4), curves, [])


def polyline(across: Callable[[float], float], up: Callable[[float], float], values: Sequence[float]) -> str:
    """A path through one value per step."""
    return "M" + "L".join(f"{across(position)} {up(value)}" for position, value in enumerate(values))


@dataclass(frozen=True)
class Dot:
    """One point of the scatter."""

    style: str
    """The class that colours it: "maximum", "saddle", "other", "control" or "step"."""

    x: float
    """Coordinate of ‖∇F‖."""

    y: float
    """Coordinate of |F − S − δ|."""

    limit: float
    """Coordinate of its own bound, on the same axis as `y`."""

    title: str
    """What it is, and its numbers, for who points at it."""


@dataclass(frozen=True)
class Scatter:
    """Every verified point and control: |F − S − δ| over ‖∇F‖."""

    dots: list[Dot]
    """Steps of training first, on which the others lie."""

    line: str
    """Path of the largest bound of this run; empty if nothing was verified."""

    beta: float
    """The largest ‖β‖ of a verified point."""

    rounding: float
    """The largest rounding of a verified point, nats per datum."""

    across: list[Tick]
    """Ticks of ‖∇F‖."""

    up: list[Tick]
    """Ticks of |F − S − δ|."""

    points: int
    """How many points were verified."""

    above: int
    """How many of them exceed their own bound."""

    drawn: int
    """How many dots of points and controls there are after thinning."""

    controls: int
    """How many points are of negative controls."""

    controls_above: int
    """How many of these exceed their own bound."""

    path: int
    """How many steps of training are drawn."""


WIDE, HIGH = (64.0, 700.0), (400.0, 16.0)
"""Extent of the scatter in its box of 720 × 450."""


def scatter(rows: Sequence[Row]) -> Scatter | None:
    """The scatter of all rows; None if no row has a point. Thinned, it keeps the points nearest to their bounds."""
    named = [(f"{row.target}/{row.posterior} on {row.data}", row.check, one) for row in rows for one in row.records]
    if not named:
        return None
    verified = [one for one in named if one[2].kind != "control"]
    controls = [one for one in named if one[2].kind == "control"]
    paths = [
        (f"{row.target}/{row.posterior} on {row.data}", f"step {one.step}", one) for row in rows for one in row.training
    ]
    gradients = [*(one.gradient for *_, one in named), *(one.gradient for *_, one in paths)]
    across = decades(gradients, *WIDE, FLOOR)
    up = decades(
        [*(size for *_, one in named for size in (one.gap, one.bound)), *(abs(one.gap) for *_, one in paths)],
        *HIGH,
        FLOOR,
    )
    beta = max((one.beta for *_, one in verified), default=0.0)
    rounding = max((one.bound - one.beta * one.gradient for *_, one in verified), default=0.0)
    drawn = thinned([*verified, *controls])
    dots = [
        Dot("step", across(one.gradient), up(abs(one.gap)), up(one.bound), f"{name}, {step}: {_numbers(one)}")
        for name, step, one in paths
    ]
    dots += [
        Dot(
            style(one.kind),
            across(one.gradient),
            up(one.gap),
            up(one.bound),
            f"{name}, {check if one.kind == 'control' else one.kind}: {_numbers(one)}",
        )
        for name, check, one in drawn
    ]
    places = [across.low * (across.high / across.low) ** (k / 120) for k in range(121)]
    heights = [beta * place + rounding for place in places]
    line = "M" + "L".join(f"{across(x)} {up(y)}" for x, y in zip(places, heights, strict=True) if y <= up.high)
    return Scatter(
        dots,
        line if verified else "",
        beta,
        rounding,
        across.ticks(9),
        up.ticks(9),
        points=len(verified),
        above=sum(one.gap > one.bound for *_, one in verified),
        drawn=len(drawn),
        controls=len(controls),
        controls_above=sum(one.gap > one.bound for *_, one in controls),
        path=len(paths),
    )


Named = tuple[str, str, PointRecord]


def thinned(named: Sequence[Named], most: int = MOST_POINTS) -> list[Named]:
    """At most `most` points: the third nearest to (or beyond) their bounds, and every so-manieth of the others."""
    if len(named) <= most:
        return list(named)
    ranked = sorted(named, key=lambda one: -one[2].gap / max(one[2].bound, FLOOR))
    near, others = ranked[: most // 3], ranked[most // 3 :]
    count = most - len(near)
    return near + [others[k * len(others) // count] for k in range(count)]


def style(kind: str) -> str:
    """The class that colours a point."""
    return kind if kind in ("maximum", "saddle", "control") else "other"


def _numbers(one: PointRecord | Snapshot) -> str:
    return f"|F − S| {abs(one.gap):.1e}, bound {one.bound:.1e}, ‖∇F‖ {one.gradient:.1e}"
