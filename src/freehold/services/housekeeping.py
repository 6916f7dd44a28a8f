"""A small process beside the gateway: publishes the routes once, then seals the ledger's closed hot files.

The gateway itself opens no database. Started as `python -m freehold.services.housekeeping HOME`; ends when its standard
input does, that is, with its parent.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

from freehold import settings as settings_module
from freehold.errors import FreeholdError

EVERY_S = 60.0


def main(home: Path, every_s: float = EVERY_S) -> None:
    """Publish, then seal every now and then, until standard input ends. Trouble is said on stderr and tried again."""
    _publish(home)
    while not _ended(every_s):
        try:
            from freehold.ledger import Ledger  # the query engine is loaded when there may be something to seal

            Ledger(home).seal()
        except FreeholdError as error:
            sys.stderr.write(f"freehold: the ledger was not sealed: {error.message}\n")


def _publish(home: Path) -> None:
    """Routes follow the settings of today: a task declared restricted since must be so from the first call on."""
    from freehold.registry.store import Registry

    try:
        with Registry(home, settings_module.load().settings) as registry:
            registry.publish()
    except FreeholdError as error:
        sys.stderr.write(f"freehold: the routes were not published: {error.message}\n")


def _ended(wait_s: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(readable) and not sys.stdin.buffer.read(1)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
