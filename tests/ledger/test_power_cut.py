"""Power cuts: what was synced is there, nothing is there twice, and what is missing is counted or said to be unknown.

Simulated: of files that Python writes, renames and syncs, only what was synced, in its order, outlives the cut (a shim
notes each sync and rename); of an open hot file, any tail of its journal behind the last sync is lost, zeroed or torn;
a mark, which is never synced, is there, old or gone; removed files are back. Not simulated: SQLite's own order of
writes and syncs, for which its documentation of `synchronous` stands, and disks that lie about a sync.
"""

import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call
from tests.support.ledger_crash import Nursery

from freehold.ledger import Ledger, Whose
from freehold.ledger._manifest import Manifest
from freehold.ledger._marks import SUFFIX
from freehold.ledger._seal import Sealer

N = 40
TORN = ("lost", "zeroed", "torn")


class Disk:
    """Notes what a power cut would leave of the files under a folder: contents as last synced, names as last synced."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.contents: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}
        sync, self._root = os.fsync, root

        def noting(handle: int) -> None:
            sync(handle)
            path = Path(f"/proc/self/fd/{handle}").readlink()
            if path.is_dir():
                self.names[path] = {one.name: one.stat().st_ino for one in path.iterdir()}
            else:
                self.contents[path.stat().st_ino] = path.read_bytes()

        monkeypatch.setattr(os, "fsync", noting)

    def holds(self, path: Path) -> bytes | None:
        """What would be under that name after a cut now."""
        return self.contents.get(self.names.get(path.parent, {}).get(path.name, -1))


def whole(ledger: Ledger) -> None:
    assert [call.id for call in ledger.calls()] == [make_call(n).id for n in range(N)]
    assert ledger.count() == N


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc which file is being synced")
@pytest.mark.fault("host", "power cut")
@pytest.mark.parametrize("work", ["seal", "merge", "erase"])
def test_a_segment_is_on_disk_before_its_sources_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    ledger, disk, listed = Ledger(tmp_path), Disk(tmp_path, monkeypatch), []
    real = Manifest.sealed

    def sealed(self: Manifest, entry, sources, also=None):  # type: ignore[no-untyped-def]
        path = tmp_path / "ledger/segments" / entry.name
        assert disk.holds(path) == path.read_bytes()
        assert len(disk.holds(path) or b"") == entry.size
        listed.append(entry.name)
        return real(self, entry, sources, also)

    monkeypatch.setattr(Manifest, "sealed", sealed)
    parts = 20 if work == "merge" else 2
    for first in range(0, N, N // parts):
        ledger.append(make_call(n, tags={"end_user": f"u{n % 3}"}) for n in range(first, first + N // parts))
        hot = max((tmp_path / "ledger/hot").glob("*import*.db"), key=lambda path: path.stat().st_mtime_ns)
        assert disk.holds(hot) == hot.read_bytes()
        if work == "merge":
            ledger.seal()
    if work == "erase":
        ledger.erase(Whose(("u1",)))
    ledger.seal(remove_after_s=0)
    assert listed
    assert ledger.count() == N


@pytest.mark.fault("host", "power cut")
@pytest.mark.parametrize("left", ["nothing", "half a part", "an empty part", "half a segment"])
def test_a_cut_before_publishing_leaves_the_sources(tmp_path: Path, left: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(N))
    sealer = Sealer(ledger._layout, ledger._manifest)
    (group,) = sealer.plan()
    written = sealer.write(group)
    assert written.entry is not None
    part = tmp_path / "ledger/segments" / f"{written.entry.name}.part"
    content = part.read_bytes()
    part.write_bytes(b"" if left == "an empty part" else content[: len(content) // 2])
    if left == "nothing":
        part.unlink()
    elif left == "half a segment":
        part.rename(part.with_suffix(""))
    whole(ledger)
    ledger.seal(remove_after_s=0, orphans_after_s=0)
    whole(ledger)
    assert len(list((tmp_path / "ledger/segments").iterdir())) == 1
    assert ledger.doctor() == []


@pytest.mark.fault("host", "power cut")
def test_removed_files_that_come_back_are_not_counted_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for first in range(0, N, 2):
        ledger.append(make_call(n) for n in range(first, first + 2))
        ledger.seal()
    kept = tmp_path / "kept"
    shutil.copytree(tmp_path / "ledger/hot", kept / "hot")
    shutil.copytree(tmp_path / "ledger/segments", kept / "segments")
    ledger.seal()
    ledger.seal(remove_after_s=0)
    for folder in ("hot", "segments"):
        shutil.copytree(kept / folder, tmp_path / "ledger" / folder, dirs_exist_ok=True)
    whole(ledger)
    assert ledger.append(make_call(n) for n in range(N)).added == 0
    ledger.seal(remove_after_s=0, orphans_after_s=-1)
    whole(ledger)


@pytest.mark.fault("host", "power cut")
@pytest.mark.parametrize("mark", ["there", "gone"])
@pytest.mark.parametrize("how", TORN)
def test_the_unsynced_end_of_a_hot_file_is_lost_alone_and_counted(
    children: Nursery, tmp_path: Path, how: str, mark: str
) -> None:
    """The writer syncs each commit; of the calls after the last sync, none, some or all are there."""
    rng = random.Random(how + mark)
    dead = tmp_path / "dead"
    assert children.run("write_and_lose_power", dead, N) == -signal.SIGKILL
    synced = int((dead / "synced").read_text())
    for attempt in range(6):
        home = tmp_path / str(attempt)
        shutil.copytree(dead, home)
        (wal,) = (home / "ledger/hot").glob("*-wal")
        content = wal.read_bytes()
        assert len(content) > synced
        at = rng.randrange(synced, len(content))
        tail = {"lost": b"", "zeroed": bytes(len(content) - at), "torn": rng.randbytes(len(content) - at)}[how]
        wal.write_bytes(content[:at] + tail)
        if mark == "gone":
            for path in (home / "ledger/marks").glob(f"*{SUFFIX}"):
                path.unlink()
        ledger = Ledger(home)
        ledger.seal(remove_after_s=0)
        ids = [call.id for call in ledger.calls()]
        assert ids == [make_call(n).id for n in range(len(ids))]
        assert N <= len(ids) <= 2 * N
        losses = ledger.losses()
        if mark == "there":
            assert (losses.dropped, losses.unknown_writers) == (2 * N - len(ids), 0)
        else:
            assert losses.unknown_writers == 1
