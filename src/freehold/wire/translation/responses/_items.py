"""The input of a responses request: text, or items that are messages, calls and their results."""

from __future__ import annotations

from freehold.errors import BadRequest
from freehold.wire.translation._hub import Call, Media, Part, Refusal, Result, Role, Text, Turn
from freehold.wire.translation._reading import Fields
from freehold.wire.translation.chat import Piece, cache_mark, file_of, image_of, lose_detail, read_content

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_OPENAIS = "it is the work of a tool of OpenAI's own, which the other dialect does not have"


def read_input(fields: Fields) -> list[Turn]:
    """The conversation, instructions first."""
    turns: list[Turn] = []
    instructions = fields.text("instructions")
    if instructions:
        turns.append(Turn("system", [Text(instructions)], "instructions"))
    fields.need("input")
    given = fields.any("input")
    if isinstance(given, str):
        return [*turns, Turn("user", [Text(given)], "input")]
    if not isinstance(given, list):
        fields.wrong("input", "text or a list of items")
    for number, value in enumerate(given):
        if not isinstance(value, dict):
            fields.wrong(f"input.{number}", "an item")
        item = Fields(value, f"input.{number}", fields.lost)
        _read(item, turns)
        item.close()
    return turns


def _read(item: Fields, turns: list[Turn]) -> None:
    item.ignore("status")
    match item.text("type") or ("message" if "role" in item else "item_reference"):
        case "message":
            _message(item, turns)
        case "function_call":
            _call(item, turns)
        case "function_call_output":
            _result(item, turns)
        case "reasoning":
            item.ignore("id", "summary", "content", "encrypted_content")
            item.lost["input.reasoning"] = None
        case "item_reference":
            item.refuse("id", "it lies with OpenAI; send the item itself")
        case _:
            item.refuse("type", _OPENAIS)


def _message(item: Fields, turns: list[Turn]) -> None:
    role = item.text("role")
    if role not in _ROLES:
        raise BadRequest(f"{item.at('role')} is none of system, developer, user and assistant")
    item.ignore("id")
    item.lose("phase")
    parts: list[Part] = list(read_content(item, "content", _piece))
    before = turns[-1] if turns else None
    if role == "assistant" and before is not None and _calls(before):
        before.parts += parts
    else:
        turns.append(Turn(_ROLES[role], parts, item.place))


def _call(item: Fields, turns: list[Turn]) -> None:
    """A call belongs to the assistant's turn that it follows, as the other dialects have it."""
    item.ignore("id")
    item.refuse_given(_OPENAIS, "namespace")
    item.refuse_given("the other dialect waits for the results of tools", "async")
    _direct(item)
    call = Call(item.text("call_id"), item.text("name"), item.text("arguments"))
    if turns and turns[-1].role == "assistant":
        turns[-1].parts.append(call)
    else:
        turns.append(Turn("assistant", [call], item.place))


def _result(item: Fields, turns: list[Turn]) -> None:
    item.ignore("id", "name")
    item.refuse_given(_OPENAIS, "namespace")
    _direct(item)
    parts = tuple(
        Text(part.text) if isinstance(part, Refusal) else part for part in read_content(item, "output", _piece)
    )
    turns.append(Turn("user", [Result(item.text("call_id"), parts)], item.place))


def _calls(turn: Turn) -> bool:
    return turn.role == "assistant" and any(isinstance(part, Call) for part in turn.parts)


def _direct(item: Fields) -> None:
    caller = item.object("caller")
    if caller is not None:
        if caller.text("type") != "direct":
            caller.refuse("type", _OPENAIS)
        caller.close()


def _piece(fields: Fields) -> Piece:
    kind = fields.text("type")
    cache = cache_mark(fields)
    match kind:
        case "input_text":
            return Text(fields.text("text"), cache)
        case "output_text":
            fields.lose("annotations", "logprobs")
            return Text(fields.text("text"), cache)
        case "refusal":
            return Refusal(fields.text("refusal"))
        case "input_image":
            return _image(fields, cache)
        case "input_file":
            lose_detail(fields)
            return file_of(fields, cache)
        case _:
            return fields.refuse("type", "it is a kind of content that the other dialect does not have")


def _image(fields: Fields, cache: str) -> Media:
    fields.refuse_given("the file lies with OpenAI; send its data", "file_id")
    lose_detail(fields)
    return image_of(fields, "image_url", fields.text("image_url"), cache)
