"""Nothing is changed on the way: bodies byte for byte, unknown fields, headers but for host and keys."""

import gzip
import json
import zlib

import pytest
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running, settings
from tests.support.upstream import (
    LAST_CHUNK,
    Upstream,
    chat,
    chunk,
    http,
    send,
    stream,
)

BODY = b'{ "model" : "m",\n "messages":[{"role":"user","content":"\\u00fc"}], "unknown":{"deep":[1.50,null]}, "n":1 }'


@pytest.fixture(scope="module")
def up():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    with running(renting_from(up.url), tmp_path_factory.mktemp("home")) as one:
        yield one


def ask(port, body=BODY, headers="", sock=None):
    own = sock is None
    sock = sock or connect(port)
    sock.sendall(request_bytes(body, headers=headers))
    try:
        return read_response(sock)
    finally:
        if own:
            sock.close()


def test_request_and_answer_are_the_same_bytes(gateway, up):
    odd = chat("x", unknown={"b": 1.50, "a": [None]}) + b"\n  "
    up.play(send(http(200, odd, {"x-request-id": "r1", "X-Odd": "v", "x-freehold-served-by": "somebody"})))
    before = len(gateway.ledger.calls)
    status, headers, body = ask(gateway.port, headers="openai-organization: o\r\nauthorization: Bearer mine\r\n")
    assert (status, body) == (200, odd)
    assert headers["x-request-id"] == "r1"
    assert headers["x-odd"] == "v"
    assert headers["x-freehold-served-by"] == "rented"
    received = up.requests[-1]
    assert received.body == BODY
    assert received.headers["authorization"] == "Bearer mine"
    assert received.headers["openai-organization"] == "o"
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["host"] == f"127.0.0.1:{up.port}"
    call = gateway.ledger.wait(before + 1)[-1]
    assert (call.request, call.response, call.outcome, call.owner) == (BODY, odd, "ok", "rented")
    assert call.usage.prompt_tokens == 11
    assert [(leg.purpose, leg.provider, leg.model, leg.status) for leg in call.legs] == [("serve", "up", "up-1", 200)]


def test_the_providers_own_key_replaces_the_clients(up, tmp_path):
    provider = {"kind": "openai", "base_url": up.url, "api_key_env": "UP_KEY"}
    with running(settings(providers={"up": provider}), tmp_path, environ={"UP_KEY": "sk-real"}) as gateway:
        ask(gateway.port, headers="authorization: Bearer mine\r\napi-key: mine\r\n")
    assert up.requests[-1].headers["authorization"] == "Bearer sk-real"
    assert "api-key" not in up.requests[-1].headers


def test_an_answer_compressed_unasked_is_passed_on_and_recorded_readable(gateway, up):
    packed = gzip.compress(chat("packed"))
    up.play(send(http(200, packed, {"content-encoding": "gzip"})))
    before = len(gateway.ledger.calls)
    _, headers, body = ask(gateway.port)
    assert (headers["content-encoding"], body) == ("gzip", packed)
    assert gateway.ledger.wait(before + 1)[-1].response == chat("packed")


def test_of_two_content_types_the_first_says_what_an_answer_is(gateway, up):
    up.play(send(stream("hi").replace(b"\r\n\r\n", b"\r\ncontent-type: application/json\r\n\r\n", 1)))
    before = len(gateway.ledger.calls)
    status, _, body = ask(gateway.port, b'{"model":"m","messages":[],"stream":true}')
    assert (status, body.count(b"data: ")) == (200, stream("hi").count(b"data: "))
    assert gateway.ledger.wait(before + 1)[-1].outcome == "ok"


def test_a_chunked_request_and_keep_alive_and_pipelining(gateway, up):
    with connect(gateway.port) as sock:
        half = len(BODY) // 2
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        sock.sendall(head + chunk(BODY[:half]) + chunk(BODY[half:]) + LAST_CHUNK)
        assert read_response(sock)[0] == 200
        assert up.requests[-1].body == BODY
        for name in ("one", "two", "three"):
            up.play(send(http(200, chat(name))))
        sock.sendall(request_bytes(BODY) * 3)
        file = sock.makefile("rb")
        names = []
        for _ in range(3):
            while (line := file.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            names.append(json.loads(file.read(length))["choices"][0]["message"]["content"])
        assert names == ["one", "two", "three"]


def test_what_comes_behind_a_chunked_body_is_nobodys_header(gateway, up):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    trailer = b"0\r\nauthorization: Bearer fh-unknown\r\nx-odd: v\r\nx-freehold-session: s\r\n\r\n"
    before = len(gateway.ledger.calls)
    with connect(gateway.port) as sock:
        sock.sendall(head + chunk(BODY) + trailer)
        assert read_response(sock)[0] == 200
        assert not {"x-odd", "authorization"} & up.requests[-1].headers.keys()
        sock.sendall(request_bytes(BODY))
        assert read_response(sock)[0] == 200
    assert [call.tags for call in gateway.ledger.wait(before + 2)[before:]] == [{}, {}]


def test_what_a_provider_sends_behind_a_chunked_body_is_no_header_of_the_answer(gateway, up):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    up.play(send(head + chunk(chat("x")) + b"0\r\ncontent-type: text/html\r\nset-cookie: a=b\r\n\r\n"))
    status, headers, body = ask(gateway.port)
    assert (status, body) == (200, chat("x"))
    assert headers["content-type"] == "application/json"
    assert "set-cookie" not in headers


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_compressed_request_is_read_and_goes_on_as_what_it_holds(up, tmp_path, pack, path):
    spoken = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"' + b"x" * 5000 + b'"}]}'
    coding = "content-encoding: gzip\r\n" if pack is gzip.compress else "content-encoding: deflate\r\n"
    with running(renting_from(up.url), tmp_path) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(pack(spoken), path, coding))
        assert read_response(sock)[0] == 200
        sock.sendall(request_bytes(spoken, path, coding))
        assert read_response(sock)[0] == 200, "what is not compressed although it says so is the provider's to judge"
        assert gateway.ledger.wait()[0].request == spoken
    assert "content-encoding" not in up.requests[-2].headers
    if path == "/v1/chat/completions":
        assert up.requests[-2].body == spoken


@pytest.mark.parametrize(
    ("coding", "body", "status", "code"),
    [
        ("br", b"\x0b\x02\x80{}\x03", 415, "unknown_encoding"),
        ("zstd", b"\x28\xb5\x2f\xfd", 415, "unknown_encoding"),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 415, "unknown_encoding"),
        ("gzip", b"\x1f\x8bnonsense", 400, "bad_request"),
        ("gzip", gzip.compress(BODY)[:-9], 400, "bad_request"),
        ("gzip", gzip.compress(b"{"), 400, "bad_request"),
        ("gzip", gzip.compress(b" " * 40_000_000), 413, "body_too_large"),
        ("identity", b"{", 400, "bad_request"),
    ],
    ids=["br", "zstd", "twice", "nonsense", "cut", "no request", "bomb", "plain"],
)
def test_a_compressed_request_that_cannot_be_read_is_refused(gateway, up, coding, body, status, code):
    sent = len(up.requests)
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/feedback"):
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(body, path, f"content-encoding: {coding}\r\n"))
            got, headers, answer = read_response(sock)
        assert (got, code.encode() in answer) == (status, True), (path, answer)
        assert ("accept-encoding" in headers) == (status == 415)
    assert len(up.requests) == sent


def test_expect_continue_and_http_1_0(gateway, up):
    with connect(gateway.port) as sock:
        whole = request_bytes(BODY, headers="expect: 100-continue\r\n")
        head, _, body = whole.partition(b"\r\n\r\n")
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_response(sock)[0] == 200
    up.play(send(stream("a")))
    with connect(gateway.port) as sock:
        streamed = request_bytes(b'{"messages":[],"stream":true}').replace(b"HTTP/1.1", b"HTTP/1.0")
        sock.sendall(streamed)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (request_bytes(b"{"), 400, "bad_request"),
        (request_bytes(b'{"messages":[1]}'), 400, "bad_request"),
        (request_bytes(b"\xff\xfe"), 400, "bad_request"),
        (request_bytes(b'{"messages":' + b"[" * 100_000), 400, "bad_request"),
        (request_bytes(b"{}", path="/v1/nope"), 404, "not_found"),
        (request_bytes(b"", method="PUT"), 405, "method_not_allowed"),
        (request_bytes(b"{}", path="/v1/feedback"), 400, "bad_request"),
        (request_bytes(b"", headers="x: " + "y" * 70_000 + "\r\n"), 431, "head_too_large"),
        (b"nonsense\r\n\r\n", 400, "bad_request"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n", 413, "body_too_large"),
    ],
)
def test_what_cannot_be_answered_gets_openais_envelope(gateway, raw, status, code):
    with connect(gateway.port) as sock:
        sock.sendall(raw)
        got, _, body = read_response(sock)
    assert got == status
    assert json.loads(body)["error"]["code"] == code
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("headers", ["content-length: 99999999999", "x: " + "y" * 70_000])
def test_what_is_too_long_for_messages_gets_anthropics_envelope(gateway, headers):
    with connect(gateway.port) as sock:
        sock.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n" + headers.encode() + b"\r\n\r\n")
        got, _, body = read_response(sock)
    assert got in (413, 431)
    assert set(json.loads(body)) >= {"type", "error"}
    assert json.loads(body)["type"] == "error"


def test_a_body_that_grows_too_long_is_refused(up, tmp_path):
    with running(renting_from(up.url, max_body_bytes=1000), tmp_path) as gateway, connect(gateway.port) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        sock.sendall(chunk(b"x" * 600) + chunk(b"x" * 600))
        assert read_response(sock)[0] == 413


def test_without_a_provider_the_gateway_starts_and_says_what_to_set(tmp_path):
    with running(settings(), tmp_path) as gateway:
        status, headers, body = ask(gateway.port)
        assert status == 503
        assert headers["x-should-retry"] == "false"
        error = json.loads(body)["error"]
        assert error["code"] == "missing_prerequisite"
        assert "[providers.NAME]" in error["message"]
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(b"", path="/health/ready", method="GET"))
            status, _, body = read_response(sock)
        assert status == 503
        assert "provider" in json.loads(body)["missing"][0]


def test_without_its_key_a_provider_is_not_asked(up, tmp_path):
    provider = {"kind": "openai", "base_url": up.url, "api_key_env": "ABSENT_KEY"}
    with running(settings(providers={"up": provider}), tmp_path) as gateway:
        before = len(up.requests)
        status, _, body = ask(gateway.port)
        assert status == 503
        assert "ABSENT_KEY" in json.loads(body)["error"]["message"]
        assert len(up.requests) == before


def test_connections_to_the_provider_are_kept(up, tmp_path):
    with running(renting_from(up.url), tmp_path) as gateway:
        before = up.connections
        for number in range(5):
            up.play(send(stream("a") if number % 2 else http(200, chat())))
            assert ask(gateway.port)[0] == 200
        assert up.connections == before + 1


def test_metrics_and_liveness(gateway):
    ask(gateway.port)
    for path, expected in (("/health/live", b"live"), ("/metrics", b'freehold_calls_total{task="",owner="rented"')):
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(b"", path=path, method="GET"))
            status, _, body = read_response(sock)
        assert status == 200
        assert expected in body
