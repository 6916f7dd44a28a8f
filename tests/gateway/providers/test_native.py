"""Each kind of provider is asked at its own path, with its own key, and with the client's own bytes."""

import json

import pytest
from tests.support.anthropic_upstream import message
from tests.support.gateway import connect, read_response, request_bytes, running, settings
from tests.support.upstream import Upstream, chat, http, send

from freehold.errors import ConfigurationError

BODY = b'{"model": "m-1",  "messages": [{"role": "user", "content": "Gr\\u00fc\\u00dfe"}], "max_tokens": 5, "x": 1.50}'
ENVIRON = {"KEY": "sk-own"}


def provider(kind, up, base="", **more):
    url = up.url.removesuffix("/v1") + base
    return {"kind": kind, "base_url": url, "api_key_env": "KEY"} | more


@pytest.fixture(scope="module")
def up():
    with Upstream() as one:
        yield one


def asked(up, home, table, path="/v1/chat/completions", answer=None, headers=""):
    """What a provider of that kind is sent, and what the client gets."""
    up.play(send(http(200, answer or chat("hi"))))
    with running(settings(providers={"p": table}), home, environ=ENVIRON) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(BODY, path, f"authorization: Bearer sk-client\r\nx-custom: kept\r\n{headers}"))
        status, told, body = read_response(sock)
    return up.requests[-1], status, told, body


@pytest.mark.parametrize(
    ("kind", "base", "more", "target", "key"),
    [
        ("openai", "/v1", {}, "/v1/chat/completions", "authorization: Bearer sk-own"),
        ("google", "/v1beta/openai", {}, "/v1beta/openai/chat/completions", "authorization: Bearer sk-own"),
        ("mistral", "/v1", {}, "/v1/chat/completions", "authorization: Bearer sk-own"),
        ("compatible", "/v1", {}, "/v1/chat/completions", "authorization: Bearer sk-own"),
        ("azure", "/openai/v1", {}, "/openai/v1/chat/completions", "api-key: sk-own"),
        (
            "azure",
            "",
            {"api_version": "2024-10-21"},
            "/openai/deployments/m-1/chat/completions?api-version=2024-10-21",
            "api-key: sk-own",
        ),
    ],
)
def test_chat_completions_go_out_byte_for_byte(up, tmp_path, kind, base, more, target, key):
    sent, status, _, body = asked(up, tmp_path, provider(kind, up, base, **more))
    head = sent.head.decode("latin-1")
    assert (status, body) == (200, chat("hi"))
    assert head.startswith(f"POST {target} HTTP/1.1\r\n")
    assert f"\r\n{key}\r\n" in head
    assert "sk-client" not in head
    assert sent.headers["x-custom"] == "kept"
    assert sent.body == BODY


def test_messages_go_to_anthropic_byte_for_byte(up, tmp_path):
    for base in ("", "/v1"):
        table = provider("anthropic", up, base)
        sent, status, _, body = asked(up, tmp_path, table, "/v1/messages", message("hi"))
        assert (status, body) == (200, message("hi"))
        assert sent.head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
        assert sent.headers["x-api-key"] == "sk-own"
        assert sent.headers["anthropic-version"] == "2023-06-01"
        assert "authorization" not in sent.headers
        assert sent.body == BODY
    sent, *_ = asked(up, tmp_path, table, "/v1/messages", message(), "anthropic-version: 2099-01-01\r\n")
    assert sent.headers["anthropic-version"] == "2099-01-01", "the client's own holds"


def test_a_compatible_server_may_speak_more(up, tmp_path):
    table = provider("compatible", up, "/v1", dialects=["openai.chat", "anthropic.messages"])
    sent, status, _, body = asked(up, tmp_path, table, "/v1/messages", message("hi"))
    assert (status, body, sent.body) == (200, message("hi"), BODY)
    assert sent.head.startswith(b"POST /v1/messages HTTP/1.1\r\n")


@pytest.mark.parametrize("kind", ["compatible", "azure"])
def test_an_address_of_ones_own_is_needed_where_there_is_no_other(tmp_path, kind):
    made = settings(providers={"p": {"kind": kind}})
    with pytest.raises(ConfigurationError, match=r"providers\.p\.base_url is not set"), running(made, tmp_path):
        pytest.fail("it started")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://host:99999/v1", "is not an http"),
        ("http://host:x/v1", "is not an http"),
        ("http://[::1/v1", "is not an http"),
        ("ftp://host/v1", "is not an http"),
        ("http://ann:sk-secret@host/v1", "more than an address"),
        ("https://host/v1?key=sk-secret", "more than an address"),
    ],
)
def test_an_address_is_one_and_holds_nothing_else(tmp_path, url, said):
    made = settings(providers={"p": {"kind": "compatible", "base_url": url}})
    with pytest.raises(ConfigurationError, match=said) as caught, running(made, tmp_path):
        pytest.fail("it started")
    assert "sk-secret" not in str(caught.value)


def test_an_alias_changes_the_model_and_no_other_byte(up, tmp_path):
    made = settings(providers={"p": provider("openai", up, "/v1")}, models={"fast": {"targets": ["p/real-1"]}})
    with running(made, tmp_path, environ=ENVIRON) as gateway, connect(gateway.port) as sock:
        sock.sendall(request_bytes(BODY.replace(b"m-1", b"fast")))
        assert read_response(sock)[0] == 200
        call = gateway.ledger.wait()[0]
    sent = up.requests[-1].body
    assert json.loads(sent) == json.loads(BODY) | {"model": "real-1"}
    assert b'"x":1.50' in sent, "numbers keep their digits"
    assert (call.model, call.legs[0].model) == ("real-1", "up-1"), "asked for by name, and what the answer says"


def test_a_query_goes_to_the_provider_addressed(up, tmp_path):
    sent, *_ = asked(up, tmp_path, provider("anthropic", up), "/v1/messages?beta=true&x=%20y", message())
    assert sent.head.startswith(b"POST /v1/messages?beta=true&x=%20y HTTP/1.1\r\n")
    table = provider("azure", up, api_version="2024-10-21")
    sent, *_ = asked(up, tmp_path, table, "/v1/chat/completions?api-version=2099-01-01")
    assert sent.head.startswith(b"POST /openai/deployments/m-1/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n")


def test_a_query_may_hold_a_key_and_goes_to_no_fallback(up, tmp_path):
    with Upstream() as other:
        first = {"kind": "openai", "base_url": up.url, "fallback": "other"}
        second = {"kind": "openai", "base_url": other.url}
        made = settings(default_provider="first", providers={"first": first, "other": second}, gateway={"retries": 0})
        up.play(send(http(503, b"{}")))
        with running(made, tmp_path) as gateway, connect(gateway.port) as sock:
            sock.sendall(request_bytes(BODY, "/v1/chat/completions?key=secret"))
            assert read_response(sock)[0] == 200
        assert up.requests[-1].head.startswith(b"POST /v1/chat/completions?key=secret HTTP/1.1\r\n")
        assert other.requests[-1].head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
