"""How an import is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ._output import count, dim, emit, say, strong, warn

if TYPE_CHECKING:
    from freehold.ledger.importing import Content, Imported, ImportReport

_MOST_NAMES = 6
_INDENT = "  "


def emit_import(done: Imported) -> None:
    """Write it as one JSON document to stdout, with the sums over all logs."""
    emit(
        "freehold.import/2",
        dry_run=done.dry_run,
        read=done.read,
        added=done.added,
        duplicates=done.duplicates,
        rejected=done.rejected,
        logs=done.logs,
        unread=done.unread,
    )


def imported(done: Imported) -> None:
    """Say what came in, log by log, and what cannot be done with it."""
    for log in done.logs:
        _log(log, dry_run=done.dry_run)
    for file in done.unread:
        say(dim(f"not a log: {file.file}: {file.reason}"))
    if len(done.logs) > 1:
        say(f"{len(done.logs)} logs: ", _sums(done, dry_run=done.dry_run))


def _sums(one: Imported | ImportReport, *, dry_run: bool) -> str:
    added = "calls would be added" if dry_run else "calls added"
    return f"{count(one.read)} records read, {count(one.added)} {added}, {count(one.duplicates)} already there"


def _log(log: ImportReport, *, dry_run: bool) -> None:
    say(strong(log.log), f" is read as {log.format}: {log.reason}")
    if log.continued_after:
        say(_INDENT, f"continued after record {log.continued_after:,}, where an import was interrupted")
    say(_INDENT, _sums(log, dry_run=dry_run))
    if log.skipped:
        say(_INDENT, f"{count(log.skipped)} records are no calls, and were left out")
    if log.content.calls:
        _content(log.content)
    for sentence in (*log.shortcomings, *log.lacks):
        say(_INDENT, warn("note: "), sentence)
    if log.rejected:
        say(
            _INDENT,
            warn(f"{count(log.rejected)} record{'' if log.rejected == 1 else 's'} could not be read"),
            "; the first of them:",
        )
        for number, reason in log.examples:
            say(_INDENT * 2, f"record {number}: {reason}")


def _content(content: Content) -> None:
    if content.first_us is not None and content.last_us is not None:
        say(_INDENT, f"from {_day(content.first_us)} to {_day(content.last_us)} UTC")
    say(_INDENT, "models: ", _names(content.models))
    if set(content.providers) != {""}:
        say(_INDENT, "providers: ", _names(content.providers))
    if content.tokens:
        sums = ", ".join(f"{count(n)} {name.removesuffix('_tokens')}" for name, n in content.tokens.items())
        say(_INDENT, "tokens: ", sums.replace("_", " "))
    say(_INDENT, f"with request and answer: {count(content.complete)} of {count(content.calls)} calls")


def _day(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")


def _names(counts: Mapping[str, int]) -> str:
    names = sorted(counts, key=lambda name: (-counts[name], name))
    told = [f"{name or 'not named'} ({count(counts[name])})" for name in names[:_MOST_NAMES]]
    more = len(names) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
