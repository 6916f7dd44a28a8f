"""What people say of recorded calls: scores, corrections and right answers, in a small file beside the calls.

It is loaded by the gateway: it opens SQLite files alone, and the query engine only for a call that is sealed already.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from freehold.errors import LedgerUnavailable, NotFound
from freehold.vocabulary import Call, Feedback
from freehold.wire.known import dialect

from ._keys import data_key
from ._layout import Layout, now_us
from ._manifest import Manifest
from ._rows import GOLD, hot_columns, to_call
from ._sqlite import open_readonly, open_settled, open_writable

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS gold (call_id TEXT PRIMARY KEY, gold TEXT NOT NULL, at_us INTEGER)",
    """CREATE TABLE IF NOT EXISTS feedback (call_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
       given_by TEXT NOT NULL, via TEXT NOT NULL, value TEXT NOT NULL, at_us INTEGER NOT NULL,
       PRIMARY KEY (call_id, kind, name, given_by)) WITHOUT ROWID""",
)
_ADD_KIND = "ALTER TABLE gold ADD COLUMN kind TEXT NOT NULL DEFAULT 'gold'"
_SAY = """INSERT INTO feedback (call_id, kind, name, given_by, via, value, at_us) VALUES (?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT DO UPDATE SET value = excluded.value, via = excluded.via, at_us = excluded.at_us
          WHERE value != excluded.value"""
_HOLD = """INSERT INTO gold (call_id, gold, at_us, kind) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET gold = excluded.gold, at_us = excluded.at_us, kind = excluded.kind
           WHERE gold.kind = 'correction' OR excluded.kind = 'gold'"""
_RECENT_US = 600 * 1_000_000
_LOOK_AGAIN_S = 0.1


class _Answered(NamedTuple):
    """What is known of a call: its answer in canonical form, whether gold came with it, and whose key made it."""

    answer: str | None
    has_gold: bool
    key: str


def attach(home: Path, call_id: str, given: Sequence[Feedback], *, wait_s: float = 0.0) -> int:
    """Keep what was said of a call; returns how much of it was new. Saying the same again changes nothing.

    A right answer is from now on the call's gold, for every reader: the latest one, but a correction never takes the
    place of gold, and counts only where it has the form of the answer that was given (`has_form_of`). With `wait_s`, a
    call that was answered only just now and is not recorded yet is waited for. A virtual key may speak of the calls
    that were made with it, and of those made without any.

    Raises:
        NotFound: the ledger holds no such call, or it was made with another key than it is spoken of with.
        LedgerUnavailable: it cannot be read or written.
    """
    layout = Layout.of(home)
    until = time.monotonic() + (wait_s if _recent(call_id) else 0.0)
    while (call := _find(home, layout, call_id)) is None or _anothers(call, given):
        if call is not None or time.monotonic() >= until:
            raise _unknown()
        time.sleep(_LOOK_AGAIN_S)
    said = [msgspec.structs.replace(one, call_id=call_id) for one in given]
    return _write(layout, said, [one for one in said if _counts(one, call)])


def attach_golds(home: Path, golds: Mapping[str, str]) -> None:
    """Keep the right answers of many calls, by call id, as `attach` keeps one; all of them or none.

    Raises:
        NotFound: the ledger holds no call of one of the ids.
        LedgerUnavailable: it cannot be read or written.
    """
    layout = Layout.of(home)
    if any(_find(home, layout, call_id) is None for call_id in golds):
        raise _unknown()
    given = [Feedback(call_id, "gold", gold) for call_id, gold in golds.items()]
    if given:
        _write(layout, given, given)


def restore(home: Path, given: Iterable[Feedback]) -> int:
    """Keep feedback that an export brought, whether or not its calls are there yet; no call's gold is touched.

    Raises:
        LedgerUnavailable: it cannot be written.
    """
    return _write(Layout.of(home), list(given), [])


def forget(layout: Layout, call_ids: Sequence[str]) -> None:
    """Overwrite and remove all that was said of calls, their gold included.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    if not call_ids or not layout.gold.exists():
        return
    with closing(open_writable(layout.gold, create=False, timeout_s=5.0)) as db:
        db.execute("PRAGMA secure_delete=ON")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        db.execute("BEGIN IMMEDIATE")
        for table in tables & {"gold", "feedback"}:
            sql = f"DELETE FROM {table} WHERE call_id IN (SELECT value FROM json_each(?))"  # noqa: S608
            db.execute(sql, (json.dumps(list(call_ids)),))
        db.execute("COMMIT")


def read_feedback(layout: Layout, call_ids: Sequence[str] | None) -> dict[str, list[Feedback]]:
    """What was said of some calls, or of all with None, oldest first; calls of which nothing was said are left out.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    if not layout.gold.exists():
        return {}
    found: dict[str, list[Feedback]] = {}
    with closing(open_settled(layout.gold)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'feedback'").fetchone():
            return {}
        some = "" if call_ids is None else "WHERE call_id IN (SELECT value FROM json_each(?))"
        rows = db.execute(
            f"SELECT call_id, kind, value, name, given_by, via, at_us FROM feedback {some}"  # noqa: S608
            " ORDER BY at_us, kind, name, given_by",
            () if call_ids is None else (json.dumps(list(call_ids)),),
        )
        for call_id, kind, value, *rest in rows:
            found.setdefault(call_id, []).append(Feedback(call_id, kind, json.loads(value), *rest))
    return found


def has_form_of(correction: str, answer: str | None) -> bool:
    """Whether a correction can stand in the place of an answer: JSON of the same kind for JSON, some text for text.

    Where the answer cannot be read, any text may. It says nothing of whether the correction is right.
    """
    if answer is None:
        return bool(correction.strip())
    was, is_now = _json(answer), _json(correction)
    if isinstance(was, dict):
        return isinstance(is_now, dict) and ("tool_calls" in was) == ("tool_calls" in is_now)
    if isinstance(was, list):
        return isinstance(is_now, list)
    return bool(correction.strip())


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _anothers(call: _Answered, given: Sequence[Feedback]) -> bool:
    return bool(call.key) and any(one.via == "gateway" and one.given_by != call.key for one in given)


def _counts(one: Feedback, call: _Answered) -> bool:
    if one.kind == "correction" and isinstance(one.value, str):
        return not call.has_gold and has_form_of(one.value, call.answer)
    return one.kind == "gold"


def _recent(call_id: str) -> bool:
    """Whether an id is of a call that a gateway answered within the last minutes: its ids begin with their time."""
    with contextlib.suppress(ValueError):
        return 0 <= now_us() - int(call_id.removeprefix("call_")[:14], 16) < _RECENT_US
    return False


def _find(home: Path, layout: Layout, call_id: str) -> _Answered | None:
    """The call, looked for in hot files first: feedback mostly follows soon."""
    with contextlib.suppress(sqlite3.Error, OSError, LedgerUnavailable):
        listing = Manifest(layout).listing()
        for entry in reversed(listing.hot):
            with contextlib.suppress(sqlite3.Error), closing(open_readonly(layout.hot / entry.name)) as db:
                sql = f"SELECT {hot_columns(db)}, request, response FROM calls JOIN bodies USING (seq) WHERE id = ?"  # noqa: S608
                row = db.execute(sql, (call_id,)).fetchone()
                if row is not None:
                    key = data_key(layout, entry.key)
                    row = row if key is None else key.show(row)
                    return _answered(to_call(row, row[GOLD]), attached=False)
        if not listing.hot and not listing.segments:
            return None
    from ._store import Ledger

    try:
        call = Ledger(home).get(call_id)
    except NotFound:
        return None
    return _answered(call, attached=_attached(layout, call_id))


def _answered(call: Call, *, attached: bool) -> _Answered:
    """`attached`: the gold that the call was read with was attached later."""
    gold = call.gold is not None and not attached
    return _Answered(dialect(call.dialect).answer_text(call.response), gold, call.key)


def _unknown() -> NotFound:
    return NotFound(
        "the ledger holds no call of that id",
        hint="freehold calls lists what there is; a call is recorded once its audit, if it has one, is over",
    )


def _attached(layout: Layout, call_id: str) -> bool:
    """Whether the gold that a call is read with was attached later, rather than imported with it."""
    if not layout.gold.exists():
        return False
    with closing(open_settled(layout.gold)) as db:
        return db.execute("SELECT 1 FROM gold WHERE call_id = ?", (call_id,)).fetchone() is not None


def _write(layout: Layout, given: Sequence[Feedback], counting: Sequence[Feedback]) -> int:
    try:
        with closing(open_writable(layout.gold, create=True, timeout_s=5.0)) as db:
            db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                db.execute(statement)
            if not any(row[1] == "kind" for row in db.execute("PRAGMA table_info(gold)")):
                db.execute(_ADD_KIND)
            before = db.total_changes
            for one in given:
                value = json.dumps(one.value, ensure_ascii=False)
                at_us = one.at_us or now_us()
                db.execute(_SAY, (one.call_id, one.kind, one.name, one.given_by, one.via, value, at_us))
            said = db.total_changes - before
            for one in counting:
                db.execute(_HOLD, (one.call_id, one.value, one.at_us or now_us(), one.kind))
            db.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise LedgerUnavailable(
            f"the feedback cannot be kept: {error}",
            hint=f"check space and permissions of {layout.root}",
            code="ledger_unwritable",
        ) from error
    return said
