"""Budget periods in UTC: which one a moment belongs to, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from freehold.vocabulary import Period

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: dict[Period, int] = {"day": 1, "week": 2, "month": 3, "total": 4}


class Span(NamedTuple):
    """One period: its number, which no other period of any kind has, and its bounds in nanoseconds since the epoch.

    A total never ends: `ends_ns` is 0.
    """

    tag: int
    starts_ns: int
    ends_ns: int

    def holds(self, now_ns: int) -> bool:
        """Whether a moment lies in it."""
        return self.starts_ns <= now_ns and (now_ns < self.ends_ns or not self.ends_ns)


def span(period: Period, now_ns: int) -> Span:
    """The period of that kind to which a moment belongs."""
    if period == "total":
        return Span(_KINDS[period] << 32, 0, 0)
    midnight = _EPOCH + timedelta(days=now_ns // 86_400_000_000_000)
    if period == "day":
        start, end = midnight, midnight + timedelta(days=1)
    elif period == "week":
        start = midnight - timedelta(days=midnight.weekday())
        end = start + timedelta(days=7)
    else:
        start = midnight.replace(day=1)
        end = (start + timedelta(days=31)).replace(day=1)
    return Span((_KINDS[period] << 32) + (start - _EPOCH).days, _ns(start), _ns(end))


def ended_before(tag: int, now_ns: int) -> bool:
    """Whether the period with that number was over well before a moment: at least two days ago.

    Periods last at most 31 days. What is no period of a bounded kind never ends.
    """
    kind, day = tag >> 32, tag & 0xFFFFFFFF
    days = {1: 1, 2: 7, 3: 31}.get(kind)
    return days is not None and (day + days + 2) * 86_400_000_000_000 < now_ns


def _ns(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds()) * 1_000_000_000
