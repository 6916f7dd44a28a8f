"""Anthropic."""

from __future__ import annotations

from typing import ClassVar

from freehold.gateway._exchange import Headers

from ._http import HttpProvider

_VERSION = b"anthropic-version"
_SINCE = b"2023-06-01"
"""The version of the API that translated requests are written for."""


class AnthropicProvider(HttpProvider):
    """Anthropic's Messages API. The client's `anthropic-version` and `anthropic-beta` pass through."""

    spoken: ClassVar[dict[str, bytes]] = {"anthropic.messages": b"/messages"}

    def url(self) -> str:
        """Its address. Anthropic's own SDKs are given it without the `/v1`, so that both are understood."""
        url = super().url().rstrip("/")
        return url if url.endswith("/v1") else f"{url}/v1"

    def key_lines(self) -> bytes:
        """The key, in Anthropic's header."""
        return b"x-api-key: %b\r\n" % self.key

    def more_lines(self, headers: Headers) -> bytes:
        """The API's version, where the client does not say one."""
        if any(name == _VERSION for name, _ in headers):
            return b""
        return b"%b: %b\r\n" % (_VERSION, _SINCE)
