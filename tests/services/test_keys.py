"""What a person writes about a key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freehold.errors import UsageError
from freehold.services.keys import parse_budget, parse_expiry
from freehold.vocabulary import Budget

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("50usd/month", Budget(50_000_000_000, "month")),
        (" 0.5 USD / day ", Budget(500_000_000, "day")),
        ("$7.25/week", Budget(7_250_000_000, "week")),
        ("1000/total", Budget(1_000_000_000_000, "total")),
        ("0.000000001usd", Budget(1, "total")),
    ],
)
def test_budgets(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    "text",
    ["", "usd", "0usd/day", "-5usd/day", "5eur/day", "5usd/year", "1.2.3usd", ".", "5usd/", "0.0000000001usd",
     "1000000001usd", "nan", "1e3usd", "\u0665usd/day"],
)  # fmt: skip
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(UsageError, match="no budget"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2026-03-04", datetime(2026, 3, 5, tzinfo=UTC)),
        ("2026-12-31T10:00:00", datetime(2026, 12, 31, 10, tzinfo=UTC)),
        ("2026-12-31T10:00:00+02:00", datetime(2026, 12, 31, 8, tzinfo=UTC)),
    ],
)
def test_expiries(text: str, moment: datetime) -> None:
    assert parse_expiry(text, NOW) == int(moment.timestamp() * 1e6)


@pytest.mark.parametrize("text", ["", "0d", "soon", "2026-03-03", "2026-02-30", "2020-01-01T00:00:00", "9" * 20 + "d"])
def test_what_is_no_time_to_come(text: str) -> None:
    with pytest.raises(UsageError, match="no time to come"):
        parse_expiry(text, NOW)
