"""A Messages request of a client."""

from __future__ import annotations

from freehold.errors import BadRequest
from freehold.wire.translation._hub import Choice, Request, Role, Schema, Tool, Turn
from freehold.wire.translation._reading import Fields, cache_of, decode

from ._blocks import read_blocks

_NAMES = {
    "turns": "messages",
    "effort": "output_config.effort",
    "schema": "output_config.format",
    "choice": "tool_choice",
    "parallel": "tool_choice.disable_parallel_tool_use",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "part.cache": "cache_control",
    "part.title": "messages.content.title",
    "part.thinking": "messages.content.thinking",
    "part.failed": "messages.content.is_error",
}
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
_SHOWN = ("enabled", "adaptive", "between_tools")
_CHOICES = {"auto": Choice("auto"), "any": Choice("required"), "none": Choice("none")}


def read_request(body: bytes) -> Request:
    """Read it.

    Raises:
        BadRequest: see `Translation.request`.
    """
    fields = decode(body, "Messages request")
    fields.need("max_tokens")
    request = Request(
        model=fields.text("model"),
        turns=_turns(fields),
        names=_NAMES,
        lost=fields.lost,
        tools=[_tool(tool) for tool in fields.objects("tools")],
        max_tokens=fields.integer("max_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        stop=fields.texts("stop_sequences"),
        stream=bool(fields.flag("stream")),
        thinking=fields.mapping("thinking"),
    )
    request.thinking_shown = (request.thinking or {}).get("type") in _SHOWN
    _choose(fields, request)
    _output(fields, request)
    metadata = fields.object("metadata")
    if metadata is not None:
        request.user = metadata.text("user_id") or None
        metadata.close()
    _refuse(fields)
    fields.lose(
        "cache_control", "context_management", "compaction", "diagnostics", "service_tier", "speed", "user_profile_id",
        "workspace_id", "betas", "billing_policy", "fallbacks", "fallback_credit_token",
    )  # fmt: skip
    fields.close()
    return request


def _turns(fields: Fields) -> list[Turn]:
    fields.need("messages")
    turns = [Turn("system", read_blocks(fields, "system"), "system")] if "system" in fields else []
    for message in fields.objects("messages"):
        role = message.text("role")
        if role not in _ROLES:
            raise BadRequest(f"{message.at('role')} is none of user, assistant and system")
        turns.append(Turn(_ROLES[role], read_blocks(message, "content"), message.place))
        message.close()
    return turns


def _tool(tool: Fields) -> Tool:
    if tool.text("type") not in ("", "custom"):
        tool.refuse("type", "it is a tool of Anthropic's own, which the other dialect does not have")
    if tool.any("allowed_callers") not in (None, ["direct"]):
        tool.refuse("allowed_callers", "the other dialect lets nothing but the model call tools")
    tool.refuse_given("the other dialect offers every tool from the start", "defer_loading")
    tool.lose("eager_input_streaming", "input_examples")
    read = Tool(
        name=tool.text("name"),
        description=tool.text("description"),
        schema=tool.mapping("input_schema") or {},
        strict=tool.flag("strict"),
        cache=cache_of(tool),
    )
    tool.close()
    return read


def _choose(fields: Fields, request: Request) -> None:
    choice = fields.object("tool_choice")
    if choice is None:
        return
    kind = choice.text("type")
    if kind == "tool":
        request.choice = Choice("named", choice.text("name"))
    elif kind in _CHOICES:
        request.choice = _CHOICES[kind]
    else:
        choice.wrong("type", "one of auto, any, tool and none")
    if choice.flag("disable_parallel_tool_use"):
        request.parallel = False
    choice.close()


def _output(fields: Fields, request: Request) -> None:
    older = fields.object("output_format")
    config = fields.object("output_config")
    newer = None
    if config is not None:
        request.effort = config.text("effort") or None
        newer = config.object("format")
        config.lose("task_budget")
        config.close()
    for wanted in (older, newer):
        if wanted is not None:
            if wanted.text("type") != "json_schema":
                wanted.refuse("type", "the other dialect has no such form")
            request.schema = Schema(wanted.mapping("schema") or {})
            wanted.close()


def _refuse(fields: Fields) -> None:
    """Refuse what keeps state with Anthropic, runs there, or says where data may be processed."""
    fields.refuse_given("what lies with one provider cannot be used by another", "container", "thread")
    fields.refuse_given("the other dialect does not call servers by itself", "mcp_servers")
    fields.refuse_given("the other provider makes no such promise", "inference_geo")
