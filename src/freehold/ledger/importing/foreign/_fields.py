"""Reading the fields of somebody else's record: by name, tolerant of absence, strict about kinds.

A table (CSV) holds everything as text, a database its own types, JSON a mixture. All of them are read here in one way.
Where several names are given, they are those that different versions use, and the first that holds something counts.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from freehold.ledger.importing.protocol import Rejected
from freehold.wire.bodies import UNREADABLE

Record = Mapping[str, Any]

STATED_COST_TAG = "stated_cost_usd"
"""The tag that holds what a log says that a call cost, in exact digits: for comparison, never taken for the truth."""

NO_BODY_TAG = "no_body"
"""The tag of a call whose log had bodies that are of no use: `cut` (shortened), `redacted`, or `elsewhere`."""

_NOTHING: Record = {}
_ABSENT = frozenset({"", "null", "NULL", "None", "none", "\\N", "NaN", "nan"})
_MOST_TOKENS = 2**53
_LONGEST_TAG = 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_US = 253_402_300_799_999_999  # the end of the year 9999
_is_hexadecimal = re.compile("[0-9a-f]+").fullmatch
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def first(record: Record, *names: str) -> Any:
    """The first of these fields that is there and holds something, or None."""
    for name in names:
        value = record.get(name)
        if value is not None and value != "":
            return value
    return None


def text(record: Record, *names: str) -> str:
    """A short text, "" where there is none. What databases and tables write for nothing is nothing.

    Raises:
        Rejected: it is no text, or not `storable`.
    """
    for name in names:  # as `first` does, without a call of it: this is asked twenty times a record
        value = record.get(name)
        if value is None or value == "":
            continue
        if type(value) is str:
            if not storable(value):
                raise Rejected(f"{names[0]} holds {'a NUL character' if chr(0) in value else 'half a character'}")
            return "" if value in _ABSENT else value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        raise Rejected(f"{names[0]} is no text")
    return ""


def storable(value: str) -> bool:
    """Whether every store takes a text: it holds no NUL character and no half of one (a lone surrogate)."""
    if "\x00" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def needed(record: Record, *names: str) -> str:
    """A text that must be there.

    Raises:
        Rejected: it is missing, or no text.
    """
    value = text(record, *names)
    if not value:
        raise Rejected(f"{names[0]} is missing")
    return value


def number(record: Record, *names: str) -> float | None:
    """A finite number, or None where there is none.

    Raises:
        Rejected: it is no number.
    """
    value = first(record, *names)
    if value is None or (isinstance(value, str) and value in _ABSENT):
        return None
    if not isinstance(value, (int, float, str, Decimal)) or isinstance(value, bool):
        raise Rejected(f"{names[0]} is no number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise Rejected(f"{names[0]} is no number") from None
    if not math.isfinite(found):
        raise Rejected(f"{names[0]} is no number")
    return found


def count(record: Record, *names: str) -> int | None:
    """A count of tokens, or None where there is none.

    Raises:
        Rejected: it is no whole number, negative, or more than anybody can have meant.
    """
    for name in names:
        value = record.get(name)
        if value is None or value == "":
            continue
        if type(value) is not int:
            found = number(record, *names)
            if found is None:
                return None
            if not found.is_integer():
                raise Rejected(f"{names[0]} is no whole number")
            value = int(found)
        if not 0 <= value <= _MOST_TOKENS:
            raise Rejected(f"{names[0]} is out of range")
        return value
    return None


def boolean(record: Record, *names: str) -> bool:
    """Whether a field says yes; logs write it as true, "True", "1" and the like."""
    value = first(record, *names)
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in {"true", "t", "1", "yes"})


def moment_us(record: Record, *names: str) -> int | None:
    """A moment as microseconds since the epoch, or None where there is none. Without an offset it is UTC.

    Raises:
        Rejected: it is no time.
    """
    value = first(record, *names)
    if value is None or (isinstance(value, str) and value in _ABSENT):
        return None
    if isinstance(value, str):
        value = _parsed_moment(value, names[0])
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise Rejected(f"{names[0]} is no time")
    # Seconds until the year 5138 are below 1e11; milliseconds of any date after 1973 are above it, and so on.
    us = int(value * (1e6 if value < 1e11 else 1e3 if value < 1e14 else 1 if value < 1e17 else 1e-3))
    if us > _LAST_US:
        raise Rejected(f"{names[0]} is no time")
    return us


def _parsed_moment(value: str, name: str) -> datetime | float:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        raise Rejected(f"{name} is no time") from None


def started_us(record: Record, *names: str) -> int:
    """The moment at which a call began.

    Raises:
        Rejected: it is missing, before 1970, or no time.
    """
    found = moment_us(record, *names)
    if found is None:
        raise Rejected(f"{names[0]} is missing")
    if found < 0:
        raise Rejected(f"{names[0]} is no time")
    return found


def span_ms(start_us: int | None, end_us: int | None) -> float | None:
    """The time between two moments, or None where one is missing or they run backwards."""
    if start_us is None or end_us is None or end_us < start_us:
        return None
    return (end_us - start_us) / 1000.0


def money(record: Record, *names: str) -> str:
    """An amount of US dollars in plain exact digits, "" where none is stated.

    Raises:
        Rejected: it is no amount.
    """
    value = first(record, *names)
    if value is None or (isinstance(value, str) and value in _ABSENT):
        return ""
    try:
        amount = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        raise Rejected(f"{names[0]} is no amount of money") from None
    if not amount.is_finite() or abs(amount) >= Decimal(10) ** 18:
        raise Rejected(f"{names[0]} is no amount of money")
    plain = f"{amount:f}"
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0"


def embedded(value: Any) -> Any:
    """What a field holds that may stand there as JSON text, as tables and some databases keep it.

    Text that is no JSON object, list or text stays as it is: an answer of `42` is that text, not a number.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        try:
            return _decode(value)
        except UNREADABLE:
            return value
    return value


def mapping(record: Record, *names: str) -> Record:
    """A field that holds an object, as itself or as JSON text; empty where there is none or it is no object."""
    for name in names:
        value = record.get(name)
        if value is None or value == "":
            continue
        if type(value) is not dict:
            value = embedded(value)
        return value if isinstance(value, dict) else _NOTHING
    return _NOTHING


def listing(value: Any) -> list[Any]:
    """A field that holds a list, as itself or as JSON text; empty where there is none or it is no list."""
    found: Any = embedded(value)
    return found if isinstance(found, list) else []


def encoded(body: Any) -> bytes:
    """A body as JSON, compact.

    Raises:
        Rejected: it holds what JSON cannot say (half a character, a number that is none).
    """
    try:
        return _encode(body)
    except (ValueError, TypeError, RecursionError, msgspec.MsgspecError):
        raise Rejected("a body cannot be written as JSON") from None


def tagged(tags: dict[str, str], name: str, value: str) -> None:
    """Put a tag where there is something to put; what is longer than a label ever is gets cut."""
    if value:
        tags[name] = value[:_LONGEST_TAG]


def words(value: Any) -> str:
    """A list of short texts as one tag, `a,b`; "" where there is none."""
    return ",".join(one for one in listing(value) if isinstance(one, str) and one and storable(one))


def key_label(value: str) -> str:
    """A short name that is always the same for the same key, from which nobody gets the key or its digest."""
    return f"key-{hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()[:8]}" if value else ""


def traceparent(trace: str, parent: str) -> str:
    """The W3C trace context of a call, from what its log calls the trace and what encloses the call in it.

    Names that are no ids of that form become such by a digest, always the same one; "" without a trace. Where nothing
    encloses the call, its trace stands for it.
    """
    if not trace:
        return ""
    return f"00-{_hexadecimal(trace, 32)}-{_hexadecimal(parent or trace, 16)}-01"


def _hexadecimal(name: str, digits: int) -> str:
    found = name.replace("-", "").lower()
    if len(found) == digits and found.strip("0") and _is_hexadecimal(found):
        return found
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:digits]
