"""The official clients of one format, served by models of another: whole, streamed, with tools, with errors."""

import json
import time
from contextlib import contextmanager
from decimal import Decimal

import anthropic
import openai
import pytest
from tests.support import anthropic_upstream as claude
from tests.support import keys
from tests.support.gateway import connect, read_response, request_bytes, running, settings
from tests.support.upstream import CLOSE, DONE, Upstream, chat, chunk, event, http, send, stream, streamed, usage_event

from freehold.gateway.callers.spending import spending
from freehold.wire.bedrock import encode_frame

ASKED = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
TOOL = {"name": "look", "description": "Looks.", "parameters": SCHEMA}
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-of-aws"}


@pytest.fixture(scope="module")
def up():
    with Upstream() as one:
        yield one


@contextmanager
def renting(up, home, tables=None, **gateway):
    """A gateway with a provider of each kind, all of them the scripted upstream."""
    base = up.url.removesuffix("/v1")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AWS.items():
            patch.setenv(name, value)
        made = settings(
            default_provider="claude",
            providers={
                "claude": {"kind": "anthropic", "base_url": base, "api_key_env": "KEY"},
                "gpt": {"kind": "openai", "base_url": up.url, "api_key_env": "KEY"},
                "aws": {"kind": "bedrock", "base_url": base, "region": "eu-central-1"},
            },
            gateway={"drain_s": 1.0, "eject_after": 0} | gateway,
            **(tables or {}),
        )
        with running(made, home, environ={"KEY": "sk-own"}) as one:
            yield one


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    with renting(up, tmp_path_factory.mktemp("home"), retries=0) as one:
        yield one


@pytest.fixture
def gpt_client(gateway):
    with openai.OpenAI(base_url=gateway.url, api_key="sk-client", max_retries=0) as one:
        yield one


@pytest.fixture
def claude_client(gateway):
    with anthropic.Anthropic(base_url=gateway.url.removesuffix("/v1"), api_key="sk-client", max_retries=0) as one:
        yield one


def last(gateway, before):
    return gateway.ledger.wait(before + 1)[-1]


def test_chat_by_claude_whole(gpt_client, gateway, up):
    before = len(gateway.ledger.calls)
    up.play(send(http(200, claude.message("Grüße"), {"request-id": "req_1"})))
    raw = gpt_client.chat.completions.with_raw_response.create(
        model="claude/claude-x", messages=ASKED, seed=7, extra_query={"beta": "true"}
    )
    answer = raw.parse()
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Grüße", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)
    assert raw.headers["x-freehold-not-carried"].split(", ").count("seed") == 1
    assert raw.headers["request-id"] == "req_1"
    sent = up.requests[-1]
    assert sent.head.startswith(b"POST /v1/messages HTTP/1.1\r\n"), "nobody knows what the query means there"
    assert json.loads(sent.body)["model"] == "claude-x"
    assert (sent.headers["x-api-key"], "authorization" in sent.headers) == ("sk-own", False)
    call = last(gateway, before)
    assert (call.dialect, call.provider, call.outcome) == ("openai.chat", "claude", "ok")
    assert (call.usage.input_tokens, call.usage.cache_read_tokens, call.usage.output_tokens) == (9, 2, 7)


def test_chat_by_claude_streamed_is_counted_although_the_client_did_not_ask(gpt_client, gateway, up):
    before = len(gateway.ledger.calls)
    up.play(send(claude.stream("Grü", "ße")))
    chunks = list(gpt_client.chat.completions.create(model="claude/x", messages=ASKED, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Grüße"
    assert all(c.usage is None for c in chunks)
    call = last(gateway, before)
    assert (call.outcome, call.usage.output_tokens, call.usage.estimated) == ("ok", 7, False)


def test_chat_by_claude_calls_tools(gpt_client, up):
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": "x"}}
    up.play(send(http(200, claude.message("", use, stop="tool_use"))))
    answer = gpt_client.chat.completions.create(
        model="claude/x", messages=ASKED, tools=[{"type": "function", "function": TOOL}]
    )
    called = answer.choices[0].message.tool_calls[0]
    assert (called.id, called.function.name, json.loads(called.function.arguments)) == ("toolu_1", "look", {"q": "x"})
    assert json.loads(up.requests[-1].body)["tools"][0]["input_schema"] == SCHEMA


def test_responses_by_claude(gpt_client, up):
    up.play(send(http(200, claude.message("fine"))))
    assert gpt_client.responses.create(model="claude/x", input="hi").output_text == "fine"
    up.play(send(claude.stream("fi", "ne")))
    with gpt_client.responses.stream(model="claude/x", input="hi") as events:
        assert events.get_final_response().output_text == "fine"


def test_messages_by_gpt(claude_client, gateway, up):
    before = len(gateway.ledger.calls)
    up.play(send(http(200, chat("fine"))))
    answer = claude_client.messages.create(model="gpt/gpt-x", max_tokens=50, messages=ASKED)
    assert (answer.content[0].text, answer.stop_reason, answer.usage.output_tokens) == ("fine", "end_turn", 7)
    assert up.requests[-1].headers["authorization"] == "Bearer sk-own"
    assert last(gateway, before).dialect == "anthropic.messages"
    up.play(send(stream("fi", "ne")))
    with claude_client.messages.stream(model="gpt/gpt-x", max_tokens=50, messages=ASKED) as events:
        assert events.get_final_text() == "fine"


def test_calls_that_gpt_streams_in_turns_reach_a_messages_client_and_the_ledger_one_after_the_other(
    claude_client, gateway, up
):
    before = len(gateway.ledger.calls)
    pieces = []
    for index, text in ((0, ""), (1, ""), (0, '{"q": '), (1, '{"q": '), (0, '"x"}'), (1, '"y"}')):
        named = {} if text else {"id": f"call_{index}", "type": "function"}
        function = {"arguments": text} | ({} if text else {"name": "look"})
        delta = {"tool_calls": [{"index": index, "function": function} | named]}
        pieces.append(event(choices=[{"index": 0, "delta": delta, "finish_reason": None}]))
    up.play(send(streamed(*pieces, event(finish="tool_calls"), usage_event(), DONE)))
    with claude_client.messages.stream(model="gpt/gpt-x", max_tokens=50, messages=ASKED) as events:
        done = events.get_final_message()
    assert [(one.id, one.input) for one in done.content] == [("call_0", {"q": "x"}), ("call_1", {"q": "y"})]
    assert (done.stop_reason, done.usage.output_tokens) == ("tool_use", 7)
    call = last(gateway, before)
    assert (call.outcome, call.usage.output_tokens, call.usage.estimated) == ("ok", 7, False)
    assert [one["input"] for one in json.loads(call.response)["content"]] == [{"q": "x"}, {"q": "y"}]


def test_a_beta_that_was_asked_for_in_a_header_is_reported(claude_client, up):
    for model, lost in (("gpt/gpt-x", "anthropic-beta"), ("claude/x", None)):
        up.play(send(http(200, chat("fine") if lost else claude.message("fine"))))
        raw = claude_client.beta.messages.with_raw_response.create(
            model=model, max_tokens=50, messages=ASKED, betas=["context-1m-2025-08-07"]
        )
        assert raw.headers.get("x-freehold-not-carried") == lost
        assert ("anthropic-beta" in up.requests[-1].headers) == (lost is None)


def frames(*pairs):
    return b"".join(encode_frame({":message-type": "event", ":event-type": kind}, json.dumps(body).encode())
                    for kind, body in pairs)  # fmt: skip


def test_chat_by_bedrock(gpt_client, gateway, up):
    whole = {
        "output": {"message": {"role": "assistant", "content": [{"text": "fine"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 1},
    }
    up.play(send(http(200, json.dumps(whole).encode())))
    answer = gpt_client.chat.completions.create(model="aws/anthropic.claude-v1:0", messages=ASKED)
    assert answer.choices[0].message.content == "fine"
    sent = up.requests[-1]
    assert sent.head.startswith(b"POST /model/anthropic.claude-v1%3A0/converse HTTP/1.1\r\n")
    assert "/eu-central-1/bedrock/aws4_request" in sent.headers["authorization"]
    assert b"secret-of-aws" not in sent.head
    assert b"sk-client" not in sent.head
    before = len(gateway.ledger.calls)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n"
    body = frames(
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "fine"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": whole["usage"], "metrics": {"latencyMs": 1}}),
    )
    up.play(send(head, *(chunk(body[at : at + 7]) for at in range(0, len(body), 7)), b"0\r\n\r\n"))
    chunks = list(gpt_client.chat.completions.create(model="aws/m", messages=ASKED, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "fine"
    assert up.requests[-1].head.startswith(b"POST /model/m/converse-stream ")
    assert last(gateway, before).usage.output_tokens == 2


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (401, "authentication_error", openai.AuthenticationError),
        (429, "rate_limit_error", openai.RateLimitError),
        (404, "not_found_error", openai.NotFoundError),
        (529, "overloaded_error", openai.InternalServerError),
    ],
)
def test_a_providers_error_arrives_typed_with_its_message(gpt_client, up, status, kind, error):
    body = {"type": "error", "error": {"type": kind, "message": "what Claude said"}}
    up.play(send(http(status, json.dumps(body).encode(), {"retry-after": "7"})))
    with pytest.raises(error, match="what Claude said") as caught:
        gpt_client.chat.completions.create(model="claude/x", messages=ASKED)
    assert caught.value.response.headers["retry-after"] == "7"


def test_what_cannot_be_said_is_refused_and_never_sent(gpt_client, gateway, up):
    before, calls = len(up.requests), len(gateway.ledger.calls)
    with pytest.raises(openai.BadRequestError, match="n") as caught:
        gpt_client.chat.completions.create(model="claude/x", messages=ASKED, n=2)
    assert caught.value.code == "untranslatable"
    assert len(up.requests) == before
    assert last(gateway, calls).reason == "untranslatable"


UNKNOWN = json.dumps(
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "a"}]}},
        "stopReason": "bored",
        "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18},
        "metrics": {"latencyMs": 1},
    }
).encode()


@pytest.mark.parametrize(
    ("model", "path", "answer"),
    [
        ("claude/x", "/v1/chat/completions", claude.message("a", {"type": "server_tool_use", "id": "s", "name": "n"})),
        ("claude/x", "/v1/chat/completions", claude.message("a", stop="bored")),
        ("aws/x", "/v1/chat/completions", UNKNOWN),
        ("gpt/x", "/v1/messages", chat("a").replace(b'"stop"', b'"bored"')),
    ],
)
def test_an_answer_that_cannot_be_said_is_paid_for_once(up, tmp_path, model, path, answer):
    """Asked again it would be paid for again, by the gateway as by a client that follows `x-should-retry`."""
    with renting(up, tmp_path, retries=2) as gateway, connect(gateway.port) as sock:
        before = len(up.requests)
        up.play(send(http(200, answer)))
        asked = json.dumps({"model": model, "max_tokens": 9, "messages": ASKED}).encode()
        sock.sendall(request_bytes(asked, path=path))
        status, headers, body = read_response(sock)
        assert (status, headers["x-should-retry"]) == (502, "false")
        assert "answer_untranslatable" in body.decode() or path == "/v1/messages"
        assert len(up.requests) == before + 1
        (call,) = gateway.ledger.wait()
        (leg,) = call.legs
        assert (call.outcome, leg.outcome, leg.status) == ("error", "error", 200)
        assert call.usage == leg.usage
        assert (leg.usage.prompt_tokens, leg.usage.output_tokens, leg.usage.estimated) == (11, 7, False)


def test_the_fallback_of_an_answer_that_cannot_be_said_is_asked_and_both_are_charged(up, tmp_path):
    price = {"input_usd_per_mtok": "1000", "output_usd_per_mtok": "1000"}
    tables = {"models": {"pair": {"targets": ["claude/x", "gpt/y"]}}, "prices": {"claude/x": price, "gpt/y": price}}
    key = keys.make(tmp_path, budget=keys.budget(1.0))
    with renting(up, tmp_path, tables, retries=2) as gateway, connect(gateway.port) as sock:
        before = len(up.requests)
        up.play(send(http(200, claude.message("a", stop="bored"))))
        up.play(send(http(200, chat("fine"))))
        asked = json.dumps({"model": "pair", "max_tokens": 50, "messages": ASKED}).encode()
        sock.sendall(request_bytes(asked, headers=f"authorization: Bearer {key}\r\n"))
        status, _, body = read_response(sock)
        assert (status, b"fine" in body, len(up.requests) - before) == (200, True, 2)
        (call,) = gateway.ledger.wait()
        assert [(leg.provider, leg.outcome, leg.usage is None) for leg in call.legs] == [
            ("claude", "error", False), ("gpt", "ok", False),
        ]  # fmt: skip
        (found,) = spending(tmp_path, keys.kept(tmp_path), time.time_ns()).values()
        assert (found.spent, found.reserved) == (Decimal("0.036"), 0), "18 tokens of a thousandth of a dollar, twice"


def test_what_cannot_be_said_and_states_no_tokens_is_asked_again(up, tmp_path):
    free = json.loads(claude.message("a", stop="bored"))
    del free["usage"]
    with renting(up, tmp_path, retries=1) as gateway, connect(gateway.port) as sock:
        up.play(send(http(200, json.dumps(free).encode())))
        up.play(send(http(200, claude.message("fine"))))
        sock.sendall(request_bytes(json.dumps({"model": "claude/x", "messages": ASKED}).encode()))
        status, _, body = read_response(sock)
        assert (status, b"fine" in body) == (200, True)


def test_a_stream_that_is_cut_is_no_success_in_either_format(gpt_client, claude_client, gateway, up):
    before = len(gateway.ledger.calls)
    parts = claude.events("half ", "an answer")[:5]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    up.play(send(head, *map(chunk, parts)), CLOSE)
    with pytest.raises(openai.APIError):
        list(gpt_client.chat.completions.create(model="claude/x", messages=ASKED, stream=True))
    assert last(gateway, before).outcome == "incomplete"
    up.play(send(head, *map(chunk, parts)), CLOSE)
    with pytest.raises(anthropic.APIError), claude_client.messages.stream(model="x", max_tokens=9, messages=ASKED) as s:
        s.get_final_text()
    assert last(gateway, before + 1).outcome == "incomplete"


def test_a_provider_that_speaks_the_format_is_asked_before_the_default(claude_client, gpt_client, up):
    up.play(send(http(200, claude.message("native"))))
    assert claude_client.messages.create(model="c", max_tokens=9, messages=ASKED).content[0].text == "native"
    up.play(send(http(200, chat("native"))))
    assert gpt_client.chat.completions.create(model="g", messages=ASKED).choices[0].message.content == "native"
