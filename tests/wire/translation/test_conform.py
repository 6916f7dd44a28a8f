"""The check of request bodies finds what it is there to find."""

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat import ChatCompletion
from tests.wire.translation.bodies import raw
from tests.wire.translation.conform import extras, problem

GOOD = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}


def test_a_good_request_has_no_problem():
    assert problem(GOOD, MessageCreateParamsNonStreaming) == ""


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"mood": 1}, "unknown ['mood']"),
        ({"max_tokens": "1"}, "$.max_tokens"),
        ({"max_tokens": True}, "$.max_tokens"),
        ({"messages": [{"role": "king", "content": "a"}]}, "$.messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "$.messages[0].content"),
        ({"tools": [{"name": "n", "input_schema": {"type": "object"}, "mood": 1}]}, "$.tools[0]"),
    ],
)
def test_a_bad_request_has_one(change, found):
    assert found in problem(GOOD | change, MessageCreateParamsNonStreaming)


def test_a_missing_field_is_found():
    assert "max_tokens" in problem({"model": "m", "messages": []}, MessageCreateParamsNonStreaming)


def test_unknown_fields_of_an_answer_are_found():
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "mood": 1}}
    body = {"id": "i", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    assert extras(ChatCompletion.model_validate_json(raw(body))) == ["$.choices[0].message.mood"]
