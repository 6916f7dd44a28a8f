"""`application/vnd.amazon.eventstream`: binary frames with headers, a payload and two checksums.

Reading is left to botocore (the extra `bedrock`), which is imported when the first stream is read. Writing is for tests
and for servers that stand in for Bedrock. The layout is that of Amazon's public description of the format: lengths of
the frame and of its headers, a checksum of these, the headers, the payload, a checksum of everything.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from freehold.errors import MissingPrerequisite, UpstreamFailed

_STRING = 7
_OVERHEAD = 16  # prelude of 12 bytes, checksum of 4


class Frame(NamedTuple):
    """One frame. Headers that are no text are left out: Bedrock sends none that matter here."""

    headers: dict[str, str]
    payload: bytes


class FrameReader:
    """Turns a stream of bytes into frames, however the bytes were split.

    Raises:
        MissingPrerequisite: botocore is not installed.
    """

    def __init__(self) -> None:
        try:
            from botocore.eventstream import EventStreamBuffer, ParserError
        except ImportError:
            raise MissingPrerequisite(
                "streams of AWS Bedrock cannot be read without botocore", hint="pip install 'freehold[bedrock]'"
            ) from None
        self._buffer = EventStreamBuffer()
        self._broken = ParserError

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete.

        Raises:
            UpstreamFailed: a checksum is wrong, or a length is beyond all measure. The frames before have been given.
        """
        if data:
            self._buffer.add_data(data)
        try:
            for message in self._buffer:
                headers = {name: value for name, value in message.headers.items() if isinstance(value, str)}
                yield Frame(headers, bytes(message.payload))
        except (self._broken, ValueError, KeyError, IndexError, struct.error):
            raise UpstreamFailed("a frame of the provider's stream is damaged") from None


def encode_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame with text headers, as Bedrock sends `:message-type`, `:event-type` and `:content-type`."""
    head = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    lengths = struct.pack("!II", len(head) + len(payload) + _OVERHEAD, len(head))
    frame = lengths + struct.pack("!I", zlib.crc32(lengths)) + head + payload
    return frame + struct.pack("!I", zlib.crc32(frame))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", _STRING, len(value)) + value
