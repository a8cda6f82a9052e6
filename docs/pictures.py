"""Draw docs/images/ anew: `python docs/pictures.py`. F and S along training, for light and for dark backgrounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
MODEL = "vae-1"


def main() -> None:
    """By the command that readers can run."""
    IMAGES.mkdir(exist_ok=True)
    for name, options in (("explain-light.svg", []), ("explain-dark.svg", ["--dark"])):
        command = ["explain", MODEL, "--plot", str(IMAGES / name), *options]
        subprocess.run([sys.executable, "-m", "elbocheck", *command], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
