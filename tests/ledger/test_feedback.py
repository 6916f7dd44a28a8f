"""Feedback is kept with who said it, once however often it is sent, and turns into gold where it can."""

from __future__ import annotations

import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call
from tests.support.older_home import older_home

from freehold.errors import LedgerUnavailable, NotFound
from freehold.ledger import Ledger, feedback
from freehold.ledger.exporting import export_calls
from freehold.ledger.feedback import attach, has_form_of
from freehold.ledger.importing import import_file
from freehold.vocabulary import Feedback
from freehold.vocabulary.feedback import statements

CALL = "call-00000001"


def say(ledger: Ledger, call_id: str = CALL, *, by: str = "ann", **said: Any) -> int:
    return attach(ledger.home, call_id, statements(call_id, given_by=by, via="cli", **said))


def said_of(ledger: Ledger, call_id: str = CALL) -> list[tuple[str, str, str | float, str]]:
    return [(one.kind, one.name, one.value, one.given_by) for one in ledger.feedback([call_id]).get(call_id, [])]


def answering(text: str, number: int = 1, **more: Any) -> Any:
    response = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    return make_call(number, response=json.dumps(response).encode(), gold=None, **more)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path)
    ledger.append([make_call(n) for n in range(4)])
    return ledger


def test_everything_that_is_said_at_once_is_kept_with_who_said_it(ledger: Ledger) -> None:
    before = time.time_ns() // 1000
    assert say(ledger, score=0.5, name="helpful", correction="billing", comment="too short") == 3
    assert sorted(said_of(ledger)) == [
        ("comment", "helpful", "too short", "ann"),
        ("correction", "", "billing", "ann"),
        ("score", "helpful", 0.5, "ann"),
    ]
    (one, *_) = ledger.feedback([CALL])[CALL]
    assert one.via == "cli"
    assert before <= one.at_us <= time.time_ns() // 1000
    assert ledger.feedback(["call-00000002"]) == {}


def test_saying_it_again_changes_nothing_and_something_else_takes_it_back(ledger: Ledger) -> None:
    assert say(ledger, score=1.0) == 1
    first = ledger.feedback([CALL])
    assert say(ledger, score=1.0) == 0
    assert ledger.feedback([CALL]) == first
    assert say(ledger, score=0.0) == 1
    assert say(ledger, score=1.0, by="bob") == 1
    assert say(ledger, score=3.0, name="tone") == 1
    assert sorted(said_of(ledger)) == [
        ("score", "", 0.0, "ann"),
        ("score", "", 1.0, "bob"),
        ("score", "tone", 3.0, "ann"),
    ]


def test_a_correction_is_gold_until_somebody_gives_gold(ledger: Ledger) -> None:
    say(ledger, correction="first", by="user")
    assert ledger.get(CALL).gold == "first"
    say(ledger, correction="second", by="user")
    assert ledger.get(CALL).gold == "second"
    say(ledger, gold="the expert's")
    say(ledger, correction="third", by="user")
    assert ledger.get(CALL).gold == "the expert's"
    say(ledger, gold="on second thoughts")
    assert [call.gold for call in ledger.calls() if call.id == CALL] == ["on second thoughts"]
    assert ("correction", "", "third", "user") in said_of(ledger)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_correction_never_takes_the_place_of_gold_that_came_with_the_call(ledger: Ledger, sealed: bool) -> None:
    if sealed:
        ledger.seal(remove_after_s=0)
    say(ledger, "call-00000000", correction="wrong again")
    assert ledger.get("call-00000000").gold == "right ✓"
    say(ledger, "call-00000000", gold="better")
    assert ledger.get("call-00000000").gold == "better"


@pytest.mark.parametrize("sealed", [False, True])
def test_a_correction_of_another_form_is_kept_and_is_no_gold(ledger: Ledger, sealed: bool) -> None:
    ledger.append([answering('{"city": "Bern"}', 50)])
    if sealed:
        ledger.seal(remove_after_s=0)
    say(ledger, "call-00000050", correction="it should be Basel")
    assert ledger.get("call-00000050").gold is None
    assert said_of(ledger, "call-00000050") == [("correction", "", "it should be Basel", "ann")]
    say(ledger, "call-00000050", correction='{"city":"Basel"}')
    assert ledger.get("call-00000050").gold == '{"city":"Basel"}'
    say(ledger, "call-00000050", correction='{"city":"Zug"}')
    assert ledger.get("call-00000050").gold == '{"city":"Zug"}'


@pytest.mark.parametrize(
    ("correction", "answer", "has"),
    [
        ("billing", "shipping", True),
        ("billing", "a long\nanswer", True),
        ("  ", "shipping", False),
        ("anything", None, True),
        ("", None, False),
        ('{"a":1}', '{"a": 2}', True),
        ("[1]", '{"a": 2}', False),
        ("[1]", "[]", True),
        ('{"a":1}', "[]", False),
        ('{"tool_calls":[]}', '{"a": 2}', False),
        ('{"tool_calls":[]}', '{"tool_calls":[{"name":"x","arguments":{}}]}', True),
        ("no", '{"tool_calls":[]}', False),
        ("7", "12", True),
        ("[" * 100_000, "[1]", False),
    ],
)
def test_the_form_of_a_correction(correction: str, answer: str | None, has: bool) -> None:
    assert has_form_of(correction, answer) is has


@given(st.text(), st.text())
def test_the_form_of_any_correction_can_be_told(correction: str, answer: str) -> None:
    assert has_form_of(correction, answer) in (True, False)


def test_an_unknown_call_is_not_found(ledger: Ledger) -> None:
    ledger.seal()
    for unknown in ("call-9", "", "call_zzz"):
        with pytest.raises(NotFound):
            say(ledger, unknown, score=1.0)
    with pytest.raises(NotFound):
        attach(ledger.home / "elsewhere", CALL, statements(CALL, score=1.0))
    assert ledger.feedback([CALL]) == {}


@pytest.mark.parametrize("sealed", [False, True])
def test_a_virtual_key_speaks_of_its_own_calls_alone(ledger: Ledger, sealed: bool) -> None:
    ledger.append([answering("refund", 51, key="team-a"), answering("refund", 52)])
    if sealed:
        ledger.seal(remove_after_s=0)
    for call_id, by, via in (
        ("call-00000051", "team-a", "gateway"),
        ("call-00000051", "ann", "cli"),
        ("call-00000052", "team-b", "gateway"),
        ("call-00000052", "", "gateway"),
    ):
        assert attach(ledger.home, call_id, statements(call_id, score=1.0, given_by=by, via=via)) == 1
    for by in ("team-b", ""):
        with pytest.raises(NotFound):
            attach(ledger.home, "call-00000051", statements("call-00000051", score=1.0, given_by=by, via="gateway"))


def test_a_call_that_was_answered_just_now_is_waited_for(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()
    look = feedback._find

    def watched(*args: Any) -> Any:
        found = look(*args)
        looked.set()
        return found

    monkeypatch.setattr(feedback, "_find", watched)
    ident = f"call_{time.time_ns() // 1000:014x}00000000000000ff"
    kept: list[int] = []
    thread = threading.Thread(
        target=lambda: kept.append(attach(ledger.home, ident, statements(ident, score=1.0), wait_s=30.0))
    )
    thread.start()
    assert looked.wait(10)
    ledger.append([make_call(60, id=ident)])
    thread.join(20)
    assert kept == [1]


def test_a_call_of_long_ago_or_of_another_product_is_not_waited_for(ledger: Ledger) -> None:
    old = f"call_{time.time_ns() // 1000 - 10**10:014x}00000000000000ff"
    for unknown in (old, "call_ffffffffffffff00", "chatcmpl-1"):
        began = time.monotonic()
        with pytest.raises(NotFound):
            attach(ledger.home, unknown, statements(unknown, score=1.0), wait_s=60.0)
        assert time.monotonic() - began < 30


def test_queries_see_it(ledger: Ledger) -> None:
    assert ledger.query("SELECT count(*) FROM feedback").rows == ((0,),)
    say(ledger, score=0.0, name="helpful", correction="billing")
    rows = ledger.query(
        "SELECT f.kind, f.name, f.score, f.text, f.given_by, f.via, c.id, c.gold"
        " FROM feedback f JOIN calls c USING (id)"
        " WHERE f.said_at >= c.started_at - INTERVAL 40 YEAR ORDER BY kind"
    ).rows
    assert rows == (
        ("correction", "", None, "billing", "ann", "cli", CALL, "billing"),
        ("score", "helpful", 0.0, None, "ann", "cli", CALL, "billing"),
    )


def test_an_export_and_its_import_keep_it(ledger: Ledger, tmp_path: Path) -> None:
    say(ledger, score=0.25, name="helpful", correction="billing", comment="short")
    say(ledger, "call-00000003", gold="x", by="bob")
    log = tmp_path / "log.jsonl"
    with log.open("wb") as file:
        export_calls(ledger.calls(), file, ledger.feedback)
    other = Ledger(tmp_path / "other")
    for _ in range(2):
        import_file(other, log)
        assert list(other.calls()) == list(ledger.calls())
        ids = [call.id for call in ledger.calls()]
        assert other.feedback(ids) == ledger.feedback(ids)
    without = io.BytesIO()
    export_calls(ledger.calls(), without)
    assert b"helpful" not in without.getvalue()


def test_gold_of_an_older_version_goes_on_holding(tmp_path: Path) -> None:
    ledger = Ledger(older_home(tmp_path))
    assert ledger.feedback([CALL]) == {}
    say(ledger, correction="a user's")
    assert ledger.get(CALL).gold == "a gold answer"
    say(ledger, gold="another")
    assert ledger.get(CALL).gold == "another"


def test_what_cannot_be_written_is_a_typed_error(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "ledger/gold.db").write_bytes(b"no database" * 500)
    with pytest.raises(LedgerUnavailable) as error:
        say(ledger, score=1.0)
    assert error.value.error_code == "ledger_unwritable"


def test_a_statement_without_a_time_gets_the_present_one_and_one_with_a_time_keeps_it(ledger: Ledger) -> None:
    feedback.restore(ledger.home, [Feedback(CALL, "score", 1.0, at_us=5)])
    assert [one.at_us for one in ledger.feedback([CALL])[CALL]] == [5]
    assert ledger.get(CALL).gold is None
