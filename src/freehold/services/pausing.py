"""The kill switch: stop every owned answer, or one task's, now; and bring them back."""

from __future__ import annotations

import contextlib

from freehold.errors import FreeholdError, MissingPrerequisite, NotFound
from freehold.registry import pausing
from freehold.registry.store import Pause

from .home import Home
from .promoting import whoever


def pause(home: Home, task: str = "", *, by: str = "", reason: str = "") -> list[str]:
    """Rent everything, or everything of one task, from now on; returns what to tell the person.

    A running gateway obeys within a second, without a restart. Restricted calls are refused meanwhile.

    Raises:
        NotFound: there is no such task.
        MissingPrerequisite: the registry cannot be used; the message says whether owned answers stopped all the same.
    """
    stopped = False
    with contextlib.suppress(OSError, MissingPrerequisite):
        stopped = pausing.stop(home.path, task)
    try:
        record = home.registry.pause(task, by=by or whoever(), reason=reason)
    except NotFound:
        raise
    except FreeholdError as error:
        if not stopped:
            raise
        raise MissingPrerequisite(
            f"owned answers have stopped, but that is not recorded and may not last: {error.message}",
            hint=f"freehold doctor; then pause again. {error.hint}".rstrip(". "),
            code=error.error_code,
        ) from error
    who = f"by {record.made_by} at {record.made_at[:19]} UTC{f' ({record.reason})' if record.reason else ''}"
    name = home.registry.task(record.task_id).name if record.task_id else ""
    what = f"The owned answers of {name} are" if name else "All owned answers are"
    return [
        f"{what} paused {who}: everything is rented, and what is restricted is refused.",
        f"Stages stay as they are; freehold resume{f' {name}' if name else ''} brings them back.",
    ]


def resume(home: Home, task: str = "", *, by: str = "", reason: str = "") -> list[str]:
    """End a pause; returns what to tell the person.

    Raises:
        NotFound: there is no such task.
    """
    ended = home.registry.resume(task, by=by or whoever(), reason=reason)
    left = home.registry.pauses()
    name = home.registry.task(task).name if task else ""
    if not ended:
        lines = [f"{name} was not paused by itself." if name else "Nothing was paused as a whole."]
    else:
        lines = [f"{name} may be answered by its owned model again." if name else "Owned models may answer again."]
    if name and left and not left[0].task_id:
        lines.append("All owned answers are paused still: freehold resume")
    if not name and left:
        names = [_name(home, one) for one in left]
        lines.append(f"Paused by themselves, and still so: {', '.join(names)} (freehold resume TASK).")
    return lines


def standing(home: Home) -> list[tuple[str, str]]:
    """What is paused now, in words, each with the command that ends it; empty where nothing is."""
    found: list[tuple[str, str]] = []
    for one in home.registry.pauses():
        name = _name(home, one)
        what = f"the owned answers of {name}" if one.task_id else "all owned answers"
        why = f" ({one.reason})" if one.reason else ""
        said = f"{what} are paused since {one.made_at[:19]} UTC by {one.made_by}{why}"
        found.append((said, f"freehold resume {name}".rstrip()))
    return found


def _name(home: Home, one: Pause) -> str:
    if not one.task_id:
        return ""
    return next((task.name for task in home.registry.tasks() if task.id == one.task_id), one.task_id)
