"""What is no call passes through as it is: lists of models, files, batches, stored answers, token counts."""

import anthropic
import openai
import pytest
from tests.support.gateway import TASK, connect, read_response, request_bytes, running, settings
from tests.support.upstream import CLOSE, Upstream, chunk, http, send

from freehold.vocabulary import Route

LISTED = b'{"object": "list", "data": [{"id": "gpt-x", "object": "model", "created": 1, "owned_by": "up"}]}'
FILE = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def up():
    with Upstream() as one:
        yield one


def made(up, **more):
    return settings(providers={"p": {"kind": "openai", "base_url": up.url, "api_key_env": "KEY"}}, **more)


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


def test_a_wrong_method_is_ours_to_refuse(gateway):
    status, _, body = raw(gateway, "PUT", "/v1/files")
    assert (status, b"method_not_allowed" in body) == (405, True)
