"""Which calls could wait for a batch: who is seen to wait, and what it would save."""

from decimal import Decimal

import pytest
from tests.support.talk import prices, said

from freehold.analytics.batching import FOLLOWED_S, BatchMeter
from freehold.vocabulary import SESSION_TAG, Usage

USAGE = Usage(input_tokens=1000, output_tokens=100)
"""1.3 cents at the prices of `prices`."""


def rows(*calls, **changed):
    meter = BatchMeter(prices(**changed))
    for call in sorted(calls, key=lambda seen: seen.call.started_at_us):
        meter.add(call)
    return meter.rows()


def test_nobody_is_seen_to_wait():
    (row,) = rows(*[said("x", at_s=n, usage=USAGE) for n in range(200)])
    assert (row.could, row.streamed, row.followed, row.known_runs) == ("yes", 0, 0, 0)
    assert (row.usd, row.saved_usd) == (Decimal("2.6"), Decimal("1.3"))
    assert 0 == row.waited_interval[0] < row.waited_interval[1] < 0.02


def test_a_streamed_call_is_waited_for():
    (row,) = rows(*[said("x", at_s=n, usage=USAGE, streamed=n % 4 != 0) for n in range(100)])
    assert (row.could, row.streamed) == ("no", 75)
    assert row.usd == Decimal("0.325")


@pytest.mark.parametrize(("pause", "followed"), [(1, 1), (FOLLOWED_S, 1), (FOLLOWED_S + 10, 0), (-0.5, 0)])
def test_a_call_that_another_follows_is_waited_for(pause, followed):
    """Calls take a second; one that begins before another's end cannot have used its answer."""
    tags = {SESSION_TAG: "s"}
    (row,) = rows(said("x", usage=USAGE, tags=tags), said("y", at_s=1 + pause, usage=USAGE, tags=tags))
    assert (row.followed, row.known_runs) == (followed, 2)
    assert row.usd == Decimal("0.013") * (2 - followed)


def test_a_task_that_is_batched_already():
    (row,) = rows(said("x", usage=Usage(input_tokens=10, service_tier="batch")))
    assert (row.could, row.batched, row.usd) == ("already", 1, 0)


def test_without_a_price_nothing_is_said_to_be_saved():
    (row,) = rows(said("x", provider="nobody", model="unheard-of", usage=USAGE))
    assert row.saved_usd is None
    assert row.price.name.startswith("unknown")


def test_a_provider_without_a_stated_batch_price_saves_nobody_knows_what():
    (row,) = rows(said("x", usage=USAGE), tier_factors={})
    assert (row.usd, row.saved_usd) == (Decimal("0.013"), None)
