"""What teaches and what judges: no call is on both sides, whatever the traffic looks like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freehold.services.examples import Gathered, coin, draw, gather, split
from freehold.vocabulary import Call, Example, Leg, Match


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans(), st.booleans()), max_size=400))
def test_held_out_and_training_never_meet(rows: list[tuple[int, bool, bool]]) -> None:
    examples = tuple(
        Example(f"c{n}", ("text",), "a", "a" if gold else None, at) for n, (at, gold, _) in enumerate(sorted(rows))
    )
    selected = frozenset(f"c{n}" for n, (_, _, chosen) in enumerate(sorted(rows)) if chosen)
    made = split(Gathered(examples, (), {}, {}, selected, {}))
    train = {e.id for e in made.train}
    assert not train & {e.id for e in made.held_out}
    assert not train & {e.id for e in made.gold}
    assert not selected & {e.id for e in made.held_out}
    assert all(e.gold is not None for e in made.gold)
    assert all(draw(e.id) < made.gold_below or e in made.held_out for e in made.gold)
    assert train | {e.id for e in (*made.held_out, *made.gold)} == {e.id for e in examples}
    if made.held_out:
        assert all(e.started_at_us <= made.from_us for e in made.train if e.id not in selected)


def _call(**changes: object) -> Call:
    body = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}'
    fields: dict[str, object] = {
        "id": "c1",
        "started_at_us": 1,
        "latency_ms": 1.0,
        "provider": "p",
        "model": "m",
        "request": b"{}",
        "response": body,
    }
    return Call(**(fields | changes))  # type: ignore[arg-type]


KNOWN = Match("t1", "v1", ("input",), "template")
NEAR = Match("t1", "", ("input",), "nearest")


def test_only_whole_rented_answers_of_known_prompts_teach() -> None:
    pairs = [
        (_call(), KNOWN),
        (_call(owner="owned"), KNOWN),
        (_call(outcome="incomplete"), KNOWN),
        (_call(outcome="error", status=500, response=b"{}"), KNOWN),
        (_call(), NEAR),
        (_call(), None),
        (_call(response=b"{}"), KNOWN),
    ]
    gathered = gather(pairs)
    assert [e.answer for e in gathered.examples] == ["yes"]
    assert gathered.left_out == {
        "answered by an owned model": 1,
        "failed or incomplete": 2,
        "unknown prompt version": 2,
        "no answer": 1,
    }


def _owned_leg(confidence: float) -> Leg:
    return Leg("serve", "owned", "owned", "st-1", "ok", confidence=confidence)


def test_what_escalated_teaches_and_only_the_audited_share_of_it_judges() -> None:
    """After a promotion the rented answers left are the hard ones: alone they would judge traffic that is not there."""
    ids = [f"call_{n:014x}{(n * 0x9E3779B97F4A7C15) % 2**64:016x}" for n in range(4000)]
    pairs = [
        (_call(id=ident, legs=(_owned_leg(0.1), Leg("escalate", "rented", "p", "m", "ok"))), KNOWN) for ident in ids
    ]
    gathered = gather(pairs, audit_share=0.25)
    assert len(gathered.examples) == 4000
    judging = 4000 - len(gathered.selected)
    assert 0.2 < judging / 4000 < 0.3
    assert gathered.selected == {ident for ident in ids if not coin(ident, 0.25)}


def test_an_audited_owned_answer_teaches_with_the_audits_answer() -> None:
    audit = Leg("audit", "rented", "p", "m-large", "ok", answer="no", agrees=False)
    gathered = gather([(_call(owner="owned", legs=(_owned_leg(0.9), audit)), KNOWN)])
    assert [e.answer for e in gathered.examples] == ["no"]
    assert gathered.teacher == "m-large"
    assert not gathered.selected


def test_gold_on_an_owned_answer_judges_and_does_not_teach() -> None:
    gathered = gather([(_call(owner="owned", gold="no", legs=(_owned_leg(0.9),)), KNOWN)])
    assert not gathered.examples
    assert [e.gold for e in gathered.judged] == ["no"]
