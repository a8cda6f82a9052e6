"""The plot of `elbocheck explain --plot`: F and S along training, the entropies of S, and the gap with its bound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elbocheck.backends import require
from elbocheck.errors import InputError
from elbocheck.report.charts import FLOOR
from elbocheck.training.snapshots import Snapshot

FORMATS = (".png", ".svg", ".pdf")
COLOURS = {"F": "#1f5fbf", "S": "#d9730d", "gap": "#7a3fb0", "bound": "#8b94a1"}
DARK = {"F": "#79b0ff", "S": "#ff9f45", "gap": "#c79bf2", "bound": "#8b94a1"}
"""Of the lines, on white and on black; both are read by people who do not tell red from green."""
PAPER = {False: ("#ffffff", "#1f2328", "#dde2e9"), True: ("#0d1117", "#e6edf3", "#2b323c")}
"""Whether dark -> background, text and grid."""
PARTS = ("#3a9a8f", "#c6516f", "#7b86d6", "#c9a227", "#6b8e4e", "#8c6d5c")
"""Colours of the entropies: that of q, then those of the factors."""


def check_available(file: str) -> None:
    """Raises `InputError` where the plot cannot be drawn, before anything is computed."""
    if Path(file).suffix not in FORMATS:
        raise InputError(f"--plot {file}: the name must end in one of {', '.join(FORMATS)}")
    require("matplotlib", "a plot needs Matplotlib", "report")


def draw(steps: Sequence[Snapshot], title: str, path: Path, dark: bool = False) -> None:
    """Write the plot; `steps` as in `training.along`; `dark`: light lines on a dark background."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = [share.name for share in steps[0].factors]
    numbers, places = [one.step for one in steps], range(len(steps))
    plus = " + δ" if steps[-1].delta else ""
    colours, (paper, ink, lines) = DARK if dark else COLOURS, PAPER[dark]
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    settings: dict[Any, Any] = {
        "svg.hashsalt": "elbocheck",
        "svg.fonttype": "path",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": paper,
        "axes.facecolor": paper,
        "savefig.facecolor": paper,
        **dict.fromkeys(inked, ink),
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(6.4, 6.6), layout="constrained")
        bound, stack, gap = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
        bound.set_title(title, loc="left", fontsize=10, fontweight="bold")
        bound.plot(places, [one.elbo for one in steps], color=colours["F"], lw=2, label="ELBO F")
        bound.plot(
            places,
            [one.entropy_sum + one.delta for one in steps],
            color=colours["S"],
            lw=1.8,
            ls=(0, (4, 2)),
            label=f"entropy sum S{plus}",
        )
        bound.set_ylabel("nats per datum")
        parts = [("H[q]", [one.entropy_q for one in steps])]
        parts += [(f"−H[{name}]", [-one.factors[k].entropy for one in steps]) for k, name in enumerate(names)]
        highs, lows = [0.0] * len(steps), [0.0] * len(steps)
        for colour, (label, sizes) in enumerate(parts):
            bottoms = [high if size > 0 else low for size, high, low in zip(sizes, highs, lows, strict=True)]
            stack.bar(places, sizes, 0.8, bottoms, color=PARTS[colour % len(PARTS)], label=label)
            highs = [high + max(size, 0.0) for high, size in zip(highs, sizes, strict=True)]
            lows = [low + min(size, 0.0) for low, size in zip(lows, sizes, strict=True)]
        stack.plot(places, [one.entropy_sum for one in steps], color=colours["S"], lw=1.8, ls=(0, (4, 2)), label="S")
        stack.axhline(0.0, color=ink, lw=0.8)
        stack.set_ylabel("nats per datum")
        gap.semilogy(places, [max(one.bound, FLOOR) for one in steps], color=colours["bound"], ls=":", label="bound")
        gap.semilogy(
            places, [max(abs(one.gap), FLOOR) for one in steps], color=colours["gap"], label=f"|F − S{plus and ' − δ'}|"
        )
        gap.set_ylabel("nats per datum")
        gap.set_xlabel("step of training")
        gap.xaxis.set_major_locator(MaxNLocator(integer=True))
        ticks = [int(tick) for tick in gap.get_xticks() if 0 <= tick < len(steps)]
        gap.set_xticks(ticks, [str(numbers[tick]) for tick in ticks])
        for axes in (bound, stack, gap):
            axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
            axes.grid(axis="y", color=lines, lw=0.7)
            axes.set_axisbelow(True)
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
