"""The files around a writer: it never waits for one to be synced, folded or made, and each of them is closed."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call

from freehold.ledger import Ledger, _hot_files
from freehold.ledger._hot import finish
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def listed(home: Path) -> list[tuple[bool, int]]:
    """The hot files in the order in which they were made: closed or not, and calls."""
    files = sorted(Ledger(home)._manifest.listing().hot, key=lambda entry: entry.name)
    return [(entry.closed, entry.rows) for entry in files]


def offer(writer: LedgerWriter, numbers: range) -> None:
    for n in numbers:
        writer.mark()
        assert writer.offer(make_call(n))
    assert writer.flush()


def test_calls_are_written_while_a_file_is_being_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folding, go = threading.Event(), threading.Event()

    def slow(path: Path) -> object:
        folding.set()
        assert go.wait(20)
        return finish(path)

    monkeypatch.setattr(_hot_files, "finish", slow)
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=10)) as writer:
        offer(writer, range(10))
        assert folding.wait(20)
        offer(writer, range(10, 15))
        assert Ledger(tmp_path).count() == 15
        assert [closed for closed, _ in listed(tmp_path)] == [False, False]
        go.set()
    assert listed(tmp_path) == [(True, 10), (True, 5)]


def test_what_cannot_be_folded_is_told_tried_again_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()
    broken.set()

    def failing(path: Path) -> object:
        if broken.is_set():
            raise sqlite3.OperationalError("disk I/O error")
        return finish(path)

    monkeypatch.setattr(_hot_files, "finish", failing)
    monkeypatch.setattr(_hot_files, "BACKOFF_S", (0.001,))
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=10)) as writer:
        offer(writer, range(25))
        until(lambda: writer.health().last_error == "io")
        assert writer.health().since_us > 0
        assert Ledger(tmp_path).count() == 25
        broken.clear()
        until(lambda: writer.health().ok)
        assert writer.health().written == 25
    assert sum(rows for _, rows in listed(tmp_path)) == 25
    assert all(closed for closed, _ in listed(tmp_path))
    assert Ledger(tmp_path).losses().dropped == 0


def test_the_next_file_is_made_before_this_one_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hot_files, "_MANY_ROWS", 1)
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=16)) as writer:
        offer(writer, range(13))
        assert len(listed(tmp_path)) == 1
        offer(writer, range(13, 14))
        until(lambda: len(listed(tmp_path)) == 2)
        offer(writer, range(14, 16))
        until(lambda: listed(tmp_path) == [(True, 16), (False, 0)])
        offer(writer, range(16, 17))
        assert len(listed(tmp_path)) == 2, "it is the one that the next calls go to"
    assert listed(tmp_path) == [(True, 16), (True, 1)]
    assert Ledger(tmp_path).count() == 17


def test_a_file_made_ready_is_closed_with_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever asks for all files to be closed, and at the end; sealing takes one that stayed empty."""
    monkeypatch.setattr(_hot_files, "_MANY_ROWS", 1)
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=16)) as writer:
        offer(writer, range(14))
        until(lambda: len(listed(tmp_path)) == 2)
        Ledger(tmp_path)._layout.rotate.touch()
        until(lambda: listed(tmp_path) == [(True, 14), (True, 0)])
        offer(writer, range(14, 29))
        until(lambda: len(listed(tmp_path)) == 4)
    assert listed(tmp_path) == [(True, 14), (True, 0), (True, 15), (True, 0)]
    ledger = Ledger(tmp_path)
    ledger.seal(remove_after_s=0)
    assert (ledger.count(), listed(tmp_path), ledger.doctor()) == (29, [], [])


@pytest.mark.fault("host", "power cut")
@pytest.mark.parametrize(("synchronous", "synced"), [("NORMAL", True), ("FULL", False)])
def test_an_open_file_is_synced_as_calls_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str, synced: bool
) -> None:
    """Where SQLite syncs every commit by itself, nobody else does."""
    real, journals, fail = os.fsync, list[int](), threading.Event()

    def noting(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().name.endswith("-wal"):
            if fail.is_set():
                raise OSError(5, "Input/output error")
            journals.append(os.fstat(handle).st_size)
        real(handle)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(_hot_files, "_SYNC_BYTES", 20_000)
    monkeypatch.setattr(_hot_files, "BACKOFF_S", (0.001,))
    settings = LedgerSettings(synchronous="FULL" if synchronous == "FULL" else "NORMAL")
    with LedgerWriter(tmp_path, settings) as writer:
        offer(writer, range(20))
        assert journals == []
        offer(writer, range(20, 40))
        if synced:
            until(lambda: len(journals) == 1)
            fail.set()
            offer(writer, range(40, 80))
            until(lambda: writer.health().last_error == "io")
            fail.clear()
            until(lambda: writer.health().ok)
            assert journals[-1] > journals[0] > 0
    assert bool(journals) is synced
    assert Ledger(tmp_path).count() in (40, 80)
