"""A follower sees every call that a gateway recorded, whatever becomes of the files meanwhile."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from tests.support.ledger_calls import START_US, make_call

from freehold.ledger import Ledger
from freehold.ledger.following import Cursor, follow
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings


class Follower:
    """Follows and keeps its cursor as a file would."""

    def __init__(self, home: Path, **cursor: int) -> None:
        self.home, self.cursor, self.seen = home, Cursor(**cursor), []

    def look(self, most: int = 7, batches: int = 10**6) -> list[str]:
        """The calls of the next look; with `batches` it is interrupted after so many."""
        found: list[str] = []
        for number, (calls, cursor) in enumerate(follow(self.home, self.cursor, most=most)):
            assert len(calls) <= most
            found += [call.id for call in calls]
            self.cursor = msgspec.json.decode(msgspec.json.encode(cursor), type=Cursor)
            if number + 1 == batches:
                break
        self.seen += found
        return found


def write(writer: LedgerWriter, *numbers: int) -> list[str]:
    for n in numbers:
        writer.offer(make_call(n))
    assert writer.flush()
    return [make_call(n).id for n in numbers]


def test_calls_come_once_in_the_order_of_recording_with_everything_they_hold(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    assert follower.look() == []
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=10)) as writer:
        assert follower.look() == []
        first = write(writer, *range(100, 125))
        assert follower.look() == first
        assert follower.look() == []
        early = write(writer, *range(20))  # they began earlier, and were recorded later
        assert follower.look() == early
    assert follower.look() == []
    again = [call for batch in follow(tmp_path, Cursor()) for call in batch.calls]
    assert again == [make_call(n) for n in (*range(100, 125), *range(20))]


def test_imported_calls_and_those_from_before_are_left_out(tmp_path: Path) -> None:
    Ledger(tmp_path).append(make_call(n) for n in range(10))
    with LedgerWriter(tmp_path) as writer:
        write(writer, *range(20, 30))
        follower = Follower(tmp_path, since_us=START_US + 25_000_000)
        assert follower.look() == [make_call(n).id for n in range(25, 30)]
        assert follower.look() == []


def test_what_was_sealed_and_swept_before_it_was_seen_comes_all_the_same(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=10)) as writer:
        ids = write(writer, *range(5))
        assert follower.look() == ids
        ids += write(writer, *range(5, 100))
    Ledger(tmp_path).seal(remove_after_s=0, orphans_after_s=0)
    assert not list((tmp_path / "ledger" / "hot").glob("*.db"))
    follower.look()
    assert set(follower.seen) == set(ids)
    assert follower.look() == []
    assert follower.cursor.seen == {}, "a cursor does not grow"


def test_a_file_that_was_given_up_is_passed_over(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        write(writer, *range(5))
    (path,) = (tmp_path / "ledger" / "hot").glob("*.db")
    path.unlink()
    Ledger(tmp_path).write_off(path.name)
    follower = Follower(tmp_path)
    assert follower.look() == []
    assert follower.cursor.floor == 1


@pytest.mark.parametrize("seed", range(8))
def test_none_is_missed_whatever_happens_in_between(tmp_path: Path, seed: int) -> None:
    """Writers come and go, files are closed, sealed and swept, the follower is interrupted and goes on."""
    rng = random.Random(seed)
    follower, written, n = Follower(tmp_path), [], 0
    writers: list[LedgerWriter] = []
    for _ in range(40):
        what = rng.choice(["start", "write", "write", "end", "seal", "sweep", "look", "look", "break"])
        if what == "start" and len(writers) < 3:
            writers.append(LedgerWriter(tmp_path, LedgerSettings(rotate_rows=rng.choice((5, 1000)))))
        elif what == "write" and writers:
            count = rng.randint(1, 20)
            written += write(rng.choice(writers), *range(n, n + count))
            n += count
        elif what == "end" and writers:
            writers.pop(rng.randrange(len(writers))).close()
        elif what in ("seal", "sweep"):
            Ledger(tmp_path).seal(remove_after_s=0 if what == "sweep" else 3600)
        elif what == "look":
            follower.look(most=rng.randint(1, 30))
        elif what == "break":
            follower.look(most=rng.randint(1, 5), batches=1)
    for writer in writers:
        writer.close()
    follower.look()
    assert set(follower.seen) == set(written)
    assert follower.look() == []
    assert max(Counter(follower.seen).values(), default=1) < 40
