"""A responses request of a client that keeps its conversation itself: nothing that lies with OpenAI can be used."""

from __future__ import annotations

from freehold.wire.translation._hub import Choice, Request, Schema, Tool
from freehold.wire.translation._reading import Fields, decode
from freehold.wire.translation.chat.read_request import allow, choose_by_word, read_user

from ._items import read_input

_NAMES = {
    "turns": "input",
    "max_tokens": "max_output_tokens",
    "effort": "reasoning.effort",
    "schema": "text.format",
    "json_object": "text.format",
    "verbosity": "text.verbosity",
    "choice": "tool_choice",
    "parallel": "parallel_tool_calls",
    "part.cache": "input.content.prompt_cache_breakpoint",
}
_ECHO = (
    "instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning", "safety_identifier",
    "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "user",
)  # fmt: skip
_STATE = "it lies with OpenAI; send the conversation itself"


def read_request(body: bytes) -> Request:
    """Read it.

    Raises:
        BadRequest: see `Translation.request`.
    """
    fields = decode(body, "responses request")
    echo = fields.given(*_ECHO)
    request = Request(
        model=fields.text("model"),
        turns=read_input(fields),
        names=_NAMES,
        lost=fields.lost,
        tools=[_tool(tool) for tool in fields.objects("tools")],
        parallel=fields.flag("parallel_tool_calls"),
        max_tokens=fields.integer("max_output_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        user=read_user(fields),
        stream=bool(fields.flag("stream")),
        include_usage=True,
        echo=echo,
    )
    _reason(fields, request)
    _choose(fields, request)
    _text(fields, request)
    _include(fields)
    _refuse(fields)
    options = fields.object("stream_options")
    if options is not None:
        options.lose("include_obfuscation")
        options.close()
    if fields.any("truncation") not in (None, "disabled"):
        fields.report("truncation")
    fields.lose(
        "access_programs", "context_management", "image", "max_tool_calls", "metadata", "prompt_cache_key",
        "prompt_cache_options", "prompt_cache_retention", "service_tier", "store",
    )  # fmt: skip
    fields.close()
    return request


def _tool(tool: Fields) -> Tool:
    if tool.text("type") != "function":
        tool.refuse("type", "only functions can be offered; the others run at OpenAI")
    if tool.any("allowed_callers") not in (None, ["direct"]):
        tool.refuse("allowed_callers", "the other dialect lets nothing but the model call tools")
    tool.refuse_given("the other dialect offers every tool from the start", "defer_loading")
    tool.refuse_given("the other dialect waits for the results of tools", "async")
    tool.lose("output_schema")
    read = Tool(tool.text("name"), tool.text("description"), tool.mapping("parameters") or {}, tool.flag("strict"))
    tool.close()
    return read


def _reason(fields: Fields, request: Request) -> None:
    """How much to think, and whether to show it: a summary is asked for, whatever the model shows is given."""
    reasoning = fields.object("reasoning")
    if reasoning is None:
        return
    request.effort = reasoning.text("effort") or None
    shown = reasoning.text("summary") or reasoning.text("generate_summary")
    request.thinking_shown = bool(shown)
    reasoning.ignore("generate_summary")
    reasoning.lose("context", "mode")
    reasoning.close()


def _choose(fields: Fields, request: Request) -> None:
    chosen = choose_by_word(fields, request)
    if chosen is None:
        return
    kind = chosen.text("type")
    if kind == "function":
        request.choice = Choice("named", chosen.text("name"))
    elif kind == "allowed_tools":
        allow(request, [_allowed(tool) for tool in chosen.objects("tools")], chosen.text("mode"))
    else:
        chosen.refuse("type", "only functions can be chosen")
    chosen.close()


def _allowed(tool: Fields) -> str:
    if tool.text("type") != "function":
        tool.refuse("type", "only functions can be offered")
    return tool.text("name")


def _text(fields: Fields, request: Request) -> None:
    text = fields.object("text")
    if text is None:
        return
    request.verbosity = text.text("verbosity") or None
    wanted = text.object("format")
    text.close()
    if wanted is None:
        return
    kind = wanted.text("type")
    if kind == "json_schema":
        request.schema = Schema(
            wanted.mapping("schema") or {}, wanted.text("name"), wanted.text("description"), wanted.flag("strict")
        )
    elif kind == "json_object":
        request.json_object = True
    elif kind != "text":
        wanted.refuse("type", "it is a form that the other dialect does not have")
    wanted.close()


def _include(fields: Fields) -> None:
    """What should be in the answer besides. Most of it is the work of OpenAI's own tools, which are refused anyway."""
    wanted = fields.texts("include")
    if "message.output_text.logprobs" in wanted:
        fields.refuse("include", "the other dialect does not give log probabilities")
    if "reasoning.encrypted_content" in wanted:
        fields.report("include")


def _refuse(fields: Fields) -> None:
    fields.refuse_given(_STATE, "previous_response_id", "conversation", "prompt")
    fields.refuse_given("an answer is given at once, and not kept", "background")
    fields.refuse_given("the other dialect does not give them", "top_logprobs")
    fields.refuse_given("only OpenAI's own servers do this", "moderation")
