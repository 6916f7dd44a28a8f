"""The stages' part of the registry: who serves, from when, under which certificate."""

from __future__ import annotations

from freehold.errors import GateRefused
from freehold.vocabulary import Stage

from . import _rows, _stages
from ._opened import Opened, find
from ._stages import SERVING, StageRecord


class StageBook(Opened):
    """Promotion, rollback, demotion."""

    def stage(self, task: str) -> StageRecord:
        """A task's present stage.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            return _rows.stage(connection, find(_rows.effective(connection).tasks, task).id)

    def stage_history(self, task: str) -> list[StageRecord]:
        """Every step of a task between stages, oldest first.

        Raises:
            NotFound: no such task.
        """
        with self._db.read() as connection:
            return _rows.stage_history(connection, find(_rows.effective(connection).tasks, task).id)

    def set_stage(
        self, task: str, stage: Stage, *, by: str, reason: str = "", student_id: str = "", certificate_id: str = ""
    ) -> StageRecord:
        """Take a task to a stage: the latest student, or the one named, under its latest certificate that holds.

        Raises:
            NotFound: no such task or student.
            GateRefused: the step does not exist, there is no student, or serving lacks a certificate that is certified,
            not void, and as strict as what was declared; the hint is the next command.
        """
        with self._change() as connection:
            found = find(_rows.effective(connection).tasks, task)
            _stages.check_step(found, _rows.stage(connection, found.id).stage, stage)
            if stage == "none":
                return self._step(connection, found.id, stage, by=by, reason=reason)
            own = _rows.students(connection, task_id=found.id, student_id=student_id)
            if not own:
                raise GateRefused(f"task {found.name} has no such student", hint=f"freehold train {found.name}")
            student_id = own[-1].id
            held = _rows.held(connection, task_id=found.id, student_id=student_id)
            try:
                declared = self._declared(connection, found)
                certificate_id = _stages.gate(found, student_id, held, declared, certificate_id).id
            except GateRefused:
                if stage in SERVING:
                    raise
                certificate_id = ""
            return self._step(
                connection, found.id, stage, by=by, reason=reason, student_id=student_id, certificate_id=certificate_id
            )

    def rollback(self, task: str, *, by: str, reason: str = "") -> StageRecord:
        """Go back to the student that served before this one, if its certificate still holds, else to none.

        Always possible. What is rolled back from keeps its certificate and can be promoted again.

        Raises:
            NotFound: no such task.
        """
        with self._change() as connection:
            found = find(_rows.effective(connection).tasks, task)
            held = _rows.held(connection, task_id=found.id)
            declared = self._declared(connection, found)

            def holds(step: StageRecord) -> bool:
                return _stages.holds(found, step, held, declared)

            target = _stages.to_return_to(_rows.stage_history(connection, found.id), holds)
            if target is None:
                return self._step(connection, found.id, "none", by=by, reason=reason or "rollback")
            return self._step(
                connection,
                found.id,
                target.stage,
                by=by,
                reason=reason or "rollback",
                student_id=target.student_id,
                certificate_id=target.certificate_id,
            )

    def demote(self, task: str, certificate_id: str, reason: str, *, by: str = "audit") -> bool:
        """Take off whatever serves `task` under a certificate, and void it; False where both was done already.

        Every other certificate of that student for the same kind of promise is void as well: only one issued later lets
        it serve again, and what it rests on should be calls from after `voided_at_us`.
        `freehold.registry.demotion.demote` does the same from a gateway, also while the database is locked.
        """
        with self._change() as connection:
            return self._demote(connection, task, certificate_id, reason, by)
