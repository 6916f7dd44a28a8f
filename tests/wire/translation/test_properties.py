"""What holds for every request, answer and stream: there and back is the same, and junk is only ever refused."""

import json
from copy import deepcopy

import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from tests.wire.translation import outcomes
from tests.wire.translation.bodies import CLAUDE, check_answer, chunks, raw, sse, translate_stream
from tests.wire.translation.test_chat_to_messages import FULL as MESSAGES_STREAM
from tests.wire.translation.test_chat_to_messages import message
from tests.wire.translation.test_messages_to_chat import FULL as CHAT_STREAM
from tests.wire.translation.test_messages_to_chat import call, chunk, completion
from tests.wire.translation.test_responses import CONVERSATION, request
from tests.wire.translation.test_to_converse import FULL as CONVERSE_STREAM
from tests.wire.translation.test_to_converse import answer

from freehold.errors import BadRequest, UpstreamFailed
from freehold.wire.bedrock import FrameReader, encode_frame
from freehold.wire.translation import translation

CLIENTS = ("openai.chat", "openai.responses", "openai.completions", "anthropic.messages")
UPSTREAMS = ("openai.chat", "anthropic.messages", "bedrock.converse")
PAIRS = [pair for client in CLIENTS for upstream in UPSTREAMS if (pair := translation(client, upstream))]
OUT = translation("openai.chat", "anthropic.messages")
BACK = translation("anthropic.messages", "openai.chat")

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
arguments = st.dictionaries(words, st.one_of(words, st.integers(-5, 5), st.booleans(), st.none()), max_size=3)


def test_every_pair_that_was_asked_for_is_there_and_no_dialect_is_translated_to_itself():
    assert len(PAIRS) == 10
    assert translation("openai.chat", "openai.chat") is None
    assert translation("bedrock.converse", "openai.chat") is None
    assert all(translation(pair.client, pair.upstream) is pair for pair in PAIRS)


@st.composite
def conversations(draw):
    """Rounds of a user's words, a model's words and calls, and the results of these."""
    turns, number = [{"role": "system", "content": draw(words)}], 0
    for _ in range(draw(st.integers(0, 3))):
        turns.append({"role": "user", "content": draw(words)})
        calls = []
        for _ in range(draw(st.integers(0, 2))):
            number += 1
            calls.append(call(f"call_{number}", json.dumps(draw(arguments))))
        said = draw(words) if not calls or draw(st.booleans()) else None
        turns.append({"role": "assistant", "content": said} | ({"tool_calls": calls} if calls else {}))
        turns += [{"role": "tool", "tool_call_id": one["id"], "content": draw(words)} for one in calls]
    return [*turns, {"role": "user", "content": draw(words)}]


def flat(turns):
    """Everything that was said, called and found, in order."""
    for turn in turns:
        content = turn.get("content")
        for part in [content] if isinstance(content, str) else content or []:
            text = part if isinstance(part, str) else part["text"]
            yield (turn["role"], turn.get("tool_call_id"), text)
        for one in turn.get("tool_calls") or ():
            yield (turn["role"], one["id"], one["function"]["name"], json.loads(one["function"]["arguments"]))


@settings(deadline=None)
@given(conversations(), st.sampled_from(["claude-sonnet-4-6", "claude-opus-5"]))
def test_a_conversation_is_the_same_there_and_back(turns, model):
    there = OUT.request(raw({"model": model, "messages": turns, "max_tokens": 5, "temperature": 0.5, "user": "u"}))
    back = json.loads(BACK.request(there.body).body)
    assert list(flat(back["messages"])) == list(flat(turns))
    assert (back["max_tokens"], back["user"]) == (5, "u")


parts = st.lists(
    st.one_of(words, st.tuples(st.sampled_from(["a", "b"]), arguments)), max_size=4
)  # a text, or a call: its name and its arguments


@settings(deadline=None)
@given(parts, st.sampled_from(["stop", "length"]), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_an_answer_is_the_same_there_and_back(said, reason, fresh, cached, written):
    text = "".join(part for part in said if isinstance(part, str))
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": part[0], "arguments": json.dumps(part[1])}}
        for number, part in enumerate(said)
        if not isinstance(part, str)
    ]
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    usage = {"prompt_tokens": fresh + cached + written, "completion_tokens": 7, "prompt_tokens_details": details}
    given_reason = "tool_calls" if calls and reason == "stop" else reason
    body = completion({"content": text or None, "tool_calls": calls}, given_reason)
    body = raw(json.loads(body) | {"usage": usage | {"completion_tokens_details": {"reasoning_tokens": 2}}})
    there = BACK.response(body)
    check_answer(Message, there)
    back = check_answer(ChatCompletion, OUT.response(there))
    choice = back.choices[0]
    assert (choice.message.content or "", choice.finish_reason) == (text, given_reason)
    assert [
        (one.id, one.function.name, json.loads(one.function.arguments)) for one in choice.message.tool_calls or ()
    ] == [(one["id"], one["function"]["name"], json.loads(one["function"]["arguments"])) for one in calls]
    assert back.usage.prompt_tokens == fresh + cached + written
    counted = back.usage.prompt_tokens_details
    assert (counted.cached_tokens, counted.cache_write_tokens) == (cached, written)
    assert (back.usage.completion_tokens, back.usage.completion_tokens_details.reasoning_tokens) == (7, 2)


@settings(deadline=None)
@given(st.lists(st.one_of(words, st.tuples(st.sampled_from(["a", "b"]), st.lists(words, max_size=3))), max_size=6))
def test_a_stream_is_the_same_there_and_back(said):
    pieces, calls = [], 0
    for part in said:
        if isinstance(part, str):
            pieces.append(chunk({"content": part}))
            continue
        function = {"name": part[0], "arguments": ""}
        pieces.append(chunk({"tool_calls": [{"index": calls, "id": f"call_{calls}", "function": function}]}))
        for text in part[1]:
            pieces.append(chunk({"tool_calls": [{"index": calls, "function": {"arguments": text}}]}))
        calls += 1
    stream = chunks(chunk({"role": "assistant"}), *pieces, chunk({}, "tool_calls" if calls else "stop"))
    there, error = translate_stream(BACK.stream(), [stream])
    assert error is None
    back, error = translate_stream(OUT.stream(), [there])
    assert error is None
    assert deltas(back) == deltas(stream)


def deltas(stream):
    """The texts, calls and reasons of a stream of chunks, what belongs together joined; no arguments are `{}`."""
    out = []
    for line in stream.splitlines():
        if not line.startswith(b"data: {"):
            continue
        choice = json.loads(line[6:])["choices"][0]
        for one in choice["delta"].get("tool_calls") or ():
            if "id" in one:
                out.append([one["index"], one["id"], one["function"]["name"], ""])
            out[-1][3] += one["function"]["arguments"]
        text = choice["delta"].get("content")
        if text and out and isinstance(out[-1], str):
            out[-1] += text
        elif text:
            out.append(text)
        if choice["finish_reason"]:
            out.append([choice["finish_reason"]])
    for one in out:
        if len(one) == 4 and not isinstance(one, str):
            one[3] = one[3] or "{}"
    return out


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=4,
)


@st.composite
def spoiled(draw, value):
    """A value with something in it replaced by junk, or left out."""
    whole = {"value": deepcopy(value)}
    holder, key = whole, "value"
    while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 3)):
        holder = holder[key]
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    if isinstance(holder, dict) and holder is not whole and draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = draw(junk)
    return whole["value"]


REQUESTS = [
    (client, outcomes.BASES[client] | {name: value})
    for client, (_, examples) in outcomes.FIELDS.items()
    for name, value in examples.items()
] + [("openai.responses", json.loads(request(*CONVERSATION)))]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_spoiled_request_is_translated_or_refused_and_nothing_else(data):
    client, fields = data.draw(st.sampled_from(REQUESTS))
    body = raw(data.draw(spoiled(fields)))
    for pair in PAIRS:
        if pair.client != client:
            continue
        model = data.draw(st.sampled_from([CLAUDE, "gpt-4.1", "us.anthropic.claude-opus-5"]))
        try:
            done = pair.request(body, model=model).body
        except BadRequest as error:
            done = raw({"code": error.error_code})
        assert json.loads(done).get("code", "bad_request") in ("bad_request", "untranslatable")


ANSWERS = {
    "openai.chat": [completion({"content": "a", "tool_calls": [call("b", "{}")]}), completion({"refusal": "no"})],
    "anthropic.messages": [
        message({"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "name": "n", "input": {}})
    ],
    "bedrock.converse": [answer({"text": "a"}, {"toolUse": {"toolUseId": "t", "name": "n", "input": {}}})],
}


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_spoiled_answer_is_translated_or_a_failure_of_the_provider(data):
    pair = data.draw(st.sampled_from(PAIRS))
    body = raw(data.draw(spoiled(json.loads(data.draw(st.sampled_from(ANSWERS[pair.upstream]))))))
    try:
        done = pair.response(body)
    except UpstreamFailed:
        done = b"{}"
    assert isinstance(json.loads(done), dict)
    assert isinstance(json.loads(pair.error(500, body)), dict)


def events(stream):
    return [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]


FRAMES = [(read.headers, json.loads(read.payload)) for read in FrameReader().feed(CONVERSE_STREAM)]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_spoiled_stream_is_translated_or_a_failure_of_the_provider(data):
    pair = data.draw(st.sampled_from(PAIRS))
    if pair.upstream == "bedrock.converse":
        at = data.draw(st.integers(0, len(FRAMES) - 1))
        whole = [payload if number != at else data.draw(spoiled(payload)) for number, (_, payload) in enumerate(FRAMES)]
        stream = b"".join(encode_frame(kind[0], raw(one)) for kind, one in zip(FRAMES, whole, strict=True))
    else:
        whole = events(CHAT_STREAM if pair.upstream == "openai.chat" else MESSAGES_STREAM)
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(spoiled(whole[at]))
        if pair.upstream == "openai.chat":
            stream = chunks(*whole)
        else:
            stream = b"".join(b"data: %b\n\n" % raw(one) for one in whole)
    remembered = pair.request(raw(outcomes.BASES[pair.client]), model=CLAUDE).remembered
    out, error = translate_stream(pair.stream(remembered), [stream])
    by_byte, same = translate_stream(pair.stream(remembered), [bytes([byte]) for byte in stream])
    assert (by_byte, type(same)) == (out, type(error))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.client}-{pair.upstream}")
@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_stream_give_nothing(pair, noise):
    out, error = translate_stream(pair.stream(), [noise, sse({"type": "ping"})])
    assert out == b""
    assert error is None or isinstance(error, UpstreamFailed)
