"""What several tests share: oracles, small downstreams, the comparison of outputs with pages."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
"""The checkout."""
