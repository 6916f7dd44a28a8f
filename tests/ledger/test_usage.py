"""Every count of an answer, and its tier, survive rows, segments, exports and imports; older files have none."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call
from tests.support.older_home import CALLS, older_home

from freehold.ledger import Ledger, _rows
from freehold.ledger.exporting import export_calls
from freehold.ledger.importing import import_file
from freehold.vocabulary import COUNTS, Usage

_COUNT = st.integers(0, 2**53)
_USAGES = st.builds(
    Usage,
    **dict.fromkeys(COUNTS, _COUNT),
    estimated=st.booleans(),
    service_tier=st.sampled_from(["", "flex", "batch+fast+us"]),
)
FULL = Usage(**{name: number for number, name in enumerate(COUNTS, 1)}, estimated=True, service_tier="batch")


@given(usage=st.none() | _USAGES)
@settings(max_examples=200, deadline=None)
def test_a_row_is_its_call(usage: Usage | None) -> None:
    call = make_call(1, usage=usage)
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in _rows.HOT_SCHEMA:
            db.execute(statement)
        _rows.insert(db, "calls", [_rows.to_row(1, call)])
        row = db.execute(f"SELECT {_rows.hot_columns(db)} FROM calls").fetchone()
    assert _rows.to_call((*row, call.request, call.response), call.gold) == call


def test_every_count_survives_sealing_and_an_export(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "one")
    calls = [make_call(1, usage=FULL), make_call(2, usage=None), make_call(3, usage=Usage(7))]
    ledger.append(calls)
    ledger.seal(remove_after_s=0)
    assert list(ledger.calls()) == calls
    summed = ledger.query(f"SELECT {', '.join(f'sum({name})' for name in COUNTS)}, max(service_tier) FROM calls").rows
    assert summed == ((*(getattr(FULL, name) + (7 if name == "input_tokens" else 0) for name in COUNTS), "batch"),)
    log = tmp_path / "log.jsonl"
    with log.open("wb") as file:
        export_calls(ledger.calls(), file)
    other = Ledger(tmp_path / "other")
    import_file(other, log)
    assert list(other.calls()) == calls


def test_an_older_file_has_no_such_counts_and_nothing_is_made_up(tmp_path: Path) -> None:
    ledger = Ledger(older_home(tmp_path))
    ledger.append([make_call(CALLS, usage=FULL)])
    ledger.seal(remove_after_s=0)
    old = ledger.query("SELECT sum(cache_write_1h_tokens), max(service_tier), count(*) FROM calls WHERE id < ?",
                       [f"call-{CALLS:08d}"])  # fmt: skip
    assert old.rows == ((0, "", CALLS),)
    new = ledger.get(f"call-{CALLS:08d}")
    assert new is not None
    assert new.usage == FULL
    exported = io.BytesIO()
    export_calls(ledger.calls(), exported)
    assert exported.getvalue().count(b'"service_tier"') == 1
