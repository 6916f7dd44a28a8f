"""Redeploying an owned model elsewhere, drilled and timed: out of this home, into an empty one, same answers or not.

The archive is all that goes over: an empty folder, fresh processes with nothing of this home in their environment, a
real gateway with real workers there. Both gateways are then asked the same recorded calls, and every answer of the
owned model is compared to the byte and the last digit of its confidence, whether it was sure enough to be served or
not. Providers play no part: the new home has none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from freehold.errors import MissingPrerequisite, UpstreamFailed
from freehold.ledger import Ledger
from freehold.serving import inherited
from freehold.settings import HOME_VARIABLE, Settings
from freehold.vocabulary import Call, Task
from freehold.wire.known import dialect

from . import bundling, deploying
from ._driving import Heard, drive
from ._stage import orderly, recorded, staged
from .home import Home, Progress, silent
from .losing import answerable, serving

CALLS = 200
"""So many recorded calls are asked, the newest, where nobody says otherwise."""
_CLIENT_S = 30.0
_PER_S = 100.0
_START_S = 120.0
_PATIENT_S = 20.0
"""What an owned answer may take here: it is about what is answered, not how fast."""
_NAMED = 10
_MBIT_S = 100
_NOT_SHOWN = (
    "another machine or processor, installing Freehold there, moving the archive, pointing clients at the new address, "
    "and the providers to which it escalates, which settings there must name"
)
_STARTED = re.compile(r"http://[\d.]+:\d+")


class Phase(msgspec.Struct, frozen=True):
    """A step and how long it took."""

    name: str
    seconds: float
    what: str


class Redeployed(msgspec.Struct, frozen=True):
    """What came of it.

    `asked` calls the owned model was asked in both places, `same` of them were answered alike; `differing`: ids of
    some others. `not_asked`: calls that in neither place went to the owned model. Of the same answers, `served` were
    sure enough for a client.
    """

    task: str
    student_id: str
    archive_bytes: int
    phases: tuple[Phase, ...]
    asked: int
    same: int
    served: int
    not_asked: int
    differing: tuple[str, ...]

    @property
    def total_s(self) -> float:
        """From the decision to the last comparison."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def in_service_s(self) -> float:
        """From the decision to the first owned answer in the new place."""
        return sum(phase.seconds for phase in self.phases if phase.name != PARITY)

    @property
    def passes(self) -> bool:
        """Whether everything was answered alike."""
        return bool(self.asked) and self.same == self.asked


PARITY = "parity"


class _Said(NamedTuple):
    """What the owned model said of a call, served or not."""

    answer: str | None
    confidence: float | None
    in_scope: bool | None
    served: bool
    error: str


def redeploy(home: Home, name: str, *, calls: int = CALLS, progress: Progress = silent) -> Redeployed:
    """Redeploy the owned model that serves a task into an empty home, and compare its answers there with those here.

    Raises:
        NotFound: there is no such task.
        MissingPrerequisite: nothing owned serves it, or no recorded call of it has its content.
        BundleRefused: its bundle was changed.
        UpstreamFailed: a step in the new home failed; the message says which and how.
    """
    task = home.task(name)
    route = serving(home, task)
    asked = answerable(home, task, route, calls)
    clock = _Clock(progress)
    with orderly(), tempfile.TemporaryDirectory(prefix="freehold-drill-") as folder:
        place = Path(folder)
        archive = place / "model.tar.gz"
        with clock("export"):
            packed = deploying.pack(home, task, archive, why="drill")
        clock.say(f"{packed.size_bytes / 1e6:,.1f} MB; {_moving(packed.size_bytes)}")
        with clock("verify"):
            whole = bundling.verify(archive)
        clock.say(f"{whole.n_files} files, as they were signed")
        new = _NewHome(place / "home")
        with clock("restore"):
            new.run("deploy", str(archive), "--trust", packed.signer, "--stage", "full", "--by", "drill")
        clock.say("into an empty home, by a process of its own")
        began = clock.start("start")
        with new.gateway() as url:
            first = _first_owned(url, asked)
            clock.stop(began, "start")
            clock.say(f"a gateway there, to its first owned answer ({first.latency_ms:,.0f} ms)")
            with clock(PARITY):
                there = _ask(url, asked)
        answers = _said(there, Ledger(new.path).calls())
        with clock(PARITY):
            here = _here(home, task, asked)
        clock.say(f"{len(asked):,} recorded calls asked here and there")
    return _compared(task, packed, clock, asked, here, answers)


# the new place


class _NewHome:
    """An empty home, and commands run in it with nothing of the present one in their environment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._env = {
            **inherited(os.environ),
            HOME_VARIABLE: str(path),
            "FREEHOLD_GATEWAY__OWNED_TIMEOUT_S": str(_PATIENT_S),
        }

    def run(self, *words: str) -> None:
        """Run a command to its end.

        Raises:
            UpstreamFailed: it did not end well.
        """
        done = subprocess.run(  # noqa: S603 -- ourselves, without a shell
            _freehold(words), env=self._env, cwd=self.path, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UpstreamFailed(f"freehold {words[0]} failed in the new home: {_last(done.stderr)}")

    @contextmanager
    def gateway(self) -> Generator[str]:
        """A gateway on a free port; yields its address and ends it with SIGTERM.

        Raises:
            UpstreamFailed: it did not start.
        """
        command = _freehold(("up", "--port", "0", "--host", "127.0.0.1"))
        with subprocess.Popen(  # noqa: S603 -- ourselves, without a shell
            command, env=self._env, cwd=self.path, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None
                heard: list[str] = []
                for line in process.stderr:
                    heard.append(line)
                    found = _STARTED.search(line)
                    if found:
                        yield found.group()
                        return
                raise UpstreamFailed(f"the gateway did not start in the new home: {_last(''.join(heard))}")
            finally:
                process.terminate()


def _freehold(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", "-m", "freehold", *words]


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[-2:]) or "it said nothing"


def _first_owned(url: str, calls: Sequence[Call]) -> Heard:
    """The first answer of the owned model in the new place.

    Raises:
        MissingPrerequisite: it is sure of none of these calls.
        UpstreamFailed: it is never asked.
    """
    end = time.monotonic() + _START_S
    for call in calls:
        while time.monotonic() < end:
            (heard,) = drive(urlsplit(url), [(0.0, call)], timeout_s=_CLIENT_S)
            if heard.complete and heard.served_by == "owned":
                return heard
            if heard.status:
                break
    if time.monotonic() >= end:
        raise UpstreamFailed("no owned answer came in the new home")
    raise MissingPrerequisite(
        f"the owned model is sure of none of {len(calls)} recorded calls, so that nothing is served",
        hint="freehold drill redeploy TASK --calls N",
    )


# the answers


def _ask(url: str, calls: Sequence[Call]) -> list[Heard]:
    return drive(urlsplit(url), ((n / _PER_S, call) for n, call in enumerate(calls)), timeout_s=_CLIENT_S)


def _here(home: Home, task: Task, calls: Sequence[Call]) -> dict[str, _Said]:
    """What the model in service here says, through a gateway with its routes and its bundle."""
    settings = _patient(home.settings)
    with recorded(calls) as recording, staged(home.path, settings, recording, {}, 1000.0, fully=task.id) as stage:
        heard = _ask(stage.url, calls)
    return _said(heard, stage.calls())


def _patient(settings: Settings) -> Settings:
    gateway = msgspec.structs.replace(settings.gateway, owned_timeout_s=_PATIENT_S)
    return msgspec.structs.replace(settings, gateway=gateway)


def _said(heard: Sequence[Heard], records: Iterator[Call] | Sequence[Call]) -> dict[str, _Said]:
    """What the owned model said of each recorded call, by that call's id."""
    asked = {one.call_id: one.call.id for one in heard}
    found: dict[str, _Said] = {}
    for record in records:
        leg = next((leg for leg in record.legs if leg.owner == "owned"), None)
        if record.id in asked and leg is not None:
            served = record.owner == "owned"
            answer = dialect(record.dialect).answer_text(record.response) if served else leg.answer
            found[asked[record.id]] = _Said(answer, leg.confidence, leg.in_scope, served, leg.error)
    return found


def _compared(
    task: Task,
    packed: deploying.Packed,
    clock: _Clock,
    calls: Sequence[Call],
    here: dict[str, _Said],
    there: dict[str, _Said],
) -> Redeployed:
    ids = [call.id for call in calls if call.id in here or call.id in there]
    same = [one for one in ids if one in here and here[one] == there.get(one) and not here[one].error]
    differing = [one for one in ids if one not in set(same)]
    return Redeployed(
        task=task.name,
        student_id=packed.student_id,
        archive_bytes=packed.size_bytes,
        phases=clock.phases(),
        asked=len(ids),
        same=len(same),
        served=sum(here[one].served for one in same),
        not_asked=len(calls) - len(ids),
        differing=tuple(differing[:_NAMED]),
    )


class _Clock:
    """How long each step takes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._what: dict[str, str] = {}
        self._last = ""

    @contextmanager
    def __call__(self, name: str) -> Generator[None]:
        began = self.start(name)
        yield
        self.stop(began, name)

    def start(self, name: str) -> float:
        self._progress(f"redeploying: {name}")
        return time.monotonic()

    def stop(self, began: float, name: str) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - began
        self._last = name

    def say(self, what: str) -> None:
        """What the last step did."""
        self._what[self._last] = what

    def phases(self) -> tuple[Phase, ...]:
        return tuple(Phase(name, round(s, 2), self._what.get(name, "")) for name, s in self._seconds.items())


def _moving(size: int) -> str:
    seconds = size * 8 / (_MBIT_S * 1e6)
    return f"moving it takes {max(seconds, 0.1):,.1f} s at {_MBIT_S} Mbit/s, which is not part of this"


def in_words(found: Redeployed) -> list[str]:
    """The report for a person, but for the phases."""
    alike = f"answered {found.same:,} of {found.asked:,} calls as it does here, to the byte and the last digit of its"
    lines = [
        f"{found.task}: {found.student_id} was in service again elsewhere after {found.in_service_s:,.1f} s.",
        f"It {alike} confidence; {found.served:,} of them it was sure enough of to serve.",
    ]
    if found.not_asked:
        lines.append(f"{found.not_asked:,} calls ask for what no owned model gives, here as there.")
    if not found.passes:
        lines.append(f"Not alike: {', '.join(found.differing)}. freehold log export has them.")
    return [*lines, f"Not shown: {_NOT_SHOWN}."]
