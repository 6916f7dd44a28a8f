"""The views that `Ledger.query` offers, in a query engine of its own that can reach nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from freehold.vocabulary import Feedback

from ._rows import COLUMNS, NAMES, hot_columns, segment_source
from ._snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

_CHUNK = 2048
_PLAIN = [name for name in NAMES if name != "gold"]


def prepare_views(
    engine: duckdb.DuckDBPyConnection, snapshot: Snapshot, gold: dict[str, str], said: Sequence[Feedback]
) -> None:
    """Make the views `calls` and `feedback`, then close every door of the engine: no files but the segments'."""
    _prepare_calls(engine, snapshot, gold)
    _prepare_feedback(engine, said)
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        engine.execute(f"SET {setting}")


def _prepare_calls(engine: duckdb.DuckDBPyConnection, snapshot: Snapshot, gold: dict[str, str]) -> None:
    engine.execute(f"CREATE TABLE hot_calls ({', '.join(f'{name} {kind}' for name, _, kind in COLUMNS)})")
    values = ", ".join(f"unnest(?::{kind}[])" for _, _, kind in COLUMNS)
    for hot in snapshot.hot_connections():
        cursor = hot.execute(f"SELECT {hot_columns(hot)} FROM calls")  # noqa: S608
        while rows := cursor.fetchmany(_CHUNK):
            engine.execute(f"INSERT INTO hot_calls SELECT {values}", [list(c) for c in zip(*rows, strict=True)])
    engine.execute("CREATE TABLE attached_gold (id VARCHAR, gold VARCHAR)")
    if gold:
        engine.execute(
            "INSERT INTO attached_gold SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])",
            [list(gold), list(gold.values())],
        )
    paths = snapshot.segment_paths()
    snapshot.check_segments(snapshot.listing.segments)
    sealed = ""
    if paths:
        quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        sealed = f" UNION ALL SELECT {', '.join(NAMES)} FROM {segment_source(f'[{quoted}]')}"  # noqa: S608
        engine.execute(f"SET allowed_paths = [{quoted}]")
    columns = ", ".join(f"c.{name}" for name in _PLAIN)
    engine.execute(
        f"CREATE VIEW calls AS SELECT make_timestamp(c.started_at_us) AS started_at, {columns},"  # noqa: S608
        " coalesce(g.gold, c.gold) AS gold"
        f" FROM (SELECT {', '.join(NAMES)} FROM hot_calls{sealed}) c LEFT JOIN attached_gold g USING (id)"
    )


def _prepare_feedback(engine: duckdb.DuckDBPyConnection, said: Sequence[Feedback]) -> None:
    engine.execute(
        "CREATE TABLE feedback (id VARCHAR, kind VARCHAR, name VARCHAR, score DOUBLE, text VARCHAR, given_by VARCHAR,"
        " via VARCHAR, said_at TIMESTAMP)"
    )
    if not said:
        return
    columns = (
        [one.call_id for one in said],
        [one.kind for one in said],
        [one.name for one in said],
        [None if isinstance(one.value, str) else float(one.value) for one in said],
        [one.value if isinstance(one.value, str) else None for one in said],
        [one.given_by for one in said],
        [one.via for one in said],
        [one.at_us for one in said],
    )
    values = "unnest(?::VARCHAR[]), " * 3 + "unnest(?::DOUBLE[]), " + "unnest(?::VARCHAR[]), " * 3
    engine.execute(f"INSERT INTO feedback SELECT {values}make_timestamp(unnest(?::BIGINT[]))", columns)
