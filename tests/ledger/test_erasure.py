"""Erasing one user's content: no byte of it is left anywhere, totals stay, and a kill is gone on from."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from tests.support.ledger_calls import make_call
from tests.support.ledger_crash import Nursery

from freehold.ledger import Ledger, Whose
from freehold.ledger.feedback import attach
from freehold.ledger.writer import LedgerWriter
from freehold.vocabulary import CONTENT_TAG, ERASURE_TAG, Call, Feedback, Leg

USER = "anna-4711"
N = 120
HERS = [n for n in range(N) if n % 5 == 0]
STEPS = ("begin", "rotate", "words", "write", "install", "publish", "sweep", "end")


def call_of(n: int) -> Call:
    user = USER if n % 5 == 0 else f"user {n}"
    said = f"I am {user}" if n % 5 == 0 else "hello"
    return make_call(
        n,
        tags={"end_user": user, "session": f"of {user}", "team": "support", "note": f"{user}!"},
        request=json.dumps({"messages": [{"role": "user", "content": said}]}).encode(),
        response=f'"dear {user}"'.encode(),
        gold=f"{user} is right" if n % 10 == 0 else None,
        legs=(Leg("audit", "rented", "p", "m", "ok", answer=f"dear {user}"),),
    )


def fill(home: Path) -> Ledger:
    """Sealed, closed and open files, gold and feedback, all of them with calls of hers."""
    ledger = Ledger(home)
    ledger.append(call_of(n) for n in range(50))
    ledger.seal(remove_after_s=0)
    ledger.append(call_of(n) for n in range(50, 90))
    ledger.append(call_of(n) for n in range(90, N))
    attach(home, "call-00000005", [Feedback("", "comment", f"{USER} was glad"), Feedback("", "gold", f"yes, {USER}")])
    return ledger


def places(home: Path, word: bytes = USER.encode()) -> Iterator[str]:
    """Files that hold a word, inside compressed segments too."""
    for path in home.rglob("*"):
        if not path.is_file():
            continue
        if word in path.read_bytes():
            yield path.name
        if path.suffix == ".parquet":
            sql = "SELECT count(*) FROM read_parquet(?) t WHERE contains(to_json(t)::VARCHAR, ?)"
            columns = "SELECT coalesce(string_agg(decode(request) || decode(response)), '') FROM read_parquet(?)"
            bodies = ""
            with duckdb.connect() as db:
                (found,) = db.execute(sql, [str(path), word.decode()]).fetchone() or (0,)
                if path.parent.name == "segments":
                    (bodies,) = db.execute(columns, [str(path)]).fetchone() or ("",)
            if found or word.decode() in bodies:
                yield path.name


def check(ledger: Ledger, erasure: str) -> None:
    calls = list(ledger.calls())
    assert [call.id for call in calls] == [make_call(n).id for n in range(N)]
    for n, call in enumerate(calls):
        if n in HERS:
            kept = call_of(n)
            assert (call.request, call.response, call.gold, call.legs[0].answer) == (b"", b"", None, None)
            assert call.tags == {"team": "support", CONTENT_TAG: "erased", ERASURE_TAG: erasure}
            assert (call.usage, call.latency_ms, call.model) == (kept.usage, kept.latency_ms, kept.model)
        else:
            assert call == call_of(n)
    assert ledger.doctor() == []


def test_nothing_of_hers_is_left_and_everything_else_is(tmp_path: Path) -> None:
    ledger = fill(tmp_path)
    with ledger._snapshot() as snapshot:
        ledger._rollup_files.ensure(snapshot, snapshot.listing.segments)
    assert len(set(places(tmp_path))) == 5
    whose = Whose((USER,))
    assert ledger.to_erase(whose) == [make_call(n).id for n in HERS]
    done = ledger.erase(whose)
    assert (done.finished, len(done.call_ids), done.held) == (True, len(HERS), ())
    assert list(places(tmp_path)) == []
    check(ledger, done.id)
    assert ledger.feedback(["call-00000005"]) == {}
    again = ledger.erase(whose)
    assert (again.finished, again.call_ids) == (True, ())
    assert ledger.append(call_of(n) for n in range(N)).added == 0
    check(ledger, done.id)


def test_an_open_file_is_let_go_by_its_writer(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path) as writer:
        for n in range(N):
            writer.offer(call_of(n))
        assert writer.flush()
        done = Ledger(tmp_path).erase(Whose((USER,)), wait_s=60)
        assert done.finished
        assert list(places(tmp_path)) == []
        writer.offer(call_of(N))
        assert writer.flush()
        assert Ledger(tmp_path).count() == N + 1
    assert Ledger(tmp_path).losses().dropped == 0


def test_what_a_writer_does_not_let_go_is_named_and_comes_next_time(tmp_path: Path) -> None:
    ledger = fill(tmp_path)
    with LedgerWriter(tmp_path) as writer:
        writer.offer(call_of(N + 0))
        assert writer.flush()
        writer._rotate_if_due = lambda: None  # type: ignore[method-assign]
        done = ledger.erase(Whose((USER,)), wait_s=0.01)
        assert (done.finished, len(done.held)) == (False, 1)
        assert [finding.code for finding in ledger.doctor()] == ["erasure_unfinished"]
        del writer._rotate_if_due
        again = ledger.erase(Whose((USER,)), wait_s=60)
    assert (again.finished, again.id, len(again.call_ids)) == (True, done.id, len(HERS) + 1)
    assert list(places(tmp_path)) == []
    assert ledger.doctor() == []


def test_calls_by_id(tmp_path: Path) -> None:
    ledger = fill(tmp_path)
    done = ledger.erase(Whose(call_ids=("call-00000003", "call-00000077", "call-99999999")))
    assert done.call_ids == ("call-00000003", "call-00000077")
    assert ledger.get("call-00000003").request == b""
    assert ledger.get("call-00000004") == call_of(4)
    assert ledger.erase(Whose(call_ids=("call-00000003",))).call_ids == ()


def test_another_tag_and_a_name_that_is_a_pattern(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    names = ["a'b", 'a"b', "a%b", "a.b", "ä", "*"]
    ledger.append(make_call(n, tags={"the customer's": name}) for n, name in enumerate(names))
    ledger.seal()
    for n, name in enumerate(names):
        assert ledger.erase(Whose((name,), tag="the customer's")).call_ids == (make_call(n).id,)


def test_it_is_recorded_by_a_slow_hash_and_not_by_name(tmp_path: Path) -> None:
    ledger = fill(tmp_path)
    one, two = ledger.erase(Whose((USER,))), ledger.erase(Whose((USER,)))
    assert one.digest != two.digest
    assert USER not in repr(one)


@pytest.mark.fault("host", "SIGKILL at every step of sealing, retention and erasure")
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_after_any_step_is_gone_on_from(children: Nursery, tmp_path: Path, step: str) -> None:
    ledger = fill(tmp_path)
    assert children.run("erase_until", tmp_path, USER, step) == -signal.SIGKILL
    assert ledger.count() == N
    assert [call.id for call in ledger.calls()] == [make_call(n).id for n in range(N)]
    assert [finding.code for finding in ledger.doctor()] == ([] if step == "end" else ["erasure_unfinished"])
    done = ledger.erase(Whose((USER,)))
    assert done.finished
    assert list(places(tmp_path)) == []
    first = ledger.get("call-00000000").tags[ERASURE_TAG]
    assert done.id == first or step == "end"
    assert len(done.call_ids) == (0 if step == "end" else len(HERS))
    check(ledger, first)


def test_reads_and_sealing_beside_it_stay_right(tmp_path: Path) -> None:
    ledger, stop, seen = fill(tmp_path), threading.Event(), []

    def seal() -> None:
        while not stop.is_set():
            Ledger(tmp_path).seal(remove_after_s=0)

    def read() -> None:
        while not stop.is_set():
            seen.append(len(list(Ledger(tmp_path).calls())))

    threads = [threading.Thread(target=work) for work in (seal, read)]
    for thread in threads:
        thread.start()
    done = ledger.erase(Whose((USER,)))
    stop.set()
    for thread in threads:
        thread.join()
    assert done.finished
    assert set(seen) <= {N}
    assert list(places(tmp_path)) == []
    check(ledger, done.id)
    assert not list((tmp_path / "ledger/hot").iterdir())
