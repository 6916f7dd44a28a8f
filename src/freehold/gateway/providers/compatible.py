"""Any server that speaks OpenAI's format: vLLM, SGLang, llama.cpp, Ollama, TGI, a vendor of hosted open weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from freehold.settings import GatewaySettings, ProviderSettings

from ._http import HttpProvider
from .openai import OPENAI_PATHS

_PATHS = OPENAI_PATHS | {"anthropic.messages": b"/messages"}


class CompatibleProvider(HttpProvider):
    """A server at an address of the user's own.

    It is taken to speak chat completions, completions and embeddings. Servers differ in what else they speak: the
    setting `dialects` says it.
    """

    spoken: ClassVar[dict[str, bytes]] = {
        name: OPENAI_PATHS[name] for name in ("openai.chat", "openai.completions", "openai.embeddings")
    }

    def __init__(
        self, name: str, settings: ProviderSettings, gateway: GatewaySettings, environ: Mapping[str, str]
    ) -> None:
        super().__init__(name, settings, gateway, environ)
        if settings.dialects:
            self.paths = {one: _PATHS[one] for one in settings.dialects}
