"""The views that `Ledger.query` offers, in a query engine of its own that can reach nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._rows import COLUMNS, NAMES, hot_columns, segment_source
from ._snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

_CHUNK = 2048
_PLAIN = [name for name in NAMES if name != "gold"]


def prepare_views(engine: duckdb.DuckDBPyConnection, snapshot: Snapshot, gold: dict[str, str]) -> None:
    """Make the view `calls` over a snapshot, then close every door of the engine: no files but the segments'."""
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
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        engine.execute(f"SET {setting}")
