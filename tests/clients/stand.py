"""What clients are pointed at: a gateway with virtual keys and a promoted task, in front of the scripted provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.provider import Provider
from tests.support import keys
from tests.support.gateway import running, settings
from tests.support.students import SURE, ScriptedHost
from tests.support.upstream import Upstream

from freehold.gateway.app import Doors
from freehold.vocabulary import Route

PROVIDER_KEY = "sk-of-the-provider"
_PRICE = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "2"}
_PROMOTED = Route(
    "task-1",
    "triage",
    stage="full",
    student_id="s1",
    bundle="bundles/s1",
    certificate_id="cert-1",
    template_ids=("t1",),
    threshold=0.9,
    scope_threshold=0.5,
    alpha=0.05,
    audit_share=0.0,
    loss="label",
)


@contextmanager
def stand(home: Path) -> Iterator[dict[str, str]]:
    """The gateway and everything behind it; gives the environment variables that a program reads.

    The gateway waits half a second at most for a provider that is busy, so that a client meets a longer `Retry-After`
    itself. No breaker opens: errors are asked for one after the other.
    """
    provider = Provider()
    with Upstream() as up:
        up.choose = provider.choose
        made = settings(
            default_provider="gpt",
            providers={
                "gpt": {"kind": "openai", "base_url": up.url, "api_key_env": "KEY"},
                "claude": {"kind": "anthropic", "base_url": up.url, "api_key_env": "KEY"},
            },
            prices={"gpt/gpt-4.1": _PRICE, "claude/claude-sonnet-5": _PRICE},
            gateway={"drain_s": 1.0, "retry_wait_s": 0.5, "eject_after": 100, "require_key": True},
        )
        home.mkdir(exist_ok=True)
        ordinary = keys.make(home, "clients", rpm=100_000)
        poor = keys.make(home, "poor", budget=keys.budget(0.000001))
        with running(made, home, Doors(host=ScriptedHost(SURE)), environ={"KEY": PROVIDER_KEY}) as gateway:
            gateway.publish(_PROMOTED)
            yield {
                "GATEWAY_URL": gateway.url.removesuffix("/v1"),
                "GATEWAY_KEY": ordinary,
                "GATEWAY_POOR_KEY": poor,
            }
    assert provider.seen <= {b"", PROVIDER_KEY.encode(), b"Bearer " + PROVIDER_KEY.encode()}, "a key went further"
