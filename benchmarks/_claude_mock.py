"""An upstream that speaks Messages: the same answer to every request, whole or as 23 events at once.

The environment's `PORT` says where. Its CPU counts in no figure.
"""

from __future__ import annotations

import asyncio
import os
from typing import cast

import msgspec
import uvloop

_TEXT = "The invoice was issued on 3 March and is due in thirty days; the total is 1,240.00 EUR including tax."
_MESSAGE = {"id": "msg_mock", "type": "message", "role": "assistant", "model": "claude-bench", "stop_sequence": None}
_USAGE = {"input_tokens": 42, "output_tokens": 27, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
_WORDS = 17


def _event(kind: str, **fields: object) -> bytes:
    data = b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole() -> bytes:
    message = {**_MESSAGE, "content": [{"type": "text", "text": _TEXT}], "stop_reason": "end_turn", "usage": _USAGE}
    body = msgspec.json.encode(message)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _stream() -> bytes:
    words = (
        _event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"word{number} "})
        for number in range(_WORDS)
    )
    events = (
        _event("message_start", message={**_MESSAGE, "content": [], "stop_reason": None, "usage": _USAGE}),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
        *words,
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 27}),
        _event("message_stop"),
    )
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    return b"".join((head, *events, b"0\r\n\r\n"))


class _Upstream(asyncio.Protocol):
    """Answers each request once its body has come; one at a time on a connection."""

    def __init__(self) -> None:
        self._transport = cast("asyncio.Transport", None)
        self._kept = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._kept += data
        head, found, body = self._kept.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0) if found else 1
        if len(body) >= length:
            self._kept = b""
            self._transport.write(_STREAM if b'"stream":true' in body else _WHOLE)


_WHOLE, _STREAM = _whole(), _stream()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Upstream, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
