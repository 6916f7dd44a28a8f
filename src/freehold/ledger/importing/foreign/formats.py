"""The formats of other tools, as the importing of logs takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, cast

import msgspec

from freehold.ledger.importing.protocol import Format, Found, Guess, Head, Rejected
from freehold.vocabulary import Call, Feedback

from . import helicone, langfuse, litellm, otel
from ._fields import Record

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Tool(Protocol):
    """What a module of a tool offers."""

    NAME: str

    def recognises(self, record: Record) -> bool: ...


def _detect(tool: _Tool, by: str) -> Callable[[Head], Guess | None]:
    def detect(head: Head) -> Guess | None:
        if not head.records:
            # A table without a row: its columns are all there is to know it by.
            found = bool(head.columns) and tool.recognises(dict.fromkeys(head.columns, ""))
        else:
            found = head.share(tool.recognises) >= 0.5
        return Guess(0.9, by) if found else None

    return detect


def _read(
    expand: Callable[[Record], Iterable[Record]],
    read: Callable[[Record], Call | None],
    said: Callable[[Record, Call], tuple[Feedback, ...]] | None = None,
) -> Callable[[bytes], list[Found]]:
    """The calls of one record. Where it holds several, one that cannot be read does not take the others with it."""

    def read_record(data: bytes) -> list[Found]:
        found: list[Found] = []
        fault = ""
        for one in expand(_decode(data)):
            try:
                call = read(one)
            except Rejected as error:
                fault = fault or str(error)
                continue
            if call is not None:
                found.append(Found(call, said(one, call) if said is not None else ()))
        if fault:
            raise Rejected(fault, found)
        return found

    return read_record


def _itself(record: Record) -> Iterator[Record]:
    yield record


def _scores(record: Record, call: Call) -> tuple[Feedback, ...]:
    return tuple(Feedback(call.id, "score", value, name, via="import") for name, value in helicone.feedback_of(record))


_NO_RAW = "its bodies were put together from what the log says of them (tag `rebuilt`)"

FORMATS: tuple[Format, ...] = (
    Format(
        litellm.NAME,
        "LiteLLM's tables of spend and errors",
        _detect(cast("_Tool", litellm), "its records have the columns of LiteLLM_SpendLogs"),
        _read(_itself, litellm.read),
    ),
    Format(
        langfuse.NAME,
        "observations of Langfuse, v1 or v2, or traces with their observations",
        _detect(cast("_Tool", langfuse), "its records have the fields of Langfuse's observations"),
        _read(langfuse.observations, langfuse.read),
        lacks=(f"Langfuse keeps input and output, not bodies: {_NO_RAW}",),
    ),
    Format(
        helicone.NAME,
        "requests of Helicone",
        _detect(cast("_Tool", helicone), "its records have request_id and request_created_at"),
        _read(_itself, helicone.read, _scores),
    ),
    Format(
        otel.NAME,
        "spans of OpenTelemetry's conventions for generative AI, in OTLP JSON",
        _detect(cast("_Tool", otel), "its records have resourceSpans, or are spans"),
        _read(otel.expand, otel.read),
        lacks=(f"spans hold messages, not bodies: {_NO_RAW}",),
    ),
)
