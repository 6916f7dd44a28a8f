"""The audit log: who decided what, and why, as a chain in which no link can be changed unseen.

Each entry holds the hash of the one before it. Editing, removing or reordering entries breaks the chain at the first
one touched. Cutting off the end does not: that is caught only against a head (`head`) that was noted elsewhere. Entries
hold names and digests, never content of calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from ._database import next_number, now
from ._tables import audit_log

GENESIS: Final = "0" * 64


class AuditEntry(msgspec.Struct, frozen=True):
    """One decision: when, by whom, what was done to what, why, and details as JSON text."""

    seq: int
    made_at: str
    who: str
    what: str
    subject: str
    why: str
    detail: str
    previous: str
    hash: str


class AuditHead(NamedTuple):
    """The last entry's number and hash. Noted outside, it proves later that nothing was cut off."""

    seq: int
    hash: str


class AuditCheck(NamedTuple):
    """Whether the chain holds. `first_bad` is the number of the first entry that does not fit, and `why` says how."""

    ok: bool
    n: int
    first_bad: int | None = None
    why: str = ""


def append(connection: Connection, *, who: str, what: str, subject: str, why: str, detail: Mapping[str, Any]) -> None:
    """Add an entry inside the caller's write transaction."""
    last = head(connection)
    entry = AuditEntry(
        next_number(connection, audit_log),
        now(),
        who,
        what,
        subject,
        why,
        msgspec.json.encode(detail, order="deterministic").decode(),
        last.hash,
        "",
    )
    connection.execute(audit_log.insert().values(**msgspec.structs.asdict(_sealed(entry))))


def entries(connection: Connection) -> list[AuditEntry]:
    """Every entry, oldest first."""
    rows = connection.execute(select(audit_log).order_by(audit_log.c.seq)).mappings()
    return [AuditEntry(**row) for row in rows]


def head(connection: Connection) -> AuditHead:
    """The end of the chain; (0, zeros) while it is empty."""
    row = connection.execute(
        select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1)
    ).first()
    return AuditHead(0, GENESIS) if row is None else AuditHead(row.seq, row.hash)


def verify(chain: list[AuditEntry], noted: AuditHead | None) -> AuditCheck:
    """Walk the chain from its beginning; with a `noted` head, also tell whether that entry is still in it."""
    previous = GENESIS
    for number, entry in enumerate(chain, start=1):
        if entry.seq != number:
            return AuditCheck(False, len(chain), number, f"entry {number} is missing or out of order")
        if entry.previous != previous:
            return AuditCheck(False, len(chain), number, f"entry {number} does not follow from the one before it")
        if _sealed(entry).hash != entry.hash:
            return AuditCheck(False, len(chain), number, f"entry {number} was changed")
        previous = entry.hash
    if noted is not None and noted.seq:
        if noted.seq > len(chain):
            return AuditCheck(False, len(chain), len(chain) + 1, f"the log ends before entry {noted.seq}")
        if chain[noted.seq - 1].hash != noted.hash:
            return AuditCheck(False, len(chain), noted.seq, f"entry {noted.seq} is not the one that was noted")
    return AuditCheck(True, len(chain))


def _sealed(entry: AuditEntry) -> AuditEntry:
    content = msgspec.structs.astuple(entry)[:-1]
    digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
    return msgspec.structs.replace(entry, hash=digest)
