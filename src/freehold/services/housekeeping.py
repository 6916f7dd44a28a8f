"""A small process beside the gateway: publishes the routes once, and seals the ledger's closed hot files now and then.

The gateway itself opens no database. Started as `python -m freehold.services.housekeeping HOME`; ends when its standard
input does, that is, with its parent. The work is done by short-lived children (`... HOME publish`, `... HOME seal`), so
that what waits between two rounds holds neither a query engine nor a database toolkit in memory.
"""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path

from freehold.errors import FreeholdError

EVERY_S = 60.0


def main(home: Path, every_s: float = EVERY_S) -> None:
    """Publish, then seal every now and then, until standard input ends."""
    _child(home, "publish")
    while not _ended(every_s):
        if len(list((home / "ledger" / "hot").glob("*.db"))) > 1:  # beside the one that is being written
            _child(home, "seal")


def once(home: Path, work: str) -> None:
    """Do one piece of work. Trouble is said on stderr and tried again in the next round."""
    try:
        _publish(home) if work == "publish" else _seal(home)
    except FreeholdError as error:
        sys.stderr.write(f"freehold: could not {work}: {error.message}\n")


def _publish(home: Path) -> None:
    """Routes follow the settings of today: a task declared restricted since must be so from the first call on."""
    from freehold import settings as settings_module
    from freehold.registry.store import Registry

    with Registry(home, settings_module.load().settings) as registry:
        registry.publish()


def _seal(home: Path) -> None:
    from freehold.ledger import Ledger

    Ledger(home).seal()


def _child(home: Path, work: str) -> None:
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, str(home), work]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - our own module


def _ended(wait_s: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(readable) and not sys.stdin.buffer.read(1)


if __name__ == "__main__":
    try:
        once(Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 2 else main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
