"""Duplicates among sealed calls are found by digests of their ids, whatever became of the digests."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call

from freehold.ledger import Ledger, _sealed_ids
from freehold.ledger._layout import ORPHAN_AFTER_S
from freehold.ledger._manifest import SegmentEntry
from freehold.ledger._seal import Sealer
from freehold.ledger._sealed_ids import SealedIds
from freehold.ledger._snapshot import Snapshot
from freehold.vocabulary import Call


def called(name: str) -> Call:
    return make_call(1, id=name)


def sealed(ledger: Ledger, ids: Sequence[str]) -> None:
    ledger.append([called(one) for one in ids])
    ledger.seal()


def runs(ledger: Ledger) -> list[Path]:
    return sorted(ledger._layout.sealed_ids.glob("*.npy"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path)
    for first in range(0, 60, 20):
        sealed(ledger, [f"c{n}" for n in range(first, first + 20)])
    return ledger


def test_what_is_sealed_is_found_and_few_runs_are_left(ledger: Ledger) -> None:
    wanted = ["c0", "c59", "new", "c60", "é", ""]
    assert ledger.known(wanted) == {"c0", "c59"}
    sealed(ledger, [f"d{n}" for n in range(5)])
    assert ledger.known([*wanted, "d3"]) == {"c0", "c59", "d3"}
    sealed(ledger, [f"e{n}" for n in range(40)])
    assert ledger.known([*wanted, "d3", "e39"]) == {"c0", "c59", "d3", "e39"}
    assert sum(len(np.load(one)) for one in runs(ledger)) == 105
    assert len(runs(ledger)) <= 2


def test_runs_of_like_size_become_one(tmp_path: Path) -> None:
    entries: list[SegmentEntry] = []
    ids = 0
    with duckdb.connect() as db:
        for number, rows in enumerate([100, 10, 10, 10, 30, 30, 100]):
            made = f"SELECT 'id' || (range + {ids}) AS id FROM range({rows})"
            db.execute(f"COPY ({made}) TO '{tmp_path}/s{number}' (FORMAT parquet)")
            entries.append(SegmentEntry(f"s{number}", rows, 0, 0, 0))
            ids += rows
            search = SealedIds(tmp_path / "ids", db, lambda some: [f"{tmp_path}/{one.name}" for one in some])
            assert search.among(["id0", f"id{ids - 1}", f"id{ids}"], entries) == {"id0", f"id{ids - 1}"}
            sizes = sorted(len(np.load(one)) for one in (tmp_path / "ids").glob("*.npy"))
            assert sizes == [[100], [10, 100], [20, 100], [30, 100], [160], [30, 160], [30, 260]][number]


def test_ids_that_were_never_sealed_ask_no_segment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.known(["x"])
    asked: list[int] = []
    check: Callable[..., None] = Snapshot.check_segments

    def counted(self: Snapshot, segments: Sequence[SegmentEntry]) -> None:
        asked.append(len(segments))
        check(self, segments)

    monkeypatch.setattr(Snapshot, "check_segments", counted)
    assert ledger.known([f"n{n}" for n in range(1000)]) == set()
    assert asked == []
    assert ledger.known(["n1", "c7"]) == {"c7"}
    assert len(asked) == 1


@pytest.mark.parametrize("harm", ["cut", "emptied", "undescribed", "another engine", "nonsense", "removed"])
def test_a_run_that_is_of_no_use_is_made_again(ledger: Ledger, harm: str) -> None:
    ledger.known(["x"])
    (run,) = runs(ledger)
    description = run.with_suffix(".json")
    if harm == "cut":
        run.write_bytes(run.read_bytes()[:-8])
    elif harm == "emptied":
        run.write_bytes(b"")
    elif harm == "undescribed":
        description.unlink()
    elif harm == "another engine":
        description.write_bytes(description.read_bytes().replace(b"duckdb", b"engine"))
    elif harm == "nonsense":
        description.write_bytes(b"{")
    else:
        run.unlink()
    assert ledger.known(["c1", "x"]) == {"c1"}
    assert ledger.append([called("c1"), called("new")]).added == 1
    for left in (run, description):
        if left.exists():
            old = left.stat().st_mtime - 2 * ORPHAN_AFTER_S
            os.utime(left, (old, old))
    assert ledger.known(["c1", "x"]) == {"c1"}
    assert run not in runs(ledger)
    assert len(runs(ledger)) == 1


def test_without_a_place_for_runs_everything_is_found_all_the_same(ledger: Ledger) -> None:
    shutil.rmtree(ledger._layout.sealed_ids)
    ledger._layout.sealed_ids.write_text("a file where the folder would be")
    assert ledger.known(["c1", "c41", "x"]) == {"c1", "c41"}
    assert ledger.append([called("c1"), called("x")]).added == 1


def test_a_call_that_is_gone_can_come_again(ledger: Ledger) -> None:
    ledger.known(["x"])
    sealer = Sealer(ledger._layout, ledger._manifest)
    for segment in ledger._manifest.listing().segments:
        written = sealer.write((segment,), lambda row: None if row[1] == "c0" else row)
        sealer.install(written)
        assert sealer.publish(written)
    assert ledger.known(["c0", "c1"]) == {"c1"}
    assert ledger.append([called("c0")]).added == 1


unhurried = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
names = st.sampled_from([f"id-{n}" for n in range(60)])


@unhurried
@given(
    batches=st.lists(st.tuples(st.lists(names, max_size=25), st.booleans()), max_size=7),
    most=st.sampled_from([10, 40, 10**6]),
)
def test_whatever_is_added_and_sealed_each_call_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[list[str], bool]], most: int
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    there: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sealed_ids, "_MOST_ROWS", most)
        for ids, seal in batches:
            assert ledger.known(ids) == there.intersection(ids)
            added = ledger.append([called(one) for one in ids]).added
            assert added == len(set(ids) - there)
            there.update(ids)
            if seal:
                ledger.seal()
    assert sorted(call.id for call in ledger.calls()) == sorted(there)
