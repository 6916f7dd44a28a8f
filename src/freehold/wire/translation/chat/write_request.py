"""A request for a server of chat completions: OpenAI's own, or any that speaks like it."""

from __future__ import annotations

from typing import Any

from freehold.wire.translation._facts import is_mistral, takes_reasoning_effort, wants_max_completion_tokens
from freehold.wire.translation._hub import (
    Call,
    Media,
    Part,
    Refusal,
    Request,
    Result,
    Text,
    Thinking,
    Tool,
    Turn,
    untranslatable,
)
from freehold.wire.translation._urls import data_url

from .write_answer import tool_call


def write_request(request: Request) -> dict[str, Any]:
    """Write it, reporting in `request.lost` what chat completions have no word for.

    Raises:
        BadRequest: see `Translation.request`.
    """
    _check(request)
    body: dict[str, Any] = {"model": request.model, "messages": [one for turn in request.turns for one in _turn(turn)]}
    if request.max_tokens is not None:
        newer = wants_max_completion_tokens(request.model)
        body["max_completion_tokens" if newer else "max_tokens"] = request.max_tokens
    values = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop or None,
        "seed": request.seed,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logit_bias": request.logit_bias,
    }
    body |= {name: value for name, value in values.items() if value is not None}
    if request.effort is not None and takes_reasoning_effort(request.model):
        body["reasoning_effort"] = request.effort
    else:
        request.lose("effort")
    if request.stream:
        body["stream"] = True
    if is_mistral(request.model):
        request.lose("user", "verbosity")
    else:
        _more(request, body)
    _tools(request, body)
    _format(request, body)
    request.lose("top_k", "thinking")
    return body


def _more(request: Request, body: dict[str, Any]) -> None:
    """What servers take or overlook, all but Mistral's."""
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    if request.user is not None:
        body["user"] = request.user
    if request.verbosity is not None:
        body["verbosity"] = request.verbosity


def _check(request: Request) -> None:
    """Refuse what would be answered differently, and report what is left out of the parts."""
    if request.max_tokens == 0:
        request.refuse("max_tokens", "only Anthropic fills a cache without answering")
    spoken = [turn for turn in request.turns if turn.role != "system" and turn.parts not in ([], [Text()])]
    if not spoken:
        request.refuse("turns", "nothing is asked in it")
    if spoken[-1].role == "assistant":
        raise untranslatable(spoken[-1].place, "the conversation ends with the model's own turn")
    parts = [part for turn in request.turns for part in turn.parts]
    parts += [inner for part in parts if isinstance(part, Result) for inner in part.parts]
    if any(getattr(part, "cache", "") for part in (*parts, *request.tools)):
        request.report(request.named("part.cache"))
    if any(isinstance(part, Thinking) for part in parts):
        request.report(request.named("part.thinking"))
    if any(isinstance(part, Result) and part.failed for part in parts):
        request.report(request.named("part.failed"))
    if any(isinstance(part, Media) and part.text and part.title for part in parts):
        request.report(request.named("part.title"))


def _turn(turn: Turn) -> list[dict[str, Any]]:
    if turn.role == "assistant":
        return _assistant(turn)
    messages = [_result(part, turn) for part in turn.parts if isinstance(part, Result)]
    rest = [_part(part, turn) for part in turn.parts if not isinstance(part, Result)]
    if rest:
        messages.append({"role": turn.role, "content": _content(rest)})
    return messages


def _assistant(turn: Turn) -> list[dict[str, Any]]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in turn.parts:
        match part:
            case Text() | Refusal():
                texts.append(part.text)
            case Call():
                calls.append(tool_call(part))
            case Thinking():
                pass  # reported in `_check`
            case Media() | Result():
                raise untranslatable(f"{turn.place}.content", "a model's own turn holds text and calls of tools")
    if not texts and not calls:
        return []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    if calls:
        message["tool_calls"] = calls
    return [message]


def _result(result: Result, turn: Turn) -> dict[str, Any]:
    if any(isinstance(part, Media) and not part.text for part in result.parts):
        raise untranslatable(f"{turn.place}.content", "the result of a tool can only be text")
    content = _content([{"type": "text", "text": part.text} for part in result.parts]) if result.parts else ""
    return {"role": "tool", "tool_call_id": result.call_id, "content": content}


def _part(part: Part, turn: Turn) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Media() if part.kind == "image":
            return {"type": "image_url", "image_url": {"url": part.url or data_url(part.media_type, part.data)}}
        case Media() if part.text:
            return {"type": "text", "text": part.text}
        case Media() if part.data:
            name = part.title or "document"
            return {"type": "file", "file": {"filename": name, "file_data": data_url(part.media_type, part.data)}}
        case Media():
            raise untranslatable(f"{turn.place}.content", "a document must be sent with its data")
        case Call() | Result() | Thinking():
            raise untranslatable(f"{turn.place}.content", "only a model calls tools and thinks")


def _content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """One text is sent as such: not every server reads a list of parts in every role."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return parts[0]["text"]
    return parts


def _tools(request: Request, body: dict[str, Any]) -> None:
    if not request.tools:
        return
    body["tools"] = [_tool(tool) for tool in request.tools]
    choice = request.choice
    if choice is not None:
        named = {"type": "function", "function": {"name": choice.name}}
        body["tool_choice"] = named if choice.mode == "named" else choice.mode
    if request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.schema}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _format(request: Request, body: dict[str, Any]) -> None:
    schema = request.schema
    if schema is not None:
        wanted: dict[str, Any] = {"name": schema.name or "answer", "schema": schema.schema}
        if schema.description:
            wanted["description"] = schema.description
        wanted["strict"] = True if schema.strict is None else schema.strict
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    elif request.json_object:
        body["response_format"] = {"type": "json_object"}
