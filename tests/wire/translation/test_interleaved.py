"""Streams whose parts grow in turns: clients that read one part at a time get each whole, one after the other."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.translation.bodies import (
    anthropic_client,
    chunks,
    messages_request,
    openai_client,
    raw,
    split,
    sse,
    translate_stream,
)
from tests.wire.translation.converse import frame
from tests.wire.translation.test_chat_to_messages import START, STOP, closed, ended, grew, opened
from tests.wire.translation.test_messages_to_chat import USAGE, chunk, completion, piece

from freehold.errors import UpstreamFailed
from freehold.wire.known import dialect
from freehold.wire.translation import _order, translation
from freehold.wire.translation.chat._arguments import Arguments

PAIR = translation("anthropic.messages", "openai.chat")
CLIENTS = ("anthropic.messages", "openai.responses")
TURNS = (
    piece(0, "", "a", "weather"),
    piece(1, "", "b", "weather"),
    piece(0, '{"town"'),
    piece(1, '{"town": '),
    piece(0, ': "Ulm"}'),
    piece(1, '"Bonn"'),
    piece(1, "}"),
)
END = (chunk({}, "tool_calls"), chunk(usage=USAGE))


def streamed(*values, pair=PAIR, pieces=None):
    """What a client gets for these chunks, and the error that it ends with."""
    data = chunks(*values)
    return translate_stream(pair.stream(known(pair)), split(data, pieces) if pieces else [data])


def known(pair):
    if pair.client != "anthropic.messages":
        return None
    return pair.request(messages_request("x", stream=True, thinking={"type": "adaptive"})).remembered


def alone(value):
    """One chunk, and no end after it."""
    return b"data: %b\n\n" % raw(value)


def message(out):
    """A stream of messages as Anthropic's SDK reads it."""
    with anthropic_client(out).messages.stream(model="m", max_tokens=1, messages=[]) as stream:
        return stream.get_final_message()


def events(out):
    return [json.loads(line[6:]) for line in out.splitlines() if line.startswith(b"data: ")]


def test_calls_that_grow_in_turns_are_given_one_after_the_other():
    out, error = streamed(*TURNS, *END)
    assert error is None
    done = message(out)
    assert [(block.id, block.input) for block in done.content] == [("a", {"town": "Ulm"}), ("b", {"town": "Bonn"})]
    assert (done.stop_reason, done.usage.output_tokens) == ("tool_use", 7)


def test_nothing_is_held_longer_than_it_has_to_be():
    translator = PAIR.stream(known(PAIR))
    given_by = [[(one["type"], one.get("index")) for one in events(translator.feed(alone(turn)))] for turn in TURNS]
    assert given_by == [
        [("message_start", None), ("content_block_start", 0)],
        [],
        [("content_block_delta", 0)],
        [],
        [("content_block_delta", 0), ("content_block_stop", 0), ("content_block_start", 1), ("content_block_delta", 1)],
        [("content_block_delta", 1)],
        [("content_block_delta", 1)],
    ]


def test_calls_that_come_one_after_the_other_wait_for_nothing():
    translator = PAIR.stream()
    first = (piece(0, "", "a", "weather"), piece(0, '{"a": "}'), piece(0, "\\"), piece(0, '"{"}'))
    for turn in first:
        translator.feed(alone(turn))
    second = events(translator.feed(alone(piece(1, "{", "b", "weather"))))
    assert [one["type"] for one in second] == ["content_block_stop", "content_block_start", "content_block_delta"]


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
values = st.one_of(words, st.integers(-5, 99), st.lists(st.text('{}[]"\\', max_size=4), max_size=2), st.just({"a": {}}))
arguments = st.dictionaries(words, values, max_size=3)


@st.composite
def calls(draw):
    """Calls of tools, and the pieces in which each of them comes."""
    whole, pieces = [], []
    for number in range(draw(st.integers(1, 4))):
        text = draw(st.just("") if draw(st.integers(0, 5)) == 0 else arguments.map(json.dumps))
        whole.append({"id": f"c{number}", "type": "function", "function": {"name": "weather", "arguments": text}})
        first, *others = split(text, draw(st.lists(st.integers(0, 40), max_size=4))) or [""]
        if draw(st.booleans()):
            first, others = "", [first, *others]
        pieces.append([piece(number, first, f"c{number}", "weather"), *(piece(number, more) for more in others)])
    return whole, pieces


def interleaved(draw, queues, *, in_order):
    """The pieces of all in any order that keeps the order of each, and, `in_order`, that of the first ones."""
    queues, mixed, begun = [list(queue) for queue in queues], [], 0
    while any(queues):
        ready = [number for number, queue in enumerate(queues) if queue and (number <= begun or not in_order)]
        number = draw(st.sampled_from(ready))
        begun = max(begun, number + 1)
        mixed.append(queues[number].pop(0))
    return mixed


def assembled(client, out):
    """What the stream comes to, as the gateway reads it: all but the ids of its own."""
    assembler = dialect(client).assembler()
    assembler.feed(out)
    came = assembler.finish()
    assert came.fault == ""
    return comparable(came.body)


def comparable(body):
    read = json.loads(body)
    items = read.get("content") or read.get("output")
    for item in items:
        if item["type"] != "tool_use":
            item.pop("id", None)
    return items, read["usage"], read.get("stop_reason"), read.get("status")


@pytest.mark.parametrize("client", CLIENTS)
@settings(deadline=None)
@given(st.data())
def test_however_the_pieces_come_the_client_has_the_whole_answer(client, data):
    pair = translation(client, "openai.chat")
    whole, queues = data.draw(calls())
    said = data.draw(st.sampled_from([{}, {"content": "hi"}, {"reasoning_content": "hm", "content": "hi"}]))
    prelude = [chunk({name: text}) for name, text in said.items()]
    out, error = streamed(*prelude, *interleaved(data.draw, queues, in_order=True), *END, pair=pair)
    assert error is None
    answer = completion({"content": None, **said, "tool_calls": whole}, "tool_calls")
    assert assembled(client, out) == comparable(pair.response(answer, known(pair)))


@settings(deadline=None)
@given(st.data())
def test_calls_begun_in_another_order_and_texts_between_them_lose_nothing(data):
    whole, queues = data.draw(calls())
    texts = data.draw(st.lists(words, max_size=4))
    turns = interleaved(data.draw, [*queues, [chunk({"content": text}) for text in texts]], in_order=False)
    out, error = streamed(*turns, *END)
    assert error is None
    content = assembled("anthropic.messages", out)[0]
    begun = [one["id"] for turn in turns for one in turn["choices"][0]["delta"].get("tool_calls") or () if "id" in one]
    assert [block["id"] for block in content if block["type"] == "tool_use"] == begun
    assert {block["id"]: block["input"] for block in content if block["type"] == "tool_use"} == {
        one["id"]: json.loads(one["function"]["arguments"] or "{}") for one in whole
    }
    assert "".join(block["text"] for block in content if block["type"] == "text") == "".join(texts)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=12))
def test_however_the_bytes_are_split_the_client_gets_the_same(cuts):
    assert streamed(*TURNS, *END, pieces=cuts) == streamed(*TURNS, *END)


def test_a_stream_that_is_cut_ends_no_part_that_was_not_whole():
    for kept in range(len(TURNS) + 1):
        out, error = translate_stream(PAIR.stream(), map(alone, TURNS[:kept]))
        assert error is None
        read = events(out)
        assert not any(one["type"] in ("message_delta", "message_stop") for one in read)
        for index in (one["index"] for one in read if one["type"] == "content_block_stop"):
            grown = [one["delta"]["partial_json"] for one in read if one.get("index") == index and "delta" in one]
            assert json.loads("".join(grown)) == {"town": "Ulm"}


def test_an_error_of_the_providers_ends_the_stream_and_gives_nothing_that_was_held():
    out, error = streamed(*TURNS[:4], {"error": {"message": "busy", "code": 429}}, *END)
    assert error is None
    assert [one["type"] for one in events(out)][-2:] == ["content_block_delta", "error"]
    assert {one["index"] for one in events(out) if "index" in one} == {0}


def test_an_answer_that_reached_its_limit_gives_what_there_is():
    out, error = streamed(*TURNS[:4], chunk({}, "length"), chunk(usage=USAGE))
    assert error is None
    read = events(out)
    assert [one["delta"]["partial_json"] for one in read if one["type"] == "content_block_delta"] == [
        '{"town"',
        '{"town": ',
    ]
    assert read[-2]["delta"]["stop_reason"] == "max_tokens"


def test_a_text_between_the_pieces_of_a_call_follows_it():
    turns = (piece(0, '{"a"', "a", "weather"), chunk({"content": "x"}), piece(0, ": 1}"), chunk({"content": "y"}))
    out, error = streamed(*turns, *END)
    assert error is None
    call, text = message(out).content
    assert (call.input, text.text) == ({"a": 1}, "xy")


def test_white_space_after_a_call_that_has_ended_is_nothing_and_more_than_that_a_fault():
    turns = (piece(0, "{}", "a", "weather"), piece(1, "{", "b", "weather"))
    out, error = streamed(*turns, piece(0, " \n"), piece(1, "}"), *END)
    assert error is None
    assert [block.input for block in message(out).content] == [{}, {}]
    _, error = streamed(*turns, piece(0, "{}"), piece(1, "}"), *END)
    assert isinstance(error, UpstreamFailed)


@pytest.mark.parametrize(
    "turns",
    [
        (piece(0, "{}", "", "weather"), piece(0, '{"a": 1}', "", "weather")),  # no ids, and one number for all
        (piece(0, "{}", "a", "weather"), piece(0, '{"a": 1}', "b", "weather")),
        (piece(0, "", "a", "weather"), piece(0, "", "b", "weather"), piece(0, "{}", "a"), piece(0, '{"a": 1}', "b")),
        (piece(0, "{", "a", "weather"), piece(1, '{"a": ', "b", "weather"), piece(0, "}", "a", "weather"),
         piece(1, "1}", "b", "weather")),  # id and name with every piece
        (piece(1, "{", "a", "weather"), piece(3, '{"a": ', "b", "weather"), piece(1, "}"), piece(3, "1}")),
        (piece(None, "{}", "a", "weather"), piece(None, '{"a": ', "b", "weather"), piece(None, "1}")),
    ],
)  # fmt: skip
def test_calls_are_told_apart_however_servers_number_them(turns):
    out, error = streamed(*turns, *END)
    assert error is None
    assert [block.input for block in message(out).content] == [{}, {"a": 1}]


def test_what_is_held_is_bounded(monkeypatch):
    monkeypatch.setattr(_order, "_MOST_HELD_BYTES", 1_000)
    held = [piece(1, "x" * 100) for _ in range(6)]
    _, error = streamed(*TURNS[:2], *held, *END)
    assert isinstance(error, UpstreamFailed)
    parts = [turn for number in range(0, 40, 2) for turn in held_and_given(number)]
    assert streamed(*parts, *END)[1] is None


def held_and_given(number):
    """Two calls, of which the second has to wait for the first."""
    yield piece(number, "{", f"c{number}", "weather")
    yield piece(number + 1, json.dumps({"a": "x" * 100}), f"c{number + 1}", "weather")
    yield piece(number, "}")


def test_blocks_of_other_providers_may_grow_in_turns_too():
    tools = {name: {"type": "tool_use", "id": name, "name": "weather", "input": {}} for name in "ab"}
    grown = [grew(index, "input_json_delta", "partial_json", text) for text in ("{", "}") for index in (0, 1)]
    blocks = (opened(0, tools["a"]), opened(1, tools["b"]), *grown, closed(1), closed(0))
    out, error = translate_stream(
        translation("openai.chat", "anthropic.messages").stream(), [sse(START, *blocks, ended("tool_use"), STOP)]
    )
    assert error is None
    check_two_calls(out)
    frames = [frame("messageStart", role="assistant")]
    for index, name in enumerate("ab"):
        tool = {"toolUse": {"toolUseId": name, "name": "weather"}}
        frames.append(frame("contentBlockStart", contentBlockIndex=index, start=tool))
    for text in ("{", "}"):
        for index in (0, 1):
            frames.append(frame("contentBlockDelta", contentBlockIndex=index, delta={"toolUse": {"input": text}}))
    frames += [frame("contentBlockStop", contentBlockIndex=index) for index in (1, 0)]
    frames.append(frame("messageStop", stopReason="tool_use"))
    out, error = translate_stream(translation("openai.chat", "bedrock.converse").stream(), frames)
    assert error is None
    check_two_calls(out)


def check_two_calls(out):
    with openai_client(out).chat.completions.stream(model="m", messages=[]) as stream:
        done = stream.get_final_completion().choices[0].message.tool_calls
    assert [(one.id, one.function.arguments) for one in done] == [("a", "{}"), ("b", "{}")]


@settings(deadline=None)
@given(arguments.map(json.dumps), st.lists(st.integers(0, 60), max_size=8))
def test_arguments_are_whole_with_their_last_character_and_not_before(text, cuts):
    seen = Arguments()
    for part in split(text[:-1], cuts):
        seen.add(part)
        assert not seen.whole
    seen.add(text[-1:])
    assert seen.whole


@pytest.mark.parametrize("text", ["", " ", "12", "null", '"{}"', "true"])
def test_other_values_are_never_whole(text):
    seen = Arguments()
    seen.add(text)
    assert not seen.whole
