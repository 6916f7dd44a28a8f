"""Mistral."""

from __future__ import annotations

from typing import ClassVar

from ._http import HttpProvider


class MistralProvider(HttpProvider):
    """Mistral's API: chat completions and embeddings in OpenAI's format."""

    spoken: ClassVar[dict[str, bytes]] = {"openai.chat": b"/chat/completions", "openai.embeddings": b"/embeddings"}
