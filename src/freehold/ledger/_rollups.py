"""What a rollup holds, and the SQL that makes one from calls.

A rollup is a function of the calls of one segment and of their marks (`recognised`) and of nothing else, so that it can
be thrown away and made again at any time. Four tables, each exact in its counts and sums:

    calls      calls per half hour, by everything one may ask them by
    attempts   requests to models, with the tokens they used, by everything a price depends on
    latency    how many calls took how long, per hour
    users      the attempts again, per day and end user

Money is in none of them: prices change, and contracts are added later. `task` and `template` are what was recorded with
the call, and where nothing was, what the call was recognised as: the task's id as it was then (what a person calls it
today is the reader's to say, `RollupQuery.names`), or what the log said of a call without a body. `recognised` tells
the two apart: how the task is known, "" where it was recorded or nobody knows it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from freehold.vocabulary import COUNTS, END_USER_TAG, FEATURE_TAG, TEAM_TAG, reasons

RECIPE: Final = 3
"""Raised whenever the tables come out differently: rollups of another recipe are made anew."""

HALF_HOUR_US: Final = 1_800_000_000
HOUR_US: Final = 2 * HALF_HOUR_US
DAY_US: Final = 24 * HOUR_US
"""The finest step is half an hour: every price that depends on the time of day changes on one, and so do most days."""

PROMPT_BANDS: Final = (32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288)
"""Every prompt size above which some catalogue changes a price: attempts between two of them cost alike per token."""

RELATIVE_ERROR: Final = 0.025
"""How far a latency read from a rollup may lie from the one that was measured, as a part of it."""

OTHER: Final = "(other)"
"""Stands for the rarer values of a column that has too many, within one segment."""

CHOSEN: Final = {
    **dict.fromkeys(("task", "template", "key", "team", "feature"), 500),
    **dict.fromkeys(("provider", "model", "asked_model", "error", "service_tier", "source", "dialect", "reason"), 500),
    "end_user": 1000,
}
"""Columns whose values others choose, and how many of them one table of one segment keeps: the most frequent ones."""

MOST_GROUPS: Final = 200_000
"""Rows that a table of one segment should not exceed: beyond, each column keeps a tenth of its values apart, or a
hundredth."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_NO_TIME = -9999
_SERVING = "('serve', 'escalate', 'fallback', 'hedge')"
_USAGE = ", ".join(f'"{name}":"BIGINT"' for name in COUNTS)
_LEGS = (
    '[{"purpose":"VARCHAR","owner":"VARCHAR","provider":"VARCHAR","model":"VARCHAR","outcome":"VARCHAR",'
    f'"error":"VARCHAR","usage":{{{_USAGE},"estimated":"BOOLEAN","service_tier":"VARCHAR"}}}}]'
)
SOURCE_COLUMNS = (
    "started_at_us", "latency_ms", "ttft_ms", "provider", "model", "outcome", "status", "owner", "streamed", "dialect",
    "task", "template", "source", "error", "tags", "legs", "key", "reason", "usage_estimated", "service_tier", *COUNTS,
)  # fmt: skip
"""The columns of a call that rollups are made of."""


class Table(NamedTuple):
    """One table of a rollup: what time it counts by, what it can be asked by, and what it counts."""

    step_us: int
    dimensions: tuple[str, ...]
    measures: tuple[str, ...]

    @property
    def time(self) -> str:
        """The column that holds when the step began."""
        return {HALF_HOUR_US: "half_hour", HOUR_US: "hour", DAY_US: "day"}[self.step_us]


_WHO = ("task", "template", "recognised", "key", "team", "feature")
_PRICED = ("provider", "asked_model", "model", "purpose", "owner", "service_tier", "prompt_over", "estimated")
_TOKENS = ("attempts", "unknown_usage", *COUNTS)

TABLES: Final[dict[str, Table]] = {
    "calls": Table(
        HALF_HOUR_US,
        (*_WHO, "provider", "model", "owner", "outcome", "error", "status", "reason", "dialect", "streamed", "source"),
        ("calls", "unknown_usage", "estimated_usage", "latency_ms", *COUNTS),
    ),
    "attempts": Table(HALF_HOUR_US, (*_WHO, *_PRICED, "outcome", "error"), _TOKENS),
    "latency": Table(
        HOUR_US,
        ("task", "template", "recognised", "provider", "model", "owner", "ok", "streamed", "phase", "bucket"),
        ("n",),
    ),
    "users": Table(DAY_US, ("end_user", *_PRICED, "outcome"), _TOKENS),
}
"""The tables by name."""


def step_us(table: str) -> int:
    """How long the times are that a table counts by, in microseconds."""
    return TABLES[table].step_us


def latency_of(bucket: str) -> str:
    """SQL for the milliseconds that a bucket stands for.

    A bucket is ceil(log_gamma(ms)): DDSketch, Masson, Rim and Lee, VLDB 2019. Adding up two sketches is adding counts.
    """
    return f"CASE WHEN {bucket} = {_NO_TIME} THEN 0.0 ELSE 2 * pow({_GAMMA!r}, {bucket}) / ({_GAMMA!r} + 1) END"


def bucket_ms(bucket: int) -> float:
    """The milliseconds that a bucket of the table `latency` stands for; each of its values is within 2.5 % of them."""
    return 0.0 if bucket == _NO_TIME else 2 * _GAMMA**bucket / (_GAMMA + 1)


def _bucket_of(ms: str) -> str:
    return f"CASE WHEN {ms} < 0.001 THEN {_NO_TIME} ELSE ceil(ln({ms}) / {math.log(_GAMMA)!r})::SMALLINT END"


def rows_sql(source: str, *, marked: bool = False) -> str:
    """Calls as the other queries want them; `marked`: the source is one of `marked_sql`."""
    names = {"team": TEAM_TAG, "feature": FEATURE_TAG, "end_user": END_USER_TAG}
    paths = ", ".join(f"'$.\"{tag}\"'" for tag in names.values())
    tags = f"CASE WHEN tags <> '{{}}' THEN json_extract_string(tags, [{paths}]) END AS told"  # parsed once
    tagged = ", ".join(f"coalesce(told[{n}], '') AS {name}" for n, name in enumerate(names, 1))
    columns = ", ".join(SOURCE_COLUMNS)
    how = "recognised" if marked else "'' AS recognised"
    return f"SELECT {columns}, recognised, {tagged} FROM (SELECT {columns}, {how}, {tags} FROM {source})"  # noqa: S608


def marked_sql(source: str, marks: str) -> str:
    """A numbered source of sealed calls with what they were recognised as where nothing was recorded."""
    names = ("task", "template")
    told = ", ".join(f"CASE WHEN c.{n} <> '' THEN c.{n} ELSE coalesce(m.{n}, '') END AS {n}" for n in names)
    plain = ", ".join(name for name in SOURCE_COLUMNS if name not in names)
    how = "CASE WHEN c.task = '' THEN coalesce(m.how, '') ELSE '' END AS recognised"
    known = f"(SELECT place, task, template, how FROM read_parquet({marks}) WHERE how <> '')"  # noqa: S608
    return f"(SELECT {plain}, {told}, {how} FROM {source} c LEFT JOIN {known} m ON m.place = c.file_row_number)"  # noqa: S608


def table_sql(name: str, rows: str) -> str:
    """The query that makes one table from the relation `rows`, which `rows_sql` defined."""
    return _MAKERS[name](rows)


def _step(table: Table) -> str:
    return f"make_timestamp(started_at_us - (started_at_us % {table.step_us})) AS {table.time}"


def _sums() -> str:
    return ", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in COUNTS)


def capped_sql(name: str, made: str, kept: dict[str, str]) -> str:
    """A made table again, in which what is not among the values of a column in a table of `kept` is `OTHER`."""
    table = TABLES[name]
    columns = [
        f"CASE WHEN {column} IN (FROM {kept[column]}) THEN {column} ELSE '{OTHER}' END AS {column}"
        if column in kept
        else column
        for column in table.dimensions
    ]
    sums = [
        f"sum({measure})" + ("" if measure == "latency_ms" else "::BIGINT") + f" AS {measure}"
        for measure in table.measures
    ]
    return f"SELECT {table.time}, {', '.join(columns)}, {', '.join(sums)} FROM {made} GROUP BY ALL"  # noqa: S608


def _calls(rows: str) -> str:
    table = TABLES["calls"]
    return (
        f"SELECT {_step(table)}, {', '.join(table.dimensions)}, count(*) AS calls,"  # noqa: S608
        " count(*) FILTER (input_tokens IS NULL) AS unknown_usage,"
        " count(*) FILTER (usage_estimated) AS estimated_usage, sum(latency_ms) AS latency_ms,"
        f" {_sums()} FROM {rows} GROUP BY ALL"
    )


def _attempts(rows: str, name: str = "attempts") -> str:
    table = TABLES[name]
    return (
        f"SELECT {_step(table)}, {', '.join(table.dimensions)}, count(*) AS attempts,"  # noqa: S608
        f" count(*) FILTER (input_tokens IS NULL) AS unknown_usage, {_sums()}"
        f" FROM ({attempts_sql(rows)}) GROUP BY ALL"
    )


def _users(rows: str) -> str:
    return _attempts(rows, "users")


def _latency(rows: str) -> str:
    table = TABLES["latency"]
    phases = (
        "SELECT *, outcome = 'ok' AS ok, unnest(['total', 'first_token', 'generation']) AS phase,"  # noqa: S608
        f" unnest([latency_ms, ttft_ms, latency_ms - ttft_ms]) AS ms FROM {rows}"
    )
    dimensions = ", ".join(table.dimensions[:-1])
    return (
        f"SELECT {_step(table)}, {dimensions}, {_bucket_of('ms')} AS bucket, count(*) AS n"  # noqa: S608
        f" FROM ({phases}) WHERE ms IS NOT NULL GROUP BY ALL"
    )


_MAKERS = {"calls": _calls, "attempts": _attempts, "latency": _latency, "users": _users}


def attempts_sql(rows: str) -> str:
    """One row for each request that went to a model, as `services.explaining` counts them.

    A call without recorded legs is one attempt where somebody's model answered. The attempt whose answer the client
    got has the tokens of the call: a client that left has its prompt counted with the call alone.
    """
    common = "started_at_us, task, template, recognised, key, team, feature, end_user"
    plain = ", ".join(COUNTS)
    alone = (
        f"SELECT {common}, provider, model AS asked_model, model, 'serve' AS purpose, owner, outcome, error,"  # noqa: S608
        f" coalesce(usage_estimated, false) AS estimated, coalesce(service_tier, '') AS service_tier, {plain}"
        f" FROM {rows} WHERE legs = '[]' AND owner <> 'none' AND reason <> '{reasons.CACHE_HIT}'"
    )
    serving = f"legs[n].purpose IN {_SERVING} AND legs[n].owner = owner"
    answering = (
        f"coalesce(list_max(list_filter(numbers, lambda n: {serving} AND legs[n].outcome = outcome)),"
        f" list_max(list_filter(numbers, lambda n: {serving})), 0)"
    )
    parsed = (
        "SELECT *, range(1, len(legs) + 1) AS numbers FROM"  # noqa: S608
        f" (SELECT * REPLACE (from_json(legs, '{_LEGS}') AS legs) FROM {rows} WHERE legs <> '[]')"
    )
    one = (
        "SELECT * EXCLUDE (legs, numbers), legs[number] AS leg, number = answering AND input_tokens IS NOT NULL AS own"  # noqa: S608
        f" FROM (SELECT *, {answering} AS answering, unnest(numbers) AS number FROM ({parsed}))"
    )
    # What a leg leaves out of its usage is 0 there (`omit_defaults`), and it has no usage at all where none is known.
    counts = ", ".join(
        f"CASE WHEN own THEN {name} WHEN leg.usage IS NOT NULL THEN coalesce(leg.usage.{name}, 0) END AS {name}"
        for name in COUNTS
    )
    legs = (
        f"SELECT {common}, leg.provider AS provider,"  # noqa: S608
        " CASE WHEN leg.provider = provider THEN model ELSE leg.model END AS asked_model, leg.model AS model,"
        " leg.purpose AS purpose, leg.owner AS owner, leg.outcome AS outcome, coalesce(leg.error, '') AS error,"
        " coalesce(CASE WHEN own THEN usage_estimated ELSE leg.usage.estimated END, false) AS estimated,"
        f" coalesce(CASE WHEN own THEN service_tier ELSE leg.usage.service_tier END, '') AS service_tier, {counts}"
        f" FROM ({one})"
    )
    prompt = "input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens"
    steps = " ".join(f"WHEN {prompt} > {start} THEN {start}" for start in reversed(PROMPT_BANDS))
    return f"SELECT *, CASE {steps} ELSE 0 END AS prompt_over FROM ({alone} UNION ALL BY NAME {legs})"  # noqa: S608
