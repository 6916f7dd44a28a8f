"""When a provider says to come back, read from the headers of its refusal.

`Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), OpenAI's and Azure's `retry-after-ms`, and, where
neither is given, the resets of the limit that is used up: OpenAI's `x-ratelimit-reset-requests` and `-tokens` ("6m0s")
and Anthropic's `anthropic-ratelimit-requests-reset` and `-tokens-reset` (RFC 3339).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Headers = Iterable[tuple[bytes, bytes]]

LONGEST_S = 86_400.0
"""Whatever a provider says, nobody believes it for longer than a day."""

_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")
_SPAN = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?")
_LIMITS = (b"requests", b"tokens", b"input-tokens", b"output-tokens")


def told_wait_s(headers: Headers, wall_s: float) -> float | None:
    """Seconds until a provider wants to be asked again; None where it says nothing that can be read or meant.

    A date is compared with the answer's own `Date`, so that a wrong clock on either side does no harm, else with
    `wall_s` (seconds since the epoch). A moment that has passed is 0. Negative numbers are nonsense, not 0.
    """
    found = {name: value.decode("latin-1").strip() for name, value in headers if name in _NAMES}
    if not found:
        return None
    millis = _seconds(found.get(b"retry-after-ms", ""))
    if millis is not None:
        return min(millis / 1000.0, LONGEST_S)
    after = found.get(b"retry-after", "")
    told = _seconds(after)
    if told is None and after:
        told = _until(after, found.get(b"date", ""), wall_s)
    if told is None:
        told = _reset(found, wall_s)
    return None if told is None else min(told, LONGEST_S)


def _seconds(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _until(text: str, date: str, wall_s: float) -> float | None:
    moment = _http_date(text)
    if moment is None:
        return None
    now = _http_date(date)
    return max(0.0, moment - (wall_s if now is None else now))


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _reset(found: dict[bytes, str], wall_s: float) -> float | None:
    """The latest reset among the limits of which nothing is left."""
    waits: list[float] = []
    for limit in _LIMITS:
        if found.get(b"x-ratelimit-remaining-" + limit) == "0":
            waits.append(_span(found.get(b"x-ratelimit-reset-" + limit, "")) or 0.0)
        if found.get(b"anthropic-ratelimit-" + limit + b"-remaining") == "0":
            waits.append(_rfc3339(found.get(b"anthropic-ratelimit-" + limit + b"-reset", ""), wall_s) or 0.0)
    longest = max(waits, default=0.0)
    return longest if longest > 0 else None


def _span(text: str) -> float | None:
    """A span as Go writes it: 1s, 6m0s, 120ms, 1h0m0s."""
    match = _SPAN.fullmatch(text)
    if match is None or not text:
        return _seconds(text)
    hours, minutes, seconds, millis = (float(part) if part else 0.0 for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + millis / 1000


def _rfc3339(text: str, wall_s: float) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, moment.timestamp() - wall_s)


_NAMES = frozenset(
    [b"retry-after", b"retry-after-ms", b"date"]
    + [prefix + limit for prefix in (b"x-ratelimit-remaining-", b"x-ratelimit-reset-") for limit in _LIMITS]
    + [b"anthropic-ratelimit-" + limit + end for limit in _LIMITS for end in (b"-remaining", b"-reset")]
)
