"""When two answers differ."""

import json

import pytest

from freehold.errors import UsageError
from freehold.evidence.losses import loss, loss_for


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("label", " card arrival\n", "card arrival"),
        ("label", "café", "cafe\u0301"),
        ("text", "one  two\nthree", " one two three"),
        ("json", '{"a": 1, "b": [1, 2]}', '{"b":[1.0,2],"a":1.0}'),
        ("json", '"x"', ' "x" '),
        ("json", "null", "null"),
        (
            "tool_calls",
            '{"tool_calls":[{"name":"f","arguments":{"x":1}}]}',
            '{"tool_calls":[{"arguments":"{\\"x\\":1.0}","name":"f"}]}',
        ),
        ("tool_calls", "I cannot  do that", "I cannot do that"),
        ("tool_calls", '{"answer": 1}', '{"answer": 1}'),
        (
            "tool_calls",
            '{"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}',
            '{"tool_calls":[{"name":"f","arguments":{}}]}',
        ),
    ],
)
def test_equal_answers(name: str, a: str, b: str) -> None:
    assert loss(name)(a, b) is False
    assert loss(name)(b, a) is False


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("label", "Refund", "refund"),
        ("label", "a b", "a  b"),
        ("text", "one two", "two one"),
        ("json", '{"a": 1}', '{"a": true}'),
        ("json", '{"a": 0}', '{"a": false}'),
        ("json", "[1, 2]", "[2, 1]"),
        ("json", "[1]", "[1, 1]"),
        ("json", '{"a": null}', "{}"),
        ("json", '{"a": "x"}', '{"a": "X"}'),
        ("json", '{"a": 1, "a": 1}', '{"a": 1, "a": 1}'),
        ("json", '{"a": {"b": 1, "b": 2}}', '{"a": {"b": 2}}'),
        ("json", "not json", "not json"),
        ("json", "NaN", "NaN"),
        ("json", "1e999", "1e998"),
        ("json", "[" * 100_000, "[" * 100_000),
        ("json", "", ""),
        ("json", "9" * 10_000, "9" * 10_000),
        ("tool_calls", '{"tool_calls":[{"name":"f","arguments":{}}]}', '{"tool_calls":[{"name":"g","arguments":{}}]}'),
        (
            "tool_calls",
            '{"tool_calls":[{"name":"f","arguments":{"x":1}}]}',
            '{"tool_calls":[{"name":"f","arguments":{"x":2}}]}',
        ),
        ("tool_calls", '{"tool_calls":[{"name":"f","arguments":{}}]}', "I cannot do that"),
        ("tool_calls", '{"tool_calls":[{"name":"f"', '{"tool_calls":[{"name":"f"'),
    ],
)
def test_different_answers(name: str, a: str, b: str) -> None:
    assert loss(name)(a, b) is True
    assert loss(name)(b, a) is True


def test_json_that_nests_as_deep_as_the_parser_allows_is_compared() -> None:
    deep = next(text for depth in range(2000, 0, -50) if _parses(text := "[" * depth + "]" * depth))
    assert loss("json")(deep, deep) in {True, False}
    assert loss("json")("[" * 100 + "]" * 100, "[" * 100 + "]" * 100) is False


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except RecursionError:
        return False
    return True


def test_the_loss_follows_the_kind_unless_the_form_is_known() -> None:
    assert [
        loss_for(kind) for kind in ("classification", "extraction", "structured", "tool_choice", "free_text", "?")
    ] == [
        "label",
        "json",
        "json",
        "tool_calls",
        "text",
        "text",
    ]
    assert loss_for("extraction", "text") == "text"
    assert loss_for("extraction", "nonsense") == "json"


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown loss"):
        loss("bleu")
