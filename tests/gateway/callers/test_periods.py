"""Periods begin and end at midnight in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.gateway.callers._periods import ended_before, span
from freehold.vocabulary import Period

DAY = 86_400_000_000_000
MOMENTS = st.integers(1_000_000_000_000_000_000, 4_000_000_000_000_000_000)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", "2024-02-29", "2024-03-01"),
        ("week", "2024-02-26", "2024-03-04"),
        ("month", "2024-02-01", "2024-03-01"),
    ],
)
def test_a_period_lasts_from_midnight_to_midnight(period: Period, start: str, end: str) -> None:
    found = span(period, ns("2024-02-29T23:59:59") + 999_999_999)
    assert (found.starts_ns, found.ends_ns) == (ns(start), ns(end))
    assert span(period, found.starts_ns) == found
    assert span(period, found.ends_ns - 1) == found
    assert span(period, found.ends_ns).starts_ns == found.ends_ns
    assert found.holds(found.starts_ns)
    assert not found.holds(found.ends_ns)
    assert not found.holds(found.starts_ns - 1)


@given(first=MOMENTS, second=MOMENTS)
def test_no_two_periods_share_a_number(first: int, second: int) -> None:
    tags = {span(period, moment) for period in ("day", "week", "month", "total") for moment in (first, second)}
    assert len({one.tag for one in tags}) == len(tags)
    assert all(one.tag > 0 for one in tags)


@given(moment=MOMENTS)
def test_a_period_is_called_over_only_after_it_is(moment: int) -> None:
    for period in ("day", "week", "month"):
        found = span(period, moment)
        assert not ended_before(found.tag, found.ends_ns + DAY)
        assert ended_before(found.tag, found.ends_ns + 6 * DAY)
    assert not ended_before(span("total", moment).tag, 2**62)
    assert not ended_before(0, 2**62)
