"""Times of calls as moments and days, UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def at(us: int) -> datetime:
    """Microseconds since the epoch as a moment."""
    return datetime.fromtimestamp(us / 1e6, UTC)
