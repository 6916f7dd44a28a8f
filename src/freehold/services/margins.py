"""What customers pay beside what the calls made for them cost: per customer, plan and feature, and for free users.

The ledger's sums keep the thousand most frequent end users of a segment apart, which is too few for this: here every
request is grouped by the query engine, without a body being read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from freehold.analytics.margins import Account, Concentration, Customer, Feature, Plan, Use, unit_economics
from freehold.analytics.spend import Spend, Spent, add_up
from freehold.economics.workload import MONTH_DAYS
from freehold.errors import MissingPrerequisite, UsageError
from freehold.registry import keys
from freehold.vocabulary import COUNTS, ZERO, Source
from freehold.vocabulary.pseudonyms import pseudonym

from ._revenue import ROLES, WHO, Paid, Revenue, read_revenue
from .accounting import looked_at
from .home import Home
from .priced import PRICED_BY, Row, as_requests, by_the_hour, utc, widened
from .summing import sums
from .windows import Looked, Window

__all__ = ["BY", "ROLES", "Margins", "margins"]

BY = {"user": "end_user", "team": "team", "key": "key", "feature": "feature"}
"""By what in a call it is known who pays, and the column that holds it."""

_DAY_US = 86_400_000_000
_HALF_HOUR_US = 1_800_000_000


class Margins(msgspec.Struct, frozen=True, kw_only=True):
    """The margin on model calls over the time that was looked at.

    `customers` come with the lowest margin first. `nobody` is what calls cost that name nobody, and is in no
    customer's cost. `days` is the time looked at, and `target` the margin that `Plan.price_usd` is for. `revenue` says
    what the table was taken for, None where there is none; `unused` of its customers made no request.
    """

    looked: Looked
    days: float
    by: str
    target: float
    revenue: Revenue | None
    revenue_usd: Decimal
    cost_usd: Decimal
    requests: int
    unpriced: int
    nobody_usd: Decimal
    nobody_requests: int
    nobody_unpriced: int
    unused: int
    customers: tuple[Customer, ...]
    plans: tuple[Plan, ...]
    features: tuple[Feature, ...]
    concentration: tuple[Concentration, ...]
    sources: tuple[Source, ...]
    unpriced_why: Mapping[str, int]

    @property
    def months(self) -> Decimal:
        """How many mean months that is."""
        return Decimal(repr(self.days)) / MONTH_DAYS


def margins(
    home: Home,
    window: Window,
    table: Path | None = None,
    *,
    by: str = "",
    columns: Mapping[str, str] | None = None,
    target: Decimal = Decimal("0.7"),
) -> Margins:
    """What customers pay and cost.

    Args:
        home: whose calls.
        window: which of them; widened to whole half hours.
        table: CSV of what customers pay; without it, nobody's revenue is known, and costs alone are told.
        by: one of `BY`; by default what the table's column says, else the user.
        columns: by role, columns of the table that the user names.
        target: the margin that each plan's price is told for, below 1.

    Raises:
        UsageError: it is not known who pays by that.
        NotFound: there is no such table.
        BadRevenue: the table cannot be read as one.
    """
    revenue = None if table is None else read_revenue(table, columns or {})
    by = _checked(by or _by(revenue))
    looked, days = looked_at(home, window)
    paid = () if revenue is None else revenue.paid
    customers = _customers(home, paid, by)
    spent = _spent(home, window, by)
    named = [one for one in spent.groups if one.by["who"]]
    nobody = [one for one in spent.groups if not one.by["who"]]
    accounts = _accounts(paid, looked, days)
    found = unit_economics(_uses(named, customers), accounts, target)
    return Margins(
        looked=looked,
        days=days,
        by=by,
        target=float(target),
        revenue=revenue,
        revenue_usd=sum((one.usd for one in accounts.values()), ZERO),
        cost_usd=spent.total.usd,
        requests=spent.total.requests,
        unpriced=spent.total.unpriced,
        nobody_usd=sum((one.usd for one in nobody), ZERO),
        nobody_requests=sum(one.requests for one in nobody),
        nobody_unpriced=sum(one.unpriced for one in nobody),
        unused=sum(not one.requests for one in found.customers),
        customers=found.customers,
        plans=found.plans,
        features=found.features,
        concentration=found.concentration,
        sources=spent.sources,
        unpriced_why=spent.unpriced,
    )


def _checked(by: str) -> str:
    if by not in BY:
        raise UsageError(f"who pays is not known by {by!r}", hint=f"--by with one of {', '.join(BY)}")
    return by


def _by(revenue: Revenue | None) -> str:
    """By what a table's own column says that it names who pays."""
    column = "" if revenue is None else revenue.columns[WHO]
    return column if column in BY else "user"


def _customers(home: Home, paid: tuple[Paid, ...], by: str) -> dict[str, str]:
    """Customers by what calls call them: by name, and by pseudonym where the settings keep no end user's name."""
    found = {one.who: one.customer for one in paid}
    if by == "user" and home.settings.ledger.end_users == "hash":
        with contextlib.suppress(MissingPrerequisite):  # no gateway of this home has hashed a name yet
            pepper = keys.pepper(home.path)
            found |= {pseudonym(one.who, pepper): one.customer for one in paid}
    return found


def _uses(spent: list[Spent], customers: Mapping[str, str]) -> Iterator[Use]:
    for one in spent:
        who = one.by["who"]
        yield Use(customers.get(who, who), one.by["feature"], frozenset({who}), one.requests, one.unpriced, one.usd)


def _accounts(paid: tuple[Paid, ...], looked: Looked, days: float) -> dict[str, Account]:
    """What each customer pays for the time looked at, on the plan that its last line names."""
    within = _days_of_months(looked)
    months = Decimal(repr(days)) / MONTH_DAYS
    found: dict[str, Account] = {}
    for one in paid:
        before = found.get(one.customer, Account("", ZERO))
        found[one.customer] = Account(one.plan or before.plan, before.usd + one.within(within, months))
    return found


def _days_of_months(looked: Looked) -> dict[date, Decimal]:
    """How many days of each month, known by its first day, lie in the time looked at."""
    if not looked.calls:
        return {}
    at, until = datetime.fromisoformat(looked.since), datetime.fromisoformat(looked.until)
    found: dict[date, Decimal] = {}
    while at < until:
        first = at.date().replace(day=1)
        following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        end = min(until, datetime(following.year, following.month, 1, tzinfo=at.tzinfo))
        found[first] = Decimal(round((end - at).total_seconds())) / 86_400
        at = end
    return found


def _spent(home: Home, window: Window, by: str) -> Spend:
    """What the requests cost by who they were for and by feature, each priced at its own time."""
    whole = widened(window, "attempts")
    ends = [moment for moment in (whole.until_us, home.until_us) if moment is not None]
    since_us, until_us = whole.since_us, min(ends, default=None)
    moments, hourly = _price_changes(home, since_us, until_us)
    query, parameters = _query(by, moments, hourly, since_us, until_us)
    found = home.ledger.query(query, parameters)
    rows: Iterator[Row] = (dict(zip(found.columns, row, strict=True)) for row in found.rows)
    parts = (as_requests(row, (row["who"] or "", row["its_feature"] or "")) for row in rows)
    return add_up(parts, home.prices, ("who", "feature"))


def _price_changes(home: Home, since_us: int | None, until_us: int | None) -> tuple[list[int], list[str]]:
    """On which days (microseconds since the epoch) some price that was paid changed, and models with cheap hours.

    The first is the first day with a request. Between two of them requests of a model cost alike, and can be added up.
    """
    columns = ("provider", "asked_model", "model", "service_tier", "prompt_over", "day")
    rented = {"owner": ["rented"]}
    found = sums(home, "attempts", columns, since_us=since_us, until_us=until_us, where=rented)
    rows = sorted((dict(zip(found.columns, row, strict=True)) for row in found.rows), key=lambda row: row["day"])
    moments: set[int] = set()
    before: dict[tuple[Any, ...], object] = {}
    for row in rows:
        at = utc(row["day"])
        alike = tuple(row[name] for name in columns[:-1])
        rates = [
            home.prices.rates(row["provider"], model, at, row["prompt_over"] + 1, row["service_tier"])
            for model in (row["asked_model"], row["model"])
        ]
        if not moments or before.get(alike, rates) != rates:
            moments.add(round(at.timestamp()) * 1_000_000)
        before[alike] = rates
    return sorted(moments), by_the_hour(home, rows)


def _query(
    by: str, moments: list[int], hourly: list[str], since_us: int | None, until_us: int | None
) -> tuple[str, list[Any]]:
    """SQL for the sums of requests that cost alike, and its parameters."""
    periods = "".join(f" WHEN started_at_us >= {at} THEN {at}" for at in reversed(moments))
    at = f"CASE WHEN list_contains(?::VARCHAR[], asked_model) THEN started_at_us - started_at_us % {_HALF_HOUR_US}"
    at = f"make_timestamp({at}{periods} ELSE started_at_us - started_at_us % {_DAY_US} END)"
    counts = ", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in COUNTS)
    query = (
        f"SELECT {BY[by]} AS who, {'NULL' if by == 'feature' else 'feature'} AS its_feature, {at} AS half_hour,"  # noqa: S608 - names of our own; what a user chooses is a parameter
        f" {', '.join(PRICED_BY)}, count(*) AS attempts,"
        f" count(*) FILTER (input_tokens IS NULL) AS unknown_usage, {counts}"
        " FROM attempts WHERE owner = 'rented' AND started_at_us >= ? AND started_at_us < ? GROUP BY ALL"
    )
    return query, [hourly, since_us or 0, 2**62 if until_us is None else until_us]
