"""Segments as files: what is written is read again, and what fails says what failed."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.ledger_calls import make_call

from freehold.errors import LedgerUnavailable
from freehold.ledger._parquet import read_rows, write_rows
from freehold.ledger._rows import Row, to_row


def _rows(n: int, size: int = 100) -> Iterator[Row]:
    for number in range(n):
        call = make_call(number)
        yield (*to_row(0, call)[1:], bytes([number % 256]) * size, b"\xff\x00" * size)


@pytest.mark.parametrize(("n", "size"), [(0, 0), (1, 0), (700, 100), (40, 200_000)])
def test_what_is_written_is_read_again(tmp_path: Path, n: int, size: int) -> None:
    path = tmp_path / "a.parquet"
    assert write_rows(path, _rows(n, size), n, n * size * 3) == n
    assert list(read_rows(path)) == list(_rows(n, size))


def test_a_source_that_fails_is_what_is_raised(tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        yield from _rows(600)
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        write_rows(tmp_path / "a.parquet", rows(), 600, 600 * 300)


def test_a_full_disk_is_what_is_raised() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number says it
        write_rows(Path("/dev/full"), _rows(2000, 5000), 2000, 2000 * 15000)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_damaged_segment_is_an_error_like_others(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.parquet"
    write_rows(path, _rows(100), 100, 100 * 300)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
    with pytest.raises(LedgerUnavailable, match=r"a\.parquet"):
        list(read_rows(path))
