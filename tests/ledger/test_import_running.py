"""Running imports: what a dry run says, going on after a kill, constant memory."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.ledger_calls import make_call

from freehold.ledger import Ledger, export_calls
from freehold.ledger.importing import import_file, import_logs, running
from freehold.vocabulary import Call, Usage


def log_of(path: Path, calls: list[Call]) -> Path:
    with path.open("wb") as file:
        export_calls(calls, file)
    return path


def test_a_dry_run_says_what_would_come_in_and_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ledger = Ledger(home)
    ledger.append([make_call(n) for n in range(10)])
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    log = log_of(tmp_path / "log.jsonl", [make_call(n) for n in (*range(5, 30), 29)])
    log.write_bytes(log.read_bytes() + b"{broken\n")
    again = log_of(tmp_path / "log2.jsonl", [make_call(n) for n in range(28, 32)])
    dry = import_logs(ledger, [log, again], dry_run=True)
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    assert [(one.added, one.duplicates, one.rejected) for one in dry.logs] == [(20, 6, 1), (2, 2, 0)]
    content = dry.logs[0].content
    assert (content.calls, content.complete, content.models) == (26, 26, {"m": 26})
    assert content.first_us == make_call(5).started_at_us
    real = import_logs(ledger, [log, again])
    assert [(one.added, one.duplicates, one.rejected) for one in real.logs] == [(20, 6, 1), (2, 2, 0)]


def test_calls_without_bodies_are_kept_as_they_are_and_said_to_teach_nothing(tmp_path: Path) -> None:
    bare = [make_call(n, request=b"", response=b"", usage=Usage(5, output_tokens=1)) for n in range(1, 4)]
    log = log_of(tmp_path / "log.jsonl", bare)
    ledger = Ledger(tmp_path / "home")
    report = import_file(ledger, log)
    assert list(ledger.calls()) == bare
    assert report.content.tokens == {"input_tokens": 15, "output_tokens": 3}
    assert "no call holds both request and answer (3 hold neither)" in report.shortcomings[0]
    ledger.seal(remove_after_s=0)
    assert list(ledger.calls()) == bare


def rows(path: Path, count: int) -> Path:
    with path.open("w") as file:
        for n in range(count):
            request = {"model": "m", "messages": [{"role": "user", "content": f"{n} " + "x" * 300}]}
            message = {"role": "assistant", "content": "yes"}
            answer = {"id": f"a{n}", "created": 1_791_158_400 + n, "choices": [{"index": 0, "message": message}]}
            answer["usage"] = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
            file.write(json.dumps({"request": request, "response": answer}) + "\n")
    return path


@pytest.mark.parametrize("shape", ["lines", "array", "gzip"])
def test_an_import_that_broke_off_goes_on_where_it_stood(
    tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GROUP_CALLS", 100)
    log = rows(tmp_path / "log.jsonl", 1000)
    if shape == "array":
        log.write_text("[" + ",\n".join(log.read_text().splitlines()) + "]")
    elif shape == "gzip":
        subprocess.run(["gzip", "-k", str(log)], check=True)
        log = log.with_suffix(".jsonl.gz")
    ledger, steps = Ledger(tmp_path / "home"), 0

    def interrupted(*_: object) -> None:
        nonlocal steps
        steps += 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_logs(ledger, [log], progress=interrupted)
    assert (steps, ledger.count()) == (1, 400)
    read: list[int] = []
    report = import_logs(ledger, [log], progress=lambda _, n, __, ___: read.append(n)).logs[0]
    assert (report.read, report.added, report.duplicates, report.continued_after) == (1000, 1000, 0, 400)
    assert ledger.count() == 1000
    assert report.content.tokens == {"input_tokens": 1000}
    assert not list((tmp_path / "home/ledger/imports").iterdir())
    assert import_logs(ledger, [log]).duplicates == 1000


def test_a_log_that_changed_since_is_read_from_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GROUP_CALLS", 100)
    log, ledger = rows(tmp_path / "log.jsonl", 1000), Ledger(tmp_path / "home")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_logs(ledger, [log], progress=interrupted)
    rows(log, 1001)
    report = import_file(ledger, log)
    assert (report.added, report.duplicates, report.continued_after, ledger.count()) == (601, 400, 0, 1001)


_CHILD = """
import sys
from pathlib import Path
from freehold.ledger import Ledger
from freehold.ledger.importing import import_logs, running
running.GROUP_CALLS = 200
import_logs(Ledger(Path(sys.argv[1])), [Path(sys.argv[2])])
"""


def test_killed_again_and_again_it_ends_with_each_call_once(tmp_path: Path) -> None:
    log, home = rows(tmp_path / "log.jsonl", 6000), tmp_path / "home"
    killed = 0
    for wait_s in (0.05, 0.1, 0.2, 0.05, 0.15):
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(home), str(log)], env=os.environ)
        deadline = time.monotonic() + 60
        while child.poll() is None and not (home / "ledger/imports").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(wait_s)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            killed += 1
        child.wait()
    ledger = Ledger(home)
    report = import_file(ledger, log)
    assert ledger.count() == 6000
    assert {call.id for call in ledger.calls()} == {f"a{n}" for n in range(6000)}
    assert report.read == 6000
    assert killed
    assert report.added + report.duplicates == 6000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from freehold.ledger import Ledger;"
        "from freehold.ledger.importing import import_logs, running;"
        "running.GROUP_CALLS = 2000;"
        "import_logs(Ledger(Path(sys.argv[1])), [Path(sys.argv[2])], dry_run=sys.argv[3] == 'dry');"
        # Not `ru_maxrss`: that begins with what the process weighed that started this one.
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )

    def peak_kib(name: str, count: int, how: str, *, array: bool) -> int:
        log = rows(tmp_path / name, count)
        if array:
            log.write_text("[" + ",".join(log.read_text().splitlines()) + "]")
        command: list[Any] = [sys.executable, "-c", program, tmp_path / f"home-{name}-{how}", log, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    for how, array in (("real", False), ("dry", True)):
        small, large = (peak_kib(f"{array}-{n}", n, how, array=array) for n in (3000, 30_000))
        assert large - small < 15_000
