"""Requests that are too large, unreadable or unusual: refused in the dialect's envelope, or passed on to the byte."""

import json
import time

import pytest
from tests.support.faults import ask, case, renting
from tests.support.gateway import connect, read_response, request_bytes, running, settings
from tests.support.upstream import chunk, http, send
from tests.support.wires import CHAT, WIRES

DEEP = b"[" * 100_000 + b"]" * 100_000
ODD_FIELD = b'"x_new":{ "deep":[1.50,1e400,null,true],"n":12345678901234567890123}'
TOOL = b'{"type":"function","name":"t%d","function":{"name":"t%d","parameters":{"type":"object"}}}'
TOOLS = b'"tools":[' + b",".join(TOOL % (n, n) for n in range(10_000)) + b"]"


def post(gateway, body, *, path=CHAT.path, headers=""):
    """Status, headers and body of the answer to a raw request."""
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body, path=path, headers=headers))
        return read_response(sock)


def with_field(body, field):
    """A request's body with one more field."""
    return body[:-1] + b"," + field + b"}"


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize(
    "spoil",
    [
        case("client", "invalid UTF-8", lambda body: body.replace(b"twelve", b"tw\xff\xfelve"), id="invalid-utf-8"),
        case("client", "invalid UTF-8", lambda body: body.replace(b"twelve", b"tw\xc3"), id="half-a-character"),
        case("client", "invalid UTF-8", lambda _: b"\xff\xfe{\x00}\x00", id="utf-16"),
        case("client", "lone surrogates", lambda body: body.replace(b"twelve", b"\\ud83d"), id="lone-surrogate"),
        case("client", "lone surrogates", lambda body: body.replace(b"twelve", b"\xed\xa0\xbd"), id="raw-surrogate"),
        case("client", "NaN and Infinity", lambda body: with_field(body, b'"temperature":NaN'), id="nan"),
        case("client", "NaN and Infinity", lambda body: with_field(body, b'"temperature":-Infinity'), id="infinity"),
        case("client", "JSON 100,000 deep", lambda body: with_field(body, b'"x":' + DEEP), id="deep"),
        case("client", "JSON 100,000 deep", lambda body: body.replace(b'"twelve chars"', DEEP), id="deep-in-content"),
        case("client", "JSON 100,000 deep", lambda _: b'{"a":' * 100_000, id="deep-and-cut"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(up, tmp_path, wire, spoil):
    before = len(up.requests)
    with renting(up, tmp_path) as gateway:
        body = spoil(wire.whole)
        assert body != wire.whole
        began = time.process_time()
        status, _, answer = post(gateway, body, path=wire.path)
        assert time.process_time() - began < 2.0
        assert status == 400
        assert wire.is_error(answer)
        assert b"twelve" not in answer, "the message names the place, never the content"
        assert (len(up.requests), gateway.ledger.calls) == (before, [])


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize(
    "change",
    [
        case("client", "unknown fields", lambda body: with_field(body, ODD_FIELD), id="unknown"),
        case("client", "unknown fields", lambda body: b"\n " + body.replace(b":", b" :\t") + b"\r\n", id="blanks"),
        case("client", "duplicate keys", lambda body: with_field(body, b'"model":"1","model":"second"'), id="twice"),
        case("client", "lone surrogates", lambda body: body.replace(b"twelve", b"\\ud83d\\ude42"), id="whole-pair"),
        case("client", "10,000 tools", lambda body: with_field(body, TOOLS), id="ten-thousand-tools"),
    ],
)  # fmt: skip
def test_a_body_that_is_unusual_goes_on_to_the_byte(up, tmp_path, wire, change):
    with renting(up, tmp_path) as gateway:
        up.play(send(http(200, wire.answer)))
        body = change(wire.whole)
        began = time.process_time()
        seen = ask(gateway, body, path=wire.path)
        assert time.process_time() - began < 2.0
        assert (seen.status, seen.body, seen.call.outcome) == (200, wire.answer, "ok")
        assert up.requests[-1].body == body == seen.call.request
        if body.count(b'"model"') == 3:
            assert seen.call.model == "second"


@pytest.mark.fault("client", "100 MB body")
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_of_100_mb_is_refused_before_it_is_read(up, tmp_path, announced):
    with renting(up, tmp_path) as gateway, connect(gateway.port) as sock:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
        if announced:
            sock.sendall(head + b"content-length: 100000000\r\n\r\n" + b" " * 1000)
        else:
            sock.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
            for _ in range(33):
                sock.sendall(chunk(b" " * 1024 * 1024))
        status, headers, body = read_response(sock)
        assert (status, headers["connection"]) == (413, "close")
        assert json.loads(body)["error"]["code"] == "body_too_large"


@pytest.mark.fault("client", "1 MB header")
@pytest.mark.parametrize("shape", ["one", "many", "path"])
def test_a_megabyte_of_headers_is_refused(up, tmp_path, shape):
    with renting(up, tmp_path) as gateway, connect(gateway.port) as sock:
        filler = {"one": "x-long: " + "y" * 1_000_000 + "\r\n", "many": "x: y\r\n" * 170_000, "path": ""}[shape]
        path = CHAT.path + ("?" + "y" * 1_000_000 if shape == "path" else "")
        whole = request_bytes(CHAT.whole, path=path, headers=filler)
        sock.settimeout(10)
        sent = 0
        try:
            while sent < len(whole):
                sent += sock.send(whole[sent : sent + 65536])
        except ConnectionError:
            pass  # it may close before the rest is sent
        status, headers, body = read_response(sock)
        assert (status, headers["connection"]) == (431, "close")
        assert json.loads(body)["error"]["code"] == "head_too_large"


ODD_KEYS = {
    "none": "",
    "empty": "authorization:\r\n",
    "not-bearer": "authorization: Basic dXNlcjpwYXNz\r\n",
    "bare": "authorization: sk-mine\r\n",
    "lower": "authorization: bearer sk-mine\r\n",
    "blanks": "authorization:    Bearer    sk-mine   \r\n",
    "not-ascii": "authorization: Bearer schlüssel\r\n",
    "long": "authorization: Bearer " + "k" * 20_000 + "\r\n",
    "two": "authorization: Bearer sk-one\r\nauthorization: Bearer sk-two\r\n",
}


@pytest.mark.fault("client", "key missing or odd")
@pytest.mark.parametrize("odd", ODD_KEYS)
def test_a_key_that_is_odd_is_the_providers_to_judge(up, tmp_path, odd):
    sent = [line.partition(":")[2].strip() for line in ODD_KEYS[odd].split("\r\n") if line]
    with renting(up, tmp_path) as gateway:
        assert ask(gateway, headers=ODD_KEYS[odd]).status == 200
        lines = up.requests[-1].head.decode().split("\r\n")
        assert [line.partition(":")[2].strip() for line in lines if line.startswith("authorization:")] == sent


@pytest.mark.fault("client", "key missing or odd")
@pytest.mark.parametrize("odd", ODD_KEYS)
def test_where_the_gateway_has_the_key_the_clients_is_not_sent(up, tmp_path, odd):
    provider = {"kind": "openai", "base_url": up.url, "api_key_env": "UP_KEY"}
    with running(settings(providers={"up": provider}), tmp_path, environ={"UP_KEY": "sk-ours"}) as gateway:
        assert ask(gateway, headers=ODD_KEYS[odd]).status == 200
    lines = up.requests[-1].head.decode("latin-1").split("\r\n")
    assert [line for line in lines if line.startswith("authorization:")] == ["authorization: Bearer sk-ours"]
