"""Any question in SQL, over the ledger's views. The engine sees the calls and nothing else of the machine."""

from __future__ import annotations

import base64
import csv
from datetime import datetime
from typing import Any, TextIO

import msgspec

from freehold.errors import UsageError

from .home import Home

VIEWS = (
    "SELECT table_name AS view, string_agg(column_name, ', ' ORDER BY ordinal_position) AS columns"
    " FROM information_schema.columns WHERE table_schema = 'main' AND NOT starts_with(table_name, '_')"
    " GROUP BY ALL ORDER BY view"
)
"""The query that lists what there is to ask; what views are made of begins with a low line."""

_CELL_CHARS = 1000


class Answer(msgspec.Struct, frozen=True):
    """Rows with the names of their columns. `cut`: there were more. Bytes are text if they are UTF-8, else base64."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool


def sql(home: Home, query: str, *, most: int = 1000) -> Answer:
    """The answer to one query, at most `most` rows of it.

    Raises:
        UsageError: the query is wrong, or more than one statement, or none that reads.
        LedgerUnavailable: the ledger cannot be read whole.
    """
    statement = query.strip().rstrip(";").strip()
    if not statement:
        raise UsageError("there is no query", hint='freehold sql "SELECT count(*) FROM calls"')
    found = home.ledger.query(f"SELECT * FROM ({statement}) LIMIT {most + 1}")  # noqa: S608 - the user's own, read-only
    rows = tuple(tuple(_plain(value) for value in row) for row in found.rows[:most])
    return Answer(found.columns, rows, len(found.rows) > most)


def write_csv(answer: Answer, out: TextIO) -> None:
    """An answer as CSV with a line of headings (RFC 4180 but for the line's end, which is the system's)."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([["" if value is None else value for value in row] for row in answer.rows])


def cell(value: Any) -> str:
    """A value for a table: short, on one line."""
    if value is None:
        return "-"
    text = " ".join(str(value).split())
    return text if len(text) <= _CELL_CHARS else text[: _CELL_CHARS - 1] + "\u2026"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value
