"""Contracts: learned despite erring teachers, and breached by what breaks code."""

from __future__ import annotations

import json
import random

import pytest

from freehold.tasks import contracts
from freehold.tasks.kinds import kind_of
from freehold.vocabulary import MessagePattern, Slot, Template

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
