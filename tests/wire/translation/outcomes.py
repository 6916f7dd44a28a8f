"""What becomes of every documented field of a request, found by translating an example of each.

The names come from the SDKs' own types, so that a field that a newer SDK adds has no example and fails the test.
"""

import base64

import typing_extensions
from anthropic.types.beta.message_create_params import MessageCreateParamsBase as BetaMessagesParams
from anthropic.types.content_block_param import ContentBlockParam
from anthropic.types.message_create_params import MessageCreateParamsBase as MessagesParams
from openai.types.chat.chat_completion_content_part_param import ChatCompletionContentPartParam
from openai.types.chat.completion_create_params import CompletionCreateParamsBase as ChatParams
from openai.types.completion_create_params import CompletionCreateParamsBase as CompletionsParams
from openai.types.responses.response_create_params import ResponseCreateParamsBase as ResponsesParams
from openai.types.responses.response_input_content_param import ResponseInputContentParam
from openai.types.responses.response_input_param import ResponseInputItemParam
from tests.wire.translation.bodies import raw

from freehold.errors import BadRequest
from freehold.wire.translation import translation

MODELS = {
    "openai.chat": "o4-mini",
    "anthropic.messages": "claude-sonnet-4-6",
    "bedrock.converse": "us.anthropic.claude-sonnet-4-6-v1:0",
}
UPSTREAMS = tuple(MODELS)
PNG = base64.b64encode(b"\x89PNG").decode()
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
OLD_FUNCTION = {"name": "f", "parameters": SCHEMA}
FLAT_FUNCTION = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}
CUSTOM = {"name": "f", "input_schema": SCHEMA}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
CHAT_FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
PDF = f"data:application/pdf;base64,{PNG}"

BASES = {
    "openai.chat": {
        "model": "m", "messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 5, "tools": [FUNCTION],
        "stream": True,
    },
    "anthropic.messages": {
        "model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5, "tools": [CUSTOM],
    },
    "openai.responses": {"model": "m", "input": "x", "max_output_tokens": 5, "tools": [FLAT_FUNCTION], "stream": True},
    "openai.completions": {"model": "m", "prompt": "x", "max_tokens": 5, "stream": True},
}  # fmt: skip

FIELDS = {
    "openai.chat": (
        ChatParams,
        {
            "audio": {"format": "wav", "voice": "alloy"}, "frequency_penalty": 0.5, "function_call": "auto",
            "functions": [OLD_FUNCTION], "logit_bias": {"1": 5}, "logprobs": True, "max_completion_tokens": 7,
            "max_tokens": 7, "messages": [{"role": "user", "content": "y"}], "metadata": {"a": "b"},
            "modalities": ["text", "audio"], "model": "other", "moderation": {"model": "m"}, "n": 2,
            "parallel_tool_calls": False, "prediction": {"type": "content", "content": "x"}, "presence_penalty": 0.5,
            "prompt_cache_key": "k", "prompt_cache_options": {"mode": "explicit"}, "prompt_cache_retention": "24h",
            "reasoning_effort": "low", "response_format": CHAT_FORMAT,
            "safety_identifier": "s", "seed": 1, "service_tier": "flex", "stop": ["a"], "store": True, "stream": False,
            "stream_options": {"include_usage": True}, "temperature": 0.5, "tool_choice": "required", "tools": [],
            "top_k": 5, "top_logprobs": 2, "top_p": 0.5, "user": "u", "verbosity": "low",
            "web_search_options": {"a": 1},
        },
    ),
    "anthropic.messages": (
        (MessagesParams, BetaMessagesParams),
        {
            "betas": ["b"], "billing_policy": {"a": 1}, "cache_control": {"type": "ephemeral"}, "compaction": {"a": 1},
            "container": "c", "context_management": {"edits": []}, "diagnostics": {"previous_message_id": "m"},
            "fallback_credit_token": "t", "fallbacks": [{"model": "m"}], "inference_geo": "eu", "max_tokens": 7,
            "mcp_servers": [{"type": "url", "url": "u", "name": "n"}], "messages": [{"role": "user", "content": "y"}],
            "metadata": {"user_id": "u"}, "model": "other", "output_config": {"format": FORMAT},
            "output_format": FORMAT, "service_tier": "auto", "speed": "fast",
            "stop_sequences": ["a"], "stream": True, "system": "s", "temperature": 0.5,
            "thinking": {"type": "adaptive"}, "thread": {"id": "t"}, "tool_choice": {"type": "any"}, "tools": [],
            "top_k": 5, "top_p": 0.5, "user_profile_id": "p", "workspace_id": "w",
        },
    ),
    "openai.responses": (
        ResponsesParams,
        {
            "access_programs": {"cyber": "standard"}, "background": True, "context_management": [{"type": "c"}],
            "conversation": "c", "image": {"context_compression": "auto"}, "include": ["message.output_text.logprobs"],
            "input": "y", "instructions": "i", "max_output_tokens": 7, "max_tool_calls": 3, "metadata": {"a": "b"},
            "model": "other", "moderation": {"model": "m"}, "parallel_tool_calls": False, "previous_response_id": "r",
            "prompt": {"id": "p"}, "prompt_cache_key": "k", "prompt_cache_options": {"mode": "explicit"},
            "prompt_cache_retention": "24h", "reasoning": {"effort": "low"}, "safety_identifier": "s",
            "service_tier": "flex", "store": True, "stream": False, "stream_options": {"include_obfuscation": True},
            "temperature": 0.5, "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
            "tool_choice": "required", "tools": [], "top_logprobs": 2, "top_p": 0.5, "truncation": "auto", "user": "u",
        },
    ),
    "openai.completions": (
        CompletionsParams,
        {
            "best_of": 2, "echo": True, "frequency_penalty": 0.5, "logit_bias": {"1": 5}, "logprobs": 1,
            "max_tokens": 7, "model": "other", "n": 2, "presence_penalty": 0.5, "prompt": "y", "seed": 1, "stop": "a",
            "stream": False, "stream_options": {"include_usage": True}, "suffix": "s", "temperature": 0.5, "top_k": 5,
            "top_p": 0.5, "user": "u",
        },
    ),
}  # fmt: skip
"""The SDK's type of each dialect's request, and an example of each of its fields; some that the type lacks besides."""

CONTENT = {
    "openai.chat": (
        ChatCompletionContentPartParam,
        {
            "text": {"text": "a"}, "image_url": {"image_url": {"url": "https://example.com/a.png"}},
            "input_audio": {"input_audio": {"data": PNG, "format": "wav"}},
            "file": {"file": {"filename": "a.pdf", "file_data": PDF}},
        },
    ),
    "anthropic.messages": (
        ContentBlockParam,
        {
            "text": {"text": "a"},
            "image": {"source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            "document": {"source": {"type": "base64", "media_type": "application/pdf", "data": PNG}},
            "tool_use": {"id": "t", "name": "f", "input": {}},
            "tool_result": {"tool_use_id": "t", "content": "a"},
            "thinking": {"thinking": "a", "signature": "s"}, "redacted_thinking": {"data": PNG},
        },
    ),
    "openai.responses content": (
        ResponseInputContentParam,
        {
            "input_text": {"text": "a"}, "input_image": {"image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
            "input_file": {"filename": "a.pdf", "file_data": PDF},
        },
    ),
    "openai.responses items": (
        ResponseInputItemParam,
        {
            "message": {"role": "user", "content": "a"}, "reasoning": {"id": "r", "summary": []},
            "function_call": {"call_id": "c", "name": "f", "arguments": "{}"},
            "function_call_output": {"call_id": "c", "output": "a"},
        },
    ),
}  # fmt: skip
"""The SDK's types of what messages hold, and an example of each kind that is not refused everywhere."""

ASSISTANTS = {"tool_use", "thinking", "redacted_thinking", "function_call"}


def names(kinds):
    """The fields of an SDK's type."""
    return {name for kind in (kinds if isinstance(kinds, tuple) else (kinds,)) for name in kind.__annotations__}


def kinds(union):
    """The values of `type` that tell the members of an SDK's union apart."""
    found = set()
    for member in typing_extensions.get_args(union):
        hint = typing_extensions.get_type_hints(member).get("type")
        found |= {value for value in _literals(hint) if value is not None}
    return found


def of_field(client, name, upstream):
    """What becomes of an example of a field: carried, reported, refused, or (which is never right) ignored."""
    base = dict(BASES[client])
    if name == "max_tokens" and client == "openai.chat":
        base.pop("max_completion_tokens")
    if name == "stream_options":
        base["stream"] = True
    return outcome(client, upstream, base, base | {name: FIELDS[client][1][name]}, name)


def of_content(kind_of, kind, upstream):
    """The same for a kind of content."""
    client, _, where = kind_of.partition(" ")
    example = {"type": kind} | CONTENT[kind_of][1].get(kind, {})
    later = {"role": "user", "content": "z"}
    if where == "items":
        spoken = [example, later] if kind in ASSISTANTS else [later, example]
        asked = BASES[client] | {"input": [later, *spoken]}
        return outcome(client, upstream, BASES[client] | {"input": [later, later]}, asked, "input")
    if kind in ASSISTANTS:
        turns = [later, {"role": "assistant", "content": [example]}, later]
    else:
        turns = [{"role": "user", "content": [example]}]
    name = "input" if client == "openai.responses" else "messages"
    plain = BASES[client] | {name: [later, later] if kind in ASSISTANTS else []}
    return outcome(client, upstream, plain, BASES[client] | {name: turns}, name)


def outcome(client, upstream, base, asked, name):
    """Compare what two requests become."""
    pair = translation(client, upstream)
    if pair is None:
        return ""
    model = None if name == "model" else MODELS[upstream]
    try:
        after = pair.request(raw(asked), model=model)
    except BadRequest as error:
        named = error.error_code == "untranslatable" and error.message.startswith(name)
        return "refused" if named else f"refused without its name: {error.message}"
    try:
        before = pair.request(raw(base), model=model)
    except BadRequest:  # an empty conversation, which the content under test is put into
        return "carried"
    if set(after.lost) - set(before.lost):
        return "reported"
    same = before.body == after.body and _facts(before.remembered) == _facts(after.remembered)
    return "ignored" if same else "carried"


def _facts(remembered):
    skipped = ("id", "created_s", "echo")
    return {name: getattr(remembered, name) for name in remembered.__struct_fields__ if name not in skipped}


def _literals(hint):
    found = []
    for argument in typing_extensions.get_args(hint):
        found += [argument] if isinstance(argument, str) else _literals(argument)
    return found
