"""From the events of a streamed response to the body that the same call would have had without streaming."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

import msgspec

from freehold.vocabulary import Usage
from freehold.wire.dialects import Assembled
from freehold.wire.streams import DocumentReader

from ._response import Counted, is_search

_encoder = msgspec.json.Encoder()
_GROWING = frozenset({"response.created", "response.in_progress", "response.queued"})
_OVER = frozenset({"response.completed", "response.incomplete"})
_FAILED = "the provider sent an error in the stream"


class ResponseAssembler(DocumentReader):
    """Reads a copy of a streamed response.

    Its last event holds the whole answer, so that nothing is put together but what a stream that was cut had brought.
    A stream is complete with `response.completed` or with `response.incomplete` (the limit of tokens was reached).
    """

    __slots__ = ("_deltas", "_error", "_items", "_response")

    def __init__(self) -> None:
        super().__init__()
        self._response: dict[str, Any] | None = None
        self._items: dict[int, dict[str, Any]] = {}
        self._deltas: list[dict[str, Any]] = []
        self._error: dict[str, Any] | None = None

    def finish(self) -> Assembled:
        """Say what the stream came to. Call once, when no more bytes will come."""
        self._close()
        fault = self._fault or self._missing()
        usage, unreadable = self._usage()
        fault = fault or unreadable
        chars = sum(len(document["delta"]) for document in self._deltas) if fault else 0
        return Assembled(self._body(), usage, fault, self._error is not None, chars)

    def _missing(self) -> str:
        if self._response is None:
            return "the stream ended before the response began"
        return "" if self._complete else "the stream ended without response.completed"

    def _document(self, document: dict[str, Any]) -> None:
        kind = document.get("type")
        if isinstance(document.get("delta"), str):
            self._deltas.append(document)  # nearly every event
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._items[document["output_index"]] = _filled(document.get("item") or {})
        elif kind in _GROWING:
            self._response = _filled(document["response"])
        elif kind in _OVER:
            self._response = _filled(document["response"])
            self._complete = True
        elif kind == "response.failed":
            self._response = _filled(document["response"])
            self._error = self._response
            self._fault = _FAILED
        elif kind == "error" or document.get("error") is not None:
            self._error = document
            self._fault = _FAILED

    def _usage(self) -> tuple[Usage | None, str]:
        """The counts, and what is wrong with them."""
        response = self._response or {}
        if response.get("usage") is None:
            return None, ""
        try:
            counted = msgspec.convert(response, Counted)
        except msgspec.MsgspecError:
            return None, "the stream's usage cannot be read"
        output = response.get("output")
        items = cast("list[Any]", output) if isinstance(output, list) else []
        searches = sum(is_search(one.get("type"), one.get("action")) for one in items if isinstance(one, dict))
        return counted.usage.counts(counted.service_tier, searches), ""

    def _body(self) -> bytes:
        body = dict(self._response or {})
        if self._response is not None and not (self._complete and isinstance(body.get("output"), list)):
            body["output"] = self._grown()
        if self._error is not None and self._error is not self._response:
            body["error"] = self._error.get("error") or {k: v for k, v in self._error.items() if k != "type"}
        return _encoder.encode(body)

    def _grown(self) -> list[dict[str, Any]]:
        """The items as far as they came: those that are done as they are, of the others what their deltas add up to."""
        arguments: defaultdict[Any, list[str]] = defaultdict(list)
        texts: defaultdict[Any, defaultdict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for document in self._deltas:
            place, part = document.get("output_index"), document.get("content_index")
            if not isinstance(place, int):
                continue
            if document.get("type") == "response.function_call_arguments.delta":
                arguments[place].append(document["delta"])
            elif document.get("type") == "response.output_text.delta" and isinstance(part, int):
                texts[place][part].append(document["delta"])
        items = {place: item for place, item in self._items.items() if isinstance(cast("Any", place), int)}
        for place, item in items.items():
            if item.get("status") != "in_progress":
                continue
            if place in arguments:
                items[place] = {**item, "arguments": "".join(arguments[place])}
            if place in texts:
                said = [{"type": "output_text", "text": "".join(one)} for _, one in sorted(texts[place].items())]
                items[place] = {**item, "content": said}
        return [item for _, item in sorted(items.items())]


def _filled(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a part of an event is no object")
    return cast("dict[str, Any]", value)
