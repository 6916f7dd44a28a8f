"""Which task a request belongs to: the one place where a call meets its task, at the gateway and offline alike.

Pure Python without heavy imports, because it runs on the path of every call. A known prompt is recognised by its
literal pieces, anchored and in order; where prompts hold no text to tell tasks by, how the input reads decides between
them; any other request goes to the nearest task if enough of that task's constant text is in it; else to none. It knows
nothing of answers, and does not promise that two people would have sorted a request the same way.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache, partial

from freehold.errors import BadRequest
from freehold.vocabulary import Call, Match, MessagePattern, Slot, Task, Template
from freehold.wire.known import CHAT, EMBEDDINGS, dialect
from freehold.wire.openai import ChatRequest

from ._profile import Reader, recognised
from ._request import View, following, tool_names, view
from ._text import clipped, known_words, shingles
from .stated import has_body, stated

NEAR_ENOUGH = 0.5
"""Share of a task's constant text, weighted by how telling it is, that a request must hold to be near the task."""

_HEAD_CHARS = 6000
_TAIL_CHARS = 2000
_ENOUGH = NEAR_ENOUGH - 1e-9  # sums of the same numbers in another order differ a little
_PROMPTS_KEPT = 128
_NO_NEAREST = 3
"""Templates with fewer shingles of constant text than this say too little to be near to."""


class TaskMatcher:
    """Recognises requests as calls of known tasks.

    Args:
        tasks: the tasks to recognise. Their order does not matter; templates with more literal text are tried first,
            so that a bare template cannot swallow the calls of a more telling one.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._by_name = {name: task for task in tasks for name in (task.id, task.name)}
        compiled = [_Compiled(task, template) for task in tasks for template in task.templates]
        compiled.sort(key=lambda c: (-c.literal_chars, c.reader is None, c.template.id))
        self._read = [one for one in compiled if one.reader is not None]
        self._by_shape: defaultdict[tuple[str, str], list[_Compiled]] = defaultdict(list)
        self._of_task: defaultdict[str, list[_Compiled]] = defaultdict(list)
        for one in compiled:
            self._by_shape[one.template.tools, one.template.schema].append(one)
            self._of_task[one.task_id].append(one)
        self._nearest = _Nearest(compiled)
        self._by_template = {template.id: task.id for task in tasks for template in task.templates}
        self._by_statement = {task.stated: task.id for task in tasks if task.stated}

    def match_call(self, call: Call) -> Match | None:
        """Recognise a recorded call, whatever dialect it was made in, by the name that its caller gave, or by its form.

        A call without a body goes by what was recorded with it: its task or template, else what its log says of it.

        Returns:
            The match, or None where no task is near enough or the body cannot be read. A call for embeddings belongs to
            a task only by name: what it asks for is no answer to the text that it holds.
        """
        if not has_body(call.request):
            return self._by_word(call)
        spoken = dialect(call.dialect)
        if spoken is EMBEDDINGS and call.task not in self._by_name:
            return None
        try:
            return self.match(spoken.decode(call.request).chat, declared=call.task)
        except BadRequest:
            return None

    def _by_word(self, call: Call) -> Match | None:
        task = self._by_name.get(call.task) if call.task else None
        if task is not None:
            return Match(task_id=task.id, template_id="", inputs=(), how="declared")
        found = self._by_template.get(call.template) if call.template else None
        if found is None and self._by_statement:
            found = self._by_statement.get(stated(call))
        return None if found is None else Match(task_id=found, template_id="", inputs=(), how="stated")

    def match(self, request: bytes | ChatRequest, *, declared: str = "") -> Match | None:
        """Recognise a request.

        Args:
            request: the body of a chat completion request, or the view of any request.
            declared: the task's name or id as the caller stated it (a header, a metadata field); it wins over what the
                request looks like. A name that is no known task is as if it had not been given.

        Returns:
            The match, or None where no task is near enough or the body is no chat completion request.
        """
        if isinstance(request, bytes):
            try:
                request = CHAT.decode(request).chat
            except BadRequest:
                return None
        return self.match_view(view(request), declared=declared)

    def match_view(self, seen: View, *, declared: str = "") -> Match | None:
        """The same for a request that has been looked at already."""
        task = self._by_name.get(declared) if declared else None
        if task is not None:
            return _declared(task.id, self._of_task[task.id], seen)
        rivals: list[tuple[_Compiled, tuple[str, ...]]] = []
        first = seen.texts[0] if seen.texts else ""
        for one in self._by_shape.get((seen.tools, seen.schema), ()):
            if not first.startswith(one.beginning):
                continue
            inputs = one.inputs(seen) if seen.plain or one.reader is not None else None
            if inputs is None:
                continue
            if one.reader is not None:
                rivals.append((one, inputs))
                continue
            read = _by_reading(rivals, seen)
            if read is not None:
                return read
            return Match(task_id=one.task_id, template_id=one.template.id, inputs=inputs, how="template")
        read = _by_reading(rivals, seen)
        near = self._nearest.find(seen) if read is None else None
        if near is None and read is None and len(rivals) < len(self._read):
            near = self._reading_alike(seen)
        return read if near is None else Match(task_id=near, template_id="", inputs=_whole(seen), how="nearest")

    def _reading_alike(self, seen: View) -> str | None:
        """The task without a prompt whose inputs the last message reads like, whatever else the call holds."""
        read = recognised([one.reader for one in self._read if one.reader is not None], seen) if self._read else None
        return self._read[read.place].task_id if read is not None and read.likely else None


def _declared(task_id: str, templates: Sequence[_Compiled], seen: View) -> Match:
    for one in templates if seen.plain else ():
        inputs = one.inputs(seen)
        if inputs is not None:
            return Match(task_id=task_id, template_id=one.template.id, inputs=inputs, how="declared")
    return Match(task_id=task_id, template_id="", inputs=_whole(seen), how="declared")


def _by_reading(rivals: Sequence[tuple[_Compiled, tuple[str, ...]]], seen: View) -> Match | None:
    """The one of several templates that fit alike whose inputs the text reads like; without its id where in doubt."""
    read = recognised([one.reader for one, _ in rivals if one.reader is not None], seen) if rivals else None
    if read is None:
        return None
    one, inputs = rivals[read.place]
    if not (read.certain and seen.plain):
        return Match(task_id=one.task_id, template_id="", inputs=_whole(seen), how="nearest")
    return Match(task_id=one.task_id, template_id=one.template.id, inputs=inputs, how="template")


class _Compiled:
    """A template made ready: each message as the pieces before its greedy slot and those after it."""

    __slots__ = ("beginning", "count", "literal_chars", "messages", "reader", "task_id", "template")

    def __init__(self, task: Task, template: Template) -> None:
        self.task_id = task.id
        self.template = template
        self.reader = Reader(template.profile) if template.profile is not None else None
        self.count = len(template.messages)
        self.messages = [(pattern.role, pattern.pieces, _greedy_at(pattern)) for pattern in template.messages]
        self.beginning = _beginning(template)
        self.literal_chars = sum(
            len(piece) for pattern in template.messages for piece in pattern.pieces if isinstance(piece, str)
        )

    def inputs(self, seen: View) -> tuple[str, ...] | None:
        template = self.template
        if seen.tools != template.tools or seen.schema != template.schema:
            return None
        have = len(seen.roles)
        if have < self.count or (have > self.count and not template.open_ended):
            return None
        found: list[str] = []
        for i, (role, pieces, greedy) in enumerate(self.messages):
            if seen.roles[i] != role or not _fill(seen.texts[i], pieces, greedy, found):
                return None
        if template.open_ended:
            found.append(following(seen.roles[self.count :], seen.texts[self.count :]))
        return tuple(found)


def _beginning(template: Template) -> str:
    """What the first message of every call of it begins with."""
    pieces = template.messages[0].pieces if template.messages else ()
    return pieces[0] if pieces and isinstance(pieces[0], str) else ""


def slot_texts(pattern: MessagePattern, text: str) -> list[str] | None:
    """The texts of all slots of a pattern, inputs or not, or None where the text does not fit it."""
    pieces = tuple(
        Slot(piece.name, True, piece.greedy) if isinstance(piece, Slot) else piece for piece in pattern.pieces
    )
    found: list[str] = []
    return found if _fill(text, pieces, _greedy_at(pattern), found) else None


def _greedy_at(pattern: MessagePattern) -> int:
    places = [i for i, piece in enumerate(pattern.pieces) if isinstance(piece, Slot) and piece.greedy]
    return places[0] if places else -1


def _fill(text: str, pieces: tuple[str | Slot, ...], greedy: int, found: list[str]) -> bool:
    """Match a message and append the texts of its input slots to `found`; False where it does not fit."""
    if greedy < 0:
        return _forwards(text, 0, len(text), pieces, found)
    begin = _forward_end(text, pieces[:greedy], found)
    if begin < 0:
        return False
    after: list[str] = []
    end = _backward_start(text, begin, pieces[greedy + 1 :], after)
    if end < 0:
        return False
    slot = pieces[greedy]
    if isinstance(slot, Slot) and slot.is_input:
        found.append(text[begin:end])
    found.extend(reversed(after))
    return True


def _forwards(text: str, at: int, end: int, pieces: tuple[str | Slot, ...], found: list[str]) -> bool:
    """Match pieces from `at` to exactly `end`; a slot ends at the first occurrence of the literal after it."""
    pending: Slot | None = None
    last = len(pieces) - 1
    for i, piece in enumerate(pieces):
        if isinstance(piece, Slot):
            pending = piece
            continue
        if pending is None:
            if not text.startswith(piece, at):
                return False
            at += len(piece)
            continue
        where = (end - len(piece) if text.endswith(piece) else -1) if i == last else text.find(piece, at)
        if where < at:
            return False
        if pending.is_input:
            found.append(text[at:where])
        at, pending = where + len(piece), None
    if pending is not None:
        if pending.is_input:
            found.append(text[at:end])
        return True
    return at == end


def _forward_end(text: str, pieces: tuple[str | Slot, ...], found: list[str]) -> int:
    """Match pieces from the beginning; where they end, or -1. The last piece, if any, is a literal."""
    at = 0
    pending: Slot | None = None
    for piece in pieces:
        if isinstance(piece, Slot):
            pending = piece
            continue
        where = text.find(piece, at) if pending is not None else (at if text.startswith(piece, at) else -1)
        if where < 0:
            return -1
        if pending is not None and pending.is_input:
            found.append(text[at:where])
        at, pending = where + len(piece), None
    return at


def _backward_start(text: str, begin: int, pieces: tuple[str | Slot, ...], found: list[str]) -> int:
    """Match pieces from the end backwards; where they start, or -1. Input texts come last first."""
    end = len(text)
    pending: Slot | None = None
    for piece in reversed(pieces):
        if isinstance(piece, Slot):
            pending = piece
            continue
        if pending is not None:
            where = text.rfind(piece, begin, end)
        else:
            where = end - len(piece) if text.endswith(piece, begin, end) else -1
        if where < begin:
            return -1
        if pending is not None and pending.is_input:
            found.append(text[where + len(piece) : end])
        end, pending = where, None
    return end


def _whole(seen: View) -> tuple[str, ...]:
    return (following(seen.roles, seen.texts),)


class _Nearest:
    """Finds the task whose constant text a request holds most of.

    Method. Every run of three words (shingle) weighs the more, the fewer tasks have it. Cutting a text into shingles is
    the costly part, and most requests that come here are near to nothing. So each shingle is first put down to its
    rarest word: where the words that a request holds stand for less than half of every task's weight, its shingles
    cannot do better.
    """

    def __init__(self, compiled: list[_Compiled]) -> None:
        sets = [(one, constant_text(one.template)) for one in compiled]
        self._all = [(one, found) for one, found in sets if len(found) >= _NO_NEAREST]
        holders: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for one, found in self._all:
            for shingle in found:
                holders[shingle].add(one.task_id)
        tasks = 1 + len({one.task_id for one, _ in self._all})
        weight = {shingle: math.log(1 + tasks / len(ids)) - math.log(2) + 0.05 for shingle, ids in holders.items()}
        self._index: defaultdict[tuple[str, ...], list[tuple[int, float]]] = defaultdict(list)
        self._totals: list[float] = []
        for i, (_, found) in enumerate(self._all):
            self._totals.append(sum(weight[shingle] for shingle in found))
            for shingle in found:
                self._index[shingle].append((i, weight[shingle]))
        self._without = [_ENOUGH * total for total in self._totals]
        self._stands_for: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        self._put_down()
        self._known = known = frozenset(self._stands_for)
        # The last message is new in every call; those before it often are the same prompt again and again.
        self._held = lru_cache(_PROMPTS_KEPT)(partial(known_words, known=known))

    def find(self, seen: View) -> str | None:
        if not self._all or not seen.texts:
            return None
        texts = [clipped(text, _HEAD_CHARS, _TAIL_CHARS) for text in _patterned(seen)]
        if not self._possible(texts):
            return None
        scores: defaultdict[int, float] = defaultdict(float)
        index = self._index
        held: set[tuple[str, ...]] = set()
        for text in texts:
            held |= shingles(text)
        for shingle in held & index.keys():
            for i, weight in index[shingle]:
                scores[i] += weight
        ranked = [
            (score / self._totals[i] * _likeness(seen, self._all[i][0].template), self._totals[i], -i)
            for i, score in scores.items()
        ]
        best = max(ranked, default=None)
        return self._all[-best[2]][0].task_id if best is not None and best[0] >= NEAR_ENOUGH else None

    def _put_down(self) -> None:
        """Put each shingle down to its rarest word; `_without` is what the words must bring for a task to be near."""
        words: defaultdict[str, set[int]] = defaultdict(set)
        for shingle, entries in self._index.items():
            for word in shingle:
                words[word] |= {i for i, _ in entries}
        for shingle, entries in self._index.items():
            telling = [word for word in shingle if any(map(str.isalpha, word))]
            if telling:
                self._stands_for[min(telling, key=lambda word: (len(words[word]), -len(word), word))] += entries
            else:
                for i, weight in entries:
                    self._without[i] -= weight

    def _possible(self, texts: list[str]) -> bool:
        """Whether the words of some texts leave it open that they are near to a task."""
        *before, last = texts
        held = known_words(last, self._known).union(*map(self._held, before))
        missing = list(self._without)
        for word in held:
            for i, weight in self._stands_for[word]:
                missing[i] -= weight
        return min(missing) <= 0.0


def _patterned(seen: View) -> list[str]:
    """The messages that can hold a prompt: leading system messages and the first of the others, and the last."""
    count = 0
    while count < len(seen.roles) and seen.roles[count] == "system":
        count += 1
    chosen = list(seen.texts[: count + 1])
    if len(seen.texts) > count + 1:
        chosen.append(seen.texts[-1])
    return chosen


def constant_text(template: Template) -> set[tuple[str, ...]]:
    """Runs of three words that every call of a template holds."""
    found: set[tuple[str, ...]] = set()
    for pattern in template.messages:
        last = len(pattern.pieces) - 1
        for i, piece in enumerate(pattern.pieces):
            if isinstance(piece, str):
                whole = shingles(piece)
                found |= {s for s in whole if (i == 0 or s[0] != "\x02") and (i == last or s[-1] != "\x03")}
    return found


def _likeness(seen: View, template: Template) -> float:
    """How like a request's tools and schema are to a template's: 1 the same, 0 too unlike to be the same task."""
    factor = 1.0
    if seen.tools != template.tools:
        ours, theirs = tool_names(seen.tools), tool_names(template.tools)
        overlap = len(ours & theirs) / len(ours | theirs)
        if overlap < NEAR_ENOUGH:
            return 0.0
        factor *= 0.8 + 0.2 * overlap
    return factor if seen.schema == template.schema else factor * 0.75
