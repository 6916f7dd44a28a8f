"""Erasing the content of some calls for good: from hot files, segments, caches, gold and feedback.

Hot files are not changed where they lie. Their writers are asked to close them, they are sealed, and segments that hold
such calls are written anew without their content; what they replace is removed at once, and not after an hour. An
erased call keeps its id, times and numbers, so that totals stay and an import of the same log does not bring it back.

    begin     the erasure is noted in the manifest, by a salted and slow hash (scrypt, RFC 7914) of whom it is about
    rotate    writers close their files
    words     gold and feedback of the calls are overwritten and removed
    seal      closed hot files and then segments are rewritten, each published by itself
    sweep     what was replaced, and what killed sealers left, is removed
    end       a look whether anything is left; the manifest notes that it is done

A kill leaves an erasure that was begun. Asking for the same again goes on with it: its calls carry its id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from freehold.vocabulary import END_USER_TAG, ERASURE_TAG, Call

from . import feedback
from ._blank import edit_of, erased
from ._layout import Layout, now_us
from ._manifest import HotEntry, Manifest
from ._recovery import recover
from ._rows import segment_source
from ._seal import Entry, Sealer
from ._snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

WAIT_S = 10.0
_LOOK_S = 0.05
_ROUNDS = 20
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


class Whose(msgspec.Struct, frozen=True):
    """Which calls: those whose `tag` is one of `values`, and those of the `call_ids`."""

    values: tuple[str, ...] = ()
    call_ids: tuple[str, ...] = ()
    tag: str = END_USER_TAG

    def matches(self, call: Call) -> bool:
        """Whether a call is one of them."""
        if call.tags.get(self.tag) in self.values:
            return True
        return call.id in self.call_ids and ERASURE_TAG not in call.tags

    def text(self) -> str:
        """What is hashed to recognise the same request."""
        return json.dumps([self.tag, sorted(self.values), sorted(self.call_ids)], ensure_ascii=False)


class Erased(msgspec.Struct, frozen=True):
    """What an erasure did, or, not `finished`, has done so far.

    `held` names hot files that a living writer did not close in time: ask again. `unread` names files that were written
    off and still lie there: nobody can tell what they hold. `digest` and `salt` prove later whom it was about to who
    already knows.
    """

    id: str
    digest: str
    salt: str
    call_ids: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    finished: bool = False


class Eraser:
    """Erases from one ledger, step by step. Whoever uses it is `alone`."""

    def __init__(self, layout: Layout, manifest: Manifest, engine: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._layout = layout
        self._manifest = manifest
        self._engine = engine
        self._sealer = Sealer(layout, manifest)

    def find(self, whose: Whose) -> list[str]:
        """Ids of the calls that hold content to be erased, hot ones too."""
        ids: set[str] = set()
        listing = self._manifest.listing()
        with Snapshot(self._layout, listing, self._engine) as snapshot:
            for hot in snapshot.hot_connections():
                for call_id, tags in hot.execute("SELECT id, tags FROM calls WHERE tags != '{}'"):
                    if json.loads(tags).get(whose.tag) in whose.values:
                        ids.add(call_id)
                wanted = json.dumps(whose.call_ids)
                sql = "SELECT id FROM calls WHERE id IN (SELECT value FROM json_each(?))"
                ids.update(row[0] for row in hot.execute(sql, (wanted,)))
        return sorted(ids.union(*self._in_segments(whose).values()))

    def begin(self, whose: Whose) -> Erased:
        """Note that an erasure has begun, or find the one that was begun for the same calls and never ended."""
        text = whose.text()
        with self._manifest.change() as db:
            for name, digest, salt in db.execute("SELECT id, digest, salt FROM erasures WHERE done_us IS NULL"):
                if hmac.compare_digest(_digest(text, salt), digest):
                    return Erased(name, digest, salt)
            begun = Erased(secrets.token_hex(8), "", secrets.token_hex(16))
            begun = msgspec.structs.replace(begun, digest=_digest(text, begun.salt))
            db.execute("INSERT INTO erasures VALUES (?, ?, ?, ?, NULL)", (begun.id, begun.digest, begun.salt, now_us()))
        return begun

    def rotate(self, wait_s: float = WAIT_S) -> tuple[str, ...]:
        """Have every writer close its file; returns those that did not in time."""
        before = {entry.name for entry in self._manifest.listing().hot if not entry.closed}
        self._layout.rotate.touch()
        os.utime(self._layout.rotate)
        until = time.monotonic() + wait_s
        while True:
            recover(self._layout, self._manifest)
            held = {entry.name for entry in self._manifest.listing().hot if not entry.closed} & before
            if not held or time.monotonic() >= until:
                return tuple(sorted(held))
            time.sleep(_LOOK_S)

    def words(self, call_ids: Sequence[str]) -> None:
        """Overwrite and remove the gold and the feedback of calls."""
        feedback.forget(self._layout, call_ids)

    def seal(self, whose: Whose, erasure: str, noted: Callable[[Call], Call]) -> None:
        """Seal what is closed, and rewrite the segments that hold such calls; `noted` says what content had shown."""
        edit = edit_of(lambda call: erased(noted(call), erasure) if whose.matches(call) else call)
        for _ in range(_ROUNDS):
            listing = self._manifest.listing()
            held = self._in_segments(whose)
            groups: list[tuple[Entry, ...]] = [(segment,) for segment in listing.segments if segment.name in held]
            groups += [group for group in self._sealer.plan() if isinstance(group[0], HotEntry)]
            if not groups:
                return
            for group in groups:
                written = self._sealer.write(group, edit)
                self._sealer.install(written)
                self._sealer.publish(written)

    def sweep(self) -> None:
        """Remove what was replaced, what killed sealers left, and what the query engine spilled."""
        self._sealer.sweep(after_s=0, orphans_after_s=0, imports=False)
        shutil.rmtree(self._layout.root / "spill", ignore_errors=True)

    def end(self, whose: Whose, begun: Erased, held: tuple[str, ...]) -> Erased:
        """Look whether anything is left, and note that the erasure is done where nothing is."""
        finished = not held and not self.find(whose)
        if finished:
            with self._manifest.change() as db:
                db.execute("UPDATE erasures SET done_us = ? WHERE id = ?", (now_us(), begun.id))
        done = self._in_segments(Whose((begun.id,), tag=ERASURE_TAG))
        unread = tuple(file.name for file in self._manifest.listing().written_off if self._lies_there(file.name))
        return msgspec.structs.replace(
            begun,
            call_ids=tuple(sorted(set[str]().union(*done.values()))),
            segments=tuple(sorted(done)),
            held=held,
            unread=unread,
            finished=finished,
        )

    def _lies_there(self, name: str) -> bool:
        return (self._layout.hot / name).exists() or (self._layout.segments / name).exists()

    def _in_segments(self, whose: Whose) -> dict[str, set[str]]:
        """Ids of such calls that are not erased yet (or, asked for by erasure, are), by segment."""
        found: dict[str, set[str]] = {}
        listing = self._manifest.listing()
        with Snapshot(self._layout, listing, self._engine) as snapshot, closing(self._engine().cursor()) as cursor:
            for segment in listing.segments:
                (path,) = snapshot.segment_paths([segment])
                sql = (
                    f"SELECT id FROM {segment_source('?')} WHERE list_contains(?::VARCHAR[], tags ->> ?)"  # noqa: S608
                    f" OR (list_contains(?::VARCHAR[], id) AND tags ->> '{ERASURE_TAG}' IS NULL)"
                )
                values = [path, list(whose.values), f'$."{whose.tag}"', list(whose.call_ids)]
                ids = {row[0] for row in cursor.execute(sql, values).fetchall()}
                if ids:
                    found[segment.name] = ids
        return found


def _digest(text: str, salt: str) -> str:
    return hashlib.scrypt(text.encode(), salt=bytes.fromhex(salt), dklen=32, **_SCRYPT).hex()
