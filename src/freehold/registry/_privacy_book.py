"""The erasures' part of the registry: that content was erased, by whom and why, in the audit log.

An entry proves the erasure to whoever knows whom it was about, and names nobody: it holds a salted, slow hash.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import _audit
from ._opened import Opened, log

ERASED = "content.erased"


class PrivacyBook(Opened):
    """Note erasures."""

    def note_erasure(
        self,
        erasure: str,
        *,
        by: str,
        reason: str,
        digest: str,
        salt: str,
        calls: int,
        segments: Sequence[str],
        bundles: Sequence[str],
    ) -> bool:
        """Put a finished erasure into the audit log; False where it is there already.

        Args:
            erasure: its name in the ledger.
            by: who asked for it.
            reason: why.
            digest: scrypt of whom it was about, under `salt`.
            salt: hexadecimal digits.
            calls: how many calls lost their content.
            segments: which segments hold them now.
            bundles: students that had learned from such calls.
        """
        with self._db.write() as connection:
            if any(one.what == ERASED and one.subject == erasure for one in _audit.entries(connection)):
                return False
            detail = {"digest": digest, "salt": salt, "calls": calls, "segments": [*segments], "bundles": [*bundles]}
            log(connection, by, ERASED, erasure, reason, **detail)
            return True
