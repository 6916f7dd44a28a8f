"""Stopping owned answers within a moment, before the database has been asked.

A kill switch may not wait for a database that somebody else holds, or that is broken. So the route table is changed
first, by rename; the registry then makes it lasting. Importing this module is light.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from freehold.vocabulary import Route

from . import routes
from .names import folded


def stop(home: Path, task: str = "") -> bool:
    """Mark a task, or everything, as paused in the route table that lies there; False where it names no such task.

    It holds until the registry next publishes, which undoes it unless the registry has recorded the pause by then.

    Raises:
        MissingPrerequisite: the table cannot be read.
        OSError: it cannot be written.
    """
    file = routes.path(home)
    with routes.locked(file):
        table = routes.load(file)
        if not table.version:
            return False
        if not task:
            stopped = msgspec.structs.replace(table, paused=True)
        else:
            found = _named(table.routes, task)
            if found is None:
                return False
            changed = (msgspec.structs.replace(one, paused=True) if one is found else one for one in table.routes)
            stopped = msgspec.structs.replace(table, routes=tuple(changed))
        if stopped != table:
            routes.write(file, msgspec.structs.replace(stopped, version=table.version + 1))
    return True


def _named(found: Sequence[Route], asked: str) -> Route | None:
    """The route of the task of that id, else of that name, else of that name in another letter case if it is one."""
    for route in found:
        if asked in (route.task_id, route.task_name):
            return route
    alike = [route for route in found if folded(route.task_name) == folded(asked)]
    return alike[0] if len(alike) == 1 else None
