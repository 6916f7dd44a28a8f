"""A ledger that an older version wrote is read, sealed, added to and exported like any other."""

import io
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call
from tests.support.older_home import CALLS, older_home

from freehold.ledger import Ledger
from freehold.ledger.exporting import export_calls
from freehold.ledger.importing import import_file
from freehold.ledger.writer import LedgerWriter
from freehold.vocabulary import Call


def as_then(n: int) -> Call:
    """The n-th call without what was not kept then."""
    call = make_call(n, key="", reason="")
    if n == 1:
        call.gold = "a gold answer"
    return call


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(older_home(tmp_path))


def test_every_call_comes_back_from_hot_files_and_segments(ledger: Ledger) -> None:
    assert ledger.count() == CALLS
    assert list(ledger.calls()) == [as_then(n) for n in range(CALLS)]
    for n in (3, 23, 43):
        assert ledger.get(f"call-{n:08d}") == as_then(n)
    found = ledger.query("SELECT count(*), min(key), max(reason), count(gold) FROM calls")
    assert found.rows == ((CALLS, "", "", 10),)


def test_sealing_brings_its_files_up_to_date(ledger: Ledger) -> None:
    assert ledger.seal(remove_after_s=0).calls == 20
    assert list(ledger.calls()) == [as_then(n) for n in range(CALLS)]


def test_old_and_new_calls_are_read_together(ledger: Ledger) -> None:
    fresh = [make_call(n) for n in range(CALLS, CALLS + 20)]
    ledger.append(fresh[:10])
    ledger.seal(remove_after_s=0)
    with LedgerWriter(ledger.home) as writer:
        for call in fresh[10:]:
            writer.offer(call)
    assert list(ledger.calls()) == [as_then(n) for n in range(CALLS)] + fresh
    found = ledger.query("SELECT key, reason, count(*) FROM calls GROUP BY ALL ORDER BY ALL").rows
    assert found == (("", "", 77), ("team ä", "unsure", 3))
    assert ledger.append([make_call(n) for n in range(CALLS + 20)]).added == 0


def test_an_export_carries_key_and_reason_and_an_older_one_is_read(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([make_call(77)])
    log = io.BytesIO()
    export_calls(ledger.calls(), log)
    first, *_, last = log.getvalue().splitlines()
    assert b'"reason"' not in first
    assert b'"reason":"unsure"' in last
    (tmp_path / "log.jsonl").write_bytes(log.getvalue())
    other = Ledger(tmp_path / "other")
    import_file(other, tmp_path / "log.jsonl")
    assert list(other.calls()) == [as_then(n) for n in range(CALLS)] + [make_call(77)]
    assert other.get("call-00000077").key == "team ä"
