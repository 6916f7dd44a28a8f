"""OpenAI's Responses API: what its requests say as chat requests, its counts, its streams, and its own SDK."""

from __future__ import annotations

import json

import msgspec
import openai
import pytest
from tests.support.schemas import check_authored, check_events
from tests.support.upstream import LAST_CHUNK, STREAM_HEAD, Upstream, chunk, http, send

from freehold import errors
from freehold.errors import BadRequest
from freehold.vocabulary import Usage
from freehold.wire.dialects import Read
from freehold.wire.known import CHAT, RESPONSES

USAGE = {
    "input_tokens": 160,
    "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 190,
}
COUNTS = Usage(40, cache_read_tokens=100, cache_write_tokens=20, output_tokens=30, reasoning_tokens=12)


def view(**request):
    return RESPONSES.decode(json.dumps({"model": "m"} | request).encode())


def obstacle(**request):
    return view(**request).obstacle


def said(*texts):
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content}


CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "book", "arguments": '{ "seats": 2 }'}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}


def whole(*output, status="completed", **extra):
    body = {"id": "resp_1", "object": "response", "model": "m-1", "status": status, "output": list(output)}
    return json.dumps(body | {"usage": USAGE} | extra).encode()


def test_the_same_prompt_is_the_same_text_in_both_dialects():
    chat = CHAT.decode(
        json.dumps({"messages": [{"role": "system", "content": "Sort."}, {"role": "user", "content": "Hi."}]}).encode()
    ).chat
    for asked in (
        view(instructions="Sort.", input="Hi."),
        view(instructions="Sort.", input=[{"role": "user", "content": [{"type": "input_text", "text": "Hi."}]}]),
        view(input=[{"role": "system", "content": "Sort."}, {"type": "message", "role": "user", "content": "Hi."}]),
    ):
        assert [(m.role, m.text, m.text_only) for m in asked.chat.messages] == [
            (m.role, m.text, m.text_only) for m in chat.messages
        ]


def test_items_are_the_messages_of_a_chat_with_tools():
    asked = view(
        input=[
            {"role": "user", "content": "Book it."},
            REASONING,
            said("Gladly."),
            CALL,
            CALL | {"call_id": "c2", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "done"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "b"}]},
            REASONING,
            {"type": "custom_tool_call", "call_id": "c3", "name": "shell", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "c3", "output": "files"},
        ]
    ).chat
    assert [(m.role, m.text, m.tool_call_id) for m in asked.messages] == [
        ("user", "Book it.", None),
        ("assistant", "Gladly.", None),
        ("tool", "done", "c1"),
        ("tool", "b", "c2"),
        ("assistant", "", None),
        ("tool", "files", "c3"),
    ]
    assert [call["function"] for call in asked.messages[1].tool_calls] == [
        {"name": "book", "arguments": '{ "seats": 2 }'},
        {"name": "book", "arguments": "{}"},
    ]
    assert asked.messages[4].tool_calls[0]["function"] == {"name": "shell", "arguments": "ls"}
    assert all(message.text_only for message in asked.messages)


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [{"type": "input_image", "image_url": "x"}]},
        {"role": "user", "content": [{"type": "input_file", "file_id": "x"}]},
        {"role": "user", "content": {"odd": 1}},
        {"type": "web_search_call", "id": "ws"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "x"}]},
        {"type": "function_call_output", "call_id": "c", "output": {"odd": 1}},
        {"type": "item_reference", "id": "msg_1"},
    ],
)
def test_what_is_no_text_is_known_as_such(item):
    (message,) = view(input=[item]).chat.messages
    assert not message.text_only


def test_tools_formats_and_limits_are_in_the_form_of_chat_completions():
    schema = {"type": "object"}
    function = {"name": "book", "parameters": schema, "description": "Books."}
    asked = view(
        input="x",
        tools=[{"type": "function", "strict": True, **function}],
        text={"format": {"type": "json_schema", "name": "who", "schema": schema, "strict": True}, "verbosity": "low"},
        max_output_tokens=9,
        temperature=0,
        top_p=0.5,
        metadata={"freehold_task": "triage"},
        reasoning={"effort": "low"},
        store=False,
        include=["reasoning.encrypted_content"],
    )
    assert asked.obstacle == ""
    assert asked.chat.tools == [{"type": "function", "function": function}]
    assert asked.chat.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "who", "schema": schema, "strict": True},
    }
    assert (asked.chat.max_completion_tokens, asked.chat.temperature, asked.chat.top_p) == (9, 0, 0.5)
    assert asked.chat.metadata == {"freehold_task": "triage"}
    choice = view(input="x", tool_choice={"type": "function", "name": "book"}).chat.tool_choice
    assert choice == {"type": "function", "function": {"name": "book"}}
    assert view(input="x", text={"format": {"type": "json_object"}}).chat.response_format == {"type": "json_object"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("background", True),
        ("store", True),
        ("top_logprobs", 2),
        ("moderation", {"model": "x"}),
        ("include", ["message.output_text.logprobs"]),
        ("tools", [{"type": "web_search"}]),
        ("tool_choice", "required"),
        ("input", [{"type": "item_reference", "id": "msg_1"}]),
    ],
)
def test_a_request_names_what_an_owned_model_cannot_give(field, value):
    assert obstacle(**({"input": "x"} | {field: value})) == field
    assert obstacle(input="x", store=False, background=False, tool_choice="auto", tools=[], include=[]) == ""


def test_a_request_of_the_wrong_types_is_refused_without_its_content():
    with pytest.raises(BadRequest) as refused:
        RESPONSES.decode(b'{"instructions":"secret","input":7}')
    assert "secret" not in str(refused.value)


def test_counts_are_disjoint():
    assert RESPONSES.read(whole(said("a"))) == Read("m-1", COUNTS)
    assert RESPONSES.read(whole(usage=None)) == Read("m-1", None)
    assert RESPONSES.read(whole(status="queued")).model == "m-1"
    assert RESPONSES.read(whole(status="failed", error={"code": "server_error"})) is None
    assert RESPONSES.read(b'{"error":{"message":"x"}}') is None
    assert RESPONSES.read(b'{"object":"list","output":[]}') is None


@pytest.mark.parametrize(
    ("output", "extra", "answer", "finish"),
    [
        ([REASONING, said("a", "b")], {}, "ab", "stop"),
        ([said("so: "), CALL], {}, '{"tool_calls":[{"name":"book","arguments":{"seats":2}}]}', "tool_calls"),
        ([CALL | {"arguments": "{cut"}], {}, '{"tool_calls":[{"name":"book","arguments":"{cut"}]}', "tool_calls"),
        ([], {}, "", "stop"),
        ([said("cut o")], {"incomplete_details": {"reason": "max_output_tokens"}}, "cut o", "length"),
        ([said("a")], {"incomplete_details": {"reason": "content_filter"}}, "a", "content_filter"),
        ([said() | {"content": [{"type": "refusal", "refusal": "no"}]}], {}, None, "stop"),
        ([], {"status": "in_progress"}, None, None),
    ],
)
def test_answers_are_canonical_and_reasons_are_those_of_chat_completions(output, extra, answer, finish):
    status = "incomplete" if "incomplete_details" in extra else "completed"
    body = whole(*output, **({"status": status} | extra))
    assert RESPONSES.answer_text(body) == answer
    assert RESPONSES.finish_reason(body) == finish


def come(*pieces):
    assembler = RESPONSES.assembler()
    for piece in pieces:
        assembler.feed(piece)
    return assembler.finish()


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_items_of_every_kind_survive_a_stream(status):
    refusal = said() | {"content": [{"type": "refusal", "refusal": "I would rather not do that."}]}
    body = whole(REASONING, said("one " * 20, "two"), CALL, {"type": "web_search_call", "id": "w"}, refusal,
                 status=status, completed_at=7)  # fmt: skip
    came = come(*RESPONSES.stream_of(body, view()))
    assert json.loads(came.body) == json.loads(body)
    assert (came.usage, came.fault) == (msgspec.structs.replace(COUNTS, web_searches=1), "")


def test_a_stream_that_fails_says_so_and_is_no_answer():
    body = whole(said("a"), status="failed", error={"code": "server_error", "message": "x"})
    came = come(*RESPONSES.stream_of(body, view()))
    assert came.fault == "the provider sent an error in the stream"
    assert came.error_sent
    assert RESPONSES.read(came.body) is None


def test_what_a_cut_stream_had_brought_is_kept():
    body = whole(said("first"), CALL, said("a longer text that is cut in the middle"))
    events = RESPONSES.stream_of(body, view())
    brought = json.loads(come(*events[: [b"the middle" in e for e in events].index(True)]).body)["output"]
    assert brought[0] == said("first")
    assert brought[1] == CALL
    assert brought[2]["status"] == "in_progress"
    assert brought[2]["content"] == [{"type": "output_text", "text": "a longer text that is cu"}]
    at = next(n for n, e in enumerate(events) if b"arguments.delta" in e) + 1
    came = come(*(e.replace(b'"type":"function_call",', b'"type":"function_call","status":"in_progress",')
                  for e in events[:at]))  # fmt: skip
    assert json.loads(came.body)["output"][1]["arguments"] == '{ "seats": 2 }'
    assert came.text_chars == len("first" + '{ "seats": 2 }')
    assert came.usage is None


def test_a_last_event_without_items_gets_those_that_were_sent():
    (*events, last) = RESPONSES.stream_of(whole(said("first")), view())
    document = json.loads(last.split(b"data: ")[1])
    document["response"]["output"] = None
    came = come(*events, b"event: response.completed\ndata: " + json.dumps(document).encode() + b"\n\n")
    assert RESPONSES.answer_text(came.body) == "first"


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (b"", "before the response began"),
        (b'data: {"type":"response.created","response":{}}\n\n', "without response.completed"),
        (b'data: {"type":"response.completed","response":[]}\n\n', "unexpected form"),
        (b'data: {"type":"response.output_item.done","item":{}}\n\n', "unexpected form"),
        (b'data: {"type":"response.completed","response":{"usage":{"input_tokens":"x"}}}\n\n', "usage cannot be read"),
        (b'data: {"error":{"message":"x"}}\n\n', "an error in the stream"),
    ],
)
def test_an_incomplete_stream_is_never_taken_for_a_whole_one(stream, fault):
    assert fault in come(stream).fault


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def client(up):
    with openai.OpenAI(base_url=up.url, api_key="k", max_retries=0) as one:
        yield one


TOOLS = [{"type": "function", "name": "book", "parameters": {"type": "object"}, "strict": False}]
SCHEMA = {"type": "json_schema", "name": "who", "schema": {"type": "object"}, "strict": True}
ASK = {
    "model": "m",
    "input": "hi",
    "instructions": "Be brief.",
    "tools": TOOLS,
    "temperature": 0.5,
    "max_output_tokens": 100,
    "metadata": {"k": "v"},
    "reasoning": {"effort": "low"},
    "text": {"format": SCHEMA, "verbosity": "low"},
    "parallel_tool_calls": False,
}
ANSWERS = {"text": "Good morning to you, and a fine day it is.", "calls":
           '{"tool_calls":[{"name":"book","arguments":{"seats":2}},{"name":"book","arguments":{}}]}'}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_official_client_reads_our_answers_whole_and_streamed(client, up, kind):
    asked = view(**ASK)
    body = RESPONSES.author(asked, call_id="call_1", created_s=1, answer=ANSWERS[kind], usage=Usage(3, output_tokens=4))
    check_authored(RESPONSES.name, body)
    up.play(send(http(200, body)))
    answer = client.responses.create(**ASK)
    assert RESPONSES.answer_text(answer.to_json().encode()) == ANSWERS[kind]
    assert (answer.usage.total_tokens, answer.instructions, answer.metadata) == (7, "Be brief.", {"k": "v"})
    assert answer.tools[0].to_dict() == TOOLS[0] | {"description": None}
    events = RESPONSES.stream_of(body, asked)
    check_events(RESPONSES.name, events)
    up.play(send(STREAM_HEAD, *(chunk(event) for event in events), LAST_CHUNK))
    ask = {name: value for name, value in ASK.items() if name not in {"text", "tools"}}
    with client.responses.stream(**ask) as streamed:
        seen = [event.type for event in streamed]
        final = streamed.get_final_response()
    assert seen[-1] == "response.completed"
    assert final.output_text == answer.output_text
    assert [item.type for item in final.output] == [item.type for item in answer.output]
    assert final.usage == answer.usage


def test_the_official_client_raises_our_errors_typed_whole_and_in_a_stream(client, up):
    up.play(send(http(403, RESPONSES.error_envelope(errors.RestrictedRefused("x")))))
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.responses.create(**ASK)
    assert refused.value.code == "restricted_refused"
    events = RESPONSES.stream_of(whole(said("a")), view())[:3]
    broken = RESPONSES.error_event(errors.UpstreamFailed("it broke off"))
    up.play(send(STREAM_HEAD, *(chunk(event) for event in [*events, broken]), LAST_CHUNK))
    with pytest.raises(openai.APIError, match="it broke off") as raised:
        list(client.responses.create(**ASK, stream=True))
    assert raised.value.code == "upstream_failed"
