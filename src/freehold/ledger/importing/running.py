"""Importing: sources are opened, their formats detected, their calls added, in constant memory.

A kill loses nothing and doubles nothing: calls are added in groups that are whole or not there, after each group the
place is written down (`_checkpoint`), and running the same import again goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from freehold.errors import BadLog
from freehold.ledger import feedback
from freehold.ledger._layout import ROTATE_BYTES, Layout
from freehold.ledger._rows import size_of
from freehold.ledger._store import Ledger
from freehold.vocabulary import UNTIMED_TAG, Call, Feedback

from ._checkpoint import Checkpoint
from ._seen import Seen
from ._sharing import read_all, read_shared
from .foreign import litellm
from .foreign.litellm_database import DatabaseSource
from .known import FORMATS, Detected, detect, format_named
from .protocol import UNTIMED_US, Format, Mark, Source
from .report import Imported, ImportReport, Unread
from .sources import FileSource, files_of, head_of

GROUP_CALLS = 50_000
"""Calls that are added at once, at most; fewer where they are large."""

_HOPELESS_RECORDS = 200  # a file whose first so many records cannot be read is no log: do not read gigabytes of it
_PROGRESS_RECORDS = 500

Progress = Callable[[str, int, int, int], None]
"""Told now and then: the log's name, its records read, and how many bytes of how many, all logs together."""


class Log(NamedTuple):
    """A source whose format is known. `named`: somebody named the file, and not a folder that it lies in."""

    source: Source
    format: Format
    reason: str
    named: bool = True


def import_logs(
    ledger: Ledger,
    paths: Sequence[Path | str],
    *,
    format_name: str = "",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Import logs, files or folders of them; importing one again adds nothing.

    Args:
        ledger: where the calls go.
        paths: files, or folders, of which every file that is a log is imported; a text is a database's address.
        format_name: what they are; "" to find out.
        dry_run: write nothing, and report what an import would do.
        progress: told how far it is.

    Raises:
        NotFound: there is no such file or folder.
        UsageError: there is no such format.
        BadLog: a file that was named is no log, or could be of several formats.
        MissingPrerequisite: a log needs an extra to be read, or its database cannot be reached.
        LedgerUnavailable: the ledger cannot be written.
    """
    logs, unread = open_logs(paths, format_name)
    total, before = sum(log.source.size for log in logs), 0
    reports: list[ImportReport] = []
    seen = Seen(ledger) if dry_run else None
    try:
        for log in logs:
            said = _told(progress, log.source, before, total)
            try:
                reports.append(_Import(ledger, log, said, seen).run())
            except BadLog as error:
                if log.named or error.error_code != BadLog.code:
                    raise
                unread.append(Unread(log.source.name, error.message))
                continue
            finally:
                before += log.source.size
            if progress is not None:
                progress(log.source.name, reports[-1].read, before, total)
    finally:
        if seen is not None:
            seen.close()
    if not reports and unread:
        raise BadLog(
            f"no file of the folder is a log; {unread[0].file}: {unread[0].reason}",
            hint="freehold import FILE --format F; docs/imports.md says what the formats look like",
        )
    return Imported(dry_run, tuple(reports), tuple(unread))


def import_file(ledger: Ledger, path: Path, *, progress: Progress | None = None) -> ImportReport:
    """Import one log, as `import_logs` does."""
    return import_logs(ledger, [path], progress=progress).logs[0]


def read_calls(path: Path) -> Iterator[Call]:
    """The calls of a log, in its order, without importing them; records that cannot be read are left out.

    Raises:
        NotFound: there is no such file.
        BadLog: it is no log: none of its first records can be read, or its format is not known.
    """
    (log,) = open_logs([path], "")[0]
    yield from chain.from_iterable(_Reading(log, ImportReport(log.source.name, log.format.name)).calls(Mark()))


def open_logs(paths: Sequence[Path | str], format_name: str) -> tuple[list[Log], list[Unread]]:
    """The logs that paths name, and the files of folders that are none. Raises what `import_logs` does."""
    wanted = format_named(format_name) if format_name else None
    logs: list[Log] = []
    unread: list[Unread] = []
    for address in paths:
        if isinstance(address, str):
            source = DatabaseSource(address)
            logs.append(Log(source, FORMATS[litellm.NAME], "it is a database"))
    for path, named in files_of(path for path in paths if isinstance(path, Path)):
        try:
            source = FileSource(path)
            found = Detected(wanted, "as you said") if wanted is not None else _detect(source)
        except BadLog as error:
            if named or error.error_code != BadLog.code:
                raise
            unread.append(Unread(str(path), error.message))
            continue
        logs.append(Log(source, found.format, found.reason, named))
    return _joined(logs), unread


def _detect(source: Source) -> Detected:
    head = head_of(source)
    return detect(head) if head.records or head.columns else Detected(FORMATS["calls"], "it is empty")


def _joined(logs: Sequence[Log]) -> list[Log]:
    """The same with files that belong together made one, where the first of them stood."""
    parts: dict[str, list[Log]] = {}
    for log in logs:
        key = log.format.name if log.format.join is not None else log.source.identity or log.source.name
        parts.setdefault(key, []).append(log)
    return [_join(some) for some in parts.values()]


def _join(logs: Sequence[Log]) -> Log:
    first = logs[0]
    if first.format.join is None:
        return first
    named = any(log.named for log in logs)
    return Log(first.format.join([log.source for log in logs]), first.format, first.reason, named)


def _told(progress: Progress | None, source: Source, before: int, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda read: progress(source.name, read, before + source.done(), total)


class _Reading:
    """Turns the records of one log into calls, and counts."""

    def __init__(self, log: Log, report: ImportReport, *, shared: bool = False) -> None:
        self.report = report
        self.mark = Mark()
        self.said: list[Feedback] = []
        self._log = log
        self._read = read_shared if shared else read_all

    def calls(self, start: Mark, each: Callable[[int], None] | None = None) -> Generator[list[Call]]:
        """The calls of each record after a place that has any; `mark` is the place after the latest of them."""
        self.mark = start
        report, content = self.report, self.report.content
        with closing(self._read(self._log.source, start, self._log.format)) as read:
            for found in read:
                report.read += 1
                self.mark = found.end
                if each is not None and report.read % _PROGRESS_RECORDS == 0:
                    each(report.read)
                if found.reason:
                    self._reject(found.number, found.reason)
                elif not found.calls:
                    report.skipped += 1
                for call in found.calls:
                    if call.started_at_us == UNTIMED_US:
                        self._date(call)
                    content.add(call)
                if found.calls:
                    self.said += found.said
                    yield found.calls

    def _date(self, call: Call) -> None:
        call.started_at_us = self._log.source.written_us
        call.tags = {**call.tags, UNTIMED_TAG: "file"}

    def _reject(self, number: int, reason: str) -> None:
        report = self.report
        report.reject(number, reason)
        if report.rejected == report.read == _HOPELESS_RECORDS:
            first, why_first = report.examples[0]
            raise BadLog(
                f"{report.log} is no log that can be read: none of its first {_HOPELESS_RECORDS} records is a call;"
                f" record {first}: {why_first}",
                hint=f"it was read as {report.format}; --format takes {', '.join(FORMATS)}",
            )


class _Import:
    """The import of one log, or what it would be."""

    def __init__(self, ledger: Ledger, log: Log, told: Callable[[int], None] | None, seen: Seen | None) -> None:
        self._ledger = ledger
        self._log = log
        self._told = told
        self._seen = seen
        self._checkpoint = Checkpoint(Layout.of(ledger.home).imports, log.source.identity, log.format.name)

    def run(self) -> ImportReport:
        """Import it, from where an interrupted run stood."""
        log = self._log
        report = ImportReport(log.source.name, log.format.name, log.reason, lacks=log.format.lacks)
        start = Mark()
        before = self._checkpoint.read() if self._seen is None else None
        if before is not None:
            start, report = before
            report.continued_after = report.read
        reading = _Reading(log, report, shared=True)
        with closing(reading.calls(start, self._told)) as calls:
            while some := _Group(calls):
                self._keep(some, reading)
        self._finish(report)
        return report

    def _keep(self, some: _Group, reading: _Reading) -> None:
        report = reading.report
        if self._seen is not None:
            added, duplicates = self._seen.count(some)
        else:
            appended = self._ledger.append(some)
            added, duplicates = appended.added, appended.duplicates
            if reading.said:
                feedback.restore(self._ledger.home, reading.said)
        reading.said.clear()
        report.added += added
        report.duplicates += duplicates
        if self._seen is None:
            self._checkpoint.write(reading.mark, report)

    def _finish(self, report: ImportReport) -> None:
        if report.rejected and report.rejected == report.read:
            number, reason = report.examples[0]
            raise BadLog(
                f"{report.log} is no log that can be read: record {number}: {reason}",
                hint=f"it was read as {report.format}; --format takes {', '.join(FORMATS)}",
            )
        report.shortcomings = report.content.shortcomings()
        if self._seen is None:
            self._checkpoint.forget()


class _Group:
    """The next calls, as many as are added at once: all of a record or none. False where there is none."""

    def __init__(self, calls: Iterator[list[Call]]) -> None:
        self._calls = calls
        self._first = next(calls, None)

    def __bool__(self) -> bool:
        return self._first is not None

    def __iter__(self) -> Iterator[Call]:
        some, number, size = self._first, 0, 0
        while some is not None:
            for call in some:
                number += 1
                size += size_of(call)
                yield call
            if number >= GROUP_CALLS or size >= ROTATE_BYTES:
                return
            some = next(self._calls, None)
