"""What teaches and what judges: no call is on both sides, whatever the traffic looks like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freehold.services.examples import GOLD_HELD_OUT_MAX, gather, split
from freehold.vocabulary import Call, Example, Match


@given(st.lists(st.tuples(st.integers(0, 10**6), st.booleans()), max_size=400))
def test_held_out_and_training_never_meet(rows: list[tuple[int, bool]]) -> None:
    examples = tuple(
        Example(f"c{n}", ("text",), "a", "a" if gold else None, at) for n, (at, gold) in enumerate(sorted(rows))
    )
    made = split(examples)
    train = {e.id for e in made.train}
    assert not train & {e.id for e in made.held_out}
    assert not train & {e.id for e in made.gold}
    assert all(e.gold is not None for e in made.gold)
    assert len(made.gold) <= GOLD_HELD_OUT_MAX + len(made.held_out)
    assert train | {e.id for e in (*made.held_out, *made.gold)} == {e.id for e in examples}
    if made.held_out and made.train:
        assert max(e.started_at_us for e in made.train) <= made.from_us
    assert split(examples) == made


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
