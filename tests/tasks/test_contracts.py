"""Contracts: learned despite erring teachers, and breached by what breaks code."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from freehold.tasks import contracts
from freehold.tasks._schema import learn_schema
from freehold.tasks._tally import tally
from freehold.tasks.closed import chao, good_turing, unseen
from freehold.tasks.contracts import Given
from freehold.tasks.kinds import kind_of
from freehold.tasks.languages import language
from freehold.vocabulary import Contract, MessagePattern, Slot, Template

LABELS = [f"label_{i}" for i in range(20)]


def prompt(text: str) -> Template:
    return Template("v1", (MessagePattern("system", (text,)), MessagePattern("user", (Slot("user"),))))


def test_listed_labels_are_the_rule_even_those_never_given() -> None:
    rng = random.Random(1)
    answers = [rng.choice(LABELS[:15]) for _ in range(900)] + [f"off the list {i % 30}" for i in range(100)]
    lines = prompt("Choose one of these:\n" + "\n".join(f"- {label}" for label in LABELS) + "\nNothing else.")
    row = prompt(f"Choose one of: {', '.join(LABELS[:-1])} or {LABELS[-1]}. Nothing else.")
    for template in (lines, row):
        learned = contracts.learn(answers, templates=[template])
        assert learned.form == "label"
        assert set(learned.labels) == set(LABELS)
        assert learned.support["labels"] == 900
    assert contracts.check(learned, "label_17") is None
    assert contracts.check(learned, "label_99") is not None


@pytest.mark.parametrize(
    ("prompt", "labels"),
    [
        ("Is this review happy, neutral or angry? One word.", {"happy", "neutral", "angry"}),
        ("Is the message urgent, normal or low! Answer with one word.", {"urgent", "normal", "low"}),
        ("Choose: billing, shipping, returns (or other) and answer.", {"billing", "shipping", "returns", "other"}),
        ("Reply positive, negative, or mixed; use unknown where you cannot tell.", {"positive", "mixed", "unknown"}),
    ],
)
def test_a_label_that_is_often_given_is_never_lost_however_the_sentence_ends(prompt: str, labels: set[str]) -> None:
    template = Template("v1", (MessagePattern("system", (prompt,)), MessagePattern("user", (Slot("text"),))))
    contract = contracts.learn(sorted(labels) * 100, templates=(template,))
    assert contract.form == "label"
    assert labels <= set(contract.labels)


@pytest.mark.parametrize("given", [3, 4])
@pytest.mark.parametrize(
    "prompt",
    [
        "You triage. Choose one of: water, glass, theft, query. Answer in one word. Claims are in German or French.",
        "Klassen: water | glass | theft | query. Nenne nur die Klasse, ohne Satzzeichen, ohne Begründung.",
        "Sort it (be quick, be exact). It is water, glass, theft or query! Never say sorry, maybe, or why.",
    ],
)
def test_a_list_in_one_of_several_sentences_ends_where_its_sentence_does(prompt: str, given: int) -> None:
    labels = ["water", "glass", "theft", "query"]
    template = Template("v1", (MessagePattern("system", (prompt,)), MessagePattern("user", (Slot("text"),))))
    contract = contracts.learn(labels[:given] * 100, templates=(template,))
    assert set(contract.labels) == set(labels)


def test_labels_that_no_prompt_lists_need_support() -> None:
    answers = ["yes"] * 500 + ["no"] * 490 + [f"well, {i}" for i in range(10)]
    assert contracts.learn(answers).labels == ("no", "yes")


def test_json_has_enums_types_and_required_keys() -> None:
    rng = random.Random(2)
    inputs = [(f"book for {name} at {rng.randint(1, 12)}",) for name in rng.choices(["Ana", "Bo", "Cy"], k=200)]
    values = [
        {"intent": rng.choice(["book", "cancel"]), "name": text.split()[2], "n": i}
        | ({"note": f"free {rng.random()}"} if i % 3 else {})
        for i, (text,) in enumerate(inputs)
    ]
    answers = [json.dumps(value) for value in values]
    learned = contracts.learn(["oops", *answers], inputs=[("",), *inputs])
    assert learned.json_schema is not None
    properties = learned.json_schema["properties"]
    assert properties["intent"]["enum"] == ["book", "cancel"]
    assert "enum" not in properties["name"], "copied from the input, so not closed"
    assert learned.json_schema["required"] == ["intent", "n", "name"]
    assert learned.json_schema["additionalProperties"] is False
    assert all(contracts.check(learned, answer) is None for answer in answers)
    for broken in ("oops", '{"intent": "buy", "name": "x", "n": 1}', '{"intent": "book", "name": "x"}', "[]"):
        assert contracts.check(learned, broken) is not None


def test_tools_are_known_by_name_and_arguments() -> None:
    def called(name: str, arguments: object) -> str:
        return json.dumps({"tool_calls": [{"name": name, "arguments": arguments}]})

    learned = contracts.learn([called("find", {"order": f"o{i}"}) for i in range(40)] + ["How can I help?"] * 20)
    assert learned.form == "tool_calls"
    assert contracts.check(learned, called("find", {"order": "o99"})) is None
    assert contracts.check(learned, "Anything else?") is None
    assert contracts.check(learned, called("find", {"order": 7})) is not None
    assert contracts.check(learned, called("delete", {})) is not None


def test_text_has_a_length_and_reasons_to_end() -> None:
    learned = contracts.learn([f"A reply of {i} words. " * 5 for i in range(50)], finish_reasons=["stop"] * 50)
    assert learned.form == "text"
    assert learned.finish_reasons == ("stop",)
    assert contracts.check(learned, "A short reply.") is None
    assert contracts.check(learned, "long " * 200) is not None
    assert contracts.check(learned, " ") is not None


def test_a_breach_holds_nothing_of_the_answer_and_versions_follow_clauses() -> None:
    answers = [json.dumps({"a": i}) for i in range(50)]
    learned = contracts.learn(answers)
    assert "secret" not in (contracts.check(learned, '{"a": "secret"}') or "secret")
    assert learned.version == contracts.learn(answers[:40]).version
    assert learned.version != contracts.learn([json.dumps({"b": i}) for i in range(50)]).version


def test_tools_that_are_offered_and_never_called_make_no_choice_of_tools() -> None:
    called = '{"tool_calls":[{"name":"look_up","arguments":{}}]}'
    inputs = [("some text",)] * 200
    assert kind_of(["yes", "no"] * 100, inputs, tools=True) == "classification"
    assert kind_of(["yes", called] * 100, inputs, tools=True) == "tool_choice"


def test_every_clause_says_how_many_answers_support_it() -> None:
    rng = random.Random(3)
    values = [
        {"day": f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}", "to": f"a{i}@example.com", "n": str(i)}
        | ({"vat": rng.choice(["yes", "no", None])} if i % 4 else {})
        for i in range(400)
    ]
    values[7]["to"] = "nobody"
    given = [
        Given(json.dumps(value), "stop" if i else "length", 300.0 + i, ("END",) if i % 2 else ())
        for i, value in enumerate(values)
    ]
    learned = contracts.learn(given, n_seen=4000, between_us=(1, 2))
    assert learned.json_schema is not None
    properties = learned.json_schema["properties"]
    assert properties["day"] == {"type": "string", "format": "date"}
    assert properties["n"] == {"type": "string", "format": "integer-text"}
    assert "format" not in properties["to"], "one answer has none, so it is no format"
    assert properties["vat"]["enum"] == ["no", "yes", None]
    clauses = {clause.name: clause for clause in learned.clauses}
    assert (clauses["/day format"].n, clauses["/day format"].kept) == (400, 400)
    assert (clauses["/vat enum"].n, clauses["/vat enum"].kept) == (300, 300)
    assert clauses["/vat type"].rule == "is null or string; optional, there in 75.0 %"
    assert (clauses["finish reason"].kept, clauses["not cut off"].kept) == (400, 399)
    assert (clauses["stops where asked"].n, clauses["stops where asked"].kept) == (200, 200)
    assert (learned.latency_class, clauses["latency"].n) == ("instant", 400)
    assert (learned.n_answers, learned.n_seen, learned.until_us) == (400, 4000, 2)
    assert contracts.check(learned, json.dumps(values[1] | {"day": "2026-02-30"})) is not None


def test_a_set_that_keeps_growing_is_not_taken_for_closed() -> None:
    closed = [json.dumps({"v": f"v{i % 12}"}) for i in range(600)]
    growing = [json.dumps({"v": f"v{i // 20}"}) for i in range(600)]
    for answers, has in ((closed, True), (growing, False)):
        schema = contracts.learn(answers).json_schema
        assert schema is not None
        assert ("enum" in schema["properties"]["v"]) is has
    seen = unseen([f"v{i // 20}" for i in range(600)])
    assert (seen.distinct, seen.held_back, seen.outside) == (30, 300, 300)
    assert good_turing(unseen(["a", "b", "b", "c"])) == 0.5
    assert chao(unseen(["a", "b", "c", "c"])) == 3 + 2 * 1 / (2 * 2)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(["a", "b", "2026-01-02", "7"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(_VALUES, min_size=1, max_size=40), st.lists(_VALUES, max_size=5))
def test_clauses_and_the_validator_say_the_same_of_every_value(taught: list[Any], others: list[Any]) -> None:
    schema = learn_schema(taught, [None] * len(taught))
    validator = Draft202012Validator(schema)
    for value in (*taught, *others):
        assert all(kept for _, kept in tally(schema, value)) == validator.is_valid(value), (schema, value)


@given(st.lists(st.sampled_from(["yes", "no", '{"a": 1}', '{"a": "2026-01-02", "b": []}', "A text.", " "]), min_size=1))
def test_an_answer_that_taught_a_contract_breaks_no_more_than_was_counted(answers: list[str]) -> None:
    learned = contracts.learn(answers)
    broken: Counter[str] = Counter()
    for answer in answers:
        judged = contracts.judge(learned, Given(answer))
        broken.update(name for name, kept in judged.items() if not kept)
        if all(judged.values()):
            assert contracts.check(learned, answer) is None
    assert broken == Counter({c.name: c.n - c.kept for c in learned.clauses if c.kept < c.n})


@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": st.uuids().map(str), "n": st.integers()},
            optional={"at": st.dates().map(str), "tags": st.lists(st.text(max_size=4), max_size=3), "e": st.emails()},
        ),
        min_size=1,
        max_size=20,
    )
)
def test_answers_of_one_form_never_break_the_contract_they_taught(values: list[dict[str, Any]]) -> None:
    answers = [json.dumps(value) for value in values] * 2
    learned = contracts.learn(answers)
    assert all(all(contracts.judge(learned, Given(answer)).values()) for answer in answers)
    assert all(contracts.check(learned, answer) is None for answer in answers)


def test_what_a_newer_contract_says_otherwise_is_told_in_words() -> None:
    old = contracts.learn([json.dumps({"kind": ["a", "b"][i % 2], "n": i}) for i in range(200)])
    new = contracts.learn(
        [json.dumps({"kind": ["a", "c", "b"][i % 3], "why": "x" * i} | ({"n": i} if i % 3 else {})) for i in range(200)]
    )
    told = {(d.kind, d.clause, d.text) for d in contracts.differences(old, new)}
    assert told == {
        ("loosened", "/kind enum", "also c"),
        ("loosened", "/n required", "not always there"),
        ("added", "/why", "a key, string, always"),
    }
    assert contracts.differences(old, old) == ()
    text = contracts.learn(["some words"] * 3 + [f"other words {i} of an answer" for i in range(90)])
    assert [d.kind for d in contracts.differences(old, text)] == ["changed"]


def test_a_contract_stored_by_an_earlier_version_is_still_read() -> None:
    stored = b'{"version":"c1","form":"label","n_answers":9,"labels":["a"],"max_chars":1,"support":{"labels":9}}'
    old = msgspec.json.decode(stored, type=Contract)
    assert contracts.check(old, "a") is None
    assert contracts.judge(old, Given("b", "stop", 3.0)) == {"labels": False}


def test_the_language_of_texts_is_told_or_left_open() -> None:
    assert language("The customer has not received the parcel yet, and asks where it is.") == "en"
    assert language("Der Kunde hat seine Bestellung noch nicht erhalten und fragt, wo sie bleibt.") == "de"
    assert language("ok") == ""
    given = [Given(f"Thank you for writing, number {i}.", language="en") for i in range(60)]
    learned = contracts.learn(given)
    assert learned.languages == ("en",)
    assert contracts.judge(learned, Given("Danke fuer Ihre Nachricht.", language="de"))["language"] is False
