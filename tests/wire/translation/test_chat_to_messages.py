"""Clients of chat completions, served by Anthropic's Messages."""

import base64
import json
import re

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from tests.wire.translation.bodies import (
    CLAUDE,
    chat_request,
    check_answer,
    check_messages_request,
    openai_client,
    raw,
    split,
    sse,
    translate_stream,
)

from freehold.errors import BadRequest, UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire.translation import translation

PAIR = translation("openai.chat", "anthropic.messages")
TOOL = {"type": "function", "function": {"name": "weather", "description": "now", "parameters": {"type": "object"}}}
PNG = base64.b64encode(b"\x89PNG").decode()


def asked(*messages, **fields):
    done = PAIR.request(chat_request(*messages, **fields))
    return check_messages_request(done.body), done


def refused(*messages, **fields):
    with pytest.raises(BadRequest) as caught:
        PAIR.request(chat_request(*messages, **fields))
    return caught.value


def call(call_id, arguments="{}"):
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def result(call_id, content):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def test_a_conversation_keeps_its_turns_and_puts_instructions_first():
    body, done = asked(
        {"role": "developer", "content": "be brief"},
        {"role": "system", "content": [{"type": "text", "text": "be kind"}]},
        "hello",
        {"role": "assistant", "content": "hi"},
        "and?",
        max_tokens=50,
    )
    assert [block["text"] for block in body["system"]] == ["be brief", "be kind"]
    assert [(turn["role"], turn["content"][0]["text"]) for turn in body["messages"]] == [
        ("user", "hello"),
        ("assistant", "hi"),
        ("user", "and?"),
    ]
    assert (body["model"], body["max_tokens"], done.lost) == (CLAUDE, 50, ())


def test_the_model_can_be_replaced_and_must_be_there():
    assert json.loads(PAIR.request(chat_request("a"), model="claude-x").body)["model"] == "claude-x"
    with pytest.raises(BadRequest, match="model"):
        PAIR.request(raw({"messages": [{"role": "user", "content": "a"}]}))


def test_results_of_parallel_calls_become_one_users_turn_before_what_the_user_adds():
    body, _ = asked(
        "weather?",
        {"role": "assistant", "content": "", "tool_calls": [call("a", '{"town": "Ulm"}'), call("b", "")]},
        result("a", "rain"),
        result("b", [{"type": "text", "text": ""}]),
        "and tomorrow?",
        tools=[TOOL],
    )
    assistant, user = body["messages"][1:]
    assert [(block["type"], block["id"], block["input"]) for block in assistant["content"]] == [
        ("tool_use", "a", {"town": "Ulm"}),
        ("tool_use", "b", {}),
    ]
    assert [block["type"] for block in user["content"]] == ["tool_result", "tool_result", "text"]
    assert user["content"][0]["content"] == [{"type": "text", "text": "rain"}]
    assert "content" not in user["content"][1]


def test_turns_of_one_role_become_one_and_empty_ones_none():
    body, _ = asked("a", "b", {"role": "assistant", "content": None}, "c", {"role": "user", "content": "  "})
    assert [block["text"] for turn in body["messages"] for block in turn["content"]] == ["a", "b", "c"]
    assert len(body["messages"]) == 1


def test_ids_of_calls_fit_anthropics_characters_on_both_sides():
    body, _ = asked(
        "x",
        {"role": "assistant", "tool_calls": [call("functions.weather:0")]},
        result("functions.weather:0", "rain"),
        tools=[TOOL],
    )
    assert body["messages"][1]["content"][0]["id"] == body["messages"][2]["content"][0]["tool_use_id"]
    assert ":" not in body["messages"][1]["content"][0]["id"]


def test_long_or_odd_ids_of_calls_stay_apart():
    ids = ["x" * 70 + "a", "x" * 70 + "b", "a:b", "a.b", "a_b", ""]
    calls = {"role": "assistant", "tool_calls": [call(one) for one in ids]}
    body, _ = asked("x", calls, *(result(one, "r") for one in ids), tools=[TOOL])
    written = [block["id"] for block in body["messages"][1]["content"]]
    assert len(set(written)) == len(ids)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", one) for one in written)
    assert written == [block["tool_use_id"] for block in body["messages"][2]["content"]]


def test_images_and_documents_arrive():
    body, done = asked(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "text", "text": "what?", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}},
                {"type": "file", "file": {"filename": "a.txt", "file_data": base64.b64encode(b"plain").decode()}},
            ],
        },
        result("x", "it may hold images too"),
    )
    kept, text, image, linked, pdf, plain = body["messages"][0]["content"][1:]
    assert kept["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert text["cache_control"] == {"type": "ephemeral"}
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    assert linked["source"] == {"type": "url", "url": "https://example.com/a.png"}
    assert (pdf["source"]["media_type"], pdf["title"]) == ("application/pdf", "a.pdf")
    assert plain["source"] == {"type": "text", "media_type": "text/plain", "data": "plain"}
    assert "messages.content.image_url.detail" in done.lost


@pytest.mark.parametrize("options", [{}, {"search_context_size": "low"}])
def test_a_search_is_refused_even_where_its_options_are_empty(options):
    with pytest.raises(BadRequest, match="web_search_options"):
        asked("x", web_search_options=options)
    asked("x", web_search_options=None)


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "messages.0.content.0.type"),
        ({"type": "file", "file": {"file_id": "f"}}, "messages.0.content.0.file.file_id"),
        ({"type": "file", "file": {"filename": "a", "file_data": PNG}}, "messages.0.content.0.file.file_data"),
        (
            {"type": "file", "file": {"filename": "a.txt", "file_data": "data:,x"}},
            "messages.0.content.0.file.file_data",
        ),
        ({"type": "file", "file": {"filename": "a.docx", "file_data": PNG}}, "messages.0.content"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,x"}}, "messages.0.content.0.image_url"),
        ({"type": "text", "text": "a", "mood": "blue"}, "messages.0.content.0.mood"),
        ({"type": "hologram"}, "messages.0.content.0.type"),
    ],
)
def test_content_that_cannot_be_carried_is_refused_by_its_place(part, place):
    error = refused({"role": "user", "content": [part]})
    assert error.error_code == "untranslatable"
    assert error.message.startswith(place + " ")


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"type": "function", "function": {"name": "weather"}},
            False,
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_choice_of_tools(choice, parallel, expected):
    body, _ = asked("x", tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == expected


def test_only_allowed_tools_are_offered():
    other = {"type": "function", "function": {"name": "other", "strict": True}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "other"}}]}
    body, _ = asked("x", tools=[TOOL, other], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert body["tools"] == [
        {"name": "other", "input_schema": {"type": "object", "properties": {}}, "strict": True},
    ]
    assert body["tool_choice"] == {"type": "any"}


def test_a_schema_of_the_answer_becomes_a_structured_output():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    body, done = asked("x", response_format=wanted, max_tokens=1)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert done.lost == ()
    assert "response_format " in refused("x", response_format={"type": "json_object"}).message


@pytest.mark.parametrize(
    ("model", "effort", "config", "lost"),
    [
        ("claude-opus-4-6", "high", {"effort": "high"}, ()),
        ("claude-opus-5-5", "minimal", {"effort": "low"}, ("reasoning_effort",)),
        ("claude-opus-5-5", "none", None, ("reasoning_effort",)),
        ("claude-haiku-4-5-20251001", "high", None, ("reasoning_effort",)),
        ("some-other-model", "high", None, ("reasoning_effort",)),
    ],
)
def test_effort_where_the_model_takes_it(model, effort, config, lost):
    body, done = asked("x", model=model, reasoning_effort=effort, max_tokens=1)
    assert (body.get("output_config"), done.lost) == (config, lost)


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("claude-sonnet-4-6", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-3-5-haiku-20241022", True),
        ("kimi-k3", True),
        ("claude-opus-4-7", False),
        ("claude-sonnet-5", False),
        ("claude-mythos-preview", False),
    ],
)
def test_sampling_reaches_the_models_that_take_it_and_is_reported_for_the_others(model, sent):
    body, done = asked("x", model=model, temperature=0.5, top_p=0.9, top_k=3, max_tokens=1)
    assert {name: body[name] for name in body if name in ("temperature", "top_p", "top_k")} == (
        {"temperature": 0.5, "top_p": 0.9, "top_k": 3} if sent else {}
    )
    assert done.lost == (() if sent else ("temperature", "top_p", "top_k"))


def test_sampling_at_its_default_is_neither_sent_nor_reported():
    body, done = asked("x", temperature=1, top_p=1.0, max_tokens=1)
    assert not {"temperature", "top_p"} & set(body)
    assert done.lost == ()


def test_instructions_between_turns_stay_where_the_model_takes_them_and_are_reported_where_it_does_not():
    later = {"role": "system", "content": "now in French"}
    turns = ("a", {"role": "assistant", "content": "b"}, "c", later)
    body, done = asked(*turns, model="claude-opus-5", max_tokens=1)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "system"]
    assert done.lost == ()
    body, done = asked(*turns, max_tokens=1)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["system"] == [{"type": "text", "text": "now in French"}]
    assert done.lost == ("messages.order",)
    assert "messages.order" in asked(*turns, model="claude-mythos-preview", max_tokens=1)[1].lost
    body, done = asked("a", {"role": "assistant", "content": "b"}, later, "c", model="claude-opus-5", max_tokens=1)
    assert "messages.order" in done.lost  # Anthropic takes them after a user's turn only


def test_the_made_up_limit_is_reported_with_its_value():
    body, done = asked("x")
    assert done.lost == (f"max_tokens={body['max_tokens']}",)


@pytest.mark.parametrize(
    "messages", [(), ({"role": "system", "content": "a"},), ("a", {"role": "assistant", "content": "b"})]
)
def test_a_conversation_without_a_question_is_refused(messages):
    assert refused(*messages).error_code == "untranslatable"


def test_a_whole_number_may_be_written_as_one_of_another_kind():
    assert asked("x", max_tokens=7.0)[0]["max_tokens"] == 7
    with pytest.raises(BadRequest, match="whole number"):
        asked("x", max_tokens=7.5)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b"[" * 100_000, raw({"model": "m"}), raw({"model": "m", "messages": [1]}),
     raw({"model": 1, "messages": []}), raw({"model": "m", "messages": [{"role": "king", "content": "a"}]}),
     chat_request("a", temperature="hot"), chat_request("a", max_tokens=True), chat_request("a", stop=[1]),
     chat_request({"role": "user", "content": 5}), chat_request("a", tools=[{"type": "function"}])],
)  # fmt: skip
def test_what_is_no_chat_request_is_a_bad_request(body):
    with pytest.raises(BadRequest) as caught:
        PAIR.request(body)
    assert caught.value.error_code == "bad_request"


def test_messages_of_errors_are_short():
    assert len(refused("x", **{"long" * 1000: 1}).message) < 400


def test_messages_of_errors_hold_nothing_of_the_call():
    assert "SECRET" not in str(refused({"role": "user", "content": [{"type": "SECRET"}]}))
    assert "SECRET" not in str(refused("x", {"role": "assistant", "tool_calls": [call("a", "SECRET")]}, "y"))


def message(*content, stop="end_turn", **fields):
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 5,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE, "stop_sequence": None}
    return raw(body | {"content": list(content), "stop_reason": stop, "usage": usage} | fields)


def test_an_answer_is_a_chat_completion_with_usage_that_includes_cached_tokens():
    done = check_answer(ChatCompletion, PAIR.response(message({"type": "text", "text": "hé"})))
    assert (done.id, done.model, done.choices[0].message.content) == ("chatcmpl-1", CLAUDE, "hé")
    assert done.choices[0].finish_reason == "stop"
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens) == (45, 7, 52)
    assert done.usage.prompt_tokens_details.cached_tokens == 30
    assert done.usage.prompt_tokens_details.cache_write_tokens == 5
    assert done.usage.completion_tokens_details.reasoning_tokens == 2


def test_an_answer_with_thinking_and_calls():
    blocks = (
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"town": "Köln", "n": 1.0}},
        {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}},
    )
    answer = PAIR.response(message(*blocks, stop="tool_use"))
    done = check_answer(ChatCompletion, answer, extra=["$.choices[0].message.reasoning_content"])
    first, second = done.choices[0].message.tool_calls
    assert (first.id, json.loads(first.function.arguments)) == ("toolu_1", {"town": "Köln", "n": 1.0})
    assert second.function.arguments == "{}"
    assert done.choices[0].message.content is None
    assert done.choices[0].message.reasoning_content == "hm"
    assert done.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("stop", "reason"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter"),
     ("model_context_window_exceeded", "length"), ("pause_turn", "length"), ("tool_use", "tool_calls")],
)  # fmt: skip
def test_finish_reasons(stop, reason):
    done = check_answer(ChatCompletion, PAIR.response(message({"type": "text", "text": "a"}, stop=stop)))
    assert done.choices[0].finish_reason == reason


def test_a_refusal_is_explained():
    details = {"type": "refusal", "category": "bio", "explanation": "no"}
    done = check_answer(ChatCompletion, PAIR.response(message(stop="refusal", stop_details=details)))
    assert done.choices[0].message.refusal == "no"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", raw({"content": [], "stop_reason": "bored"}), message({"type": "server_tool_use"}),
     raw({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}), b"[" * 100_000],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_a_failure_of_the_provider(body):
    with pytest.raises(UpstreamFailed):
        PAIR.response(body)


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [(400, "invalid_request_error", openai.BadRequestError), (401, "authentication_error", openai.AuthenticationError),
     (403, "permission_error", openai.PermissionDeniedError), (404, "not_found_error", openai.NotFoundError),
     (429, "rate_limit_error", openai.RateLimitError), (529, "overloaded_error", openai.InternalServerError)],
)  # fmt: skip
def test_errors_keep_their_message_and_become_typed_exceptions(status, kind, raised):
    body = PAIR.error(status, raw({"type": "error", "error": {"type": kind, "message": "why"}}))
    with pytest.raises(raised, match="why") as caught:
        openai_client(body, status, "application/json").chat.completions.create(model="m", messages=[])
    assert caught.value.code == kind


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 1}', b'{"error": {"message": 4}}', b"[" * 100_000])
def test_an_error_that_cannot_be_read_still_has_an_envelope(body):
    assert json.loads(PAIR.error(503, body))["error"]["message"] == "the provider answered with status 503"


START = {
    "type": "message_start",
    "message": {
        "id": "msg_2", "type": "message", "role": "assistant", "content": [], "model": CLAUDE, "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 10, "cache_read_input_tokens": 3, "output_tokens": 1},
    },
}  # fmt: skip
STOP = {"type": "message_stop"}


def opened(index, block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def grew(index, kind, name, text):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: text}}


def closed(index):
    return {"type": "content_block_stop", "index": index}


def ended(reason, **fields):
    delta = {"stop_reason": reason, "stop_sequence": None} | fields
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}


def tool(index, call_id, *pieces):
    block = {"type": "tool_use", "id": call_id, "name": "weather", "input": {}}
    yield opened(index, block)
    for piece in pieces:
        yield grew(index, "input_json_delta", "partial_json", piece)
    yield closed(index)


FULL = sse(
    START,
    {"type": "ping"},
    opened(0, {"type": "thinking", "thinking": "", "signature": ""}),
    grew(0, "thinking_delta", "thinking", "h\u00e4"),
    grew(0, "signature_delta", "signature", "s"),
    closed(0),
    opened(1, {"type": "text", "text": ""}),
    grew(1, "text_delta", "text", "Gr\u00fc"),
    {"type": "ping"},
    grew(1, "text_delta", "text", "\u00dfe"),
    closed(1),
    *tool(2, "toolu_1", '{"to', 'wn": "Ulm"}'),
    *tool(3, "toolu_2"),
    ended("tool_use"),
    STOP,
)


def streamed(data, **fields):
    done = PAIR.request(chat_request("x", stream=True, **fields))
    translator = PAIR.stream(done.remembered)
    return translate_stream(translator, [data]), translator, done.remembered


def test_a_stream_becomes_chunks_that_the_sdk_reads():
    (out, error), translator, _ = streamed(FULL, stream_options={"include_usage": True})
    assert error is None
    read = list(openai_client(out).chat.completions.create(model="m", messages=[], stream=True))
    assert {chunk.id for chunk in read} == {"chatcmpl-2"}
    assert {chunk.model for chunk in read} == {CLAUDE}
    deltas = [chunk.choices[0].delta for chunk in read if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "Grüße"
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == "hä"
    calls = {}
    for delta in deltas:
        for part in delta.tool_calls or ():
            known = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
            known["arguments"] += part.function.arguments
    assert calls == {
        0: {"id": "toolu_1", "name": "weather", "arguments": '{"town": "Ulm"}'},
        1: {"id": "toolu_2", "name": "weather", "arguments": "{}"},
    }
    assert [chunk.choices[0].finish_reason for chunk in read if chunk.choices][-1] == "tool_calls"
    assert read[-1].choices == []
    assert (read[-1].usage.prompt_tokens, read[-1].usage.completion_tokens) == (13, 9)
    assert translator.usage == Usage(input_tokens=10, cache_read_tokens=3, output_tokens=9)
    with openai_client(out).chat.completions.stream(model="m", messages=[]) as helper:
        assert helper.get_final_completion().choices[0].message.content == "Grüße"


def test_usage_is_in_the_stream_only_where_it_was_asked_for():
    (out, _), translator, _ = streamed(FULL)
    assert b"usage" not in out
    assert translator.usage is not None
    assert out.endswith(b"data: [DONE]\n\n")


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_however_the_stream_is_split_the_client_gets_the_same(cuts):
    _, _, known = streamed(FULL)
    whole = translate_stream(PAIR.stream(known), [FULL])
    assert translate_stream(PAIR.stream(known), split(FULL, cuts)) == whole


def test_a_stream_cut_anywhere_has_no_end_mark():
    events = FULL.split(b"\n\n")[:-1]
    for kept in range(len(events)):
        (out, error), _, _ = streamed(b"".join(event + b"\n\n" for event in events[:kept]))
        assert error is None
        assert b"[DONE]" not in out
        assert b'"finish_reason":"' not in out


def test_an_error_in_the_stream_becomes_the_clients_and_ends_it():
    problem = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    broken = sse(START, problem, ended("end_turn"), STOP)
    (out, error), _, _ = streamed(broken)
    assert error is None
    assert b"[DONE]" not in out
    with pytest.raises(openai.APIError, match="busy"):
        list(openai_client(out).chat.completions.create(model="m", messages=[], stream=True))


@pytest.mark.parametrize(
    "junk",
    [b"data: {\n\n", b"data: []\n\n", b'data: {"type": 4}\n\n', sse(closed(7)), sse(STOP), sse(START),
     sse(opened(0, {"type": "server_tool_use", "id": "x", "name": "y", "input": {}})),
     sse(grew(3, "text_delta", "text", "a")), b'data: {"type":"message_delta","delta":{"stop_reason":"bored"}}\n\n'],
)  # fmt: skip
def test_a_stream_that_cannot_be_read_fails_after_what_came_before(junk):
    (out, error), _, known = streamed(sse(START) + junk + FULL)
    assert isinstance(error, UpstreamFailed)
    assert b"[DONE]" not in out
    assert out.startswith(b'data: {"id":"chatcmpl-2"')
    data = sse(START) + junk + FULL
    by_byte, error = translate_stream(PAIR.stream(known), [bytes([byte]) for byte in data])
    assert by_byte == out
    assert isinstance(error, UpstreamFailed)


def test_what_follows_the_end_is_ignored():
    (out, error), _, known = streamed(FULL + FULL)
    assert error is None
    assert out == translate_stream(PAIR.stream(known), [FULL])[0]
