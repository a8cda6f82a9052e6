"""Known failures: checks that are expected to fail, each with its reason, in a TOML file; strict both ways.

[[known]]
id = "mixture::gradient"        # target::check, with * and ? as in file names
reason = "the gradient of tied variances is per component"
issue = "https://example.org/issues/12"   # optional
date = 2026-01-31                         # optional: when it was declared
expires = 2026-12-31                      # optional
case = "cases/mixture-gradient.json"      # optional: a case for `elbocheck replay`
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from elbocheck.errors import InputError
from elbocheck.files import read_text


@dataclass(frozen=True)
class KnownFailure:
    """One entry; raises `InputError` for an empty id or reason."""

    id: str
    """ "target::check", with * and ? as in file names."""

    reason: str
    """Why it fails, for people."""

    issue: str = ""
    """Address of what tracks it, or empty."""

    date: datetime.date | None = None
    """When it was declared."""

    expires: datetime.date | None = None
    """The last day on which it excuses anything; None: for ever."""

    case: str = ""
    """File of a case for `elbocheck replay`, or empty."""

    def __post_init__(self) -> None:
        for name in ("id", "reason"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise InputError(f"a known failure needs a non-empty `{name}`; got {getattr(self, name)!r}")
        for name in ("issue", "case"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"known failure {self.id!r}: `{name}` must be text; got {getattr(self, name)!r}")
        for name in ("date", "expires"):
            given = getattr(self, name)
            if given is not None and (not isinstance(given, datetime.date) or isinstance(given, datetime.datetime)):
                raise InputError(
                    f"known failure {self.id!r}: `{name}` must be a date without a time, 2026-12-31; got {given!r}"
                )

    @property
    def expired(self) -> bool:
        return self.expires is not None and datetime.date.today() > self.expires

    def matches(self, identifier: str) -> bool:
        """Whether this entry is about "target::check"; every id is about itself, brackets included."""
        return identifier == self.id or fnmatchcase(identifier, self.id.replace("[", "[[]"))


def load_known_failures(path: str | Path) -> tuple[KnownFailure, ...]:
    """The entries of a TOML file; raises `InputError` naming the file and the entry that is wrong."""
    try:
        content = tomllib.loads(read_text(path))
    except OSError as error:
        raise InputError(f"cannot read known failures: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no TOML file: {error}") from error
    unknown = sorted(set(content) - {"known"})
    if unknown or not isinstance(content.get("known", []), list):
        raise InputError(f"{path}: expected entries [[known]]; found {unknown or content['known']!r}")
    return tuple(_entry(path, position, one) for position, one in enumerate(content.get("known", []), start=1))


def _entry(path: str | Path, position: int, entry: Any) -> KnownFailure:
    if not isinstance(entry, dict):
        raise InputError(f"{path}, entry {position}: expected [[known]] with an id and a reason; found {entry!r}")
    names = {one.name for one in fields(KnownFailure)}
    unknown, missing = sorted(set(entry) - names), sorted({"id", "reason"} - set(entry))
    if unknown or missing:
        problem = f"unknown {unknown}" if unknown else f"without {missing}"
        raise InputError(f"{path}, entry {position}: {problem}; an entry has {sorted(names)}")
    try:
        return KnownFailure(**entry)
    except InputError as error:
        raise InputError(f"{path}, entry {position}: {error}") from error


def find(identifier: str, known: Sequence[KnownFailure]) -> KnownFailure | None:
    """The first entry that is not expired and whose id matches."""
    return next((one for one in known if one.matches(identifier) and not one.expired), None)


def stale(found: Sequence[tuple[str, bool]], known: Sequence[KnownFailure]) -> tuple[str, ...]:
    """What is wrong with the list: entries that matched nothing, whose checks all pass, or that have expired.

    `found`: (target::check, whether it was violated) of everything that was checked.
    """
    lines = []
    for one in known:
        own = [violated for identifier, violated in found if one.matches(identifier)]
        if one.expired:
            lines.append(f"known failure {one.id!r} expired on {one.expires}: fix it or extend it ({one.reason})")
        elif not own:
            lines.append(f"known failure {one.id!r} matches no check: remove it ({one.reason})")
        elif not any(own):
            lines.append(f"known failure {one.id!r} passes now: remove it ({one.reason})")
    return tuple(lines)
