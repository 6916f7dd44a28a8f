"""What waits for the disk comes out as it went in, and what it took goes back to the system."""

import sys
from collections import deque
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call

from freehold.ledger import _waiting
from freehold.ledger._rows import size_of
from freehold.ledger._waiting import OBJECT_BYTES, Waiting, _Pages
from freehold.vocabulary import Call


def put(waiting: Waiting, call: Call) -> None:
    waiting.put(call, size_of(call))


@given(st.lists(st.binary(min_size=1, max_size=40) | st.just(b"a" * 40) | st.none()))
def test_pages_are_a_queue(moves: list[bytes | None]) -> None:
    """A block is kept, or (None) the first one read."""
    pages, model = _Pages(), deque[bytes]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_waiting, "_PAGE_BYTES", 64)
        for block in moves:
            if block is not None:
                pages.put(block)
                model.append(block)
            elif model:
                assert pages.get() == model.popleft()
            assert len(pages) == len(model)
            assert bool(pages.mapped) is bool(model)
        assert [pages.get() for _ in range(len(pages))] == list(model)


@pytest.mark.parametrize(("n", "size"), [(1000, 200), (5000, 1000), (40, 60_000), (5, 2_000_000)])
def test_calls_come_out_in_order_and_as_they_were(n: int, size: int) -> None:
    calls = [make_call(number, size=size) for number in range(n)]
    waiting = Waiting()
    for call in calls:
        put(waiting, call)
    assert (len(waiting), waiting.size) == (n, sum(map(size_of, calls)))
    assert [waiting.get() for _ in range(n // 2)] == [(call, size_of(call)) for call in calls[: n // 2]]
    put(waiting, make_call(n))
    assert [waiting.get()[0] for _ in range(len(waiting))] == [*calls[n // 2 :], make_call(n)]
    assert (len(waiting), waiting.size, waiting.held) == (0, 0, 0)
    with pytest.raises(IndexError):
        waiting.get()


def test_what_cannot_be_packed_waits_as_it_is() -> None:
    waiting = Waiting()
    for number in range(300):
        put(waiting, make_call(number))
    before = waiting.held
    odd = make_call(300, provider="\ud800")
    put(waiting, odd)
    assert waiting.held == before + size_of(odd) + OBJECT_BYTES
    assert odd in [waiting.get()[0] for _ in range(301)]


def test_many_take_less_memory_than_they_measure() -> None:
    waiting = Waiting()
    for number in range(20_000):
        put(waiting, make_call(number, size=1000))
    assert waiting.size > 25_000_000
    assert waiting.held < 5_000_000


def test_what_does_not_become_smaller_stays_as_it_is() -> None:
    random, waiting = Random(1), Waiting()
    calls = [make_call(number, request=random.randbytes(100_000)) for number in range(60)]
    for call in calls:
        put(waiting, call)
    assert waiting.held > 6_000_000
    assert [waiting.get()[0] for _ in range(60)] == calls


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc what is mapped")
def test_memory_goes_back_to_the_system() -> None:
    def n_maps() -> int:
        return Path("/proc/self/maps").read_text("ascii").count("/dev/zero (deleted)")

    before, waiting = n_maps(), Waiting()
    for number in range(5000):
        put(waiting, make_call(number, size=1000))
    assert n_maps() > before + 4
    for _ in range(5000):
        waiting.get()
    assert n_maps() == before
