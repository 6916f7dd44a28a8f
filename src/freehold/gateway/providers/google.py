"""Google: Gemini through its OpenAI-compatible surface."""

from __future__ import annotations

from typing import ClassVar

from ._http import HttpProvider


class GoogleProvider(HttpProvider):
    """Gemini's OpenAI-compatible surface: chat completions and embeddings."""

    spoken: ClassVar[dict[str, bytes]] = {"openai.chat": b"/chat/completions", "openai.embeddings": b"/embeddings"}
