"""Appending adds each call once, however many files hold those before, and lets them be sealed where they are many."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call

from freehold.errors import LedgerUnavailable
from freehold.ledger import Ledger, _append
from freehold.ledger._manifest import Manifest


def test_calls_are_known_from_files_with_fewer_rows_and_with_more(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for first, n in ((0, 30), (100, 3), (200, 1), (300, 12)):
        ledger.append(make_call(first + i) for i in range(n))
    ids = [make_call(n).id for n in (0, 29, 30, 101, 200, 299, 311, 312)]
    there = {make_call(n).id for n in (0, 29, 101, 200, 311)}
    assert ledger.known(ids) == there
    assert ledger.known(ids[:2]) == set(ids[:2])
    ledger.seal(remove_after_s=0)
    assert ledger.known(ids) == there
    again = ledger.append(make_call(n) for n in range(313))
    assert (again.added, again.duplicates, ledger.count()) == (313 - 46, 46, 313)


def test_many_waiting_calls_are_sealed_before_more_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_append, "_CROWDED_ROWS", 20)
    ledger = Ledger(tmp_path)
    added = [ledger.append(make_call(n) for n in range(10 * k, 10 * k + 15)) for k in range(6)]
    assert [(one.added, one.duplicates) for one in added] == [(15, 0)] + [(10, 5)] * 5
    assert ledger.count() == 65
    assert ledger.recognised.sizes() == (45, 20)

    def refuse(_: Ledger, **__: object) -> None:
        raise LedgerUnavailable("a file is damaged", hint="run freehold doctor")

    monkeypatch.setattr(Ledger, "seal", refuse)
    ledger.append(make_call(n) for n in range(100, 110))
    assert ledger.append([make_call(110)]).added == 1


def test_an_interrupt_as_soon_as_calls_are_listed_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([make_call(0)])
    plain = Manifest.change

    @contextmanager
    def interrupted(self: Manifest) -> Iterator[sqlite3.Connection]:
        with plain(self) as db:
            yield db
            changes = db.total_changes
        if changes:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "change", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.append([make_call(1), make_call(2)])
    assert [call.id for call in ledger.calls()] == [make_call(n).id for n in range(3)]
