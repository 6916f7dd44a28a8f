"""Formats of strings: a pattern for each, a calendar or a checksum where there is one.

Names are those of JSON Schema (draft 2020-12, section 7.3) where it has one; `number-text`, `integer-text`, `time-text`
and `phone` are ours. Where a text fits several, the first of `FORMATS` counts: the narrowest.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Final

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})")
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?")
_EMAIL = re.compile(r"[^\s@<>,;]{1,64}@(?:[\w-]{1,63}\.)+[\w-]{2,63}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URI = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]{1,30}://|mailto:|urn:)\S+")
_INTEGER = re.compile(r"[+-]?\d{1,30}")
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:[.,]\d{1,30})?")
_PHONE = re.compile(r"\+\d[\d ().-]{6,20}\d")
_MOST_CHARS = 2_048


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat, text)


def _is_date_time(text: str) -> bool:
    if _DATE_TIME.fullmatch(text) is None:
        return False
    return _parses(datetime.fromisoformat, f"{text[:10]}T{text[11:19]}")


def _is_ip(text: str) -> bool:
    return len(text) <= 45 and _parses(ipaddress.ip_address, text)


def _parses(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _fully(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "date": _is_date,
    "date-time": _is_date_time,
    "time-text": _fully(_TIME),
    "uuid": _fully(_UUID),
    "email": _fully(_EMAIL),
    "ip": _is_ip,
    "phone": _fully(_PHONE),
    "uri": _fully(_URI),
    "integer-text": _fully(_INTEGER),
    "number-text": _fully(_NUMBER),
}
"""Whether a text has a format, by its name; narrow ones first."""


def keeps(name: str, text: str) -> bool:
    """Whether a text has the format of that name; a name that nobody knows constrains nothing."""
    known = FORMATS.get(name)
    return known is None or (len(text) <= _MOST_CHARS and known(text))


def common(texts: Sequence[str], least: int) -> str:
    """The narrowest format that every one of at least `least` texts has, "" where there is none."""
    if len(texts) < least:
        return ""
    return next((name for name in FORMATS if all(keeps(name, text) for text in texts)), "")
