"""The rows of LiteLLM's tables, straight from the proxy's Postgres: read-only, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from freehold.errors import BadLog, MissingPrerequisite, NotFound
from freehold.ledger.importing.protocol import Mark, Shape
from freehold.ledger.importing.protocol import Record as Found

from ._fields import Record

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMES = ("postgresql", "postgres")
_TABLES: dict[str, LiteralString] = {
    "LiteLLM_SpendLogs": 'SELECT * FROM "LiteLLM_SpendLogs"',
    "LiteLLM_ErrorLogs": 'SELECT * FROM "LiteLLM_ErrorLogs"',
}
_AT_ONCE = 1000
_START = Mark()
_encode = msgspec.json.Encoder().encode
# What Prisma, which LiteLLM reads its address with, understands after the `?`, and Postgres' own library refuses.
_OF_PRISMA = frozenset(
    {"schema", "connection_limit", "pool_timeout", "socket_timeout", "pgbouncer", "statement_cache_size", "sslaccept"}
)


def is_address(log: str) -> bool:
    """Whether what is to be imported is the address of a Postgres database, not a file."""
    return log.partition("://")[0] in SCHEMES and "://" in log


class DatabaseSource:
    """The rows of LiteLLM's tables as records, each time from the beginning: a table has no place to go on from."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.name = f"{parts.hostname or 'database'}{parts.path}"
        self.shape: Shape = "rows"
        self.columns: tuple[str, ...] = ()
        self.size = 0
        self.written_us = time.time_ns() // 1000
        self.identity = ""
        self._address = address

    def records(self, start: Mark = _START) -> Iterator[Found]:
        """Its rows, each as one JSON object."""
        for number, row in enumerate(rows(self._address), start.number + 1):
            yield Found(number, _encode(row), Mark(0, number))

    def done(self) -> int:
        """Nobody knows how many bytes a table has."""
        return 0


def rows(address: str) -> Iterator[Record]:
    """Every row of the tables of spend and errors, in one consistent view; memory does not grow with their number.

    Args:
        address: `postgresql://USER@HOST:PORT/DATABASE`, as LiteLLM's own DATABASE_URL. A password in it is seen by
            whoever lists processes: PGPASSWORD or a password file say it more quietly.

    Raises:
        MissingPrerequisite: the driver is not installed, or the database cannot be reached.
        NotFound: the database holds no table of LiteLLM's.
        BadLog: reading broke off.
    """
    try:
        import psycopg
    except ImportError:
        raise MissingPrerequisite(
            "reading a Postgres database needs a driver", hint="pip install 'freehold[postgres]'"
        ) from None
    plain, schema = _for_postgres(address)
    try:
        connection = psycopg.connect(plain, connect_timeout=10)
    except psycopg.Error as error:
        raise MissingPrerequisite(
            f"the database cannot be reached ({type(error).__name__})",
            hint="try the same address with psql; it is postgresql://USER@HOST:PORT/DATABASE",
        ) from None
    with connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        try:
            yield from _of_tables(connection, schema)
        except psycopg.Error as error:
            raise BadLog(f"the database broke off ({type(error).__name__})", hint="import again: it goes on") from None


def _of_tables(connection: Connection[Any], schema: str) -> Iterator[Record]:
    from psycopg.rows import dict_row
    from psycopg.types.json import set_json_loads

    set_json_loads(msgspec.json.decode, connection)
    if schema:
        quoted = schema.replace('"', '""')
        connection.execute("SELECT set_config('search_path', %s, false)", (f'"{quoted}"',))
    found = [name for name in _TABLES if _is_there(connection, name)]
    if not found:
        raise NotFound("the database holds no table LiteLLM_SpendLogs", hint="is it the proxy's own database?")
    for name in found:
        with connection.cursor(name="freehold", row_factory=dict_row) as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(_TABLES[name])
            yield from cursor


def _is_there(connection: Connection[Any], name: str) -> bool:
    answer = connection.execute("SELECT to_regclass(%s)", (f'"{name}"',)).fetchone()
    return answer is not None and answer[0] is not None


def _for_postgres(address: str) -> tuple[str, str]:
    """The address without what only Prisma understands, and the schema that it names."""
    parts = urlsplit(address)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in pairs if name not in _OF_PRISMA])
    schema = next((value for name, value in pairs if name == "schema"), "")
    return urlunsplit(("postgresql", parts.netloc, parts.path, kept.replace("+", "%20"), "")), schema
