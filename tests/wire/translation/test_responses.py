"""Clients of OpenAI's Responses, served by everything else."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.wire.translation.bodies import (
    CLAUDE,
    check_answer,
    check_chat_request,
    check_messages_request,
    chunks,
    openai_client,
    raw,
    split,
    translate_stream,
)
from tests.wire.translation.conform import extras
from tests.wire.translation.converse import check_converse_request
from tests.wire.translation.test_chat_to_messages import FULL as MESSAGES_STREAM
from tests.wire.translation.test_chat_to_messages import message
from tests.wire.translation.test_messages_to_chat import FULL as CHAT_STREAM
from tests.wire.translation.test_messages_to_chat import call, chunk, completion
from tests.wire.translation.test_to_converse import FULL as CONVERSE_STREAM
from tests.wire.translation.test_to_converse import answer

from freehold.errors import BadRequest, UpstreamFailed
from freehold.wire.translation import translation

CHAT = translation("openai.responses", "openai.chat")
MESSAGES = translation("openai.responses", "anthropic.messages")
CONVERSE = translation("openai.responses", "bedrock.converse")
TOOL = {"type": "function", "name": "weather", "description": "now", "parameters": {"type": "object"}, "strict": None}
PNG = base64.b64encode(b"\x89PNG").decode()
EVENT = TypeAdapter(ResponseStreamEvent)


def request(*items, **fields):
    given = [{"role": "user", "content": item} if isinstance(item, str) else item for item in items]
    return raw({"model": "gpt-4.1", "input": given} | fields)


def asked(*items, pair=CHAT, **fields):
    done = pair.request(request(*items, **fields))
    return check_chat_request(done.body), done


def refused(*items, **fields):
    with pytest.raises(BadRequest) as caught:
        CHAT.request(request(*items, **fields))
    assert caught.value.error_code == "untranslatable"
    return caught.value.message


def function_call(call_id, arguments="{}"):
    return {"type": "function_call", "call_id": call_id, "name": "weather", "arguments": arguments, "id": "fc_1"}


def output(call_id, result):
    return {"type": "function_call_output", "call_id": call_id, "output": result}


CONVERSATION = (
    {"role": "developer", "content": "be kind"},
    {"role": "user", "content": [{"type": "input_text", "text": "weather?"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "let me see", "annotations": [], "logprobs": []}],
    },
    function_call("a", '{"town": "Ulm"}'),
    function_call("b"),
    output("a", "rain"),
    output("b", [{"type": "input_text", "text": "sun"}]),
    "and?",
)


def test_a_conversation_becomes_chat_messages():
    body, done = asked(
        *CONVERSATION,
        instructions="be brief",
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        max_output_tokens=50,
        temperature=0.5,
        top_p=0.9,
        text={"verbosity": "low"},
        user="u",
    )
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "weather?"},
        {
            "role": "assistant",
            "content": "let me see",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Ulm"}'}},
                {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
        {"role": "tool", "tool_call_id": "b", "content": "sun"},
        {"role": "user", "content": "and?"},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert (body["max_tokens"], body["parallel_tool_calls"], body["verbosity"]) == (50, False, "low")
    assert done.lost == ("input.reasoning",)


def test_a_text_is_a_users_turn():
    done = CHAT.request(raw({"model": "m", "input": "hello"}))
    assert check_chat_request(done.body)["messages"] == [{"role": "user", "content": "hello"}]


def test_the_same_conversation_reaches_the_other_dialects():
    body = check_messages_request(MESSAGES.request(request(*CONVERSATION), model=CLAUDE).body)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    body = check_converse_request(CONVERSE.request(request(*CONVERSATION), model=CLAUDE).body)
    assert [next(iter(block)) for block in body["messages"][1]["content"]] == ["text", "toolUse", "toolUse"]


def test_images_and_files_arrive():
    content = [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "high"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
    ]
    body, done = asked({"role": "user", "content": content})
    assert [part["type"] for part in body["messages"][0]["content"]] == ["image_url", "image_url", "file"]
    assert done.lost == ("input.content.detail",)
    linked = {"role": "user", "content": [{"type": "input_file", "file_url": "https://example.com/a.pdf"}]}
    body = check_messages_request(MESSAGES.request(request(linked), model=CLAUDE).body)
    assert body["messages"][0]["content"][0]["source"] == {"type": "url", "url": "https://example.com/a.pdf"}


def test_a_schema_of_the_answer_the_effort_and_a_summary():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    text = {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}}
    body, done = asked("x", model="o4-mini", text=text, reasoning={"effort": "low", "summary": "auto"})
    assert body["response_format"]["json_schema"] == {"name": "n", "schema": schema, "strict": True}
    assert body["reasoning_effort"] == "low"
    assert done.lost == ()
    assert asked("x", text={"format": {"type": "json_object"}})[0]["response_format"] == {"type": "json_object"}


def test_thoughts_that_only_openai_can_read_again_are_reported():
    assert asked("x", include=["reasoning.encrypted_content", "file_search_call.results"])[1].lost == ("include",)
    assert asked("x", include=["file_search_call.results"])[1].lost == (), "no such tool can have run"


def test_only_allowed_tools_are_offered():
    other = TOOL | {"name": "other"}
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "other"}]}
    body, _ = asked("x", tools=[TOOL, other], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["other"]


@pytest.mark.parametrize(
    ("item", "place"),
    [({"type": "item_reference", "id": "x"}, "input.0.id"), ({"id": "x"}, "input.0.id"),
     ({"type": "web_search_call", "id": "x"}, "input.0.type"),
     ({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, "input.0.content.0.file_id"),
     ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "input.0.content.0.file_id"),
     ({"role": "user", "content": [{"type": "input_audio"}]}, "input.0.content.0.type"),
     (function_call("a") | {"namespace": "n"}, "input.0.namespace")],
)  # fmt: skip
def test_items_that_cannot_be_carried_are_refused_by_their_place(item, place):
    assert refused(item).startswith(place + " ")


def test_an_input_that_asks_nothing_is_refused_by_its_name():
    assert refused().startswith("input ")
    assert refused({"role": "system", "content": "a"}).startswith("input ")
    assert refused("a", {"role": "assistant", "content": "b"}).startswith("input.1 ")


@pytest.mark.parametrize(
    "body",
    [b"", raw({"model": "m"}), raw({"model": "m", "input": 5}), raw({"model": "m", "input": [5]}),
     request({"role": "king", "content": "a"}), request("a", tool_choice="most"), request("a", include="x")],
)  # fmt: skip
def test_what_is_no_responses_request_is_a_bad_request(body):
    with pytest.raises(BadRequest) as caught:
        CHAT.request(body)
    assert caught.value.error_code == "bad_request"


ECHO = {
    "instructions": "be brief",
    "tools": [TOOL],
    "tool_choice": "auto",
    "temperature": 0.5,
    "metadata": {"a": "b"},
    "reasoning": {"effort": "low", "summary": "auto"},
}


def test_an_answer_repeats_what_was_asked():
    remembered = CHAT.request(request("x", **ECHO)).remembered
    body = CHAT.response(completion({"content": "hé", "reasoning_content": "hm"}), remembered)
    done = check_answer(Response, body)
    assert (done.id, done.created_at, done.model, done.status) == ("resp_1", 5, "gpt-4.1", "completed")
    assert (done.output_text, done.instructions, done.temperature) == ("hé", "be brief", 0.5)
    assert [item.type for item in done.output] == ["reasoning", "message"]
    assert done.output[0].summary[0].text == "hm"
    assert (done.usage.input_tokens, done.usage.input_tokens_details.cached_tokens) == (45, 30)
    assert (done.usage.output_tokens_details.reasoning_tokens, done.usage.total_tokens) == (2, 52)


def test_an_answer_with_calls():
    done = check_answer(Response, CHAT.response(completion({"tool_calls": [call("call_1", '{"a":1}')]}, "tool_calls")))
    item = done.output[0]
    assert (item.type, item.call_id, item.name, item.arguments) == ("function_call", "call_1", "weather", '{"a":1}')


@pytest.mark.parametrize(
    ("reason", "status", "details", "last"),
    [("stop", "completed", None, "completed"), ("length", "incomplete", "max_output_tokens", "incomplete"),
     ("content_filter", "incomplete", "content_filter", "completed")],
)  # fmt: skip
def test_status(reason, status, details, last):
    done = check_answer(Response, CHAT.response(completion({"content": "a"}, reason)))
    assert (done.status, done.incomplete_details and done.incomplete_details.reason) == (status, details)
    assert done.output[-1].status == last


def test_answers_of_the_other_dialects():
    done = check_answer(Response, MESSAGES.response(message({"type": "text", "text": "a"})))
    assert (done.id, done.output_text) == ("resp_1", "a")
    details = {"type": "refusal", "explanation": "no"}
    done = check_answer(Response, MESSAGES.response(message(stop="refusal", stop_details=details)))
    assert done.output[0].content[0].refusal == "no"
    assert check_answer(Response, CONVERSE.response(answer({"text": "a"}))).output_text == "a"


def events_of(out):
    """Every event, strictly of its type, numbered without a gap."""
    read = [json.loads(line[6:]) for line in out.splitlines() if line.startswith(b"data: ")]
    names = [line[7:].decode() for line in out.splitlines() if line.startswith(b"event: ")]
    assert names == [event["type"] for event in read]
    assert [event["sequence_number"] for event in read] == list(range(len(read)))
    for event in read:
        assert extras(EVENT.validate_json(raw(event), strict=True)) == []
    return read


@pytest.mark.parametrize(
    ("pair", "stream"), [(CHAT, CHAT_STREAM), (MESSAGES, MESSAGES_STREAM), (CONVERSE, CONVERSE_STREAM)]
)
def test_a_stream_becomes_events_that_the_sdk_reads(pair, stream):
    remembered = pair.request(request("x", stream=True, **ECHO), model=CLAUDE).remembered
    out, error = translate_stream(pair.stream(remembered), [stream])
    assert error is None
    kinds = [event["type"] for event in events_of(out)]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 4
    done = list(openai_client(out).responses.create(model="m", input="x", stream=True))[-1].response
    assert [item.type for item in done.output] == ["reasoning", "message", "function_call", "function_call"]
    assert (done.output[0].summary[0].text, done.output_text) == ("hä", "Grüße")
    assert [json.loads(item.arguments) for item in done.output[2:]] == [{"town": "Ulm"}, {}]
    assert done.instructions == "be brief"
    assert done.usage.output_tokens in (7, 9)
    with openai_client(out).responses.stream(model="m", input="x") as helper:
        text = "".join(event.delta for event in helper if event.type == "response.output_text.delta")
        final = helper.get_final_response()
    assert text == final.output_text == "Grüße"
    assert final.output[2].arguments == done.output[2].arguments


def test_thinking_is_left_out_where_no_summary_was_asked_for():
    out, _ = translate_stream(CHAT.stream(), [CHAT_STREAM])
    added = [event["item"]["type"] for event in events_of(out) if event["type"] == "response.output_item.added"]
    assert added == ["message", "function_call", "function_call"]


def test_refusals_and_cut_answers_in_a_stream():
    out, _ = translate_stream(CHAT.stream(), [chunks(chunk({"refusal": "no"}), chunk({}, "stop"))])
    assert events_of(out)[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]
    out, _ = translate_stream(CHAT.stream(), [chunks(chunk({"content": "a"}), chunk({}, "length"))])
    assert events_of(out)[-1]["type"] == "response.incomplete"


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_however_the_stream_is_split_the_client_gets_the_same(cuts):
    remembered = CHAT.request(request("x", stream=True)).remembered
    whole = translate_stream(CHAT.stream(remembered), [CHAT_STREAM])
    assert translate_stream(CHAT.stream(remembered), split(CHAT_STREAM, cuts)) == whole


def test_a_cut_stream_has_no_end_and_an_error_is_an_event():
    out, error = translate_stream(CHAT.stream(), [CHAT_STREAM[:-20]])
    assert (error, b"response.completed" in out) == (None, False)
    broken = chunks(chunk({"content": "a"}), {"error": {"message": "busy", "code": "rate_limit_exceeded"}})
    out, error = translate_stream(CHAT.stream(), [broken])
    assert error is None
    last = events_of(out)[-1]
    assert (last["type"], last["message"], last["code"]) == ("error", "busy", "rate_limit_exceeded")
    out, error = translate_stream(CHAT.stream(), [chunks(chunk({"content": "a"}))])
    assert isinstance(error, UpstreamFailed)
    assert b"response.completed" not in out
