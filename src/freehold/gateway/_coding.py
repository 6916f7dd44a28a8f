"""Bodies of requests that clients compressed (RFC 9110, section 8.4): what can be read is, within the limit of bodies.

Knows nothing of what they hold. Answers of providers are never compressed: `accept-encoding: identity` is asked for.
"""

from __future__ import annotations

import zlib
from typing import Final

from freehold.errors import BadRequest

from ._exchange import Headers
from ._server import body_too_large

_NAME: Final = b"content-encoding"
_READ: Final = frozenset({b"gzip", b"x-gzip", b"deflate"})
_WINDOW: Final = 15 + 32  # zlib.decompressobj: the largest window, the head of gzip or of zlib found out


class UnknownCoding(BadRequest):
    """A body is compressed in a way that the gateway does not read."""

    code = "unknown_encoding"
    status = 415
    lines = b"accept-encoding: gzip, deflate\r\n"


def decoded(headers: Headers, body: bytes, most: int) -> tuple[Headers, bytes]:
    """Headers and body of a request as if it had not been compressed; the same ones where it is not.

    Args:
        headers: those of the request.
        body: as it came.
        most: bytes that it may come to.

    Raises:
        UnknownCoding: it is compressed with something else than gzip or deflate, or more than once.
        BodyTooLarge: it comes to more than `most` bytes.
        BadRequest: it is not what its header says.
    """
    coding = b",".join(value for name, value in headers if name == _NAME).strip().lower()
    if coding in {b"", b"identity"}:
        return headers, body
    if coding not in _READ:
        raise UnknownCoding(
            "the request body is compressed in a way that is not read here", hint="send it as gzip or uncompressed"
        )
    reader = zlib.decompressobj(_WINDOW)
    try:
        plain = reader.decompress(body, most + 1)
    except zlib.error:
        raise BadRequest(f"the request body is not the {coding.decode()} that its header says") from None
    if len(plain) > most:
        raise body_too_large(most)
    if not reader.eof:
        raise BadRequest(f"the request body's {coding.decode()} breaks off")
    return [pair for pair in headers if pair[0] != _NAME], plain
