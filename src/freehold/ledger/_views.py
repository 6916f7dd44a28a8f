"""The views that `Ledger.query` offers, in a query engine of its own that can reach nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from freehold.vocabulary import (
    END_USER_TAG,
    FEATURE_TAG,
    PARENT_TAG,
    PROMPT_TAG,
    SESSION_TAG,
    SPAN_TAG,
    TEAM_TAG,
    TRACE_TAG,
    Feedback,
)

from ._arrow import ArrowRows
from ._rollup_files import RollupFiles
from ._rollups import TABLES, attempts_sql, latency_of, rows_sql, table_sql
from ._rows import COLUMNS, NAMES, hot_columns, segment_source
from ._snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

_CHUNK = 1024
_PLAIN = [name for name in NAMES if name != "gold"]
_TAGS = {
    "end_user": END_USER_TAG,
    "team": TEAM_TAG,
    "feature": FEATURE_TAG,
    "session": SESSION_TAG,
    "span": SPAN_TAG,
    "parent": PARENT_TAG,
    "prompt": PROMPT_TAG,
}
_STATED_COST = "stated_cost_usd"
_CATALOGUE = frozenset({"duckdb_views", "duckdb_tables", "duckdb_columns", "information_schema"})
"""Where the engine itself tells what there is to ask."""


def prepare_views(engine: duckdb.DuckDBPyConnection, snapshot: Snapshot, sources: Sources, sql: str) -> None:
    """Make the views that a query names, then close every door of the engine: no files but those of the views."""
    named = {word.lower() for word in re.findall(r"\w+", sql)}
    rolled = [name for name in TABLES if f"rollup_{name}" in named]
    listed = [name for name in TABLES if name not in rolled] if named & _CATALOGUE else []
    if listed:
        named |= {"calls", "attempts", "feedback", "recognised_calls"}
    paths: list[str] = []
    if rolled or not named.isdisjoint(("calls", "attempts")):
        _load_hot(engine, snapshot)
    if not named.isdisjoint(("calls", "attempts")):
        paths += _prepare_calls(engine, snapshot, sources.gold())
    if "attempts" in named:
        every = f"({rows_sql('_every_call')})"
        engine.execute(f"CREATE VIEW attempts AS SELECT * EXCLUDE (recognised) FROM ({attempts_sql(every)})")  # noqa: S608
    if "recognised_calls" in named:
        paths += _prepare_recognised(engine, snapshot)
    if rolled:
        folders = sources.rollups.ensure(snapshot, snapshot.listing.segments)
        for name in rolled:
            paths += _prepare_rollup(engine, name, [str(folder / f"{name}.parquet") for folder in folders])
    for name in listed:  # for its columns: making sums that nobody asks for takes time
        _prepare_rollup(engine, name, [])
    if "feedback" in named:
        _prepare_feedback(engine, sources.said())
    if paths:
        engine.execute(f"SET allowed_paths = {_listed(paths)}")
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        engine.execute(f"SET {setting}")


class Sources(NamedTuple):
    """Where views get what stands in no segment; asked only where a query names the view."""

    gold: Callable[[], dict[str, str]]
    said: Callable[[], Sequence[Feedback]]
    rollups: RollupFiles


def _load_hot(engine: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    columns = [(name, kind) for name, _, kind in COLUMNS]
    engine.execute(f"CREATE TABLE _hot_calls ({', '.join(f'{name} {kind}' for name, kind in columns)})")
    for hot in snapshot.hot_connections():
        cursor = hot.execute(f"SELECT {hot_columns(hot)} FROM calls")  # noqa: S608
        engine.register("arriving", ArrowRows(columns, iter(lambda some=cursor: some.fetchmany(_CHUNK), [])))
        engine.execute("INSERT INTO _hot_calls FROM arriving")
        engine.unregister("arriving")


def _prepare_calls(engine: duckdb.DuckDBPyConnection, snapshot: Snapshot, gold: dict[str, str]) -> list[str]:
    paths = snapshot.segment_paths()
    snapshot.check_segments(snapshot.listing.segments)
    sealed = ""
    if paths:
        sealed = f" UNION ALL SELECT {', '.join(NAMES)} FROM {segment_source(_listed(paths))}"  # noqa: S608
    engine.execute(f"CREATE VIEW _every_call AS SELECT {', '.join(NAMES)} FROM _hot_calls{sealed}")  # noqa: S608
    value = "gold"
    if gold:
        engine.execute(
            "CREATE TABLE _attached_gold AS SELECT unnest(?::VARCHAR[]) AS id, unnest(?::VARCHAR[]) AS gold",
            [list(gold), list(gold.values())],
        )
        # As a subquery it costs nothing where nobody asks for the gold; a join would read every id.
        value = "coalesce((SELECT any_value(g.gold) FROM _attached_gold g WHERE g.id = c.id), c.gold)"
    tags = [f"tags ->> '$.\"{tag}\"' AS {name}" for name, tag in _TAGS.items()]
    tags.append(f"split_part(tags ->> '$.{TRACE_TAG}', '-', 2) AS trace")
    tags.append(f"TRY_CAST(tags ->> '$.{_STATED_COST}' AS DECIMAL(38, 12)) AS {_STATED_COST}")
    engine.execute(
        f"CREATE VIEW calls AS SELECT make_timestamp(started_at_us) AS started_at, {', '.join(_PLAIN)},"  # noqa: S608
        f" {value} AS gold, {', '.join(tags)} FROM _every_call c"
    )
    return paths


def _prepare_recognised(engine: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> list[str]:
    """What sealed calls were recognised as, by id: a view of its own, so that only those pay for it who ask.

    Within `calls` the join would be made for every query, whether it asks for the task or not.
    """
    marked = [one for one in snapshot.listing.segments if (snapshot.layout.recognised / one.name).exists()]
    if not marked:
        empty = ", ".join(f"''::VARCHAR AS {name}" for name in ("id", "task", "template", "how"))
        engine.execute(f"CREATE VIEW recognised_calls AS SELECT {empty} WHERE false")
        return []
    paths = snapshot.segment_paths(marked)
    marks = [str(snapshot.layout.recognised / one.name) for one in marked]
    calls = f"read_parquet({_listed(paths)}, union_by_name = true, filename = true, file_row_number = true)"
    segment = "parse_filename(filename) AS segment"
    engine.execute(
        "CREATE VIEW recognised_calls AS SELECT id, task, template, how"  # noqa: S608
        f" FROM (SELECT id, {segment}, file_row_number AS place FROM {calls})"
        f" JOIN (SELECT {segment}, place, task, template, how FROM read_parquet({_listed(marks)}, filename = true)"
        " WHERE how <> '') USING (segment, place)"
    )
    return [*paths, *marks]


def _prepare_rollup(engine: duckdb.DuckDBPyConnection, name: str, paths: list[str]) -> list[str]:
    live = table_sql(name, f"({rows_sql('_hot_calls')})")
    sealed = f"SELECT * FROM read_parquet({_listed(paths)}, union_by_name = true) UNION ALL BY NAME " if paths else ""  # noqa: S608
    value = f", {latency_of('bucket')} AS ms" if name == "latency" else ""
    engine.execute(f"CREATE VIEW rollup_{name} AS SELECT *{value} FROM ({sealed}({live}))")  # noqa: S608
    return paths


def _listed(paths: Sequence[str]) -> str:
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"


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
