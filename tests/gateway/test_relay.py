"""What is no call passes through as it is: lists of models, files, batches, stored answers, token counts."""

import gzip
import json

import anthropic
import openai
import pytest
from tests.support.gateway import TASK, connect, read_response, request_bytes, running, settings
from tests.support.upstream import CLOSE, Upstream, chunk, http, send

from freehold.vocabulary import Route

LISTED = b'{"object": "list", "data": [{"id": "gpt-x", "object": "model", "created": 1, "owned_by": "up"}]}'
ANTHROPICS_FIRST, ANTHROPICS_LAST = (
    b'{"data": [{"type": "model", "id": "c-%d", "display_name": "C %d", "created_at": "2026-01-01T00:00:00Z"}], '
    b'"has_more": %b, "first_id": "c-%d", "last_id": "c-%d"}' % (at, at, more, at, at)
    for at, more in ((1, b"true"), (2, b"false"))
)
FILE = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def up():
    with Upstream() as one:
        yield one


def made(up, **more):
    providers = {
        "p": {"kind": "openai", "base_url": up.url, "api_key_env": "KEY"},
        "a": {"kind": "anthropic", "base_url": up.url.removesuffix("/v1"), "api_key_env": "KEY"},
    }
    return settings(providers=providers, default_provider="p", **more)


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    with running(made(up), tmp_path_factory.mktemp("home"), environ={"KEY": "sk-own"}) as one:
        yield one


def raw(gateway, method, path, body=b"", headers=""):
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body, path, headers, method))
        return read_response(sock)


def test_a_list_of_models_keeps_its_bytes(gateway, up):
    up.play(send(http(200, LISTED)))
    assert raw(gateway, "GET", "/v1/models")[2] == LISTED
    up.play(send(http(200, LISTED)))
    assert raw(gateway, "GET", "/models")[2] == LISTED, "a base URL without /v1"


def test_a_list_of_models_has_the_aliases_where_there_are_some(up, tmp_path):
    some = made(up, models={"fast": {"targets": ["p/small"]}}, tasks={"triage": {"model": "fast"}})
    up.play(send(http(200, LISTED)))
    with running(some, tmp_path, environ={"KEY": "k"}) as one, openai.OpenAI(base_url=one.url, api_key="k") as client:
        assert [model.id for model in client.models.list()] == ["gpt-x", "fast", "task:triage"]


def test_each_name_of_the_settings_is_a_model_of_its_own(up, tmp_path):
    some = made(up, models={"fast": {"targets": ["p/small"]}}, tasks={"triage": {"model": "fast"}})
    sent = len(up.requests)
    with running(some, tmp_path, environ={"KEY": "k"}) as one:
        with openai.OpenAI(base_url=one.url, api_key="k") as client:
            assert client.models.retrieve("fast").id == "fast"
            assert client.models.retrieve("task:triage").owned_by == "freehold"
        with anthropic.Anthropic(base_url=one.url.removesuffix("/v1"), api_key="k") as client:
            named = client.models.retrieve("fast")
            assert (named.id, named.type, named.display_name) == ("fast", "model", "fast")
            assert len(up.requests) == sent, "nobody else knows these names"
            up.play(send(http(200, ANTHROPICS_FIRST)))
            up.play(send(http(200, ANTHROPICS_LAST)))
            listed = list(client.models.list())
    assert [(model.id, model.display_name) for model in listed] == [
        ("c-1", "C 1"),
        ("c-2", "C 2"),
        ("fast", "fast"),
        ("task:triage", "task:triage"),
    ], "once, after the last page"


@pytest.mark.parametrize("aliases", [{}, {"fast": {"targets": ["b/m"]}, "slow": {"targets": ["b/n"]}}])
def test_where_the_provider_has_no_list_of_models_that_of_the_settings_is_one(tmp_path, monkeypatch, aliases):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    some = settings(providers={"b": {"kind": "bedrock"}}, models=aliases)
    with running(some, tmp_path) as one:
        with openai.OpenAI(base_url=one.url, api_key="k") as client:
            assert [model.id for model in client.models.list()] == list(aliases)
            with pytest.raises(openai.BadRequestError, match="no such path"):
                client.files.list()
        with anthropic.Anthropic(base_url=one.url.removesuffix("/v1"), api_key="k") as client:
            assert [model.id for model in client.models.list()] == list(aliases)


def test_files_and_their_queries_pass_in_both_directions(gateway, up):
    up.play(send(http(200, b'{"id": "file-1", "object": "file"}')))
    with openai.OpenAI(base_url=gateway.url, api_key="sk-client", max_retries=0) as client:
        client.files.create(file=("data.jsonl", FILE), purpose="batch")
        assert FILE in up.requests[-1].body
        assert up.requests[-1].headers["authorization"] == "Bearer sk-own"
        up.play(send(http(200, FILE, {"content-type": "application/octet-stream"})))
        assert client.files.content("file-1").read() == FILE
        up.play(send(http(200, b'{"object": "list", "data": [], "has_more": false}')))
        client.files.list(purpose="batch", limit=3)
        assert up.requests[-1].head.startswith(b"GET /v1/files?")
        assert b"limit=3" in up.requests[-1].head.splitlines()[0]
    assert gateway.ledger.calls == [], "none of them is a call"


def test_an_answer_of_unknown_length_streams_and_a_cut_one_stays_cut(gateway, up):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    up.play(send(head, chunk(b"one"), chunk(b"two"), b"0\r\n\r\n"))
    assert raw(gateway, "GET", "/v1/files/f/content")[2] == b"onetwo"
    up.play(send(head, chunk(b"one")), CLOSE)
    with pytest.raises(EOFError):
        raw(gateway, "GET", "/v1/files/f/content")


def test_errors_pass_unchanged(gateway, up):
    up.play(send(http(404, b'{"error": {"message": "no such batch"}}')))
    client = openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=0)
    with client, pytest.raises(openai.NotFoundError, match="no such batch"):
        client.batches.retrieve("b1")


def test_tokens_are_counted_by_the_provider(gateway, up):
    up.play(send(http(200, b'{"input_tokens": 12}')))
    with anthropic.Anthropic(base_url=gateway.url.removesuffix("/v1"), api_key="k", max_retries=0) as client:
        counted = client.messages.count_tokens(model="c", messages=[{"role": "user", "content": "hi"}])
    assert counted.input_tokens == 12
    assert up.requests[-1].head.startswith(b"POST /v1/messages/count_tokens ")


def test_tokens_are_counted_by_whoever_would_be_asked_for_the_model(up, tmp_path):
    aliases = {"fast": {"targets": ["a/claude-x", "p/small"]}, "other": {"targets": ["p/small"]}}
    with (
        running(made(up, models=aliases), tmp_path, environ={"KEY": "k"}) as one,
        anthropic.Anthropic(base_url=one.url.removesuffix("/v1"), api_key="k", max_retries=0) as client,
    ):
        for asked, sent in (("fast", "claude-x"), ("a/claude-y", "claude-y"), ("claude-z", "claude-z")):
            up.play(send(http(200, b'{"input_tokens": 12}')))
            client.messages.count_tokens(model=asked, messages=[{"role": "user", "content": "hi"}])
            assert json.loads(up.requests[-1].body)["model"] == sent
        before = len(up.requests)
        for asked in ("other", "p/small"):
            with pytest.raises(anthropic.BadRequestError, match="does not count tokens"):
                client.messages.count_tokens(model=asked, messages=[{"role": "user", "content": "hi"}])
        assert len(up.requests) == before


@pytest.mark.parametrize("body", ["", '"metadata":{"freehold_task":"secret"},', '"model":"task:secret",'])
def test_nobody_counts_the_tokens_of_a_task_that_is_restricted_by_name_alone(up, tmp_path, body):
    # The settings alone know it: nothing of its form has been seen.
    with running(made(up, tasks={"secret": {"data_class": "restricted", "model": "a/c"}}), tmp_path) as one:
        one.publish(Route("task-1", "triage"), tasks=(TASK,), restricted=("secret",))
        sent = len(up.requests)
        spoken = f'{{{body}"messages":[{{"role":"user","content":"x"}}]}}'.encode()
        header = "" if body else "x-freehold-task: secret\r\n"
        status, _, answer = raw(one, "POST", "/v1/messages/count_tokens", spoken, header)
        assert (status, b"restricted_refused" in answer) == (403, True)
        assert len(up.requests) == sent


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_request_whose_tokens_are_counted_may_be_compressed(gateway, up, coding):
    spoken = b'{"model":"c","messages":[{"role":"user","content":"x"}]}'
    sent = gzip.compress(spoken) if coding == "gzip" else spoken
    up.play(send(http(200, b'{"input_tokens": 12}')))
    status, _, _ = raw(gateway, "POST", "/v1/messages/count_tokens", sent, f"content-encoding: {coding}\r\n")
    assert status == 200
    assert up.requests[-1].body == spoken
    assert up.requests[-1].headers.get("content-encoding", "") == ("" if coding == "gzip" else "identity")


def test_what_nobody_looks_into_stays_compressed(gateway, up):
    packed = gzip.compress(FILE)
    up.play(send(http(200, b"{}")))
    assert raw(gateway, "POST", "/v1/files", packed, "content-encoding: gzip\r\n")[0] == 200
    assert (up.requests[-1].body, up.requests[-1].headers["content-encoding"]) == (packed, "gzip")


@pytest.mark.parametrize("path", ["/chat/completions/", "/v1/chat/completions//", "/v1/completions/", "/v1/messages/"])
def test_a_call_is_a_call_with_slashes_at_the_end_of_its_path(gateway, up, path):
    before, sent = len(gateway.ledger.calls), len(up.requests)
    asked = b'{"model":"m","prompt":"x","max_tokens":5,"messages":[{"role":"user","content":"x"}]}'
    raw(gateway, "POST", path, asked)
    assert len(gateway.ledger.wait(before + 1)) == before + 1, "recorded as any other"
    assert not up.requests[sent].head.split()[1].endswith(b"/")


@pytest.mark.parametrize("step", ["..", ".", "%2e%2E", ".%2e", "%2e", "..%2f", "..%5c"])
def test_no_path_leads_elsewhere_at_the_provider(gateway, up, step):
    sent = len(up.requests)
    for path in (f"/v1/models/{step}/files", f"/v1/files/{step}"):
        assert raw(gateway, "GET", path)[0] == 404
    assert len(up.requests) == sent


def test_nothing_whose_content_is_unknown_leaves_while_a_task_is_restricted(up, tmp_path):
    with running(made(up), tmp_path, environ={"KEY": "k"}) as one:
        one.publish(Route("task-1", "triage", data_class="restricted"), tasks=(TASK,))
        sent = len(up.requests)
        for path in ("/v1/files", "/v1/batches"):
            status, _, body = raw(one, "POST", path, b"who knows")
            assert (status, b"restricted_refused" in body) == (403, True)
        spoken = (
            b'{"model":"c","max_tokens":1,"system":"Sort this message.","messages":[{"role":"user","content":"x"}]}'
        )
        status, _, body = raw(one, "POST", "/v1/messages/count_tokens", spoken)
        assert (status, b"permission_error" in body) == (403, True)
        assert len(up.requests) == sent
        up.play(send(http(200, LISTED)))
        assert raw(one, "GET", "/v1/models")[0] == 200, "a request without a body holds nothing"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/files", "GET, POST, DELETE"),
        ("OPTIONS", "/v1/embeddings", "POST"),
        ("POST", "/metrics", "GET, HEAD"),
        ("HEAD", "/v1/models", "GET, DELETE"),
    ],
)
def test_a_wrong_method_is_ours_to_refuse_and_the_right_ones_are_named(gateway, method, path, allowed):
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(b"", path, "connection: close\r\n", method))
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert f"\r\nallow: {allowed}".encode() in head
    assert (body == b"") == (method == "HEAD")
    assert method == "HEAD" or json.loads(body)["error"] == {
        "message": f"this path takes {allowed}",
        "type": "invalid_request_error",
        "param": None,
        "code": "method_not_allowed",
    }


def test_who_speaks_anthropics_words_reads_them_where_there_is_nothing(gateway):
    for path in ("/v1/complete", "/v1/models/../files"):
        _, _, body = raw(gateway, "POST", path, b"{}", "anthropic-version: 2023-06-01\r\n")
        assert json.loads(body)["error"]["type"] == "not_found_error"
        assert json.loads(body)["type"] == "error"
        assert "type" not in json.loads(raw(gateway, "POST", path, b"{}")[2])


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_who_only_asks_for_the_head_gets_it_and_may_go_on(gateway, path):
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(b"", path, method="HEAD") + request_bytes(b"", path, method="GET"))
        file = sock.makefile("rb")
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        while file.readline() != b"\r\n":
            pass
        assert file.readline() == b"HTTP/1.1 200 OK\r\n", "no body stands between"
