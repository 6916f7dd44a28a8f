"""A Responses request, and its view as a chat request. Unknown fields are skipped here and forwarded as they came."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from freehold.wire import bodies, canonical
from freehold.wire.openai._request import ChatRequest, ContentPart, Message

_CALLS = frozenset({"function_call", "custom_tool_call"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


class Item(msgspec.Struct):
    """One item of the input; a message where no type is stated. Items of other kinds keep only their `type` here."""

    type: str | None = None
    role: str = ""
    content: str | list[ContentPart | str] | dict[str, Any] | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: Any = None
    input: Any = None
    output: Any = None


class ResponsesRequest(msgspec.Struct):
    """Body of `POST /v1/responses`, as far as recognising, routing, recording and repeating it need it."""

    input: str | list[Item] | None = None
    model: str = ""
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    text: dict[str, Any] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    truncation: str | None = None
    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: str | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    moderation: Any = None

    def owned_obstacle(self) -> str:
        """Name the field that asks for what an owned model cannot give, or "" where none does.

        A prompt of which the provider holds a part is none that an owned model was shown. `store` is one only where it
        is asked for in so many words: OpenAI stores by default, and most callers never look.
        """
        asked = {
            "previous_response_id": self.previous_response_id,
            "conversation": self.conversation,
            "prompt": self.prompt,
            "background": self.background,
            "store": self.store,
            "top_logprobs": self.top_logprobs,
            "moderation": self.moderation,
            "include": any(one.endswith(".logprobs") for one in self.include or ()),
            "tools": any(tool.get("type") != "function" for tool in self.tools or ()),
            "tool_choice": self.tool_choice not in (None, "auto"),
            "input": not isinstance(self.input, str) and any(one.type == "item_reference" for one in self.input or ()),
        }
        return next((name for name, value in asked.items() if value), "")

    def chat(self) -> ChatRequest:
        """The same as a chat request: instructions first; an item that is no message is a part without text.

        Reasoning of earlier answers is left out, because a chat request does not hold it.
        """
        messages: list[Message] = []
        if self.instructions:
            messages.append(Message("system", self.instructions))
        if isinstance(self.input, str):
            messages.append(Message("user", self.input))
        else:
            for item in self.input or ():
                _add(messages, item)
        return ChatRequest(
            messages=messages,
            model=self.model,
            tools=None if self.tools is None else [_tool(tool) for tool in self.tools],
            tool_choice=_tool_choice(self.tool_choice),
            response_format=None if self.text is None else _response_format(self.text.get("format")),
            stream=self.stream,
            temperature=self.temperature,
            top_p=self.top_p,
            max_completion_tokens=self.max_output_tokens,
            metadata=self.metadata,
            user=self.user,
            safety_identifier=self.safety_identifier,
            conversation=self.conversation,
        )


_decoder = msgspec.json.Decoder(ResponsesRequest)


def decode_request(body: bytes) -> ResponsesRequest:
    """Read a request body.

    Raises:
        BadRequest: the body is no JSON, or a field that Freehold reads has a type no provider accepts. The message
            names the place, never the content.
    """
    return bodies.request(_decoder, body, "a Responses")


def _add(messages: list[Message], item: Item) -> None:
    kind = item.type or "message"
    if kind == "message":
        content = [ContentPart("unknown")] if isinstance(item.content, dict) else item.content
        messages.append(Message(item.role, cast("str | list[ContentPart | str] | None", content)))
    elif kind in _CALLS:
        # What a chat request has as one message, an answer with its calls, are several items here.
        if not messages or messages[-1].role != "assistant":
            messages.append(Message("assistant"))
        given = item.arguments if kind == "function_call" else item.input
        function = {"name": item.name, "arguments": canonical.unparsed(given)}
        call = {"id": item.call_id, "type": "function", "function": function}
        messages[-1].tool_calls = [*(messages[-1].tool_calls or ()), call]
    elif kind in _RESULTS:
        messages.append(Message("tool", _result(item.output), tool_call_id=item.call_id))
    elif kind != "reasoning":
        messages.append(Message("assistant", [ContentPart(kind)]))


def _result(output: Any) -> str | list[ContentPart | str] | None:
    """What a tool gave back."""
    if output is None or isinstance(output, str):
        return output
    try:
        return msgspec.convert(output, list[ContentPart | str])
    except msgspec.ValidationError:
        return [ContentPart("unknown")]


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        return tool
    function = {"name": tool.get("name"), "parameters": tool.get("parameters")}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _tool_choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    fields = cast("dict[str, Any]", choice)
    return {"type": "function", "function": {"name": fields["name"]}} if "name" in fields else fields


def _response_format(asked: Any) -> dict[str, Any] | None:
    """The text format in the form of chat completions, which keep a schema one level deeper."""
    if not isinstance(asked, dict):
        return None
    fields = cast("dict[str, Any]", asked)
    if fields.get("type") != "json_schema":
        return fields
    return {"type": "json_schema", "json_schema": {key: value for key, value in fields.items() if key != "type"}}
