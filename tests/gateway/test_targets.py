"""Which model a name stands for, and who is asked when the first does not answer."""

import asyncio
import json

import openai
import pytest
from tests.support.gateway import running, settings
from tests.support.upstream import Upstream, chat, http, send

from freehold.errors import ConfigurationError, MissingPrerequisite, NotFound
from freehold.gateway._targets import Targets
from freehold.gateway.providers import providers_of

ASKED = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def ups():
    with Upstream() as one, Upstream() as two:
        yield one, two


@pytest.fixture(scope="module")
def gateway(ups, tmp_path_factory):
    one, two = ups
    made = settings(
        default_provider="one",
        providers={
            "one": {"kind": "openai", "base_url": one.url},
            "two": {"kind": "openai", "base_url": two.url},
        },
        models={"fast": {"targets": ["one/small", "two/tiny"]}, "lone": {"targets": ["two/big"]}},
        tasks={"triage": {"model": "fast"}, "Über": {"model": "two/other"}},
        gateway={"retries": 0, "drain_s": 1.0},
    )
    with running(made, tmp_path_factory.mktemp("home")) as one_gateway:
        yield one_gateway


def ask(gateway, model, **more):
    with openai.OpenAI(base_url=gateway.url, api_key="sk-client", max_retries=0) as client:
        return client.chat.completions.create(model=model, messages=ASKED, **more)


def sent(up):
    return json.loads(up.requests[-1].body)["model"]


@pytest.mark.parametrize(
    ("asked", "who", "name"),
    [
        ("gpt-x", 0, "gpt-x"),
        ("meta-llama/Llama-9", 0, "meta-llama/Llama-9"),
        ("two/gpt-x", 1, "gpt-x"),
        ("fast", 0, "small"),
        ("lone", 1, "big"),
        ("task:triage", 0, "small"),
        ("task:ÜBER", 1, "other"),
    ],
)
def test_a_name_stands_for_a_model_at_a_provider(gateway, ups, asked, who, name):
    ask(gateway, asked)
    assert sent(ups[who]) == name


def test_the_next_target_is_asked_with_its_own_name_and_without_the_clients_key(gateway, ups):
    one, two = ups
    before = len(gateway.ledger.calls)
    for status in (503, 429):
        one.play(send(http(status, b'{"error":{}}')))
        two.play(send(http(200, chat("from two"))))
        assert ask(gateway, "fast").choices[0].message.content == "from two"
        assert (sent(one), sent(two)) == ("small", "tiny")
        assert one.requests[-1].headers["authorization"] == "Bearer sk-client"
        assert "authorization" not in two.requests[-1].headers
    first, second = gateway.ledger.wait(before + 2)[-1].legs
    assert (first.provider, first.model, first.purpose) == ("one", "small", "serve")
    assert (second.provider, second.purpose, second.outcome) == ("two", "fallback", "ok")


def test_a_task_without_a_model_says_what_to_set(gateway):
    with pytest.raises(openai.NotFoundError, match=r'set \[tasks."nobody"\] model') as caught:
        ask(gateway, "task:nobody")
    assert caught.value.code == "model_not_found"


def chain(model="m", **tables):
    """Who would be asked, as (provider, model)."""

    async def found():
        made = settings(**tables)
        targets = Targets(made, providers_of(made, {}))
        return [(one.provider.name, one.model) for one in targets.of(model, "openai.chat")]

    return asyncio.run(found())


def test_every_chain_ends():
    circle = {name: {"kind": "openai", "fallback": after} for name, after in (("a", "b"), ("b", "c"), ("c", "a"))}
    assert chain(default_provider="a", providers=circle) == [("a", ""), ("b", ""), ("c", "")]
    assert chain("b/m", providers=circle) == [("b", "m"), ("c", "m"), ("a", "m")]


def test_nobody_to_ask_says_what_to_set():
    with pytest.raises(MissingPrerequisite, match="a provider is not set"):
        chain()
    two = {name: {"kind": "openai"} for name in ("a", "b")}
    with pytest.raises(MissingPrerequisite, match="default_provider is not set"):
        chain(providers=two)
    assert chain("b/m", providers=two) == [("b", "m")]
    with pytest.raises(NotFound):
        chain("task:x", providers=two)


def test_an_alias_of_a_provider_that_there_is_not():
    with pytest.raises(ConfigurationError, match=r"models\.m\.targets names the provider 'zz'"):
        chain(providers={"a": {"kind": "openai"}}, models={"m": {"targets": ["zz/m"]}})


def test_names_from_clients_do_not_fill_the_memory(gateway):
    targets = gateway.gateway.targets
    for number in range(5000):
        targets.of(f"m{number}", "openai.chat")
    assert len(targets._found) == 4096
