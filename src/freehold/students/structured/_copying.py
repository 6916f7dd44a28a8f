"""Values that are copied from the input: how a surface becomes a value, and where a value's surface stands.

A path keeps to one transform ("copy" nearly always; "lower", "number_point", "date_dmy" ...). Nothing here is specific
to a language except the two ways of writing decimals and the three orders of numeric dates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ._answers import Json

MAX_SITES = 64
"""Places of one value in one text that are looked at; a single letter may stand in thousands."""

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"(?:(?<![\w.,])[-+\u2212])?\d+(?:[.,'\u2019\u00a0\u202f ]\d+)*")
_DATE = re.compile(r"(?<!\d)\d{1,4}([./\-])\d{1,2}\1\d{1,4}(?!\d)")


def _squash(surface: str) -> str:
    return _SPACE.sub(" ", surface)


def _number(surface: str, point: str, groups: str) -> int | float | None:
    """The number that `surface` writes, grouping marks dropped; None where it is none or too long to be one."""
    plain = surface.replace("\u2212", "-").lstrip("+")
    for mark in groups:
        plain = plain.replace(mark, "")
    plain = plain.replace(point, ".") if point != "." else plain
    if len(plain) > 17:
        return None
    try:
        return float(plain) if "." in plain else int(plain)
    except ValueError:
        return None


def _point(surface: str) -> int | float | None:
    return _number(surface, ".", ",'\u2019\u00a0\u202f ")


def _comma(surface: str) -> int | float | None:
    return _number(surface, ",", ".'\u2019\u00a0\u202f ")


def _whole(number: int | float | None) -> int | float | None:
    """Teachers write 12.00 as 12.0 or as 12; this one as 12."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _real(number: int | float | None) -> float | None:
    return None if number is None else float(number)


def _date(surface: str, order: str) -> str | None:
    fields = dict(zip(order, re.split(r"[./\-]", surface), strict=False))
    if len(fields) != 3 or len(fields["y"]) != 4:
        return None
    year, month, day = fields["y"], fields["m"], fields["d"]
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{year}-{int(month):02d}-{int(day):02d}"


TRANSFORMS: dict[str, Callable[[str], Json | None]] = {
    "copy": lambda s: s,
    "squash": _squash,
    "lower": lambda s: _squash(s).lower(),
    "upper": lambda s: _squash(s).upper(),
    "title": lambda s: _squash(s).title(),
    "capitalise": lambda s: _squash(s).capitalize(),
    "number_point": _point,
    "number_comma": _comma,
    "whole_point": lambda s: _whole(_point(s)),
    "whole_comma": lambda s: _whole(_comma(s)),
    "real_point": lambda s: _real(_point(s)),
    "real_comma": lambda s: _real(_comma(s)),
    "date_dmy": lambda s: _date(s, "dmy"),
    "date_mdy": lambda s: _date(s, "mdy"),
    "date_ymd": lambda s: _date(s, "ymd"),
}
"""Surface to value, by name; None where the surface cannot be read so. Earlier names win among equals."""


def apply(transform: str, surface: str) -> Json | None:
    """The value of a surface under a transform, or None."""
    return TRANSFORMS[transform](surface)


def sites(value: Json, text: str, transform: str) -> Iterator[tuple[int, int]]:
    """Where in `text` (start, end) a surface stands that the transform turns into `value`, from the left."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    found = 0
    for start, end in _candidates(value, text, transform):
        made = apply(transform, text[start:end])
        if type(made) is type(value) and made == value:
            yield start, end
            found += 1
            if found == MAX_SITES:
                return


def _candidates(value: str | int | float, text: str, transform: str) -> Iterator[tuple[int, int]]:
    kind = transform.partition("_")[0]
    if kind == "date":
        yield from (match.span() for match in _DATE.finditer(text))
    elif kind in ("number", "whole", "real"):
        yield from (match.span() for match in _NUMBER.finditer(text))
    elif not isinstance(value, str) or not value.strip():
        return
    elif transform == "copy":
        start = text.find(value)
        while start >= 0:
            yield start, start + len(value)
            start = text.find(value, start + 1)
    else:
        pattern = r"\s+".join(re.escape(word) for word in value.split())
        yield from (match.span() for match in re.finditer(pattern, text, re.IGNORECASE))
