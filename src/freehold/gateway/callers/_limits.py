"""Limits per minute, and the header lines that tell a client of them.

Method: the generic cell rate algorithm (ATM Forum, Traffic Management 4.0, section 4.4.2) with a burst of one minute's
worth, in whole nanoseconds. One number per limit says it all: the moment at which the bucket will be full again. A
limit of 600 a minute therefore lets 600 calls through at once after a quiet minute, and one every 100 ms from then on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

MINUTE: Final = 60_000_000_000
_MOST: Final = 2 * MINUTE
_OPENAI: Final = {
    what: b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n"
    % (what, what, what)
    for what in (b"requests", b"tokens")
}


def current(full_ns: int, now_ns: int) -> int:
    """When a bucket is full again, as it counts now.

    It is never further away than two minutes: a clock that was put back does not lock a key out for longer than that,
    and neither does one call that used more than it reserved.
    """
    return now_ns if full_ns < now_ns else min(full_ns, now_ns + _MOST)


def after(full_ns: int, amount: int, limit: int) -> int:
    """The same after `amount` more was taken (given back where it is negative)."""
    return full_ns + amount * MINUTE // limit


def taken(full_ns: int, amount: int, limit: int, now_ns: int) -> int:
    """When a bucket as it was left is full again, after `amount` was taken from it now."""
    return (now_ns if full_ns < now_ns else min(full_ns, now_ns + _MOST)) + amount * MINUTE // limit


def wait_ns(taken_ns: int, now_ns: int) -> int:
    """How long until a bucket may give what would leave it full again at `taken_ns`; 0 for now."""
    wait = taken_ns - now_ns - MINUTE
    return max(0, wait)


def remaining(full_ns: int, now_ns: int, limit: int) -> int:
    """How many a bucket can give now."""
    room_ns = now_ns + MINUTE - full_ns
    return room_ns * limit // MINUTE if room_ns > 0 else 0


def lines(dialect: str, now_ns: int, rpm: int, requests_full: int, tpm: int, tokens_full: int) -> bytes:
    """The header lines by which OpenAI and Anthropic tell of such limits, each in its own words; none for 0."""
    one = _anthropic if dialect.startswith("anthropic") else _openai
    made = one(b"requests", now_ns, rpm, requests_full) if rpm else b""
    return made + one(b"tokens", now_ns, tpm, tokens_full) if tpm else made


def _openai(what: bytes, now_ns: int, limit: int, full_ns: int) -> bytes:
    reset = duration(full_ns - now_ns if full_ns > now_ns else 0)
    return _OPENAI[what] % (limit, remaining(full_ns, now_ns, limit), reset)


def _anthropic(what: bytes, now_ns: int, limit: int, full_ns: int) -> bytes:
    left = remaining(full_ns, now_ns, limit)
    reset = datetime.fromtimestamp(whole_seconds(max(full_ns, now_ns)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    name = b"anthropic-ratelimit-%b" % what
    return b"%b-limit: %d\r\n%b-remaining: %d\r\n%b-reset: %b\r\n" % (name, limit, name, left, name, reset)


def retry_lines(wait: int) -> bytes:
    """When to come back: in whole seconds (RFC 9110, section 10.2.3), and in milliseconds as the SDKs also read it."""
    return b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (whole_seconds(wait), -(-wait // 1_000_000))


def whole_seconds(nanoseconds: int) -> int:
    """A time in seconds, rounded up."""
    return -(-nanoseconds // 1_000_000_000)


def duration(nanoseconds: int) -> bytes:
    """A time as OpenAI's headers give it: `120ms`, `8.64s`, `1m30s`. Never shorter than it is."""
    milliseconds = -(-nanoseconds // 1_000_000)
    if milliseconds < 1000:
        return b"%dms" % milliseconds if milliseconds else b"0s"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".").encode()
    return b"%dm%bs" % (minutes, seconds) if minutes else seconds + b"s"
