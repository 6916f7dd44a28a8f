"""Records read by several processes, in their order.

The import itself finds records, writes calls and counts; only turning bytes into calls, which is most of the work, is
given away. What comes out is what one process would have made, in the same order, so nothing after this knows of it.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import chain
from typing import NamedTuple

import msgspec

from . import _helper
from ._outcome import Outcome, outcome
from ._shares import LARGEST_BYTES, Portable, Rest, Share, Uncut, shares
from .known import FORMATS
from .protocol import Format, Mark, Source

ALONE_BYTES = 16 * 1024 * 1024
"""So much is read before helpers are started: a small log is done before they would be there."""

MOST_HELPERS = 4
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Outcome] | None).decode


def read_all(source: Source, start: Mark, form: Format) -> Generator[Outcome]:
    """What reading the records of a source from a place on came to, in order, by one process."""
    return _outcomes(Rest(source, start), form)


def read_shared(source: Source, start: Mark, form: Format) -> Generator[Outcome]:
    """The same by several processes, where the log is long and the machine has several cores.

    A helper that dies costs nothing but time: what it had is read here.
    """
    count = min(_cores(), MOST_HELPERS)
    if count < 2 or FORMATS.get(form.name) is not form:
        yield from read_all(source, start, form)
        return
    try:
        with closing(shares(source, start)) as some:
            yield from _read(some, form, count)
    except Uncut as error:
        yield from read_all(source, error.start, form)


def _read(some: Generator[Share], form: Format, count: int) -> Generator[Outcome]:
    """What the records of shares came to. Raises `Uncut` after those before the piece that could not be cut."""
    yield from chain.from_iterable(_outcomes(share, form) for share in _first(some))
    following = next(some, None)
    if following is None:
        return
    with ExitStack() as stack:
        helpers: list[_Helper] = []
        with suppress(OSError):  # no processes to be had: it is read here
            while len(helpers) < count:
                helpers.append(stack.enter_context(closing(_Helper(form.name))))
        yield from _Sharing(form, helpers).read(chain([following], some))


def _outcomes(share: Share, form: Format) -> Generator[Outcome]:
    for record in share.records():
        yield outcome(form, record)


def _cores() -> int:
    """How many cores this process may use; what a container may use of each is not known here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _first(some: Iterator[Share]) -> Iterator[Share]:
    size = 0.0
    while size < ALONE_BYTES and (share := next(some, None)) is not None:
        size += share.size
        yield share


class _Helper:
    """A process that reads shares: one at a time, so that neither side ever waits to be heard."""

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

    def ask(self, share: Portable) -> None:
        """Give it a share. Raises OSError where it is gone."""
        _helper.send(self._socket, _encode(share))

    def answer(self) -> list[Outcome] | None:
        """What its records came to; None where it could not be cut. Raises OSError or EOFError where it is gone."""
        return _decode(_helper.receive(self._socket))

    def close(self) -> None:
        """End it; it holds nothing."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


class _Asked(NamedTuple):
    """A share, and the helper that has it; None where it is gone."""

    share: Portable
    helper: _Helper | None


class _Sharing:
    """Gives shares to helpers and takes the outcomes of their records in order."""

    def __init__(self, form: Format, helpers: list[_Helper]) -> None:
        self._form = form
        self._coming = helpers
        self._idle: list[_Helper] = []
        self._asked: deque[_Asked] = deque()

    def read(self, some: Iterable[Share]) -> Iterator[Outcome]:
        """What all of them came to. Raises `Uncut` after what came before the piece that could not be cut."""
        for share in some:
            self._welcome()
            done = self._answered() if self._asked and not self._idle else ()
            if self._idle and not isinstance(share, Rest) and share.size <= LARGEST_BYTES:
                # Before the outcomes are used: it works on meanwhile.
                self._ask(self._idle.pop(), share)
                yield from done
            else:
                yield from done
                yield from self._rest()
                yield from _outcomes(share, self._form)
        yield from self._rest()

    def _welcome(self) -> None:
        """Take helpers in that have come up."""
        for helper in [one for one in self._coming if one.there()]:
            self._coming.remove(helper)
            with suppress(OSError, EOFError):
                helper.greet()
                self._idle.append(helper)

    def _rest(self) -> Iterator[Outcome]:
        while self._asked:
            yield from self._answered()

    def _ask(self, helper: _Helper, share: Portable) -> None:
        try:
            helper.ask(share)
        except OSError:
            self._asked.append(_Asked(share, None))
        else:
            self._asked.append(_Asked(share, helper))

    def _answered(self) -> Iterable[Outcome]:
        """What the oldest share that was given away came to. Raises `Uncut`."""
        share, helper = self._asked.popleft()
        try:
            if helper is None:
                raise EOFError  # noqa: TRY301
            outcomes = helper.answer()
            self._idle.append(helper)
        except (OSError, EOFError):
            return _outcomes(share, self._form)
        # Whatever it could not cut raises here what it raised there.
        return _outcomes(share, self._form) if outcomes is None else outcomes
