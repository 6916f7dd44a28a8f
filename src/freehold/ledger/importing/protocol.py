"""What a format of logs is: it knows itself by its first records, and turns each record into calls.

    source  --records-->  format.read  --calls-->  ledger

A source (`freehold.ledger.importing.sources`) gives records: each is the bytes of one JSON object, whatever the file
was. A line of JSONL, an element of a JSON array and an element of a page's `data` come as they stand; a row of a CSV
comes as an object of its cells that are not empty, each of them text. Rows of a database come in the same way. A
format therefore reads objects and nothing else, and is a pure function of one of them.

To add a format: write a module with one `Format` and put it into the table of `freehold.ledger.importing.known`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from freehold.vocabulary import Call, Feedback

Shape = Literal["jsonl", "json", "csv", "rows"]
"""How records stand in a source: one a line, elements of an array or a page, rows of a CSV, rows of a database."""


UNTIMED_US = -1
"""What a format says of a call's time where the record does not state it."""


class Mark(NamedTuple):
    """A place between two records.

    `offset` counts bytes of the content (after decompression), `number` the records or lines before it. `inside` is
    the depth of brackets that are open there, for JSON.
    """

    offset: int = 0
    number: int = 0
    inside: int = 0


class Record(NamedTuple):
    """One record of a source: its number (of its line, where it has one), its bytes, and the place after it.

    `fault` says why it cannot be read at all, without content; "" where it can.
    """

    number: int
    data: bytes
    end: Mark
    fault: str = ""


class Source(Protocol):
    """Something that holds records and can be read from the start as often as needed."""

    @property
    def name(self) -> str:
        """What a person calls it: a file's name."""
        ...

    @property
    def shape(self) -> Shape:
        """How its records stand."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, where it has rows."""
        ...

    @property
    def size(self) -> int:
        """Bytes to be read, for progress; 0 where nobody knows."""
        ...

    @property
    def written_us(self) -> int:
        """When it was last written, in microseconds since the epoch: the time of calls of which no time is known."""
        ...

    @property
    def identity(self) -> str:
        """Equal for the same content at the same place; "" where reading cannot go on from a place in it."""
        ...

    def records(self, start: Mark = Mark()) -> Iterator[Record]:  # noqa: B008
        """Its records from a place on, in constant memory. Damage is a record with a fault, never an exception."""
        ...

    def done(self) -> int:
        """How many of its bytes have been read."""
        ...


class Head(NamedTuple):
    """What a format may look at to know itself: the first records that are JSON objects, decoded."""

    name: str
    shape: Shape
    columns: tuple[str, ...]
    records: tuple[dict[str, Any], ...]

    def share(self, test: Callable[[dict[str, Any]], bool]) -> float:
        """The share of the records that pass; 0.0 where there are none."""
        return sum(map(test, self.records)) / len(self.records) if self.records else 0.0


class Guess(NamedTuple):
    """How sure a format is that a source is one of its own, from 0 to 1, and by what it knows."""

    confidence: float
    reason: str


class Found(NamedTuple):
    """A call of a record, and what the record says that people said of it.

    A call whose record states no time has `started_at_us` `UNTIMED_US`: it gets the time at which its source was
    written, and the tag `freehold.vocabulary.UNTIMED_TAG`. A body that the record does not hold is empty.
    """

    call: Call
    said: tuple[Feedback, ...] = ()


class Rejected(ValueError):
    """A record that cannot be imported; its text is the reason, without content.

    `found` are the calls of a record of several that could be read all the same: they come in.
    """

    def __init__(self, reason: str, found: Sequence[Found] = ()) -> None:
        super().__init__(reason)
        self.found = found


@dataclass(frozen=True)
class Format:
    """A format of logs.

    Attributes:
        name: what `--format` takes.
        title: what it is, for a person.
        detect: knows its own by the head of a source; None where it is certainly none of them.
        read: the calls of one record; none where the record is of the format and no call. Raises `Rejected`, and what
            `UNREADABLE` lists, for a record that cannot be read.
        lacks: what its calls lack whatever the log, each a sentence for a person.
        join: makes one source of several files that belong together; None where each file stands for itself.
    """

    name: str
    title: str
    detect: Callable[[Head], Guess | None]
    read: Callable[[bytes], Sequence[Found]]
    lacks: tuple[str, ...] = ()
    join: Callable[[Sequence[Source]], Source] | None = None


UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What reading somebody else's JSON may raise: `why` says it without content."""


def why(error: Exception) -> str:
    """The reason of a rejected record, without content."""
    if isinstance(error, Rejected):
        return str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeError):
        return "not valid UTF-8"
    # Where a value is quoted in the decoder's message it is content: leave it out.
    return re.sub(r"'[^']*'", "...", str(error))[:200]
