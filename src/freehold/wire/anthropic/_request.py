"""A Messages request, and its view as a chat request. Unknown fields are skipped here and forwarded as they came."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from freehold.wire import bodies
from freehold.wire.openai import ChatRequest, ContentPart, Message

_NOTHING = msgspec.Raw(b"")
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_TEXTS = frozenset({"document", "search_result"})


class Block(msgspec.Struct):
    """One block of content. What is only passed on (an image, a tool's input) is left as its bytes."""

    type: str = ""
    text: str | None = None
    id: str = ""
    name: str = ""
    input: msgspec.Raw = _NOTHING
    tool_use_id: str = ""
    content: msgspec.Raw = _NOTHING
    source: msgspec.Raw = _NOTHING
    title: str | None = None
    context: str | None = None
    citations: msgspec.Raw = _NOTHING


class Turn(msgspec.Struct):
    """One message."""

    content: str | list[Block]
    role: str = ""


class _OutputConfig(msgspec.Struct):
    format: dict[str, Any] | None = None


class MessagesRequest(msgspec.Struct):
    """Body of `POST /v1/messages`, as far as recognising, routing and recording need it."""

    messages: list[Turn]
    model: str = ""
    system: str | list[Block] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    metadata: dict[str, Any] | None = None
    output_config: _OutputConfig | None = None
    output_format: dict[str, Any] | None = None
    container: Any = None
    mcp_servers: Any = None

    def owned_obstacle(self) -> str:
        """Name the field that asks for what an owned model cannot give, or "" where none does."""
        if self.stop_sequences:
            return "stop_sequences"
        if self.container:
            return "container"
        if self.mcp_servers:
            return "mcp_servers"
        if any(tool.get("type") not in (None, "custom") for tool in self.tools or ()):
            return "tools"
        if self.tool_choice is not None and self.tool_choice.get("type") != "auto":
            return "tool_choice"
        return "citations" if any(map(_cites, self.messages)) else ""

    def chat(self) -> ChatRequest:
        """The same as a chat request: what is no text and no call of a tool becomes a part without text.

        Thoughts of earlier answers are left out, because a chat request does not hold them.
        """
        messages: list[Message] = []
        if self.system:
            messages.append(Message("system", self.system if isinstance(self.system, str) else _content(self.system)))
        for turn in self.messages:
            if isinstance(turn.content, str):
                messages.append(Message(turn.role, turn.content))
            else:
                _add_turn(messages, turn.role, turn.content)
        return ChatRequest(
            messages=messages,
            model=self.model,
            tools=None if self.tools is None else [_tool(tool) for tool in self.tools],
            tool_choice=None if self.tool_choice is None else _tool_choice(self.tool_choice),
            response_format=_response_format(self.output_format or (self.output_config or _OutputConfig()).format),
            stream=self.stream,
            stop=self.stop_sequences,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            metadata=self.metadata,
        )


_decoder = msgspec.json.Decoder(MessagesRequest)
_any_decoder = msgspec.json.Decoder()


def decode_request(body: bytes) -> MessagesRequest:
    """Read a request body.

    Raises:
        BadRequest: the body is no JSON, or a field that Freehold reads has a type no provider accepts. The message
            names the place, never the content.
    """
    return bodies.request(_decoder, body, "a Messages")


def _add_turn(messages: list[Message], role: str, blocks: list[Block]) -> None:
    """A message's blocks as chat messages: each tool's result is one of its own, calls of tools stand in the rest."""
    rest: list[Block] = []
    calls: list[Any] = []
    for block in blocks:
        if block.type == "tool_result":
            if rest:
                messages.append(Message(role, _content(rest)))
                rest = []
            messages.append(Message("tool", _result(block.content), tool_call_id=block.tool_use_id))
        elif block.type == "tool_use":
            function = {"name": block.name, "arguments": bytes(block.input).decode()}
            calls.append({"id": block.id, "type": "function", "function": function})
        elif block.type not in _THOUGHTS:
            rest.append(block)
    if rest or calls or not blocks:
        messages.append(Message(role, _content(rest) if rest else None, tool_calls=calls or None))


def _content(blocks: list[Block]) -> str | list[ContentPart | str]:
    """Text where all of it is text, else parts."""
    parts = [_part(block) for block in blocks]
    texts = [part.text for part in parts if part.text is not None]
    return "\n".join(texts) if len(texts) == len(parts) else list(parts)


def _part(block: Block) -> ContentPart:
    if block.text is not None or block.type not in _TEXTS:
        return ContentPart(block.type, block.text)
    source, content = _loaded(block.source), _loaded(block.content)
    held = source if block.type == "document" else {"type": "content", "content": content}
    texts = _held_texts(cast("dict[str, Any]", held)) if isinstance(held, dict) else None
    if texts is None:
        return ContentPart(block.type)
    return ContentPart(block.type, "\n".join([*filter(None, (block.title, block.context)), *texts]))


def _held_texts(source: dict[str, Any]) -> list[str] | None:
    """The texts of a document's source, or None where it is no text (a PDF, an address)."""
    if source.get("type") == "text":
        return [str(source.get("data") or "")]
    return _texts(source.get("content")) if source.get("type") == "content" else None


def _texts(content: Any) -> list[str] | None:
    """The texts of a string or of a list of text blocks, or None where there is anything else."""
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return None
    blocks = cast("list[Any]", content)
    texts = [cast("dict[str, Any]", block).get("text") if isinstance(block, dict) else None for block in blocks]
    return [text for text in texts if isinstance(text, str)] if all(isinstance(t, str) for t in texts) else None


def _result(raw: msgspec.Raw) -> str | list[ContentPart | str] | None:
    """What a tool gave back."""
    content = _loaded(raw)
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        return [ContentPart("unknown")]
    try:
        return _content(msgspec.convert(content, list[Block]))
    except msgspec.ValidationError:
        return [ContentPart("unknown")]


def _loaded(raw: msgspec.Raw) -> Any:
    return _any_decoder.decode(raw) if bytes(raw) else None


def _cites(turn: Turn) -> bool:
    """Whether a message asks that its documents be cited."""
    if isinstance(turn.content, str):
        return False
    asked = (_loaded(block.citations) for block in turn.content if block.type in _TEXTS and bytes(block.citations))
    return any(isinstance(one, dict) and bool(cast("dict[str, Any]", one).get("enabled")) for one in asked)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        return tool
    function = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _tool_choice(choice: dict[str, Any]) -> Any:
    kind = choice.get("type")
    if kind == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return "required" if kind == "any" else kind


def _response_format(asked: dict[str, Any] | None) -> dict[str, Any] | None:
    """Anthropic's output format in OpenAI's form; a schema's title stands for the name that OpenAI asks for."""
    if asked is None or asked.get("type") != "json_schema":
        return asked
    schema = asked.get("schema")
    title = cast("dict[str, Any]", schema).get("title") if isinstance(schema, dict) else None
    return {"type": "json_schema", "json_schema": {"name": title or "json_schema", "schema": schema}}
