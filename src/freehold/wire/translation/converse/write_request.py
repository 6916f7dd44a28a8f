"""A request for Bedrock's Converse and ConverseStream, whose model and streaming stand in the URL, not in the body."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from freehold.wire.translation._claude import effort, sampling, tool_choice
from freehold.wire.translation._facts import is_claude, takes_effort
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

from ._documents import DocumentNames, document_format

_encoder = msgspec.json.Encoder()
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_LIFETIMES = ("5m", "1h")


def write_request(request: Request) -> dict[str, Any]:
    """Write it, reporting in `request.lost` what Converse has no word for.

    What only Claude understands goes through `additionalModelRequestFields`, and only to Claude.

    Raises:
        BadRequest: see `Translation.request`.
    """
    system, turns = arrange(request, system_turns=False)
    names = DocumentNames()
    body: dict[str, Any] = {
        "messages": [
            {"role": turn.role, "content": [block for part in turn.parts for block in _blocks(part, turn, names)]}
            for turn in turns
        ]
    }
    if system:
        body["system"] = [block for part in system for block in _blocks(part, request.turns[0], names)]
    if any(_marked_inside(part) for turn in turns for part in turn.parts):
        request.report(request.named("part.cache"))
    extra: dict[str, Any] = {}
    _inference(request, body, extra)
    _tools(request, turns, body, extra)
    _output(request, body)
    if request.thinking is not None and is_claude(request.model):
        extra["thinking"] = request.thinking
    else:
        request.lose("thinking")
    if extra:
        body["additionalModelRequestFields"] = extra
    if request.logit_bias:
        request.refuse("logit_bias", "its tokens are those of another model")
    request.lose("seed", "frequency_penalty", "presence_penalty", "verbosity", "user")
    return body


def _blocks(part: Part, turn: Turn, names: DocumentNames) -> list[dict[str, Any]]:
    """A part as blocks: a mark of prompt caching is a block of its own, after what it marks."""
    cache = "" if isinstance(part, Refusal | Thinking) else part.cache
    return [_block(part, turn, names), *_mark(cache)]


def _block(part: Part, turn: Turn, names: DocumentNames) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"text": part.text}
        case Media():
            return _media(part, turn, names)
        case Call():
            arguments = arguments_of(part, f"{turn.place}.tool_calls")
            return {"toolUse": {"toolUseId": tool_id(part.id), "name": part.name, "input": arguments}}
        case Result():
            content = [_block(inner, turn, names) for inner in part.parts]
            result: dict[str, Any] = {"toolUseId": tool_id(part.call_id), "content": content}
            if part.failed:
                result["status"] = "error"
            return {"toolResult": result}
        case Thinking() if part.redacted:
            return {"reasoningContent": {"redactedContent": part.redacted}}
        case Thinking():
            thought = {"text": part.text} | ({"signature": part.signature} if part.signature else {})
            return {"reasoningContent": {"reasoningText": thought}}


def _marked_inside(part: Part) -> bool:
    """Whether a mark of prompt caching stands where Bedrock has no place for one: inside the result of a tool."""
    return isinstance(part, Result) and any(inner.cache for inner in part.parts)


def _mark(cache: str) -> list[dict[str, Any]]:
    if not cache:
        return []
    lifetime = {"ttl": cache} if cache in _LIFETIMES else {}
    return [{"cachePoint": {"type": "default"} | lifetime}]


def _media(media: Media, turn: Turn, names: DocumentNames) -> dict[str, Any]:
    place = f"{turn.place}.content"
    if media.url:
        raise untranslatable(place, "Bedrock fetches nothing from a URL; send the data")
    if media.kind == "image":
        kind = _IMAGES.get(media.media_type)
        if kind is None:
            raise untranslatable(place, "Bedrock reads PNG, JPEG, GIF and WebP")
        return {"image": {"format": kind, "source": {"bytes": media.data}}}
    kind = document_format(media.media_type)
    if kind is None:
        raise untranslatable(place, "Bedrock does not read documents of that type")
    data = base64.b64encode(media.text.encode()).decode() if media.text else media.data
    return {"document": {"format": kind, "name": names.take(media.title), "source": {"bytes": data}}}


def _inference(request: Request, body: dict[str, Any], extra: dict[str, Any]) -> None:
    if request.max_tokens == 0:
        request.refuse("max_tokens", "only Anthropic's own servers fill a cache without answering")
    given = sampling(request)
    values = {
        "maxTokens": request.max_tokens,
        "temperature": given.get("temperature"),
        "topP": given.get("top_p"),
        "stopSequences": request.stop or None,
    }
    config = {name: value for name, value in values.items() if value is not None}
    if config:
        body["inferenceConfig"] = config
    if "top_k" in given and is_claude(request.model):
        extra["top_k"] = given["top_k"]
    elif "top_k" in given:
        request.lose("top_k")
    if request.stop and is_claude(request.model):  # which of them was met is told only where it is asked for
        body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]


def _tools(request: Request, turns: list[Turn], body: dict[str, Any], extra: dict[str, Any]) -> None:
    if not request.tools:
        return
    choice = request.choice
    if choice is not None and choice.mode == "none":
        if any(isinstance(part, Call | Result) for turn in turns for part in turn.parts):
            request.refuse("choice", "Bedrock cannot forbid tools in a conversation that has used some")
        return
    config: dict[str, Any] = {"tools": [entry for tool in request.tools for entry in _tool(tool)]}
    body["toolConfig"] = config
    if request.parallel is False:
        if not is_claude(request.model):
            request.refuse("parallel", "Bedrock can keep only Claude to one call at a time")
        extra["tool_choice"] = tool_choice(request)
    elif choice is not None:
        wanted = {"auto": {"auto": {}}, "required": {"any": {}}, "named": {"tool": {"name": choice.name}}}
        config["toolChoice"] = wanted[choice.mode]


def _tool(tool: Tool) -> list[dict[str, Any]]:
    spec: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": input_schema(tool.schema)}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict:
        spec["strict"] = True
    return [{"toolSpec": spec}, *_mark(tool.cache)]


def _output(request: Request, body: dict[str, Any]) -> None:
    config: dict[str, Any] = {}
    schema = request.schema
    if schema is not None:
        wanted = {
            "schema": _encoder.encode(schema.schema).decode(),
            "name": schema.name,
            "description": schema.description,
        }
        structure = {"jsonSchema": {name: value for name, value in wanted.items() if value}}
        config["textFormat"] = {"type": "json_schema", "structure": structure}
    if request.json_object:
        request.refuse("json_object", "JSON can only be promised with a json_schema")
    if takes_effort(request.model):
        word = effort(request)
        if word is not None:
            config["effort"] = word
    else:
        request.lose("effort")
    if config:
        body["outputConfig"] = config
