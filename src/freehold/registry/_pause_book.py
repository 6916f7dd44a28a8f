"""The pauses' part of the registry: owned answers that a person stopped, of one task or of all.

A pause is beside the stage and not a stage: what was promoted stays promoted, and resuming brings back exactly that.
"""

from __future__ import annotations

from . import _rows
from ._opened import Opened, find, log
from ._rows import Pause


class PauseBook(Opened):
    """Pause and resume."""

    def pauses(self) -> list[Pause]:
        """What is paused now: everything (task id "") first, then tasks in the order in which they were paused."""
        with self._db.read() as connection:
            found = _rows.pauses(connection).values()
        return sorted(found, key=lambda one: one.task_id != "")

    def pause(self, task: str = "", *, by: str, reason: str = "") -> Pause:
        """Stop the owned answers of a task, or of all tasks; from the next reading of the route table all is rented.

        A restricted task's calls are refused meanwhile: pausing never lets anything leave. What is paused already stays
        as it was paused, by whom and why.

        Raises:
            NotFound: no such task.
        """
        with self._change() as connection:
            task_id = find(_rows.effective(connection).tasks, task).id if task else ""
            before = _rows.pauses(connection).get(task_id)
            if before is not None:
                return before
            log(connection, by, "owned.paused", task_id, reason)
            return _rows.add_pause(connection, task_id, paused=True, by=by, reason=reason)

    def resume(self, task: str = "", *, by: str, reason: str = "") -> bool:
        """End a pause; False where there was none. Ending that of everything leaves tasks paused by themselves paused.

        Raises:
            NotFound: no such task.
        """
        with self._change() as connection:
            task_id = find(_rows.effective(connection).tasks, task).id if task else ""
            if task_id not in _rows.pauses(connection):
                return False
            log(connection, by, "owned.resumed", task_id, reason)
            _rows.add_pause(connection, task_id, paused=False, by=by, reason=reason)
            return True
