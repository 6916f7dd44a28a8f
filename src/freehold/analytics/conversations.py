"""Which calls continue one another, told from their messages alone: one prompt holds another's and its answer.

For traffic whose client states neither trace nor session. A call continues another where its messages begin with all of
the other's and go on with the answer that the other got. Two conversations that begin alike and are answered alike
cannot be told apart until they differ. One that paused for more than a day goes on as another.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from freehold.wire import canonical
from freehold.wire.openai import Message

from .seen import Seen, message_bytes

_FORGET_US = 86_400_000_000
_KEPT = 500_000
_INSTRUCTIONS = frozenset({"system", "developer"})


class Turn(NamedTuple):
    """Where a call stands: its conversation (the id of its first call), and how many leading messages it repeats."""

    conversation: str
    before: int


class _End(NamedTuple):
    conversation: str
    messages: int
    at_us: int


class Conversations:
    """Takes calls in order of time; keeps a digest of each for a day.

    Instructions (system and developer messages) do not count: many hold the date or the time.
    """

    def __init__(self) -> None:
        self._ends: dict[bytes, _End] = {}

    def add(self, seen: Seen, answer: str | None) -> Turn:
        """Where the call stands; `answer` is its canonical answer, which a later call may hold."""
        assert seen.chat is not None
        call, messages = seen.call, seen.chat.messages
        chain, chains = b"", list[bytes]()
        for message in messages:
            if message.role not in _INSTRUCTIONS:
                chain = _digest(chain, message_bytes(message))
            chains.append(chain)
        turn = self._continued(chains, messages, call.started_at_us) or Turn(call.id, 0)
        if answer is not None and chain:
            self._ends[_digest(chain, _answered(answer))] = _End(turn.conversation, len(messages), call.started_at_us)
            if len(self._ends) > _KEPT:
                oldest = call.started_at_us - _FORGET_US
                self._ends = {key: end for key, end in self._ends.items() if end.at_us >= oldest}
        return turn

    def _continued(self, chains: list[bytes], messages: list[Message], now_us: int) -> Turn | None:
        for place in range(len(messages) - 1, 0, -1):
            message = messages[place]
            if message.role == "assistant" and chains[place - 1]:
                end = self._ends.get(_digest(chains[place - 1], _said(message)))
                if end is not None and now_us - end.at_us <= _FORGET_US:
                    return Turn(end.conversation, end.messages)
        return None


def _digest(chain: bytes, piece: bytes) -> bytes:
    return hashlib.blake2b(piece, key=chain, digest_size=16).digest()


def _answered(answer: str) -> bytes:
    """An answer as its message would be found in a later prompt."""
    read = canonical.read(answer, tools=True)
    return _plain(read.text, [one.name for one in read.calls])


def _said(message: Message) -> bytes:
    return _plain("" if message.tool_calls else message.text, [_tool(one) for one in message.tool_calls or ()])


def _tool(call: object) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    return str(function.get("name")) if isinstance(function, dict) else ""


def _plain(text: str, tools: list[str]) -> bytes:
    return "\n".join([text.strip(), *tools]).encode(errors="replace")
