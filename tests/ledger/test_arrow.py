"""Rows reach the query engine as they are, also those at the edge of their type, and an error as what it was."""

import math
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.ledger._arrow import ArrowRows

COLUMNS = [(f"c{n}", kind) for n, kind in enumerate(("BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "VARCHAR", "BLOB"))]
ROWS = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.booleans(),
    st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    st.none() | st.binary(),
)


def read(rows: ArrowRows) -> list[tuple[object, ...]]:
    with duckdb.connect(":memory:") as engine:
        engine.register("stream", rows)
        return engine.execute("FROM stream").fetchall()


@settings(deadline=None)
@given(st.lists(st.lists(ROWS, max_size=5), max_size=5))
def test_rows_come_through_as_they_are(chunks: list[list[tuple[object, ...]]]) -> None:
    assert read(ArrowRows(COLUMNS, chunks)) == [row for chunk in chunks for row in chunk]


def test_many_rows_come_in_order() -> None:
    chunks = ([(n * 100 + k, k, math.pi, None, "x" * k, b"\x00" * k) for k in range(100)] for n in range(300))
    assert [row[0] for row in read(ArrowRows(COLUMNS, chunks))] == list(range(30_000))


def test_what_went_wrong_while_pulling_is_kept() -> None:
    def chunks() -> Iterator[list[tuple[object, ...]]]:
        yield [(1, 1, 1.0, True, "a", b"a")]
        raise FileNotFoundError("gone")

    rows = ArrowRows(COLUMNS, chunks())
    with pytest.raises(duckdb.Error):
        read(rows)
    assert isinstance(rows.failure, FileNotFoundError)
