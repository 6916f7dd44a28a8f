"""Answers that come whole and are none: an error of the client's dialect, or the bytes as they are and no `ok`."""

import gzip
import json
import time
import zlib

import pytest
from tests.support.faults import SOON, ask, case, renting
from tests.support.upstream import (
    CLOSE,
    RESET,
    SILENCE,
    STREAM_HEAD,
    chat,
    http,
    send,
    stream,
    wait,
)
from tests.support.wires import WIRES

WHOLE = http(200, chat("hello"))
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
LONG_HEAD = HEAD + b"content-length: 99\r\n\r\n"
TWO_LENGTHS = HEAD + b"content-length: 9\r\ncontent-length: 8\r\n\r\n123456789"
NO_NUMBER = HEAD + b"content-length: many\r\n\r\n{}"
NEGATIVE = HEAD + b"content-length: -1\r\n\r\n{}"
HTML = http(200, b"<html>we will be back soon</html>", {"content-type": "text/html"})


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize(
    ("steps", "status"),
    [
        case("upstream", "headers, then nothing", [send(LONG_HEAD), SILENCE], 504, id="head-only"),
        case("upstream", "headers, then nothing", [send(STREAM_HEAD), SILENCE], 504, id="stream-head-only"),
        case("upstream", "headers, then nothing", [send(WHOLE[:40]), SILENCE], 504, id="half-a-head"),
        case("upstream", "connection reset", [send(WHOLE[:-9]), RESET], 502, id="reset-within"),
        case("upstream", "wrong content-length", [send(WHOLE[:-9]), CLOSE], 502, id="length-too-long"),
        case("upstream", "wrong content-length", [send(TWO_LENGTHS), CLOSE], 502, id="two-lengths"),
        case("upstream", "wrong content-length", [send(NO_NUMBER), CLOSE], 502, id="no-number"),
        case("upstream", "wrong content-length", [send(NEGATIVE), CLOSE], 502, id="negative"),
        case("upstream", "200 with HTML", [send(HTML)], 502, id="html"),
        case("upstream", "200 with HTML", [send(http(200, b"OK"))], 502, id="text"),
        case("upstream", "200 with HTML", [send(http(200, b""))], 502, id="nothing"),
        case("upstream", "200 with HTML", [send(b"SSH-2.0-OpenSSH_9.9\r\n")], 502, id="no-http"),
    ],
)  # fmt: skip
def test_no_answer_is_an_error(up, tmp_path, wire, steps, status):
    patience = SOON if SILENCE in steps else 60.0  # what says something is waited for, on a busy machine too
    with renting(up, tmp_path, first_byte_timeout_s=patience, idle_timeout_s=patience) as gateway:
        up.play(*steps)
        seen = ask(gateway, wire.whole, path=wire.path)
        assert (seen.status, seen.cut) == (status, False)
        assert wire.is_error(seen.body)
        assert (seen.call.outcome, seen.call.owner) == ("error", "none")
        assert seen.attempts == ["error"]
        if SILENCE in steps:
            assert up.requests[-1].left.wait(4.0), "the provider's connection stayed open"


@pytest.mark.fault("upstream", "slow first chunk")
def test_a_slow_first_byte_is_waited_for(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(wait(0.2), send(WHOLE[:60]), wait(0.2), send(WHOLE[60:]))
        seen = ask(gateway)
        assert (seen.status, seen.call.outcome) == (200, "ok")
        assert seen.call.ttft_ms >= 400, "headers are no first byte"


@pytest.mark.fault("upstream", "wrong content-length")
def test_bytes_after_an_answer_taint_no_other_call(up, tmp_path):
    """The length says less than what is sent: the rest must not be taken for the answer to somebody else's request."""
    short = HEAD + b"content-length: %d\r\n\r\n" % len(chat("mine")) + chat("mine")
    with renting(up, tmp_path) as gateway:
        up.play(send(short + http(200, chat("of nobody"))))
        seen = ask(gateway)
        assert b"mine" in seen.body
        assert b"of nobody" not in seen.body
        up.play(send(http(200, chat("yours"))))
        assert b"yours" in ask(gateway).body


@pytest.mark.fault("upstream", "valid JSON, wrong schema")
@pytest.mark.parametrize(
    "body",
    [
        b'{"hello":1}',
        b'{"choices":[]}',
        b'{"choices":{"0":1}}',
        b'{"choices":[{"message":"a"}]}',
        b'{"choices":[{"mess',
        b"[1]",
        b"null",
    ],
    ids=["other", "no-choice", "no-list", "no-message", "cut", "list", "null"],
)
def test_json_of_another_form_is_never_ok(up, tmp_path, body):
    with renting(up, tmp_path) as gateway:
        up.play(send(http(200, body)))
        seen = ask(gateway)
        assert seen.call.outcome == "error"
        assert seen.attempts == ["error"]
        assert seen.status == 502 or seen.body == body


@pytest.mark.fault("upstream", "another model than asked")
def test_another_model_than_asked_is_named_on_the_leg(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(http(200, chat("hello", model="a-cheaper-one"))))
        seen = ask(gateway)
        assert json.loads(seen.body)["model"] == "a-cheaper-one"
        assert (seen.call.model, seen.call.legs[0].model, seen.call.outcome) == ("m", "a-cheaper-one", "ok")


@pytest.mark.fault("upstream", "empty content with stop")
def test_an_empty_answer_is_complete(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(http(200, chat(""))))
        seen = ask(gateway)
        assert (seen.status, seen.body, seen.call.outcome) == (200, chat(""), "ok")


@pytest.mark.fault("upstream", "streams although not asked to")
def test_a_stream_that_nobody_asked_for(up, tmp_path):
    with renting(up, tmp_path) as gateway:
        up.play(send(stream("a", "b")))
        seen = ask(gateway)
        assert seen.body.endswith(b"data: [DONE]\n\n")
        assert seen.call.outcome == "ok"


def bomb(start: bytes, size: int) -> bytes:
    """So many bytes of blanks after a start, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blank = b" " * 1_000_000
    packed = packer.compress(start)
    for _ in range(size // len(blank)):
        packed += packer.compress(blank)
    return packed + packer.flush()


@pytest.mark.fault("upstream", "gzip bomb")
@pytest.mark.parametrize("start", [b"", b'{"choices":[{"message":{"content":"x"}}]}'], ids=["blank", "answer"])
def test_a_gzip_bomb_does_not_go_off(up, tmp_path, start):
    packed = bomb(start, 300_000_000)
    assert len(packed) < 1_000_000
    with renting(up, tmp_path) as gateway:
        up.play(send(http(200, packed, {"content-encoding": "gzip"})))
        began = time.process_time()
        seen = ask(gateway)
        assert time.process_time() - began < 2.0
        assert seen.call.outcome == "error"
        assert len(seen.call.response) < 2 * len(packed)


@pytest.mark.fault("upstream", "gzip bomb")
def test_packed_bytes_that_cannot_be_unpacked(up, tmp_path):
    broken = gzip.compress(chat())[:-20]
    with renting(up, tmp_path) as gateway:
        up.play(send(http(200, broken, {"content-encoding": "gzip"})))
        assert ask(gateway).call.outcome == "error"
