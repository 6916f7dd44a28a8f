"""`control.db` behind SQLAlchemy Core: one engine, reads that see one moment, writes that take turns."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Table, create_engine, event, func, select
from sqlalchemy.exc import DatabaseError, OperationalError

from freehold.errors import MissingPrerequisite

from ._files import CONTROL

FILE_NAME: Final = CONTROL


def now() -> str:
    """This moment as ISO 8601 in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def next_number(connection: Connection, table: Table) -> int:
    """The next row number of `table`. Only inside `Database.write`, where no other writer can take it."""
    return (connection.execute(select(func.max(table.c.seq))).scalar() or 0) + 1


class Database:
    """The control database of one home.

    Safe between processes and threads. A writer waits up to `busy_timeout_s` for the others.
    """

    def __init__(self, home: Path, *, busy_timeout_s: float) -> None:
        self._file = home / FILE_NAME
        self._engine = create_engine(
            URL.create("sqlite", database=str(self._file)), connect_args={"timeout": busy_timeout_s}
        )
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A transaction that sees one moment and changes nothing.

        Raises:
            MissingPrerequisite: the database cannot be opened or read.
        """
        with self._reported(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A transaction that holds the writers' lock from its first moment; all of it happens or none.

        Raises:
            MissingPrerequisite: the database is locked for longer than the time-out, read-only, full or broken.
        """
        with self._reported(), self._engine.connect() as opened:
            connection = opened.execution_options(freehold_write=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _reported(self) -> Generator[None]:
        try:
            yield
        except (OperationalError, DatabaseError) as error:
            # The driver's own words ("database is locked", "disk I/O error") carry no content of ours.
            raise MissingPrerequisite(
                f"{self._file} cannot be used: {error.orig}", hint="freehold doctor", code="registry_unavailable"
            ) from None


def _configure(connection: Any, _record: object) -> None:
    # The driver would otherwise begin transactions by itself, later than we say and without the writers' lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("freehold_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
