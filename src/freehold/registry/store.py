"""The registry of one home: `control.db`, and the route table that follows from it."""

from __future__ import annotations

from ._audit import AuditCheck, AuditEntry, AuditHead
from ._database import FILE_NAME
from ._decisions import Decision
from ._evidence_book import EvidenceBook
from ._key_book import KeyBook
from ._pause_book import PauseBook
from ._privacy_book import PrivacyBook
from ._rows import ContractRecord, DecisionRecord, Pause, StudentRecord
from ._stage_book import StageBook
from ._stages import SERVING, Held, StageRecord
from ._task_book import TaskBook

__all__ = [
    "FILE_NAME",
    "SERVING",
    "AuditCheck",
    "AuditEntry",
    "AuditHead",
    "ContractRecord",
    "Decision",
    "DecisionRecord",
    "Held",
    "Pause",
    "Registry",
    "StageRecord",
    "StudentRecord",
]


class Registry(TaskBook, EvidenceBook, StageBook, PauseBook, KeyBook, PrivacyBook):
    """Who exists and who allowed it, in one home.

    Safe for several processes and threads at once. Whatever changes a route publishes the route table before the method
    returns; what a crash left unpublished is published when the registry is next opened. Every change is in the audit
    log. A task is named by its id or its name wherever a method takes `task`. Its methods are in six parts, by what
    they are about; opening, publishing and the audit log are in `_opened`.

    Args:
        home: the folder; made if it does not exist.
        settings: what persons declared; read from the home and the environment where not given.
        busy_timeout_s: how long a writer waits for other processes.

    Raises:
        MissingPrerequisite: (every method) the database is locked for too long, read-only, full, broken or newer.
    """
