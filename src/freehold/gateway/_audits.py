"""The audit of owned answers: one anytime-valid test per certificate, kept on disk so that a restart forgets nothing.

Knows nothing of calls: it is told which of a route's audited answers were wrong.
"""

from __future__ import annotations

import contextlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from freehold.errors import UsageError
from freehold.evidence.sequential import AuditState, AuditTest
from freehold.vocabulary import Route


class KeptAudit(msgspec.Struct, frozen=True):
    """One file of `FREEHOLD_HOME/audits`: whose audit it is, and how it stands."""

    certificate_id: str
    task_id: str
    state: AuditState


_decoder = msgspec.json.Decoder(KeptAudit)


class AuditBook:
    """All audit tests of a home. Called on the loop's thread; files are written by a thread of its own.

    Args:
        folder: where state is kept, one file per certificate. A damaged file is as if there were none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tests: dict[str, AuditTest] = {}
        self._disk = ThreadPoolExecutor(1, "freehold-audits")
        for file in folder.glob("*.json") if folder.is_dir() else ():
            with contextlib.suppress(msgspec.MsgspecError, OSError, UsageError):
                kept = _decoder.decode(file.read_bytes())
                self._tests[kept.certificate_id] = AuditTest.from_state(kept.state)

    def rejected(self) -> list[str]:
        """Certificates whose promise was shown broken."""
        return [certificate_id for certificate_id, test in self._tests.items() if test.rejected]

    def record(self, route: Route, *, wrong: bool) -> bool:
        """Take one audited answer; True when this one shows that the promise no longer holds."""
        test = self._tests.get(route.certificate_id)
        if test is None:
            test = self._tests[route.certificate_id] = AuditTest(route.alpha)
        before = test.rejected
        broken = test.update(wrong) and not before
        kept = KeptAudit(route.certificate_id, route.task_id, test.state())
        self._disk.submit(self._write, kept.certificate_id, msgspec.json.encode(kept))
        return broken

    def close(self) -> None:
        """Write what waits."""
        self._disk.shutdown(wait=True)

    def _write(self, certificate_id: str, content: bytes) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", certificate_id) or "unnamed"
        with contextlib.suppress(OSError):  # the test lives on in memory; the next audit writes again
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = self._folder / f".{name}.{os.getpid()}"
            temporary.write_bytes(content)
            temporary.replace(self._folder / f"{name}.json")
