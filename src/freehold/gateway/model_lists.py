"""A provider's own list of its models, asked for over the gateway's own connection: its address, its key, its form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from freehold.errors import FreeholdError, UpstreamFailed
from freehold.settings import Settings
from freehold.vocabulary import Usage

from ._egress import Outgoing, send
from ._exchange import Headers
from .providers import providers_of

_MOST_BYTES = 32 * 1024 * 1024
_PATHS = {"anthropic": b"/models?limit=1000"}


class _Gathered:
    """A sink that keeps a whole answer."""

    def __init__(self, name: str) -> None:
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._name = name
        self._status = 0
        self._body = b""

    def on_head(self, status: int, headers: Headers) -> None:  # noqa: ARG002 -- none of them matters
        self._status = status

    def on_data(self, data: bytes, *, done: bool) -> None:
        if self.done.done():
            return
        self._body += data
        if len(self._body) > _MOST_BYTES:
            self.on_failed(UpstreamFailed(f"{self._name} sent a list of models that is too long"))
        elif done and self._status != 200:
            self.on_failed(
                UpstreamFailed(f"{self._name} answered with status {self._status} when asked for its models")
            )
        elif done:
            self.done.set_result(self._body)

    def on_usage(self, usage: Usage) -> None:
        """A list costs nothing."""

    def on_failed(self, error: FreeholdError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def fetch(settings: Settings, environ: Mapping[str, str]) -> dict[str, bytes | FreeholdError]:
    """The body of every provider's list of models, by provider, or why it could not be had; recordings are left out.

    Blocks, for as long as `gateway.first_byte_timeout_s` and its like allow. No content of any call is sent.

    Raises:
        ConfigurationError: a provider in the settings makes no sense.
    """
    return asyncio.run(_fetch(settings, environ))


async def _fetch(settings: Settings, environ: Mapping[str, str]) -> dict[str, bytes | FreeholdError]:
    providers = providers_of(settings, environ)
    asked = {name: one for name, one in providers.items() if settings.providers[name].kind != "recorded"}
    found: dict[str, bytes | FreeholdError] = {}
    for name, provider in asked.items():
        sink = _Gathered(name)
        path = _PATHS.get(settings.providers[name].kind, b"/models")
        try:
            await asyncio.to_thread(provider.prepare)
            send(provider, Outgoing(b"GET", path, [], b"", "ordinary"), sink)
            found[name] = await sink.done
        except FreeholdError as error:
            found[name] = error
    for provider in providers.values():
        provider.close()
    return found
