"""What is merged, and how often a call is rewritten for it."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call

from freehold.ledger import Ledger
from freehold.ledger._compact import FAN_IN, MOST_BYTES, MOST_ROWS, merges
from freehold.ledger._manifest import SegmentEntry

DAY = 86_400_000_000
ROW_BYTES = 100


def segment(n: int, rows: int, day: int = 0) -> SegmentEntry:
    first = day * DAY + n % DAY
    return SegmentEntry(f"{n:08d}", rows, first, first + 1, rows * ROW_BYTES)


def grown(sizes: list[int], now_us: int) -> tuple[list[SegmentEntry], int]:
    """Segments of one day that come one after the other, each followed by merging; and the rows that were rewritten."""
    there: list[SegmentEntry] = []
    rewritten = number = 0
    for rows in sizes:
        there.append(segment(number := number + 1, rows))
        while groups := merges(there, now_us):
            for group in groups:
                total = sum(one.rows for one in group)
                assert len(group) > 1
                assert total <= MOST_ROWS
                assert sum(one.size for one in group) <= MOST_BYTES
                rewritten += total
                there = [one for one in there if one not in group] + [segment(number := number + 1, total)]
    assert sum(one.rows for one in there) == sum(sizes)
    return there, rewritten


@given(st.lists(st.integers(1, 50_000), max_size=150))
@settings(deadline=None, max_examples=60)
def test_a_young_day_keeps_few_segments_and_rewrites_each_call_a_few_times(sizes: list[int]) -> None:
    there, rewritten = grown(sizes, now_us=DAY // 2)
    assert len(there) < 6 * FAN_IN + sum(sizes) / (MOST_ROWS / 2)
    assert rewritten <= 6 * sum(sizes)


@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=150))
@settings(deadline=None, max_examples=60)
def test_an_old_day_comes_down_to_few_segments(sizes: list[int]) -> None:
    there, rewritten = grown(sizes, now_us=9 * DAY)
    smaller = sorted(one.rows for one in there)
    assert all(large > 4 * sum(smaller[:n]) or large * 2 > MOST_ROWS for n, large in enumerate(smaller) if n)
    assert rewritten <= 60 * sum(sizes)


def test_days_are_not_mixed() -> None:
    segments = [segment(n, 10, day=n % 2) for n in range(64)]
    groups = merges(segments, now_us=DAY)
    assert len(groups) == 2
    for group in groups:
        assert len({one.first_us // DAY for one in group}) == 1


def test_calls_stay_as_they_are_through_many_merges(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for first in range(0, 200, 10):
        ledger.append(make_call(n) for n in range(first, first + 10))
        ledger.seal(remove_after_s=0)
        assert ledger.rollup("calls").rows[0][0] == first + 10
    while ledger.seal(remove_after_s=0).segments:
        pass
    assert len(ledger._manifest.listing().segments) <= 3
    assert list(ledger.calls()) == [make_call(n) for n in range(200)]
    assert ledger.rollup("calls").rows[0][0] == 200
