"""Numbered migrations of `control.db`, in portable SQL: they are only ever added to, never changed.

Row numbers are given by the writer inside its transaction (`_database.next_number`), because every database spells
automatic numbers differently.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, inspect, select
from sqlalchemy.schema import CreateTable

from freehold.errors import MissingPrerequisite

from . import _tables
from ._database import now


class Migration(NamedTuple):
    """One step from a schema to the next.

    `script` holds statements that every database understands, each ended by a semicolon; `sqlite_only` holds whole
    statements that are run on SQLite alone.
    """

    number: int
    name: str
    script: str
    sqlite_only: tuple[str, ...] = ()


_FIRST: Final = """
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE tasks (
    id TEXT NOT NULL PRIMARY KEY, position INTEGER NOT NULL, data TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE TABLE decisions (
    seq INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL, task_id TEXT NOT NULL, data TEXT NOT NULL,
    made_by TEXT NOT NULL, made_at TEXT NOT NULL
);
CREATE TABLE contracts (
    seq INTEGER NOT NULL PRIMARY KEY, task_id TEXT NOT NULL, version TEXT NOT NULL, data TEXT NOT NULL,
    saved_at TEXT NOT NULL
);
CREATE INDEX contracts_task ON contracts (task_id, seq);

CREATE TABLE students (
    seq INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, bundle TEXT NOT NULL,
    manifest TEXT NOT NULL, added_at TEXT NOT NULL
);
CREATE INDEX students_task ON students (task_id, seq);

CREATE TABLE certificates (
    seq INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, student_id TEXT NOT NULL,
    against TEXT NOT NULL, data TEXT NOT NULL, void_reason TEXT NOT NULL, added_at TEXT NOT NULL
);
CREATE INDEX certificates_task ON certificates (task_id, student_id, against, seq);

CREATE TABLE stages (
    seq INTEGER NOT NULL PRIMARY KEY, task_id TEXT NOT NULL, stage TEXT NOT NULL, student_id TEXT NOT NULL,
    certificate_id TEXT NOT NULL, made_by TEXT NOT NULL, reason TEXT NOT NULL, made_at TEXT NOT NULL
);
CREATE INDEX stages_task ON stages (task_id, seq);

CREATE TABLE verdicts (
    seq INTEGER NOT NULL PRIMARY KEY, task_id TEXT NOT NULL, word TEXT NOT NULL, data TEXT NOT NULL,
    made_at TEXT NOT NULL
);
CREATE INDEX verdicts_task ON verdicts (task_id, seq);

CREATE TABLE audit_log (
    seq INTEGER NOT NULL PRIMARY KEY, made_at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, why TEXT NOT NULL, detail TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL
);
"""
_PAUSES: Final = """
CREATE TABLE pauses (
    seq INTEGER NOT NULL PRIMARY KEY, task_id TEXT NOT NULL, paused INTEGER NOT NULL, made_by TEXT NOT NULL,
    reason TEXT NOT NULL, made_at TEXT NOT NULL
);
CREATE INDEX pauses_task ON pauses (task_id, seq);
"""
_APPEND_ONLY: Final = """
CREATE TRIGGER audit_log_no_{verb} BEFORE {verb} ON audit_log BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END
"""

MIGRATIONS: Final = (
    Migration(
        1,
        "the first tables",
        _FIRST,
        tuple(_APPEND_ONLY.format(verb=verb) for verb in ("DELETE", "UPDATE")),
    ),
    Migration(
        2, "when a certificate was voided", "ALTER TABLE certificates ADD COLUMN voided_at TEXT NOT NULL DEFAULT ''"
    ),
    Migration(3, "owned answers can be paused", _PAUSES),
    Migration(
        4,
        "virtual keys",
        """
        CREATE TABLE virtual_keys (
            seq INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, data TEXT NOT NULL,
            made_by TEXT NOT NULL
        );
        """,
    ),
    Migration(
        5,
        "rehearsals of other models",
        """
        CREATE TABLE rehearsals (
            seq INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, task_id TEXT NOT NULL, model TEXT NOT NULL,
            data TEXT NOT NULL, made_at TEXT NOT NULL
        );
        CREATE INDEX rehearsals_task ON rehearsals (task_id, seq);
        """,
    ),
    Migration(
        6,
        "promises about whole runs of workflows",
        """
        CREATE TABLE workflow_certificates (
            seq INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, workflow_id TEXT NOT NULL, data TEXT NOT NULL,
            added_at TEXT NOT NULL
        );
        CREATE INDEX workflow_certificates_workflow ON workflow_certificates (workflow_id, seq);
        """,
    ),
)


def applied(connection: Connection) -> int:
    """The number of the last migration that `control.db` has seen, 0 for an empty database."""
    if not inspect(connection).has_table("migrations"):
        return 0
    numbers = connection.execute(select(_tables.migrations.c.number)).scalars().all()
    return max(numbers, default=0)


def migrate(connection: Connection) -> None:
    """Bring the database up to date inside the caller's transaction.

    Raises:
        MissingPrerequisite: a newer version of Freehold wrote it.
    """
    done = applied(connection)
    if done > MIGRATIONS[-1].number:
        raise MissingPrerequisite(
            f"control.db was written by a newer version (schema {done}, this one knows {MIGRATIONS[-1].number})",
            hint="upgrade freehold",
            code="registry_newer",
        )
    if done == 0:
        connection.execute(CreateTable(_tables.migrations))
    for migration in MIGRATIONS[done:]:
        extra = migration.sqlite_only if connection.dialect.name == "sqlite" else ()
        for statement in (*migration.script.split(";"), *extra):
            if statement.strip():
                connection.exec_driver_sql(statement)
        connection.execute(
            _tables.migrations.insert().values(number=migration.number, name=migration.name, applied_at=now())
        )
