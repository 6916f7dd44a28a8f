"""Records read by several processes: the same calls, counts and order as by one, whatever becomes of the helpers."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.importing_foreign import test_helicone, test_langfuse, test_litellm, test_otel

from freehold.ledger import Ledger, feedback
from freehold.ledger.importing import Imported, _helper, _pieces, _shares, _sharing, import_logs, running
from freehold.ledger.importing._outcome import Outcome, outcome
from freehold.ledger.importing._shares import Batch, Portable
from freehold.ledger.importing.known import FORMATS
from freehold.ledger.importing.protocol import Mark, Record

BROKEN = ("{broken", "[]", '{"id": 1}', '"text"', "\udcff", '{"a": ' * 5000)


def pair(n: int) -> dict[str, Any]:
    request = {"model": f"m{n % 250}", "messages": [{"role": "user", "content": f"{n} " + "x" * (n % 40)}]}
    answer: dict[str, Any] = {"id": f"a{n}", "choices": [{"index": 0, "message": {"role": "assistant"}}]}
    answer["usage"] = {"prompt_tokens": n, "completion_tokens": 1, "total_tokens": n + 1}
    return {"request": request, "response": answer} | ({"created_at": 1_791_158_400 + n} if n % 3 else {})


def lines(path: Path, records: list[dict[str, Any]]) -> list[Path]:
    """Records as lines; some come twice, and between them stands what is none."""
    rng = random.Random(1)
    with path.open("w", errors="surrogateescape") as file:
        for one in records:
            file.write(json.dumps(one) + "\n")
            if rng.random() < 0.1:
                file.write(rng.choice(["", "  ", *BROKEN, json.dumps(records[0])]) + "\n")
    return [path]


def array(folder: Path, count: int) -> list[Path]:
    path = folder / "log.json"
    path.write_text("[" + ",\n".join(json.dumps(pair(n)) for n in range(count)) + ',\n{"a": 1}, {"b": ]}]')
    return [path]


def batch(folder: Path, count: int) -> list[Path]:
    asked = [{"custom_id": f"r{n}", "url": "/v1/chat/completions", "body": pair(n)["request"]} for n in range(count)]
    answers = [
        {"custom_id": f"r{n}", "response": {"status_code": 200, "body": pair(n)["response"]}} for n in range(count - 3)
    ]
    return lines(folder / "in.jsonl", asked) + lines(folder / "out.jsonl", answers)


def table(folder: Path, count: int) -> list[Path]:
    import csv

    path = folder / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(test_litellm.row()))
        writer.writeheader()
        for n in range(count):
            row = test_litellm.row(request_id=f"c{n}" if n % 20 else "")
            writer.writerow({name: v if isinstance(v, str) else json.dumps(v) for name, v in row.items()})
    return [path]


def spans(folder: Path, count: int) -> list[Path]:
    def one(n: int) -> dict[str, Any]:
        changed = {} if n % 9 else {"startTimeUnixNano": "no time"}
        return test_otel.span(test_otel.TODAY, spanId=f"{n:016x}", **changed)

    return lines(
        folder / "log.jsonl",
        [test_otel.request(*(one(n) for n in range(at, at + 5)), {"name": "no call"}) for at in range(0, count, 5)],
    )


LOGS: dict[str, Callable[[Path, int], list[Path]]] = {
    "pairs": lambda folder, count: lines(folder / "log.jsonl", [pair(n) for n in range(count)]),
    "array": array,
    "batch": batch,
    "litellm, CSV": table,
    "helicone, with feedback": lambda folder, count: lines(
        folder / "log.jsonl",
        [test_helicone.request(request_id=f"h{n}", feedback_rating=bool(n % 2)) for n in range(count)],
    ),
    "langfuse, spans between": lambda folder, count: lines(
        folder / "log.jsonl",
        [test_langfuse.v2(id=f"o{n}", type="GENERATION" if n % 4 else "SPAN") for n in range(count)],
    ),
    "otel, several a line": spans,
}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes imports share from the first record on, on any machine; fills with the batches that helpers answered."""
    counted: list[int] = []
    plain = _sharing._Helper.answer

    def answer(self: _sharing._Helper) -> list[Outcome] | None:
        outcomes = plain(self)
        counted.append(len(outcomes or ()))
        return outcomes

    monkeypatch.setattr(_sharing, "ALONE_BYTES", 0)
    monkeypatch.setattr(_shares, "_BATCH_RECORDS", 7)
    monkeypatch.setattr(_pieces, "PIECE_BYTES", 4096)
    monkeypatch.setattr(_sharing, "_cores", lambda: 2)
    monkeypatch.setattr(_sharing._Helper, "there", lambda self: bool(select.select([self._socket], [], [], 60)[0]))
    monkeypatch.setattr(_sharing._Helper, "answer", answer)
    return counted


def alone(home: Path, log: list[Path], **how: Any) -> Imported:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sharing, "_cores", lambda: 1)
        return import_logs(Ledger(home), log, **how)


def kept(home: Path) -> list[bytes]:
    """Everything that an import leaves in a ledger, in its order; when something was said is when it came in."""
    said = feedback.read_feedback(Ledger(home)._layout, None)
    plain = [msgspec.structs.replace(one, at_us=0) for some in said.values() for one in some]
    return [msgspec.json.encode(one) for one in (*Ledger(home).calls(), *plain)]


@pytest.mark.parametrize("name", LOGS)
def test_sharing_changes_nothing(
    tmp_path: Path, name: str, answers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GROUP_CALLS", 60)
    log = LOGS[name](tmp_path, 300)
    one = alone(tmp_path / "one", log)
    assert not answers
    assert (
        import_logs(Ledger(tmp_path / "dry"), log, dry_run=True).logs == alone(tmp_path / "dry", log, dry_run=True).logs
    )
    assert len(answers) > 4
    answers.clear()
    several = import_logs(Ledger(tmp_path / "several"), log)
    assert len(answers) > 4
    assert several == one
    assert one.added > 100
    assert one.rejected
    assert kept(tmp_path / "several") == kept(tmp_path / "one")
    assert import_logs(Ledger(tmp_path / "several"), log).added == 0


def test_a_dry_run_shares_too(tmp_path: Path, answers: list[int]) -> None:
    log, ledger = LOGS["pairs"](tmp_path, 100), Ledger(tmp_path / "home")
    one = alone(tmp_path / "home", log, dry_run=True)
    assert import_logs(ledger, log, dry_run=True) == one
    assert answers
    assert not list(ledger.calls())


def test_helpers_that_die_cost_nothing(tmp_path: Path, answers: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    log = LOGS["pairs"](tmp_path, 300)
    one, asked, plain = alone(tmp_path / "one", log), 0, _sharing._Helper.ask

    def ask(self: _sharing._Helper, share: Portable) -> None:
        nonlocal asked
        asked += 1
        if asked in (3, 9):
            os.kill(self._process.pid, signal.SIGKILL)
            if asked == 9:
                self._process.wait()
        plain(self, share)

    monkeypatch.setattr(_sharing._Helper, "ask", ask)
    assert import_logs(Ledger(tmp_path / "several"), log) == one
    assert answers
    assert kept(tmp_path / "several") == kept(tmp_path / "one")


def test_helpers_that_cannot_be_started_cost_nothing(
    tmp_path: Path, answers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LOGS["pairs"](tmp_path, 100)
    one = alone(tmp_path / "one", log)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert import_logs(Ledger(tmp_path / "several"), log) == one
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert import_logs(Ledger(tmp_path / "none"), log) == one
    assert not answers


@pytest.mark.parametrize("changed", [{"_cores": lambda: 1}, {"ALONE_BYTES": 1 << 24}])
def test_small_logs_and_single_cores_start_no_process(
    tmp_path: Path, answers: list[int], changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in changed.items():
        monkeypatch.setattr(_sharing, name, value)
    monkeypatch.setattr(_sharing, "_Helper", None)
    assert import_logs(Ledger(tmp_path / "home"), LOGS["pairs"](tmp_path, 300)).added == 300


def test_a_helper_loads_nothing_heavy() -> None:
    program = (
        "import sys, freehold.ledger.importing._helper; heavy = 'torch sklearn scipy duckdb sqlalchemy rich typer';"
        "print([one for one in heavy.split() if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


class _Fake:
    """A helper in this process, which comes and goes as it was told."""

    def __init__(self, comes_after: int, dies_after: int) -> None:
        self._waits, self._lives = comes_after, dies_after
        self._held: list[Portable] = []

    def there(self) -> bool:
        self._waits -= 1
        return self._waits < 0

    def greet(self) -> None:
        if not self._lives:
            raise EOFError

    def ask(self, share: Portable) -> None:
        self._lives -= 1
        if self._lives < 0:
            raise BrokenPipeError
        assert not self._held, "one share at a time"
        self._held.append(share)

    def answer(self) -> list[Outcome] | None:
        self._lives -= 1
        if self._lives < 0:
            raise EOFError
        return _helper._read(FORMATS["openai"], self._held.pop())


RECORDS = st.lists(st.sampled_from([json.dumps(pair(0)), *BROKEN[:3], "fault"]), max_size=40)


@given(RECORDS, st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4))
def test_whatever_helpers_do_each_record_is_read_once_and_in_order(
    texts: list[str], together: int, helpers: list[tuple[int, int]]
) -> None:
    def records() -> Iterator[Record]:
        for n, text in enumerate(texts, 1):
            fault = "cut" if text == "fault" else ""
            yield Record(n, b"" if fault else text.encode(), Mark(n, n), fault)

    form, there = FORMATS["openai"], list(records())
    batches = [Batch(there[at : at + together]) for at in range(0, len(there), together)]
    fakes: Any = [_Fake(*one) for one in helpers]
    assert list(_sharing._Sharing(form, fakes).read(batches)) == [outcome(form, record) for record in there]


_CHILD = """
import os, select, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
from pathlib import Path
from freehold.ledger import Ledger
from freehold.ledger.importing import _pieces, _sharing, import_logs, running
running.GROUP_CALLS = 200
_sharing.ALONE_BYTES, _pieces.PIECE_BYTES, _sharing._cores = 0, 8192, lambda: 2
plain = _sharing._Helper.ask
def ask(self, share):
    (Path(sys.argv[3]) / str(self._process.pid)).touch()
    plain(self, share)
_sharing._Helper.ask = ask
_sharing._Helper.there = lambda self: bool(select.select([self._socket], [], [], 60)[0])
import_logs(Ledger(Path(sys.argv[1])), [Path(sys.argv[2])])
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not (done := what()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return done


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_nothing_is_left_lost_or_doubled(
    tmp_path: Path, how: signal.Signals, answers: list[int]
) -> None:
    log, home, pids = LOGS["pairs"](tmp_path, 4000), tmp_path / "home", tmp_path / "pids"
    pids.mkdir()
    command: list[Any] = [sys.executable, "-c", _CHILD, home, *log, pids]
    killed = 0
    for wait_s in (0.0, 0.1):
        before = len(list(pids.iterdir()))
        # In a group of its own, as a shell starts it: a Ctrl-C goes to the whole group.
        child = subprocess.Popen(command, process_group=0, stderr=subprocess.DEVNULL)
        assert until(lambda: len(list(pids.iterdir())) > before or child.poll() is not None)  # noqa: B023
        time.sleep(wait_s)
        if child.poll() is None:
            os.killpg(child.pid, how)
            killed += 1
        child.wait(60)
        assert until(lambda: all(gone(int(one.name)) for one in pids.iterdir()))
    assert killed
    one, report = alone(tmp_path / "one", log).logs[0], import_logs(Ledger(home), log).logs[0]
    assert kept(home) == kept(tmp_path / "one")
    assert (report.read, report.rejected, report.examples) == (one.read, one.rejected, one.examples)
    assert report.content == one.content
    assert answers
