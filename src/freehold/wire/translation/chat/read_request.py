"""A chat request of a client."""

from __future__ import annotations

from typing import Any

from freehold.errors import BadRequest
from freehold.wire.translation._hub import Call, Choice, Part, Refusal, Request, Result, Role, Schema, Text, Tool, Turn
from freehold.wire.translation._reading import Fields, decode

from ._parts import read_content, read_part

_NAMES = {
    "turns": "messages",
    "effort": "reasoning_effort",
    "schema": "response_format",
    "json_object": "response_format",
    "choice": "tool_choice",
    "parallel": "parallel_tool_calls",
    "part.cache": "messages.content.prompt_cache_breakpoint",
}
_OPENAIS = "only OpenAI's own servers do this"
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read_request(body: bytes) -> Request:
    """Read it.

    Raises:
        BadRequest: see `Translation.request`.
    """
    fields = decode(body, "chat completion request")
    limit = fields.integer("max_completion_tokens")
    older_limit = fields.integer("max_tokens")
    options = fields.object("stream_options")
    request = Request(
        model=fields.text("model"),
        turns=_turns(fields),
        names=_NAMES | {"max_tokens": "max_tokens" if limit is None else "max_completion_tokens"},
        lost=fields.lost,
        tools=[read_tool(tool) for tool in fields.objects("tools")],
        parallel=fields.flag("parallel_tool_calls"),
        max_tokens=older_limit if limit is None else limit,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        stop=read_stop(fields),
        seed=fields.integer("seed"),
        frequency_penalty=fields.number("frequency_penalty") or None,
        presence_penalty=fields.number("presence_penalty") or None,
        logit_bias=fields.mapping("logit_bias"),
        verbosity=fields.text("verbosity") or None,
        effort=fields.text("reasoning_effort") or None,
        user=read_user(fields),
        stream=bool(fields.flag("stream")),
    )
    if options is not None:
        request.include_usage = bool(options.flag("include_usage"))
        options.lose("include_obfuscation")
        options.close()
    _choose(fields, request)
    _format(fields, request)
    _refuse(fields)
    fields.lose(
        "metadata", "service_tier", "store", "prediction", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention",
    )  # fmt: skip
    fields.close()
    return request


def read_tool(tool: Fields) -> Tool:
    """A tool as chat completions describe it."""
    if tool.text("type") != "function":
        tool.refuse("type", "only functions can be offered")
    function = tool.object("function")
    if function is None:
        tool.wrong("function", "an object")
    read = Tool(
        name=function.text("name"),
        description=function.text("description"),
        schema=function.mapping("parameters") or {},
        strict=function.flag("strict"),
    )
    function.close()
    tool.close()
    return read


def allow(request: Request, names: list[str], mode: str) -> None:
    """Offer only the tools of these names, which is what allowing only these means."""
    request.tools = [tool for tool in request.tools if tool.name in names]
    request.choice = Choice("required" if mode == "required" else "auto")


def _turns(fields: Fields) -> list[Turn]:
    fields.need("messages")
    return [_turn(message) for message in fields.objects("messages")]


def _turn(message: Fields) -> Turn:
    role = message.text("role")
    if role == "tool":
        parts: list[Part] = [_result(message)]
        role = "user"
    elif role in _ROLES:
        parts = list(read_content(message, "content", read_part))
        if role == "assistant":
            parts += _calls(message)
        role = _ROLES[role]
    elif role == "function":
        message.refuse("role", "functions are the older form of tools")
    else:
        raise BadRequest(f"{message.at('role')} is none of system, developer, user, assistant and tool")
    message.lose("name", "reasoning_content", "reasoning", "annotations")
    message.close()
    return Turn(role, parts, message.place)


def _result(message: Fields) -> Result:
    parts = tuple(
        Text(part.text) if isinstance(part, Refusal) else part for part in read_content(message, "content", read_part)
    )
    return Result(message.text("tool_call_id"), parts)


def _calls(message: Fields) -> list[Part]:
    message.refuse_given("a model of another dialect cannot hear it", "audio")
    message.refuse_given("functions are the older form of tools", "function_call")
    refusal = message.text("refusal")
    parts: list[Part] = [Text(refusal)] if refusal else []
    for call in message.objects("tool_calls"):
        if call.text("type") not in ("function", ""):
            call.refuse("type", "only functions can be called")
        function = call.object("function")
        if function is None:
            call.wrong("function", "an object")
        parts.append(Call(call.text("id"), function.text("name"), function.text("arguments")))
        function.close()
        call.ignore("index")
        call.close()
    return parts


def read_stop(fields: Fields) -> list[str]:
    """Stop sequences, given as one or as a list."""
    stop = fields.any("stop")
    if stop is None or isinstance(stop, str):
        return [stop] if stop else []
    if not isinstance(stop, list) or any(not isinstance(one, str) for one in stop):
        fields.wrong("stop", "text or a list of texts")
    return stop


def read_user(fields: Fields) -> str | None:
    """Who the end user is. OpenAI's newer name for it comes first; the older is reported where both are given."""
    newer = fields.text("safety_identifier")
    if newer:
        fields.lose("user")
        return newer
    return fields.text("user") or None


def choose_by_word(fields: Fields, request: Request) -> Fields | None:
    """Take `tool_choice` where it is a word or nothing; where it is an object, the caller reads that."""
    choice: Any = fields.any("tool_choice")
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            fields.wrong("tool_choice", "one of auto, none and required")
        request.choice = Choice(choice)
        return None
    if not isinstance(choice, dict):
        fields.wrong("tool_choice", "text or an object")
    return Fields(choice, "tool_choice", fields.lost)


def _choose(fields: Fields, request: Request) -> None:
    chosen = choose_by_word(fields, request)
    if chosen is None:
        return
    kind = chosen.text("type")
    inner = chosen.object(kind) if kind in ("function", "allowed_tools") else None
    if inner is None:
        chosen.refuse("type", "only functions can be chosen")
    if kind == "function":
        request.choice = Choice("named", inner.text("name"))
    else:
        allow(request, [_allowed(tool) for tool in inner.objects("tools")], inner.text("mode"))
    inner.close()
    chosen.close()


def _allowed(tool: Fields) -> str:
    if tool.text("type") != "function":
        tool.refuse("type", "only functions can be offered")
    function = tool.object("function")
    return function.text("name") if function is not None else tool.text("name")


def _format(fields: Fields, request: Request) -> None:
    wanted = fields.object("response_format")
    if wanted is None:
        return
    kind = wanted.text("type")
    if kind == "json_schema":
        schema = wanted.object("json_schema")
        if schema is None:
            wanted.wrong("json_schema", "an object")
        request.schema = Schema(
            schema.mapping("schema") or {}, schema.text("name"), schema.text("description"), schema.flag("strict")
        )
        schema.close()
    elif kind == "json_object":
        request.json_object = True
    elif kind != "text":
        wanted.refuse("type", "it is a form that the other dialect does not have")
    wanted.close()


def _refuse(fields: Fields) -> None:
    """Refuse what changes the form of the answer, or what only OpenAI's own servers can do."""
    if fields.integer("n") not in (None, 1):
        fields.refuse("n", "the other dialect gives one answer to a call")
    if fields.any("modalities") not in (None, [], ["text"]):
        fields.refuse("modalities", "the other dialect answers in text")
    fields.refuse_given("the other dialect does not give them", "logprobs", "top_logprobs")
    fields.refuse_given("the other dialect answers in text", "audio")
    fields.refuse_given("functions are the older form of tools", "functions", "function_call")
    if fields.any("web_search_options") is not None:  # empty it asks for a search all the same
        fields.refuse("web_search_options", _OPENAIS)
    fields.refuse_given(_OPENAIS, "moderation")
