"""Bodies for calls whose log holds only what was in them: messages, a text, an object.

What comes out is a chat request and a chat completion that say exactly what the log says and nothing more, or, where
the log's messages are in Anthropic's form, a Messages request and answer. Such calls are tagged `rebuilt`: their bodies
never crossed the wire like this.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import msgspec

from freehold.errors import UpstreamFailed
from freehold.wire import canonical
from freehold.wire.known import CHAT, MESSAGES
from freehold.wire.translation import translation

from . import _shapes
from ._fields import Record, encoded

_ROLES = {
    "system": "system", "developer": "developer", "user": "user", "assistant": "assistant", "tool": "tool",
    "function": "function", "human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "model": "assistant",
    "bot": "assistant",
}  # fmt: skip
_SAYS = frozenset({"content", "tool_calls", "function_call", "additional_kwargs"})
_BESIDE = ("name", "tool_call_id", "function_call", "refusal")
_PARAMETERS = (
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "n", "presence_penalty",
    "frequency_penalty", "response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort",
    "stream", "logprobs", "top_logprobs", "top_k", "stop_sequences", "system", "functions", "function_call",
    "modalities",
)  # fmt: skip
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_STOPS = {"tool_calls": "tool_use", "length": "max_tokens", "stop": "end_turn", "tool_call": "tool_use"}


class Pair(NamedTuple):
    """A request and its answer; `rebuilt` names those that were put together here: `request`, `response`, or both."""

    dialect: str
    request: bytes
    response: bytes
    rebuilt: str


def pair(model: str, asked: Any, answered: Any, *, parameters: Record = {}, finish_reason: str = "") -> Pair:  # noqa: B006
    """The bodies of a call from what its log calls input and output, in whatever form these are.

    Args:
        model: the name of the model, as the log has it.
        asked: a whole request, messages, a text, or any JSON; None where the log does not say.
        answered: a whole answer, a message, a text, or any JSON; None where the log does not say.
        parameters: temperature and the like, under the names that OpenAI gives them.
        finish_reason: why the answer ended, where the log says it elsewhere.
    """
    request, whole_request = _request(model, asked, parameters)
    response, whole_response = _whole(answered)
    dialect = _dialect(request, response, answered)
    if response is None and answered is not None:
        message = _answer(answered)
        response = (
            _anthropic_answer(model, message, finish_reason)
            if dialect == MESSAGES.name
            else _chat_answer(model, message, finish_reason)
        )
    made = ["request"] if request is not None and not whole_request else []
    made += ["response"] if response is not None and not whole_response else []
    return Pair(
        dialect,
        b"" if request is None else encoded(request),
        b"" if response is None else encoded(response),
        ",".join(made),
    )


def _request(model: str, asked: Any, parameters: Record) -> tuple[Record | None, bool]:
    """The body of the request, and whether it stood like this in the log."""
    if asked is None:
        return None, False
    inside = _shapes.as_object(asked)
    settings = (
        {name: value for name in _PARAMETERS if (value := parameters.get(name)) is not None} if parameters else {}
    )
    if inside is None or not isinstance(inside.get("messages"), list):
        return {"model": model, "messages": _messages(asked), **settings}, False
    if inside.get("model"):
        return inside, True
    kept = {name: inside[name] for name in _PARAMETERS if name in inside}
    return {"model": model, "messages": _messages(inside["messages"]), **settings, **kept}, False


def _whole(answered: Any) -> tuple[Record | None, bool]:
    inside = _shapes.as_object(answered)
    if inside is not None and (_shapes.answered_by(inside) or (_shapes.is_error(inside) and "role" not in inside)):
        return inside, True
    return None, False


def _dialect(request: Record | None, response: Record | None, answered: Any) -> str:
    if response is not None:
        found = _shapes.answered_by(response)
        if found:
            return found
    if request is not None:
        return _shapes.asked_in(request) or CHAT.name
    return MESSAGES.name if _shapes.has_call_blocks(answered) else CHAT.name


def _messages(asked: Any) -> list[Any]:
    if _are_messages(asked):
        return [message(one) for one in asked]
    if _is_message(asked):
        return [message(cast("Record", asked))]
    return [{"role": "user", "content": _as_text(asked)}]


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_message, cast("list[Any]", value)))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and not _SAYS.isdisjoint(cast("Record", value)) and _role(value) != ""


def _role(value: Record) -> str:
    role = value.get("role") or value.get("type")
    return _ROLES.get(role, "") if isinstance(role, str) else ""


def message(value: Record) -> dict[str, Any]:
    """One message in OpenAI's form, from that of OpenAI or LangChain; Anthropic's blocks of content stay."""
    found: dict[str, Any] = {"role": _role(value), "content": _content(value.get("content"))}
    calls = _calls(value)
    if calls:
        found["tool_calls"] = calls
    for name in _BESIDE:
        if value.get(name):
            found[name] = value[name]
    return found


def _content(content: Any) -> Any:
    if content is None or isinstance(content, (str, list)):
        return content
    return _as_text(content)


def _calls(value: Record) -> list[dict[str, Any]]:
    more = value.get("additional_kwargs")
    stated = value.get("tool_calls") or (more.get("tool_calls") if isinstance(more, dict) else None)
    if not isinstance(stated, list):
        return []
    return [tool_call(one) for one in cast("list[Any]", stated) if isinstance(one, dict)]


def tool_call(value: Record) -> dict[str, Any]:
    """A call of a tool in OpenAI's form; LangChain and OpenTelemetry name its parts otherwise."""
    function = value.get("function")
    inside = cast("Record", function) if isinstance(function, dict) else value
    arguments = inside.get("arguments", inside.get("args", inside.get("input")))
    return {
        "id": str(value.get("id") or ""),
        "type": "function",
        "function": {"name": str(inside.get("name") or ""), "arguments": canonical.unparsed(arguments)},
    }


def _answer(answered: Any) -> dict[str, Any]:
    """What was answered as one message of the assistant."""
    if _are_messages(answered):
        said = [message(one) for one in answered]
        return next((one for one in reversed(said) if one["role"] == "assistant"), said[-1])
    if _is_message(answered):
        return message(cast("Record", answered)) | {"role": "assistant"}
    if isinstance(answered, list) and _shapes.has_call_blocks({"content": answered}):
        return {"role": "assistant", "content": answered}
    inside = _shapes.as_object(answered)
    if inside is not None and set(inside) <= {"content", "tool_calls", "refusal"} and inside:
        return message({**inside, "role": "assistant"})
    return {"role": "assistant", "content": _as_text(answered)}


def _chat_answer(model: str, said: dict[str, Any], finish_reason: str) -> dict[str, Any]:
    reason = finish_reason or ("tool_calls" if said.get("tool_calls") else None)
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": said, "finish_reason": reason}],
    }


def _anthropic_answer(model: str, said: dict[str, Any], finish_reason: str) -> dict[str, Any]:
    content = said["content"]
    blocks: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
    for call in said.get("tool_calls", ()):
        function = call["function"]
        arguments = canonical.parsed(function["arguments"])
        blocks.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments})
    calls = any(isinstance(one, dict) and one.get("type") == "tool_use" for one in blocks)
    reason = _STOPS.get(finish_reason, finish_reason) or ("tool_use" if calls else None)
    return {"type": "message", "role": "assistant", "model": model, "content": blocks, "stop_reason": reason}


def as_anthropic(answer: Record) -> Record | None:
    """A chat completion as the answer of Anthropic's API that it was made from, or None where it cannot be one."""
    pair_of_dialects = translation(MESSAGES.name, CHAT.name)
    if pair_of_dialects is None:
        return None
    try:
        return _decode(pair_of_dialects.response(encoded(answer)))
    except UpstreamFailed:
        return None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else encoded(value).decode()
