"""A worker process: reads questions from a socket, answers them in batches, ends when the other side is gone.

`python -m freehold.serving.worker --fd N --home HOME`. Started by `StudentHost`, never by a person. Holds no keys of
providers and opens no connection; writes nothing anywhere.
"""

from __future__ import annotations

import argparse
import importlib
import os
import select
import signal
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from freehold.errors import FreeholdError, UpstreamFailed

from ._frames import Answered, Ask, Failed, Frames, Load, Loaded, Reply, Request, decode_request, encode

if TYPE_CHECKING:
    from ._students import Loader, Students

DEFAULT_LOADER: Final = "freehold.students.runtime:load"
THREAD_CAPS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""One thread per worker: more workers scale better than threads that fight for the gateway's cores."""
MAX_BATCH: Final = 64
_READ_BYTES: Final = 256 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the host closes its end. Returns the exit status: 0 closed, 1 broken stream, 2 cannot start."""
    parser = argparse.ArgumentParser(prog="freehold.serving.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--loader", default=DEFAULT_LOADER)
    options = parser.parse_args(arguments)
    for name in THREAD_CAPS:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which then closes us.
    _be_killed_first()
    connection = socket.socket(fileno=options.fd)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    try:
        from ._students import Students

        students = Students(options.home, _find_loader(options.loader))
    except Exception as error:  # noqa: BLE001 - whatever it is, the host must hear of it before this process ends
        connection.sendall(encode(_failed(0, error, about_student=False)))
        return 2
    try:
        _serve(connection, students)
    except (UpstreamFailed, OSError):
        return 1
    return 0


def _serve(connection: socket.socket, students: Students) -> None:
    """Read whatever has arrived, answer it as batches, write all replies at once."""
    frames = Frames()
    while data := connection.recv(_READ_BYTES):
        requests = [decode_request(content) for content in frames.feed(data)]
        for part in _parts(requests):
            replies = b"".join(encode(reply) for reply in _replies(part, students))
            if replies:
                connection.sendall(replies)


def _parts(requests: list[Request]) -> Iterable[list[Request]]:
    """At most `MAX_BATCH` at a time, so that the first of many does not wait for the last."""
    return (requests[start : start + MAX_BATCH] for start in range(0, len(requests), MAX_BATCH))


def _replies(requests: list[Request], students: Students) -> list[Reply]:
    replies: list[Reply] = []
    asks: dict[tuple[str, str], list[Ask]] = defaultdict(list)
    for request in requests:
        if isinstance(request, Load):
            failure = _load(students, request)
            replies.append(failure or Loaded(request.number))
        else:
            asks[request.student_id, request.bundle].append(request)
    for batch in asks.values():
        failure = _load(students, batch[0])
        if failure is not None:
            replies += [_renumbered(failure, ask.number) for ask in batch]
            continue
        answers = students.answer(batch[0].student_id, [ask.inputs for ask in batch])
        for ask, (answer,) in zip(batch, answers, strict=True):
            if answer is None:
                replies.append(
                    Failed(
                        ask.number, "UpstreamFailed", "the owned model failed on this call", "", "owned_failed", False
                    )
                )
            else:
                replies.append(Answered(ask.number, answer.text, answer.confidence, answer.scope, answer.model_ms))
    return replies


def _load(students: Students, request: Request) -> Failed | None:
    try:
        students.load(request.student_id, request.bundle)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a bundle that cannot be loaded must not end the others
        return _failed(request.number, error, about_student=True)
    return None


def _failed(number: int, error: Exception, *, about_student: bool) -> Failed:
    if isinstance(error, FreeholdError):
        return Failed(number, type(error).__name__, error.message, error.hint, error.error_code, about_student)
    # Only the kind of an unforeseen error: its text might hold content.
    return Failed(
        number, "BundleRefused", f"the student cannot be loaded ({type(error).__name__})", "", "", about_student
    )


def _renumbered(failure: Failed, number: int) -> Failed:
    return Failed(number, failure.error, failure.message, failure.hint, failure.code, failure.about_student)


def _find_loader(name: str) -> Loader:
    module, _, function = name.partition(":")
    return cast("Loader", getattr(importlib.import_module(module), function))


def _end_with(connection: socket.socket) -> None:
    """End this process when the host is gone, also while a student computes or hangs."""
    poller = select.poll()
    poller.register(connection.fileno(), getattr(select, "POLLRDHUP", 0) | select.POLLHUP)
    poller.poll()
    os._exit(0)


def _be_killed_first() -> None:
    """Tell Linux to sacrifice this process before the gateway when memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text("600", "ascii")
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main())
