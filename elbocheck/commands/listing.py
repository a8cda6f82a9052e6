"""`elbocheck list`: the catalogue."""

from __future__ import annotations

import argparse
import json
from typing import Any

from elbocheck.commands.arguments import Commands


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser("list", help="show the catalogue", description="Show the catalogue.")
    parser.add_argument("--json", action="store_true", help="as JSON on standard output")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    from elbocheck.models import cells
    from elbocheck.models.datasets import REAL

    rows: list[dict[str, Any]] = [
        {
            "model": cell.model.name,
            "title": cell.model.title,
            "theory": cell.model.theory.row,
            "posterior": cell.posterior,
            "posterior_title": cell.variational.title,
            "families": list(cell.model.theory.families),
            "base_measure": "constant" if cell.model.theory.constant_base_measure else "not constant",
            "trained": "model"
            if not (cell.variational.optimal or cell.variational.trained)
            else "likelihood"
            if cell.variational.optimal
            else "model, q",
            "scope": "out of scope" if cell.out_of_scope else "in scope",
            "reason": cell.out_of_scope,
            "frozen": list(cell.frozen),
            "capacity": dict(zip(("data", "dimensions", "latents"), cell.capacity, strict=True)),
            "data": [name for entry, name, _ in REAL if entry == cell.name],
        }
        for cell in cells()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from elbocheck.report.terminal import show, terminal

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    kinds = {"likelihood": "exact", "model, q": "trained", "model": "fixed"}
    for column in ("model/posterior", "q", "p(x|z)", "h", "scope"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row['model']}/{row['posterior']}",
            kinds[row["trained"]],
            row["families"][1],
            "const." if row["base_measure"] == "constant" else "varies",
            "in" if row["scope"] == "in scope" else "out",
        )
    show(terminal(markup=True), table)
    return 0
