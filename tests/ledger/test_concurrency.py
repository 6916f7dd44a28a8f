"""One process writes, one seals and removes, one reads: totals are never wrong."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call
from tests.support.ledger_crash import Nursery

from freehold.errors import LedgerUnavailable
from freehold.ledger import Ledger
from freehold.ledger._hot import HotFile, finish
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings


@pytest.mark.fault("host", "two processes on one store")
@pytest.mark.slow
def test_totals_are_never_wrong_beside_a_writer_and_a_sealer(children: Nursery, tmp_path: Path) -> None:
    """The trap: a file goes between the listing and the read. Removal without any delay springs it all the time."""
    ledger, reads, loud = Ledger(tmp_path), 0, 0
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=100)) as writer:
        sealer = children.start("seal_for_ever", tmp_path)
        stop = threading.Event()
        offered = 0

        def produce() -> None:
            nonlocal offered
            while not stop.is_set():
                for _ in range(50):
                    writer.mark()
                    writer.offer(make_call(offered))
                    offered += 1
                stop.wait(0.01)

        producer = threading.Thread(target=produce)
        producer.start()
        seen, end = 0, time.monotonic() + 3
        while reads < 3 or time.monotonic() < end:
            committed = writer.health().written
            with suppress(LedgerUnavailable):
                loud += 1
                total = ledger.count()
                assert max(seen, committed) <= total <= offered
                seen = total
                ids = [call.id for call in ledger.calls(bodies=reads % 2 == 0)]
                assert ids == [make_call(n).id for n in range(len(ids))]
                assert seen <= len(ids) <= offered
                seen = len(ids)
                reads += 1
                loud -= 1
        stop.set()
        producer.join()
        assert writer.flush()
    os.kill(sealer, signal.SIGKILL)
    children.wait()
    assert loud <= reads
    assert ledger.count() == offered
    assert writer.health().dropped == 0
    ledger.seal(remove_after_s=0, orphans_after_s=0)
    assert [call.id for call in ledger.calls()] == [make_call(n).id for n in range(offered)]


def test_a_read_that_began_is_not_disturbed_by_sealing_or_removal(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(1000))
    with LedgerWriter(tmp_path) as writer:
        for n in range(1000, 2000):
            writer.offer(make_call(n))
        assert writer.flush()
        calls = ledger.calls()
        first = [next(calls) for _ in range(10)]
        other = Ledger(tmp_path)
        other.seal(remove_after_s=0)
        writer.offer(make_call(5000))
        assert writer.flush()
        rest = list(calls)
    assert [*first, *rest] == [make_call(n) for n in range(2000)]


def test_a_file_that_goes_between_listing_and_reading_starts_the_read_again(tmp_path: Path) -> None:
    class Interrupted(Ledger):
        """Lets another process seal and remove after it has listed the files, once."""

        interruptions = 0

        def _listing(self):  # type: ignore[no-untyped-def]
            listing = super()._listing()
            if not self.interruptions:
                self.interruptions += 1
                Ledger(self.home).seal(remove_after_s=0)
            return listing

    ledger = Interrupted(tmp_path)
    ledger.append(make_call(n) for n in range(40))
    assert ledger.count() == 40
    assert ledger.interruptions == 1
    assert not list((tmp_path / "ledger/hot").iterdir())
    ledger.append(make_call(n) for n in range(40, 50))
    ledger.interruptions = 0
    assert ledger.get("call-00000003") == make_call(3)


@pytest.mark.fault("host", "two processes on one store")
def test_two_sealers_leave_one_segment(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(40))
    from freehold.ledger._seal import Sealer

    one, two = (Sealer(x._layout, x._manifest) for x in (ledger, Ledger(tmp_path)))
    (plan,) = one.plan()
    assert two.plan() == [plan]
    first, second = one.write(plan), two.write(plan)
    one.install(first)
    two.install(second)
    assert one.publish(first)
    assert not two.publish(second)
    assert [path.name for path in (tmp_path / "ledger/segments").iterdir()] == [first.entry.name]
    assert ledger.count() == 40


def test_small_segments_are_merged_and_answers_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.ledger._compact.OLD_AFTER_US", 2**62)
    ledger = Ledger(tmp_path)
    folder = tmp_path / "ledger/segments"
    for first in range(0, 160, 10):
        ledger.append(make_call(n) for n in range(first, first + 10))
        ledger.seal()
    assert len(list(folder.iterdir())) == 16
    calls = ledger.calls()
    begun = [next(calls) for _ in range(5)]
    assert ledger.seal().calls == 0
    assert len(ledger._manifest.listing().segments) == 1
    assert [*begun, *calls] == [make_call(n) for n in range(160)]
    ledger.seal(remove_after_s=0)
    assert len(list(folder.iterdir())) == 1
    assert list(ledger.calls()) == [make_call(n) for n in range(160)]


@pytest.mark.parametrize("alone", [True, False])
def test_a_file_without_calls_is_sealed_away(tmp_path: Path, alone: bool) -> None:
    ledger = Ledger(tmp_path)
    ledger._manifest.create()
    HotFile(tmp_path / "ledger/hot/gone-1.db", "NORMAL").close()
    ledger._manifest.add_hot("gone-1.db", "gone")
    ledger._manifest.close_hot("gone-1.db", finish(tmp_path / "ledger/hot/gone-1.db"))
    if not alone:
        ledger.append([make_call(3)])
    ledger.seal(remove_after_s=0)
    assert not list((tmp_path / "ledger/hot").iterdir())
    assert ledger.count() == (not alone)
    ledger.append([make_call(3)])
    assert list(ledger.calls()) == [make_call(3)]
    assert list(ledger.calls(since_us=make_call(3).started_at_us)) == [make_call(3)]


@pytest.mark.fault("host", "two processes on one store")
def test_two_imports_at_once_add_each_call_once(tmp_path: Path) -> None:
    added: list[int] = []

    def load() -> None:
        added.append(Ledger(tmp_path).append(make_call(n) for n in range(3000)).added)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [0, 0, 3000]
    assert Ledger(tmp_path).count() == 3000


def test_files_of_a_living_writer_are_left_to_it(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        writer.offer(make_call(1))
        assert writer.flush()
        ledger = Ledger(tmp_path)
        assert ledger.recover() == 0
        assert ledger.seal(remove_after_s=0, orphans_after_s=0).segments == 0
        writer.offer(make_call(2))
        assert writer.flush()
        assert ledger.count() == 2
        assert writer.health().ok
    assert ledger.losses().dropped == 0


def test_a_batch_written_twice_counts_once(tmp_path: Path) -> None:
    hot = HotFile(tmp_path / "x.db", "NORMAL")
    calls = [make_call(n) for n in range(5)]
    hot.write(calls, 10)
    hot.write(calls, 10)
    assert hot.rows == 5
    hot.close()
