"""`python -m elbocheck.faults.unseen --half A|B|both [--verbose]`: what the gate reads of faults it has not seen."""

from __future__ import annotations

import argparse
import os

from elbocheck.faults.unseen.catalogue import FAULTS, HALVES
from elbocheck.faults.unseen.run import Reading, unseen


def shown(one: Reading) -> str:
    """One fault of half A with its reading and its grade."""
    fault = FAULTS[one.index]
    head = f"{one.grade.value if one.grade else 'NOT REJECTED':13s} {fault.id}: {fault.fault.sentence}"
    if one.found is None:
        return f"{head}\n    {one.check or 'no check'}: no reading"
    found = one.found
    return f"{head}\n    {one.check}: {found.kind} {found.factor!r} {found.suspect!r}: {found.sentence}"


def main(arguments: list[str] | None = None) -> int:
    """0 if every correct target holds."""
    parser = argparse.ArgumentParser(prog="python -m elbocheck.faults.unseen", description=__doc__)
    parser.add_argument("--half", choices=(*HALVES, "both"), default="A")
    parser.add_argument("--verbose", action="store_true", help="print each fault of half A, never those of half B")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)

    def listen(one: object) -> None:
        if options.verbose and isinstance(one, Reading) and FAULTS[one.index].half == "A":
            print(shown(one), flush=True)

    found = unseen(options.workers, listen, options.half)
    print("\n".join(found.sentences))
    return 1 if found.rejected_targets else 0


if __name__ == "__main__":
    raise SystemExit(main())
