"""A request as task recognition sees it: its messages' texts, and digests of its tools and response schema."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import msgspec

from freehold.wire.openai import ChatRequest, Message

SYSTEM_ROLES = frozenset({"system", "developer"})
_encoder = msgspec.json.Encoder(order="sorted")
_MANY = 512


class View(msgspec.Struct, frozen=True, gc=False):
    """What matching looks at. `plain` is False where a message holds more than text (an image, a file)."""

    roles: tuple[str, ...]
    texts: tuple[str, ...]
    tools: str
    schema: str
    plain: bool
    sampling: tuple[str, float | None, float | None, int | None] = ("", None, None, None)

    @property
    def sender(self) -> str:
        """The model and the sampling parameters asked for. They never decide what a call is where its text does."""
        return " ".join(map(str, self.sampling))


def view(request: ChatRequest) -> View:
    """Look at a request. System and developer messages are the same role here."""
    roles: list[str] = []
    texts: list[str] = []
    plain = True
    for message in request.messages:
        roles.append("system" if message.role == "developer" else message.role)
        if isinstance(message.content, str):
            texts.append(message.content)
        else:
            texts.append(_rendered(message))
            plain = plain and message.text_only
    return View(
        roles=tuple(roles),
        texts=tuple(texts),
        tools=tools_key(request.tools),
        schema=schema_key(request.response_format),
        plain=plain,
        sampling=(request.model, request.temperature, request.top_p, _most_tokens(request)),
    )


def _most_tokens(request: ChatRequest) -> int | None:
    return request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens


def tools_key(tools: list[Any] | None) -> str:
    """Name a tool list: its tools' names in order of the alphabet, and a digest of their argument schemas.

    Descriptions do not count: they are prose that changes without changing what the tools are.
    """
    if not tools:
        return ""
    known = [_tool(tool) for tool in tools]
    known.sort(key=lambda pair: pair[0])
    return f"{','.join(name for name, _ in known)}#{_digest([schema for _, schema in known])}"


def tool_names(key: str) -> frozenset[str]:
    """The names in a `tools_key`."""
    return frozenset(key.rpartition("#")[0].split(",")) if key else frozenset()


def schema_key(response_format: dict[str, Any] | None) -> str:
    """Name a response format: its type, or its schema's name and digest."""
    if not response_format or response_format.get("type") in (None, "text"):
        return ""
    kind = str(response_format["type"])
    body = response_format.get("json_schema")
    if not isinstance(body, dict):
        return kind
    schema = cast("dict[str, Any]", body)
    return f"{schema.get('name', kind)}#{_digest(schema.get('schema'))}"


def following(roles: tuple[str, ...], texts: tuple[str, ...]) -> str:
    """Messages as one text, each after its role: what stands in for the history of a conversation."""
    return "\n".join(f"{role}: {text}" for role, text in zip(roles, texts, strict=True))


def _rendered(message: Message) -> str:
    text = message.text
    if not message.tool_calls:
        return text
    calls = _encoder.encode([_called(call) for call in message.tool_calls]).decode()
    return f"{text}\n{calls}" if text else calls


def _called(call: Any) -> Any:
    function = cast("dict[str, Any]", call).get("function") if isinstance(call, dict) else None
    return (
        [cast("dict[str, Any]", function).get("name"), cast("dict[str, Any]", function).get("arguments")]
        if isinstance(function, dict)
        else None
    )


def _tool(tool: Any) -> tuple[str, Any]:
    if not isinstance(tool, dict):
        return str(tool), None
    fields = cast("dict[str, Any]", tool)
    inner = fields.get("function")
    function = cast("dict[str, Any]", inner) if isinstance(inner, dict) else fields
    return str(function.get("name") or function.get("type") or ""), _undescribed(function.get("parameters"))


def _undescribed(schema: Any) -> Any:
    if isinstance(schema, dict):
        fields = cast("dict[str, Any]", schema)
        return {k: _undescribed(v) for k, v in fields.items() if not (k == "description" and isinstance(v, str))}
    if isinstance(schema, list):
        return [_undescribed(item) for item in cast("list[Any]", schema)]
    return schema


_digests: dict[bytes, str] = {}


def _digest(value: Any) -> str:
    encoded = _encoder.encode(value)
    found = _digests.get(encoded)
    if found is None:
        if len(_digests) >= _MANY:
            _digests.clear()
        found = _digests[encoded] = hashlib.sha256(encoded).hexdigest()[:12]
    return found
