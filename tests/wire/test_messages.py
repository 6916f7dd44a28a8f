"""Anthropic's Messages API: what its requests say as chat requests, its counts, its streams, and its own SDK."""

from __future__ import annotations

import json

import anthropic
import pytest
from tests.support.upstream import LAST_CHUNK, STREAM_HEAD, Upstream, chunk, http, send

from freehold import errors
from freehold.errors import BadRequest
from freehold.vocabulary import Usage
from freehold.wire.dialects import Read
from freehold.wire.known import CHAT, MESSAGES

USAGE = {
    "input_tokens": 40,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
    "output_tokens": 30,
    "output_tokens_details": {"thinking_tokens": 12},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    "service_tier": "standard",
}
COUNTS = Usage(
    40,
    cache_read_tokens=100,
    cache_write_tokens=5,
    cache_write_1h_tokens=15,
    output_tokens=30,
    reasoning_tokens=12,
    web_searches=2,
)


def view(**request):
    return MESSAGES.decode(json.dumps({"model": "m", "max_tokens": 9, "messages": []} | request).encode())


def obstacle(**request):
    return view(**request).obstacle


def whole(*blocks, reason="end_turn", **extra):
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks)}
    return json.dumps(body | {"stop_reason": reason, "stop_sequence": None, "usage": USAGE} | extra).encode()


def text(said):
    return {"type": "text", "text": said}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def test_the_same_prompt_is_the_same_text_in_both_dialects():
    chat = CHAT.decode(
        json.dumps({"messages": [{"role": "system", "content": "Sort."}, {"role": "user", "content": "Hi."}]}).encode()
    ).chat
    cached = {"type": "text", "text": "Sort.", "cache_control": {"type": "ephemeral"}}
    for system, content in (("Sort.", "Hi."), ([cached], [text("Hi.")])):
        asked = view(system=system, messages=[{"role": "user", "content": content}]).chat
        assert [(m.role, m.text, m.text_only) for m in asked.messages] == [
            (m.role, m.text, m.text_only) for m in chat.messages
        ]


def test_tools_and_their_results_become_messages_of_their_own():
    result = {"type": "tool_result", "tool_use_id": "t1"}
    asked = view(
        messages=[
            user(text("Book it."), text("Now.")),
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    text("Gladly."),
                    {"type": "tool_use", "id": "t1", "name": "book", "input": {"seats": 2}},
                ],
            },
            user(result | {"content": "done"}, result | {"content": [text("a"), text("b")]}, result, text("Thanks.")),
            {"role": "system", "content": [text("Be brief.")]},
        ]
    ).chat
    assert [(m.role, m.text) for m in asked.messages] == [
        ("user", "Book it.\nNow."),
        ("assistant", "Gladly."),
        ("tool", "done"),
        ("tool", "a\nb"),
        ("tool", ""),
        ("user", "Thanks."),
        ("system", "Be brief."),
    ]
    assert asked.messages[1].tool_calls == [
        {"id": "t1", "type": "function", "function": {"name": "book", "arguments": '{"seats": 2}'}}
    ]
    assert asked.messages[2].tool_call_id == "t1"
    assert all(message.text_only for message in asked.messages)


@pytest.mark.parametrize(
    ("block", "said", "plain"),
    [
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}, "", False),
        ({"type": "document", "source": {"type": "base64", "data": "AA"}, "title": "t"}, "", False),
        ({"type": "document", "source": {"type": "text", "data": "d"}, "title": "t", "context": "c"}, "t\nc\nd", True),
        ({"type": "document", "source": {"type": "content", "content": "d"}}, "d", True),
        ({"type": "document", "source": {"type": "content", "content": [text("d"), text("e")]}}, "d\ne", True),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}}, "", False),
        ({"type": "search_result", "source": "https://x", "title": "t", "content": [text("d")]}, "t\nd", True),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {}}]}, "", False),
        ({"type": "tool_result", "tool_use_id": "t", "content": {"type": "odd"}}, "", False),
        ({"type": "tool_result", "tool_use_id": "t", "content": [1]}, "", False),
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}, "", False),
        ({"type": "web_search_tool_result", "tool_use_id": "s", "content": {"type": "error"}}, "", False),
    ],
)
def test_what_is_no_text_is_known_as_such(block, said, plain):
    (message,) = view(messages=[user(block)]).chat.messages
    assert (message.text, message.text_only) == (said, plain)


def test_tools_formats_and_limits_are_in_openais_form():
    schema = {"type": "object", "title": "Order"}
    asked = view(
        tools=[{"name": "book", "description": "Books.", "input_schema": schema, "type": "custom", "strict": True}],
        tool_choice={"type": "auto"},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": schema}},
        metadata={"user_id": "u", "freehold_task": "triage"},
        temperature=0,
        top_p=0.5,
        thinking={"type": "adaptive"},
        service_tier="auto",
    )
    assert asked.obstacle == ""
    assert asked.chat.tools == [
        {"type": "function", "function": {"name": "book", "parameters": schema, "description": "Books."}}
    ]
    assert asked.chat.response_format == {"type": "json_schema", "json_schema": {"name": "Order", "schema": schema}}
    assert (asked.chat.max_tokens, asked.chat.temperature, asked.chat.top_p) == (9, 0, 0.5)
    assert asked.chat.metadata == {"user_id": "u", "freehold_task": "triage"}
    beta = view(output_format={"type": "json_schema", "schema": {"type": "object"}}).chat
    assert beta.response_format["json_schema"]["name"] == "json_schema"
    assert view(tool_choice={"type": "any"}).chat.tool_choice == "required"
    assert view(tool_choice={"type": "tool", "name": "book"}).chat.tool_choice["function"] == {"name": "book"}


def test_a_request_names_what_an_owned_model_cannot_give():
    assert obstacle(stop_sequences=["x"]) == "stop_sequences"
    assert obstacle(container="c") == "container"
    assert obstacle(mcp_servers=[{"type": "url"}]) == "mcp_servers"
    assert obstacle(tools=[{"type": "web_search_20250305", "name": "web_search"}]) == "tools"
    assert obstacle(tool_choice={"type": "any"}) == "tool_choice"
    document = {"type": "document", "source": {"type": "text", "data": "d"}, "citations": {"enabled": True}}
    assert obstacle(messages=[user(document)]) == "citations"
    assert obstacle(messages=[user(document | {"citations": {"enabled": False}})]) == ""
    assert obstacle(stop_sequences=[], container=None, mcp_servers=[], messages=[user(text("a"))]) == ""


@pytest.mark.parametrize("bad", [{"messages": [{"role": "user"}]}, {"messages": [{"content": 1}]}, {"system": 1}, {}])
def test_a_request_of_the_wrong_types_is_refused_without_its_content(bad):
    request = {"system": "secret", **bad}
    with pytest.raises(BadRequest) as refused:
        MESSAGES.decode(json.dumps(request).encode())
    assert "secret" not in str(refused.value)


def test_counts_are_disjoint():
    assert MESSAGES.read(whole(text("a"))) == Read("claude", COUNTS)
    without = {key: value for key, value in USAGE.items() if key != "cache_creation_input_tokens"}
    assert MESSAGES.read(whole(usage=without)).usage == COUNTS
    assert MESSAGES.read(whole(usage=None)) == Read("claude", None)
    assert MESSAGES.read(b'{"type":"error","error":{},"content":[]}') is None


TOOL = {"type": "tool_use", "id": "t", "name": "book", "input": {"seats": 2}}


@pytest.mark.parametrize(
    ("blocks", "reason", "answer", "finish"),
    [
        ([{"type": "thinking", "thinking": "hm", "signature": "s"}, text("a"), text("b")], "end_turn", "ab", "stop"),
        ([text("so: "), TOOL], "tool_use", '{"tool_calls":[{"name":"book","arguments":{"seats":2}}]}', "tool_calls"),
        ([], "end_turn", "", "stop"),
        ([text("cut o")], "max_tokens", "cut o", "length"),
        ([text("a")], "model_context_window_exceeded", "a", "length"),
        ([text("a")], "stop_sequence", "a", "stop"),
        ([text("I can")], "refusal", None, "content_filter"),
        ([{"type": "server_tool_use", "name": "web_search", "input": {}}], "pause_turn", None, "pause_turn"),
    ],
)
def test_answers_are_canonical_and_reasons_are_in_openais_words(blocks, reason, answer, finish):
    body = whole(*blocks, reason=reason)
    assert MESSAGES.answer_text(body) == answer
    assert MESSAGES.finish_reason(body) == finish


RICH = whole(
    {"type": "thinking", "thinking": "long thoughts " * 5, "signature": "c2lnbmVk"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "text", "text": "See this. " * 4, "citations": [{"type": "char_location", "cited_text": "t"}] * 2},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "w"}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "u"}]},
    TOOL,
    {"type": "tool_use", "id": "t2", "name": "none", "input": {}},
    reason="tool_use",
    container={"id": "c", "expires_at": "2026-01-01T00:00:00Z"},
    context_management={"applied_edits": []},
)


def stream(*events):
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def come(*pieces):
    assembler = MESSAGES.assembler()
    for piece in pieces:
        assembler.feed(piece)
    return assembler.finish()


def test_blocks_of_every_kind_survive_a_stream():
    came = come(*MESSAGES.stream_of(RICH, MESSAGES.decode(b'{"messages":[]}')))
    assert json.loads(came.body) == json.loads(RICH)
    assert came.usage == COUNTS
    assert MESSAGES.answer_text(came.body).startswith('{"tool_calls":[{"name":"book"')


START = {"type": "message_start", "message": {"type": "message", "model": "m", "content": [], "stop_reason": None,
         "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}}}  # fmt: skip
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
PING = {"type": "ping"}
GROW = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "abcdefgh"}}
SHUT = {"type": "content_block_stop", "index": 0}
CHANGE = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
          "usage": {"output_tokens": 5, "input_tokens": None}, "context_management": {"applied_edits": []}}  # fmt: skip
STOP = {"type": "message_stop"}
NEW = {"type": "something_new", "index": 0}


def test_totals_replace_what_the_beginning_said_and_unknown_events_are_passed_over():
    came = come(stream(START, PING, OPEN, GROW, NEW, SHUT, CHANGE, STOP), b"data: [DONE]\n\n")
    assert came.fault == ""
    assert came.usage == Usage(7, cache_read_tokens=3, output_tokens=5)
    body = json.loads(came.body)
    assert body["content"] == [{"type": "text", "text": "abcdefgh"}]
    assert body["stop_reason"] == "end_turn"
    assert body["context_management"] == {"applied_edits": []}


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([], "before the message began"),
        ([PING], "before the message began"),
        ([START, OPEN, GROW, SHUT], "without a stop reason"),
        ([START, OPEN, GROW, SHUT, STOP], "without a stop reason"),
        ([START, OPEN, GROW, SHUT, CHANGE], "without message_stop"),
        ([START, GROW, CHANGE, STOP], "unexpected form"),
        ([CHANGE, STOP], "unexpected form"),
        ([{**START, "message": []}, CHANGE, STOP], "unexpected form"),
        ([START, {**OPEN, "index": "0"}, CHANGE, STOP], "unexpected form"),
        ([START, {**CHANGE, "usage": {"output_tokens": "many"}}, STOP], "usage cannot be read"),
        ([START, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}], "an error in the stream"),
    ],
)
def test_an_incomplete_stream_is_never_taken_for_a_whole_one(events, fault):
    assert fault in come(stream(*events)).fault


def test_the_cost_of_a_cut_stream_is_what_was_stated_and_an_estimate_of_the_rest():
    came = come(stream(START, OPEN, GROW))
    assert came.usage == Usage(7, cache_read_tokens=3, output_tokens=2, estimated=True)
    assert came.text_chars == 8
    assert come(stream(START, OPEN, GROW, SHUT, CHANGE)).usage == Usage(7, cache_read_tokens=3, output_tokens=5)


def test_a_tools_input_that_was_cut_stays_text():
    opening = {"type": "content_block_start", "index": 0, "content_block": TOOL | {"input": {}}}
    grow = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"sea'}}
    cut = {**CHANGE, "delta": {"stop_reason": "max_tokens"}}
    came = come(stream(START, opening, grow, SHUT, cut, STOP))
    assert came.fault == ""
    assert MESSAGES.answer_text(came.body) == '{"tool_calls":[{"name":"book","arguments":"{\\"sea"}]}'


def test_arguments_that_are_no_object_are_not_lost():
    asked = view(tools=[{"name": "f", "input_schema": {}}])
    answer = '{"tool_calls":[{"name":"f","arguments":"{cut"}]}'
    body = json.loads(MESSAGES.author(asked, call_id="call_1", created_s=1, answer=answer, usage=Usage()))
    assert body["content"][0]["input"] == {"arguments": "{cut"}
    assert json.loads(MESSAGES.author(view(), call_id="c", created_s=1, answer=answer, usage=Usage()))["content"] == [
        {"type": "text", "text": answer, "citations": None}
    ]


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def client(up):
    with anthropic.Anthropic(base_url=up.url.removesuffix("/v1"), api_key="k", max_retries=0) as one:
        yield one


ASK = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
TOOLS = [{"name": "book", "input_schema": {"type": "object"}}]
ANSWERS = {"text": "Good morning to you, and a fine day it is.", "calls":
           '{"tool_calls":[{"name":"book","arguments":{"seats":2}},{"name":"book","arguments":{}}]}'}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_official_client_reads_our_answers_whole_and_streamed(client, up, kind):
    asked = MESSAGES.decode(json.dumps(ASK | {"tools": TOOLS}).encode())
    body = MESSAGES.author(asked, call_id="call_1", created_s=1, answer=ANSWERS[kind], usage=Usage(3, output_tokens=4))
    up.play(send(http(200, body)))
    answer = client.messages.create(**ASK, tools=TOOLS)
    assert MESSAGES.answer_text(answer.to_json().encode()) == ANSWERS[kind]
    assert answer.usage.output_tokens == 4
    events = MESSAGES.stream_of(body, asked)
    up.play(send(STREAM_HEAD, *(chunk(event) for event in events), LAST_CHUNK))
    with client.messages.stream(**ASK, tools=TOOLS) as streamed:
        seen = [event.type for event in streamed]
        final = streamed.get_final_message()
    assert seen[-1] == "message_stop"
    assert final.to_dict() == answer.to_dict()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.BadRequest("x"), anthropic.BadRequestError),
        (errors.RestrictedRefused("x"), anthropic.PermissionDeniedError),
        (errors.NotFound("x"), anthropic.NotFoundError),
        (errors.UpstreamFailed("x"), anthropic.InternalServerError),
        (errors.Overloaded("x", retry_after_s=1), anthropic.InternalServerError),
        (errors.MissingPrerequisite("x"), anthropic.InternalServerError),
        (errors.UpstreamTimeout("x"), anthropic.InternalServerError),
    ],
)
def test_the_official_client_raises_our_errors_typed(client, up, error, kind):
    up.play(send(http(error.status, MESSAGES.error_envelope(error))))
    with pytest.raises(kind) as raised:
        client.messages.create(**ASK)
    assert raised.value.error_code == error.error_code
    assert raised.value.status_code == error.status
    assert (raised.value.type == "overloaded_error") == isinstance(error, errors.Overloaded)


def test_the_official_client_raises_an_error_inside_a_stream(client, up):
    events = [stream(START, OPEN, GROW), MESSAGES.error_event(errors.UpstreamFailed("it broke off"))]
    up.play(send(STREAM_HEAD, *(chunk(event) for event in events), LAST_CHUNK))
    with pytest.raises(anthropic.APIStatusError, match="it broke off") as raised:
        list(client.messages.create(**ASK, stream=True))
    assert raised.value.error_code == "upstream_failed"
