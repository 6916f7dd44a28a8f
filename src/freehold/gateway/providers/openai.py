"""OpenAI."""

from __future__ import annotations

from typing import ClassVar

from ._http import HttpProvider

OPENAI_PATHS: dict[str, bytes] = {
    "openai.chat": b"/chat/completions",
    "openai.responses": b"/responses",
    "openai.completions": b"/completions",
    "openai.embeddings": b"/embeddings",
}


class OpenAIProvider(HttpProvider):
    """OpenAI's API, every dialect of it."""

    spoken: ClassVar[dict[str, bytes]] = OPENAI_PATHS
