"""Calls for embeddings: rented, counted, kept in where they are restricted, and of no task that they do not name."""

import json

import openai
import pytest
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.upstream import Upstream, http, send

from freehold.vocabulary import MessagePattern, Route, Slot, Task, Template

TEMPLATE = Template("t9", (MessagePattern("user", ("Sort: ", Slot("text"))),))
BARE = Task("task-9", "bare", "classification", (TEMPLATE,), 9, 1.0, "the same words")
ANSWER = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "model": "e-1",
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}


@pytest.fixture
def up():
    with Upstream() as one:
        one.default = (send(http(200, json.dumps(ANSWER).encode())),)
        yield one


@pytest.mark.parametrize(("name", "task"), [("", ""), ("bare", "task-9")])
def test_a_call_belongs_to_a_task_by_name_alone(up, tmp_path, name, task):
    with running(renting_from(up.url), tmp_path) as gateway:
        gateway.publish(tasks=(BARE,))
        with openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=0) as client:
            raw = client.embeddings.with_raw_response.create(
                model="e", input="Sort: my card", extra_headers={"x-freehold-task": name}
            )
        assert raw.parse().usage.prompt_tokens == 4
        call = gateway.ledger.wait()[0]
        assert (call.task, raw.headers.get("x-freehold-task", "")) == (task, name)
        assert (call.dialect, call.usage.input_tokens, call.owner) == ("openai.embeddings", 4, "rented")


def test_the_text_of_a_restricted_task_stays_in(up, tmp_path):
    with running(renting_from(up.url), tmp_path) as gateway:
        gateway.publish(Route("task-9", "bare", data_class="restricted"), tasks=(BARE,))
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(b'{"model":"e","input":"Sort: my card"}', "/v1/embeddings"))
            status, _, body = read_response(sock)
        assert (status, b"restricted_refused" in body, up.requests) == (403, True, [])
