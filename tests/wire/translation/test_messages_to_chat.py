"""Clients of Anthropic's Messages, served by servers of chat completions."""

import base64
import json

import anthropic
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.translation.bodies import (
    anthropic_client,
    check_answer,
    check_chat_request,
    chunks,
    messages_request,
    raw,
    split,
    translate_stream,
)

from freehold.errors import BadRequest, UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire.translation import translation

PAIR = translation("anthropic.messages", "openai.chat")
TOOL = {"name": "weather", "description": "now", "input_schema": {"type": "object"}}
PNG = base64.b64encode(b"\x89PNG").decode()
USAGE = {
    "prompt_tokens": 45,
    "completion_tokens": 7,
    "total_tokens": 52,
    "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def asked(*messages, **fields):
    done = PAIR.request(messages_request(*messages, **fields))
    return check_chat_request(done.body), done


def refused(*messages, **fields):
    with pytest.raises(BadRequest) as caught:
        PAIR.request(messages_request(*messages, **fields))
    return caught.value


def use(call_id, **arguments):
    return {"type": "tool_use", "id": call_id, "name": "weather", "input": arguments}


def result(call_id, content, **fields):
    return {"type": "tool_result", "tool_use_id": call_id, "content": content} | fields


def text(words, **fields):
    return {"type": "text", "text": words} | fields


def test_a_conversation_keeps_its_turns():
    body, done = asked(
        {"role": "user", "content": [text("hello"), text("there")]},
        {"role": "assistant", "content": [text("hi "), text("you")]},
        "and?",
        {"role": "system", "content": "in French"},
        system=[text("be brief", cache_control={"type": "ephemeral"})],
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        metadata={"user_id": "u"},
    )
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [text("hello"), text("there")]},
        {"role": "assistant", "content": "hi you"},
        {"role": "user", "content": "and?"},
        {"role": "system", "content": "in French"},
    ]
    assert (body["stop"], body["temperature"], body["top_p"], body["user"]) == (["END"], 0.5, 0.9, "u")
    assert done.lost == ("cache_control",)


@pytest.mark.parametrize(
    ("model", "name"),
    [("gpt-4.1", "max_tokens"), ("llama-3", "max_tokens"), ("gpt-oss-20b", "max_tokens"),
     ("o4-mini", "max_completion_tokens"), ("openai/gpt-5.6", "max_completion_tokens")],
)  # fmt: skip
def test_the_limit_of_output_has_the_name_that_the_model_knows(model, name):
    body, _ = asked("x", model=model)
    assert body[name] == 100


def test_tool_results_come_before_what_the_user_adds():
    body, done = asked(
        "weather?",
        {"role": "assistant", "content": [text("let me see"), use("a", town="Ulm"), use("b")]},
        {
            "role": "user",
            "content": [text("and?"), result("a", "rain"), result("b", [text("x"), text("y")], is_error=True)],
        },
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    )
    assistant, first, second, user = body["messages"][1:]
    assert assistant["content"] == "let me see"
    assert [(call["id"], json.loads(call["function"]["arguments"])) for call in assistant["tool_calls"]] == [
        ("a", {"town": "Ulm"}),
        ("b", {}),
    ]
    assert first == {"role": "tool", "tool_call_id": "a", "content": "rain"}
    assert second["content"] == [text("x"), text("y")]
    assert user == {"role": "user", "content": "and?"}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["parallel_tool_calls"] is False
    assert done.lost == ("messages.content.is_error",)


@pytest.mark.parametrize(("given", "expected"), [("auto", "auto"), ("any", "required"), ("none", "none")])
def test_choice_of_tools(given, expected):
    body, _ = asked("x", tools=[TOOL | {"type": "custom", "strict": True}], tool_choice={"type": given})
    assert body["tool_choice"] == expected
    assert body["tools"][0]["function"]["strict"] is True


def test_images_and_documents_arrive():
    body, done = asked(
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {
                    "type": "document",
                    "title": "a.pdf",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PNG},
                },
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                {"type": "document", "title": "t", "source": {"type": "content", "content": [text("inner")]}},
                {"type": "document", "context": "c", "source": {"type": "content", "content": "bare"}},
            ],
        }
    )
    image, linked, pdf, plain, inner, bare = body["messages"][0]["content"]
    assert image["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    assert linked["image_url"]["url"] == "https://example.com/a.png"
    assert pdf["file"] == {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}
    assert (plain, inner, bare) == (text("plain"), text("inner"), text("bare"))
    assert done.lost == ("messages.content.title", "messages.content.context")
    titled = {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}
    assert asked({"role": "user", "content": [titled]})[1].lost == ("messages.content.title",)


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "messages.0.content.0.source.file_id"),
        ({"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}, "messages.0.content"),
        (
            {"type": "document", "citations": {"enabled": True}, "source": {"type": "text", "data": "a"}},
            "messages.0.content.0.citations.enabled",
        ),
        ({"type": "web_search_tool_result", "content": []}, "messages.0.content.0.type"),
        ({"type": "search_result", "source": "s"}, "messages.0.content.0.type"),
        (
            result("a", [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]),
            "messages.0.content",
        ),
        (result("a", [use("b")]), "messages.0.content.0.content"),
        (use("a"), "messages.0.content"),
        (text("a", mood="blue"), "messages.0.content.0.mood"),
    ],
)
def test_content_that_cannot_be_carried_is_refused_by_its_place(block, place):
    error = refused({"role": "user", "content": [block]})
    assert error.error_code == "untranslatable"
    assert error.message.startswith(place + " ")


@pytest.mark.parametrize(
    "tool",
    [{"type": "web_search_20260318", "name": "web_search"}, TOOL | {"defer_loading": True},
     TOOL | {"allowed_callers": ["code_execution_20260521"]}, TOOL | {"mood": 1}],
)  # fmt: skip
def test_tools_of_anthropics_own_are_refused(tool):
    assert refused("x", tools=[tool]).message.startswith("tools.0.")


def test_what_a_tool_only_hints_at_is_reported():
    tool = TOOL | {"allowed_callers": ["direct"], "input_examples": [{}], "eager_input_streaming": True}
    assert set(asked("x", tools=[tool])[1].lost) == {"tools.input_examples", "tools.eager_input_streaming"}


def test_thoughts_of_earlier_answers_are_reported():
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    body, done = asked("a", {"role": "assistant", "content": [thought, hidden, text("b")]}, "c")
    assert body["messages"][1] == {"role": "assistant", "content": "b"}
    assert done.lost == ("messages.content.thinking",)


def test_a_schema_of_the_answer_and_the_effort():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    config = {"format": {"type": "json_schema", "schema": schema}, "effort": "high"}
    body, done = asked("x", model="o4-mini", output_config=config, thinking={"type": "adaptive"})
    assert body["response_format"]["json_schema"] == {"name": "answer", "schema": schema, "strict": True}
    assert body["reasoning_effort"] == "high"
    assert done.lost == ("thinking",)
    body, done = asked("x", output_config={"effort": "high"}, output_format={"type": "json_schema", "schema": schema})
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert done.lost == ("output_config.effort",)


def test_a_prefilled_answer_and_an_empty_conversation_are_refused():
    assert refused("a", {"role": "assistant", "content": "The answer is ("}).message.startswith("messages.1 ")
    assert refused().error_code == "untranslatable"
    assert refused("x", max_tokens=0).message.startswith("max_tokens ")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", raw({"model": "m", "messages": []}), raw({"max_tokens": 1, "model": "m"}),
     messages_request({"role": "king", "content": "a"}), messages_request("a", tool_choice={"type": "most"}),
     messages_request({"role": "user", "content": [1]}), messages_request({"role": "user", "content": 1}),
     messages_request({"role": "user", "content": [{"type": "image"}]})],
)  # fmt: skip
def test_what_is_no_messages_request_is_a_bad_request(body):
    with pytest.raises(BadRequest) as caught:
        PAIR.request(body)
    assert caught.value.error_code == "bad_request"


def completion(message, reason="stop", **fields):
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": reason, "logprobs": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "gpt-4.1", "usage": USAGE}
    return raw(body | {"choices": [choice | fields]})


def call(call_id, arguments, **fields):
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}} | fields


def test_an_answer_is_a_message_with_usage_that_excludes_cached_tokens():
    done = check_answer(Message, PAIR.response(completion({"content": "hé"})))
    assert (done.id, done.model, done.content[0].text, done.stop_reason) == ("msg_1", "gpt-4.1", "hé", "end_turn")
    assert (done.usage.input_tokens, done.usage.cache_read_input_tokens) == (10, 30)
    assert (done.usage.cache_creation_input_tokens, done.usage.output_tokens) == (5, 7)
    assert done.usage.output_tokens_details.thinking_tokens == 2


def test_an_answer_with_calls_that_some_servers_end_with_stop():
    calls = [call("call_1", '{"town": "Köln"}'), call("call_2", "")]
    done = check_answer(Message, PAIR.response(completion({"content": None, "tool_calls": calls})))
    assert [(block.id, block.name, block.input) for block in done.content] == [
        ("call_1", "weather", {"town": "Köln"}),
        ("call_2", "weather", {}),
    ]
    assert done.stop_reason == "tool_use"


def test_thinking_is_shown_to_clients_that_asked_for_it():
    answer = completion({"content": "b", "reasoning_content": "hm"})
    request = messages_request("x", thinking={"type": "enabled", "budget_tokens": 1024})
    shown = check_answer(Message, PAIR.response(answer, PAIR.request(request).remembered))
    assert [(block.type, getattr(block, "thinking", "")) for block in shown.content] == [
        ("thinking", "hm"),
        ("text", ""),
    ]
    assert [block.type for block in check_answer(Message, PAIR.response(answer)).content] == ["text"]


@pytest.mark.parametrize(
    ("reason", "fields", "stop", "sequence"),
    [("stop", {}, "end_turn", None), ("length", {}, "max_tokens", None), ("content_filter", {}, "refusal", None),
     ("stop", {"stop_reason": "END"}, "stop_sequence", "END"), ("stop", {"stop_reason": 7}, "end_turn", None),
     ("model_length", {}, "model_context_window_exceeded", None), ("eos_token", {}, "end_turn", None)],
)  # fmt: skip
def test_stop_reasons(reason, fields, stop, sequence):
    done = check_answer(Message, PAIR.response(completion({"content": "a"}, reason, **fields)))
    assert (done.stop_reason, done.stop_sequence) == (stop, sequence)


def test_a_refusal_is_text_and_a_stop_reason():
    done = check_answer(Message, PAIR.response(completion({"content": None, "refusal": "no"})))
    assert (done.content[0].text, done.stop_reason) == ("no", "refusal")


@pytest.mark.parametrize("reason", ["length", "model_length"])
def test_a_call_that_a_limit_cut_is_there_without_its_input_as_claude_has_it(reason):
    cut = completion({"content": "I look.", "tool_calls": [call("a", '{"half": ')]}, reason)
    done = check_answer(Message, PAIR.response(cut))
    assert [block.type for block in done.content] == ["text", "tool_use"]
    assert (done.content[1].id, done.content[1].input) == ("a", {})
    assert done.stop_reason in {"max_tokens", "model_context_window_exceeded"}


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", raw({"choices": []}), raw({"error": {"message": "m"}}), completion({"content": 5}),
     completion({"content": "a"}, "bored"), completion({"tool_calls": [call("a", "[1]")]}),
     completion({"tool_calls": [call("a", '{"half": ')]}, "tool_calls"),
     completion({"tool_calls": [call("a", "[1]")]}, "length")],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_a_failure_of_the_provider(body):
    with pytest.raises(UpstreamFailed):
        PAIR.response(body)


@pytest.mark.parametrize(
    ("status", "raised"),
    [(400, anthropic.BadRequestError), (401, anthropic.AuthenticationError), (403, anthropic.PermissionDeniedError),
     (404, anthropic.NotFoundError), (429, anthropic.RateLimitError), (500, anthropic.InternalServerError)],
)  # fmt: skip
def test_errors_keep_their_message_and_become_typed_exceptions(status, raised):
    body = PAIR.error(status, raw({"error": {"message": "why", "type": "t", "param": None, "code": "c"}}))
    with pytest.raises(raised, match="why"):
        anthropic_client(body, status, "application/json").messages.create(model="m", max_tokens=1, messages=[])


def chunk(delta=None, reason=None, **fields):
    body = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 5, "model": "gpt-4.1"}
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return body | {"choices": choices} | fields


def piece(index, arguments, call_id=None, name=None):
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return chunk({"tool_calls": [{"index": index, "function": function} | ({"id": call_id} if call_id else {})]})


FULL = chunks(
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "h\u00e4"}),
    chunk({"content": "Gr\u00fc"}),
    chunk({"content": "\u00dfe"}),
    piece(0, "", "call_1", "weather"),
    piece(0, '{"to'),
    piece(0, 'wn": "Ulm"}'),
    piece(1, "", "call_2", "weather"),
    chunk({}, "tool_calls"),
    chunk(usage=USAGE),
)


def streamed(data, **fields):
    done = PAIR.request(messages_request("x", stream=True, **fields))
    translator = PAIR.stream(done.remembered)
    return translate_stream(translator, [data]), translator, done.remembered


def test_a_streamed_request_asks_for_usage_but_for_mistral_which_states_it_unasked():
    assert asked("x", stream=True)[0]["stream_options"] == {"include_usage": True}
    for model in ("mistral-large-latest", "open-mixtral-8x22b", "labs-devstral-small-2512"):
        body, done = asked("x", stream=True, model=model, metadata={"user_id": "u"})
        assert set(body) == {"model", "messages", "max_tokens", "stream"}
        assert done.lost == ("metadata.user_id",)
    assert "stream_options" in asked("x", stream=True, model="mistralai/Mistral-Small-3.2-24B-Instruct-2506")[0]


def test_a_stream_becomes_events_that_the_sdk_reads():
    (out, error), translator, _ = streamed(FULL, thinking={"type": "adaptive"})
    assert error is None
    with anthropic_client(out).messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        done = stream.get_final_message()
    assert [block.type for block in done.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert (done.content[0].thinking, done.content[1].text) == ("hä", "Grüße")
    assert [(block.id, block.input) for block in done.content[2:]] == [("call_1", {"town": "Ulm"}), ("call_2", {})]
    assert (done.id, done.model, done.stop_reason) == ("msg_2", "gpt-4.1", "tool_use")
    assert (done.usage.input_tokens, done.usage.cache_read_input_tokens, done.usage.output_tokens) == (10, 30, 7)
    assert translator.usage == Usage(10, 30, 5, 7, 2)


def test_blocks_are_numbered_without_gaps_where_thinking_is_not_shown():
    (out, _), _, _ = streamed(FULL)
    starts = [
        json.loads(line[6:]) for line in out.splitlines() if b'"content_block_start"' in line and line[:1] == b"d"
    ]
    assert [(start["index"], start["content_block"]["type"]) for start in starts] == [
        (0, "text"),
        (1, "tool_use"),
        (2, "tool_use"),
    ]
    assert b"thinking" not in out.replace(b"thinking_tokens", b"")


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_however_the_stream_is_split_the_client_gets_the_same(cuts):
    _, _, known = streamed(FULL)
    whole = translate_stream(PAIR.stream(known), [FULL])
    assert translate_stream(PAIR.stream(known), split(FULL, cuts)) == whole


def test_a_stream_cut_anywhere_has_no_end_mark():
    _, _, known = streamed(FULL)
    for kept in range(len(FULL) - len(b"\n\n")):
        out, error = translate_stream(PAIR.stream(known), [FULL[:kept]])
        assert error is None or isinstance(error, UpstreamFailed)
        assert b"message_stop" not in out or FULL[:kept].endswith(b"[DONE]")


def test_calls_that_share_an_index_are_told_apart_by_their_ids():
    data = chunks(piece(0, '{"a":1}', "x", "weather"), piece(0, "{}", "y", "weather"), chunk({}, "stop"))
    (out, error), _, _ = streamed(data)
    assert error is None
    with anthropic_client(out).messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        done = stream.get_final_message()
    assert [(block.id, block.input) for block in done.content] == [("x", {"a": 1}), ("y", {})]
    assert done.stop_reason == "tool_use"


def test_calls_without_index_and_with_the_arguments_as_an_object():
    whole = {"id": "x", "function": {"name": "weather", "arguments": {"a": 1}}}
    (out, error), _, _ = streamed(chunks(chunk({"tool_calls": [whole]}), chunk({}, "tool_calls")))
    assert error is None
    with anthropic_client(out).messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        assert stream.get_final_message().content[0].input == {"a": 1}


def test_content_in_chunks_as_mistrals_reasoning_models_give_it():
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    pieces = [thought, {"type": "text", "text": "a"}]
    known = PAIR.request(messages_request("x", thinking={"type": "adaptive"})).remembered
    done = check_answer(Message, PAIR.response(completion({"content": pieces}), known))
    assert [block.type for block in done.content] == ["thinking", "text"]
    stream = chunks(
        chunk({"content": [thought]}), chunk({"content": pieces}), chunk({"content": "b"}), chunk({}, "stop")
    )
    (out, error), _, _ = streamed(stream, thinking={"type": "adaptive"})
    assert error is None
    with anthropic_client(out).messages.stream(model="m", max_tokens=1, messages=[]) as helper:
        done = helper.get_final_message()
    assert [getattr(block, "text", None) or block.thinking for block in done.content] == ["hmhm", "ab"]


def test_a_refusal_in_a_stream():
    (out, _), _, _ = streamed(chunks(chunk({"refusal": "no"}), chunk({}, "stop")))
    with anthropic_client(out).messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        done = stream.get_final_message()
    assert (done.content[0].text, done.stop_reason) == ("no", "refusal")


def test_an_error_in_the_stream_becomes_the_clients_and_ends_it():
    error_chunk = {"error": {"message": "busy", "type": "server_error", "code": "rate_limit_exceeded"}}
    (out, error), _, _ = streamed(chunks(chunk({"content": "a"}), error_chunk, chunk({}, "stop")))
    assert error is None
    assert b"message_stop" not in out
    with pytest.raises(anthropic.APIError, match="busy"):
        list(anthropic_client(out).messages.create(model="m", max_tokens=1, messages=[], stream=True))


@pytest.mark.parametrize(
    "junk",
    [b"data: {\n\n", b"data: 5\n\n", b"data: [DONE]\n\n", chunks(chunk({}, "bored")), chunks(piece(0, "{}")),
     chunks(piece(0, "{}", "a", "weather"), chunk({"content": "x"}), piece(0, "{}")),
     chunks(piece(0, "", "a", "weather"), piece(1, "{}")), chunks(chunk() | {"choices": [{"index": 1}]})],
)  # fmt: skip
def test_a_stream_that_cannot_be_read_fails_after_what_came_before(junk):
    data = chunks(chunk({"content": "a"})).removesuffix(b"data: [DONE]\n\n") + junk + FULL
    (out, error), _, known = streamed(data)
    assert isinstance(error, UpstreamFailed)
    assert b"message_start" in out
    assert b"message_stop" not in out
    by_byte, error = translate_stream(PAIR.stream(known), [bytes([byte]) for byte in data])
    assert by_byte == out
    assert isinstance(error, UpstreamFailed)
