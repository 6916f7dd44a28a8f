"""What host and worker say to each other: msgpack messages, each after its length in four bytes, big-endian.

Neither side trusts the other to be well: a length beyond the limit or an unreadable message ends the connection.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from freehold.errors import UpstreamFailed

MAX_FRAME_BYTES: Final = 64 * 1024**2
_LENGTH: Final = struct.Struct(">I")


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """Answer these inputs with that student, loading it if need be."""

    number: int
    student_id: str
    bundle: str
    inputs: tuple[str, ...]


class Load(msgspec.Struct, frozen=True, array_like=True, tag="load"):
    """Verify and load a student, so that its first answer need not wait for that."""

    number: int
    student_id: str
    bundle: str


class Answered(msgspec.Struct, frozen=True, array_like=True, tag="answered"):
    """The answer to an `Ask`. `model_ms` is CPU time: this answer's share of its batch."""

    number: int
    text: str
    confidence: float
    scope: float
    model_ms: float


class Loaded(msgspec.Struct, frozen=True, array_like=True, tag="loaded"):
    """The student of a `Load` is ready."""

    number: int


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """What was asked could not be done. Carries the name of an error of `freehold.errors`; never content of a call.

    `about_student` tells a student that cannot be served at all from one answer that failed. Number 0 answers nothing:
    the worker says why it ends.
    """

    number: int
    error: str
    message: str
    hint: str
    code: str
    about_student: bool


Request = Ask | Load
Reply = Answered | Loaded | Failed

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    """One frame.

    Raises:
        UpstreamFailed: the message is longer than a frame may be.
    """
    content = _encoder.encode(message)
    if len(content) > MAX_FRAME_BYTES:
        raise UpstreamFailed(f"a message of {len(content):,} bytes is too long for a worker", code="owned_too_long")
    return _LENGTH.pack(len(content)) + content


class Frames:
    """Cuts a stream of bytes into messages, whatever the pieces it arrives in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The contents of all frames that are complete now.

        Raises:
            UpstreamFailed: a length beyond the limit: the stream is not ours, or is out of step.
        """
        self._buffer += data
        buffer, start, found = self._buffer, 0, list[bytes]()
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > MAX_FRAME_BYTES:
                raise unreadable()
            end = start + _LENGTH.size + length
            if end > len(buffer):
                break
            found.append(bytes(buffer[start + _LENGTH.size : end]))
            start = end
        del buffer[:start]
        return found


def decode_request(content: bytes) -> Request:
    """A message to a worker.

    Raises:
        UpstreamFailed: it is none.
    """
    try:
        return _requests.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise unreadable() from None


def decode_reply(content: bytes) -> Reply:
    """A message from a worker.

    Raises:
        UpstreamFailed: it is none.
    """
    try:
        return _replies.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise unreadable() from None


def unreadable() -> UpstreamFailed:
    """The error for bytes that are no message."""
    return UpstreamFailed("the other side of a worker's connection sent something unreadable", code="owned_unreadable")
