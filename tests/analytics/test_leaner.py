"""What is told of a task in passing is what the full tables say of it."""

from __future__ import annotations

import random

from tests.support.talk import prices, said

from freehold.analytics.batching import BatchMeter
from freehold.analytics.leaner import Leaner, LeanMeter
from freehold.analytics.prefixes import PrefixMeter
from freehold.vocabulary import SESSION_TAG, Usage

LONG = "The same long beginning, over and over. " * 200


def some(n: int, task: str = "t"):
    rng = random.Random(n)
    found = []
    for i in range(n):
        text = LONG + str(rng.random()) if rng.random() < 0.6 else str(rng.random())
        usage = Usage(input_tokens=len(text) // 4, output_tokens=20)
        tags = {SESSION_TAG: str(rng.randrange(5))} if rng.random() < 0.5 else {}
        found.append(said(text, at_s=30 * i, usage=usage, tags=tags, streamed=rng.random() < 0.2, task=task))
    return found


def leaner(seen) -> dict[str, Leaner]:
    meter = LeanMeter(prices())
    for one in seen:
        meter.add(one.call, one.task)
    return meter.leaner()


def test_one_task_is_told_as_the_full_tables_tell_it() -> None:
    seen = some(300)
    waits, prefixes = BatchMeter(prices()), PrefixMeter(prices())
    for one in seen:
        waits.add(one)
        prefixes.add(one)
    (batchable,), (cacheable,) = waits.rows(), prefixes.rows()
    found = leaner(seen)["t"]
    assert found.calls == batchable.calls
    assert found.waited == batchable.streamed + batchable.followed
    assert found.known_runs == batchable.known_runs
    assert found.eligible == cacheable.eligible > 0
    assert found.cache_usd == cacheable.saved_usd
    assert found.waited / found.calls < found.waited_at_most == batchable.waited_interval[1]


def test_what_is_told_of_a_task_does_not_depend_on_the_others() -> None:
    one, other = some(100, "one"), some(90, "other")
    together = sorted([*one, *other], key=lambda seen: seen.call.started_at_us)
    assert leaner(together) == {**leaner(one), **leaner(other)}


def test_owned_and_failed_calls_do_not_count() -> None:
    assert leaner([said("x", owner="owned"), said("x", outcome="error")]) == {}
