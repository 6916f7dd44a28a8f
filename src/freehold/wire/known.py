"""Every dialect that Freehold speaks, by the name under which the ledger keeps it."""

from __future__ import annotations

from .anthropic.messages import Messages
from .dialects import Dialect
from .openai.chat import Chat
from .openai.completions import Completions
from .openai.embeddings import Embeddings
from .openai.responses import Responses

CHAT = Chat()
MESSAGES = Messages()
RESPONSES = Responses()
COMPLETIONS = Completions()
EMBEDDINGS = Embeddings()
DIALECTS: dict[str, Dialect] = {one.name: one for one in (CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MESSAGES)}

PATHS = {
    CHAT.name: "/v1/chat/completions",
    RESPONSES.name: "/v1/responses",
    COMPLETIONS.name: "/v1/completions",
    EMBEDDINGS.name: "/v1/embeddings",
    MESSAGES.name: "/v1/messages",
}
"""Where the requests of each dialect are posted."""


def asking(path: bytes) -> Dialect:
    """The dialect in which whoever asks at a path reads errors, where nothing but the path is known."""
    return MESSAGES if path.removeprefix(b"/v1").startswith(b"/messages") else CHAT


def dialect(name: str) -> Dialect:
    """The dialect of that name; chat completions for names that are not known, as imported logs may carry."""
    return DIALECTS.get(name, CHAT)
