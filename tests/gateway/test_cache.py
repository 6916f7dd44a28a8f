"""The same request from the same caller, answered again without asking anybody; and nothing else."""

import openai
import pytest
from tests.support import keys
from tests.support.gateway import TASK, running, settings
from tests.support.upstream import Upstream, chat, http, send, stream

from freehold.gateway._cache import AnswerCache
from freehold.vocabulary import Route

KNOWN = [{"role": "system", "content": "Sort this message."}, {"role": "user", "content": "my card"}]


@pytest.fixture(scope="module")
def up():
    with Upstream() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(up, tmp_path_factory):
    made = settings(
        providers={"up": {"kind": "openai", "base_url": up.url, "api_key_env": "KEY"}},
        tasks={"triage": {"cache_s": 60.0}},
        gateway={"retries": 0},
    )
    with running(made, tmp_path_factory.mktemp("home"), environ={"KEY": "k"}) as one:
        one.publish(Route("task-1", "triage"), tasks=(TASK,))
        yield one


def ask(gateway, key="sk-a", **more):
    with openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=KNOWN, **more)
        return raw.headers.get("x-freehold-cache"), raw.parse()


def test_the_second_time_nobody_is_asked(gateway, up):
    up.play(send(http(200, chat("card"))))
    assert ask(gateway, seed=1)[0] is None
    sent, before = len(up.requests), len(gateway.ledger.calls)
    hit, answer = ask(gateway, seed=1)
    assert (hit, answer.choices[0].message.content, len(up.requests)) == ("hit", "card", sent)
    call = gateway.ledger.wait(before + 1)[-1]
    assert (call.reason, call.owner, call.outcome, call.provider) == ("cache_hit", "rented", "ok", "up")
    assert (call.usage.prompt_tokens, call.usage.output_tokens, call.legs) == (0, 0, ())
    assert b'freehold_cache_total{task="triage",result="hit"} 1' in gateway.gateway.metrics.text()


def test_a_streamed_answer_is_streamed_again(gateway, up):
    up.play(send(stream("ca", "rd")))
    for expected in (None, "hit"):
        hit, chunks = ask(gateway, seed=2, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "card"
        assert hit == expected


@pytest.mark.parametrize("other", [{"seed": 4}, {"key": "sk-b"}])
def test_another_request_or_caller_is_another_matter(gateway, up, other):
    ask(gateway, seed=3)
    sent = len(up.requests)
    assert ask(gateway, **({"seed": 3} | other))[0] is None
    assert len(up.requests) == sent + 1


def test_errors_are_not_kept_and_other_tasks_want_none(gateway, up):
    up.play(send(http(500, b"{}")))
    with pytest.raises(openai.InternalServerError):
        ask(gateway, seed=5)
    assert ask(gateway, seed=5)[0] is None
    with openai.OpenAI(base_url=gateway.url, api_key="k", max_retries=0) as client:
        for _ in range(2):
            raw = client.chat.completions.with_raw_response.create(
                model="m", messages=[{"role": "user", "content": "x"}]
            )
            assert "x-freehold-cache" not in raw.headers


def test_a_hit_costs_a_caller_nothing(up, tmp_path):
    key = keys.make(tmp_path, budget=keys.budget(0.1))
    made = settings(
        providers={"up": {"kind": "openai", "base_url": up.url}},
        tasks={"triage": {"cache_s": 60.0}},
        prices={"up/m": {"input_usd_per_mtok": "1000", "output_usd_per_mtok": "1000"}},
    )
    with running(made, tmp_path) as one:
        one.publish(Route("task-1", "triage"), tasks=(TASK,))
        assert [ask(one, key, max_tokens=50)[0] for _ in range(10)] == [None] + ["hit"] * 9


def test_it_forgets_in_time_and_when_full():
    now = [0.0]
    cache = AnswerCache(10_000, lambda: now[0])
    keys_ = [bytes([number]) * 16 for number in range(20)]
    for key in keys_:
        cache.put(key, b"x" * 500, provider="p", model="m", seconds=10.0)
    assert [cache.get(key) is not None for key in keys_] == [False] * 11 + [True] * 9
    cache.put(keys_[0], b"x" * 2000, provider="p", model="m", seconds=10.0)
    assert cache.get(keys_[0]) is None, "too large to keep"
    now[0] = 10.0
    assert not any(cache.get(key) for key in keys_)
    assert cache._bytes == 0


def test_a_key_is_no_concatenation():
    one = AnswerCache.key("a", [], "openai.chat", b"b")
    assert one != AnswerCache.key("", [], "aopenai.chat", b"b")
    assert one != AnswerCache.key("a", [], "openai.chat", b"b", b"beta=true")


def test_a_name_of_the_settings_is_a_task_before_one_is_found_and_when_it_is_found_under_another(up, tmp_path):
    made = settings(
        providers={"up": {"kind": "openai", "base_url": up.url}}, tasks={"Sort": {"cache_s": 60.0, "model": "up/small"}}
    )
    with running(made, tmp_path) as one, openai.OpenAI(base_url=one.url, api_key="k", max_retries=0) as client:

        def hits(model, header):
            asked = client.chat.completions.with_raw_response
            raw = [asked.create(model=model, messages=KNOWN, extra_headers=header).headers for _ in range(2)]
            return [headers.get("x-freehold-cache") for headers in raw]

        assert hits("m", {"x-freehold-task": "sort"}) == [None, "hit"]
        assert hits("task:sort", {}) == [None, "hit"]
        assert hits("m", {"x-freehold-task": "unheard-of"}) == [None, None]
        assert [call.task for call in one.ledger.wait(6)] == ["Sort"] * 4 + [""] * 2
        assert b'freehold_cache_total{task="Sort",result="hit"} 2' in one.gateway.metrics.text()
        one.publish(Route("task-1", "triage"), tasks=(TASK,))
        assert hits("other", {"x-freehold-task": "SORT"}) == [None, "hit"]
        assert hits("other", {}) == [None, None]
