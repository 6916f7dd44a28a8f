"""An explanation says which way a call took, what every attempt cost exactly, and nothing of its content unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import homes
from tests.support.registry import add_certificate, add_student, task

from freehold.cli._pages import explained_legs
from freehold.errors import NotFound, UsageError
from freehold.services import explaining, feedbacking
from freehold.services.explaining import Explanation
from freehold.services.home import Home
from freehold.vocabulary import CONTENT_TAG, Call, Leg, MessagePattern, Slot, Template, Usage, reasons

SECRET = "the customer's own words"
BEGAN_US = 1_750_000_000_000_000
AT = "2025-06-15T15:06:40"
SORT = Template("a", (MessagePattern("system", ("Sort this.",)), MessagePattern("user", (Slot("x"),))))
MESSAGES = [{"role": "system", "content": "Sort this."}, {"role": "user", "content": SECRET}]
REQUEST = json.dumps({"model": "gpt-4.1", "messages": MESSAGES}).encode()
RESPONSE = json.dumps({"choices": [{"message": {"role": "assistant", "content": "billing, " + SECRET}}]}).encode()


def leg(purpose: Any, owner: Any = "rented", outcome: Any = "ok", **more: Any) -> Leg:
    provider, model = ("owned", "s1") if owner == "owned" else ("openai", "gpt-4.1")
    return Leg(**{"provider": provider, "model": model} | more, purpose=purpose, owner=owner, outcome=outcome)


def call(number: int, *legs: Leg, **more: Any) -> Call:
    fields: dict[str, Any] = {
        "id": f"call_{number:04d}",
        "started_at_us": BEGAN_US,
        "latency_ms": 812.5,
        "provider": "openai",
        "model": "gpt-4.1",
        "request": REQUEST,
        "response": RESPONSE,
        "legs": legs,
        "usage": Usage(1000, output_tokens=10),
        "template": "a",
    }
    return Call(**fields | more)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with homes.home(tmp_path) as home:
        home.registry.save_discovered([task("t1", SORT, name="triage"), task("t2", "b", name="booking")])
        yield home


def explained(home: Home, *calls: Call, **more: Any) -> Explanation:
    home.ledger.append(calls)
    return explaining.explain(home, calls[0].id, **more)


def serving(home: Home) -> None:
    add_student(home.registry, "s1")
    add_certificate(home.registry, "s1", "c1", threshold=0.93, scope_threshold=0.2)
    home.registry.set_stage("t1", "full", by="ann")


def test_an_escalated_call_shows_confidence_threshold_and_the_cost_of_every_attempt(home: Home) -> None:
    serving(home)
    asked = leg("serve", "owned", confidence=0.71, in_scope=True, latency_ms=1.5)
    cut = leg("escalate", outcome="error", error="openai closed the connection", offset_ms=2.0)
    got = leg("fallback", usage=Usage(1000, output_tokens=10), offset_ms=40.0, latency_ms=770.0, ttft_ms=300.0)
    told = explained(home, call(1, asked, cut, got, reason=reasons.UNSURE, key="team-a", ttft_ms=340.0))
    assert (told.task, told.way, told.reason, told.confidence) == ("triage", "escalated", "unsure", 0.71)
    assert told.promise is not None
    assert (told.promise.threshold, told.promise.certificate_id, told.promise.when) == (0.93, "c1", "now")
    assert [one.cost_usd for one in told.legs] == [0, 0, Decimal("0.00208")]  # 1000 x $2 + 10 x $8 a million
    assert [one.answered for one in told.legs] == [False, False, True]
    assert "genai-prices" in told.legs[2].price.name
    assert told.legs[2].price.date
    assert (told.cost_usd, told.unpriced) == (Decimal("0.00208"), 0)
    said = explaining.in_words(told)
    assert said[0] == f"Call call_0001 of {AT.replace('T', ' ')} UTC, task triage, key team-a."
    assert said[1] == "Answered by the rented model gpt-4.1 of openai in 812.5 ms, the first token after 340.0 ms."
    assert said[2].startswith("Escalated: the owned model was not sure enough; it was 0.7100 sure, and answers by itse")
    assert "from 0.9300 on (c1, now)." in said[2]
    assert said[3] == "Cost: $0.00208 in all."


def test_the_threshold_that_held_then_is_told_from_the_one_that_holds_now(home: Home) -> None:
    serving(home)
    later = BEGAN_US + 10**16
    told = explained(
        home, call(1, leg("serve", "owned", confidence=0.97, in_scope=True), owner="owned", started_at_us=later)
    )
    assert told.promise is not None
    assert told.promise.when == "then"
    assert told.way == "owned"
    assert told.reason == ""
    assert told.because == reasons.BY_CODE["sure"].sentence
    assert told.cost_usd == 0
    assert "the owned model s1" in explaining.in_words(told)[1]


def test_an_audit_is_priced_and_is_not_the_answer(home: Home) -> None:
    own = leg("serve", "owned", confidence=0.97, in_scope=True)
    audit = leg("audit", usage=Usage(500, output_tokens=5), agrees=True, answer=SECRET)
    told = explained(home, call(1, own, audit, owner="owned", reason=reasons.SURE, usage=Usage(9, estimated=True)))
    assert [(one.answered, one.cost_usd) for one in told.legs] == [(True, 0), (False, Decimal("0.00104"))]
    assert told.legs[1].agrees


@pytest.mark.parametrize(
    ("made", "way", "because"),
    [
        (call(1, reason=reasons.PAUSED), "rented", "a person has paused owned answers"),
        (call(1, outcome="refused", status=403, owner="none", reason=reasons.RESTRICTED), "refused", "restricted"),
        (call(1, source="import"), "rented", "it was imported"),
        (call(1), "rented", "no reason was recorded"),
        (call(1, outcome="refused", owner="none", status=403), "refused", "no reason was recorded"),
        (call(1, reason="of_a_later_version"), "rented", "no reason was recorded"),
        (call(1, leg("serve", "owned", "error"), leg("escalate")), "escalated", "failed or did not answer"),
        (call(1, leg("serve", "owned", in_scope=False), leg("escalate")), "escalated", "does not resemble"),
        (call(1, leg("serve", "owned", in_scope=True), leg("escalate")), "escalated", "not sure enough"),
        (call(1, leg("shadow", "owned", in_scope=True), leg("serve")), "rented", "no reason was recorded"),
    ],
)
def test_the_way_is_told_as_far_as_it_is_known(home: Home, made: Call, way: str, because: str) -> None:
    told = explained(home, made)
    assert told.way == way
    assert because in told.because
    assert because in " ".join(explaining.in_words(told))


def test_calls_that_went_nowhere_cost_nothing_and_imported_ones_their_tokens(home: Home) -> None:
    refused = call(1, outcome="refused", owner="none", usage=None, reason=reasons.RATE_LIMITED)
    assert explained(home, refused).legs == ()
    assert explaining.in_words(explaining.explain(home, refused.id))[3] == "Cost: nothing; no model was asked."
    cached = call(2, reason=reasons.CACHE_HIT)
    assert explained(home, cached).cost_usd == 0
    assert explained(home, call(3, source="import")).cost_usd == Decimal("0.00208")


def test_an_attempt_is_priced_by_the_name_it_was_asked_by_whatever_the_answer_calls_it(home: Home) -> None:
    told = explained(home, call(1, leg("serve", model="a-name-of-its-own", usage=Usage(1000, output_tokens=10))))
    assert told.legs[0].cost_usd == Decimal("0.00208")


def test_what_nobody_knows_is_said_to_be_unknown(home: Home) -> None:
    told = explained(
        home, call(1, leg("serve"), leg("hedge", provider="another", model="no-such", usage=Usage(1)), usage=None)
    )
    assert [one.cost_usd for one in told.legs] == [None, None]
    assert told.unpriced == 2
    assert explaining.in_words(told)[3] == "Cost: unknown: 2 attempts have no known cost."
    streamed = explained(home, call(3, leg("serve"), usage=None, streamed=True))
    assert "stream_usage" in streamed.legs[0].price.name
    lost = leg("hedge", provider="another", model="no-such", usage=Usage(1))
    half = explained(home, call(2, lost, leg("serve")))
    assert explaining.in_words(half)[3] == "Cost: $0.00208, and more: one attempt has no known cost."


def test_a_client_that_left_pays_for_its_prompt(home: Home) -> None:
    left = leg("serve", outcome="cancelled", usage=Usage(output_tokens=3, estimated=True))
    told = explained(
        home, call(1, left, outcome="cancelled", status=499, usage=Usage(100, output_tokens=3, estimated=True))
    )
    assert told.cost_usd == Decimal("0.000224")
    assert "The client left after 812.5 ms" in explaining.in_words(told)[1]


def test_content_is_shown_only_where_it_is_asked_for(home: Home) -> None:
    audited = call(1, leg("serve", "owned"), leg("audit", answer=SECRET), owner="owned", gold=SECRET)
    told = explained(home, audited)
    assert SECRET not in msgspec.json.encode(told).decode() + "".join(explaining.in_words(told))
    told = explaining.explain(home, audited.id, content=True)
    assert told.content is not None
    assert SECRET in told.content.request
    assert told.content.legs == (None, SECRET)
    assert told.content.gold == SECRET


@pytest.mark.parametrize(
    ("tags", "source", "why"),
    [
        ({}, "import", "imported without its content"),
        ({}, "gateway", "recorded without content"),
        ({CONTENT_TAG: "expired"}, "gateway", "has expired"),
        ({CONTENT_TAG: "erased"}, "import", "was erased"),
    ],
)
def test_a_call_without_content_says_why(
    home: Home, tags: dict[str, str], source: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = explained(home, call(1, request=b"", response=b"", tags=tags, source=source))
    told = explaining.explain(home, told.call_id, content=True)
    assert told.content is not None
    assert why in told.content.missing
    explained_legs(told)
    shown = " ".join(capsys.readouterr().out.split())
    assert why in shown
    assert "Asked" not in shown
    whole = explaining.explain(home, explained(home, call(2)).call_id, content=True)
    assert whole.content is not None
    assert not whole.content.missing
    explained_legs(whole)
    assert "Asked" in capsys.readouterr().out


def test_feedback_is_part_of_it_and_its_words_only_where_content_is_asked_for(home: Home) -> None:
    home.ledger.append([call(1)])
    given = feedbacking.give(home, "call_0", score=0, name="helpful", correction=SECRET, comment=SECRET, by="ann")
    assert given == "Call call_0001: correction, score, comment kept; it is the call's right answer from now on."
    assert "said already" in feedbacking.give(home, "call_0001", score=0, name="helpful", by="ann")
    assert "given its right answer before" not in feedbacking.give(home, "call_0001", gold="billing", by="eve")
    assert "given its right answer before" in feedbacking.give(home, "call_0001", correction="x", by="bob")
    told = explaining.explain(home, "call_0001")
    said = [(one.kind, one.name, one.score, one.given_by, one.via) for one in told.feedback]
    assert ("score", "helpful", 0.0, "ann", "cli") in said
    assert len(said) == 5
    words = explaining.in_words(told)
    assert SECRET not in msgspec.json.encode(told).decode() + "".join(words)
    assert any(line.startswith("Feedback: score helpful 0 by ann, 20") for line in words)
    assert words[-1] == "Its right answer is known."
    shown = explaining.explain(home, "call_0001", content=True).content
    assert shown is not None
    assert shown.feedback.count(SECRET) == 2
    for nothing in ({}, {"name": "helpful"}, {"gold": " "}):
        with pytest.raises(UsageError):
            feedbacking.give(home, "call_0001", **nothing)


def test_the_beginning_of_an_id_is_enough_where_it_is_one_calls_alone(home: Home) -> None:
    home.ledger.append([call(n) for n in range(12)])
    home.ledger.seal(remove_after_s=0)
    home.ledger.append([call(n) for n in range(12, 15)])
    assert explaining.find(home, "call_0003").id == "call_0003"
    assert explaining.find(home, "call_0014").id == "call_0014"
    with pytest.raises(UsageError, match="5 calls or more begin with call_00"):
        explaining.find(home, "call_00")
    home.ledger.append([call(2000), call(1003), call(1004)])
    assert explaining.find(home, "call_2").id == "call_2000"
    with pytest.raises(UsageError, match="the ids of 2 calls begin with call_1") as error:
        explaining.find(home, "call_1")
    assert error.value.hint == "call_1003 call_1004"
    for nothing in ("", "call_9", "%"):
        with pytest.raises(NotFound, match="holds no call"):
            explaining.find(home, nothing)


@pytest.mark.parametrize(
    ("usd", "text"),
    [("0", "$0.00"), ("0.00208", "$0.00208"), ("1.5", "$1.50"), ("0.0000001", "$0.0000001"), ("12", "$12.00")],
)
def test_amounts_are_written_to_the_last_digit(usd: str, text: str) -> None:
    assert explaining.exact(Decimal(usd)) == text
    assert explaining.exact(None) == "unknown"
