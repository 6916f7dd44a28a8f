"""What holds for every dialect: our answers are valid, survive streaming and any split, and no junk breaks a reader."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.schemas import check_authored, check_error, check_error_event, check_events, streamable

from freehold import errors
from freehold.errors import BadRequest, FreeholdError
from freehold.vocabulary import Usage
from freehold.wire.dialects import Assembled, Dialect, Read
from freehold.wire.known import CHAT, COMPLETIONS, DIALECTS, EMBEDDINGS, dialect

USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"seats": {"type": "integer"}}}
FUNCTION = {"name": "book", "parameters": SCHEMA}
REQUESTS = {
    "openai.chat": {
        "model": "m",
        "messages": [USER],
        "tools": [{"type": "function", "function": FUNCTION}],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "openai.responses": {
        "model": "m",
        "input": [USER],
        "instructions": None,
        "tools": [{"type": "function", **FUNCTION}],
        "text": {"format": {"type": "text"}},
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    },
    "openai.completions": {"model": "m", "prompt": "hi", "stream": True, "stream_options": {"include_usage": True}},
    "openai.embeddings": {"model": "m", "input": "hi"},
    "anthropic.messages": {
        "model": "m",
        "max_tokens": 100,
        "messages": [USER],
        "tools": [{"name": "book", "input_schema": SCHEMA}],
        "stream": True,
    },
}
CALLS = '{"tool_calls":[{"name":"book","arguments":{"seats":2}},{"name":"mail","arguments":{}}]}'
USAGE = Usage(10, cache_read_tokens=4, cache_write_tokens=3, output_tokens=5, reasoning_tokens=2)
SPOKEN = pytest.mark.parametrize("spoken", DIALECTS.values(), ids=DIALECTS.keys())
OWNED = [one for one in DIALECTS.values() if one is not EMBEDDINGS]
SPOKEN_BY_OWNED = pytest.mark.parametrize("spoken", OWNED, ids=lambda one: one.name)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def asked(spoken: Dialect):
    return spoken.decode(json.dumps(REQUESTS[spoken.name]).encode())


def authored(spoken: Dialect, answer: str, usage: Usage = USAGE) -> bytes:
    return spoken.author(asked(spoken), call_id="call_0123456789abcdef", created_s=7, answer=answer, usage=usage)


def assembled(spoken: Dialect, pieces) -> Assembled:
    assembler = spoken.assembler()
    for piece in pieces:
        assembler.feed(piece)
    return assembler.finish()


def split(data: bytes, cuts) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


@SPOKEN
def test_a_dialect_is_known_by_its_name_and_its_request_asks_for_nothing_odd(spoken):
    assert dialect(spoken.name) is spoken
    assert dialect("nobody's") is CHAT
    read = asked(spoken)
    request = read.chat
    assert read.obstacle == ("input" if spoken is EMBEDDINGS else "")
    assert (request.model, request.messages[0].role, request.messages[0].text) == ("m", "user", "hi")
    assert request.stream is (None if spoken is EMBEDDINGS else True)
    assert request.tools == ([{"type": "function", "function": FUNCTION}] if "tools" in REQUESTS[spoken.name] else None)
    whole = spoken.unstreamed(json.dumps(REQUESTS[spoken.name]).encode())
    kept = {k: v for k, v in REQUESTS[spoken.name].items() if k not in {"stream", "stream_options"}}
    assert json.loads(whole) == kept


@SPOKEN_BY_OWNED
@settings(deadline=None)  # the first example of each builds a schema; machines are busy
@given(answer=st.just(CALLS) | TEXTS, cuts=st.lists(st.integers(0, 9999), max_size=9))
def test_an_authored_answer_is_valid_and_survives_streaming_however_it_is_split(spoken, answer, cuts):
    body = authored(spoken, answer)
    check_authored(spoken.name, body)
    assert spoken.answer_text(body) == answer
    assert spoken.read(body) == Read("m", USAGE)
    assert spoken.finish_reason(body) == ("tool_calls" if answer == CALLS and spoken is not COMPLETIONS else "stop")
    events = spoken.stream_of(body, asked(spoken))
    check_events(spoken.name, events)
    stream = b"".join(events)
    assert stream.count(spoken.end_mark) == 1 or spoken.end_mark in answer.encode()
    came = assembled(spoken, split(stream, cuts))
    assert json.loads(came.body) == streamable(body)
    assert (came.usage, came.fault, came.error_sent, came.text_chars) == (USAGE, "", False, 0)


@SPOKEN_BY_OWNED
@settings(deadline=None)
@given(
    seed=st.randoms(use_true_random=False),
    at=st.integers(1, 9999),
    newline=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 9999), max_size=6),
)
def test_a_cut_stream_is_never_complete_and_every_split_of_it_says_the_same(spoken, seed, at, newline, cuts):
    words = " ".join(seed.choice(["ash", "birch", "größe", "樹"]) for _ in range(40))
    events = spoken.stream_of(authored(spoken, words), asked(spoken))
    # Without its last event the stream says nowhere that it is over; cut anywhere before, it is not over either.
    stream = b"".join(events[:-1]).replace(b"\n", newline)
    stream = stream[: at % len(stream)]
    came = assembled(spoken, [stream])
    assert came.fault
    assert not came.error_sent
    assert assembled(spoken, split(stream, cuts)) == came
    json.loads(came.body)


@SPOKEN_BY_OWNED
def test_every_single_byte_on_its_own_gives_the_same_answer(spoken):
    body = authored(spoken, "Grüße an 樹")
    stream = b"".join(spoken.stream_of(body, asked(spoken)))
    came = assembled(spoken, [bytes([byte]) for byte in stream])
    assert json.loads(came.body) == streamable(body)
    assert assembled(spoken, [stream.rstrip(b"\n")]) == came, "a missing last blank line is forgiven"
    long = authored(spoken, "word " * 40_000)
    read_in_batches = assembled(spoken, split(b"".join(spoken.stream_of(long, asked(spoken))), range(0, 10**7, 4096)))
    assert json.loads(read_in_batches.body) == streamable(long)


@SPOKEN_BY_OWNED
@pytest.mark.parametrize("answer", ["an answer of some length, so that it comes in pieces", CALLS])
def test_a_stream_that_breaks_says_so_as_soon_as_it_is_known(spoken, answer):
    events = spoken.stream_of(authored(spoken, answer), asked(spoken))
    error = spoken.error_event(errors.UpstreamFailed("it broke off"))
    for at in range(1, len(events)):
        assembler = spoken.assembler()
        for event in events[:at]:
            assembler.feed(event)
            assert not assembler.broken
        assembler.feed(error)
        assert assembler.broken
        came = assembler.finish()
        assert came.fault == "the provider sent an error in the stream"
        assert came.error_sent
        assert b"it broke off" in came.body
        odd = assembled(spoken, [*events[:at], b"data: {no json\n\n", *events[at:]])
        assert odd.fault == "an event of the stream is not readable JSON"
        assert not odd.error_sent
    inside = spoken.assembler()
    inside.feed(events[0][:-1])
    assert not inside.broken


@pytest.mark.parametrize("spoken", [one for one in OWNED if one.name != "openai.responses"], ids=lambda one: one.name)
def test_an_end_that_comes_too_soon_is_known_when_it_comes(spoken):
    """An event of Responses that says so holds the whole answer, so that it never comes too soon."""
    events = spoken.stream_of(authored(spoken, "an answer of some length, " * 9), asked(spoken))
    assembler = spoken.assembler()
    for event in events:
        assembler.feed(event)
    assert not assembler.broken
    early = spoken.assembler()
    early.feed(events[0])
    assert not early.broken
    early.feed(events[-1])
    assert early.broken
    assert "without a" in early.finish().fault


def _errors(kind: type[FreeholdError]) -> list[type[FreeholdError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in _errors(below))]


@SPOKEN
@pytest.mark.parametrize("kind", _errors(FreeholdError), ids=lambda kind: kind.__name__)
def test_every_error_has_the_dialects_own_envelope(spoken, kind):
    rest = {"retry_after_s": 3} if issubclass(kind, errors.Overloaded) else {}
    error = kind("what is wrong", hint="do this", **rest)
    envelope = check_error(spoken.name, spoken.error_envelope(error))
    assert envelope["error"]["message"] == "what is wrong (do this)"
    assert kind.code in json.dumps(envelope)
    check_error_event(spoken.name, spoken.error_event(error))
    assert spoken.read(spoken.error_envelope(error)) is None
    assert spoken.answer_text(spoken.error_envelope(error)) is None
    assert spoken.finish_reason(spoken.error_envelope(error)) is None


@SPOKEN
@pytest.mark.parametrize(
    "bad",
    [b"", b"{", b"[]", b'"x"', b'{"messages":1,"input":1,"prompt":{}}', b"\xff\xfe", b"[" * 100_000, b"NaN", b"null"],
)
def test_a_request_that_no_provider_could_answer_is_refused(spoken, bad):
    with pytest.raises(BadRequest):
        spoken.decode(bad)
    assert spoken.read(bad) is None
    assert spoken.answer_text(bad) is None


WORDS = (  # noqa: SIM905
    "type id role model object content text choices index delta message usage error name input arguments output item "
    "response status content_block partial_json tool_calls function finish_reason stop_reason messages system tools "
    "input_tokens output_tokens prompt_tokens logprobs source citations tool_choice format instructions prompt part "
    "output_index content_index item_id summary sequence_number stream metadata cache_creation"
).split()
KINDS = (  # noqa: SIM905
    "message message_start message_delta message_stop content_block_start content_block_delta content_block_stop ping "
    "error text text_delta input_json_delta thinking_delta signature_delta citations_delta tool_use tool_result image "
    "document user assistant system function function_call function_call_output reasoning output_text input_text "
    "response.created response.completed response.incomplete response.failed response.output_item.added "
    "response.output_item.done response.content_part.added response.output_text.delta "
    "response.function_call_arguments.delta response text_completion"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=14,
)  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(WORDS), JSON, max_size=6)


@SPOKEN
@settings(deadline=None)
@given(
    events=st.lists(st.tuples(JSON | st.builds(lambda o, k: o | {"type": k}, OBJECTS, st.sampled_from(KINDS)))),
    start=st.booleans(),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    cuts=st.lists(st.integers(0, 9999), max_size=5),
)
def test_no_stream_however_odd_breaks_an_assembler(spoken, events, start, newline, cuts):
    start = start and spoken is not EMBEDDINGS
    stream = b"".join(spoken.stream_of(authored(spoken, "a"), asked(spoken))[:3]) if start else b""
    stream += b"".join(b"data: " + json.dumps(event[0]).encode() + newline * 2 for event in events)
    came = assembled(spoken, split(stream, cuts))
    json.loads(came.body)
    assert came == assembled(spoken, [stream])


@SPOKEN
@settings(deadline=None)
@given(data=st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | OBJECTS.map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_no_body_however_odd_breaks_the_readers(spoken, data):
    spoken.read(data)
    spoken.answer_text(data)
    spoken.finish_reason(data)
    try:
        asked = spoken.decode(data)
    except BadRequest:
        return
    assert isinstance(asked.obstacle, str)
    assert all(isinstance(message.text, str) for message in asked.chat.messages)
