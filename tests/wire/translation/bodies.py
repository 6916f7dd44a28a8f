"""Requests and answers of every dialect, and SDKs that read what a translation wrote."""

import json
from itertools import pairwise

import anthropic
import httpx2
import openai
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from tests.wire.translation.conform import extras, problem

from freehold.errors import UpstreamFailed

CLAUDE = "claude-sonnet-4-6"
SAMPLING = ("temperature", "top_p", "top_k")  # of API version 2023-06-01; the newest SDK no longer names them


def raw(value):
    return json.dumps(value).encode()


def chat_request(*messages, **fields):
    turns = [{"role": "user", "content": message} if isinstance(message, str) else message for message in messages]
    return raw({"model": CLAUDE, "messages": turns} | fields)


def messages_request(*messages, **fields):
    turns = [{"role": "user", "content": message} if isinstance(message, str) else message for message in messages]
    return raw({"model": "gpt-4.1", "max_tokens": 100, "messages": turns} | fields)


def check_messages_request(body):
    """The body of a request for Anthropic, checked against the SDK's type."""
    fields = json.loads(body)
    kind = MessageCreateParamsStreaming if fields.get("stream") else MessageCreateParamsNonStreaming
    assert problem(fields, kind, extra=SAMPLING) == ""
    return fields


def check_chat_request(body):
    """The same for OpenAI's chat completions."""
    fields = json.loads(body)
    kind = CompletionCreateParamsStreaming if fields.get("stream") else CompletionCreateParamsNonStreaming
    assert problem(fields, kind) == ""
    return fields


def check_answer(kind, body, extra=()):
    """An answer as the SDK's own type, strictly read; `extra` are the places of fields that the type does not know."""
    read = kind.model_validate_json(body, strict=True)
    assert set(extras(read)) <= set(extra)
    return read


def split(data, cuts):
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


def sse(*events):
    """Anthropic's events."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), raw(one)) for one in events)


def chunks(*values):
    """OpenAI's events, with their end mark."""
    return b"".join(b"data: %b\n\n" % raw(value) for value in values) + b"data: [DONE]\n\n"


def openai_client(body, status=200, kind="text/event-stream"):
    """OpenAI's SDK before a server that answers everything with these bytes."""
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(status, content=body, headers={"content-type": kind, "x-request-id": "r"})
    )
    return openai.OpenAI(
        api_key="k", base_url="http://gateway/v1", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def anthropic_client(body, status=200, kind="text/event-stream"):
    """Anthropic's SDK before the same."""
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(status, content=body, headers={"content-type": kind, "request-id": "r"})
    )
    return anthropic.Anthropic(
        api_key="k", base_url="http://gateway", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def translate_stream(translator, pieces):
    """Everything that a translator gives for these bytes, and the error that it ended with."""
    out = b""
    try:
        for piece in pieces:
            out += translator.feed(piece)
        out += translator.end()
    except UpstreamFailed as error:
        return out, error
    return out, None
