"""Jobs that compute nothing, in a module that other processes can import."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elbocheck.errors import InputError
from elbocheck.runs.jobs import Job
from elbocheck.runs.rows import Row
from support.report_rows import row


@dataclass(frozen=True)
class Pretended:
    """A job that computes nothing; what it does instead is `deed`."""

    label: str
    """Of its row."""

    deed: str
    """ "", "raise", "exit", "kill", "kill once" or "refuse"."""

    folder: str
    """Where it leaves a mark each time it is begun."""

    size: int = 1
    """Problems."""

    def run(self, tick: Any, backend: Any = None) -> list[Row]:
        marks = Path(self.folder) / self.label
        marks.mkdir(exist_ok=True)
        count = len([*marks.iterdir()])
        (marks / str(count)).touch()
        tick(1)
        if self.deed == "kill" or (self.deed == "kill once" and not count):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deed == "exit":
            sys.exit(0)
        if self.deed == "raise":
            raise ValueError("hm")
        if self.deed == "refuse":
            raise InputError("it does not fit")
        return [row(self.label, "exact", "random", "stationary", problems=1, points=1).close(0.0)]


def killed(*_: Any) -> None:
    """What a process that runs out of memory looks like."""
    os.kill(os.getpid(), signal.SIGKILL)


def jobs_of(folder: Path, deeds: Sequence[str]) -> list[Job]:
    return [Pretended(f"{position}-{deed}", deed, str(folder)) for position, deed in enumerate(deeds)]  # type: ignore[misc]
