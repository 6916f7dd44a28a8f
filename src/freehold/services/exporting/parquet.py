"""Calls as one Parquet file, for whatever reads columns.

Rows go through a table on disk, beside the file and gone with it, so that memory stays the same however many there are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from freehold.vocabulary import Call, Usage

COUNTS: tuple[str, ...] = tuple(
    name for name in Usage.__struct_fields__ if name not in {"estimated", "service_tier"}
)  # fmt: skip
COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "VARCHAR"),
    ("started_at", "TIMESTAMP"),
    ("latency_ms", "DOUBLE"),
    ("ttft_ms", "DOUBLE"),
    ("provider", "VARCHAR"),
    ("model", "VARCHAR"),
    ("dialect", "VARCHAR"),
    ("outcome", "VARCHAR"),
    ("status", "INTEGER"),
    ("owner", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("streamed", "BOOLEAN"),
    *((name, "BIGINT") for name in COUNTS),
    ("service_tier", "VARCHAR"),
    ("usage_estimated", "BOOLEAN"),
    ("task", "VARCHAR"),
    ("template", "VARCHAR"),
    ("key", "VARCHAR"),
    ("source", "VARCHAR"),
    ("error", "VARCHAR"),
    ("gold", "VARCHAR"),
    ("tags", "MAP(VARCHAR, VARCHAR)"),
    ("legs", "VARCHAR"),
)
"""Name and DuckDB type. Counts are null where no usage is known. `legs` is JSON, `task` what the caller named."""

BODIES: tuple[tuple[str, str], ...] = (("request", "BLOB"), ("response", "BLOB"))
_ROWS = 2048
_ROWS_WITH_BODIES = 256
_GROUP_ROWS = 20_000
_MEMORY = "512MB"
_NO_COUNTS = (None,) * (len(COUNTS) + 2)
_encode = msgspec.json.Encoder().encode


def write(calls: Iterable[Call], path: Path, *, bodies: bool) -> int:
    """Write calls to a Parquet file; returns how many.

    Args:
        calls: what to write, in this order.
        path: the file, which must not exist.
        bodies: whether the bodies go along, byte for byte, in columns `request` and `response`.
    """
    import duckdb

    kinds = (*COLUMNS, *(BODIES if bodies else ()))
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    written = 0
    try:
        config: dict[str, Any] = {"memory_limit": _MEMORY, "threads": 1, "temp_directory": f"{scratch}.d"}
        with closing(duckdb.connect(str(scratch), config=config)) as engine:
            engine.execute(f"CREATE TABLE calls ({', '.join(f'{name} {kind}' for name, kind in kinds)})")
            insertion = f"INSERT INTO calls SELECT {', '.join(map(_column, kinds))}"
            for rows in _chunks((_row(call, bodies=bodies) for call in calls), bodies=bodies):
                engine.execute(insertion, [list(column) for column in zip(*rows, strict=True)])
                written += len(rows)
            target = str(path).replace("'", "''")
            engine.execute(f"COPY calls TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_GROUP_ROWS})")
    finally:
        for left in (scratch, scratch.with_name(f"{scratch.name}.wal")):
            left.unlink(missing_ok=True)
    return written


def _column(column: tuple[str, str]) -> str:
    """How the values of a column are handed over: times as microseconds, maps as JSON."""
    kind = column[1]
    if kind == "TIMESTAMP":
        return "make_timestamp(unnest(?::BIGINT[]))"
    if kind.startswith("MAP"):
        return f"unnest(?::VARCHAR[])::JSON::{kind}"
    return f"unnest(?::{kind}[])"


def _chunks(rows: Iterator[tuple[Any, ...]], *, bodies: bool) -> Iterator[list[tuple[Any, ...]]]:
    while some := list(islice(rows, _ROWS_WITH_BODIES if bodies else _ROWS)):
        yield some


def _row(call: Call, *, bodies: bool) -> tuple[Any, ...]:
    usage = call.usage
    counts = (
        _NO_COUNTS
        if usage is None
        else (*(getattr(usage, name) for name in COUNTS), usage.service_tier, usage.estimated)
    )
    return (
        call.id,
        call.started_at_us,
        call.latency_ms,
        call.ttft_ms,
        call.provider,
        call.model,
        call.dialect,
        call.outcome,
        call.status,
        call.owner,
        call.reason,
        call.streamed,
        *counts,
        call.task,
        call.template,
        call.key,
        call.source,
        call.error,
        call.gold,
        _encode(call.tags).decode(),
        _encode(call.legs).decode(),
        *((call.request, call.response) if bodies else ()),
    )
