"""Rows of the ledger's sums as requests that can be priced, and the stretches of time that the sums can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from freehold.analytics.spend import Requests
from freehold.ledger import rollup_step_us
from freehold.vocabulary import COUNTS, Usage

from .home import Home
from .windows import Window

PRICED_BY = ("provider", "asked_model", "model", "service_tier", "prompt_over", "outcome", "estimated")
"""The columns that the price of a request depends on, beside its time."""

Row = Mapping[str, Any]
"""A row of sums, by the names of its columns."""


def as_requests(row: Row, group: tuple[str, ...], factor: Decimal | None = None) -> Requests:
    """A row of `attempts` or `users` as requests of one group; `factor` is on the price of its time."""
    n, unknown = row["attempts"], row["unknown_usage"]
    return Requests(
        group=group,
        at=utc(row["half_hour"] if "half_hour" in row else row["day"]),
        provider=row["provider"],
        asked_model=row["asked_model"],
        model=row["model"],
        service_tier=row["service_tier"],
        prompt_over=row["prompt_over"],
        outcome=row["outcome"],
        n=n,
        unknown=unknown,
        estimated=n - unknown if row["estimated"] else 0,
        usage=Usage(**{name: row[name] for name in COUNTS}),
        factor=Decimal(1) if factor is None else factor,
    )


def by_the_hour(home: Home, rows: Iterable[Row]) -> list[str]:
    """Models of which some price depends on the time of day."""
    prices = home.prices
    priced = {(row["provider"], row["asked_model"], row["model"], row["day"]) for row in rows}
    return sorted(
        {
            asked
            for provider, asked, answered, day in priced
            if any(prices.by_the_hour(provider, model, utc(day)) for model in {asked, answered})
        }
    )


def widened(window: Window, table: str) -> Window:
    """A window that begins and ends on a step of a table of the sums."""
    step_us = rollup_step_us(table)
    since_us = None if window.since_us is None else window.since_us // step_us * step_us
    until_us = None if window.until_us is None else -(-window.until_us // step_us) * step_us
    return Window(since_us, until_us)


def utc(moment: datetime) -> datetime:
    """A moment of the sums, which are in UTC and do not say so."""
    return moment.replace(tzinfo=UTC)
