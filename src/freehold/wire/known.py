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


def dialect(name: str) -> Dialect:
    """The dialect of that name; chat completions for names that are not known, as imported logs may carry."""
    return DIALECTS.get(name, CHAT)
