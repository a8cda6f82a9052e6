"""Fenced blocks of pages by the comment before them."""

from __future__ import annotations

import re


def block(page: str, mark: str) -> str:
    """The text of the only fenced block after `<!-- mark -->`."""
    found = re.findall(rf"^<!-- {re.escape(mark)} -->\n```\w*\n(.*?)^```$", page, flags=re.M | re.S)
    assert len(found) == 1, f"{len(found)} blocks are marked {mark!r}"
    return str(found[0])
