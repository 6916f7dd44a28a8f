"""A call as a row: the columns of hot files and segments, and the way there and back.

Metadata and bodies stand in two tables of a hot file, so that a query over numbers never reads a prompt.

Columns are only ever added, at the end and with a value that older files are taken to hold (`ADDED`): files are never
rewritten for a new version, and an older Freehold reads newer files without the columns it does not know.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from freehold.vocabulary import Call, Leg, Usage

if TYPE_CHECKING:
    from ._vault import DataKey

Row = tuple[Any, ...]

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("started_at_us", "INTEGER NOT NULL", "BIGINT"),
    ("id", "TEXT NOT NULL UNIQUE", "VARCHAR"),
    ("latency_ms", "REAL NOT NULL", "DOUBLE"),
    ("provider", "TEXT NOT NULL", "VARCHAR"),
    ("model", "TEXT NOT NULL", "VARCHAR"),
    ("outcome", "TEXT NOT NULL", "VARCHAR"),
    ("status", "INTEGER NOT NULL", "INTEGER"),
    ("owner", "TEXT NOT NULL", "VARCHAR"),
    ("input_tokens", "INTEGER", "BIGINT"),
    ("cache_read_tokens", "INTEGER", "BIGINT"),
    ("cache_write_tokens", "INTEGER", "BIGINT"),
    ("output_tokens", "INTEGER", "BIGINT"),
    ("reasoning_tokens", "INTEGER", "BIGINT"),
    ("usage_estimated", "INTEGER", "BOOLEAN"),
    ("ttft_ms", "REAL", "DOUBLE"),
    ("streamed", "INTEGER NOT NULL", "BOOLEAN"),
    ("dialect", "TEXT NOT NULL", "VARCHAR"),
    ("task", "TEXT NOT NULL", "VARCHAR"),
    ("template", "TEXT NOT NULL", "VARCHAR"),
    ("gold", "TEXT", "VARCHAR"),
    ("source", "TEXT NOT NULL", "VARCHAR"),
    ("error", "TEXT NOT NULL", "VARCHAR"),
    ("tags", "TEXT NOT NULL", "VARCHAR"),
    ("legs", "TEXT NOT NULL", "VARCHAR"),
    ("key", "TEXT NOT NULL", "VARCHAR"),
    ("reason", "TEXT NOT NULL", "VARCHAR"),
    ("cache_write_1h_tokens", "INTEGER NOT NULL", "BIGINT"),
    ("input_audio_tokens", "INTEGER NOT NULL", "BIGINT"),
    ("input_image_tokens", "INTEGER NOT NULL", "BIGINT"),
    ("cache_read_audio_tokens", "INTEGER NOT NULL", "BIGINT"),
    ("cache_read_image_tokens", "INTEGER NOT NULL", "BIGINT"),
    ("output_audio_tokens", "INTEGER NOT NULL", "BIGINT"),
    ("output_image_tokens", "INTEGER NOT NULL", "BIGINT"),
    ("web_searches", "INTEGER NOT NULL", "BIGINT"),
    ("service_tier", "TEXT NOT NULL", "VARCHAR"),
)
"""Name, SQLite type, DuckDB type. The first two are the order of every read, so rows compare as they are."""

ADDED: dict[str, str] = {
    "key": "''",
    "reason": "''",
    "cache_write_1h_tokens": "0",
    "input_audio_tokens": "0",
    "input_image_tokens": "0",
    "cache_read_audio_tokens": "0",
    "cache_read_image_tokens": "0",
    "output_audio_tokens": "0",
    "output_image_tokens": "0",
    "web_searches": "0",
    "service_tier": "''",
}
"""Columns that the first version's files lack, with the SQL value that stands for what they do not say."""

BODIES: tuple[str, str] = ("request", "response")
NAMES: tuple[str, ...] = tuple(name for name, _, _ in COLUMNS)
_BODY = len(NAMES)
GOLD = NAMES.index("gold")
ID = NAMES.index("id")
_LEGS = NAMES.index("legs") + 1  # of a row that begins with its number
_ID = ID + 1

HOT_SCHEMA = (
    f"CREATE TABLE calls (seq INTEGER PRIMARY KEY, {', '.join(f'{n} {kind}' for n, kind, _ in COLUMNS)})",
    "CREATE INDEX calls_in_order ON calls (started_at_us, id)",
    "CREATE TABLE bodies (seq INTEGER PRIMARY KEY, request BLOB NOT NULL, response BLOB NOT NULL)",
)
_TABLES: dict[str, tuple[str, ...]] = {"calls": ("seq", *NAMES), "bodies": ("seq", *BODIES)}
TOGETHER = (128, 32, 8, 2, 1)
"""Rows in one statement: few kinds, since each is kept prepared (36 values a row, 3 KB)."""

_encode = msgspec.json.Encoder().encode
_decode_tags = msgspec.json.Decoder(dict[str, str]).decode
_decode_legs = msgspec.json.Decoder(tuple[Leg, ...]).decode
_NO_USAGE = (None, None, None, None, None, None)
_NO_DETAILS = (0, 0, 0, 0, 0, 0, 0, 0, "")


def to_row(seq: int, call: Call) -> Row:
    """The row of table `calls` for a call."""
    u = call.usage
    usage = (
        _NO_USAGE
        if u is None
        else (
            u.input_tokens,
            u.cache_read_tokens,
            u.cache_write_tokens,
            u.output_tokens,
            u.reasoning_tokens,
            u.estimated,
        )
    )
    details = (
        _NO_DETAILS
        if u is None
        else (
            u.cache_write_1h_tokens,
            u.input_audio_tokens,
            u.input_image_tokens,
            u.cache_read_audio_tokens,
            u.cache_read_image_tokens,
            u.output_audio_tokens,
            u.output_image_tokens,
            u.web_searches,
            u.service_tier,
        )
    )
    return (
        seq,
        call.started_at_us,
        call.id,
        call.latency_ms,
        call.provider,
        call.model,
        call.outcome,
        call.status,
        call.owner,
        *usage,
        call.ttft_ms,
        call.streamed,
        call.dialect,
        call.task,
        call.template,
        call.gold,
        call.source,
        call.error,
        _encode(call.tags).decode() if call.tags else "{}",
        _encode(call.legs).decode() if call.legs else "[]",
        call.key,
        call.reason,
        *details,
    )


def to_call(row: Row, gold: str | None) -> Call:
    """The call of a row in the order of `NAMES` then `BODIES`, with the gold that holds today."""
    usage = None
    if row[8] is not None:
        usage = Usage(row[8], row[9], row[10], row[11], row[12], bool(row[13]), *row[26:35])
    return Call(
        id=row[1],
        started_at_us=row[0],
        latency_ms=row[2],
        provider=row[3],
        model=row[4],
        request=row[_BODY],
        response=row[_BODY + 1],
        outcome=row[5],
        status=row[6],
        owner=row[7],
        usage=usage,
        ttft_ms=row[14],
        streamed=bool(row[15]),
        dialect=row[16],
        task=row[17],
        template=row[18],
        legs=_decode_legs(row[23]) if row[23] != "[]" else (),
        gold=gold,
        tags=_decode_tags(row[22]) if row[22] != "{}" else {},
        source=row[20],
        error=row[21],
        key=row[24],
        reason=row[25],
    )


def hot_columns(db: sqlite3.Connection) -> str:
    """The select list of `NAMES` from table `calls` of a hot file of any version."""
    return hot_select(db, NAMES)


def hot_select(db: sqlite3.Connection, names: Iterable[str]) -> str:
    """The select list of some columns from table `calls` of a hot file of any version."""
    there = {row[1] for row in db.execute("PRAGMA table_info(calls)")}
    return ", ".join(name if name in there else f"{ADDED[name]} AS {name}" for name in names)


def segment_source(files: str, *, numbered: bool = False) -> str:
    """A table expression of DuckDB over segments of any version; `files`: a parameter or a list of quoted paths.

    `numbered`: with a column `file_row_number`, each row's place in its file.
    """
    kinds = {name: kind for name, _, kind in COLUMNS}
    empty = ", ".join(f"{value}::{kinds[name]} AS {name}" for name, value in ADDED.items())
    filled = ", ".join(f"coalesce({name}, {value}) AS {name}" for name, value in ADDED.items())
    options = "union_by_name = true, file_row_number = true" if numbered else "union_by_name = true"
    return (
        f"(SELECT * REPLACE ({filled}) FROM (SELECT * FROM read_parquet({files}, {options})"  # noqa: S608
        f" UNION ALL BY NAME SELECT {empty} WHERE false))"
    )


def size_of(call: Call) -> int:
    """Bytes that a call takes in memory and on disk, nearly."""
    size = len(call.request) + len(call.response) + 512
    for leg in call.legs:
        size += 256 + len(leg.answer or "")
    return size


def insert(db: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert rows into `calls` or `bodies`; those that are there already stay as they are.

    Many in one statement: each statement gives up the interpreter's lock and has to get it back from a busy gateway.
    """
    most = db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(_TABLES[table])  # 999 values before SQLite 3.32
    start = 0
    while start < len(rows):
        count = next(one for one in TOGETHER if one <= min(most, len(rows) - start))
        db.execute(_insertion(table, count), tuple(chain.from_iterable(rows[start : start + count])))
        start += count


@cache
def _insertion(table: str, count: int) -> str:
    columns = _TABLES[table]
    one = f"({', '.join('?' * len(columns))})"
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * count)}"  # noqa: S608


def body_rows(first_seq: int, calls: Iterable[Call], key: DataKey | None = None) -> list[Row]:
    """The rows of table `bodies` for calls numbered from `first_seq`, encrypted with a key."""
    if key is None:
        return [(seq, call.request, call.response) for seq, call in enumerate(calls, first_seq)]
    return [(seq, *key.hide_bodies(call.id, call.request, call.response)) for seq, call in enumerate(calls, first_seq)]


def call_rows(first_seq: int, calls: Iterable[Call], key: DataKey | None = None) -> list[Row]:
    """The rows of table `calls` for calls numbered from `first_seq`; with a key, the answers of legs are encrypted."""
    rows = [to_row(seq, call) for seq, call in enumerate(calls, first_seq)]
    if key is None:
        return rows
    return [(*row[:_LEGS], key.hide_legs(row[_ID], row[_LEGS]), *row[_LEGS + 1 :]) for row in rows]
