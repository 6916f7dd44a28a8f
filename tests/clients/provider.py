"""The provider that clients meet behind the gateway: it answers as OpenAI and Anthropic do, by what a request asks for.

The text of a request says `do:NAME`, and NAME is one of:

    hello      a text, which is what any other request gets
    tools      two calls of a tool at once, then a text once their results are there
    structured the object WEATHER: as JSON, or as a call of the tool that is offered
    think      a text after a thought, with the provider's seal on it
    remember   the seal that came back in the conversation
    logprobs   a text with its log probabilities
    image      what kind of image came and how many bytes it had
    audio      the format of the sound that came and how many bytes it had
    beta       what the request's URL and headers say of beta features
    echo       the fields of the request that begin with `x_new`; the answer has a field of its own that nobody knows
    cut        a stream that ends in the middle
    busy       429 with `Retry-After: 1`, then a text, or WEATHER where a tool is offered
    e401 ...   that status, with the error that the dialect has for it

Every answer is made twice from the same words: once whole, once streamed.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tests.clients import as_anthropic, as_openai
from tests.clients.said import HELLO, IMAGE_ANSWER, SEAL, THOUGHT, TOOL_CALLS, TOOLS_ANSWER, WEATHER, Said
from tests.support.upstream import CLOSE, STREAM_HEAD, Received, Step, chunk, http, send, streamed

_ORDER = re.compile(rb"do:([a-z0-9]+)")
_IMAGE = re.compile(r"data:(image/[a-z]+);base64,([A-Za-z0-9+/=]+)")


class Provider:
    """Chooses the script of each request; `choose` is for `tests.support.upstream.Upstream`."""

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self.seen: set[bytes] = set()
        self._lock = threading.Lock()

    def choose(self, received: Received) -> tuple[Step, ...]:
        """The answer to one request."""
        method, target, _ = received.head.split(b"\r\n")[0].decode().split(" ")
        path = target.partition("?")[0]
        anthropic = "anthropic-version" in received.headers
        dialect = as_anthropic if anthropic else as_openai
        self.seen |= {
            received.headers.get("authorization", "").encode(),
            received.headers.get("x-api-key", "").encode(),
        }
        listed = _listed(method, path, received.body, dialect)
        if listed:
            return (send(http(200, listed)),)
        maker = _MAKERS.get(path) if method == "POST" else None
        if maker is None:
            return (send(http(404, dialect.error(404))),)
        return self._answer(received, maker, dialect.error)

    def _answer(self, received: Received, maker: _Maker, error: Callable[[int], bytes]) -> tuple[Step, ...]:
        asked = json.loads(received.body)
        orders = _ORDER.findall(received.body)
        order = orders[-1].decode() if orders else "hello"
        if order[0] == "e" and order[1:].isdigit():
            return (send(http(int(order[1:]), error(int(order[1:])), {"retry-after": "7"})),)
        if order == "busy" and self._is_busy(received.head.split(b"\r\n")[0].decode()):
            return (send(http(429, error(429), {"retry-after": "1"})),)
        words = said(order, asked)
        if order == "beta":
            query = received.head.split(b" ")[1].partition(b"?")[2].decode()
            words = Said(f"{query} {received.headers.get('anthropic-beta')}")
        body, events = maker(asked, words)
        if not asked.get("stream"):
            return (send(http(200, body, {"x-request-id": "req_up", "request-id": "req_up"})),)
        if order == "cut":
            return (send(STREAM_HEAD, *(chunk(one) for one in events[: len(events) // 2])), CLOSE)
        return (send(streamed(*events)),)

    def _is_busy(self, line: str) -> bool:
        """Whether this is the first of its kind."""
        with self._lock:
            first = line not in self._busy
            self._busy.add(line)
            return first


_Maker = Callable[[dict[str, Any], Said], tuple[bytes, tuple[bytes, ...]]]
_MAKERS: dict[str, _Maker] = {
    "/v1/chat/completions": as_openai.chat_completion,
    "/v1/responses": as_openai.response,
    "/v1/completions": as_openai.completion,
    "/v1/messages": as_anthropic.message,
}


def _listed(method: str, path: str, body: bytes, dialect: ModuleType) -> bytes:
    """The answer to what is no question to a model, b"" for everything else."""
    if path == "/v1/models":
        return dialect.MODELS
    if path in {"/v1/batches", "/v1/messages/batches"}:
        return dialect.BATCH
    if path == "/v1/files":
        return as_openai.a_file(body)
    if (method, path) == ("POST", "/v1/embeddings"):
        return as_openai.embeddings(json.loads(body))
    return as_anthropic.COUNT if (method, path) == ("POST", "/v1/messages/count_tokens") else b""


def _tools(asked: dict[str, Any]) -> Said:
    return Said(TOOLS_ANSWER) if _has_results(asked) else Said(calls=TOOL_CALLS)


def _structured(asked: dict[str, Any]) -> Said:
    tool = _tool(asked)
    return Said(calls=((tool, WEATHER),)) if tool else Said(json.dumps(WEATHER))


def _remembered(asked: dict[str, Any]) -> Said:
    return Said(SEAL if f'"{SEAL}"' in _turns(asked) else "nothing")


def _audio(asked: dict[str, Any]) -> Said:
    sound = next(one for one in asked["messages"][-1]["content"] if one["type"] == "input_audio")["input_audio"]
    return Said(f"{sound['format']} {len(base64.b64decode(sound['data']))}")


def _echo(asked: dict[str, Any]) -> Said:
    return Said(json.dumps({key: value for key, value in asked.items() if key.startswith("x_new")}), unknown=True)


_SAID: dict[str, Callable[[dict[str, Any]], Said]] = {
    "tools": _tools,
    "structured": _structured,
    "busy": lambda asked: _structured(asked) if _tool(asked) else Said(HELLO),
    "image": lambda asked: Said(_image(asked)),
    "audio": _audio,
    "think": lambda _: Said(HELLO, thought=THOUGHT),
    "remember": _remembered,
    "logprobs": lambda _: Said(HELLO, logprobs=True),
    "echo": _echo,
}


def said(order: str, asked: dict[str, Any]) -> Said:
    """What is answered, in no dialect yet."""
    return _SAID[order](asked) if order in _SAID else Said(HELLO)


def _turns(asked: dict[str, Any]) -> str:
    return json.dumps(asked.get("messages") or asked.get("input"))


def _has_results(asked: dict[str, Any]) -> bool:
    text = _turns(asked)
    return any(mark in text for mark in ('"role": "tool"', '"tool_result"', '"function_call_output"'))


def _tool(asked: dict[str, Any]) -> str:
    """The tool in which a structured answer is wanted, "" where it is wanted as text."""
    tools = asked.get("tools") or []
    names = [one.get("name") or one.get("function", {}).get("name", "") for one in tools]
    return names[0] if names else ""


def _image(asked: dict[str, Any]) -> str:
    text = _turns(asked)
    found = _IMAGE.search(text)
    if found:
        return f"{found[1]} {len(base64.b64decode(found[2]))}"
    kind, data = re.search(r'"media_type": "([^"]+)"', text), re.search(r'"data": "([A-Za-z0-9+/=]+)"', text)
    return (
        f"{kind[1]} {len(base64.b64decode(data[1]))}" if kind and data else f"no image, though {IMAGE_ANSWER} was sent"
    )
