"""From the events of a streamed message to the body that the same call would have had without streaming."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from freehold.vocabulary import Usage
from freehold.wire import canonical
from freehold.wire.dialects import Assembled
from freehold.wire.streams import DocumentReader

from ._response import UsageBody

_encoder = msgspec.json.Encoder()


class _Block:
    """One block of content, as it grows."""

    __slots__ = ("_fields", "_pieces")

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = dict(fields)
        self._pieces: dict[str, list[str]] = {}

    def add(self, delta: dict[str, Any]) -> None:
        kind = delta["type"]
        if kind == "text_delta" and isinstance(text := delta["text"], str):
            self._pieces.setdefault("text", []).append(text)  # nearly every event
        elif kind == "citations_delta":
            self._fields["citations"] = [*(self._fields.get("citations") or ()), delta["citation"]]
        elif kind == "signature_delta":
            self._fields["signature"] = delta["signature"]
        else:
            for key, value in delta.items():
                if key == "type":
                    continue
                if isinstance(value, str):
                    self._pieces.setdefault(key, []).append(value)
                else:
                    self._fields[key] = value

    def body(self) -> dict[str, Any]:
        fields = dict(self._fields)
        for key, pieces in self._pieces.items():
            grown = "".join(pieces)
            if key == "partial_json":
                fields["input"] = canonical.parsed(grown) if grown else fields.get("input", {})
            else:
                began = fields.get(key)
                fields[key] = began + grown if isinstance(began, str) else grown
        return fields

    def chars(self) -> int:
        return sum(len(piece) for pieces in self._pieces.values() for piece in pieces)


class MessageAssembler(DocumentReader):
    """Reads a copy of a streamed message.

    A stream is complete when a stop reason came and `message_stop` was seen; an error event, JSON that cannot be read,
    or an end before that makes it incomplete. Events of unknown types are passed over, as Anthropic asks.
    """

    __slots__ = ("_blocks", "_error", "_message", "_stated")

    def __init__(self) -> None:
        super().__init__()
        self._message: dict[str, Any] | None = None
        self._blocks: dict[int, _Block] = {}
        self._stated = False
        self._error: dict[str, Any] | None = None

    def finish(self) -> Assembled:
        """Say what the stream came to. Call once, when no more bytes will come."""
        self._close()
        fault = self._fault or self._missing()
        chars = sum(block.chars() for block in self._blocks.values())
        usage, unreadable = self._usage(chars)
        fault = fault or unreadable
        return Assembled(self._body(), usage, fault, self._error is not None, chars if fault else 0)

    def _missing(self) -> str:
        if self._message is None:
            return "the stream ended before the message began"
        if self._message.get("stop_reason") is None:
            return "the stream ended without a stop reason"
        return "" if self._complete else "the stream ended without message_stop"

    def _document(self, document: dict[str, Any]) -> None:
        kind = document.get("type")
        if kind == "content_block_delta":
            self._blocks[document["index"]].add(document["delta"])
        elif kind == "content_block_start":
            self._blocks[_place(document["index"])] = _Block(document["content_block"])
        elif kind == "message_start":
            self._message = _filled(document["message"])
        elif kind == "message_delta":
            self._change(document)
        elif kind == "message_stop":
            self._complete = True
        elif kind == "error":
            self._error = document
            self._fault = "the provider sent an error in the stream"

    def _change(self, document: dict[str, Any]) -> None:
        """What is known of the whole message at its end. Counts are totals so far; a null leaves what was known."""
        message = self._message
        if message is None:
            raise TypeError("a change before the message")
        for key, value in document["delta"].items():
            if value is not None or key in ("stop_reason", "stop_sequence"):
                message[key] = value
        for key, value in document.items():
            if key not in ("type", "delta", "usage") and value is not None:
                message[key] = value
        usage = cast("dict[str, Any]", message.get("usage") or {})
        stated = cast("dict[str, Any]", document.get("usage") or {})
        message["usage"] = usage | {k: v for k, v in stated.items() if v is not None or k not in usage}
        self._stated = self._stated or "output_tokens" in stated

    def _usage(self, chars: int) -> tuple[Usage | None, str]:
        """The counts, and what is wrong with them. Of a stream that was cut, the output is estimated.

        The beginning of a message states its input, and of its output only what there was by then.
        """
        body = (self._message or {}).get("usage")
        if body is None:
            return None, ""
        try:
            usage = msgspec.convert(body, UsageBody).counts()
        except msgspec.MsgspecError:
            return None, "the stream's usage cannot be read"
        if not self._stated:
            output = max(usage.output_tokens, (chars + 3) // 4)
            usage = msgspec.structs.replace(usage, output_tokens=output, estimated=True)
        return usage, ""

    def _body(self) -> bytes:
        body = dict(self._message or {})
        if self._message is not None:
            body["content"] = [block.body() for _, block in sorted(self._blocks.items())]
        if self._error is not None:
            body = {**body, **{k: v for k, v in self._error.items() if k != "type" or self._message is None}}
        return _encoder.encode(body)


def _place(index: Any) -> int:
    if not isinstance(index, int):
        raise TypeError("an index is no number")
    return index


def _filled(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise TypeError("a message is no object")
    return dict(cast("dict[str, Any]", message))
