"""Write the outputs of docs/gate.md and README.md anew, and the file that both show: python docs/refresh_gate.py."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import gate_page as gate


def put(text: str, mark: str, output: str) -> str:
    """The page with another output in the block that is marked."""
    pattern = rf"(<!-- {re.escape(mark)} -->\n```\w*\n).*?(^```\n)"
    body = "\n".join(line.rstrip() for line in output.splitlines()) + "\n"
    return re.sub(pattern, lambda found: found.group(1) + body + found.group(2), text, flags=re.S | re.M)


right = ""  # what the file prints, which is one and the same on all pages
for page in gate.PAGES:
    with tempfile.TemporaryDirectory() as name:
        folder, text = Path(name), put(page.text, "file gate.py", gate.CODE)
        (folder / "gate.py").write_text(gate.CODE, encoding="utf-8")
        right = right or gate.command(folder, "elbocheck", "verify", "gate:target").stdout
        text = put(text, "output gate.py", right)
        page.broken(folder)
        text = put(text, "output broken", page.cut(gate.command(folder, "elbocheck", "verify", "gate:target").stdout))
    page.path.write_text(text, encoding="utf-8")
