"""Requests, answers, streams and errors in OpenAI's format."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.schemas import streamable

from freehold.errors import BadRequest, RestrictedRefused
from freehold.vocabulary import Usage
from freehold.wire import openai as wire

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def body(message, usage=USAGE, **extra):
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return json.dumps(
        {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage} | extra
    ).encode()


def assemble(pieces):
    assembler = wire.StreamAssembler()
    for piece in pieces:
        assembler.feed(piece)
    return assembler.finish()


def test_request_reads_parts_and_ignores_what_it_does_not_know():
    request = wire.decode_request(
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url",'
        b'"image_url":{"url":"x"}}]}],"unknown":{"deep":[1]},"stream":true,"stream_options":{"include_usage":true}}'
    )
    assert request.messages[0].text == "a\n"
    assert not request.messages[0].text_only
    assert request.stream
    assert request.include_usage


@pytest.mark.parametrize(
    "bad",
    [b"", b"{", b"[]", b'"x"', b"{}", b'{"messages":1}', b'{"messages":[1]}', b"\xff\xfe", b"[" * 100_000, b"NaN"],
)
def test_request_that_no_provider_could_answer_is_refused(bad):
    with pytest.raises(BadRequest) as refused:
        wire.decode_request(bad)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 2), ("logprobs", True), ("stop", ["x"]), ("modalities", ["text", "audio"]), ("tool_choice", "required")],
)
def test_request_names_what_an_owned_model_cannot_give(field, value):
    request = wire.decode_request(json.dumps({"messages": [], field: value}).encode())
    assert request.owned_obstacle() == field
    assert wire.decode_request(b'{"messages":[],"n":1,"logprobs":false,"modalities":["text"]}').owned_obstacle() == ""


def test_usage_counts_are_disjoint():
    assert wire.usage_of(body({"content": "a"})) == Usage(
        input_tokens=40, cache_read_tokens=60, output_tokens=20, reasoning_tokens=5
    )
    assert wire.usage_of(body({"content": "a"}, usage=None)) is None
    assert wire.usage_of(b"<html>") is None


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "Grüße"}, "Grüße"),
        ({"content": ""}, ""),
        ({"content": None, "refusal": "no"}, None),
        ({"content": [{"type": "text", "text": "a"}]}, "a"),
        (
            {"content": "let me", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{ "a": 1 }'}}]},
            '{"tool_calls":[{"name":"f","arguments":{"a":1}}]}',
        ),
        (
            {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{cut"}}]},
            '{"tool_calls":[{"name":"f","arguments":"{cut"}]}',
        ),
    ],
)
def test_answer_text_is_canonical(message, text):
    assert wire.answer_text(body(message)) == text


def test_no_answer_in_an_error_or_in_html():
    assert wire.answer_text(b'{"error":{"message":"x"}}') is None
    assert wire.answer_text(b"<html>") is None
    assert wire.finish_reason(b'{"choices":[]}') is None


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans(), st.lists(st.integers(0, 5000), max_size=9))
def test_a_streamed_owned_answer_assembles_to_the_whole_one_for_every_split(answer, include_usage, cuts):
    fields = {"id": "chatcmpl-1", "model": "m", "created": 7, "answer": answer, "usage": Usage(10, output_tokens=3)}
    whole = wire.completion(**fields)
    stream = b"".join(wire.completion_chunks(**fields, include_usage=include_usage))
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    came = assemble(stream[a:b] for a, b in pairwise(edges))
    expected = streamable(whole)
    if not include_usage:
        del expected["usage"]
    assert json.loads(came.body) == expected
    assert came.fault == ""
    assert came.usage == (Usage(10, output_tokens=3) if include_usage else None)
    assert wire.answer_text(came.body) == answer


def test_tool_calls_survive_authoring_streaming_and_assembly():
    answer = '{"tool_calls":[{"name":"book","arguments":{"seats":2}},{"name":"mail","arguments":{}}]}'
    fields = {"id": "chatcmpl-1", "model": "m", "created": 7, "answer": answer, "usage": Usage(), "tools": True}
    whole = streamable(wire.completion(**fields))
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    assert wire.answer_text(wire.completion(**fields)) == answer
    came = assemble(wire.completion_chunks(**fields, include_usage=True))
    assert json.loads(came.body) == whole


def test_unknown_delta_fields_and_gapped_tool_indexes_are_kept():
    chunks = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "reasoning_content": "th"}}], "odd": 1},
        {"choices": [{"index": 0, "delta": {"reasoning_content": "ink"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 3, "id": "a", "function": {"name": "f"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 3, "function": {"arguments": "{}"}}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": USAGE},
    ]
    came = assemble([*(b"data: " + json.dumps(c).encode() + b"\r\n\r\n" for c in chunks), b"data: [DONE]"])
    whole = json.loads(came.body)
    assert came.fault == ""
    assert whole["odd"] == 1
    assert whole["choices"][0]["message"]["reasoning_content"] == "think"
    assert whole["choices"][0]["message"]["tool_calls"] == [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]
    assert came.usage == Usage(40, 60, 0, 20, 5)


GOOD = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'


@pytest.mark.parametrize(
    ("stream", "error_sent"),
    [
        (b"", False),
        (GOOD, False),
        (GOOD + END, False),
        (GOOD + b"data: [DONE]\n\n", False),
        (GOOD + b'data: {"choices":[{"ind', False),
        (GOOD + b"data: not json\n\n" + END + b"data: [DONE]\n\n", False),
        (GOOD + b'data: {"choices":7}\n\n' + END + b"data: [DONE]\n\n", False),
        (GOOD + b'data: {"error":{"message":"x"}}\n\n', True),
        (GOOD + b'event: error\ndata: {"message":"x"}\n\n' + END + b"data: [DONE]\n\n", True),
        (b"<html>oops</html>", False),
    ],
)
def test_cut_or_broken_streams_are_told_from_complete_ones(stream, error_sent):
    came = assemble([stream])
    assert came.fault
    assert came.error_sent is error_sent
    assert assemble([GOOD + END + b"data: [DONE]\n\n"]).fault == ""


def test_error_envelope_has_openais_form():
    envelope = json.loads(wire.error_envelope(RestrictedRefused("no", hint="do this")))
    assert envelope == {
        "error": {"message": "no (do this)", "type": "permission_error", "param": None, "code": "restricted_refused"}
    }
    assert wire.error_event(RestrictedRefused("no")).startswith(b'data: {"error":')


WORDS = "choices index delta content role tool_calls function arguments name usage error logprobs message".split()  # noqa: SIM905
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.lists(JSON | st.builds(lambda delta: {"choices": [{"index": 0, "delta": delta}]}, JSON), max_size=4),
    st.booleans(),
)
def test_no_stream_however_odd_breaks_the_assembler(events, plain):
    newline = b"\n\n" if plain else b"\r\n\r\n"
    came = assemble([b"data: " + json.dumps(event).encode() + newline for event in events])
    assert came.fault
    json.loads(came.body)


@given(JSON)
def test_no_body_however_odd_breaks_the_readers(value):
    raw = json.dumps({"choices": [{"message": value}], "usage": value}).encode()
    wire.answer_text(raw)
    wire.usage_of(raw)
    wire.finish_reason(raw)
