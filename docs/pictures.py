"""Draw the pictures of the first page: `python docs/pictures.py [MODEL]`, for light and for dark pages."""

from __future__ import annotations

import sys
from pathlib import Path

from elbocheck.report.plot import draw
from elbocheck.runs.explain import explain, sample_for

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """F and S along training, on the data that the model is verified on."""
    sample, data, rows = sample_for(sys.argv[1] if len(sys.argv) > 1 else "gmm-diagonal", None, None, 0)
    steps = explain(sample, data, rows).steps
    IMAGES.mkdir(exist_ok=True)
    for name, dark in (("training.svg", False), ("training-dark.svg", True)):
        draw(steps, f"{sample.cell.name} on {data}", IMAGES / name, dark=dark, stacked=False)


if __name__ == "__main__":
    main()
