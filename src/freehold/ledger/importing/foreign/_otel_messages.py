"""What a span says was asked and answered, as the messages of a chat request and the message of its answer.

Three generations are in use: structured parts (`gen_ai.input.messages`, `gen_ai.output.messages`), one event a message
(`gen_ai.user.message`, `gen_ai.choice`, `gen_ai.content.prompt`), and numbered attributes (`gen_ai.prompt.0.content`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from freehold.wire import canonical

from ._fields import Record, embedded, encoded, listing
from ._otel_values import Event
from ._rebuilt import message as as_message
from ._rebuilt import tool_call

_DETAILS = "gen_ai.client.inference.operation.details"
_REASONS = {"tool_call": "tool_calls", "tool_use": "tool_calls", "end_turn": "stop", "max_tokens": "length"}
_NUMBERED = ("gen_ai.prompt.", "gen_ai.completion.")
_FUNCTIONS = "llm.request.functions."


class Content(NamedTuple):
    """`messages` and `answer`: None where the span does not say. `answer` may be no message but a text, or any JSON."""

    messages: list[dict[str, Any]] | None
    answer: Any
    finish_reason: str
    tools: list[Any]


def content(attributes: Record, happened: Iterable[Event]) -> Content:
    """What was asked and answered, from whichever generation of names this span is written in."""
    happened = list(happened)
    known = attributes
    for event in happened:
        if event.name == _DETAILS:
            known = {**event.attributes, **known}
    asked, answer, reason = _structured(known)
    if asked is None and answer is None:
        asked, answer, reason = _from_events(happened)
    if asked is None and answer is None:
        asked, answer, reason = _numbered(known)
    if asked is None:
        asked = _plain(known.get("gen_ai.prompt"))
    if answer is None:
        answer = embedded(known.get("gen_ai.completion")) or None
        if isinstance(answer, list) and len(cast("list[Any]", answer)) == 1:
            answer = cast("list[Any]", answer)[0]
    reason = reason or next((one for one in listing(known.get("gen_ai.response.finish_reasons")) if one), "")
    return Content(asked, answer, _REASONS.get(str(reason), str(reason)), _tools(known))


def _structured(known: Record) -> tuple[list[dict[str, Any]] | None, Any, str]:
    stated = listing(known.get("gen_ai.input.messages"))
    system = known.get("gen_ai.system_instructions")
    messages = [one for message in stated if isinstance(message, dict) for one in from_parts(message)]
    if system:
        parts = listing(system) or [{"type": "text", "content": system}]
        messages = [*from_parts({"role": "system", "parts": parts}), *messages]
    said = [one for one in listing(known.get("gen_ai.output.messages")) if isinstance(one, dict)]
    if not said:
        return messages or None, None, ""
    answer = from_parts({"role": "assistant", **said[0]})
    return messages or None, answer[0] if answer else {"role": "assistant", "content": ""}, str(
        said[0].get("finish_reason") or ""
    )  # fmt: skip


def from_parts(message: Record) -> list[dict[str, Any]]:
    """A message of the conventions as messages of a chat: each result of a tool becomes one of its own."""
    role = str(message.get("role") or "user")
    if "parts" not in message:
        return [as_message(message)]
    results: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for one in listing(message["parts"]):
        if not isinstance(one, dict):
            continue
        kind = one.get("type")
        if kind == "tool_call_response":
            results.append(_result(one))
        elif kind == "tool_call":
            calls.append(tool_call(one))
        elif kind not in ("reasoning", "thinking"):  # thoughts are no content
            rest.append(_part(one))
    if results and not rest and not calls:
        return results
    said: dict[str, Any] = {"role": "assistant" if role == "model" else role, "content": _joined(rest)}
    if calls:
        said["tool_calls"] = calls
    if message.get("name"):
        said["name"] = message["name"]
    return [*results, said]


def _result(part: Record) -> dict[str, Any]:
    result = part.get("response", part.get("result"))
    text = result if isinstance(result, str) else "" if result is None else encoded(result).decode()
    return {"role": "tool", "tool_call_id": str(part.get("id") or ""), "content": text}


def _part(part: Record) -> dict[str, Any]:
    """A part of a message's content in OpenAI's form."""
    kind = part.get("type")
    if kind == "text":
        text = part.get("content", part.get("text"))
        return {"type": "text", "text": text if isinstance(text, str) else encoded(text).decode()}
    mime = str(part.get("mime_type") or "")
    image = part.get("modality") == "image" or mime.startswith("image/")
    if image and kind == "uri":
        return {"type": "image_url", "image_url": {"url": str(part.get("uri") or "")}}
    if image and kind == "blob":
        return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{part.get('content') or ''}"}}
    if kind == "file":
        return {"type": "file", "file": {"file_id": str(part.get("file_id") or "")}}
    return dict(part)


def _joined(parts: list[dict[str, Any]]) -> Any:
    """Content as one text where it is nothing else, as a list of parts where it is, None where it is nothing."""
    if not parts:
        return None
    if any(part.get("type") != "text" for part in parts):  # some parts state no type
        return parts
    return parts[0]["text"] if len(parts) == 1 else "\n".join(part["text"] for part in parts)


def _from_events(happened: list[Event]) -> tuple[list[dict[str, Any]] | None, Any, str]:
    messages: list[dict[str, Any]] = []
    answer: Any = None
    reason = ""
    for event in happened:
        said = _body(event.attributes)
        kind = event.name.removeprefix("gen_ai.")
        if kind == "content.prompt":
            messages += _plain(event.attributes.get("gen_ai.prompt")) or []
        elif kind == "content.completion":
            answer = embedded(event.attributes.get("gen_ai.completion"))
        elif kind in ("system.message", "user.message", "assistant.message", "tool.message"):
            messages.append(_event_message(kind.removesuffix(".message"), said))
        elif kind == "choice" and answer is None:
            inside = embedded(said.get("message"))
            answer = _event_message("assistant", inside if isinstance(inside, dict) else said)
            if isinstance(inside, str):
                answer["content"] = inside
            reason = str(said.get("finish_reason") or "")
    return messages or None, answer, reason


def _body(attributes: Record) -> Record:
    inside = embedded(attributes.get("gen_ai.event.content"))
    return cast("Record", inside) if isinstance(inside, dict) else attributes


def _event_message(role: str, said: Record) -> dict[str, Any]:
    stated = said.get("role")
    named = {
        "role": stated if isinstance(stated, str) and stated else role,
        "content": said.get("content"),
        "tool_calls": listing(said.get("tool_calls")),
        "tool_call_id": said.get("id") if role == "tool" else None,
    }
    return as_message(named)


def _numbered(known: Record) -> tuple[list[dict[str, Any]] | None, Any, str]:
    """Attributes with the number of the message in their name, as OpenLLMetry writes them."""
    sides: dict[str, dict[int, dict[str, Any]]] = {side: {} for side in _NUMBERED}
    for name, value in known.items():
        for side, found in sides.items():
            number, _, field = name.removeprefix(side).partition(".")
            if name.startswith(side) and number.isdecimal() and field:
                found.setdefault(int(number), {})[field] = value
    messages = [_gathered(fields) for _, fields in sorted(sides["gen_ai.prompt."].items())]
    said = [fields for _, fields in sorted(sides["gen_ai.completion."].items())]
    if not said:
        return messages or None, None, ""
    return messages or None, _gathered({"role": "assistant", **said[0]}), str(said[0].get("finish_reason") or "")


def _gathered(fields: dict[str, Any]) -> dict[str, Any]:
    calls: dict[int, dict[str, Any]] = {}
    for name, value in fields.items():
        head, _, rest = name.partition(".")
        number, _, field = rest.partition(".")
        if head == "tool_calls" and number.isdecimal() and field:
            calls.setdefault(int(number), {})[field] = value
    content = embedded(fields.get("content"))
    named = {
        "role": fields.get("role") or "user",
        "content": content if isinstance(content, list) else fields.get("content"),
        "tool_calls": [call for _, call in sorted(calls.items())],
        "tool_call_id": fields.get("tool_call_id"),
    }
    return as_message(named)


def _plain(prompt: Any) -> list[dict[str, Any]] | None:
    """The oldest form: the prompt as one text, or messages as JSON in it."""
    found = embedded(prompt)
    if found is None or found == "":
        return None
    if isinstance(found, dict) and isinstance(found.get("messages"), list):
        found = found["messages"]
    if isinstance(found, list) and all(isinstance(one, dict) and "role" in one for one in cast("list[Any]", found)):
        return [one for message in cast("list[Any]", found) for one in from_parts(message)]
    return [{"role": "user", "content": found if isinstance(found, str) else encoded(found).decode()}]


def _tools(known: Record) -> list[Any]:
    """Tools that were offered, in OpenAI's form."""
    stated = listing(known.get("gen_ai.tool.definitions"))
    if stated:
        return [_tool(one) for one in stated if isinstance(one, dict)]
    found: dict[int, dict[str, Any]] = {}
    for name, value in known.items():
        if not name.startswith(_FUNCTIONS):
            continue
        number, _, field = name.removeprefix(_FUNCTIONS).partition(".")
        if number.isdecimal() and field:
            found.setdefault(int(number), {})[field] = value
    return [_tool(one) for _, one in sorted(found.items())]


def _tool(stated: Record) -> dict[str, Any]:
    if isinstance(stated.get("function"), dict):
        return dict(stated)
    parameters = stated.get("parameters", stated.get("input_schema"))
    function = {"name": stated.get("name"), "description": stated.get("description")}
    function["parameters"] = canonical.parsed(parameters) if isinstance(parameters, str) else parameters
    return {"type": "function", "function": {k: v for k, v in function.items() if v is not None}}
