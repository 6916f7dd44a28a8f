"""Finding the recurring tasks, and listing them with what is known of each.

Tasks are mined from a sample spread over the whole ledger; then every call is sorted among them (`_survey`), and what
fits nothing is mined again, together with some calls of each known task as evidence. A later look takes in new calls
alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice

import msgspec

from freehold.errors import LedgerUnavailable
from freehold.ledger.recognised import Counted
from freehold.tasks import discovery
from freehold.tasks.describing import counted, stated_task
from freehold.tasks.matching import TaskMatcher
from freehold.tasks.sorting import UNKNOWN, Sorter, key_of
from freehold.tasks.stability import Stability, stability
from freehold.tasks.stated import has_body
from freehold.vocabulary import Call, Task, TaskKind, Template

from ._survey import Gathering, Sums, Surveyed, sorted_calls, summed, survey
from .contracting import Answers
from .home import Home, Progress, silent

_FRESH = "discovered.json"
_CONTEXT_CHARS = 16
_TEXT_CHARS = 64
_SAMPLE_CALLS = 40_000
_SAMPLE_BYTES = 400_000_000
_WEIGHED = 256
_EVIDENCE = 64
_ROUNDS = 3
_GROWN = 1.1
_FEW_ANSWERS = 200
_MORE_UNKNOWN = 0.01


class TaskRow(msgspec.Struct, frozen=True):
    """One task for a list. `share` is of all calls seen; `stage` says who answers it now.

    `version_ids` name the versions of its prompt, as `freehold task split` wants them. `paused`: its owned answers are
    stopped, by themselves or with all others; the stage stays what it is. `confidence`: the share of its calls that fit
    a version exactly. `stability`: how much of it reruns on half of the calls found again (`tasks.stability`), None
    where that was not measured. `stated`: its calls have no bodies, and this is what their log says of them.
    """

    id: str
    name: str
    kind: TaskKind
    calls: int
    share: float
    versions: int
    stage: str
    tags: tuple[str, ...]
    confidence: float
    why: str
    version_ids: tuple[str, ...] = ()
    paused: bool = False
    stability: float | None = None
    stated: str = ""


class VersionRow(msgspec.Struct, frozen=True):
    """One version of a task's prompt. `calls` had it when it was found; `text` is where its constant text departs."""

    task: str
    id: str
    calls: int
    text: str


class TaskListing(msgspec.Struct, frozen=True):
    """Every task, largest first. `unrecognised` calls recur in none of them. `paused`: all owned answers are.

    `requests`: the calls hold what was asked; without that no task can be told by its prompt.
    """

    calls: int
    unrecognised: int
    tasks: tuple[TaskRow, ...]
    paused: bool = False
    stability: Stability | None = None
    requests: bool = True


class Seen(msgspec.Struct):
    """What the last discovery had seen, so that listing again need not look again.

    `counts` are those of calls that the ledger does not keep marks of: unsealed ones, and all of a bounded home.
    `mined` calls were unknown when they were last mined, `drawn` calls there were when the sample was last drawn.
    """

    calls: int
    counts: list[Counted] = []
    mined: int = 0
    drawn: int = 0
    stability: Stability | None = None


def find_tasks(home: Home, *, anew: bool = False, say: Progress = silent) -> tuple[Task, ...]:
    """Look for recurring tasks in every call, and learn their contracts; persons' names and edits stay.

    Args:
        home: where to look. Of a bounded one, marks are neither used nor kept.
        anew: draw the sample anew and mine it again, even if little has come since.
        say: told what is being done.
    """
    if home.until_us is not None or not _writable(home):
        return _find_bounded(home, say)
    store = home.ledger.recognised
    before = recall(home) or Seen(0)
    total = home.count()
    whole = total <= _SAMPLE_CALLS
    draws = anew or whole or not home.registry.tasks() or total >= _GROWN * before.drawn
    stable, templates = before.stability, key_of(home.registry.tasks())
    most = _sample_size(home)

    def sample() -> Iterable[Call]:
        return chain(store.spread(most), store.unsealed())

    if draws:
        say("reading a sample of the calls")
        home.registry.save_discovered(discovery.discover(sample(), previous=home.registry.tasks()).tasks)
    surveyed = survey(home.ledger, home.registry.tasks(), say=say)
    mined = surveyed.unknown
    if not whole and (draws or _more_unknown(before.mined, mined)):
        surveyed = _mine_unknown(home, surveyed, say)
        mined = surveyed.unknown
    tasks = _count(home, surveyed.counts)
    if draws or key_of(tasks) != templates:
        say("learning what the answers keep to")
        _learn_contracts(home, tasks, sample())
    if key_of(tasks) != templates or stable is None:
        say("asking whether a rerun finds the same")
        every = max(1, total // most)
        even = chain(store.spread(most), islice(store.unsealed(), 0, None, every))
        stable = stability(list(islice(even, 0, None, max(1, min(total, most) // 6000))), tasks)
    drawn = total if draws else before.drawn
    _remember(home, Seen(surveyed.calls, surveyed.unsealed, mined, drawn, stable))
    return tasks


def _writable(home: Home) -> bool:
    """Whether marks can be kept; what lies closed is sealed first: marks, and so sums by task, are of segments."""
    try:
        _, closed = home.ledger.recognised.sizes()
        if closed:
            home.ledger.seal()
        home.ledger.recognised.keep("", [])
    except LedgerUnavailable:
        return False
    return True


def _sample_size(home: Home) -> int:
    """Calls in a sample: fewer where they are long, so that what they hold in memory stays bounded."""
    some = home.ledger.recognised.spread(_WEIGHED)
    size = sum(len(call.request) + len(call.response) for call in some) / max(1, len(some))
    return max(_WEIGHED, min(_SAMPLE_CALLS, int(_SAMPLE_BYTES / max(size, 1.0))))


def _more_unknown(before: int, now: int) -> bool:
    return now - before >= max(discovery.SMALLEST, _MORE_UNKNOWN * before)


def _mine_unknown(home: Home, surveyed: Surveyed, say: Progress) -> Surveyed:
    """Mine what fits no template, and sort it anew, for as long as that finds something."""
    store = home.ledger.recognised
    for _ in range(_ROUNDS):
        tasks = home.registry.tasks()
        kinds = store.sampled()
        unknown = {kind: places for kind, places in kinds.items() if kind.startswith(UNKNOWN)}
        if surveyed.unknown < discovery.SMALLEST:
            break
        say(f"looking at {surveyed.unknown:,} calls that fit nothing known")
        evidence = {kind: places[:_EVIDENCE] for kind, places in kinds.items() if kind[:1] == "v"}
        places = chain.from_iterable([*unknown.values(), *evidence.values()])
        found = discovery.discover(chain(store.calls_at(places), store.unsealed()), previous=tasks)
        if key_of(found.tasks) == key_of(tasks):
            break
        home.registry.save_discovered(found.tasks)
        surveyed = survey(home.ledger, home.registry.tasks(), say=say)
    return surveyed


def _count(home: Home, counts: Sequence[Counted]) -> tuple[Task, ...]:
    """Save the tasks with the calls that they really have, and those that stand for calls without bodies."""
    tasks = home.registry.tasks()
    known = {task.stated for task in tasks}
    sums = summed(counts, tasks, home.registry.known_as())
    more = [stated_task(group, n) for group, n in sums.stated.items() if n >= discovery.SMALLEST and group not in known]
    if more:
        tasks = home.registry.save_discovered([*tasks, *more])
        sums = summed(counts, tasks, home.registry.known_as())
    return home.registry.save_discovered([counted(task, sums.by_task[task.id], sums.by_template) for task in tasks])


def _learn_contracts(home: Home, tasks: Sequence[Task], sample: Iterable[Call]) -> None:
    answers = {task.id: Answers(task) for task in tasks}
    matcher = TaskMatcher(tasks)
    met: Counter[str] = Counter()

    def add(calls: Iterable[Call]) -> None:
        for call in calls:
            match = matcher.match_call(call)
            if match is not None:
                answers[match.task_id].add(call, match)
                met[match.task_id] += 1

    add(sample)
    rare = [task for task in tasks if met[task.id] < min(_FEW_ANSWERS, task.n_calls)]
    if rare:
        store = home.ledger.recognised
        kinds = store.sampled([template.id for task in rare for template in task.templates])
        add(store.calls_at(chain.from_iterable(kinds.values())))
    for task_id, seen in answers.items():
        contract = seen.learn()
        if contract is not None:
            home.registry.save_contract(task_id, contract)


def _find_bounded(home: Home, say: Progress) -> tuple[Task, ...]:
    """The same for a home that sees a part of the ledger, or may not write to it: nothing is kept but the tasks."""
    step = max(1, home.count() // _SAMPLE_CALLS)

    def sample() -> Iterable[Call]:
        return islice(home.calls(), 0, None, step)

    say("reading a sample of the calls")
    home.registry.save_discovered(discovery.discover(sample(), previous=home.registry.tasks()).tasks)
    found = Gathering()
    n = 0
    for n, (call, sorted_) in enumerate(sorted_calls(Sorter(home.registry.tasks()), home.calls()), 1):
        found.add(call.id, call.task, call.model, call.started_at_us, n, sorted_)
    tasks = _count(home, found.counts)
    _learn_contracts(home, tasks, sample())
    _remember(home, Seen(n, found.counts))
    return tasks


def list_tasks(home: Home, *, refresh: bool = False, say: Progress = silent) -> TaskListing:
    """The tasks, found anew where calls have come since the last time."""
    seen = recall(home)
    if refresh or seen is None or seen.calls != home.count() or _uncounted(home, seen):
        find_tasks(home, anew=refresh, say=say)
        seen = recall(home) or Seen(0)
    paused = {one.task_id for one in home.registry.pauses()}
    tasks = home.registry.tasks()
    sums = sums_of(home, seen)
    rows = [_row(home, task, seen, sums, paused) for task in tasks]
    rows.sort(key=lambda row: (-row.calls, row.name))
    unrecognised = seen.calls - sum(row.calls for row in rows)
    requests = any(task.templates for task in tasks) or not seen.calls or _hold_requests(home)
    return TaskListing(seen.calls, unrecognised, tuple(rows), "" in paused, seen.stability, requests)


def _hold_requests(home: Home) -> bool:
    """Whether any of some calls, spread over the ledger, holds what was asked."""
    store = home.ledger.recognised
    some = chain(store.spread(_WEIGHED, until_us=home.until_us), islice(store.unsealed(), _WEIGHED))
    return any(has_body(call.request) for call in some)


def _uncounted(home: Home, seen: Seen) -> bool:
    """Whether segments have been replaced since by others that nobody has looked through."""
    sealed = home.ledger.recognised.counts() if home.until_us is None else []
    return sum(one.calls for one in sealed) + sum(one.calls for one in seen.counts) < seen.calls


def sums_of(home: Home, seen: Seen) -> Sums:
    """The calls of each task as persons see it today, from what was counted: a merge counts nothing anew."""
    sealed = home.ledger.recognised.counts() if home.until_us is None else []
    return summed([*sealed, *seen.counts], home.registry.tasks(), home.registry.known_as())


def versions(home: Home) -> list[VersionRow]:
    """Every version of every task's prompt, with what tells it from the task's others."""
    rows: list[VersionRow] = []
    for task in home.registry.tasks():
        texts = [constant_text(template) for template in task.templates]
        for template, text in zip(task.templates, departures(texts), strict=True):
            rows.append(VersionRow(task.name, template.id, template.n_calls, text))
    return rows


def departures(texts: Sequence[str], *, chars: int = _TEXT_CHARS) -> list[str]:
    """For each of some texts, the stretch where it departs from the others."""
    same = _common_chars(texts) if len(texts) > 1 else 0
    begins = max(0, same - _CONTEXT_CHARS)
    return [f"{'...' if begins else ''}{text[begins : begins + chars]}" for text in texts]


def constant_text(template: Template) -> str:
    """What every call of a template says, on one line; an ellipsis stands for what differs from call to call."""
    said = (
        "".join(piece if isinstance(piece, str) else "\u2026" for piece in message.pieces)
        for message in template.messages
        if any(isinstance(piece, str) and piece.strip() for piece in message.pieces)
    )
    return " ".join(" ".join(said).split())


def _common_chars(texts: Sequence[str]) -> int:
    """How many characters the beginnings of all texts share."""
    pairs = zip(*texts, strict=False)
    return next((n for n, chars in enumerate(pairs) if len(set(chars)) > 1), min(map(len, texts)))


def _row(home: Home, task: Task, seen: Seen, sums: Sums, paused: set[str]) -> TaskRow:
    calls = sums.by_task[task.id]
    stable = seen.stability.by_task.get(task.id) if seen.stability is not None else None
    return TaskRow(
        id=task.id,
        name=task.name,
        kind=task.kind,
        calls=calls,
        share=calls / seen.calls if seen.calls else 0.0,
        versions=len(task.templates),
        stage=home.registry.stage(task.id).stage,
        tags=task.tags,
        confidence=task.confidence,
        why=counted(task, calls, sums.by_template).why,
        version_ids=tuple(template.id for template in task.templates),
        paused=not paused.isdisjoint({"", task.id}),
        stability=stable,
        stated=task.stated,
    )


def recall(home: Home) -> Seen | None:
    """What the last discovery had seen; None where there was none that can be read."""
    try:
        return msgspec.json.decode((home.path / _FRESH).read_bytes(), type=Seen)
    except (OSError, msgspec.DecodeError):
        return None


def _remember(home: Home, seen: Seen) -> None:
    (home.path / _FRESH).write_bytes(msgspec.json.encode(seen))
