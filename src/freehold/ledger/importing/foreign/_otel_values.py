"""OTLP as JSON: where spans stand in it, and what their attributes hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from freehold.ledger.importing.protocol import Rejected

from ._fields import Record

_SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")
_RESOURCES = ("resourceSpans", "resource_spans")
RESOURCE = "resource_attributes"
"""The key under which a span carries the attributes of what it comes from, once it stands alone."""


class Event(NamedTuple):
    """Something that happened within a span."""

    name: str
    attributes: Record


def spans(record: Record) -> Iterator[Record]:
    """Every span of an export request, each with its resource's attributes; a span that stands alone is itself."""
    for resource in _lists(record, _RESOURCES):
        inside = resource.get("resource")
        about = attributes(cast("Record", inside)) if isinstance(inside, dict) else {}
        for scope in _lists(resource, _SCOPES):
            for span in _lists(scope, ("spans",)):
                yield {**span, RESOURCE: about}
    if "spanId" in record or "span_id" in record:
        yield record


def _lists(record: Record, names: tuple[str, ...]) -> Iterator[Record]:
    for name in names:
        value = record.get(name)
        if isinstance(value, list):
            yield from (one for one in cast("list[Any]", value) if isinstance(one, dict))


def attributes(record: Record) -> dict[str, Any]:
    """The attributes of a span, an event or a resource as plain values; some exporters write them as an object."""
    stated = record.get("attributes")
    if isinstance(stated, dict):
        return {str(name): plain(value) for name, value in cast("Record", stated).items()}
    found: dict[str, Any] = {}
    for one in cast("list[Any]", stated) if isinstance(stated, list) else []:
        if isinstance(one, dict) and isinstance(name := one.get("key"), str):
            value = one.get("value")
            if isinstance(value, dict) and len(value) == 1 and (text := value.get("stringValue")) is not None:
                found[name] = text  # as `plain` would find: nearly all are texts
            else:
                found[name] = plain(value)
    return found


def events(span: Record) -> list[Event]:
    """What happened within a span, in order."""
    return [Event(str(one.get("name") or ""), attributes(one)) for one in _lists(span, ("events",))]


def plain(value: Any) -> Any:
    """The plain value of an OTLP `AnyValue`; anything else stays as it is.

    Raises:
        Rejected: a whole number is none.
    """
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, held = next(iter(cast("Record", value).items()))
    if kind == "intValue":
        try:
            return int(held)
        except (TypeError, ValueError):
            raise Rejected("an intValue is no whole number") from None
    if kind == "arrayValue":
        inside = held.get("values") if isinstance(held, dict) else None
        return [plain(one) for one in cast("list[Any]", inside or [])]
    if kind == "kvlistValue":
        pairs = held.get("values") if isinstance(held, dict) else None
        return {
            str(one.get("key")): plain(one.get("value"))
            for one in cast("list[Any]", pairs or [])
            if isinstance(one, dict)
        }
    return held if kind in ("stringValue", "doubleValue", "boolValue", "bytesValue") else value
