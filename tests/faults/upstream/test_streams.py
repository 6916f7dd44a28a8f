"""Streams that stall, break or are written oddly: the same bytes to the client, never `ok` for what is not whole."""

import json
import time

import pytest
from tests.support.faults import SOON, ask_streamed, case, renting
from tests.support.upstream import (
    CLOSE,
    DONE,
    LAST_CHUNK,
    RESET,
    SILENCE,
    STREAM_HEAD,
    chunk,
    drip,
    event,
    pieces_of,
    send,
    stream,
    streamed,
    usage_event,
    wait,
)
from tests.support.wires import WIRES

APART = wait(0.02)
END = send(LAST_CHUNK)


def broken(wire):
    """What the wire's streams can come to, by name."""
    rest = wire.rest
    cut_event = rest[0][: len(rest[0]) * 2 // 3]
    cut_json = rest[0][:-6] + b"\n\n"
    at = wire.events[-1].index(wire.last) + len(wire.last) // 2
    whole_but_last = b"".join(event for event in rest if wire.last not in event)
    return {
        "stall": [SILENCE],
        "close": [CLOSE],
        "reset": [RESET],
        "ended": [APART, END],
        "ended-at-once": [END],
        "no-end-mark": [APART, send(chunk(whole_but_last) + LAST_CHUNK)],
        "no-end-mark-close": [APART, send(chunk(whole_but_last)), CLOSE],
        "bad-json": [APART, send(chunk(cut_json), chunk(*rest) + LAST_CHUNK)],
        "bad-json-last": [APART, send(chunk(whole_but_last), chunk(cut_json, rest[-1]) + LAST_CHUNK)],
        "bad-json-and-end-in-two": [
            APART,
            send(chunk(cut_json)),
            APART,
            send(chunk(rest[-1][:at])),
            APART,
            send(chunk(rest[-1][at:]) + LAST_CHUNK),
        ],
        "bad-chunk": [APART, send(b"zz\r\nno chunk\r\n")],
        "cut-event": [APART, send(chunk(cut_event) + LAST_CHUNK)],
        "cut-event-close": [APART, send(chunk(cut_event)), CLOSE],
    }


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize(
    "how",
    [
        case("upstream", "slow second chunk", "stall", id="stall"),
        case("upstream", "half-open in mid-stream", "stall", id="half-open"),
        case("upstream", "closes without the end mark", "close", id="close"),
        case("upstream", "connection reset", "reset", id="reset"),
        case("upstream", "closes without the end mark", "ended", id="ended"),
        case("upstream", "closes without the end mark", "ended-at-once", id="ended-at-once"),
        case("upstream", "closes without the end mark", "no-end-mark", id="no-end-mark"),
        case("upstream", "closes without the end mark", "no-end-mark-close", id="no-end-mark-close"),
        case("upstream", "truncated JSON in the last event", "bad-json", id="bad-json"),
        case("upstream", "truncated JSON in the last event", "bad-json-last", id="bad-json-last"),
        case("upstream", "truncated JSON in the last event", "bad-json-and-end-in-two", id="bad-json-and-end-in-two"),
        case("upstream", "closes without the end mark", "bad-chunk", id="bad-chunk"),
        case("upstream", "truncated JSON in the last event", "cut-event", id="cut-event"),
        case("upstream", "truncated JSON in the last event", "cut-event-close", id="cut-event-close"),
    ],
)
def test_a_broken_stream_is_never_told_as_complete(up, tmp_path, wire, how):
    with renting(up, tmp_path, idle_timeout_s=SOON) as gateway:
        up.play(send(STREAM_HEAD + chunk(wire.began)), *broken(wire)[how])
        seen = ask_streamed(gateway, wire)
        assert (seen.status, seen.cut) == (200, True), "the HTTP body must have no end"
        assert seen.body.startswith(wire.began)
        blocks = [block + b"\n\n" for block in seen.body.split(b"\n\n")]
        assert not any(wire.last in block for block in blocks[:-2])
        assert wire.is_error_event(blocks[-2]), blocks[-2]
        assert seen.call.outcome == "incomplete"
        assert seen.call.usage.estimated or b'"output_tokens": 7' in seen.body or b'"completion_tokens": 7' in seen.body
        assert seen.attempts == ["incomplete"], "after the first byte nothing is tried again"
        if how == "stall":
            assert up.requests[-1].left.wait(4.0), "the provider's connection stayed open"


@pytest.mark.fault("upstream", "closes without the end mark")
@pytest.mark.parametrize("wire", [one for one in WIRES if str(one) != "responses"], ids=str)
def test_an_end_mark_that_comes_too_soon_does_not_reach_the_client(up, tmp_path, wire):
    """The event of Responses that says so holds the whole answer, so that it never comes too soon."""
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD + chunk(wire.began)), APART, send(chunk(wire.events[-1])), APART, END)
        seen = ask_streamed(gateway, wire)
        assert (seen.status, seen.cut, seen.call.outcome) == (200, True, "incomplete")
        assert wire.last not in seen.body
        assert wire.is_error_event(seen.body.split(b"\n\n")[-2] + b"\n\n")


@pytest.mark.fault("upstream", "slow first chunk")
@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize("before", [[], [send(STREAM_HEAD)]], ids=["before-head", "after-head"])
def test_a_slow_first_chunk(up, tmp_path, wire, before):
    whole = streamed(*wire.events)
    rest = whole.removeprefix(STREAM_HEAD) if before else whole
    with renting(up, tmp_path) as gateway:
        up.play(*before, wait(0.2), send(rest))
        seen = ask_streamed(gateway, wire)
        assert (seen.body, seen.call.outcome) == (wire.stream, "ok")
        assert seen.call.ttft_ms >= 200
    with renting(up, tmp_path, first_byte_timeout_s=SOON, idle_timeout_s=SOON) as gateway:
        up.play(*before, wait(SOON + 1.0), send(rest))
        seen = ask_streamed(gateway, wire)
        assert (seen.status, seen.cut) == (504, False)
        assert wire.is_error(seen.body)
        assert (seen.call.outcome, seen.call.owner) == ("error", "none")


@pytest.mark.fault("upstream", "slow second chunk")
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_slow_second_chunk_is_waited_for(up, tmp_path, wire):
    with renting(up, tmp_path, first_byte_timeout_s=5.0) as gateway:
        up.play(send(STREAM_HEAD), *[step for one in wire.events for step in (send(chunk(one)), wait(0.1))], END)
        seen = ask_streamed(gateway, wire)
        assert (seen.body, seen.cut, seen.call.outcome) == (wire.stream, False, "ok")


@pytest.mark.fault("upstream", "a stream that drips for ever")
def test_a_stream_that_drips_for_ever(up, tmp_path):
    with renting(up, tmp_path, total_timeout_s=SOON) as gateway:
        up.play(send(STREAM_HEAD), *drip((chunk(event(str(i))) for i in range(200)), 0.05))
        began = time.monotonic()
        seen = ask_streamed(gateway)
        assert (seen.cut, seen.call.outcome) == (True, "incomplete")
        assert time.monotonic() - began < SOON + 5.0


@pytest.mark.fault("upstream", "an event over three reads")
@pytest.mark.fault("field", "events split and joined across reads")
@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_an_event_over_three_reads(up, tmp_path, wire):
    """Cut inside a character of several bytes, and inside the blank line that ends an event."""
    events = [one.replace(b"\n", b"\r\n") for one in wire.events]
    body = b"".join(events)
    ends = [at for at in range(len(body)) if body.startswith(b"\r\n\r\n", at)]
    cuts = [at for end in ends for at in (end + 1, end + 3)] + [
        at for at, byte in enumerate(body) if byte & 0xC0 == 0x80
    ]
    assert len(cuts) > 2 * len(ends), "there is no character of several bytes"
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD), *drip(map(chunk, pieces_of(body, cuts))), END)
        seen = ask_streamed(gateway, wire)
        assert (seen.body, seen.call.outcome) == (body, "ok")


FORMS = {
    "lf": b"".join,
    "crlf": lambda events: b"".join(events).replace(b"\n", b"\r\n"),
    "cr": lambda events: b"".join(events).replace(b"\n", b"\r"),
    "comments": lambda events: b": hello\n\n" + b": ping\n\n".join(events) + b":\n",
    "bom": lambda events: b"\xef\xbb\xbf" + b"".join(events),
    "several-lines": lambda events: b"".join(_over_lines(one) for one in events),
    "no-blank": lambda events: b"".join(events).replace(b"data: ", b"data:"),
    "unknown-events": lambda events: b'event: heartbeat\ndata: {"n":1}\n\n'.join([events[0], b"".join(events[1:])]),
    "names-anew": lambda events: b"".join(b"event: x\n" + one for one in events),
    "id-and-retry": lambda events: b"".join(b"id: 7\nretry: 10\n" + one for one in events),
    "no-last-blank-line": lambda events: b"".join(events)[:-1],
}


def _over_lines(one: bytes) -> bytes:
    # JSON may be broken over lines between its tokens; `data:` lines are joined by one LF.
    return one.replace(b', "', b',\ndata:  "')


@pytest.mark.fault("upstream", "every form of SSE")
@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_sse_is_passed_on_and_read(up, tmp_path, wire, form):
    written = FORMS[form](list(wire.events))
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD), *drip(map(chunk, pieces_of(written, range(50, len(written), 97)))), END)
        seen = ask_streamed(gateway, wire)
        assert (seen.body, seen.cut, seen.call.outcome) == (written, False, "ok")
        assert not seen.call.usage.estimated


@pytest.mark.fault("upstream", "error event after 200")
@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize("name", [b"", b"event: error\n"], ids=["as-usual", "named"])
def test_an_error_event_of_the_provider_is_passed_on_alone(up, tmp_path, wire, name):
    told = name + wire.error_event.removeprefix(b"event: error\n")
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD + chunk(wire.began)), APART, send(chunk(told) + LAST_CHUNK))
        seen = ask_streamed(gateway, wire)
        assert (seen.body, seen.cut) == (wire.began + told, False), "one error is enough"
        assert seen.call.outcome == "incomplete"


@pytest.mark.fault("upstream", "usage chunk without choices")
@pytest.mark.parametrize("where", ["before-done", "without-choices-at-all", "with-every-chunk"])
def test_usage_comes_in_several_ways(up, tmp_path, where):
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    match where:
        case "before-done":
            events = [event("a"), event(finish="stop"), usage_event(), DONE]
        case "without-choices-at-all":
            bare = b'data: {"usage":' + json.dumps(usage).encode() + b"}\n\n"
            events = [event("a"), event(finish="stop"), bare, DONE]
        case _:
            events = [event("a", usage=usage | {"completion_tokens": 1}), event(finish="stop", usage=usage), DONE]
    with renting(up, tmp_path) as gateway:
        up.play(send(streamed(*events)))
        seen = ask_streamed(gateway)
        assert (seen.body, seen.call.outcome) == (b"".join(events), "ok")
        assert (seen.call.usage.prompt_tokens, seen.call.usage.output_tokens) == (11, 7)
        assert not seen.call.usage.estimated


def tool_delta(index: int | None, *, id: str | None = None, name: str | None = None, arguments: str = "") -> bytes:  # noqa: A002
    function = {"arguments": arguments} | ({"name": name} if name else {})
    call = {"function": function} | ({"id": id, "type": "function"} if id else {})
    if index is not None:
        call["index"] = index
    return event(choices=[{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}])


FIRST = tool_delta(0, id="c0", name="f", arguments="{}")
CALLS = [("c0", "f", "{}"), ("c1", "g", "{}")]
HALVES = [tool_delta(0, id="c0", name="f"), tool_delta(0, arguments='{"a":'), tool_delta(0, arguments="1}")]
ESCAPES = [tool_delta(1, id="c1", name="g", arguments='"\\u00'), FIRST, tool_delta(1, arguments='e9"')]


@pytest.mark.fault("upstream", "duplicate and missing tool-call index")
@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([*HALVES, tool_delta(2, id="c2", name="g", arguments="{}")], [("c0", "f", '{"a":1}'), ("c2", "g", "{}")]),
        ([FIRST, tool_delta(0, id="c1", name="g", arguments="{}")], CALLS),
        ([tool_delta(None, id=call, name=name, arguments=given) for call, name, given in CALLS], CALLS),
        (ESCAPES, [("c0", "f", "{}"), ("c1", "g", '"\\u00e9"')]),
    ],
    ids=["gap", "twice", "none", "mixed-and-half-escapes"],
)
def test_tool_calls_with_odd_indices(up, tmp_path, deltas, expected):
    events = [*deltas, event(finish="tool_calls"), usage_event(), DONE]
    with renting(up, tmp_path) as gateway:
        up.play(send(STREAM_HEAD), *drip(map(chunk, events)), END)
        seen = ask_streamed(gateway)
        assert (seen.body, seen.call.outcome) == (b"".join(events), "ok")
        kept = json.loads(seen.call.response)["choices"][0]["message"]["tool_calls"]
        assert [(one["id"], one["function"]["name"], one["function"]["arguments"]) for one in kept] == expected


@pytest.mark.fault("upstream", "10 MB in one event")
def test_many_megabytes_in_one_event(up, tmp_path):
    events = [event("x" * 30_000_000), event(finish="stop"), DONE]
    with renting(up, tmp_path) as gateway:
        up.play(send(streamed(*events)))
        began = time.process_time()
        seen = ask_streamed(gateway)
        assert time.process_time() - began < 5.0, "8 s where each read joins all that came before"
        assert seen.body == b"".join(events)
        assert seen.call.outcome == "ok"
        assert len(seen.call.response) > 30_000_000


@pytest.mark.fault("upstream", "empty content with stop")
def test_an_empty_stream_with_stop_is_complete(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(streamed(event(""), event(finish="stop"), DONE)))
        seen = ask_streamed(gateway)
        assert (seen.cut, seen.call.outcome) == (False, "ok")
        assert json.loads(seen.call.response)["choices"][0]["message"]["content"] == ""
        up.play(send(stream()))
        assert ask_streamed(gateway).call.outcome == "ok"


@pytest.mark.fault("upstream", "another model than asked")
def test_a_stream_by_another_model_names_it(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(streamed(event("a", model="cheaper"), event(finish="stop", model="cheaper"), DONE)))
        seen = ask_streamed(gateway)
        assert (seen.call.outcome, seen.call.legs[0].model) == ("ok", "cheaper")
