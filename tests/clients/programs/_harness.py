"""What the programs share: where the gateway is, how a check is declared, and how its result is told.

A program runs in an environment that holds its client and nothing of ours, so this needs the standard library alone.
Each check prints one line of JSON: `{"check": ..., "ok": true}`, or with `"ok": false` and `"why"`.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.metadata
import inspect
import json
import os
import re
import struct
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

URL = os.environ["GATEWAY_URL"]
OPENAI_URL = URL + "/v1"
KEY = os.environ["GATEWAY_KEY"]
POOR_KEY = os.environ["GATEWAY_POOR_KEY"]
GPT, CLAUDE = "gpt-4.1", "claude-sonnet-5"
BY_GPT, BY_CLAUDE = f"gpt/{GPT}", f"claude/{CLAUDE}"
"""The same models by provider, for clients of the other dialect."""

HELLO = "Grüße, 日本 🙂"
TOOLS_ANSWER = "7 degrees in Paris, 12 in Rome."
WEATHER = {"city": "Rome", "degrees": 12}
CITIES = ["Paris", "Rome"]
THOUGHT, SEAL = "Hm. Well.", "c2VhbGVk"
UNKNOWN = {"deep": [1, {"deeper": None}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OUTPUT = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
SYSTEM, OWNED_TEXT, OWNED_ANSWER = "Sort this message.", "where is my money", "refund"
"""The promoted task: this prompt with any text is answered by the owned model, with this answer."""


def _png() -> bytes:
    """One red point."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = block(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + block(b"IDAT", zlib.compress(b"\0\xff\0\0")) + block(b"IEND", b"")


PNG = _png()
PNG_BASE64 = base64.b64encode(PNG).decode()
PNG_URL = f"data:image/png;base64,{PNG_BASE64}"
IMAGE_ANSWER = f"image/png {len(PNG)}"

_checks: dict[str, Callable[[], Any]] = {}


def check(name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Declare a check, a function or a coroutine function; it fails by raising."""

    def declare(function: Callable[[], Any]) -> Callable[[], Any]:
        assert name not in _checks, name
        _checks[name] = function
        return function

    return declare


def same(found: Any, wanted: Any) -> None:
    """Raise where two things differ, and say both; of two sets, what only one of them has."""
    if isinstance(found, set) and isinstance(wanted, set):
        found, wanted = sorted(found - wanted), sorted(wanted - found)
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")


@contextmanager
def raises(kind: type[BaseException], look: Callable[[Any], None] | None = None, **attributes: Any) -> Iterator[None]:
    """The block must raise this, with these attributes; `look` may look at it."""
    try:
        yield
    except kind as error:
        if look is not None:
            look(error)
        for name, value in attributes.items():
            same(getattr(error, name, None), value)
    else:
        raise AssertionError(f"no {kind.__name__} was raised")


@contextmanager
def takes(at_least: float = 0.0, below: float = 60.0) -> Iterator[None]:
    """The block must take so many seconds."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    if not at_least <= took < below:
        raise AssertionError(f"took {took:.2f} s, which is not between {at_least} and {below}")


def told_once(error: Any) -> None:
    """An error of an official client must come from its first attempt."""
    same(error.response.request.headers["x-stainless-retry-count"], "0")


def fields(value: Any, path: str = "") -> set[str]:
    """Every field of nested dicts by its path; of lists, those of the first element."""
    if isinstance(value, dict):
        inner = [fields(one, f"{path}.{key}") for key, one in value.items()]
        return {path}.union(*inner) if path else set().union(*inner)
    if isinstance(value, list) and value:
        return fields(value[0], path + "[]")
    return {path}


def main(*packages: str) -> None:
    """Tell the versions of these packages, then run every check."""
    told, sys.stdout = sys.stdout, sys.stderr  # some clients print
    versions = {name: importlib.metadata.version(name) for name in packages}
    runtime = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    print(json.dumps({"versions": versions, "runtime": runtime}), file=told, flush=True)
    for name, function in _checks.items():
        said: dict[str, Any] = {"check": name, "ok": True}
        try:
            if inspect.iscoroutinefunction(function):
                asyncio.run(function())
            else:
                function()
        except Exception as fault:  # noqa: BLE001 -- whatever a client raises is what its check says
            traceback.print_exc()
            said = {"check": name, "ok": False, "why": _why(fault)}
        print(json.dumps(said), file=told, flush=True)


def _why(fault: BaseException) -> str:
    """A fault in one line, without what differs from run to run."""
    line = " ".join(f"{type(fault).__name__}: {fault}".split())
    return re.sub(r"call_[0-9a-f]{20,}", "CALL", line.replace(URL, "GATEWAY"))[:240]
