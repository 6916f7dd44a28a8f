"""Erasing what one end user, or some calls, left in this home; with a record that names nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from freehold.errors import FreeholdError, UsageError
from freehold.ledger import Whose
from freehold.registry import keys
from freehold.students import bundle
from freehold.vocabulary import END_USER_TAG
from freehold.vocabulary.pseudonyms import pseudonym

from . import kept_sums, retaining
from ._kept import KeptAnswers
from .home import Home, Progress, silent
from .promoting import whoever

_LONGEST_TAG = 64
_BLOCK = 4 * 1024 * 1024


class Taught(msgspec.Struct, frozen=True):
    """A student whose bundle holds some of the calls, and of how many."""

    student: str
    task: str
    bundle: str
    calls: int


class Erasure(msgspec.Struct, frozen=True):
    """What was erased, or, with `dry_run`, would be.

    `finished` False: `held` hot files were not closed in time by the gateways that write them, or calls came in
    meanwhile; ask again. `bundles` were trained from such calls and keep what they learned. `mentions` are files of the
    home that hold the user's name all the same. `unread` are files that were written off and still lie there.
    """

    erasure: str
    dry_run: bool
    finished: bool
    calls: int
    segments: tuple[str, ...]
    held: tuple[str, ...]
    bundles: tuple[Taught, ...]
    mentions: tuple[str, ...]
    unread: tuple[str, ...]


def erase(
    home: Home,
    *,
    user: str = "",
    tag: str = END_USER_TAG,
    call_ids: Sequence[str] = (),
    dry_run: bool = False,
    by: str = "",
    reason: str = "",
    progress: Progress = silent,
) -> Erasure:
    """Erase the content of a user's calls, or of calls by id, and put it into the audit log once it is done.

    Args:
        home: this home.
        user: the end user, as the calls' `tag` names them. Hashed names (`ledger.end_users`) are found as well.
        tag: the tag that says whose a call is.
        call_ids: calls to be erased whoever's they are.
        dry_run: only say what would be erased.
        by: who asks for it.
        reason: why.
        progress: told what is being done.

    Raises:
        UsageError: nobody is named, or the tag is no name of one.
        LedgerUnavailable: the ledger cannot be read or written whole; nothing is lost, ask again.
    """
    if not (user or call_ids):
        raise UsageError("nobody is named whose content should go", hint="freehold erase --user USER, or --call ID")
    if not (0 < len(tag) <= _LONGEST_TAG) or '"' in tag or not tag.isprintable():
        raise UsageError("that is no name of a tag", hint=f"leave --tag out for {END_USER_TAG}")
    whose = Whose(_names(home, user), tuple(call_ids), tag)
    if dry_run:
        ids = home.ledger.to_erase(whose)
        taught = tuple(_taught(home, set(ids)))
        beside = tuple(name for name in _mentions(home, user) if not name.startswith("ledger/"))
        return Erasure("", True, False, len(ids), (), (), taught, beside, ())
    progress("rewriting what holds these calls")
    done = home.ledger.erase(whose, noted=retaining.noting(home))
    beside = KeptAnswers(home.path, home.settings.ledger).erase(whose, done.call_ids)
    kept_sums.forget(home)
    finished, held = done.finished, done.held
    if beside is not None:
        finished, held = finished and beside.finished, (*held, *beside.held)
    progress("looking through the bundles")
    taught = tuple(_taught(home, set(done.call_ids)))
    if finished:
        home.registry.note_erasure(
            done.id,
            by=by or whoever(),
            reason=reason,
            digest=done.digest,
            salt=done.salt,
            calls=len(done.call_ids),
            segments=done.segments,
            bundles=[one.student for one in taught],
        )
    mentions = tuple(_mentions(home, user))
    return Erasure(done.id, False, finished, len(done.call_ids), done.segments, held, taught, mentions, done.unread)


def _names(home: Home, user: str) -> tuple[str, ...]:
    """What the user is called in tags: as they are, and hashed as the gateway does where it is to."""
    if not user:
        return ()
    with contextlib.suppress(FreeholdError):
        return (user, pseudonym(user, keys.pepper(home.path)))
    return (user,)


def _taught(home: Home, ids: Collection[str]) -> Iterator[Taught]:
    """Students whose bundles hold some of the calls."""
    if not ids or not (home.path / "control.db").exists():
        return
    for student in home.registry.students():
        with contextlib.suppress(FreeholdError):
            calls = sum(example.id in ids for example in bundle.read_examples(student.folder(home.path)))
            if calls:
                yield Taught(student.id, home.registry.task(student.task_id).name, student.bundle, calls)


def _mentions(home: Home, user: str) -> Iterator[str]:
    """Files of the home, beside segments and bundles, that hold the name as it is written."""
    name = user.encode()
    if len(name) < 4:  # shorter ones are found everywhere
        return
    left_out = {home.path / "ledger" / "segments", home.path / "ledger" / "cache", home.path / "bundles"}
    for path in sorted(home.path.rglob("*")):
        if path.is_file() and not path.is_symlink() and not left_out & set(path.parents) and _holds(path, name):
            yield str(path.relative_to(home.path))


def _holds(path: Path, name: bytes) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        tail = b""
        while block := file.read(_BLOCK):
            if name in tail + block:
                return True
            tail = block[-len(name) :]
    return False
