"""A small process beside the gateway: seals the ledger's closed hot files every now and then.

Started as `python -m freehold.services.sealing HOME`; ends when its standard input does, that is, with its parent.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

from freehold.errors import FreeholdError

EVERY_S = 60.0


def main(home: Path, every_s: float = EVERY_S) -> None:
    """Seal, wait, and again, until standard input ends."""
    while not _ended(every_s):
        try:
            from freehold.ledger import Ledger  # the query engine is loaded when there is something to seal

            Ledger(home).seal()
        except FreeholdError as error:
            sys.stderr.write(f"freehold: the ledger was not sealed: {error.message}\n")


def _ended(wait_s: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(readable) and not sys.stdin.buffer.read(1)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
