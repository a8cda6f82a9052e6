"""Draw docs/images/ anew: `python docs/pictures.py`. F and S along training, for light and for dark backgrounds."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from elbocheck.cli import main as elbocheck

IMAGES = Path(__file__).parent / "images"
MODEL = "vae-1"


def main() -> None:
    """By the command that readers can run; in one process, so that the model is compiled once."""
    IMAGES.mkdir(exist_ok=True)
    for name, options in (("explain-light.svg", []), ("explain-dark.svg", ["--dark"])):
        with contextlib.redirect_stdout(io.StringIO()):
            code = elbocheck(["explain", MODEL, "--plot", str(IMAGES / name), *options])
        if code:
            raise SystemExit(code)


if __name__ == "__main__":
    main()
