"""One walk over the recorded calls into one file, in whichever form is asked for. Memory does not grow with the calls.

The file appears when it is whole, and what could not go into it is counted by reason.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast, get_args

import msgspec

from freehold.errors import UsageError
from freehold.ledger.exporting import export_calls
from freehold.services.home import Home
from freehold.vocabulary import Call

from . import finetuning, focus, otlp, parquet

FormatName = Literal["calls", "openai-finetune", "parquet", "otlp", "focus"]
FORMATS: tuple[str, ...] = get_args(FormatName)
_ZIPPED = frozenset({"calls", "openai-finetune", "otlp", "focus"})
_WITH_BODIES = frozenset({"calls", "openai-finetune"})


class Exported(msgspec.Struct, frozen=True):
    """What was written: `written` calls, lines or rows (`unit`), and by reason what could not be.

    `notes` are sentences for a person about what is in the file.
    """

    format: str
    file: str
    written: int
    unit: str
    skipped: dict[str, int] = {}
    notes: tuple[str, ...] = ()


class Walk(NamedTuple):
    """The calls that are exported, read again each time."""

    home: Home
    task_id: str | None

    def calls(self, *, bodies: bool) -> Iterator[Call]:
        """The calls by time; those of one task need their bodies to be recognised by."""
        if self.task_id is None:
            return self.home.calls(bodies=bodies)
        return (call for call, _ in self.home.recognised(task_id=self.task_id))


def export(home: Home, out: Path, *, form: str = "calls", task: str = "", bodies: bool | None = None) -> Exported:
    """Write the recorded calls to `out`; zipped where its name ends in .gz.

    Args:
        home: whose calls.
        out: the file to write.
        form: one of `FORMATS`.
        task: only this task's calls, by its name or id; "" for all.
        bodies: whether what was asked and answered goes along, where the form leaves the choice; None: as the form
            usually has it, which for `parquet` and `otlp` is without.

    Raises:
        UsageError: there is no such form, it leaves no such choice, or there is something of that name already.
        NotFound: there is no such task.
        LedgerUnavailable: the ledger cannot be read.
    """
    if form not in FORMATS:
        raise UsageError(f"{form} is no format of an export", hint=f"--format takes {', '.join(FORMATS)}")
    if bodies is False and form in _WITH_BODIES:
        raise UsageError(f"{form} is made of bodies", hint="--format parquet or otlp can do without them")
    if bodies and form == "focus":
        raise UsageError("cost rows hold no bodies", hint="leave --bodies out")
    if out.exists():
        raise UsageError(f"{out} exists already, and is left as it is", hint="choose another name")
    walk = Walk(home, home.task(task).id if task else None)
    part = out.with_name(f"{out.name}.part")
    try:
        exported = _WRITERS[form](walk, part, out, bool(bodies))
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)
    return exported


def _opened(part: Path, out: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(part, "wb") if out.suffix == ".gz" else part.open("wb"))


def _calls(walk: Walk, part: Path, out: Path, _bodies: bool) -> Exported:  # noqa: FBT001
    with _opened(part, out) as file:
        written = export_calls(walk.calls(bodies=True), file, walk.home.ledger.feedback)
    return Exported("calls", str(out), written, "calls")


def _finetuning(walk: Walk, part: Path, out: Path, _bodies: bool) -> Exported:  # noqa: FBT001
    from freehold.gateway.restrictions import Restrictions

    restrictions = Restrictions(walk.home.loaded)
    skipped: Counter[str] = Counter()
    written = 0
    with _opened(part, out) as file:
        for call in walk.calls(bodies=True):
            found = finetuning.example(call)
            if isinstance(found, bytes) and restrictions.hold(call):
                found = finetuning.RESTRICTED
            if isinstance(found, bytes):
                file.write(found + b"\n")
                written += 1
            else:
                skipped[found] += 1
    return Exported("openai-finetune", str(out), written, "examples", dict(skipped.most_common()))


def _parquet(walk: Walk, part: Path, out: Path, bodies: bool) -> Exported:  # noqa: FBT001
    if out.suffix == ".gz":
        raise UsageError("Parquet is compressed already", hint="choose a name that ends in .parquet")
    written = parquet.write(walk.calls(bodies=bodies), part, bodies=bodies)
    return Exported("parquet", str(out), written, "calls")


def _otlp(walk: Walk, part: Path, out: Path, bodies: bool) -> Exported:  # noqa: FBT001
    from freehold.gateway.restrictions import Restrictions

    restrictions = Restrictions(walk.home.loaded) if bodies else None

    def shows(call: Call) -> bool:
        return restrictions is not None and not restrictions.hold(call)

    with _opened(part, out) as file:
        written, unsampled = otlp.write(walk.calls(bodies=True), file, walk.home.settings, shows)
    skipped = {"its client records no spans of its trace": unsampled} if unsampled else {}
    return Exported("otlp", str(out), written, "calls", skipped)


def _focus(walk: Walk, part: Path, out: Path, _bodies: bool) -> Exported:  # noqa: FBT001
    with _opened(part, out) as file:
        found = focus.write(walk.calls(bodies=False), file, walk.home.prices)
    return Exported("focus", str(out), found.rows, "rows", {}, found.notes)


_Writer = Callable[[Walk, Path, Path, bool], Exported]
_WRITERS: dict[str, _Writer] = {
    "calls": _calls,
    "openai-finetune": _finetuning,
    "parquet": _parquet,
    "otlp": _otlp,
    "focus": _focus,
}
