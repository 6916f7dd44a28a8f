"""The audit of owned answers: an anytime-valid test per certificate, kept on disk so that a restart forgets nothing.

Each process writes a file of its own, so that two gateways on one home overwrite nothing; what a dead process left is
taken over by the next that starts. Counts of several are added up and judged by the first betting process alone,
whose stake depends on nothing but the counts, so that the merged test is one of the joined stream and keeps its rate.
Gateways that run at once each have the false-alarm rate of `AUDIT_DELTA`: together at most its sum. Knows nothing of
calls: it is told which of a route's audited answers were wrong.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from freehold.errors import UsageError
from freehold.evidence.sequential import AuditState, AuditTest
from freehold.vocabulary import Route


class KeptAudit(msgspec.Struct, frozen=True):
    """One file of `FREEHOLD_HOME/audits`: whose audit it is, how it stands, and whose process counts it."""

    certificate_id: str
    task_id: str
    state: AuditState
    owner: str = ""


_decoder = msgspec.json.Decoder(KeptAudit)


class AuditBook:
    """All audit tests of a home. Called on the loop's thread; files are written by a thread of its own.

    Args:
        folder: where state is kept, one file per certificate and process. A damaged file is as if there were none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = _identity(os.getpid())
        self._tests: dict[str, AuditTest] = {}
        self._rejected_elsewhere: set[str] = set()
        self._disk = ThreadPoolExecutor(1, "freehold-audits")
        self._take_over()

    def rejected(self) -> list[str]:
        """Certificates whose promise was shown broken, here or by a process that runs beside this one."""
        own = {certificate_id for certificate_id, test in self._tests.items() if test.rejected}
        return sorted(own | self._rejected_elsewhere)

    def record(self, route: Route, *, wrong: bool) -> bool:
        """Take one audited answer; True when this one shows that the promise no longer holds."""
        test = self._tests.get(route.certificate_id)
        if test is None:
            test = self._tests[route.certificate_id] = AuditTest(route.alpha)
        before = test.rejected
        broken = test.update(wrong) and not before
        kept = KeptAudit(route.certificate_id, route.task_id, test.state(), self._owner)
        self._disk.submit(self._write, kept.certificate_id, msgspec.json.encode(kept))
        return broken

    def close(self) -> None:
        """Write what waits."""
        self._disk.shutdown(wait=True)

    def _take_over(self) -> None:
        """Carry on what dead processes left, and note what living ones have shown."""
        left: defaultdict[str, list[tuple[Path, KeptAudit]]] = defaultdict(list)
        for file in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            with contextlib.suppress(msgspec.MsgspecError, OSError, UsageError):
                kept = _decoder.decode(file.read_bytes())
                AuditTest.from_state(kept.state)
                if kept.owner in {"", self._owner} or not _lives(kept.owner):
                    left[kept.certificate_id].append((file, kept))
                elif kept.state.rejected_at:
                    self._rejected_elsewhere.add(kept.certificate_id)
        for certificate_id, found in left.items():
            state = merged([kept.state for _, kept in found])
            self._tests[certificate_id] = AuditTest.from_state(state)
            own = self._file(certificate_id)
            self._write(
                certificate_id, msgspec.json.encode(KeptAudit(certificate_id, found[0][1].task_id, state, self._owner))
            )
            for file, _ in found:
                if file != own and own.exists():
                    file.unlink(missing_ok=True)

    def _file(self, certificate_id: str) -> Path:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", certificate_id) or "unnamed"
        return self._folder / f"{name}.{self._owner}.json"

    def _write(self, certificate_id: str, content: bytes) -> None:
        file = self._file(certificate_id)
        with contextlib.suppress(OSError):  # the test lives on in memory; the next audit writes again
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = file.with_name(f".{file.name}")
            temporary.write_bytes(content)
            temporary.replace(file)


def merged(states: Sequence[AuditState]) -> AuditState:
    """One state for several streams that test the same promise: the only one, else their counts added up."""
    if len(states) == 1:
        return states[0]
    n, errors = sum(state.n for state in states), sum(state.errors for state in states)
    strictest = min(states, key=lambda state: state.delta)
    rejected_at = n if any(state.rejected_at for state in states) else 0
    return AuditState(strictest.alpha, strictest.delta, n, errors, rejected_at)


def _identity(pid: int) -> str:
    """A process's number and when it started, because numbers are given again."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = "0"
    return f"{pid}-{started}"


def _lives(owner: str) -> bool:
    pid = owner.partition("-")[0]
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        pass
    except (OSError, ValueError, OverflowError):
        return False
    return _identity(int(pid)) == owner
