"""The book against a plain model of it, over crashes, clocks that are put and periods that end."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support import keys as support
from tests.support.keys import DAY, NOON, SECOND, Clock, budget, claim, used

from freehold.errors import BudgetExhausted, MissingPrerequisite
from freehold.gateway.callers import Admission, Callers
from freehold.gateway.callers._book import ROW_BYTES, Book
from freehold.gateway.callers._periods import span
from freehold.gateway.callers.spending import Spending, spending
from freehold.vocabulary import NANO_USD, VirtualKey

_LIMIT_USD = 1.0
_LIMIT = round(_LIMIT_USD * NANO_USD)


class Books(RuleBasedStateMachine):
    """Three gateway processes, one key with a budget a day and one with a budget in total."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.secrets = [
            support.make(self.home, "daily", budget=budget(_LIMIT_USD, "day")),
            support.make(self.home, "total", budget=budget(_LIMIT_USD, "total")),
        ]
        self.keys = support.kept(self.home)
        self.processes: list[Callers] = [support.opened(self.home, clock=self.clock) for _ in range(3)]
        self.under_way: list[list[tuple[Admission, int, tuple[int, int]]]] = [[], [], []]
        self.committed: dict[tuple[int, int], int] = defaultdict(int)
        self.estimated: dict[tuple[int, int], int] = defaultdict(int)

    def teardown(self) -> None:
        for process in self.processes:
            process.close()
        shutil.rmtree(self.home)

    def place(self, which: int) -> tuple[int, int]:
        period = self.keys[which].budget
        assert period is not None
        return which, span(period.period, self.clock.now_ns).tag

    @rule(process=st.integers(0, 2), which=st.integers(0, 1), tokens=st.integers(0, 60_000))
    def admit(self, process: int, which: int, tokens: int) -> None:
        callers, place, amount = self.processes[process], self.place(which), tokens * 10_000
        caller = support.caller(callers, self.secrets[which])
        if self.committed[place] + amount > _LIMIT:
            with pytest.raises(BudgetExhausted) as refused:
                callers.admit(caller, claim(output=tokens))
            assert (b"x-should-retry: false" in refused.value.lines) == (
                self.committed[place] - self.reserved(place) + amount > _LIMIT
            )
        else:
            self.under_way[process].append((callers.admit(caller, claim(output=tokens)), amount, place))
            self.committed[place] += amount

    @precondition(lambda self: any(self.under_way))
    @rule(data=st.data(), share=st.integers(0, 120), twice=st.booleans())
    def settle(self, data: st.DataObject, share: int, twice: bool) -> None:
        admission, amount, place = self.take(data)
        tokens = amount // 10_000 * share // 100  # up to a fifth more than was reserved
        for _ in range(1 + twice):
            admission.settle(used(output=tokens), "up", "m")
        self.committed[place] += tokens * 10_000 - amount

    @precondition(lambda self: any(self.under_way))
    @rule(data=st.data(), how=st.sampled_from(["release", "unknown", "owned", "unpriced"]))
    def end(self, data: st.DataObject, how: str) -> None:
        admission, amount, place = self.take(data)
        if how == "release":
            admission.release()
        elif how == "owned":
            admission.settle(used(output=5), "owned", "student", owner="owned")
        else:
            admission.settle(used(output=5) if how == "unpriced" else None, "elsewhere", "nobody-prices-this")
        admission.release()
        if how in {"release", "owned"}:
            self.committed[place] -= amount
        else:
            self.estimated[place] += amount

    def take(self, data: st.DataObject) -> tuple[Admission, int, tuple[int, int]]:
        running = data.draw(st.sampled_from([calls for calls in self.under_way if calls]))
        return running.pop(data.draw(st.integers(0, len(running) - 1)))

    @rule(process=st.integers(0, 2))
    def crash(self, process: int) -> None:
        """The kernel closes what a killed process had open, and nobody settles its calls."""
        self.processes[process].close()
        for _, amount, place in self.under_way[process]:
            self.estimated[place] += amount
        self.under_way[process] = []
        self.processes[process] = support.opened(self.home, clock=self.clock)

    @rule(seconds=st.integers(-30 * 3600, 30 * 3600))
    def put_clock(self, seconds: int) -> None:
        self.clock.now_ns = max(NOON - 3 * DAY, self.clock.now_ns + seconds * SECOND)

    def reserved(self, place: tuple[int, int]) -> int:
        return sum(amount for calls in self.under_way for _, amount, where in calls if where == place)

    @invariant()
    def spending_is_what_the_model_says(self) -> None:
        found = spending(self.home, self.keys, self.clock.now_ns)
        for which, key in enumerate(self.keys):
            place = self.place(which)
            reserved = self.reserved(place)
            shown = found[key.id]
            assert (shown.spent, shown.reserved, shown.estimated) == (
                Decimal(self.committed[place] - reserved) / NANO_USD,
                Decimal(reserved) / NANO_USD,
                Decimal(self.estimated[place]) / NANO_USD,
            )


Books.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase


def test_what_a_killed_process_reserved_counts_as_spent_and_is_called_an_estimate(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1))
    first, second = support.opened(tmp_path), support.opened(tmp_path)
    first.admit(support.caller(first, key), claim(output=30_000))
    first.close()
    assert shown(tmp_path) == (Decimal("0.3"), 0, Decimal("0.3"))
    third = support.opened(tmp_path)  # takes the place of the first, and sweeps
    assert shown(tmp_path) == (Decimal("0.3"), 0, Decimal("0.3"))
    second.admit(support.caller(second, key), claim(output=70_000)).release()
    with pytest.raises(BudgetExhausted):
        third.admit(support.caller(third, key), claim(output=70_001))
    second.close()
    third.close()


def shown(home: Path) -> tuple[Decimal, Decimal, Decimal]:
    only: Spending = next(iter(spending(home, support.kept(home), NOON).values()))
    return only.spent, only.reserved, only.estimated


def test_the_book_grows_and_every_process_finds_every_row(tmp_path: Path) -> None:
    one, other = Book(tmp_path), Book(tmp_path)
    rows = {number: one.row(number, 4 << 32, NOON) for number in range(1, 300)}
    for number, row in rows.items():
        one.lock()
        one.reserve(row, number)
        one.unlock()
    assert {number: other.row(number, 4 << 32, NOON) for number in rows} == rows
    assert all(other.committed(row) == number for number, row in rows.items())
    one.close()
    other.close()


def test_the_books_blocks_are_there_before_anything_is_stored_in_them(tmp_path: Path) -> None:
    """On a full disk, a store into a page without a block would kill the process."""
    one = Book(tmp_path)
    for number in range(1, 100):
        one.row(number, 4 << 32, NOON)
    there = (tmp_path / "budgets/book").stat()
    assert there.st_blocks * 512 >= there.st_size > 64 * ROW_BYTES
    one.close()


def test_rows_of_periods_long_over_are_used_again_and_late_calls_do_not_reach_them(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1, "day"))
    clock = Clock()
    callers = support.opened(tmp_path, clock=clock)
    late = callers.admit(support.caller(callers, key), claim(output=1000))
    one = Book(tmp_path)
    size = (tmp_path / "budgets/book").stat().st_size
    rows = {one.row(number, 4 << 32, NOON + 40 * DAY) for number in range(1, size // ROW_BYTES)}
    assert (tmp_path / "budgets/book").stat().st_size == size
    assert len(rows) == size // ROW_BYTES - 1
    late.settle(used(output=10), "up", "m")
    assert all(one.committed(row) == 0 for row in rows)
    clock.now_ns += 40 * DAY
    callers.admit(support.caller(callers, key), claim(output=1000)).release()
    assert (tmp_path / "budgets/book").stat().st_size == 2 * size
    one.close()
    callers.close()


@pytest.mark.parametrize("damage", ["short", "empty", "nonsense", "header"])
def test_a_torn_book_lets_no_call_under_a_budget_through(tmp_path: Path, damage: str) -> None:
    key, free = support.make(tmp_path, budget=budget(1)), support.make(tmp_path, "free")
    support.opened(tmp_path).close()
    file = tmp_path / "budgets/book"
    content = file.read_bytes()
    file.write_bytes(
        {"short": content[:5000], "empty": b"", "nonsense": b"x" * 65536, "header": b"\0" * 24 + content[24:]}[damage]
    )
    callers = support.opened(tmp_path)
    with pytest.raises(MissingPrerequisite, match="damaged") as error:
        callers.admit(support.caller(callers, key), claim(output=1))
    assert error.value.error_code == "budget_unavailable"
    callers.admit(support.caller(callers, free), claim(output=1)).release()
    with pytest.raises(MissingPrerequisite, match="damaged"):
        spending(tmp_path, support.kept(tmp_path), NOON)
    file.write_bytes(content)
    callers.refresh()
    callers.admit(support.caller(callers, key), claim(output=1)).release()
    callers.close()


def test_a_book_that_is_cut_while_it_is_in_use_is_let_go(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1))
    callers = support.opened(tmp_path)
    with (tmp_path / "budgets/book").open("r+b") as file:
        file.truncate(100)
    callers.refresh()
    with pytest.raises(MissingPrerequisite, match="damaged"):
        callers.admit(support.caller(callers, key), claim(output=1))


def test_a_book_that_is_removed_while_it_is_in_use_is_put_back_with_what_it_held(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1))
    callers, other = support.opened(tmp_path), support.opened(tmp_path)
    callers.admit(support.caller(callers, key), claim(output=50_000)).settle(used(output=50_000), "up", "m")
    open_call = other.admit(support.caller(other, key), claim(output=10_000))
    shutil.rmtree(tmp_path / "budgets")
    callers.refresh()
    other.refresh()
    open_call.settle(used(output=1), "up", "m")
    assert sum(shown(tmp_path)[:2]) == Decimal("0.6")
    with pytest.raises(BudgetExhausted):
        other.admit(support.caller(other, key), claim(output=40_001))
    other.admit(support.caller(other, key), claim(output=40_000)).release()
    callers.close()
    other.close()


def test_a_process_that_stops_inside_the_lock_holds_the_others_up_for_a_moment_once(tmp_path: Path) -> None:
    key = support.make(tmp_path, budget=budget(1))
    callers, stopped = support.opened(tmp_path), Book(tmp_path)
    caller = support.caller(callers, key)
    callers.admit(caller, claim(output=1)).release()
    stopped.lock()
    for _ in range(20):  # the first waits a quarter of a second, the others not at all
        with pytest.raises(MissingPrerequisite, match="does not move"):
            callers.admit(caller, claim(output=1))
    stopped.unlock()
    callers.admit(caller, claim(output=1)).release()
    callers.close()
    stopped.close()


def test_more_processes_than_there_are_places_are_refused(tmp_path: Path) -> None:
    books = [Book(tmp_path) for _ in range(60)]
    with pytest.raises(MissingPrerequisite, match="60 gateway processes"):
        Book(tmp_path)
    books[7].close()
    Book(tmp_path).close()
    for one in books:
        one.close()


def test_two_keys_never_share_a_row(tmp_path: Path) -> None:
    keys = [VirtualKey(id=f"key_{n:016x}", name=str(n), digest="00", created_at="") for n in (1, 2)]
    one = Book(tmp_path)
    assert len({one.row(key.number, tag, NOON) for key in keys for tag in (0, 4 << 32)}) == 4
    one.close()
