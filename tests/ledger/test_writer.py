"""The writer in good times: rotation, marks, accounting, and what it must not load."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call
from tests.support.ledger_crash import Nursery

import freehold.ledger
from freehold.ledger import Ledger
from freehold.ledger._marks import Mark, peek, take
from freehold.ledger._rows import HOT_SCHEMA, body_rows, call_rows, insert
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings


def listed(home: Path) -> list[tuple[bool, int]]:
    return [(entry.closed, entry.rows) for entry in Ledger(home)._manifest.listing().hot]


def test_a_file_is_closed_after_so_many_rows(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=10)) as writer:
        for n in range(35):
            writer.offer(make_call(n))
            assert writer.flush()
    assert listed(tmp_path) == [(True, 10), (True, 10), (True, 10), (True, 5)]
    assert Ledger(tmp_path).count() == 35


def test_a_file_is_closed_after_so_long_even_when_no_call_comes(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, LedgerSettings(rotate_s=0.05)) as writer:
        writer.offer(make_call(1))
        assert writer.flush()
        deadline = time.monotonic() + 10
        while listed(tmp_path) != [(True, 1)]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert Ledger(tmp_path).seal().calls == 1


def test_marks_and_offers_are_counted_once(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        assert [writer.mark(), writer.mark(), writer.mark()] == [1, 2, 3]
        assert writer.offer(make_call(1))
        assert writer.offer(make_call(2))
        assert writer.health().answered == 3
        assert writer.offer(make_call(3))
        assert writer.offer(make_call(4))  # it never reached an answer, so it was not marked
        assert writer.flush()
        health = writer.health()
        assert (health.answered, health.written, health.dropped, health.pending) == (4, 4, 0, 0)
        (mark,) = (tmp_path / "ledger/marks").iterdir()
        assert peek(mark) == (4, 0)
        assert take(mark) is None
    assert not mark.exists()
    assert Ledger(tmp_path).losses().dropped == 0


def test_a_call_that_was_marked_and_never_offered_is_lost_and_counted(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        writer.mark()
        writer.mark()
        writer.offer(make_call(1))
    assert Ledger(tmp_path).losses().dropped == 1


def test_a_writer_that_never_saw_a_call_leaves_nothing(tmp_path: Path) -> None:
    LedgerWriter(tmp_path).close()
    assert not list((tmp_path / "ledger/marks").iterdir())
    assert Ledger(tmp_path).count() == 0


def test_several_threads_may_offer(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:

        def offer(first: int) -> None:
            for n in range(first, first + 500):
                writer.mark()
                assert writer.offer(make_call(n))

        threads = [threading.Thread(target=offer, args=(first,)) for first in range(0, 4000, 500)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert writer.flush()
        assert (writer.health().answered, writer.health().written) == (4000, 4000)
    assert Ledger(tmp_path).count() == 4000


def test_writers_of_several_processes_share_a_ledger(children: Nursery, tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        writer.offer(make_call(0))
        assert children.run("write_and_die", tmp_path, json.dumps([1, 2, 3])) == -signal.SIGKILL
        with LedgerWriter(tmp_path) as other:
            other.offer(make_call(4))
            assert other.flush()
            assert writer.flush()
            assert [call.id for call in Ledger(tmp_path).calls()] == [make_call(n).id for n in range(5)]
    assert Ledger(tmp_path).losses().dropped == 0


def test_the_next_writer_accounts_for_a_killed_one(children: Nursery, tmp_path: Path) -> None:
    assert children.run("write_and_die", tmp_path, json.dumps([1, 2, 3])) == -signal.SIGKILL
    (mark,) = (tmp_path / "ledger/marks").iterdir()
    with LedgerWriter(tmp_path) as writer:
        writer.offer(make_call(9))
        assert writer.flush()
        assert not mark.exists()
        assert listed(tmp_path)[0] == (True, 3)


def test_a_mark_that_was_lost_is_not_taken_for_no_losses(children: Nursery, tmp_path: Path) -> None:
    assert children.run("write_and_die", tmp_path, json.dumps([1, 2, 3])) == -signal.SIGKILL
    (mark,) = (tmp_path / "ledger/marks").iterdir()
    mark.unlink()
    ledger = Ledger(tmp_path)
    assert ledger.losses().unknown_writers == 1
    assert [finding.code for finding in ledger.doctor()] == ["losses_unknown"]
    assert ledger.count() == 3


def test_a_damaged_mark_is_not_taken_for_no_losses(children: Nursery, tmp_path: Path) -> None:
    assert children.run("write_and_die", tmp_path, json.dumps([1, 2, 3])) == -signal.SIGKILL
    (mark,) = (tmp_path / "ledger/marks").iterdir()
    mark.write_bytes(b"damaged")
    assert Ledger(tmp_path).losses().unknown_writers == 1
    assert Ledger(tmp_path).count() == 3


def test_a_mark_moves_its_counts_into_the_file(tmp_path: Path) -> None:
    mark = Mark(tmp_path, "w")
    for _ in range(255):
        mark.count()
    mark.prepare()
    mark.dropped = 3
    mark.adopt()
    assert mark.count() == 256
    assert peek(mark.path) == (256, 3)
    mark.close(remove=False)
    dead = take(mark.path)
    assert dead is not None
    assert dead.counts() == (256, 3)
    assert take(mark.path) is None
    dead.close(remove=True)
    assert not mark.path.exists()


def test_files_that_nobody_lists_are_removed_when_they_are_old(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([make_call(1)])
    orphans = [tmp_path / "ledger" / name for name in ("hot/left.db", "hot/left.db-wal", "segments/left.parquet.part")]
    for path in orphans:
        path.write_bytes(b"left by a kill")
    ledger.seal()
    assert all(path.exists() for path in orphans)
    for path in orphans:
        os.utime(path, (1, 1))
    assert ledger.seal().swept == 3
    assert not any(path.exists() for path in orphans)
    assert ledger.count() == 1


def test_a_backlog_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([make_call(1)])
    assert ledger.doctor() == []
    monkeypatch.setattr("freehold.ledger.doctor.BACKLOG_FILES", 0)
    assert [finding.code for finding in ledger.doctor()] == ["unsealed_backlog"]
    ledger.seal()
    assert ledger.doctor() == []


@pytest.mark.parametrize("module", ["writer", "sealing"])
def test_what_runs_beside_every_gateway_loads_nothing_heavy(module: str) -> None:
    heavy = {"duckdb", "numpy", "sqlalchemy", "scipy", "rich", "typer", "freehold.ledger._store", "freehold.wire"}
    code = f"import sys, freehold.ledger.{module}; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_everything_that_the_package_offers_can_be_had() -> None:
    for name in freehold.ledger.__all__:
        assert getattr(freehold.ledger, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = freehold.ledger.nothing


@pytest.mark.parametrize("values", [999, 32_766])
def test_a_batch_is_written_whole_however_many_values_a_statement_may_have(values: int) -> None:
    calls = [make_call(number) for number in range(700)]
    with closing(sqlite3.connect(":memory:")) as db:
        db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, values)
        for statement in HOT_SCHEMA:
            db.execute(statement)
        insert(db, "calls", call_rows(1, calls))
        insert(db, "bodies", body_rows(1, calls))
        written = db.execute("SELECT seq, id, request FROM calls JOIN bodies USING (seq) ORDER BY seq").fetchall()
    assert written == [(number, call.id, call.request) for number, call in enumerate(calls, 1)]
