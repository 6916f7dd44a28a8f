"""Processes that use a ledger and are killed: a nursery that forks them cheaply, and what each of them does.

Run as a script it is the nursery: each line on stdin is `ROLE ARGUMENTS…`; it forks, prints the child's process id, and
prints how the child ended.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Nursery:
    """Starts children for a test; the imports are paid for once."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, role: str, *arguments: object) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([role, *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def wait(self) -> int:
        """How the child ended: the signal as a negative number, or its exit status."""
        return int(self._read())

    def run(self, role: str, *arguments: object) -> int:
        self.start(role, *arguments)
        return self.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.support.ledger_crash"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


def answer_until_killed(home: str, acknowledged: str, first: str, settings: str) -> None:
    """Answer calls for ever: mark, tell the client (a file), offer; as a gateway does."""
    from tests.support.ledger_calls import make_call

    from freehold.ledger.writer import LedgerWriter
    from freehold.settings import LedgerSettings

    chosen = json.loads(settings)
    size = chosen.pop("size", 200)
    writer = LedgerWriter(Path(home), LedgerSettings(**chosen))
    client = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rng = random.Random(first)
    for n in range(int(first), sys.maxsize):
        call = make_call(n, size=size)
        writer.mark()
        os.write(client, n.to_bytes(8, "little"))
        writer.offer(call)
        if rng.random() < 0.05:
            time.sleep(0.001)


def answer_until_a_write_kills(home: str, acknowledged: str, count: str, nth: str) -> None:
    """Answer calls in two batches and close, and be killed at the nth thing that is written to the ledger."""
    from tests.support.disk import failing, fatal
    from tests.support.ledger_calls import make_call

    from freehold.ledger import writer as module
    from freehold.ledger.writer import LedgerWriter
    from freehold.settings import LedgerSettings

    module._GATHER_S = 0.0005  # its pauses are not what this is about, and there are hundreds of these processes
    client = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with failing(fatal(int(nth))), LedgerWriter(Path(home), LedgerSettings(rotate_rows=int(count))) as writer:
        for n in range(int(count)):
            writer.mark()
            os.write(client, n.to_bytes(8, "little"))
            writer.offer(make_call(n))
            if n % 2:
                writer.flush()


def write_and_die(home: str, numbers: str) -> None:
    """Write calls, and die once they are committed."""
    from tests.support.ledger_calls import make_call

    from freehold.ledger.writer import LedgerWriter

    writer = LedgerWriter(Path(home))
    for n in json.loads(numbers):
        writer.mark()
        writer.offer(make_call(n))
    assert writer.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def write_and_lose_power(home: str, count: str) -> None:
    """Write calls and note how much of the journal is synced; write as many again, one at a time, and die."""
    from tests.support.ledger_calls import make_call

    from freehold.ledger.writer import LedgerWriter
    from freehold.settings import LedgerSettings

    writer = LedgerWriter(Path(home), LedgerSettings(synchronous="FULL"))
    for n in range(2 * int(count)):
        writer.mark()
        writer.offer(make_call(n))
        if n + 1 == int(count):
            assert writer.flush()
            (journal,) = (Path(home) / "ledger/hot").glob("*-wal")
            (Path(home) / "synced").write_text(str(journal.stat().st_size))
        elif n >= int(count) and n % 5 == 0:
            assert writer.flush()
    assert writer.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def seal_until(home: str, step: str) -> None:
    """Seal as `Ledger.seal` does, and die after a step."""
    from tests.support.object_store import CREDENTIALS

    from freehold.ledger import Ledger
    from freehold.ledger._seal import Sealer

    os.environ.update(CREDENTIALS)
    ledger = Ledger(Path(home))

    def after(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger.recover()
    sealer = Sealer(ledger._layout, ledger._manifest)
    for group in sealer.plan():
        written = sealer.write(group)
        after("write")
        sealer.install(written)
        after("install")
        sealer.publish(written)
        after("publish")
    for name, _ in ledger._manifest.removable(0):
        (ledger._layout.hot / name).unlink()
        after("half a sweep")
    sealer.sweep(after_s=0)
    after("sweep")


def stepping(step: str, *methods: tuple[type, str]) -> None:
    """Die once one of these methods has done its work, the one that is called as the step is."""
    for owner, name in methods:
        if name != step:
            continue
        work = getattr(owner, name)

        def dying(*arguments: object, work: Callable[..., object] = work, **more: object) -> None:
            work(*arguments, **more)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, name, dying)


def erase_until(home: str, user: str, step: str) -> None:
    """Erase a user's content, and die after a step."""
    from freehold.ledger import Ledger, Whose
    from freehold.ledger._erase import Eraser
    from freehold.ledger._seal import Sealer

    of_sealer = [(Sealer, name) for name in ("write", "install", "publish")]
    stepping(step, *of_sealer, *((Eraser, name) for name in ("begin", "rotate", "words", "sweep", "end")))
    Ledger(Path(home)).erase(Whose((user,)))


def expire_until(home: str, step: str, now_us: str) -> None:
    """Let content older than a day go, and calls older than two, and die after a step."""
    from freehold.ledger import Keep, Ledger, RetentionRules, feedback
    from freehold.ledger._seal import Sealer

    stepping(step, (feedback, "forget"), *((Sealer, name) for name in ("write", "install", "publish")))
    day = 86_400_000_000
    rules = RetentionRules("x", day, False, lambda call, _: Keep(day, 2 * day, call))
    Ledger(Path(home)).expire(rules, int(now_us))


def seal_for_ever(home: str) -> None:
    """Seal again and again, and remove files much sooner than is right."""
    from freehold.errors import LedgerUnavailable
    from freehold.ledger import Ledger

    ledger = Ledger(Path(home))
    while True:
        with suppress(LedgerUnavailable):
            ledger.seal(remove_after_s=0)


def append_slowly(home: str, first: str, count: str) -> None:
    """Append calls, and die before the last one."""
    from tests.support.ledger_calls import make_call

    from freehold.ledger import Ledger

    def calls() -> Iterator[object]:
        for n in range(int(first), int(first) + int(count)):
            yield make_call(n)
        os.kill(os.getpid(), signal.SIGKILL)

    Ledger(Path(home)).append(calls())  # type: ignore[arg-type]


def write_under_a_file_size_limit(home: str, count: str) -> None:
    """Write more than the limit lets through, and account for every call."""
    from tests.support.ledger_calls import make_call

    from freehold.ledger.writer import LedgerWriter
    from freehold.settings import LedgerSettings

    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    writer = LedgerWriter(Path(home), LedgerSettings(queue_calls=40))
    for n in range(int(count)):
        writer.mark()
        writer.offer(make_call(n, size=20_000))
        if n == 10:
            assert writer.flush()
    health = writer.close(timeout_s=0.5)
    assert health.dropped > 0, health
    assert health.written + health.dropped == int(count), health


def use_a_read_only_folder(home: str, kept: str, count: str) -> None:
    """Offer calls to a ledger that cannot be written, read what it holds, ask the doctor."""
    import duckdb  # noqa: F401 - an unprivileged user might not be allowed to load it later
    from tests.support.ledger_calls import make_call

    from freehold.ledger import Ledger
    from freehold.ledger.writer import LedgerWriter
    from freehold.settings import LedgerSettings

    Ledger(Path(home)).count()
    os.chdir(home)  # reached before the rights are given up: the folders above belong to this user alone
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)
    here = Path()
    writer = LedgerWriter(here, LedgerSettings(queue_calls=5))
    for n in range(int(kept), int(kept) + int(count)):
        writer.mark()
        writer.offer(make_call(n))
    deadline = time.monotonic() + 10
    while writer.health().last_error != "unwritable":
        assert time.monotonic() < deadline, writer.health()
        time.sleep(0.005)
    codes = {(finding.code, finding.severity) for finding in Ledger(here).doctor()}
    assert ("folder_unwritable", "error") in codes, codes
    assert Ledger(here).count() == int(kept)
    assert len(list(Ledger(here).calls())) == int(kept)
    assert writer.close(timeout_s=0.2).dropped == int(count), writer.health()


_ROLES = (
    answer_until_killed,
    answer_until_a_write_kills,
    write_and_die,
    seal_until,
    write_and_lose_power,
    erase_until,
    expire_until,
    seal_for_ever,
    append_slowly,
    write_under_a_file_size_limit,
    use_a_read_only_folder,
)
ROLES = {function.__name__: function for function in _ROLES}


def main() -> None:

    import freehold.ledger.writer  # noqa: F401 - loaded here, so that a fork need not

    for line in sys.stdin:
        role, *arguments = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ROLES[role](*arguments)
                status = 0
            except BaseException:  # noqa: BLE001 - a fork must not run on into the nursery's loop
                traceback.print_exc()
            finally:
                os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
