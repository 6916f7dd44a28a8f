"""A file in pieces holds the records that it holds read one by one, whatever is in it."""

import csv
import gzip
import io
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.ledger.importing import _pieces, _shares
from freehold.ledger.importing._opened import DAMAGED
from freehold.ledger.importing._shares import Piece, Portable, Rest, Uncut
from freehold.ledger.importing.protocol import Mark, Record
from freehold.ledger.importing.sources import FileSource

unhurried = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
START = Mark()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pieces, "PIECE_BYTES", 8)


def in_pieces(path: Path, start: Mark = START) -> tuple[list[Record], int]:
    """The records by way of pieces, each of them sent to another process and back, and how many pieces were cut."""
    found: list[Record] = []
    count = 0
    source = FileSource(path)
    try:
        for share in _shares.shares(source, start):
            if isinstance(share, Rest):
                return found + list(share.records()), count
            sent = msgspec.msgpack.decode(msgspec.msgpack.encode(share), type=Portable)
            assert sent == share
            found += sent.records()
            count += 1
    except Uncut as error:
        return found + list(source.records(error.start)), count
    return found, count


parts = st.sampled_from(
    [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"a", b"bc def", b"\xff", "é".encode(), b"\x00", b" "]
)


@unhurried
@given(
    body=st.lists(parts, max_size=60).map(b"".join),
    head=st.sampled_from([b"a,b\n", b'"a","b"\r\n', b"", b"\xef\xbb\xbfa,b\n"]),
)
def test_any_table_and_any_lines(tmp_path: Path, body: bytes, head: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(head + body)
    whole = list(FileSource(path).records())
    assert in_pieces(path)[0] == whole
    for at, record in enumerate(whole):
        assert in_pieces(path, record.end)[0] == whole[at + 1 :]


cells = st.text(st.sampled_from('",\n;é {}:x'), max_size=8)


@unhurried
@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=30),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_a_table_that_is_quoted_as_tables_are_is_cut_to_its_end(
    tmp_path: Path, rows: list[list[str]], quoting: int
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows([["a", "b", "c"], *rows])  # type: ignore[arg-type]
    path = tmp_path / "file.csv"
    path.write_text(out.getvalue(), "utf-8", newline="")
    source = FileSource(path)
    assert all(isinstance(share, Piece) and share.records() is not None for share in _shares.shares(source, START))
    assert in_pieces(path)[0] == list(source.records())


def test_a_stray_mark_costs_the_pieces_and_no_record(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("a,b\n" + "1,2\n" * 10 + '5" pipe,"x\ny"\n' + '3,"4"\n' * 10)
    found, count = in_pieces(path)
    assert found == list(FileSource(path).records())
    assert [one.fault for one in found] == [""] * 21
    assert 0 < count < 21


def test_a_record_that_no_piece_holds_is_read_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pieces, "LARGEST_BYTES", 100)
    path = tmp_path / "file"
    path.write_bytes(b'{"a":1}\n' * 3 + b'{"a":"' + b"x" * 300 + b'"}\n' + b'{"b":2}\n')
    found, count = in_pieces(path)
    assert found == list(FileSource(path).records())
    assert (len(found), count > 0) == (5, True)


def test_damage_comes_after_everything_before_it(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b'{"a":%d}\n' % n for n in range(20_000)), 1)
    path = tmp_path / "file.gz"
    path.write_bytes(packed[: len(packed) // 2])
    found, count = in_pieces(path)
    assert found == list(FileSource(path).records())
    assert (found[-1].fault, len(found) > 1000, count > 100) == (DAMAGED, True, True)
