"""Every way in which providers say when to come back, and every way to say nothing by it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freehold.gateway.resilience._advice import LONGEST_S, told_wait_s

WALL = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
WALL_S = WALL.timestamp()


def told(**headers):
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return told_wait_s(pairs, WALL_S)


def http(delta_s):
    return format_datetime(WALL + timedelta(seconds=delta_s), usegmt=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("999999999999", LONGEST_S),
        ("99999999999999999999999999", None),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("1_0", None),
        ("", None),
        ("soon", None),
        ("\u00b2", None),
        (http(30), 30.0),
        (http(-30), 0.0),
        (http(10**7), LONGEST_S),
        (http(30).replace("GMT", "-0000"), 30.0),
        ("Wed, 99 Nov 2026 12:00:00 GMT", None),
        ("Wednesday", None),
    ],
)
def test_retry_after(value, expected):
    assert told(retry_after=value) == expected


def test_a_date_is_compared_with_the_answers_own_date():
    assert told(retry_after=http(3600 + 20), date=http(3600)) == 20.0
    assert told(retry_after=http(20), date="no date") == 20.0


def test_milliseconds_are_finer_and_win():
    assert told(retry_after_ms="250", retry_after="9") == 0.25
    assert told(retry_after_ms="-1", retry_after="9") == 9.0


@pytest.mark.parametrize(
    ("span", "expected"),
    [("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("1h2m3s", 3723.0), ("17.5s", 17.5), ("8", 8.0), ("0s", None),
     ("", None), ("x", None), ("3d", None)],
)  # fmt: skip
def test_the_reset_of_a_used_up_limit_is_advice(span, expected):
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": span}
    assert told(**headers) == expected
    assert told(**headers | {"x-ratelimit-remaining-requests": "3"}) is None


def test_of_several_used_up_limits_the_latest_reset_counts():
    headers = {f"x-ratelimit-remaining-{limit}": "0" for limit in ("requests", "tokens")}
    resets = {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "20s"}
    assert told(**headers, **resets) == 20.0
    assert told(**headers, **resets, retry_after="3") == 3.0


def test_anthropics_resets_are_moments():
    headers = {
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-25T12:00:45Z",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-25T13:00:00Z",
    }
    assert told(**headers) == 45.0
    assert told(**headers | {"anthropic-ratelimit-input-tokens-reset": "2026-11-25T12:00:45"}) is None


def test_nothing_told_is_none():
    assert told() is None
    assert told(content_type="application/json") is None


NAMES = [
    b"retry-after",
    b"retry-after-ms",
    b"date",
    b"x-ratelimit-remaining-tokens",
    b"x-ratelimit-reset-tokens",
    b"anthropic-ratelimit-tokens-remaining",
    b"anthropic-ratelimit-tokens-reset",
]
values = st.one_of(st.binary(max_size=40), st.from_regex(rb"[0-9a-zA-Z:,. +-]{0,30}", fullmatch=True), st.just(b"0"))


@given(st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=5))
@example([(b"retry-after", formatdate(0).encode()), (b"date", b"Mon, 01 Jan 0001 00:00:00 +2359")])
def test_whatever_is_sent_the_advice_is_none_or_a_time_within_a_day(headers):
    advice = told_wait_s(headers, WALL_S)
    assert advice is None or 0.0 <= advice <= LONGEST_S
