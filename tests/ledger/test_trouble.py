"""A ledger in trouble: calls are taken all the same, what is lost is counted, it mends itself, and `doctor` tells."""

import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call
from tests.support.ledger_crash import Nursery

from freehold.errors import LedgerUnavailable
from freehold.ledger import Ledger
from freehold.ledger.writer import LedgerHealth, LedgerWriter
from freehold.settings import LedgerSettings


def until(writer: LedgerWriter, wanted: Callable[[LedgerHealth], bool], timeout_s: float = 30.0) -> LedgerHealth:
    deadline = time.monotonic() + timeout_s
    while not wanted(health := writer.health()):
        assert time.monotonic() < deadline, health
        time.sleep(0.005)
    return health


def offer(writer: LedgerWriter, first: int, count: int, **fields: object) -> int:
    """Answer calls; returns how many were taken."""
    taken = 0
    for n in range(first, first + count):
        writer.mark()
        taken += writer.offer(make_call(n, **fields))
    return taken


def test_an_unwritable_folder_at_start_is_survived(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("a file stands where the folder should be")
    with LedgerWriter(tmp_path, LedgerSettings(queue_calls=50)) as writer:
        assert offer(writer, 0, 60) == 50
        health = until(writer, lambda h: h.last_error == "unwritable")
        assert (health.pending, health.dropped, health.answered, health.ok) == (50, 10, 60, False)
        assert not health.durable_marks
        assert health.since_us > 0
        (tmp_path / "ledger").unlink()
        assert writer.flush()
        health = until(writer, lambda h: h.durable_marks)
        assert (health.written, health.pending, health.ok) == (50, 0, True)
    ledger = Ledger(tmp_path)
    assert ledger.count() == 50
    assert ledger.losses().dropped == 10
    assert [f.code for f in ledger.doctor()] == ["calls_dropped"]


def test_what_waits_takes_no_more_memory_than_it_may_and_a_single_call_always_has_room(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("a file stands where the folder should be")
    with LedgerWriter(tmp_path, LedgerSettings(queue_bytes=100_000)) as writer:
        assert offer(writer, 0, 1, size=300_000) == 1
        assert offer(writer, 1, 10) == 0, "it fills the room"
        (tmp_path / "ledger").unlink()
        assert writer.flush()
        assert (writer.health().written, writer.health().dropped) == (1, 10)
    (tmp_path / "ledger").rename(tmp_path / "other")
    (tmp_path / "ledger").write_text("again")
    with LedgerWriter(tmp_path, LedgerSettings(queue_bytes=100_000)) as writer:
        taken = offer(writer, 0, 100, size=1000)
        assert 20 < taken < 40, "bodies and all that is around them count"
        (tmp_path / "ledger").unlink()  # what it could not write by its end it would wait for


def test_many_that_wait_are_kept_as_they_were_and_an_impossible_one_goes_alone(tmp_path: Path) -> None:
    """From the 257th on they wait packed."""
    (tmp_path / "ledger").write_text("a file stands where the folder should be")
    with LedgerWriter(tmp_path) as writer:
        assert offer(writer, 0, 600) == 600
        assert offer(writer, 600, 1, provider="\ud800") == offer(writer, 601, 1, started_at_us=2**70) == 1
        assert offer(writer, 602, 10) == 10
        assert offer(writer, 612, 1, owner=7) == 1
        (tmp_path / "ledger").unlink()
        assert writer.flush()
        health = writer.health()
        assert (health.written, health.dropped, health.pending, health.pending_bytes) == (610, 3, 0, 0)
    assert list(Ledger(tmp_path).calls()) == [make_call(n) for n in (*range(600), *range(602, 612))]


@pytest.mark.fault("host", "store locked for 60 s")
def test_a_locked_hot_file_is_waited_for(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        offer(writer, 0, 10)
        assert writer.flush()
        (hot,) = (tmp_path / "ledger/hot").glob("*.db")
        other = sqlite3.connect(hot, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        offer(writer, 10, 10)
        assert until(writer, lambda h: not h.ok).last_error == "locked"
        assert writer.health().pending == 10
        assert Ledger(tmp_path).count() == 10
        other.execute("ROLLBACK")
        other.close()
        assert writer.flush()
        assert writer.health().ok
    assert Ledger(tmp_path).count() == 20
    assert Ledger(tmp_path).losses().dropped == 0


@pytest.mark.fault("host", "store locked for 60 s")
def test_a_locked_manifest_delays_and_loses_nothing(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=10)) as writer:
        offer(writer, 0, 10)
        assert writer.flush()
        other = sqlite3.connect(tmp_path / "ledger/manifest.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        offer(writer, 10, 100)
        assert until(writer, lambda h: not h.ok).last_error == "locked"
        other.execute("ROLLBACK")
        other.close()
        assert writer.flush()
    assert Ledger(tmp_path).count() == 110
    assert Ledger(tmp_path).doctor() == []


@pytest.mark.fault("host", "queue full")
def test_a_queue_that_overflows_counts_what_it_refuses(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("in the way")
    writer = LedgerWriter(tmp_path, LedgerSettings(queue_calls=5))
    taken = offer(writer, 0, 100)
    health = writer.close(timeout_s=0.3)
    assert 5 <= taken <= 100
    assert (health.written, health.pending, health.dropped, health.answered) == (0, 0, 100, 100)
    assert not writer.offer(make_call(1))


def test_one_impossible_call_does_not_take_others_with_it(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        offer(writer, 0, 20)
        offer(writer, 20, 1, started_at_us=2**70)
        offer(writer, 21, 1, provider="\ud800")
        offer(writer, 22, 20)
        assert writer.flush()
        assert (writer.health().written, writer.health().dropped) == (40, 2)
    assert Ledger(tmp_path).count() == 40
    assert Ledger(tmp_path).losses().dropped == 2


def test_a_hot_file_removed_under_the_writer_is_counted_and_told(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        offer(writer, 0, 10)
        assert writer.flush()
        (hot,) = (tmp_path / "ledger/hot").glob("*.db")
        for path in (tmp_path / "ledger/hot").iterdir():
            path.unlink()
        offer(writer, 10, 5)
        assert writer.flush()
        assert until(writer, lambda h: h.dropped == 10).written == 5
    ledger = Ledger(tmp_path)
    with pytest.raises(LedgerUnavailable):
        ledger.count()
    with pytest.raises(LedgerUnavailable):
        list(ledger.calls())
    (finding,) = [f for f in ledger.doctor() if f.severity == "error"]
    assert finding.code == "hot_file_unreadable"
    assert hot.name in finding.message
    assert ledger.write_off(hot.name) is None
    assert [call.id for call in ledger.calls()] == [make_call(n).id for n in range(10, 15)]
    assert ledger.losses().dropped == 10
    assert {f.code for f in ledger.doctor()} == {"calls_written_off", "calls_dropped"}


@pytest.mark.fault("host", "corrupted last page")
@pytest.mark.parametrize("damage", ["removed", "cut", "emptied"])
def test_a_damaged_segment_is_never_read_as_empty(tmp_path: Path, damage: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(30))
    ledger.seal(remove_after_s=0)
    ledger.append(make_call(n) for n in range(30, 35))
    (segment,) = (tmp_path / "ledger/segments").iterdir()
    whole = segment.read_bytes()
    match damage:
        case "removed":
            segment.unlink()
        case "cut":
            segment.write_bytes(whole[:-10])
        case _:
            segment.write_bytes(b"")
    reads: list[Callable[[], object]] = [
        ledger.count,
        lambda: list(ledger.calls()),
        lambda: ledger.append([make_call(1)]),
    ]
    for read in reads:
        with pytest.raises(LedgerUnavailable):
            read()
    (finding,) = ledger.doctor()
    assert (finding.code, finding.severity) == ("segment_unreadable", "error")
    segment.write_bytes(whole)
    assert ledger.count() == 35
    segment.unlink()
    assert ledger.write_off(segment.name) == 30
    assert ledger.count() == 5
    assert ledger.losses().dropped == 30


def test_an_emptied_hot_file_is_never_read_as_empty(tmp_path: Path) -> None:
    """The wrong total that taught the rules: a file that a lenient reader had created at the path of a removed one."""
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(30))
    (hot,) = (tmp_path / "ledger/hot").iterdir()
    hot.write_bytes(b"")
    with pytest.raises(LedgerUnavailable):
        ledger.count()
    with pytest.raises(LedgerUnavailable):
        list(ledger.calls())


def test_calls_missing_from_a_hot_file_are_noticed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(30))
    (hot,) = (tmp_path / "ledger/hot").iterdir()
    db = sqlite3.connect(hot)
    db.execute("DELETE FROM calls WHERE seq = 3")
    db.commit()
    db.close()
    for read in (ledger.count, ledger.seal, lambda: list(ledger.calls())):
        with pytest.raises(LedgerUnavailable):
            read()
    assert ["29 calls where the manifest says 30" in f.message for f in ledger.doctor()] == [True]


def test_a_missing_manifest_is_not_an_empty_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([make_call(1)])
    manifest = tmp_path / "ledger/manifest.db"
    for path in (tmp_path / "ledger").glob("manifest.db*"):
        path.unlink()
    with pytest.raises(LedgerUnavailable):
        ledger.count()
    assert [f.code for f in ledger.doctor()] == ["manifest_unreadable"]
    assert not manifest.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "small"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk; the file size limit below tests the same path")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def fill(ballast: Path) -> None:
    """Use up a disk."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.fault("host", "ENOSPC, EIO, EROFS at every write")
def test_a_full_disk_is_survived_and_recovered_from(small_disk: Path) -> None:
    with LedgerWriter(small_disk, LedgerSettings(queue_calls=100)) as writer:
        offer(writer, 0, 5)
        assert writer.flush()
        ballast = small_disk / "ballast"
        fill(ballast)
        offer(writer, 5, 300, size=20_000)
        health = until(writer, lambda h: h.last_error == "full")
        assert health.dropped > 0
        assert health.answered == 305
        assert {"disk_nearly_full"} <= {f.code for f in Ledger(small_disk).doctor()}
        assert Ledger(small_disk).count() >= 5
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        ballast.unlink()
        assert writer.flush()
        health = writer.health()
        assert health.ok
        assert health.written + health.dropped == 305
        written = health.written
    assert Ledger(small_disk).count() == written
    assert Ledger(small_disk).losses().dropped == 305 - written


@pytest.mark.fault("host", "ENOSPC, EIO, EROFS at every write")
def test_a_file_size_limit_is_survived(children: Nursery, tmp_path: Path) -> None:
    """What a full disk does to whoever may not mount one."""
    assert children.run("write_under_a_file_size_limit", tmp_path, 400) == 0
    ledger = Ledger(tmp_path)
    assert 0 < ledger.count() < 400
    assert ledger.losses().dropped == 400 - ledger.count()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A home that other users can reach, which pytest's own folders do not let them."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        for path in Path(folder).rglob("*"):
            path.chmod(0o755)


@pytest.mark.fault("host", "ENOSPC, EIO, EROFS at every write")
def test_a_read_only_folder_is_survived_and_told(children: Nursery, open_folder: Path) -> None:
    """Permissions do not bind root: the child gives the right up first."""
    with LedgerWriter(open_folder) as writer:
        offer(writer, 0, 10)
    for path in (*(open_folder / "ledger").rglob("*"), open_folder / "ledger", open_folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert children.run("use_a_read_only_folder", open_folder, 10, 20) == 0
    open_folder.chmod(0o755)
    assert Ledger(open_folder).count() == 10
