"""Bringing a conversation into the shape that Anthropic's and Bedrock's formats ask for."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from ._hub import Call, Part, Refusal, Request, Result, Text, Turn, untranslatable

_decoder = msgspec.json.Decoder()
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
_ID_CHARS = 64
_KEPT_CHARS = 40


def arrange(request: Request, *, system_turns: bool) -> tuple[list[Part], list[Turn]]:
    """The instructions that come first, and the turns after them, users' and assistants' in alternation.

    Turns of one role that follow each other become one; blank texts and empty turns are left out, because these
    providers refuse them and they say nothing; results of tools come first in their turn. Instructions between the
    turns stay where they are with `system_turns`, after a user's turn and before an assistant's or the end, which is
    where Anthropic takes them; elsewhere they move to the front, and that is reported.

    Raises:
        BadRequest: nothing is asked, or the conversation ends with an assistant's turn, which these providers would
            continue instead of answering.
    """
    system: list[Part] = []
    turns: list[Turn] = []
    given = [Turn(turn.role, kept, turn.place) for turn in request.turns if (kept := _kept(turn.parts))]
    for number, turn in enumerate(given):
        if turn.role != "system":
            _add(turns, turn)
            continue
        if not all(isinstance(part, Text | Refusal) for part in turn.parts):
            raise untranslatable(f"{turn.place}.content", "instructions are text")
        if not turns:
            system += turn.parts
        elif system_turns and turns[-1].role != "assistant" and _answered(given[number + 1 :]):
            _add(turns, turn)
        else:
            system += turn.parts
            request.report(f"{request.named('turns')}.order")
    spoken = [turn for turn in turns if turn.role != "system"]
    if not spoken:
        request.refuse("turns", "nothing is asked in it")
    if spoken[-1].role == "assistant":
        raise untranslatable(spoken[-1].place, "the conversation ends with the model's own turn")
    for turn in turns:
        turn.parts.sort(key=lambda part: not isinstance(part, Result))
    return system, turns


def arguments_of(call: Call, place: str) -> dict[str, Any]:
    """The arguments of a call as the object that these providers want them as.

    Raises:
        BadRequest: they are no JSON object.
    """
    if not call.arguments.strip():
        return {}
    try:
        value = _decoder.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise untranslatable(f"{place}.arguments", "the arguments of a called tool are no JSON object")
    return value


def tool_id(given: str) -> str:
    """The id of a call in the characters and the length that these providers accept: it only ties a result to it.

    One that has to be changed ends with a hash of what it was, so that two stay two.
    """
    fitting = _OTHER.sub("_", given)
    if fitting == given and len(given) <= _ID_CHARS:
        return given or "_"
    return f"{fitting[:_KEPT_CHARS]}_{hashlib.blake2b(given.encode(), digest_size=8).hexdigest()}"


def input_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a tool's input, which must be an object's; none means a tool without arguments."""
    return schema if "type" in schema else {"type": "object", "properties": {}, **schema}


def _kept(parts: list[Part]) -> list[Part]:
    return [part for part in parts if not isinstance(part, Text | Refusal) or part.text.strip()]


def _add(turns: list[Turn], turn: Turn) -> None:
    if turns and turns[-1].role == turn.role:
        turns[-1].parts += turn.parts
    else:
        turns.append(turn)


def _answered(rest: list[Turn]) -> bool:
    """Whether what follows instructions is an assistant's turn, or nothing but more instructions."""
    return next((turn.role for turn in rest if turn.role != "system"), "assistant") == "assistant"
