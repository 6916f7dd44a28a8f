"""Limits per minute against a plain bucket, and the words of the headers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.gateway.callers import _limits
from freehold.gateway.callers._limits import MINUTE

NOW = 1_770_000_000_000_000_000


@given(
    limit=st.integers(1, 10**9),
    steps=st.lists(st.tuples(st.integers(0, 2 * MINUTE), st.fractions(0, 1)), max_size=40),
)
def test_a_bucket_gives_what_a_plain_bucket_gives(limit: int, steps: list[tuple[int, Fraction]]) -> None:
    now, full, level = NOW, 0, Fraction(limit)
    for pause, share in steps:
        amount = max(1, int(share * limit))
        now += pause
        level = min(Fraction(limit), level + Fraction(pause * limit, MINUTE))
        taken = _limits.after(_limits.current(full, now), amount, limit)
        wait = _limits.wait_ns(taken, now)
        slack = Fraction(len(steps) * limit, MINUTE) + Fraction(1, 10**9)  # a nanosecond for each rounding
        if not wait:
            assert level >= amount - slack
            full, level = taken, level - amount
        else:
            assert level < amount
            assert abs(wait - (amount - level) * MINUTE / limit) <= len(steps) + 1
        assert abs(_limits.remaining(_limits.current(full, now), now, limit) - level) <= 1 + slack


@pytest.mark.parametrize("limit", [1, 3, 7, 600, 999, 1_000_000])
def test_exactly_a_minutes_worth_passes_at_once(limit: int) -> None:
    full = 0
    for passed in range(min(limit, 1000)):
        full = _limits.after(_limits.current(full, NOW), 1, limit)
        assert _limits.wait_ns(full, NOW) == 0
        assert _limits.remaining(full, NOW, limit) == limit - passed - 1
    if limit <= 1000:
        refused = _limits.after(full, 1, limit)
        wait = _limits.wait_ns(refused, NOW)
        assert wait > 0
        assert _limits.wait_ns(_limits.after(_limits.current(full, NOW + wait), 1, limit), NOW + wait) == 0


def test_a_clock_that_was_put_back_locks_nobody_out_for_longer_than_a_minute() -> None:
    full = NOW + MINUTE  # used up, and then the clock is put back by a year
    past = NOW - 365 * 86_400 * 1_000_000_000
    taken = _limits.after(_limits.current(full, past), 1, 600)
    assert _limits.wait_ns(taken, past) <= MINUTE + MINUTE // 600


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, b"0s"),
        (1, b"1ms"),
        (120_000_000, b"120ms"),
        (999_000_001, b"1s"),
        (8_640_000_000, b"8.64s"),
        (60_000_000_000, b"1m0s"),
        (90_500_000_000, b"1m30.5s"),
    ],
)
def test_durations_are_as_in_openais_headers(nanoseconds: int, text: bytes) -> None:
    assert _limits.duration(nanoseconds) == text


def test_header_lines_speak_the_clients_dialect() -> None:
    full = NOW + 100_000_000
    assert _limits.lines("openai.chat", NOW, 600, full, 0, 0) == (
        b"x-ratelimit-limit-requests: 600\r\nx-ratelimit-remaining-requests: 599\r\n"
        b"x-ratelimit-reset-requests: 100ms\r\n"
    )
    assert _limits.lines("openai.chat", NOW, 0, 0, 1000, NOW + MINUTE) == (
        b"x-ratelimit-limit-tokens: 1000\r\nx-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 1m0s\r\n"
    )
    assert _limits.lines("anthropic.messages", NOW, 600, full, 1000, NOW) == (
        b"anthropic-ratelimit-requests-limit: 600\r\nanthropic-ratelimit-requests-remaining: 599\r\n"
        b"anthropic-ratelimit-requests-reset: 2026-02-02T02:40:01Z\r\n"
        b"anthropic-ratelimit-tokens-limit: 1000\r\nanthropic-ratelimit-tokens-remaining: 1000\r\n"
        b"anthropic-ratelimit-tokens-reset: 2026-02-02T02:40:00Z\r\n"
    )
    assert _limits.lines("openai.chat", NOW, 0, 0, 0, 0) == b""


def test_retry_after_is_never_too_early_and_never_zero() -> None:
    assert _limits.retry_lines(1) == b"retry-after: 1\r\nretry-after-ms: 1\r\n"
    assert _limits.retry_lines(1_000_000_001) == b"retry-after: 2\r\nretry-after-ms: 1001\r\n"
