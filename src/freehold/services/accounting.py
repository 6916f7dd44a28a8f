"""Spend, latency and errors of all calls, by whatever they are asked for, from the ledger's sums: no call is read.

The sums know half hours, latencies hours and end users days: a window is widened to whole ones, and what it covers is
said. Which task a call is of: as `summing` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from freehold.analytics.failures import Ended, Failed, Failure, failures
from freehold.analytics.latency import Bucket, Latency, latencies
from freehold.analytics.spend import Spend, Spent, add_up
from freehold.economics.workload import MONTH_DAYS
from freehold.errors import UsageError
from freehold.evidence.intervals import two_sided
from freehold.ledger import RELATIVE_ERROR, bucket_ms, rollup_step_us
from freehold.vocabulary import Interval, Source

from . import summing
from .home import Home
from .priced import PRICED_BY, Row, as_requests, by_the_hour, utc, widened
from .windows import Looked, Window

TIMES = ("hour", "day", "month")
SPEND_BY = ("task", "model", "provider", "team", "feature", "key", "user", "tier", "purpose", *TIMES)
LATENCY_BY = ("task", "model", "provider", "owner", "streamed", *TIMES)
ERRORS_BY = ("task", "model", "provider", "team", "feature", "key", *TIMES)
OVERVIEW = ("task", "model", "team", "feature", "key", "user", "day")
"""What spend is shown by where nobody says."""

_COLUMNS = {"user": "end_user", "tier": "service_tier"}
_RENTED = {"owner": ["rented"]}
_BAD = ("error", "incomplete", "cancelled", "refused")


class SpendTable(msgspec.Struct, frozen=True):
    """Spend by some names, the dearest group first.

    `looked` and `days` are what this table covers: by user whole days, else what the report does. `shared_out` are
    models with cheap hours whose cost is exact by the day and shared out among its users.
    """

    by: tuple[str, ...]
    looked: Looked
    days: float
    groups: tuple[Spent, ...]
    shared_out: tuple[str, ...] = ()

    def monthly(self, usd: Decimal) -> Decimal | None:
        """An amount of this table's time for a mean month at the same rate; None where it is less than an hour."""
        return _monthly(usd, self.days)


class SpendReport(msgspec.Struct, frozen=True):
    """What the requests to rented models cost, in all and by each of some groupings.

    `days` is the time that the calls cover, for `monthly`. `sources` are the prices that were used; `unpriced` says
    what has none, with the number of requests. A table by user counts whole days, and may cover more than the total.
    """

    looked: Looked
    days: float
    total: Spent
    tables: tuple[SpendTable, ...]
    sources: tuple[Source, ...]
    unpriced: Mapping[str, int]

    def monthly(self, usd: Decimal) -> Decimal | None:
        """An amount of this time for a mean month at the same rate; None where it is less than an hour."""
        return _monthly(usd, self.days)


def _monthly(usd: Decimal, days: float) -> Decimal | None:
    return usd * MONTH_DAYS / Decimal(repr(days)) if days >= 1 / 24 else None


class LatencyReport(msgspec.Struct, frozen=True):
    """How long answered calls took, by some names. Every value is within `relative_error` of the one measured.

    `untimed` calls are in none of it: the log that they came from does not say how long they took.
    """

    looked: Looked
    by: tuple[str, ...]
    untimed: int
    relative_error: float
    groups: tuple[Latency, ...]


class ErrorReport(msgspec.Struct, frozen=True):
    """How calls and requests failed, by some names. Calls are of every owner, requests those to models.

    `interval` is that of the share of failed calls: exact, 95 %, as if calls were independent.
    """

    looked: Looked
    by: tuple[str, ...]
    calls: int
    failed_calls: int
    interval: Interval
    requests: int
    failed_requests: int
    failures: tuple[Failure, ...]


def spend(home: Home, window: Window, bys: Sequence[Sequence[str]] = ()) -> SpendReport:
    """What the requests to rented models cost.

    Raises:
        UsageError: sums cannot be told by that.
    """
    looked, days = looked_at(home, window)
    groupings = [_checked(by, SPEND_BY, "spend") for by in bys] or [(name,) for name in OVERVIEW]
    whole, _ = _spend(home, window, ())
    tables: list[SpendTable] = []
    for by in groupings:
        found, shared_out = _spend(home, window, by)
        covered = looked_at(home, window, "users") if "user" in by else (looked, days)
        tables.append(SpendTable(by, *covered, found.groups, tuple(shared_out)))
    if not bys:
        tables = [table for table in tables if _tells(table)]
    return SpendReport(looked, days, whole.total, tuple(tables), whole.sources, whole.unpriced)


def latency(home: Home, window: Window, by: Sequence[str] = ("task", "model")) -> LatencyReport:
    """How long calls that were answered took, phase by phase.

    Raises:
        UsageError: sums cannot be told by that.
    """
    names = _checked(by, LATENCY_BY, "latency")
    time = [name for name in names if name in TIMES]
    asked = (*_columns(names, "latency"), *time, "phase", "bucket")
    grouped = _grouping(names)
    rows = _rows(home, "latency", asked, window, {"ok": [True]})
    buckets = [Bucket(grouped(row), row["phase"], bucket_ms(row["bucket"]), row["n"]) for row in rows]
    timed = [one for one in buckets if one.phase != "total" or one.value_ms > 0]
    untimed = sum(one.n for one in buckets) - sum(one.n for one in timed)
    found = latencies(timed, names, RELATIVE_ERROR)
    return LatencyReport(looked_at(home, window, "latency")[0], names, untimed, RELATIVE_ERROR, tuple(found))


def errors(home: Home, window: Window, by: Sequence[str] = ("model",)) -> ErrorReport:
    """How calls failed, and the requests behind them.

    Raises:
        UsageError: sums cannot be told by that.
    """
    names = _checked(by, ERRORS_BY, "errors")
    grouped = _grouping(names)
    time = [name for name in names if name in TIMES]

    def counted(table: str, kind: str) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        for row in _rows(home, table, (*_columns(names, table), *time), window):
            group = grouped(row)
            found[group] = found.get(group, 0) + row[kind]
        return found

    def ended(table: str, kind: str) -> list[Ended]:
        more = ("outcome", "error", "status") if table == "calls" else ("outcome", "error")
        asked = dict.fromkeys((*_columns(names, table), *time, *more, "hour"))
        rows = _rows(home, table, tuple(asked), window, {"outcome": _BAD})
        return _ended((grouped(row), row, row[kind]) for row in rows)

    calls, requests = counted("calls", "calls"), counted("attempts", "attempts")
    bad_calls, bad_requests = ended("calls", "calls"), ended("attempts", "attempts")
    failed = sum(one.n for one in bad_calls)
    return ErrorReport(
        looked=looked_at(home, window)[0],
        by=names,
        calls=sum(calls.values()),
        failed_calls=failed,
        interval=two_sided(failed, sum(calls.values())),
        requests=sum(requests.values()),
        failed_requests=sum(one.n for one in bad_requests),
        failures=tuple(failures(Failed(calls, requests, bad_calls, bad_requests), names)),
    )


def _spend(home: Home, window: Window, by: tuple[str, ...]) -> tuple[Spend, list[str]]:
    """One grouping: by the day where prices are those of a day, by the half hour for models that have cheap hours.

    Users are known by the day alone: a day's cost of a model with cheap hours is shared out among them by what their
    tokens cost at its midnight. Such models come with the answer.
    """
    grouped = _grouping(by)
    table, step = ("users", "day") if "user" in by else ("attempts", "half_hour" if "hour" in by else "day")
    columns = tuple(dict.fromkeys((*_columns(by), *PRICED_BY)))
    rows = list(_rows(home, table, (*columns, step), window, _RENTED))
    hourly = by_the_hour(home, rows) if step == "day" else []
    factors: dict[tuple[str, ...], Decimal] = {}
    if hourly and table == "users":
        factors = _dearer_hours(home, window, hourly)
    elif hourly:
        rows = [row for row in rows if row["asked_model"] not in hourly]
        rows += _rows(home, table, (*columns, "half_hour"), window, {**_RENTED, "asked_model": hourly})
    requests = (as_requests(row, grouped(row), factors.get(_alike(row))) for row in rows)
    return add_up(requests, home.prices, by), sorted({key[2] for key in factors})


def _dearer_hours(home: Home, window: Window, models: list[str]) -> dict[tuple[str, ...], Decimal]:
    """By day and all that a price depends on but the hour: what the requests cost, over their cost at midnight."""
    days = widened(window, "users")
    rows = list(_rows(home, "attempts", (*PRICED_BY, "half_hour"), days, {**_RENTED, "asked_model": models}))
    costs: list[dict[tuple[str, ...], Decimal]] = []
    for at_midnight in (False, True):
        moved = [_at_midnight(row) for row in rows] if at_midnight else rows
        found = add_up((as_requests(row, _alike(row), None) for row in moved), home.prices, _ALIKE)
        costs.append({tuple(one.by.values()): one.usd for one in found.groups})
    return {key: usd / costs[1][key] for key, usd in costs[0].items() if costs[1][key]}


def _at_midnight(row: Row) -> Row:
    return {**row, "half_hour": row["half_hour"].replace(hour=0, minute=0)}


_ALIKE = ("day", "provider", "asked_model", "model", "service_tier", "prompt_over", "outcome")


def _alike(row: Row) -> tuple[str, ...]:
    day = (row["half_hour"] if "half_hour" in row else row["day"]).strftime("%Y-%m-%d")
    return (day, *(str(row[name]) for name in _ALIKE[1:]))


def _ended(parts: Iterable[tuple[tuple[str, ...], Row, int]]) -> list[Ended]:
    """Rows of single hours, added up."""
    found: dict[tuple[tuple[str, ...], str, str, int], Ended] = {}
    for group, row, n in parts:
        hour = utc(row["hour"]).isoformat(timespec="minutes")
        key = group, row["outcome"], row["error"], row.get("status", 0)
        held = found.get(key)
        first, last = (hour, hour) if held is None else (min(held.first, hour), max(held.last, hour))
        found[key] = Ended(*key, n + (held.n if held is not None else 0), first, last)
    return list(found.values())


def _checked(by: Sequence[str], known: tuple[str, ...], what: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in by if name.strip()))
    for name in names:
        if name not in known:
            hint = "freehold workflows" if name == "workflow" else f"one or more of {', '.join(known)}"
            raise UsageError(f"{what} cannot be told by {name!r}", hint=hint)
    if "user" in names and (others := set(names) - {"user", "model", "provider", "tier", "purpose", "day", "month"}):
        raise UsageError(
            f"by user, {what} is summed by model, provider, tier, purpose, day and month, and not by"
            f" {', '.join(sorted(others))}",
            hint="freehold sql asks the view attempts",
        )
    return names


def _columns(names: Iterable[str], table: str = "attempts") -> tuple[str, ...]:
    """The columns of the sums that some names need."""
    found: list[str] = []
    for name in names:
        if name == "model" and table in ("attempts", "users"):
            found.append("asked_model")
        elif name not in TIMES:
            found.append(_COLUMNS.get(name, name))
    return tuple(found)


def _grouping(names: tuple[str, ...]) -> Callable[[Row], tuple[str, ...]]:
    """What tells a row's group."""
    formats = {"hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}

    def one(name: str, row: Row) -> str:
        if name in TIMES:
            finest = next(row[step] for step in ("half_hour", "hour", "day", "month") if step in row)
            return finest.strftime(formats[name])
        if name == "model":
            return str(row["asked_model"] if "asked_model" in row else row["model"])
        if name == "streamed":
            return "yes" if row["streamed"] else "no"
        return str(row[_COLUMNS.get(name, name)])

    return lambda row: tuple(one(name, row) for name in names)


def _rows(
    home: Home,
    table: str,
    by: Sequence[str],
    window: Window,
    where: Mapping[str, Sequence[Any]] | None = None,
) -> Iterator[Row]:
    whole = widened(window, table)
    found = summing.sums(home, table, tuple(by), since_us=whole.since_us, until_us=whole.until_us, where=where)
    for row in found.rows:
        yield dict(zip(found.columns, row, strict=True))


def looked_at(home: Home, window: Window, table: str = "calls") -> tuple[Looked, float]:
    """How many calls there are where a table looks, from when to when to the half hour, and how many days that is."""
    rows = list(_rows(home, "calls", ("half_hour",), widened(window, table)))
    if not rows:
        return Looked(0, 0, "", ""), 0.0
    first, last = (utc(pick(row["half_hour"] for row in rows)) for pick in (min, max))
    end = last.timestamp() + rollup_step_us("calls") / 1e6
    calls = sum(row["calls"] for row in rows)
    until = datetime.fromtimestamp(end, UTC).isoformat(timespec="seconds")
    return Looked(calls, calls, first.isoformat(timespec="seconds"), until), (end - first.timestamp()) / 86_400


def _tells(table: SpendTable) -> bool:
    """Whether a table says more than the total does."""
    return any(value for one in table.groups for value in one.by.values())
