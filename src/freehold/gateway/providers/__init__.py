"""Who answers: the providers that the settings name, one file for each kind.

A kind is a subclass of `HttpProvider` that says where it is, how it takes a key and which dialects it speaks; what it
does not speak is translated. A new kind is one file and one line below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from freehold.errors import ConfigurationError
from freehold.gateway._egress import Provider
from freehold.settings import GatewaySettings, ProviderSettings, Settings

from ._http import returned_headers
from .anthropic import AnthropicProvider
from .azure import AzureProvider
from .bedrock import BedrockProvider
from .compatible import CompatibleProvider
from .google import GoogleProvider
from .mistral import MistralProvider
from .openai import OpenAIProvider
from .recorded import RecordedProvider

__all__ = ["providers_of", "returned_headers"]

_KINDS: dict[str, Callable[[str, ProviderSettings, GatewaySettings, Mapping[str, str]], Provider]] = {
    "openai": OpenAIProvider,
    "anthropic": AnthropicProvider,
    "google": GoogleProvider,
    "azure": AzureProvider,
    "bedrock": BedrockProvider,
    "mistral": MistralProvider,
    "compatible": CompatibleProvider,
    "recorded": RecordedProvider,
}


def providers_of(settings: Settings, environ: Mapping[str, str]) -> dict[str, Provider]:
    """Every provider in the settings, by name. Nothing is connected, no file is read.

    Raises:
        ConfigurationError: a URL is none, or a fallback or the default names no provider.
    """
    found: dict[str, Provider] = {}
    for name, one in settings.providers.items():
        if one.fallback and one.fallback not in settings.providers:
            raise ConfigurationError(
                f"providers.{name}.fallback names {one.fallback!r}, which is no provider", hint="see docs/settings.md"
            )
        found[name] = _KINDS[one.kind](name, one, settings.gateway, environ)
    if settings.default_provider and settings.default_provider not in found:
        raise ConfigurationError(
            f"default_provider names {settings.default_provider!r}, which is no provider", hint="see docs/settings.md"
        )
    return found
