"""Reading a client's request so that nothing of it is overlooked.

An object is read field by field; what nobody took is unknown, and an unknown field is refused, because nobody can say
that the answer would be the same without it. `null` is the same as a field that is not there, in every dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from freehold.errors import BadRequest

from ._hub import untranslatable

_decoder = msgspec.json.Decoder()


def decode(body: bytes, what: str) -> Fields:
    """The body of a request.

    Raises:
        BadRequest: it is no JSON object.
    """
    try:
        value = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("the request body is not valid JSON") from None
    if not isinstance(value, dict):
        raise BadRequest(f"the request body is not a {what}: it is no JSON object")
    return Fields(value, "", {})


class Fields:
    """One JSON object, with its place in the request.

    Args:
        value: the object.
        place: its dotted place, list items by number; "" for the request itself.
        lost: where the fields that are left out are reported, without those numbers.
    """

    __slots__ = ("_value", "lost", "place")

    def __init__(self, value: dict[str, Any], place: str, lost: dict[str, None]) -> None:
        self._value = {name: item for name, item in value.items() if item is not None}
        self.place = place
        self.lost = lost

    def at(self, name: str) -> str:
        """The place of one of its fields."""
        return f"{self.place}.{name}" if self.place else name

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def given(self, *names: str) -> dict[str, Any]:
        """Those of these fields that are there, as they came, without taking them."""
        return {name: self._value[name] for name in names if name in self._value}

    def any(self, name: str) -> Any:
        """A field of whatever type, or None."""
        return self._value.pop(name, None)

    def text(self, name: str) -> str:
        """A text, "" where it is not given."""
        return self._typed(name, str, "text") or ""

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self._typed(name, (int, float), "a whole number")
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool | float):
            self.wrong(name, "a whole number")
        return value

    def number(self, name: str) -> float | None:
        """A number."""
        value = self._typed(name, (int, float), "a number")
        if isinstance(value, bool):
            self.wrong(name, "a number")
        return value

    def flag(self, name: str) -> bool | None:
        """True or false."""
        return self._typed(name, bool, "true or false")

    def mapping(self, name: str) -> dict[str, Any] | None:
        """An object whose content goes on as it came."""
        return self._typed(name, dict, "an object")

    def items(self, name: str) -> list[Any]:
        """A list, empty where it is not given."""
        return self._typed(name, list, "a list") or []

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        values = self.items(name)
        if any(not isinstance(value, str) for value in values):
            self.wrong(name, "a list of texts")
        return values

    def object(self, name: str) -> Fields | None:
        """An object, to be read in its turn."""
        value = self.mapping(name)
        return None if value is None else Fields(value, self.at(name), self.lost)

    def objects(self, name: str) -> Iterator[Fields]:
        """A list of objects, each to be read in its turn."""
        for number, value in enumerate(self.items(name)):
            if not isinstance(value, dict):
                self.wrong(name, "a list of objects")
            yield Fields(value, f"{self.at(name)}.{number}", self.lost)

    def need(self, name: str) -> None:
        """Refuse the object where a field is missing that every such object has."""
        if name not in self._value:
            raise BadRequest(f"{self.at(name)} is missing")

    def lose(self, *names: str) -> None:
        """Leave fields out and report those that say something (not false, not empty)."""
        for name in names:
            if self._value.pop(name, None) not in (None, False, "", [], {}):
                self.report(name)

    def report(self, name: str) -> None:
        """Report a field as left out."""
        words = self.at(name).split(".")
        self.lost[".".join(word for word in words if not word.isdigit())] = None

    def ignore(self, *names: str) -> None:
        """Leave out fields that say nothing to a model: labels and states that a client sends back as it got them."""
        for name in names:
            self._value.pop(name, None)

    def refuse(self, name: str, why: str) -> NoReturn:
        """Say that the request cannot be translated because of a field."""
        raise untranslatable(self.at(name), why)

    def refuse_given(self, why: str, *names: str) -> None:
        """Refuse whichever of these fields says something (not false, not empty)."""
        for name in names:
            if self._value.pop(name, None) not in (None, False, "", [], {}):
                self.refuse(name, why)

    def wrong(self, name: str, expected: str) -> NoReturn:
        """Say that a field has a type that no provider accepts."""
        raise BadRequest(f"{self.at(name)} is not {expected}")

    def close(self) -> None:
        """Refuse what nobody took."""
        for name in self._value:
            self.refuse(name, "it is not known here, and what is not known may change the answer")

    def _typed(self, name: str, kind: Any, expected: str) -> Any:
        value = self._value.pop(name, None)
        if value is not None and not isinstance(value, kind):
            self.wrong(name, expected)
        return value


def cache_of(fields: Fields) -> str:
    """The lifetime of a `cache_control` mark, `default` where it names none, "" without a mark."""
    mark = fields.object("cache_control")
    if mark is None:
        return ""
    mark.ignore("type")
    lifetime = mark.text("ttl") or "default"
    mark.close()
    return lifetime
