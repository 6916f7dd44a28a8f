"""The virtual key among a request's headers."""

from __future__ import annotations

from typing import Final

Headers = list[tuple[bytes, bytes]]
"""Lower-case names and values, in order, as the server reads them."""

_CARRIERS: Final = frozenset({b"authorization", b"x-api-key", b"api-key"})
_PREFIX: Final = b"fh-"


def presented(headers: Headers) -> bytes | None:
    """The virtual key that a client sent, in any of the three headers that carry keys; the first of several."""
    for name, value in headers:
        if name in _CARRIERS:
            word = value.strip().rpartition(b" ")[2]  # after a scheme, or where it was forgotten the whole
            if word.startswith(_PREFIX):
                return word
    return None


def without_keys(headers: Headers) -> Headers:
    """The headers without those that carry a virtual key: what may go to a provider."""
    return [pair for pair in headers if pair[0] not in _CARRIERS or presented([pair]) is None]


def query_without_keys(query: bytes) -> bytes:
    """A URL's query without the fields whose value is a virtual key: such a key lets nobody in, and goes nowhere."""
    if _PREFIX not in query:
        return query
    return b"&".join(field for field in query.split(b"&") if not field.rpartition(b"=")[2].startswith(_PREFIX))
