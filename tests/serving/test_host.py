"""The host and real worker processes: pipelining, and every way in which a worker can go wrong."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.bundles import contract, draft, files, write_bundle
from tests.support.puppets import LOADER

from freehold.errors import BundleRefused, FreeholdError, MissingPrerequisite, UpstreamFailed, UpstreamTimeout
from freehold.serving import StudentHost

ROOT = Path(__file__).parents[2]
ENV = {"PYTHONPATH": str(ROOT)}
BUNDLE = "bundles/one"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def student(home: Path) -> str:
    return write_bundle(home, home / BUNDLE).student_id


def host_of(home: Path, **options: Any) -> StudentHost:
    return StudentHost(home, **{"loader": LOADER, "env": ENV, **options})


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())


async def until_up(host: StudentHost, n_restarts: int) -> None:
    """Wait for a worker's next life; polls because a life begins in another process."""
    while not (host.health()[0].up and host.health()[0].n_restarts >= n_restarts):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_answers_and_says_what_it_cost(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home) as host:
            await host.load(student, BUNDLE)
            answer = await host.answer(student, BUNDLE, ("where is my card", "0.75"), timeout_s=30)
            assert (answer.text, answer.confidence, answer.scope) == ("card", 0.75, 1.0)
            assert 0 <= answer.model_ms < 1000

    run(test)


def test_a_thousand_at_once_each_get_their_own_answer(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home, workers=2) as host:
            wanted = [round(i / 1000, 3) for i in range(1000)]
            answers = await asyncio.gather(*(host.answer(student, BUNDLE, ("x", str(w)), timeout_s=30) for w in wanted))
            assert [a.confidence for a in answers] == wanted
            assert [h.n_owed for h in host.health()] == [0, 0]

    run(test)


@pytest.mark.fault("host", "owned model out of memory")
def test_a_killed_worker_fails_what_it_owes_at_once_and_comes_back(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home) as host:
            await host.load(student, BUNDLE)
            asks = [asyncio.create_task(host.answer(student, BUNDLE, ("hang",), timeout_s=50)) for _ in range(5)]
            await asyncio.sleep(0)
            os.kill(host.health()[0].pid or 0, signal.SIGKILL)
            failed = await asyncio.gather(*asks, return_exceptions=True)
            assert [(type(f), f.error_code) for f in failed if isinstance(f, FreeholdError)] == [
                (MissingPrerequisite, "owned_unavailable")
            ] * 5
            with pytest.raises(MissingPrerequisite):
                await host.answer(student, BUNDLE, ("x",))
            await until_up(host, 1)
            assert (await host.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"

    run(test)


def test_a_question_that_kills_the_worker_is_not_asked_again(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home) as host:
            with pytest.raises(MissingPrerequisite):
                await host.answer(student, BUNDLE, ("die",), timeout_s=30)
            await until_up(host, 1)
            assert (await host.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"
            assert host.health()[0].n_restarts == 1

    run(test)


@pytest.mark.fault("host", "owned model hung")
def test_a_hung_worker_is_ended_and_started_again(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home, hang_s=0.3) as host:
            await host.load(student, BUNDLE)
            with pytest.raises(UpstreamTimeout):
                await host.answer(student, BUNDLE, ("hang",), timeout_s=0.05)
            await until_up(host, 1)
            assert "hung" in host.health()[0].last_words
            assert (await host.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"

    run(test)


@pytest.mark.fault("host", "owned model hung")
def test_a_silent_worker_is_not_asked_until_it_speaks_again(home: Path, student: str) -> None:
    """Only the first question waits; another worker answers meanwhile, and without one it is said at once."""

    async def test() -> None:
        async with host_of(home) as alone, host_of(home, workers=2) as two:
            for host in (alone, two):
                await host.load(student, BUNDLE)
                with pytest.raises(UpstreamTimeout):
                    await host.answer(student, BUNDLE, ("until", str(home / "now")), timeout_s=0.2)
            with pytest.raises(MissingPrerequisite, match="said nothing for") as silent:
                await alone.answer(student, BUNDLE, ("x",), timeout_s=0.1)
            assert silent.value.error_code == "owned_unavailable"
            assert (await two.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"
            (home / "now").touch()
            while any(one.n_owed for one in (*alone.health(), *two.health())):  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.01)
            assert (await alone.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"
            assert [one.n_restarts for one in (*alone.health(), *two.health())] == [0, 0, 0]

    run(test)


@pytest.mark.fault("host", "owned model returns garbage")
@pytest.mark.parametrize("how", ["garbage", "stray"])
def test_a_worker_that_sends_what_is_no_reply_is_ended(home: Path, student: str, how: str) -> None:
    async def test() -> None:
        async with host_of(home) as host:
            with pytest.raises(MissingPrerequisite):
                await host.answer(student, BUNDLE, (how,), timeout_s=30)
            await until_up(host, 1)
            assert (await host.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"

    run(test)


@pytest.mark.fault("host", "owned model slow")
def test_a_late_answer_is_thrown_away_and_disturbs_nobody(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home) as host:
            await host.load(student, BUNDLE)
            with pytest.raises(UpstreamTimeout) as timeout:
                await host.answer(student, BUNDLE, ("until", str(home / "now")), timeout_s=0.02)
            assert timeout.value.error_code == "owned_timeout"
            ask = asyncio.create_task(host.answer(student, BUNDLE, ("x", "0.2"), timeout_s=30))
            await asyncio.sleep(0)
            ask.cancel()
            (home / "now").touch()
            assert (await host.answer(student, BUNDLE, ("x", "0.3"), timeout_s=30)).confidence == 0.3
            assert host.health()[0] == host.health()[0]._replace(n_owed=0, n_restarts=0, up=True)

    run(test)


def test_one_failing_call_fails_alone_and_its_content_stays_inside(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home) as host:
            await host.load(student, BUNDLE)
            good, bad = await asyncio.gather(
                host.answer(student, BUNDLE, ("x", "0.5"), timeout_s=30),
                host.answer(student, BUNDLE, ("raise", "secret"), timeout_s=30),
                return_exceptions=True,
            )
            assert not isinstance(good, BaseException)
            assert good.confidence == 0.5
            assert isinstance(bad, UpstreamFailed)
            assert "secret" not in str(bad)

    run(test)


@pytest.mark.fault("host", "owned model returns garbage")
def test_an_answer_outside_the_contract_has_no_confidence(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home) as host:
            assert (await host.answer(student, BUNDLE, ("say refund", "0.9"), timeout_s=30)).confidence == 0.9
            assert (await host.answer(student, BUNDLE, ("say anything", "0.9"), timeout_s=30)).confidence == 0.0
            strange = await host.answer(student, BUNDLE, ("nan",), timeout_s=30)
            assert (strange.confidence, strange.scope) == (0.0, 0.0)

    run(test)


@pytest.mark.fault("host", "queue full")
def test_too_many_questions_are_refused_at_once(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home, max_in_flight=3) as host:
            await host.load(student, BUNDLE)
            asks = [asyncio.create_task(host.answer(student, BUNDLE, ("x",), timeout_s=30)) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(MissingPrerequisite) as busy:
                await host.answer(student, BUNDLE, ("x",))
            assert busy.value.error_code == "owned_busy"
            await asyncio.gather(*asks)
            assert (await host.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"

    run(test)


@pytest.mark.fault("host", "half-copied weights")
def test_a_changed_bundle_is_refused_and_the_others_still_answer(home: Path, student: str) -> None:
    other = write_bundle(home, home / "bundles/two", seed=8).student_id
    weights = home / "bundles/two/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")

    async def test() -> None:
        async with host_of(home) as host:
            for ask in (host.load(other, "bundles/two"), host.answer(other, "bundles/two", ("x",), timeout_s=30)):
                with pytest.raises(BundleRefused, match=r"weights\.safetensors"):
                    await ask
            with pytest.raises(BundleRefused):
                await host.answer(student, "bundles/two", ("x",), timeout_s=30)
            assert (await host.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"
            assert host.health()[0].n_restarts == 0

    run(test)


def test_a_stranger_signature_does_not_serve_until_it_is_trusted(home: Path, tmp_path: Path) -> None:
    from freehold.students.bundle import public_hex, signing_key, write

    key = signing_key(tmp_path / "elsewhere")
    student = write(home / BUNDLE, draft(), files(), key).student_id

    async def test() -> None:
        async with host_of(home) as host:
            with pytest.raises(BundleRefused) as refused:
                await host.load(student, BUNDLE)
            assert refused.value.error_code == "bundle_signer"
            (home / "keys/trusted").mkdir(parents=True)
            (home / "keys/trusted/friend.pub").write_text(public_hex(key))
            await host.load(student, BUNDLE)
            assert (await host.answer(student, BUNDLE, ("x",), timeout_s=30)).text == "card"

    run(test)


def test_a_student_that_cannot_be_loaded_says_so_without_its_content(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home, loader="tests.support.puppets:load_nothing") as host:
            with pytest.raises(BundleRefused) as refused:
                await host.answer(student, BUNDLE, ("x",), timeout_s=30)
            assert "content" not in str(refused.value)

    run(test)


def test_a_worker_that_cannot_start_says_why_and_is_not_started_in_a_storm(home: Path, student: str) -> None:
    async def test() -> None:
        async with host_of(home, loader="no_such_module:load") as host:
            with pytest.raises(MissingPrerequisite):
                await host.answer(student, BUNDLE, ("x",), timeout_s=30)
            while "ModuleNotFoundError" not in host.health()[0].last_words:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            assert host.health()[0].n_restarts <= 4
            with pytest.raises(MissingPrerequisite, match="ModuleNotFoundError"):
                await host.answer(student, BUNDLE, ("x",))

    run(test)


def test_a_worker_holds_no_key(home: Path, student: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")

    async def test() -> None:
        async with host_of(home) as host:
            asks = [host.answer(student, BUNDLE, ("environment", v), timeout_s=30) for v in ("OPENAI_API_KEY", "PATH")]
            assert [answer.confidence for answer in await asyncio.gather(*asks)] == [0.0, 1.0]

    run(test)


def test_closing_ends_the_workers_and_whoever_waits(home: Path, student: str) -> None:
    async def test() -> None:
        host = host_of(home)
        await host.load(student, BUNDLE)
        pid = host.health()[0].pid or 0
        ask = asyncio.create_task(host.answer(student, BUNDLE, ("hang",), timeout_s=50))
        await asyncio.sleep(0.05)
        await host.close()
        with pytest.raises(MissingPrerequisite):
            await ask
        with pytest.raises(MissingPrerequisite):
            await host.answer(student, BUNDLE, ("x",))
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    run(test)


PARENT = """
import asyncio, sys
from pathlib import Path
from freehold.serving import StudentHost

async def main():
    host = StudentHost(Path(sys.argv[1]), loader=sys.argv[4])
    await host.load(sys.argv[2], sys.argv[3])
    asyncio.create_task(host.answer(sys.argv[2], sys.argv[3], ("hang",), timeout_s=50))
    await asyncio.sleep(0)
    print(host.health()[0].pid, flush=True)
    await asyncio.sleep(50)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux's pidfd")
def test_a_hung_worker_dies_with_its_parent(home: Path, student: str) -> None:
    command = [sys.executable, "-c", PARENT, str(home), student, BUNDLE, LOADER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **ENV}) as parent:
        assert parent.stdout is not None
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        ended, _, _ = select.select([worker], [], [], 10)
        os.close(worker)
    assert ended


def test_the_host_loads_nothing_heavy() -> None:
    script = "import sys, freehold.serving; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "scipy", "sklearn", "cryptography", "jsonschema", "sqlalchemy", "freehold.students"}
    assert not heavy.intersection(loaded)
    assert contract().form == "label"
