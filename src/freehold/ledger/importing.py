"""Reading existing logs into the ledger. So far one format: "calls", one JSON object a line.

    id           str, unique
    started_at   RFC 3339 (without an offset: UTC), or seconds, milliseconds or microseconds since the epoch
    latency_ms   number, request to last byte; missing: 0, unknown
    provider     str, optional
    dialect      str, optional: the API that was called, openai.chat where it is missing
    request      body of the request, an object
    response     body of its answer, usage included
    gold         str, optional: the right answer, where a person gave one
    task         str, optional: the task, where the caller named it
    tags         object of str, optional
    freehold     what `export_calls` adds

Bodies are kept byte for byte. Plain or gzip, with or without a byte order mark, LF or CRLF. A line that cannot be read
is reported by number and reason, never by content, and the rest is imported.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import math
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import msgspec

from freehold.errors import BadLog, NotFound
from freehold.vocabulary import Call, Feedback
from freehold.wire.known import CHAT, DIALECTS, dialect

from . import feedback
from ._store import Ledger
from .exporting import Extra, export_calls

__all__ = ["FORMAT", "ImportReport", "export_calls", "import_file", "started_at_us"]

FORMAT = "calls"
MAX_LINE_BYTES = 64 * 1024 * 1024
_EXAMPLES = 10
_HOPELESS_LINES = 200  # a file whose first so many lines are no JSON objects is no log: do not read gigabytes of it
_PROGRESS_LINES = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HINT = 'freehold import reads the format "calls", one JSON object a line with id, started_at, request and response'


class ImportReport(msgspec.Struct, frozen=True):
    """What an import did.

    `read` counts lines that are not blank = added + duplicates + rejected. `examples` are the first rejected lines:
    line number and reason, without content.
    """

    format: str
    read: int
    added: int
    duplicates: int
    rejected: int
    examples: tuple[tuple[int, str], ...] = ()


class _Line(msgspec.Struct):
    id: str
    started_at: datetime | int | float
    request: msgspec.Raw
    response: msgspec.Raw = msgspec.Raw(b"")
    latency_ms: float | None = None
    provider: str | None = None
    dialect: str | None = None
    gold: str | None = None
    task: str | None = None
    tags: dict[str, str] | None = None
    freehold: Extra | None = None


_NOTHING = msgspec.Raw(b"")


class _Request(msgspec.Struct):
    model: str = ""
    messages: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    prompt: msgspec.Raw = _NOTHING
    stream: bool | None = None


_Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Usage(msgspec.Struct):
    """Counts that no provider can have meant are an error of the log, not zero tokens."""

    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None


class _Response(msgspec.Struct):
    model: str | None = None
    choices: msgspec.Raw = _NOTHING
    output: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING
    content: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    usage: _Usage | None = None


class _Form(msgspec.Struct, frozen=True):
    """How a dialect's bodies are known: the request's field and how its value may begin, and the answer's list."""

    asked: str
    begins: tuple[bytes, ...]
    answered: str


_FORMS = {
    "openai.chat": _Form("messages", (b"[",), "choices"),
    "openai.responses": _Form("input", (b"[", b'"'), "output"),
    "openai.completions": _Form("prompt", (b"[", b'"'), "choices"),
    "openai.embeddings": _Form("input", (b"[", b'"'), "data"),
    "anthropic.messages": _Form("messages", (b"[",), "content"),
}


class _Rejected(ValueError):
    """A line that cannot be imported; its text is the reason, without content."""


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_request = msgspec.json.Decoder(_Request).decode
_decode_response = msgspec.json.Decoder(_Response).decode


def import_file(ledger: Ledger, path: Path, *, progress: Callable[[int, int], None] | None = None) -> ImportReport:
    """Import a log; importing it again adds nothing.

    `progress(done_bytes, total_bytes)` is called now and then, and once at the end.

    Raises:
        NotFound: there is no such file.
        BadLog: it is no log: not one line of it can be read.
        LedgerUnavailable: the ledger cannot be written.
    """
    if not path.is_file():
        raise NotFound(f"{path} is no file", hint="give the path of a log")
    total = path.stat().st_size
    reader = _Reader(progress, total, ledger.home)
    with path.open("rb") as file:
        _refuse_foreign(file.read(4))
        file.seek(0)
        appended = ledger.append(reader.calls(file))
        reader.keep_feedback()
    if reader.read and not (appended.added or appended.duplicates):
        line, reason = reader.examples[0]
        raise BadLog(f"{path.name} is no log that can be read: line {line}: {reason}", hint=_HINT)
    if progress is not None:
        progress(total, total)
    return ImportReport(
        FORMAT, reader.read, appended.added, appended.duplicates, reader.rejected, tuple(reader.examples)
    )


def read_calls(path: Path) -> Iterator[Call]:
    """The calls of a log, in its order, without importing them; lines that cannot be read are left out.

    Raises:
        NotFound: there is no such file.
        BadLog: it is no log: none of its first lines can be read.
    """
    if not path.is_file():
        raise NotFound(f"{path} is no file", hint="give the path of a log")
    with path.open("rb") as file:
        _refuse_foreign(file.read(4))
        file.seek(0)
        yield from _Reader(None, 0, None).calls(file)


class _Reader:
    """Turns the lines of one file into calls and counts those that it cannot."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int, home: Path | None) -> None:
        self.read = 0
        self.rejected = 0
        self.examples: list[tuple[int, str]] = []
        self._progress = progress
        self._total = total
        self._home = home
        self._said: list[Feedback] = []

    def keep_feedback(self) -> None:
        """Keep what the lines read so far say that people said."""
        if self._said and self._home is not None:
            feedback.restore(self._home, self._said)
        self._said.clear()

    def calls(self, file: BinaryIO) -> Iterator[Call]:
        """The calls of a file, gzip or not."""
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        lines = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if zipped else file
        number = 0
        try:
            for number, line in enumerate(_lines(lines), 1):
                if number % _PROGRESS_LINES == 0 and self._progress is not None:
                    self._progress(file.tell(), self._total)
                if not line or line.isspace():
                    continue
                self.read += 1
                try:
                    call, said = _read(line)
                except _Rejected as error:
                    self._reject(number, str(error))
                    continue
                self._said += said
                if len(self._said) >= _PROGRESS_LINES:
                    self.keep_feedback()
                yield call
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.read += 1
            self._reject(number + 1, "the compressed file is damaged or ends early; nothing after this can be read")

    def _reject(self, number: int, reason: str) -> None:
        self.rejected += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append((number, reason))
        if self.rejected == self.read == _HOPELESS_LINES:
            first, why = self.examples[0]
            raise BadLog(
                f"this is no log that can be read: none of its first {_HOPELESS_LINES} lines is a call;"
                f" line {first}: {why}",
                hint=_HINT,
            )


def read_line(line: bytes) -> Call:
    """The call of one line.

    Raises:
        _Rejected: it cannot be read; the reason holds no content.
    """
    return _read(line)[0]


def _read(line: bytes) -> tuple[Call, tuple[Feedback, ...]]:
    """The call of one line, and what was said of it."""
    try:
        parsed = _decode_line(line)
        extra = parsed.freehold
        request, response = _bodies(parsed, extra)
        _text_only(parsed.id, parsed.task, parsed.gold)
        if not parsed.id:
            raise _Rejected("id is empty")
        call = Call(
            id=parsed.id,
            started_at_us=started_at_us(parsed.started_at),
            latency_ms=_latency_ms(parsed.latency_ms),
            dialect=_dialect(parsed.dialect),
            provider=parsed.provider or "",
            model="",
            request=request,
            response=response,
            task=parsed.task or "",
            gold=parsed.gold,
            tags=parsed.tags or {},
            source="import",
        )
        if extra is None:
            _fill_in(call)
        else:
            _restore(call, extra)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _Rejected(_reason(error)) from None
    return call, _said(call, extra)


def _said(call: Call, extra: Extra | None) -> tuple[Feedback, ...]:
    """What an export wrote down, under this call's id, whatever id it states."""
    if extra is None:
        return ()
    return tuple(msgspec.structs.replace(one, call_id=call.id) for one in extra.feedback)


def _bodies(line: _Line, extra: Extra | None) -> tuple[bytes, bytes]:
    request, response = bytes(line.request), bytes(line.response)
    if extra is not None:
        try:
            if extra.request_base64 is not None:
                request = base64.b64decode(extra.request_base64, validate=True)
            if extra.response_base64 is not None:
                response = base64.b64decode(extra.response_base64, validate=True)
        except (binascii.Error, ValueError):
            raise _Rejected("a body in base64 is damaged") from None
    elif not response or response == b"null":
        raise _Rejected("response is missing")
    return request, response


def _dialect(name: str | None) -> str:
    if name is None:
        return CHAT.name
    if name not in DIALECTS:
        raise _Rejected(f"dialect is none of {', '.join(sorted(DIALECTS))}")
    return name


def _fill_in(call: Call) -> None:
    """What the bodies of a foreign call say of it."""
    form = _FORMS[call.dialect]
    request = _decode_request(call.request)
    if not bytes(getattr(request, form.asked)).startswith(form.begins):
        raise _Rejected(f"request.{form.asked} is missing or of another kind")
    response = _decode_response(call.response)
    failed = bytes(response.error) not in (b"", b"null")
    if not failed and not bytes(getattr(response, form.answered)).startswith(b"["):
        raise _Rejected(f"response holds neither {form.answered} nor an error")
    call.model = request.model or response.model or ""
    call.streamed = bool(request.stream)
    found = dialect(call.dialect).read(call.response)
    call.usage = found.usage if found is not None else None
    if failed:
        call.outcome, call.status, call.owner, call.error = "error", 0, "none", "upstream_failed"


def _restore(call: Call, extra: Extra) -> None:
    """What `export_calls` wrote down."""
    _text_only(extra.model, extra.error, extra.key, extra.reason)
    call.model, call.owner = extra.model, extra.owner
    call.outcome, call.status, call.error = extra.outcome, extra.status, extra.error
    call.usage, call.ttft_ms, call.streamed = extra.usage, extra.ttft_ms, extra.streamed
    call.dialect = call.dialect if extra.dialect is None else extra.dialect
    call.template, call.legs = extra.template, extra.legs
    call.key, call.reason = extra.key, extra.reason
    call.source = extra.source or "import"
    if not -(2**31) <= call.status < 2**31:
        raise _Rejected("freehold.status is out of range")


def started_at_us(value: datetime | float) -> int:
    """The microseconds since the epoch that a log's `started_at` means, however it was written.

    Raises:
        ValueError: it is no time.
    """
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if not math.isfinite(value) or value < 0:
        raise _Rejected("started_at is no time")
    # Seconds until the year 5138 are below 1e11; milliseconds of any date after 1973 are above it, and so on.
    scale = 1_000_000 if value < 1e11 else 1000 if value < 1e14 else 1
    at_us = int(value * scale)
    if at_us > 253_402_300_799_999_999:
        raise _Rejected("started_at is no time")
    return at_us


def _latency_ms(value: float | None) -> float:
    if value is None:
        return 0.0
    if value < 0 or not math.isfinite(value):
        raise _Rejected("latency_ms is negative or no number")
    return value


def _text_only(*texts: str | None) -> None:
    for text in texts:
        if text and "\x00" in text:
            raise _Rejected("a text field holds a NUL character")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8"
    # Where a value is quoted in the decoder's message it is content: leave it out.
    return re.sub(r"'[^']*'", "...", str(error))[:200]


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without a leading byte order mark; one that is too long comes as its first part and fails to parse."""
    first = True
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        if first and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        first = False
        yield line


def _refuse_foreign(head: bytes) -> None:
    """Tell a file that only looks like a log by its first bytes.

    Raises:
        BadLog: it is UTF-16, a JSON array, or a known binary format.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadLog("the file is UTF-16", hint="convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        raise BadLog("the file is a JSON array, not one object a line", hint="convert it: jq -c '.[]' FILE")
    if head.startswith((b"PK\x03\x04", b"PAR1", b"SQLi", b"\x28\xb5\x2f\xfd")):
        raise BadLog("the file is an archive, a Parquet file or a database", hint=_HINT)
