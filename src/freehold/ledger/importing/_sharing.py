"""Records read by several processes, in their order.

The import itself finds records, writes calls and counts; only turning bytes into calls, which is most of the work, is
given away. What comes out is what one process would have made, in the same order, so nothing after this knows of it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

import msgspec

from . import _helper
from ._outcome import Outcome, outcome
from .known import FORMATS
from .protocol import Format, Record

ALONE_BYTES = 16 * 1024 * 1024
"""So much is read before helpers are started: a small log is done before they would be there."""

MOST_HELPERS = 4
_BATCH_RECORDS = 250
_BATCH_BYTES = 512 * 1024
_LARGEST_BYTES = 32 * 1024 * 1024  # a batch that is larger, of one record, is read here: memory stays bounded
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Outcome]).decode

Read = tuple[Record, Outcome]


def read_all(records: Iterable[Record], form: Format) -> Generator[Read]:
    """Each record with what reading it came to, in order, by one process."""
    for record in records:
        yield record, Outcome([], [], record.fault) if record.fault else outcome(form, record.data)


def read_shared(records: Iterator[Record], form: Format) -> Generator[Read]:
    """The same by several processes, where the log is long and the machine has several cores.

    A helper that dies costs nothing but time: what it had is read here.
    """
    count = min(_cores(), MOST_HELPERS)
    if count < 2 or FORMATS.get(form.name) is not form:
        yield from read_all(records, form)
        return
    yield from read_all(_first(records), form)
    following = _batches(records)
    first = next(following, None)
    if first is None:
        return
    with contextlib.ExitStack() as stack:
        helpers: list[_Helper] = []
        with contextlib.suppress(OSError):  # no processes to be had: it is read here
            while len(helpers) < count:
                helpers.append(stack.enter_context(contextlib.closing(_Helper(form.name))))
        yield from read_all(first, form)
        yield from _Sharing(form, helpers).read(following)


def _cores() -> int:
    """How many cores this process may use; what a container may use of each is not known here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first(records: Iterator[Record]) -> Iterator[Record]:
    size = 0
    while size < ALONE_BYTES and (record := next(records, None)) is not None:
        size += len(record.data)
        yield record


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.data)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Helper:
    """A process that reads records: one batch at a time, so that neither side ever waits to be heard."""

    def __init__(self, name: str) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", _helper.__name__, name]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,  # a Ctrl-C is for the import, which then ends this
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()

    def there(self) -> bool:
        """Whether it has said that it is there, or that it never will be."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def greet(self) -> None:
        """Take that. Raises OSError or EOFError where it is gone."""
        _helper.receive(self._socket)

    def ask(self, records: list[Record]) -> None:
        """Give it records. Raises OSError where it is gone."""
        _helper.send(self._socket, _encode([record.data for record in records]))

    def answer(self) -> list[Outcome]:
        """What they came to. Raises OSError or EOFError where it is gone."""
        return _decode(_helper.receive(self._socket))

    def close(self) -> None:
        """End it; it holds nothing."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


class _Asked(NamedTuple):
    """Records, and the helper that has them; None where it is gone."""

    records: list[Record]
    helper: _Helper | None


class _Sharing:
    """Gives batches to helpers and takes their outcomes in order."""

    def __init__(self, form: Format, helpers: list[_Helper]) -> None:
        self._form = form
        self._coming = helpers
        self._idle: list[_Helper] = []
        self._asked: deque[_Asked] = deque()

    def read(self, batches: Iterator[list[Record]]) -> Iterator[Read]:
        for batch in batches:
            self._welcome()
            done = self._answered() if self._asked and not self._idle else None
            given = bool(self._idle) and sum(len(record.data) for record in batch) <= _LARGEST_BYTES
            if given:  # before the outcomes are used: it works on meanwhile
                self._ask(self._idle.pop(), batch)
            if done is not None:
                yield from zip(*done, strict=True)
            if not given:
                yield from self._rest()
                yield from read_all(batch, self._form)
        yield from self._rest()

    def _welcome(self) -> None:
        """Take helpers in that have come up."""
        for helper in [one for one in self._coming if one.there()]:
            self._coming.remove(helper)
            with contextlib.suppress(OSError, EOFError):
                helper.greet()
                self._idle.append(helper)

    def _rest(self) -> Iterator[Read]:
        while self._asked:
            yield from zip(*self._answered(), strict=True)

    def _ask(self, helper: _Helper, batch: list[Record]) -> None:
        try:
            helper.ask(batch)
        except OSError:
            self._asked.append(_Asked(batch, None))
        else:
            self._asked.append(_Asked(batch, helper))

    def _answered(self) -> tuple[list[Record], list[Outcome]]:
        """The oldest records that were given away, and what they came to."""
        records, helper = self._asked.popleft()
        try:
            if helper is None:
                raise EOFError  # noqa: TRY301
            outcomes = helper.answer()
            self._idle.append(helper)
        except (OSError, EOFError):
            return records, [found for _, found in read_all(records, self._form)]
        for at, record in enumerate(records):
            if record.fault:
                outcomes[at] = Outcome([], [], record.fault)
        return records, outcomes
