"""Virtual keys in a home, and a gateway's hold of them, for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from freehold.gateway.callers import Caller, Callers, Claim
from freehold.registry.store import Registry
from freehold.settings import Settings
from freehold.vocabulary import NANO_USD, Budget, Period, Usage, VirtualKey

NOON = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()) * 1_000_000_000
"""A Wednesday."""
SECOND = 1_000_000_000
DAY = 86_400 * SECOND

PRICED = msgspec.convert(
    {
        "prices": {"up/m": {"input_usd_per_mtok": "1", "output_usd_per_mtok": "10"}},
        "providers": {"up": {"kind": "openai"}},
    },
    Settings,
)
"""Settings under which a million tokens of model m cost 1 dollar as input and 10 as output."""


class Clock:
    """A clock that stands where it is put."""

    def __init__(self, now_ns: int = NOON) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def budget(usd: float, period: Period = "month") -> Budget:
    return Budget(round(usd * NANO_USD), period)


def make(home: Path, name: str = "team", **limits: Any) -> str:
    """A key with those limits; returns the key itself."""
    with Registry(home, Settings()) as registry:
        wanted = VirtualKey(id="", name=name, digest="", created_at="", **limits)
        return registry.add_virtual_key(wanted, by="ann")[1]


def revoke(home: Path, name: str = "team") -> None:
    with Registry(home, Settings()) as registry:
        registry.revoke_virtual_key(name, by="ann")


def kept(home: Path) -> tuple[VirtualKey, ...]:
    with Registry(home, Settings()) as registry:
        return registry.virtual_keys()


def opened(home: Path, settings: Settings = PRICED, clock: Clock | None = None, **gateway: Any) -> Callers:
    """A gateway's hold of the keys; prices of the settings alone are loaded."""
    if gateway:
        settings = msgspec.structs.replace(settings, gateway=msgspec.structs.replace(settings.gateway, **gateway))
    callers = Callers(home, settings, clock or Clock())
    callers.prepare()
    return callers


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", b"Bearer " + key.encode())]


def caller(callers: Callers, key: str) -> Caller:
    found = callers.identify(bearer(key))
    assert found is not None
    return found


def claim(prompt: int = 0, output: int | None = 0, *, provider: str = "up", model: str = "m", **other: Any) -> Claim:
    asked: dict[str, Any] = {"dialect": "openai.chat", "targets": ((provider, model),)}
    return Claim(**asked | other, model=model, prompt_tokens=prompt, output_limit=output)


def used(prompt: int = 0, output: int = 0) -> Usage:
    return Usage(input_tokens=prompt, output_tokens=output)
