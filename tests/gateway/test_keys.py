"""Virtual keys on the path of a call: who may call, what it is charged, and that no provider ever sees one."""

import json
import time
from decimal import Decimal

import anthropic
import openai
import pytest
from tests.support import keys
from tests.support.gateway import TASK, connect, read_response, request_bytes, running, settings
from tests.support.students import SURE, ScriptedHost
from tests.support.upstream import (
    CLOSE,
    DONE,
    STREAM_HEAD,
    Upstream,
    chat,
    chunk,
    event,
    http,
    send,
    stream,
    streamed,
    wait,
)

from freehold.gateway.app import Doors
from freehold.gateway.callers.spending import spending
from freehold.vocabulary import Route

ASKED = [{"role": "user", "content": "hi"}]
KNOWN = [{"role": "system", "content": "Sort this message."}, {"role": "user", "content": "my card"}]
OWNED = Route("task-1", "triage", stage="full", student_id="s1", template_ids=("t1",), threshold=0.9,
              scope_threshold=0.5, audit_share=1.0, loss="label")  # fmt: skip


@pytest.fixture(scope="module")
def up():
    with Upstream() as one:
        yield one


def made(up, **gateway):
    return settings(
        providers={
            "up": {"kind": "openai", "base_url": up.url, "api_key_env": "KEY"},
            "dear": {"kind": "openai", "base_url": up.url},
        },
        default_provider="up",
        models={"pair": {"targets": ["up/m", "dear/m"]}},
        prices={
            "up/m": {"input_usd_per_mtok": "1000", "output_usd_per_mtok": "1000"},
            "dear/m": {"input_usd_per_mtok": "1000", "output_usd_per_mtok": "9000"},
        },
        gateway={"drain_s": 1.0} | gateway,
    )


@pytest.fixture
def opened(up, tmp_path):
    """Open a gateway on a home with one key; gives the gateway, an OpenAI client and the key."""
    started = []

    def start(doors=None, gateway=None, **limits):
        key = keys.make(tmp_path, **limits)
        context = running(made(up, **(gateway or {})), tmp_path, doors, environ={"KEY": "sk-own"})
        one = context.__enter__()
        client = openai.OpenAI(base_url=one.url, api_key=key, max_retries=0)
        started.append((context, client))
        return one, client, key

    yield start
    for context, client in started:
        client.close()
        context.__exit__(None, None, None)


def spent(home):
    return spending(home, keys.kept(home), time.time_ns())


def account(home, calls, gateway):
    """Spent and reserved in dollars, once so many calls are recorded."""
    gateway.ledger.wait(calls)
    (found,) = spent(home).values()
    return found.spent, found.reserved


def test_a_virtual_key_pays_for_what_was_used_and_goes_to_no_provider(opened, up, tmp_path):
    gateway, client, key = opened(budget=keys.budget(1.0), rpm=600)
    raw = client.chat.completions.with_raw_response.create(model="m", messages=ASKED, max_tokens=50)
    assert raw.headers["x-ratelimit-limit-requests"] == "600"
    assert raw.headers["x-ratelimit-remaining-requests"] == "599"
    assert account(tmp_path, 1, gateway) == (Decimal("0.018"), 0), "18 tokens of a thousandth of a dollar"
    assert gateway.ledger.calls[0].key == "team"
    assert key.encode() not in up.requests[-1].head
    assert up.requests[-1].headers["authorization"] == "Bearer sk-own"


def test_an_anthropic_client_is_let_in_and_told_in_its_own_words(opened, up):
    gateway, _, key = opened(rpm=60)
    up.play(send(http(200, chat("fine"))))
    with anthropic.Anthropic(base_url=gateway.url.removesuffix("/v1"), api_key=key, max_retries=0) as client:
        raw = client.messages.with_raw_response.create(model="m", max_tokens=5, messages=ASKED)
        assert raw.headers["anthropic-ratelimit-requests-remaining"] == "59"
        keys.revoke(gateway.home)
        gateway.on_loop(gateway.gateway.refresh)
        with pytest.raises(anthropic.AuthenticationError, match="was revoked"):
            client.messages.create(model="m", max_tokens=5, messages=ASKED)


def test_a_budget_holds_before_the_money_is_spent(opened, up, tmp_path):
    gateway, client, _ = opened(budget=keys.budget(0.05))
    client.chat.completions.create(model="m", messages=ASKED, max_tokens=40)
    sent = len(up.requests)
    with pytest.raises(openai.RateLimitError, match=r"has spent \$0\.018") as caught:
        client.chat.completions.create(model="m", messages=ASKED, max_tokens=40)
    assert (caught.value.code, caught.value.response.headers["x-should-retry"]) == ("budget_exhausted", "false")
    assert len(up.requests) == sent
    refused = gateway.ledger.wait(2)[-1]
    assert (refused.outcome, refused.reason, refused.key) == ("refused", "budget_exhausted", "team")
    assert client.chat.completions.create(model="m", messages=ASKED, max_tokens=20).usage.total_tokens == 18
    assert account(tmp_path, 3, gateway) == (Decimal("0.036"), 0)


def test_where_a_dearer_model_may_be_asked_instead_the_dearer_is_reserved(opened, up, tmp_path):
    gateway, client, _ = opened(budget=keys.budget(0.25))
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="pair", messages=ASKED, max_tokens=40)
    up.play(send(http(503, b"{}")))
    client.chat.completions.create(model="pair", messages=ASKED, max_tokens=20)
    assert account(tmp_path, 2, gateway) == (Decimal("0.074"), 0), "11 tokens in, 7 out, at the second's price"


@pytest.mark.parametrize("model", ["no-price", "task:none"])
def test_what_has_no_price_is_refused_under_a_budget(opened, up, model):
    gateway, client, _ = opened(budget=keys.budget(1.0))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=ASKED)
    assert caught.value.status_code in {403, 404}
    assert gateway.ledger.wait(1)[-1].outcome == "refused"


def test_what_nobody_counted_is_kept_at_what_was_reserved_and_called_an_estimate(opened, up, tmp_path):
    gateway, client, _ = opened(budget=keys.budget(1.0))
    up.play(send(streamed(event("a"), event(finish="stop"), DONE)))
    list(client.chat.completions.create(model="m", messages=ASKED, max_tokens=50, stream=True))
    gateway.ledger.wait(1)
    (found,) = spent(tmp_path).values()
    assert found.reserved == 0
    assert found.spent == found.estimated
    assert Decimal("0.05") < found.spent < Decimal("0.07")


def test_a_failed_call_costs_nothing_and_a_broken_stream_what_came(opened, up, tmp_path):
    gateway, client, _ = opened(budget=keys.budget(1.0))
    up.play(send(http(400, b'{"error": {"message": "no"}}')))
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="m", messages=ASKED, max_tokens=40)
    assert account(tmp_path, 1, gateway) == (0, 0)
    up.play(send(STREAM_HEAD, chunk(event("eight ch"))), CLOSE)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="m", messages=ASKED, max_tokens=40, stream=True))
    amount, reserved = account(tmp_path, 2, gateway)
    assert reserved == 0
    assert Decimal("0.002") <= amount <= Decimal("0.01"), "an estimate of what had come"
    up.play(send(stream("a", "b")))
    list(client.chat.completions.create(model="m", messages=ASKED, max_tokens=40, stream=True))
    assert account(tmp_path, 3, gateway)[0] == amount + Decimal("0.018")


def test_an_owned_answer_costs_nothing_nor_does_its_audit(opened, up, tmp_path):
    gateway, client, _ = opened(Doors(host=ScriptedHost(SURE)), budget=keys.budget(0.07), rpm=2)
    gateway.publish(OWNED, tasks=(TASK,))
    answer = client.chat.completions.with_raw_response.create(model="m", messages=KNOWN, max_tokens=40)
    assert answer.headers["x-freehold-served-by"] == "owned"
    assert account(tmp_path, 1, gateway) == (0, 0)
    assert gateway.ledger.calls[0].legs[-1].purpose == "audit"
    client.chat.completions.create(model="m", messages=KNOWN, max_tokens=40)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="m", messages=KNOWN, max_tokens=40)
    assert caught.value.code == "rate_limited"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 30


def test_where_a_key_is_required_everything_asks_for_one(opened, up):
    gateway, client, _ = opened(gateway={"require_key": True}, models=("m*",))
    sent = len(up.requests)
    for path, method in (("/v1/chat/completions", "POST"), ("/v1/models", "GET"), ("/v1/feedback", "POST")):
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(b"{}", path, "authorization: Bearer sk-some-provider\r\n", method))
            status, headers, body = read_response(sock)
        assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_key"), path
        assert headers["www-authenticate"] == 'Bearer realm="freehold"'
    assert len(up.requests) == sent
    assert gateway.ledger.calls == [], "who is not known fills no ledger"
    assert client.chat.completions.create(model="m", messages=ASKED).usage.total_tokens == 18
    with pytest.raises(openai.PermissionDeniedError, match="not for this model"):
        client.chat.completions.create(model="other", messages=ASKED)
    with pytest.raises(openai.PermissionDeniedError, match="files, batches"):
        client.batches.create(input_file_id="f", endpoint="/v1/chat/completions", completion_window="24h")


@pytest.mark.parametrize("limits", [{"budget": keys.budget(1.0)}, {"tpm": 9000}, {"models": ("*",)}, {"tasks": ("*",)}])
def test_a_key_with_limits_neither_spends_nor_removes_past_them(opened, up, limits):
    _, client, _ = opened(**limits)
    sent = len(up.requests)
    with pytest.raises(openai.PermissionDeniedError, match="files, batches"):
        client.batches.create(input_file_id="f", endpoint="/v1/chat/completions", completion_window="24h")
    with pytest.raises(openai.PermissionDeniedError, match="files, batches"):
        client.models.delete("ft:somebodys")
    assert len(up.requests) == sent


def test_what_is_no_call_counts_as_a_request(opened, up):
    _, client, _ = opened(rpm=3)
    for left in (2, 1):
        up.play(send(http(200, b'{"object": "list", "data": []}', {"x-ratelimit-remaining-requests": "9999"})))
        listed = client.models.with_raw_response.list()
        assert listed.headers.get_list("x-ratelimit-remaining-requests") == [str(left)]
    client.chat.completions.create(model="m", messages=ASKED)
    sent = len(up.requests)
    with pytest.raises(openai.RateLimitError, match="3 requests a minute") as caught:
        client.files.list()
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert len(up.requests) == sent


@pytest.mark.parametrize("asks", [{"max_tokens": -1_000_000}, {"n": -50}, {"max_tokens": -1, "n": -1}])
def test_nobody_reserves_less_than_nothing(opened, up, tmp_path, asks):
    gateway, client, _ = opened(budget=keys.budget(100.0))
    reserved = []

    def choose(_):
        reserved.extend(one.reserved for one in spent(tmp_path).values())
        return (send(http(200, chat())),)

    up.choose = choose
    client.chat.completions.create(model="m", messages=ASKED, **asks)
    up.choose = None
    assert len(reserved) == 1
    assert reserved[0] > 0
    gateway.ledger.wait(1)


def test_a_client_that_leaves_is_charged_for_what_it_cost(opened, up, tmp_path):
    gateway, client, _ = opened(budget=keys.budget(1.0))
    up.play(send(STREAM_HEAD, chunk(event("twelve chars"))), send())
    asked = client.chat.completions.create(model="m", messages=ASKED, max_tokens=40, stream=True)
    next(iter(asked))
    asked.close()
    client.close()
    amount, reserved = account(tmp_path, 1, gateway)
    assert gateway.ledger.calls[0].outcome in {"cancelled", "incomplete"}
    assert (reserved, Decimal("0.003") <= amount < Decimal("0.02")) == (0, True)


@pytest.mark.parametrize(("dollars", "asked"), [(0.9, 1), (2.0, 2)])
def test_nobody_is_asked_twice_with_money_that_the_key_does_not_have(opened, up, dollars, asked):
    _, client, _ = opened(gateway={"hedge": True}, budget=keys.budget(dollars))
    up.choose = lambda _: (wait(0.03), send(http(200, chat("usual"))))
    for _ in range(20):
        client.chat.completions.create(model="m", messages=ASKED, max_tokens=5)
    up.choose = None
    before = len(up.requests)
    up.play(wait(0.5), send(http(200, chat("slow"))))
    client.chat.completions.create(model="m", messages=ASKED, max_tokens=300)
    assert len(up.requests) == before + asked


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models"])
def test_a_key_in_the_url_lets_nobody_in_and_goes_nowhere(opened, up, path):
    gateway, _, key = opened()
    method = "GET" if path.endswith("models") else "POST"
    body = b"" if method == "GET" else json.dumps({"model": "m", "messages": ASKED}).encode()
    with connect(gateway.port) as sock:
        sock.sendall(request_bytes(body, f"{path}?beta=true&key={key}", method=method))
        assert read_response(sock)[0] == 200
    sent = up.requests[-1].head
    assert b"?beta=true HTTP/1.1" in sent
    assert key.encode() not in sent
