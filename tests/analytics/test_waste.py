"""Tokens that brought nothing: each kind on calls that have it, and on calls that have not."""

from decimal import Decimal

import pytest
from tests.support.talk import prices, said

from freehold.analytics.context import ContextMeter
from freehold.analytics.waste import KINDS, WasteMeter
from freehold.vocabulary import Leg, Usage


def wasted(calls, meter=WasteMeter):
    made = meter(prices())
    for call in calls:
        made.add(call)
    return {row.kind: row for row in made.rows()}


def test_calls_that_went_well_waste_nothing():
    assert wasted([said(f"question {n}", at_s=n) for n in range(5)]) == {}


def test_failed_attempts_that_cost_tokens_are_counted_with_their_exact_cost():
    failed = Leg("serve", "rented", "p", "m", "incomplete", usage=Usage(input_tokens=1000, output_tokens=100))
    stood_in = Leg("fallback", "rented", "p", "m", "ok", usage=Usage(input_tokens=1000, output_tokens=200))
    found = wasted([said("x", legs=(failed, stood_in))])
    assert found["failed"].usd == Decimal("0.013")
    assert (found["failed"].calls, found["failed"].tokens) == (1, 1100)
    assert found["second_tries"].usd == Decimal("0.016")


def test_a_failure_without_tokens_costs_nothing():
    assert "failed" not in wasted([said("x", None)])


def test_an_answer_cut_off_by_its_limit():
    found = wasted([said("tell me all", "once upon a", finish="length"), said("short", "yes", at_s=1)])
    assert (found["cut_off"].calls, found["cut_off"].of_calls) == (1, 2)


def test_asked_again_within_a_day_and_not_after():
    found = wasted([said("same"), said("same", at_s=60), said("same", at_s=90_000)])
    assert found["asked_again"].calls == 1
    assert "tried_again" not in found


def test_tried_again_after_a_failure():
    found = wasted([said("same", None), said("same", at_s=5)])
    assert found["tried_again"].calls == 1
    assert "asked_again" not in found


def test_an_unknown_price_is_counted_beside_the_sum():
    found = wasted([said("a", "x", finish="length", provider="nobody", model="unheard-of")])
    assert (found["cut_off"].usd, found["cut_off"].unpriced) == (0, 1)


def tool(name):
    return {"type": "function", "function": {"name": name, "description": "what it does " * 20, "parameters": {}}}


def test_tools_that_nobody_calls_are_named_with_how_sure_that_is():
    called = {"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "used", "arguments": "{}"}}]}  # fmt: skip
    meter = ContextMeter(prices())
    for n in range(30):
        meter.add(said(f"q {n}", "x", at_s=n, tools=[tool("used"), tool("idle")], message=called if n == 7 else None))
    (unused,) = meter.unused_tools()
    assert (unused.tool, unused.calls) == ("idle", 30)
    assert unused.rate_high == pytest.approx(1 - 0.05 ** (1 / 30))
    (row,) = [row for row in meter.rows() if row.kind == "unused_tools"]
    assert (
        0.2
        < row.tokens / sum(said("q", tools=[tool("used"), tool("idle")]).call.usage.input_tokens for _ in range(30))
        < 0.6
    )


def test_tools_that_a_cache_served_cost_what_a_cache_costs():
    def unused(usage):
        meter = ContextMeter(prices())
        meter.add(said("q", "x", tools=[tool("idle")], usage=usage))
        (row,) = meter.rows()
        return row

    plain = unused(Usage(input_tokens=1000, output_tokens=5))
    cached = unused(Usage(input_tokens=100, cache_read_tokens=900, output_tokens=5))
    assert plain.tokens == cached.tokens > 500
    assert plain.usd == plain.tokens * Decimal("0.00001")
    assert cached.usd == cached.tokens * (100 * 10 + 900 * 1) / Decimal(1000) * Decimal("0.000001")


def test_history_that_is_sent_again():
    first = [{"role": "user", "content": "x" * 400}]
    second = [*first, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "and now?"}]
    found = wasted([said(first, "yes"), said(second, "no", at_s=5)], ContextMeter)
    assert found["resent_history"].calls == 1
    assert 90 < found["resent_history"].tokens < 130


def test_passages_that_lend_no_word():
    def passage(call, place):
        return f"Passage {place}: " + f"warehouse {call}{place} keeps boxes coloured shade{call}{place} " * 6

    calls = [
        said("\n\n".join([*(passage(n, k) for k in range(4)), "Where?"]), f"boxes coloured shade{n}2", at_s=n)
        for n in range(6)
    ]
    found = wasted(calls, ContextMeter)
    assert found["unused_passages"].calls == 6
    whole = sum(seen.call.usage.input_tokens for seen in calls)
    assert 0.6 < found["unused_passages"].tokens / whole < 0.8


def test_passages_are_not_judged_where_answers_take_no_words_from_any():
    text = "\n\n".join("some long passage about nothing in particular " * 8 for _ in range(4))
    assert "unused_passages" not in wasted([said(text + str(n), "positive", at_s=n) for n in range(5)], ContextMeter)


def test_every_kind_says_what_it_is():
    assert {"failed", "second_tries", "cut_off", "asked_again", "tried_again"} <= set(KINDS)
    assert all(len(sentence) > 20 for sentence in KINDS.values())
