"""Taking a student off from inside the gateway, when its audit says that the promise no longer holds.

Three steps, so that no crash and no locked database can leave the student serving: a file that says so, the route table
by rename, then the registry. The first survives a crash, the second stops the answers within a moment, the third makes
it history. Importing this module is light; the database is loaded by the last step, in the calling thread.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from freehold.errors import FreeholdError
from freehold.vocabulary import Route

from . import _spool, routes

WAIT_S: Final = 5.0
"""How long the calling thread waits for a database that somebody else holds, before it leaves the file to the next."""


def demote(home: Path, task_id: str, certificate_id: str, reason: str, *, wait_s: float = WAIT_S) -> bool:
    """Demote the student that serves `task_id` under `certificate_id`. Blocking: call it from a thread.

    Idempotent. A task that meanwhile serves another student is left alone; the named certificate is voided all the
    same, with all others of its student for the same kind of promise. The reason is stored and logged: it must hold
    no content of calls.

    Returns:
        True where the registry has recorded it; False where it waits in a file for the next process that opens the
        registry. In both cases the route table no longer serves the student.

    Raises:
        OSError: neither the file nor the route table could be written.
    """
    pending = _spool.Pending(task_id, certificate_id, reason, datetime.now(UTC).isoformat(timespec="microseconds"))
    failed: OSError | None = None
    try:
        _spool.put(home, pending)
    except OSError as error:
        failed = error
    try:
        _take_off(home, pending)
    except (OSError, FreeholdError) as error:
        if failed is not None:
            raise failed from error
    try:
        from .store import Registry

        with Registry(home, busy_timeout_s=wait_s) as registry:
            registry.demote(task_id, certificate_id, reason)
    except (FreeholdError, OSError):
        return False
    return True


def _take_off(home: Path, pending: _spool.Pending) -> None:
    file = routes.path(home)
    with routes.locked(file):
        table = routes.load(file)
        changed = tuple(_off(route, pending) for route in table.routes)
        if changed != table.routes:
            routes.write(file, msgspec.structs.replace(table, version=table.version + 1, routes=changed))


def _off(route: Route, pending: _spool.Pending) -> Route:
    serves = route.stage in {"canary", "full"} and route.certificate_id == pending.certificate_id
    return msgspec.structs.replace(route, stage="demoted") if serves and route.task_id == pending.task_id else route
