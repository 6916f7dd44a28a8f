"""What every part of the registry stands on: the open database, the audit log, and publishing routes and keys."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from sqlalchemy import Connection

from freehold import settings as settings_module
from freehold.errors import ConfigurationError, MissingPrerequisite, NotFound
from freehold.settings import Loaded, Settings, TaskSettings
from freehold.vocabulary import KeyTable, RouteTable, Stage, Task

from . import _audit, _migrations, _remembered, _routing, _rows, _spool, current, keys, routes
from ._audit import AuditCheck, AuditEntry, AuditHead
from ._database import Database
from ._decisions import Effective
from ._remembered import Remembered
from ._rows import StudentRecord
from ._stages import SERVING, StageRecord
from .names import declared_ordinary, folded


class Opened:
    """An open registry. See `store.Registry`."""

    def __init__(self, home: Path, settings: Settings | None = None, *, busy_timeout_s: float = 30.0) -> None:
        self.home = home
        self._settings = settings
        home.mkdir(parents=True, exist_ok=True)
        self._db = Database(home, busy_timeout_s=busy_timeout_s)
        try:
            self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        with self._db.read() as connection:
            done = _migrations.applied(connection)
        if done != _migrations.MIGRATIONS[-1].number:
            with self._db.write() as connection:
                _migrations.migrate(connection)
        with self._db.read() as connection:
            stale = _rows.number(connection, current.REVISION) != _rows.number(connection, current.PUBLISHED)
            published = self._published_keys()
            stale |= published is None or published.version != _rows.number(connection, _rows.KEYS_VERSION)
        if stale or _spool.pending(self.home):
            self.publish()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """What persons declared: as given, else as the home and the environment say at first use."""
        if self._settings is None:
            self._settings = self._load().settings
        return self._settings

    def publish(self, settings: Settings | None = None) -> RouteTable:
        """Write the route table and the keys, each if it differs from what lies there, with a higher version.

        With `settings`, what persons declare is taken from there from now on. Also carries out demotions that wait in
        files because the database was locked when they were decided.

        Raises:
            MissingPrerequisite: the file cannot be written; what was decided stays decided, and is published at the
            next opportunity.
        """
        if settings is not None:
            self._settings = settings
        file = routes.path(self.home)
        try:
            with routes.locked(file):
                waiting = _spool.pending(self.home)
                with self._db.write() as connection:
                    for _, demotion in waiting:
                        self._demote(connection, demotion.task_id, demotion.certificate_id, demotion.reason, "audit")
                    table = self._write_table(connection, file)
                    self._write_keys(connection)
                    self._note(connection)
                for spooled, _ in waiting:
                    spooled.unlink(missing_ok=True)
        except OSError as error:
            raise MissingPrerequisite(
                f"{file} cannot be written: {error.strerror}", hint="freehold doctor", code="routes_unwritable"
            ) from None
        return table

    def audit_log(self) -> list[AuditEntry]:
        """Every entry of the audit log, oldest first."""
        with self._db.read() as connection:
            return _audit.entries(connection)

    def audit_head(self) -> AuditHead:
        """The end of the audit log's chain, to be noted somewhere else."""
        with self._db.read() as connection:
            return _audit.head(connection)

    def verify_audit_log(self, noted: AuditHead | None = None) -> AuditCheck:
        """Tell whether the audit log is whole.

        An edited, removed or moved entry is named. Entries cut off at the end, or a chain made anew from the start,
        show only against a `noted` head.
        """
        return _audit.verify(self.audit_log(), noted)

    def record(self, who: str, what: str, subject: str, *, why: str = "", **detail: str | float | bool | None) -> None:
        """Add an entry to the audit log for something that happened elsewhere (an export, an erasure)."""
        with self._db.write() as connection:
            log(connection, who, what, subject, why, **detail)

    @contextmanager
    def _change(self) -> Generator[Connection]:
        """A write after which routes and keys are published."""
        with self._db.write() as connection:
            yield connection
            _rows.set_number(connection, current.REVISION, _rows.number(connection, current.REVISION) + 1)
        self.publish()

    def _write_table(self, connection: Connection, file: Path) -> RouteTable:
        """Build the table inside the caller's locks, so that no older state can be written over a newer one."""
        effective = _rows.effective(connection)
        served = {task.id: self._served(connection, task.id) for task in effective.tasks}
        memory = self._remember(connection, effective)
        tasks, table_routes = _routing.build(
            effective,
            current.published_from(self.settings),
            served,
            lambda task_id, version: (
                _rows.contract(connection, task_id, version) or _rows.contract(connection, task_id)
            ),
            memory,
        )
        before = _load_or_empty(file)
        version = max(before.version, _rows.number(connection, _rows.VERSION))
        paused = _rows.pauses(connection)
        table_routes = _routing.paused(table_routes, paused)
        table = RouteTable(before.version, tasks, table_routes, memory.names, paused="" in paused)
        if table != before or version == 0:
            table = msgspec.structs.replace(table, version=version + 1)
            routes.write(file, table)
        _rows.set_number(connection, _rows.VERSION, table.version)
        _rows.set_number(connection, current.PUBLISHED, _rows.number(connection, current.REVISION))
        return table

    def _write_keys(self, connection: Connection) -> None:
        made, before = _rows.virtual_keys(connection), self._published_keys()
        if before is None or made != before.keys:
            version = max(before.version if before else 0, _rows.number(connection, _rows.KEYS_VERSION)) + 1
            keys.write(keys.path(self.home), KeyTable(version, made))
            _rows.set_number(connection, _rows.KEYS_VERSION, version)

    def _note(self, connection: Connection) -> None:
        """Note what was published from what, so that the next start can tell that nothing has changed (`current`)."""
        note = current.note(self.home, self.settings, self._ordinary())
        if note != _rows.published_from(connection):
            _rows.set_published_from(connection, note)

    def _published_keys(self) -> KeyTable | None:
        """The keys as they lie there; None where they cannot be read."""
        try:
            return keys.load(keys.path(self.home))
        except MissingPrerequisite:
            return None

    def _load(self) -> Loaded:
        return settings_module.load({**os.environ, settings_module.HOME_VARIABLE: str(self.home)})

    def _restrictions(self, connection: Connection, effective: Effective) -> Remembered:
        """What is restricted now: as remembered, with what the settings declare added and what they lift taken off."""
        declared = current.published_from(self.settings)
        return _remembered.after(_rows.remembered(connection), effective, declared, self._ordinary())

    def _ordinary(self) -> list[str]:
        """The names that are declared ordinary in so many words."""
        ordinary: list[str] = []
        if any(one.data_class == "ordinary" for one in self.settings.tasks.values()):
            # Whether that was said or left out, only the file and the environment can tell.
            with contextlib.suppress(ConfigurationError):
                ordinary = declared_ordinary(self._load()._replace(settings=self.settings))
        return ordinary

    def _remember(self, connection: Connection, effective: Effective) -> Remembered:
        before, memory = _rows.remembered(connection), self._restrictions(connection, effective)
        if memory != before:
            _rows.remember(connection, memory)
        for what, names in (
            ("restriction.declared", set(memory.names) - set(before.names)),
            ("restriction.lifted", set(before.names) - set(memory.names)),
        ):
            for name in sorted(names):
                log(connection, "settings", what, name)
        return memory

    def _served(self, connection: Connection, task_id: str) -> _routing.Served:
        record = _rows.stage(connection, task_id)
        students = _rows.students(connection, student_id=record.student_id) if record.student_id else []
        held = _rows.held(connection, certificate_id=record.certificate_id) if record.certificate_id else []
        student_record = students[0] if students else None
        return _routing.Served(
            record,
            student_record.manifest if student_record else None,
            student_record.bundle if student_record else "",
            held[0] if held else None,
        )

    def _declared(self, connection: Connection, task: Task) -> TaskSettings:
        effective = _rows.effective(connection)
        memory = self._restrictions(connection, effective)
        return _routing.declared(task, effective.aliases.get(task.id, (task.id,)), self.settings, memory)

    def _step(
        self,
        connection: Connection,
        task_id: str,
        stage: Stage,
        *,
        by: str,
        reason: str,
        student_id: str = "",
        certificate_id: str = "",
    ) -> StageRecord:
        """Append a step to the history and the audit log; what is so already stays as it is."""
        now = _rows.stage(connection, task_id)
        if (now.stage, now.student_id, now.certificate_id) == (stage, student_id, certificate_id):
            return now
        record = _rows.add_stage(
            connection, task_id, stage, by=by, reason=reason, student_id=student_id, certificate_id=certificate_id
        )
        what = f"stage.{stage}"
        log(connection, by, what, task_id, reason, before=now.stage, student=student_id, certificate=certificate_id)
        return record

    def _demote(self, connection: Connection, task_id: str, certificate_id: str, reason: str, by: str) -> bool:
        voided = _rows.void_certificates(connection, certificate_id, reason)
        for one in voided:
            log(connection, by, "certificate.voided", one, reason, task=task_id)
        now = _rows.stage(connection, task_id)
        if now.stage not in SERVING or now.certificate_id not in {certificate_id, *voided}:
            return bool(voided)
        self._step(
            connection,
            task_id,
            "demoted",
            by=by,
            reason=reason,
            student_id=now.student_id,
            certificate_id=now.certificate_id,
        )
        return True


def find(tasks: Collection[Task], name_or_id: str) -> Task:
    """The task of that id, else of that name, else of that name in another letter case.

    Raises:
        NotFound: there is none, or several differ only in letter case; the hint names close ones.
    """
    for task in tasks:
        if task.id == name_or_id:
            return task
    for task in tasks:
        if task.name == name_or_id:
            return task
    alike = [task for task in tasks if folded(task.name) == folded(name_or_id)]
    if len(alike) == 1:
        return alike[0]
    close = difflib.get_close_matches(name_or_id, [task.name for task in tasks], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "freehold tasks lists them"
    raise NotFound(f"there is no task {name_or_id}", hint=hint)


def student(connection: Connection, student_id: str) -> StudentRecord:
    """The student of that id.

    Raises:
        NotFound: there is none.
    """
    found = _rows.students(connection, student_id=student_id)
    if not found:
        raise NotFound(f"there is no student {student_id}", hint="freehold train TASK")
    return found[0]


def log(connection: Connection, who: str, what: str, subject: str, why: str = "", **detail: Any) -> None:
    """Add an entry to the audit log inside the caller's transaction."""
    _audit.append(connection, who=who, what=what, subject=subject, why=why, detail=detail)


def _load_or_empty(file: Path) -> RouteTable:
    try:
        return routes.load(file)
    except MissingPrerequisite:
        return RouteTable(0)
