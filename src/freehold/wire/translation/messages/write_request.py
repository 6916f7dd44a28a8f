"""A request for Anthropic's Messages, in API version 2023-06-01 for models that take sampling, any for the others."""

from __future__ import annotations

from typing import Any

from freehold.wire.translation._claude import effort, sampling, tool_choice
from freehold.wire.translation._facts import DEFAULT_MAX_TOKENS, takes_effort, takes_system_turns
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
from freehold.wire.translation._turns import arguments_of, arrange, input_schema, tool_id
from freehold.wire.translation._urls import plain_text


def write_request(request: Request) -> dict[str, Any]:
    """Write it, reporting in `request.lost` what Anthropic has no word for.

    Raises:
        BadRequest: see `Translation.request`.
    """
    system, turns = arrange(request, system_turns=takes_system_turns(request.model))
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": _max_tokens(request),
        "messages": [{"role": turn.role, "content": [_block(part, turn) for part in turn.parts]} for turn in turns],
    }
    if system:
        body["system"] = [_block(part, request.turns[0]) for part in system]
    if request.stop:
        body["stop_sequences"] = request.stop
    if request.user:
        body["metadata"] = {"user_id": request.user}
    if request.stream:
        body["stream"] = True
    body |= sampling(request)
    _tools(request, body)
    _output(request, body)
    if request.logit_bias:
        request.refuse("logit_bias", "its tokens are those of another model")
    request.lose("seed", "frequency_penalty", "presence_penalty", "verbosity")
    return body


def _max_tokens(request: Request) -> int:
    """Anthropic requires a limit. The made-up one is reported together with its value."""
    if request.max_tokens is not None:
        return request.max_tokens
    request.report(f"{request.named('max_tokens')}={DEFAULT_MAX_TOKENS}")
    return DEFAULT_MAX_TOKENS


def _block(part: Part, turn: Turn) -> dict[str, Any]:
    match part:
        case Text():
            return _marked({"type": "text", "text": part.text}, part.cache)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Media():
            return _marked(_media(part, turn), part.cache)
        case Call():
            arguments = arguments_of(part, f"{turn.place}.tool_calls")
            return {"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": arguments}
        case Result():
            block: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_id(part.call_id)}
            content = [_block(inner, turn) for inner in part.parts]
            if content:
                block["content"] = content
            return block
        case Thinking():  # no client of another dialect can give one back
            return {"type": "text", "text": part.text}


def _media(media: Media, turn: Turn) -> dict[str, Any]:
    if media.url:
        return {"type": media.kind, "source": {"type": "url", "url": media.url}}
    if media.kind == "image":
        return {"type": "image", "source": _base64(media)}
    if media.media_type == "application/pdf":
        block: dict[str, Any] = {"type": "document", "source": _base64(media)}
    else:
        text = plain_text(media.data) if media.media_type.startswith("text/") else None
        if text is None:
            raise untranslatable(f"{turn.place}.content", "of files, Anthropic reads PDF and plain text")
        block = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}
    if media.title:
        block["title"] = media.title
    return block


def _base64(media: Media) -> dict[str, Any]:
    return {"type": "base64", "media_type": media.media_type, "data": media.data}


def _marked(block: dict[str, Any], cache: str) -> dict[str, Any]:
    if cache:
        block["cache_control"] = {"type": "ephemeral"} | ({} if cache == "default" else {"ttl": cache})
    return block


def _tools(request: Request, body: dict[str, Any]) -> None:
    if not request.tools:
        return
    body["tools"] = [_tool(tool) for tool in request.tools]
    mode = request.choice.mode if request.choice is not None else "auto"
    if mode == "none":
        body["tool_choice"] = {"type": "none"}
    elif request.choice is not None or request.parallel is False:
        body["tool_choice"] = tool_choice(request)


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name, "input_schema": input_schema(tool.schema)}
    if tool.description:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
    return written


def _output(request: Request, body: dict[str, Any]) -> None:
    config: dict[str, Any] = {}
    if request.schema is not None:
        config["format"] = {"type": "json_schema", "schema": request.schema.schema}
        if request.schema.description:
            request.report(f"{request.named('schema')}.description")
    if request.json_object:
        request.refuse("json_object", "JSON can only be promised with a json_schema")
    if takes_effort(request.model):
        word = effort(request)
        if word is not None:
            config["effort"] = word
    else:
        request.lose("effort")
    if config:
        body["output_config"] = config
