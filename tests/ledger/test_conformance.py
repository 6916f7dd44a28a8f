"""What every ledger answers alike, wherever its calls stand: hot, closed, sealed, mixed, or left by a killed one.

And wherever its segments lie, in the home or in an object store, and whether or not its bodies are encrypted.
"""

import json
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.ledger_calls import START_US, make_call
from tests.support.ledger_crash import Nursery

from freehold.errors import NotFound, UsageError
from freehold.ledger import Ledger
from freehold.ledger._layout import Layout
from freehold.ledger._places import settings_of
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings
from freehold.vocabulary import Call

N = 60
KEY = "0123456789abcdef" * 4
KINDS = ("open", "closed", "sealed", "mixed", "killed")
PLACES = ("home", "objects", "encrypted")


def shuffled() -> list[Call]:
    calls = [make_call(n) for n in range(N)]
    random.Random(3).shuffle(calls)
    return calls


def writer_of(home: Path) -> LedgerWriter:
    return LedgerWriter(home, settings_of(Layout.of(home)))


def write(home: Path, calls: list[Call]) -> None:
    with writer_of(home) as writer:
        for call in calls:
            writer.mark()
            assert writer.offer(call)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "objects":
        request.getfixturevalue("objects").home(tmp_path)
    if request.param == "encrypted":
        monkeypatch.setenv("LEDGER_KEY", KEY)
        (tmp_path / "freehold.toml").write_text('[ledger]\nencryption_key_env = "LEDGER_KEY"\n')
    return request.param


@pytest.fixture(params=KINDS)
def ledger(request: pytest.FixtureRequest, children: Nursery, tmp_path: Path, place: str) -> Iterator[Ledger]:
    calls, ledger, stack = shuffled(), Ledger(tmp_path), ExitStack()
    match request.param:
        case "open":
            writer = writer_of(tmp_path)
            for call in calls:
                writer.offer(call)
            assert writer.flush()
            stack.callback(writer.close)
        case "closed":
            write(tmp_path, calls)
        case "sealed":
            write(tmp_path, calls)
            assert ledger.seal(remove_after_s=0).calls == N
            assert not list((tmp_path / "ledger/hot").iterdir())
        case "killed":
            numbers = json.dumps([int(call.id[5:]) for call in calls])
            assert children.run("write_and_die", tmp_path, numbers) == -signal.SIGKILL
        case _:
            write(tmp_path, calls[:15])
            ledger.append(calls[15:30])
            ledger.seal()
            ledger.append(calls[30:45])
            writer = writer_of(tmp_path)
            for call in calls[45:]:
                writer.offer(call)
            assert writer.flush()
            stack.callback(writer.close)
    with stack:
        yield ledger


def test_calls_come_back_whole_and_in_order(ledger: Ledger) -> None:
    assert list(ledger.calls()) == [make_call(n) for n in range(N)]


def test_count_and_get(ledger: Ledger) -> None:
    assert ledger.count() == N
    assert ledger.get("call-00000007") == make_call(7)
    with pytest.raises(NotFound):
        ledger.get("call-99999999")


def test_filters(ledger: Ledger) -> None:
    since, until = START_US + 10_000_000, START_US + 20_000_000
    assert [c.id for c in ledger.calls(since_us=since, until_us=until)] == [f"call-{n:08d}" for n in range(10, 20)]
    assert [c.id for c in ledger.calls(task="täsk")] == [f"call-{n:08d}" for n in range(0, N, 7)]
    assert not list(ledger.calls(sources=["nowhere"]))
    assert len(list(ledger.calls(sources=["gateway", "nowhere"]))) == N


def test_calls_without_bodies(ledger: Ledger) -> None:
    for n, call in enumerate(ledger.calls(bodies=False)):
        assert call == make_call(n, request=b"", response=b"")


def test_equal_times_are_ordered_by_id(ledger: Ledger) -> None:
    same = [make_call(n, started_at_us=START_US - 1) for n in range(900, 910)]
    ledger.append(reversed(same))
    assert list(ledger.calls(until_us=START_US)) == same


def test_append_adds_each_call_once(ledger: Ledger) -> None:
    fresh = [make_call(n) for n in range(N - 5, N + 5)]
    appended = ledger.append([*fresh, *fresh])
    assert (appended.added, appended.duplicates) == (5, 15)
    assert ledger.append(ledger.calls()).added == 0
    assert list(ledger.calls()) == [make_call(n) for n in range(N + 5)]


def test_gold_attached_later_is_read_everywhere(ledger: Ledger) -> None:
    ledger.attach_gold("call-00000001", "first")
    ledger.attach_gold("call-00000001", "second")
    ledger.attach_gold("call-00000007", "corrected")
    assert ledger.get("call-00000001").gold == "second"
    gold = {call.id: call.gold for call in ledger.calls()}
    assert gold["call-00000001"] == "second"
    assert gold["call-00000007"] == "corrected"
    assert gold["call-00000014"] == "right ✓"
    assert ledger.query("SELECT id FROM calls WHERE gold = 'corrected'").rows == (("call-00000007",),)
    with pytest.raises(NotFound):
        ledger.attach_gold("call-99999999", "x")


def test_gold_of_many_calls_is_attached_to_all_of_them_or_to_none(ledger: Ledger) -> None:
    before = [call.gold for call in ledger.calls()]
    golds = {"call-00000001": "first", "call-00000007": "second"}
    with pytest.raises(NotFound):
        ledger.attach_golds({**golds, "call-99999999": "x"})
    ledger.attach_golds({})
    assert [call.gold for call in ledger.calls()] == before
    ledger.attach_golds(golds)
    assert {call_id: ledger.get(call_id).gold for call_id in golds} == golds
    assert [said.value for said in ledger.feedback(["call-00000007"])["call-00000007"]] == ["second"]


def test_query_sees_metadata_of_every_call(ledger: Ledger) -> None:
    result = ledger.query("SELECT count(*) AS n, sum(latency_ms) AS ms FROM calls WHERE model = ?", ["m"])
    assert result.columns == ("n", "ms")
    assert result.rows == ((N, sum(make_call(n).latency_ms for n in range(N))),)
    ((started,),) = ledger.query("SELECT started_at FROM calls ORDER BY started_at_us LIMIT 1").rows
    assert started.isoformat() == "2026-09-21T14:13:20"
    assert ledger.query("SELECT count(*) FROM calls WHERE tags ->> 'team' = 'a'").rows == ((9,),)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nothing FROM calls",
        "SELEC 1",
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY calls TO 'out.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ],
)
def test_query_reaches_nothing_else(ledger: Ledger, sql: str) -> None:
    with pytest.raises(UsageError):
        ledger.query(sql)


def test_sealing_changes_no_answer(ledger: Ledger) -> None:
    before = list(ledger.calls())
    ledger.seal(remove_after_s=0)
    assert list(ledger.calls()) == before
    ledger.seal(remove_after_s=0)
    assert ledger.count() == N


def test_segments_lie_where_they_should(ledger: Ledger, place: str) -> None:
    ledger.seal(remove_after_s=0)
    listed = {segment.place.partition(":")[0] for segment in ledger._manifest.listing().segments}
    assert listed <= {"s3" if place == "objects" else ""}
    shutil.rmtree(ledger.home / "ledger/cache", ignore_errors=True)
    assert ledger.count() == N


def test_nothing_is_wrong(ledger: Ledger) -> None:
    assert ledger.doctor() == []
    assert ledger.losses().dropped == 0


def test_reading_creates_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "home")
    assert ledger.count() == 0
    assert list(ledger.calls()) == []
    assert ledger.query("SELECT count(*) FROM calls").rows == ((0,),)
    assert ledger.doctor() == []
    assert ledger.seal().segments == 0
    assert not (tmp_path / "home").exists()


def test_full_commits_read_alike(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, LedgerSettings(synchronous="FULL", rotate_rows=10)) as writer:
        for n in range(N):
            writer.offer(make_call(n))
    assert list(Ledger(tmp_path).calls()) == [make_call(n) for n in range(N)]


def test_views_tell_tags_attempts_and_rollups(ledger: Ledger) -> None:
    assert ledger.query("SELECT team, count(*) FROM calls GROUP BY 1 ORDER BY 2").rows == (("a", 9), (None, N - 9))
    ((attempts, owned),) = ledger.query("SELECT count(*), count(*) FILTER (purpose = 'audit') FROM attempts").rows
    assert (attempts, owned) == (N, 9)
    for name, measure, total in (("calls", "calls", N), ("attempts", "attempts", N), ("users", "attempts", N)):
        assert ledger.query(f"SELECT sum({measure})::INT FROM rollup_{name}").rows == ((total,),)
    assert ledger.query("SELECT sum(n)::INT FROM rollup_latency WHERE phase = 'total' AND ms > 1").rows == ((N,),)
    some = ledger.query("SELECT id FROM calls", max_rows=7)
    assert (len(some.rows), some.truncated) == (7, True)
    assert not ledger.query("SELECT id FROM calls", max_rows=N).truncated


def test_a_query_that_takes_too_long_is_ended(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="longer"):
        ledger.query("SELECT sum(a.range % (b.range + 1)) FROM range(10000000000) a, range(1000) b", timeout_s=0.3)
