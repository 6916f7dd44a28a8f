"""Two providers that play scripts, and gateways before them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.faults import PATIENT
from tests.support.gateway import running, settings
from tests.support.upstream import Upstream, chat, http, send

from freehold.gateway.app import Doors


@pytest.fixture
def first():
    with Upstream() as one:
        one.default = (send(http(200, chat("from the first"))),)
        yield one


@pytest.fixture
def second():
    with Upstream() as one:
        one.default = (send(http(200, chat("from the second"))),)
        yield one


@pytest.fixture
def gateways(first, second, tmp_path):
    """`with gateways(retries=0, ...) as gateway`: the alias `both` names the first, then the second provider."""

    @contextmanager
    def start(*, tasks=None, one=None, environ=None, host=None, **gateway) -> Iterator:
        made = settings(
            default_provider="first",
            providers={
                "first": {"kind": "openai", "base_url": first.url, "api_key_env": "KEY"} | (one or {}),
                "second": {"kind": "openai", "base_url": second.url, "api_key_env": "KEY"},
            },
            models={"both": {"targets": ["first/m", "second/m"]}},
            tasks=tasks or {},
            gateway=PATIENT | {"drain_s": 1.0} | gateway,
        )
        environ = {"KEY": "sk-ours"} if environ is None else environ
        with running(made, tmp_path, Doors(host=host), environ=environ) as running_one:
            yield running_one

    return start
