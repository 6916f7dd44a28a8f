"""OpenAI's Batch API: files of requests, and files of answers and errors, joined on `custom_id`.

    in    {"custom_id": ..., "method": ..., "url": ..., "body": {...}}
    out   {"id", "custom_id", "response": {"status_code", "request_id", "body": {...}}, "error": null or {"code", ...}}

Answers come in another order than requests. The requests are put into a temporary file of SQLite's, and the answers
looked up in it as they come: memory is constant, and the disk holds the requests once more for the time of the import.
`custom_id` is unique within one batch only: one that several requests bear is joined with none of them.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec

from freehold.vocabulary import BATCH_TIER

from .bodies import bare, body, content_id, fill_in, started_at_us, text_only
from .protocol import UNREADABLE, Format, Found, Guess, Head, Mark, Record, Shape, Source, why

_NOTHING = msgspec.Raw(b"")
_TOGETHER = 500
_AMBIGUOUS = "several requests bear its custom_id: import each batch by itself"
_UNANSWERED = "a request that none of the files holds an answer to"


class _Line(msgspec.Struct):
    """A line of either kind of file."""

    custom_id: str
    id: str | None = None
    url: str | None = None
    body: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING


class _Response(msgspec.Struct):
    status_code: int = 0
    request_id: str | None = None
    body: msgspec.Raw = _NOTHING


class _Joined(msgspec.Struct):
    """A line of answers with the request it belongs to: what `read` takes."""

    answer: _Line
    url: str = ""
    request: msgspec.Raw = _NOTHING


_decode = msgspec.json.Decoder(_Line).decode
_decode_response = msgspec.json.Decoder(_Response | None).decode
_decode_joined = msgspec.json.Decoder(_Joined).decode
_encode = msgspec.json.Encoder().encode


def detect(head: Head) -> Guess | None:
    """Its records have a custom_id, and either a body with a url or a response."""
    if head.share(lambda r: "custom_id" in r and {"url", "body"} <= r.keys()) > 0.5:
        return Guess(0.98, "its records are requests of a batch, by custom_id")
    if head.share(lambda r: "custom_id" in r and "response" in r) > 0.5:
        return Guess(0.98, "its records are answers of a batch, by custom_id")
    return None


class BatchPairs:
    """The answers of several files, each with its request. Nothing of it can be read from a place in the middle."""

    shape: Shape = "jsonl"
    columns: tuple[str, ...] = ()
    identity = ""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self.name = " + ".join(source.name for source in sources)
        self.size = 2 * sum(source.size for source in sources)
        self.written_us = max(source.written_us for source in sources)
        self._done = 0

    def records(self, start: Mark = Mark()) -> Iterator[Record]:  # noqa: ARG002, B008
        """Answers with their requests, then the requests that have none. Numbers are those of lines in their files."""
        self._done = 0
        with (
            tempfile.TemporaryDirectory(prefix="freehold-") as folder,
            closing(sqlite3.connect(Path(folder) / "asked.db", isolation_level=None)) as db,
        ):
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32768"):
                db.execute(f"PRAGMA {pragma}")
            db.execute("CREATE TABLE asked (line INTEGER, custom_id TEXT, request BLOB, answered INTEGER DEFAULT 0)")
            answering: list[Source] = []
            yield from self._keep_requests(db, answering)
            db.execute("CREATE INDEX by_id ON asked (custom_id)")
            for source in answering:
                yield from self._answers(db, source)
                self._done += source.size
            for line, custom_id in db.execute("SELECT line, custom_id FROM asked WHERE NOT answered"):
                yield Record(line, _encode({"custom_id": custom_id}), Mark(), _UNANSWERED)

    def done(self) -> int:
        """How many bytes have been read; files of answers are read twice."""
        return self._done

    def _keep_requests(self, db: sqlite3.Connection, answering: list[Source]) -> Iterator[Record]:
        """Store the requests of all files; gives what is neither kind of line, and notes the files with answers."""
        for source in self._sources:
            others: list[Record] = []
            db.execute("BEGIN")
            db.executemany("INSERT INTO asked (line, custom_id, request) VALUES (?, ?, ?)", _asked(source, others))
            db.execute("COMMIT")
            yield from (one for one in others if one.fault)
            if not all(one.fault for one in others):
                answering.append(source)
            self._done += source.size

    def _answers(self, db: sqlite3.Connection, source: Source) -> Iterator[Record]:
        answers = _answered(source)
        while some := list(islice(answers, _TOGETHER)):
            ids = json.dumps([custom_id for custom_id, _ in some])
            asked: dict[str, tuple[bytes, bool]] = {}
            for custom_id, request in db.execute(
                "SELECT custom_id, request FROM asked WHERE custom_id IN (SELECT value FROM json_each(?))", (ids,)
            ):
                asked[custom_id] = (request, custom_id in asked)
            db.execute(
                "UPDATE asked SET answered = 1 WHERE custom_id IN (SELECT value FROM json_each(?)) AND NOT answered",
                (ids,),
            )
            for custom_id, record in some:
                request, several = asked.get(custom_id, (b"", False))
                data = b'{"answer":%b%b}' % (record.data.strip(), request)
                yield Record(record.number, data, record.end, _AMBIGUOUS if several else "")


def _asked(source: Source, others: list[Record]) -> Iterator[tuple[int, str, bytes]]:
    """The requests of a file, as the end of a joined record; of the others those that are refused, and one answer."""
    answers = False
    for record in source.records():
        try:
            line = _decode(record.data) if not record.fault else None
        except UNREADABLE as error:
            others.append(record._replace(data=b"", fault=why(error)))
            continue
        if line is None:
            others.append(record)
        elif not bytes(line.body):
            if not answers:
                others.append(record)
            answers = True
        else:
            yield record.number, line.custom_id, b',"url":%b,"request":%b' % (_encode(line.url or ""), line.body)


def _answered(source: Source) -> Iterator[tuple[str, Record]]:
    """The lines of a file that are answers or errors; those that cannot be read have been refused before."""
    for record in source.records():
        if record.fault:
            continue
        try:
            line = _decode(record.data)
        except UNREADABLE:
            continue
        if not bytes(line.body):
            yield line.custom_id, record


def join(sources: Sequence[Source]) -> Source:
    """All files of batches as one source."""
    return BatchPairs(sources)


def read(record: bytes) -> tuple[Found]:
    """The call of an answer and its request."""
    joined = _decode_joined(record)
    line = joined.answer
    got = (_decode_response(line.response) if bytes(line.response) else None) or _Response()
    request, response = body(joined.request), body(got.body)
    failed = not response or bytes(line.error) not in (b"", b"null")
    if not response:
        response = b'{"error":%b}' % (bytes(line.error) or b"null") if failed and bytes(line.error) else b""
    call_id = line.id or got.request_id or content_id(record)
    call = bare(call_id, request, response, tags={"custom_id": line.custom_id})
    answer = fill_in(call, joined.url)
    made = answer.created or answer.created_at
    if made is not None:
        call.started_at_us = started_at_us(made)
    if call.usage is not None:
        call.usage = msgspec.structs.replace(call.usage, service_tier=BATCH_TIER)
    if failed or not 200 <= (got.status_code or 200) < 300:
        call.outcome, call.owner, call.error = "error", "none", "upstream_failed"
    call.status = got.status_code or call.status
    text_only(call.id, call.model, line.custom_id)
    return (Found(call),)


BATCH = Format(
    "openai-batch",
    "requests and answers of the Batch API, files of both given together",
    detect,
    read,
    lacks=("a batch says nothing of how long a call took: latency is unknown",),
    join=join,
)
