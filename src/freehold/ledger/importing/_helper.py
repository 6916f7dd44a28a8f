"""A process that reads records for an import: `python -m freehold.ledger.importing._helper FORMAT`.

Its standard input is a socket to the import, which sends shares and is sent the outcomes of their records (none at all
for a piece that cannot be cut), each as a frame: eight bytes that say how long it is, and msgpack. The first frame it
sends is empty: it is there. It keeps nothing, and ends when the socket does, whatever became of the import.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys

import msgspec

from ._outcome import Outcome, outcome
from ._shares import Portable, Uncut
from .known import format_named
from .protocol import Format

_HEAD = 8


def send(to: socket.socket, frame: bytes) -> None:
    """Send a frame. Raises OSError where nobody is there any more."""
    to.sendall(len(frame).to_bytes(_HEAD, "big"))
    to.sendall(frame)


def receive(there: socket.socket) -> bytearray:
    """The next frame. Raises EOFError or OSError where nobody is there any more."""
    return _exactly(there, int.from_bytes(_exactly(there, _HEAD), "big"))


def _exactly(there: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        # All of it in one call of the system: it need not get the interpreter back in between.
        got = there.recv_into(view, 0, socket.MSG_WAITALL)
        if not got:
            raise EOFError
        view = view[got:]
    return data


def serve(there: socket.socket, name: str) -> None:
    """Read records of a format until nobody asks any more."""
    form = format_named(name)
    decode = msgspec.msgpack.Decoder(Portable).decode
    encode = msgspec.msgpack.Encoder().encode
    send(there, b"")
    while True:
        send(there, encode(_read(form, decode(receive(there)))))


def _read(form: Format, share: Portable) -> list[Outcome] | None:
    try:
        return [outcome(form, record) for record in share.records()]
    except Uncut:
        return None


def main() -> None:
    """Serve on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(100_000)  # records are trees, not cycles: looking for these takes a twentieth of the time
    with socket.socket(fileno=os.dup(0)) as there, contextlib.suppress(EOFError, OSError):
        serve(there, sys.argv[1])


if __name__ == "__main__":
    main()
