"""Clients of chat completions and of Messages, served by Bedrock's Converse."""

import base64
import json

import anthropic
import openai
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from tests.wire.translation.bodies import (
    anthropic_client,
    chat_request,
    check_answer,
    messages_request,
    openai_client,
    raw,
    split,
    translate_stream,
)
from tests.wire.translation.converse import OUTPUT, check, check_converse_request, check_frames, exception, frame

from freehold.errors import BadRequest, UpstreamFailed
from freehold.vocabulary import Usage
from freehold.wire.bedrock import encode_frame
from freehold.wire.translation import translation

CHAT = translation("openai.chat", "bedrock.converse")
MESSAGES = translation("anthropic.messages", "bedrock.converse")
CLAUDE = "us.anthropic.claude-sonnet-4-6-v1:0"
NOVA = "amazon.nova-pro-v1:0"
TOOL = {"type": "function", "function": {"name": "weather", "description": "now"}}
CLAUDE_TOOL = {"name": "weather", "input_schema": {"type": "object"}}
PNG = base64.b64encode(b"\x89PNG").decode()


def chat(*messages, model=CLAUDE, **fields):
    done = CHAT.request(chat_request(*messages, **fields), model=model)
    return check_converse_request(done.body), done


def messages(*turns, model=CLAUDE, **fields):
    done = MESSAGES.request(messages_request(*turns, **fields), model=model)
    return check_converse_request(done.body), done


def refused(*turns, model=CLAUDE, **fields):
    with pytest.raises(BadRequest) as caught:
        CHAT.request(chat_request(*turns, **fields), model=model)
    assert caught.value.error_code == "untranslatable"
    return caught.value.message


def call(call_id, arguments="{}"):
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def result(call_id, content):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def test_a_chat_conversation_with_tools():
    body, done = chat(
        {"role": "system", "content": "be brief"},
        "weather?",
        {"role": "assistant", "content": "let me see", "tool_calls": [call("a", '{"town": "Ulm"}'), call("b")]},
        result("a", "rain"),
        result("b", ""),
        "and?",
        tools=[TOOL],
        tool_choice="required",
        max_tokens=50,
        temperature=0.2,
        top_p=0.9,
        stop="END",
        user="u",
        seed=3,
    )
    assert body["system"] == [{"text": "be brief"}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == [
        {"text": "let me see"},
        {"toolUse": {"toolUseId": "a", "name": "weather", "input": {"town": "Ulm"}}},
        {"toolUse": {"toolUseId": "b", "name": "weather", "input": {}}},
    ]
    assert body["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "a", "content": [{"text": "rain"}]}},
        {"toolResult": {"toolUseId": "b", "content": []}},
        {"text": "and?"},
    ]
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    spec = body["toolConfig"]["tools"][0]["toolSpec"]
    assert spec == {
        "name": "weather",
        "description": "now",
        "inputSchema": {"json": {"type": "object", "properties": {}}},
    }
    assert body["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.2, "topP": 0.9, "stopSequences": ["END"]}
    assert set(done.lost) == {"user", "seed"}
    assert done.remembered.model == CLAUDE


def test_nothing_is_made_up_where_nothing_was_asked():
    body, done = chat("x")
    assert set(body) == {"messages"}
    assert done.lost == ()


def test_images_and_documents_are_bytes_and_have_names_that_differ():
    document = {"filename": "Bericht_2026 (alt).pdf", "file_data": f"data:application/pdf;base64,{PNG}"}
    body, _ = chat(
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PNG}"}},
                {"type": "file", "file": document},
                {"type": "file", "file": document},
                {"type": "file", "file": {"filename": "a.csv", "file_data": PNG}},
                {"type": "text", "text": "what?", "prompt_cache_breakpoint": {"mode": "explicit"}},
            ],
        }
    )
    image, first, second, table, text, mark = body["messages"][0]["content"]
    assert image["image"] == {"format": "jpeg", "source": {"bytes": PNG}}
    assert [block["document"]["name"] for block in (first, second)] == [
        "Bericht 2026 (alt) pdf",
        "Bericht 2026 (alt) pdf 2",
    ]
    assert table["document"]["format"] == "csv"
    assert (text, mark) == ({"text": "what?"}, {"cachePoint": {"type": "default"}})


@pytest.mark.parametrize(
    "part",
    [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
     {"type": "image_url", "image_url": {"url": f"data:image/bmp;base64,{PNG}"}},
     {"type": "file", "file": {"file_data": f"data:application/zip;base64,{PNG}"}}],
)  # fmt: skip
def test_what_bedrock_does_not_read_is_refused(part):
    assert refused({"role": "user", "content": [part]}).startswith("messages.0.content ")


def test_choice_of_tools():
    named = {"type": "function", "function": {"name": "weather"}}
    assert chat("x", tools=[TOOL], tool_choice=named)[0]["toolConfig"]["toolChoice"] == {"tool": {"name": "weather"}}
    assert chat("x", tools=[TOOL], tool_choice="auto")[0]["toolConfig"]["toolChoice"] == {"auto": {}}
    assert "toolConfig" not in chat("x", tools=[TOOL], tool_choice="none")[0]
    used = ("x", {"role": "assistant", "tool_calls": [call("a")]}, result("a", "1"))
    assert refused(*used, tools=[TOOL], tool_choice="none").startswith("tool_choice ")


def test_only_claude_can_be_kept_to_one_call():
    named = {"type": "function", "function": {"name": "weather"}}
    body, _ = chat("x", tools=[TOOL], tool_choice=named, parallel_tool_calls=False)
    assert "toolChoice" not in body["toolConfig"]
    assert body["additionalModelRequestFields"] == {
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    }
    assert refused("x", model=NOVA, tools=[TOOL], parallel_tool_calls=False).startswith("parallel_tool_calls ")
    assert chat("x", model=NOVA, tools=[TOOL], parallel_tool_calls=True)[1].lost == ()


def test_a_schema_of_the_answer_and_the_effort():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": schema}}
    body, done = chat("x", response_format=wanted, reasoning_effort="low")
    structure = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (json.loads(structure["schema"]), structure["name"], structure["description"]) == (schema, "n", "d")
    assert body["outputConfig"]["effort"] == "low"
    assert done.lost == ()
    assert chat("x", model=NOVA, reasoning_effort="low")[1].lost == ("reasoning_effort",)
    assert refused("x", response_format={"type": "json_object"}).startswith("response_format ")


def test_sampling_where_the_model_takes_it():
    assert chat("x", temperature=1)[0].keys() == {"messages"}
    assert chat("x", model=NOVA, temperature=1, top_p=1)[0]["inferenceConfig"] == {"temperature": 1, "topP": 1}
    assert chat("x", model="us.anthropic.claude-opus-4-7", temperature=0.2)[1].lost == ("temperature",)
    assert chat("x", top_k=5)[0]["additionalModelRequestFields"] == {"top_k": 5}
    assert chat("x", model=NOVA, top_k=5)[1].lost == ("top_k",)
    assert refused("x", temperature=1.5).startswith("temperature ")
    assert refused("x", logit_bias={"1": 100}).startswith("logit_bias ")


def test_instructions_between_turns_move_to_the_front_and_are_reported():
    body, done = chat("a", {"role": "assistant", "content": "b"}, "c", {"role": "system", "content": "d"})
    assert body["system"] == [{"text": "d"}]
    assert done.lost == ("messages.order",)


def test_what_claude_clients_send_reaches_claude_on_bedrock():
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": PNG}
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"a": 1}}
    failed = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": True}
    body, done = messages(
        "a",
        {"role": "assistant", "content": [thought, hidden, use]},
        {"role": "user", "content": [failed]},
        system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        tools=[CLAUDE_TOOL | {"cache_control": {"type": "ephemeral"}}],
        thinking={"type": "enabled", "budget_tokens": 1024},
        stop_sequences=["END"],
        metadata={"user_id": "u"},
    )
    assert body["system"] == [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body["messages"][1]["content"][:2] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": PNG}},
    ]
    assert body["messages"][2]["content"][0]["toolResult"]["status"] == "error"
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert done.lost == ("metadata.user_id",)
    assert messages("x", model=NOVA, thinking={"type": "adaptive"})[1].lost == ("thinking",)


def test_images_in_results_of_tools_arrive():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}}
    use = {"type": "tool_use", "id": "t", "name": "weather", "input": {}}
    found = {"type": "tool_result", "tool_use_id": "t", "content": [image, document]}
    body, _ = messages("a", {"role": "assistant", "content": [use]}, {"role": "user", "content": [found]})
    picture, text = body["messages"][2]["content"][0]["toolResult"]["content"]
    assert picture == {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert base64.b64decode(text["document"]["source"]["bytes"]) == b"plain"


def test_a_mark_of_caching_inside_the_result_of_a_tool_is_reported():
    use = {"type": "tool_use", "id": "t", "name": "weather", "input": {}}
    text = {"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}
    found = {"type": "tool_result", "tool_use_id": "t", "content": [text]}
    body, done = messages("a", {"role": "assistant", "content": [use]}, {"role": "user", "content": [found]})
    assert body["messages"][2]["content"] == [{"toolResult": {"toolUseId": "t", "content": [{"text": "r"}]}}]
    assert done.lost == ("cache_control",)


def answer(*blocks, stop="end_turn", **fields):
    usage = {"inputTokens": 10, "outputTokens": 7, "totalTokens": 52, "cacheReadInputTokens": 30}
    body = {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop,
        "usage": usage | {"cacheWriteInputTokens": 5},
        "metrics": {"latencyMs": 1},
    }
    return raw(body | fields)


def test_the_stand_in_says_what_bedrock_may_say():
    check(json.loads(answer({"text": "a"}, {"toolUse": {"toolUseId": "a", "name": "n", "input": {}}})), OUTPUT)
    check_frames(FULL)


def test_an_answer_for_a_chat_client():
    remembered = CHAT.request(chat_request("x"), model=CLAUDE).remembered
    use = {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"town": "Köln"}}}
    done = check_answer(ChatCompletion, CHAT.response(answer({"text": "hé"}, use, stop="tool_use"), remembered))
    assert (done.id, done.created, done.model) == (f"chatcmpl-{remembered.id}", remembered.created_s, CLAUDE)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == ("hé", "tool_calls")
    assert json.loads(done.choices[0].message.tool_calls[0].function.arguments) == {"town": "Köln"}
    assert (done.usage.prompt_tokens, done.usage.total_tokens) == (45, 52)
    assert done.usage.prompt_tokens_details.cached_tokens == 30


def test_an_answer_for_a_messages_client():
    remembered = MESSAGES.request(messages_request("x", thinking={"type": "adaptive"}), model=CLAUDE).remembered
    blocks = (
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": PNG}},
        {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}},
    )
    body = answer(*blocks, stop="stop_sequence", additionalModelResponseFields={"stop_sequence": "END"})
    done = check_answer(Message, MESSAGES.response(body, remembered))
    assert [block.type for block in done.content] == ["thinking", "redacted_thinking", "text"]
    assert (done.content[0].thinking, done.content[0].signature, done.content[2].text) == ("hm", "s", "ab")
    assert (done.stop_reason, done.stop_sequence) == ("stop_sequence", "END")
    assert (done.usage.input_tokens, done.usage.cache_read_input_tokens) == (10, 30)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("guardrail_intervened", "content_filter"),
     ("content_filtered", "content_filter"), ("model_context_window_exceeded", "length"), ("stop_sequence", "stop")],
)  # fmt: skip
def test_finish_reasons(stop, reason):
    done = check_answer(ChatCompletion, CHAT.response(answer({"text": "a"}, stop=stop)))
    assert done.choices[0].finish_reason == reason


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", raw({"message": "no"}), answer({"image": {}}), answer({"text": "a"}, stop="malformed_tool_use"),
     answer({"text": "a"}, stop="bored"), answer({"text": 5})],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_a_failure_of_the_provider(body):
    with pytest.raises(UpstreamFailed):
        CHAT.response(body)


def test_errors_keep_their_message():
    body = CHAT.error(429, raw({"message": "slow down", "__type": "com.amazon#ThrottlingException"}))
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        openai_client(body, 429, "application/json").chat.completions.create(model="m", messages=[])
    assert caught.value.code == "ThrottlingException"
    body = MESSAGES.error(400, raw({"Message": "no"}))
    with pytest.raises(anthropic.BadRequestError, match="no"):
        anthropic_client(body, 400, "application/json").messages.create(model="m", max_tokens=1, messages=[])


def delta(index, **fields):
    return frame("contentBlockDelta", contentBlockIndex=index, delta=fields)


def stopped(index):
    return frame("contentBlockStop", contentBlockIndex=index)


def tool(index, call_id, *pieces):
    use = {"toolUseId": call_id, "name": "weather"}
    start = frame("contentBlockStart", contentBlockIndex=index, start={"toolUse": use})
    return b"".join([start, *(delta(index, toolUse={"input": piece}) for piece in pieces), stopped(index)])


USAGE = {"inputTokens": 10, "outputTokens": 9, "totalTokens": 22, "cacheReadInputTokens": 3}
METADATA = frame("metadata", usage=USAGE, metrics={"latencyMs": 5})
START = frame("messageStart", role="assistant")
FRAMES = (
    START,
    delta(0, reasoningContent={"text": "h\u00e4"}),
    delta(0, reasoningContent={"signature": "s"}),
    stopped(0),
    delta(1, text="Gr\u00fc"),
    delta(1, text="\u00dfe"),
    stopped(1),
    tool(2, "tooluse_1", '{"to', 'wn": "Ulm"}'),
    tool(3, "tooluse_2"),
    frame("messageStop", stopReason="tool_use"),
    METADATA,
)
FULL = b"".join(FRAMES)


def streamed(data, pair=CHAT, **fields):
    request = chat_request if pair is CHAT else messages_request
    done = pair.request(request("x", stream=True, **fields), model=CLAUDE)
    translator = pair.stream(done.remembered)
    return translate_stream(translator, [data]), translator, done.remembered


def test_a_stream_for_a_chat_client():
    (out, error), translator, known = streamed(FULL, stream_options={"include_usage": True})
    assert error is None
    with openai_client(out).chat.completions.stream(model="m", messages=[]) as stream:
        done = stream.get_final_completion()
    assert (done.id, done.model) == (f"chatcmpl-{known.id}", CLAUDE)
    assert done.choices[0].message.content == "Grüße"
    assert [(one.id, one.function.arguments) for one in done.choices[0].message.tool_calls] == [
        ("tooluse_1", '{"town": "Ulm"}'),
        ("tooluse_2", "{}"),
    ]
    assert (done.choices[0].finish_reason, done.usage.prompt_tokens) == ("tool_calls", 13)
    assert translator.usage == Usage(input_tokens=10, cache_read_tokens=3, output_tokens=9)


def test_a_stream_for_a_messages_client():
    (out, error), _, _ = streamed(FULL, MESSAGES, thinking={"type": "adaptive"})
    assert error is None
    with anthropic_client(out).messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        done = stream.get_final_message()
    assert [block.type for block in done.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert (done.content[0].thinking, done.content[0].signature) == ("hä", "s")
    assert (done.content[2].input, done.content[3].input) == ({"town": "Ulm"}, {})
    assert (done.stop_reason, done.usage.input_tokens, done.usage.output_tokens) == ("tool_use", 10, 9)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_however_the_stream_is_split_the_client_gets_the_same(cuts):
    _, _, known = streamed(FULL)
    whole = translate_stream(CHAT.stream(known), [FULL])
    assert translate_stream(CHAT.stream(known), split(FULL, cuts)) == whole


def test_a_stream_cut_before_its_reason_has_no_end_mark_and_one_without_counts_has():
    for kept in range(len(FRAMES) + 1):
        (out, error), translator, _ = streamed(b"".join(FRAMES[:kept]))
        assert error is None
        assert (b"[DONE]" in out) == (kept >= len(FRAMES) - 1)
        assert (translator.usage is not None) == (kept == len(FRAMES))
    (out, error), _, _ = streamed(FULL[:-40])
    assert error is None
    assert b"[DONE]" in out


@pytest.mark.parametrize(
    ("kind", "code"),
    [("throttlingException", 429), ("modelStreamErrorException", 500), ("validationException", 400)],
)
def test_an_exception_in_the_stream_becomes_the_clients_error_and_ends_it(kind, code):
    broken = START + delta(0, text="a") + exception(kind, "busy") + FULL
    (out, error), _, _ = streamed(broken)
    assert error is None
    assert b"[DONE]" not in out
    with pytest.raises(openai.APIError, match="busy") as caught:
        list(openai_client(out).chat.completions.create(model="m", messages=[], stream=True))
    assert caught.value.code == kind
    (out, _), _, _ = streamed(broken, MESSAGES)
    with pytest.raises(anthropic.APIError, match="busy"):
        list(anthropic_client(out).messages.create(model="m", max_tokens=1, messages=[], stream=True))


def test_an_error_of_the_connection_becomes_the_clients_error():
    error_frame = encode_frame({":message-type": "error", ":error-code": "Internal", ":error-message": "gone"}, b"")
    (out, error), _, _ = streamed(START + error_frame)
    assert error is None
    assert b'"message":"gone"' in out


@pytest.mark.parametrize(
    "junk",
    [b"data: {}\n\n" * 3, encode_frame({":event-type": "messageStop"}, b"{"), frame("messageStop"), START,
     frame("messageStop", stopReason="malformed_model_output"), delta(5, toolUse={"input": "{"}),
     encode_frame({":event-type": "contentBlockDelta"}, raw({"delta": {"text": 5}}))],
)  # fmt: skip
def test_a_stream_that_cannot_be_read_fails_after_what_came_before(junk):
    data = START + junk + FULL
    (out, error), _, known = streamed(data)
    assert isinstance(error, UpstreamFailed)
    assert b"[DONE]" not in out
    assert out.count(b"data: ") == 1
    by_byte, error = translate_stream(CHAT.stream(known), [bytes([byte]) for byte in data])
    assert (by_byte, type(error)) == (out, UpstreamFailed)


def test_what_bedrock_may_add_is_ignored():
    (out, _), _, known = streamed(FULL)
    extra = frame("somethingNew", contentBlockIndex=0) + delta(9, citation={"title": "t"})
    assert translate_stream(CHAT.stream(known), [START, extra, FULL[len(START) :]]) == (out, None)
