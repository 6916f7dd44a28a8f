"""Calls as examples for OpenAI's fine-tuning of chat models: one conversation a line, its last message the answer.

Only whole, successful answers of rented models teach; where a person gave the right answer, that is what is taught.
Not promised: that a provider accepts every example (its limits of length, pictures and tools change).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from freehold.errors import FreeholdError
from freehold.vocabulary import Call, reasons
from freehold.wire import canonical
from freehold.wire.bodies import UNREADABLE
from freehold.wire.known import CHAT, DIALECTS, dialect
from freehold.wire.translation import translation

RESTRICTED = "its content may not leave"
FAILED = "it failed or broke off"
NO_BODIES = "its request or its answer is not recorded"
OWNED = "an owned model answered it"
REPEATED = "it was answered from the cache"
CUT = "its answer was cut short"
NO_CONVERSATION = "it is no conversation"
NO_ANSWER = "its answer is none that can be taught"

_OF_MESSAGE = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal", "function_call", "weight")
_BESIDE = ("tools", "parallel_tool_calls", "functions")
_WHOLE = frozenset({None, "stop", "tool_calls", "function_call"})
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def example(call: Call) -> bytes | str:
    """The line of a call, or the reason why it has none."""
    unfit = _unfit(call)
    if unfit:
        return unfit
    asked = _asked(call)
    if asked is None:
        return NO_CONVERSATION
    answer = _answer(call, tools=bool(asked.get("tools")))
    if answer is None:
        return NO_ANSWER
    messages = [_plain(one) for one in cast("list[Any]", asked["messages"]) if isinstance(one, Mapping)]
    beside = {name: asked[name] for name in _BESIDE if asked.get(name)}
    return _encode({"messages": [*messages, answer], **beside})


def _unfit(call: Call) -> str:
    """Why a call cannot teach, whatever it says; "" where it may."""
    taught = call.gold is not None
    faults = (
        (FAILED, call.outcome != "ok"),
        (NO_BODIES, not call.request or not (call.response or taught)),
        (OWNED, call.owner == "owned" and not taught),
        (REPEATED, call.reason == reasons.CACHE_HIT),
        (CUT, not taught and dialect(call.dialect).finish_reason(call.response) not in _WHOLE),
    )
    return next((reason for reason, holds in faults if holds), "")


def _asked(call: Call) -> Mapping[str, Any] | None:
    """The request as one of chat completions, or None where it is no conversation or cannot be said as one."""
    try:
        if call.dialect == CHAT.name:
            found = _decode(call.request)
        else:
            pair = translation(call.dialect, CHAT.name) if call.dialect in DIALECTS else None
            if pair is None or call.dialect == "openai.completions":
                return None
            found = _decode(pair.request(call.request).body)
    except (*UNREADABLE, FreeholdError):
        return None
    messages = found.get("messages")
    return found if isinstance(messages, list) and messages else None


def _answer(call: Call, *, tools: bool) -> dict[str, Any] | None:
    """The answer as a message; that of a chat completion keeps the ids of its calls of tools."""
    if call.gold is None and call.dialect == CHAT.name:
        return _first_message(call.response)
    text = call.gold if call.gold is not None else dialect(call.dialect).answer_text(call.response)
    if text is None:
        return None
    said = canonical.read(text, tools=tools)
    if not said.calls:
        return {"role": "assistant", "content": said.text} if said.text else None
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": one.name, "arguments": canonical.unparsed(one.arguments)},
        }
        for number, one in enumerate(said.calls)
    ]
    return {"role": "assistant", "tool_calls": calls}


def _first_message(response: bytes) -> dict[str, Any] | None:
    try:
        choices = _decode(response).get("choices")
    except UNREADABLE:
        return None
    first = cast("list[Any]", choices)[0] if isinstance(choices, list) and choices else None
    message = cast("Mapping[str, Any]", first).get("message") if isinstance(first, Mapping) else None
    if not isinstance(message, Mapping):
        return None
    plain = _plain(cast("Mapping[str, Any]", message)) | {"role": "assistant"}
    taught = plain.get("content") or plain.get("tool_calls") or plain.get("function_call")
    return plain if taught and not plain.get("refusal") else None


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message without what only answers hold, and without fields that say nothing."""
    return {name: message[name] for name in _OF_MESSAGE if message.get(name) is not None}
