"""Answers that rehearsals paid for, kept so that nobody pays for them twice.

They are a ledger of their own below the home, one call per answer, with the tags, the time and the task of the call
that was asked again: what holds for recorded calls (encryption, retention, erasure) holds for them by the same code,
and no figure about the product's own traffic counts them. They stay on this machine wherever segments go.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from freehold.errors import GateRefused, LedgerUnavailable
from freehold.gateway.renting import Asked
from freehold.ledger import Erased, Expired, Ledger, RetentionRules, Whose
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings
from freehold.vocabulary import Call

FOLDER = "rehearsals"
OF_TAG = "rehearsed"
"""The tag of a kept answer that names the call it answers."""
NOT_CARRIED_TAG = "not_carried"

_LOCK = "running.lock"


class KeptAnswers:
    """The answers of one home. Nothing is created before the first is kept."""

    def __init__(self, home: Path, settings: LedgerSettings) -> None:
        self.path = home / FOLDER
        self._settings = msgspec.structs.replace(settings, segments="", segments_endpoint="", segments_region="")

    @property
    def ledger(self) -> Ledger:
        """Where they lie."""
        return Ledger(self.path, self._settings)

    def of(self, task_id: str, provider: str, model: str) -> dict[str, Call]:
        """A model's answers to a task's calls, by the call's id; those whose content is gone are left out."""
        return {
            one.tags[OF_TAG]: one
            for one in self._all(task_id)
            if (one.provider, one.model) == (provider, model) and one.response and OF_TAG in one.tags
        }

    @contextmanager
    def keeping(self, task_id: str, provider: str, model: str) -> Generator[Callable[[Call, str, Asked], None]]:
        """Keep answers as they come, each on disk within milliseconds; one rehearsal at a time.

        Yields what takes the call that was asked again, its prompt version, and what came.

        Raises:
            GateRefused: another rehearsal is under way in this home.
            ConfigurationError, MissingPrerequisite: content is to be encrypted, and the key cannot be had.
            LedgerUnavailable: (at the end) some answers could not be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GateRefused(
                    "another rehearsal is under way here", hint="wait for it to end", code="rehearsal_running"
                ) from None
            with self._writing() as write:
                yield lambda call, template_id, came: write(_kept(call, task_id, template_id, provider, model, came))
            with suppress(LedgerUnavailable):  # sealed or not, they are there
                self.ledger.seal()
        finally:
            os.close(handle)

    def erase(self, whose: Whose, call_ids: Collection[str]) -> Erased | None:
        """Erase the answers to some calls and to a user's; None where there is nothing."""
        if not self._exists():
            return None
        wanted = set(call_ids)
        ids = tuple(one.id for one in self._all() if one.tags.get(OF_TAG) in wanted)
        return self.ledger.erase(Whose(whose.values, ids, whose.tag))

    def expire(self, rules: RetentionRules, now_us: int, *, dry_run: bool) -> Expired:
        """Let go what is no longer kept of the calls that were answered."""
        return self.ledger.expire(rules, now_us, dry_run=dry_run) if self._exists() else Expired()

    def rekey(self) -> int:
        """Put every file's key under the master key that is set now; returns how many were under another."""
        return self.ledger.rekey() if self._exists() else 0

    def _exists(self) -> bool:
        return (self.path / "ledger").is_dir()

    def _all(self, task_id: str | None = None) -> Iterator[Call]:
        if self._exists():
            yield from self.ledger.calls(task=task_id)

    @contextmanager
    def _writing(self) -> Generator[Callable[[Call], None]]:
        writer = LedgerWriter(self.path, self._settings)
        lost = 0

        def write(call: Call) -> None:
            nonlocal lost
            lost += not writer.offer(call)

        try:
            yield write
        finally:
            health = writer.close()
        if lost or health.pending:
            raise LedgerUnavailable(
                f"{lost + health.pending} answers could not be kept ({health.last_error or 'the queue is full'})",
                hint="freehold doctor",
            )


def _kept(call: Call, task_id: str, template_id: str, provider: str, model: str, came: Asked) -> Call:
    """An answer as it is kept: without the request, which the call it belongs to has."""
    digest = hashlib.sha256(f"{provider}/{model}".encode()).hexdigest()[:12]
    tags = call.tags | {OF_TAG: call.id}
    if came.not_carried:
        tags[NOT_CARRIED_TAG] = ", ".join(came.not_carried)
    return Call(
        id=f"{call.id}~{digest}",
        started_at_us=call.started_at_us,
        latency_ms=came.latency_ms,
        provider=provider,
        model=model,
        request=b"",
        response=came.body,
        usage=came.usage,
        dialect=call.dialect,
        task=task_id,
        template=template_id,
        tags=tags,
    )
