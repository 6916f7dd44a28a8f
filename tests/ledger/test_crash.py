"""Kills: what was answered is in the ledger or is counted as dropped, and a sealer may die anywhere."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call
from tests.support.ledger_crash import Nursery
from tests.support.object_store import ObjectStore

from freehold.ledger import Ledger
from freehold.ledger._marks import SUFFIX

KILLS = 15
SETTINGS = {
    "plain": {},
    "rotating": {"rotate_rows": 40},
    "synced": {"synchronous": "FULL", "rotate_rows": 500},
    "overflowing": {"queue_calls": 30, "size": 20_000},
}


def acknowledged(path: Path) -> list[int]:
    data = path.read_bytes()
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


@pytest.mark.fault("host", "SIGKILL at every logging step")
@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_every_answered_call_is_kept_or_counted(children: Nursery, tmp_path: Path, name: str) -> None:
    """Also while earlier kills' files are being sealed, which happens after every third kill."""
    rng, ledger, path = random.Random(name), Ledger(tmp_path), tmp_path / "acknowledged"
    settings = json.dumps(SETTINGS[name])
    lost_before = answered_before = 0
    for kill in range(KILLS):
        size_before = path.stat().st_size if path.exists() else 0
        child = children.start("answer_until_killed", tmp_path, path, kill * 1_000_000, settings)
        while not path.exists() or path.stat().st_size == size_before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.12))
        os.kill(child, signal.SIGKILL)
        assert children.wait() == -signal.SIGKILL
        answers = acknowledged(path)
        if kill % 3 == 2:
            ledger.seal(remove_after_s=0)
        losses = ledger.losses()
        kept = {call.id for call in ledger.calls(bodies=False)}
        missing = sum(f"call-{n:08d}" not in kept for n in answers)
        # A kill between the mark and the client's last byte counts one call that nobody missed; no kill hides one.
        assert missing <= losses.dropped <= missing + kill + 1
        answered = sum(writer.answered or 0 for writer in ledger._manifest.listing().writers)
        assert answered - len(kept) == losses.dropped
        assert losses.unknown_writers == 0
        assert answered > answered_before
        assert losses.dropped >= lost_before
        answered_before, lost_before = answered, losses.dropped
    assert not list((tmp_path / "ledger/marks").glob(f"*{SUFFIX}"))
    dropped = [finding for finding in ledger.doctor() if finding.code == "calls_dropped"]
    assert [str(losses.dropped) in finding.message for finding in dropped] == ([True] if losses.dropped else [])


@pytest.mark.fault("host", "SIGKILL at every step of sealing, retention and erasure")
@pytest.mark.parametrize("step", ["write", "install", "publish", "half a sweep", "sweep"])
@pytest.mark.parametrize("place", ["home", "objects"])
def test_a_sealer_may_die_after_any_step(
    children: Nursery, objects: ObjectStore, tmp_path: Path, step: str, place: str
) -> None:
    bucket = objects.home(tmp_path) if place == "objects" else ""
    ledger = Ledger(tmp_path)
    for first in range(0, 40, 10):
        ledger.append(make_call(n) for n in range(first, first + 10))
    expected = [make_call(n) for n in range(40)]
    assert children.run("seal_until", tmp_path, step) == -signal.SIGKILL
    assert list(ledger.calls()) == expected
    assert ledger.count() == 40
    assert ledger.append(expected).added == 0
    assert ledger.doctor() == []
    ledger.seal(remove_after_s=0, orphans_after_s=0)
    assert list(ledger.calls()) == expected
    listed = {segment.name for segment in ledger._manifest.listing().segments}
    if bucket:
        (tmp_path / "ledger/cache/listed").unlink(missing_ok=True)
        ledger.seal(remove_after_s=0, orphans_after_s=-5)  # the store's clock counts whole seconds
        assert {name.removeprefix("here/") for name in objects.objects(bucket)} == listed
    else:
        assert {path.name for path in (tmp_path / "ledger/segments").iterdir()} == listed
    assert not list((tmp_path / "ledger/hot").iterdir())


def test_an_import_that_is_killed_is_simply_run_again(children: Nursery, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(5))
    assert children.run("append_slowly", tmp_path, 0, 2000) == -signal.SIGKILL
    assert ledger.count() == 5
    assert ledger.append(make_call(n) for n in range(2000)).added == 1995
    ledger.seal(remove_after_s=0, orphans_after_s=0)
    assert ledger.count() == 2000
    assert not list((tmp_path / "ledger/hot").iterdir())
