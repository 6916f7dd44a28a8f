"""Token counts of streams whose client did not ask for them: asked of the provider, kept from the client."""

import json
from itertools import pairwise

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.gateway import running, settings
from tests.support.upstream import (
    CLOSE,
    DONE,
    STREAM_HEAD,
    Upstream,
    chunk,
    drip,
    event,
    send,
    stream,
    streamed,
    usage_event,
    wait,
)

from freehold.gateway.providers._counting import Counting, asking_for_usage
from freehold.vocabulary import Usage

ASKED = [{"role": "user", "content": "hi"}]
PLAIN = event("a") + event("b") + event(finish="stop") + DONE
WHOLE = event("a") + event("b") + event(finish="stop") + usage_event() + DONE
COUNTS = Usage(11, output_tokens=7)


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.data, self.usage, self.ended, self.failed = b"", None, False, None

    def on_head(self, status, headers):
        pass

    def on_data(self, data, *, done):
        assert not self.ended
        self.data += data
        self.ended = done

    def on_usage(self, usage):
        self.usage = usage

    def on_failed(self, error):
        self.failed = error


def passed(pieces, status=200, kind=b"text/event-stream; charset=utf-8"):
    kept = Kept()
    counting = Counting(kept)
    counting.on_head(status, [(b"content-type", kind)])
    for piece in pieces:
        counting.on_data(piece, done=False)
    counting.on_data(b"", done=True)
    return kept


@given(st.lists(st.integers(0, len(WHOLE)), max_size=9), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_however_the_stream_is_split_the_client_gets_all_but_the_counts(cuts, newline):
    whole, plain = (one.replace(b"\n", newline) for one in (WHOLE, PLAIN))
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    kept = passed(whole[a:b] for a, b in pairwise(edges))
    assert (kept.data, kept.usage, kept.ended) == (plain, COUNTS, True)


@pytest.mark.parametrize(
    "kept_as_it_is",
    [
        event("a", usage=None),
        event("a", usage={"prompt_tokens": 1, "completion_tokens": 1}),
        event(choices=[]),
        event(choices=[], usage=None),
        b'data: {"choices": [], "usage": 5}\n\n',
        b'data: {"choices": [], "usage"\n\n',
        b': "usage"\n\n',
        b'data: \xff"usage"\n\n',
        b'data: {"error": {"message": "no \\"usage\\""}}\n\n',
        b'data: {"choices": [], "usage": null}',
        b"data: cut in the mid",
        b"x" * 3_000_000,
    ],
)
def test_what_is_no_count_goes_on_as_it_came(kept_as_it_is):
    kept = passed([kept_as_it_is[:9], kept_as_it_is[9:]])
    assert (kept.data, kept.usage) == (kept_as_it_is, None)


def test_counts_without_their_blank_line_are_counts():
    kept = passed([event("a"), usage_event().strip()])
    assert (kept.data, kept.usage) == (event("a"), COUNTS)


@pytest.mark.parametrize(("status", "kind"), [(200, b"application/json"), (500, b"text/event-stream")])
def test_what_is_no_stream_is_not_looked_at(status, kind):
    assert passed([WHOLE], status, kind).data == WHOLE


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"stream": True}, {"include_usage": True}),
        ({"stream": True, "stream_options": None}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"other": 1}}, {"other": 1, "include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": True}}, None),
        ({"stream": False}, None),
        ({}, None),
        ({"stream": "odd"}, None),
    ],
)
def test_only_streams_that_do_not_ask_are_asked_for(given, options):
    asked = asking_for_usage(json.dumps({"n": 1.50} | given).encode())
    assert (asked is None) == (options is None)
    if asked is not None:
        assert json.loads(asked) == {"n": 1.5} | given | {"stream_options": options}


@pytest.fixture(scope="module")
def up():
    with Upstream() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    table = {"kind": "compatible", "base_url": up.url, "stream_usage": True}
    waits = {"retries": 0, "eject_after": 0, "drain_s": 1.0}
    with running(settings(providers={"p": table}, gateway=waits), tmp_path_factory.mktemp("home")) as one:
        yield one


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=0) as one:
        yield one


def test_a_stream_is_counted_and_its_client_sees_nothing_of_it(client, gateway, up):
    before = len(gateway.ledger.calls)
    up.play(send(stream("a", "b")))
    chunks = list(client.chat.completions.create(model="m", messages=ASKED, stream=True))
    assert json.loads(up.requests[-1].body)["stream_options"] == {"include_usage": True}
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == "ab"
    call = gateway.ledger.wait(before + 1)[-1]
    assert (call.outcome, call.usage) == ("ok", COUNTS)
    assert b"stream_options" not in call.request, "the record is of what was asked"
    up.play(send(stream("a")))
    own = client.chat.completions.create(model="m", messages=ASKED, stream=True, stream_options={"include_usage": True})
    assert list(own)[-1].usage.total_tokens == 18, "who asks is given them"


def test_a_stream_that_breaks_or_is_dripped_is_as_without(client, gateway, up):
    before = len(gateway.ledger.calls)
    up.play(
        *drip(
            streamed(event("a"), event("b"), event(finish="stop"), usage_event(), DONE)[i : i + 40]
            for i in range(0, 1200, 40)
        )
    )
    assert len(list(client.chat.completions.create(model="m", messages=ASKED, stream=True))) == 3
    up.play(send(STREAM_HEAD, chunk(event("a")), chunk(event("b")[:-9])), wait(0.05), CLOSE)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="m", messages=ASKED, stream=True))
    assert [call.outcome for call in gateway.ledger.wait(before + 2)[before:]] == ["ok", "incomplete"]
