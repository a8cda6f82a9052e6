"""Write the outputs of docs/gate.md anew: python docs/refresh_gate.py."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import gate_page as page


def put(text: str, mark: str, output: str) -> str:
    """The page with another output in the block that is marked."""
    pattern = rf"(<!-- {re.escape(mark)} -->\n```\n).*?(```\n)"
    body = "\n".join(line.rstrip() for line in output.splitlines()) + "\n"
    return re.sub(pattern, lambda found: found.group(1) + body + found.group(2), text, flags=re.S)


with tempfile.TemporaryDirectory() as name:
    folder, text = Path(name), page.TEXT
    (folder / "gate.py").write_text(page.block("file gate.py"), encoding="utf-8")
    text = put(text, "output gate.py", page.command(folder, "elbocheck", "verify", "gate:target").stdout)
    page.broken(folder)
    text = put(text, "output broken", page.command(folder, "elbocheck", "verify", "gate:target").stdout)
page.PAGE.write_text(text, encoding="utf-8")
