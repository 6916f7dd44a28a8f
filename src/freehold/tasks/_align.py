"""Tell what stays from what varies in one message of many calls: literal text and gaps, in order.

What all texts begin and end with is literal. Between, the longest run of tokens that occurs exactly once in nearly
every text is literal, and the parts left and right of it are cut in the same way. Where only runs that occur again and
again are left (few-shot examples, transcripts), the part is cut at the last occurrences, from the right: such a part
may hold any number of records.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from ._text import tokens, words

NEARLY_ALL = 0.97
_ONCE = 0.95
_SAMPLE = 80
_MOST_PEELS = 8
_ENOUGH_TEXTS = 40
_LONGEST_BASE = 4000


class Gap(msgspec.Struct, frozen=True):
    """A part that varies. Gaps of one repeated part share a `region` (0: none); its leftmost gap is `greedy`."""

    region: int = 0
    greedy: bool = False


_SENTENCE_ENDS = ".?!\u2026\u3002\uff1f\uff01\u061f"
"""Marks that end what people write. Those right after a gap belong to the gap: nearly all questions end alike."""

Pieces = list[str | Gap]


def align(texts: Sequence[str], answer_start: str = "", answer_end: str = "") -> Pieces:
    """Cut texts into literal pieces and gaps; no two gaps and no two literals are adjacent.

    Args:
        texts: the same message of different calls.
        answer_start: what nearly all answers of these calls begin with. Literals do not reach into it, so that the
            answers of examples stay whole.
        answer_end: what nearly all answers end with, likewise.
    """
    found = _joined(_Aligner(answer_start).cut(list(texts), 0))
    return _joined(_freed(found, answer_start, answer_end))


def _freed(pieces: Pieces, start: str, end: str) -> Pieces:
    """Give back to the gaps what answers begin and end with, where a literal has taken it."""
    found: Pieces = []
    last = len(pieces) - 1
    for i, piece in enumerate(pieces):
        if isinstance(piece, Gap):
            found.append(piece)
            continue
        cut = piece
        if i > 0:
            cut = cut[next((k for k in range(len(end), 0, -1) if cut.startswith(end[-k:])), 0) :]
        if i < last:
            cut = cut[: len(cut) - next((k for k in range(len(start), 0, -1) if cut.endswith(start[:k])), 0)]
        found.append(cut if cut or i in (0, last) else piece)
    return found


class _Aligner:
    def __init__(self, answer_start: str) -> None:
        self._answer_start = answer_start
        self._region_used = False

    def cut(self, texts: list[str], region: int) -> Pieces:
        if not texts or not any(texts):
            return []
        if len(set(texts)) == 1:
            return [texts[0]]
        prefix, texts = _common_start(texts)
        suffix, texts = _common_end(texts)
        return [prefix, *self._middle(texts, region), suffix]

    def _middle(self, texts: list[str], region: int) -> Pieces:
        if not any(texts):
            return []
        runs = _shared_runs(texts)
        once = [
            (run, held)
            for run in runs
            if _credible(run, len(texts)) and len(held := _holding_once(run, texts)) >= _ONCE * len(texts)
        ]
        if once:
            run, held = max(once, key=lambda pair: len(pair[0]))
            parts = [text.split(run, 1) for text in held]
            return [*self._middle([a for a, _ in parts], region), run, *self.cut([b for _, b in parts], region)]
        if region or not self._region_used:
            marker = self._marker(runs, texts)
            if marker:
                return self._peel(texts, marker)
        return [Gap(region)]

    def _peel(self, texts: list[str], marker: str) -> Pieces:
        """Cut records off the right end, at most so many; the rest is the greedy gap."""
        self._region_used = True
        tail: Pieces = []
        for _ in range(_MOST_PEELS):
            held = [text for text in texts if marker in text]
            parts = [text.rsplit(marker, 1) for text in held]
            tail = [marker, *_plain(self.cut([b for _, b in parts], 1)), *tail]
            texts = [a for a, _ in parts]
            marker = self._marker(_shared_runs(texts), texts)
            if not marker:
                break
        return [Gap(1, greedy=True), *tail]

    def _marker(self, runs: list[str], texts: list[str]) -> str:
        """The run whose last occurrence stands furthest right in most texts, if it looks like a mark of a record.

        Of two that begin at the same place the one that occurs more often wins: a caption, without the value that
        most records happen to have after it.
        """
        marks = {self._trimmed(part) for run in runs if _structural(run) for part in _captions(run)}
        marks = {mark for mark in marks if _structural(mark)}
        marks = {mark for mark in marks if "\n" in mark} or marks
        if not marks:
            return ""
        sample = texts[:_SAMPLE]
        often = {mark: sum(text.count(mark) for text in sample) for mark in marks}
        ordered = sorted(marks, key=lambda mark: (-often[mark], -len(mark), mark))
        wins = Counter(max(ordered, key=text.rfind) for text in sample if any(m in text for m in ordered))
        return wins.most_common(1)[0][0] if wins else ""

    def _trimmed(self, run: str) -> str:
        start = self._answer_start
        for size in range(min(len(start), len(run) - 1), 0, -1):
            if run.endswith(start[:size]):
                return run[:-size]
        return run


def _captions(run: str) -> list[str]:
    """A run, and its parts that begin with a line and end with a caption's mark or the line."""
    starts = [0, *(m.start() for m in re.finditer(r"(?<!\n)\n", run) if m.start())]
    ends = [len(run), *(m.end() for m in re.finditer(r"[:=>|\]\uff1a][^\S\n]*", run))]
    return [run[a:b] for a in starts for b in ends if a < b]


def _plain(pieces: Pieces) -> Pieces:
    return [Gap(1) if isinstance(piece, Gap) else piece for piece in pieces]


def _structural(run: str) -> bool:
    """Whether a run looks like a mark between records rather than like words that happen to come often."""
    body = run.strip()
    return len(body) >= 2 and any(c.isalpha() for c in body) and ("\n" in run or any(c in ":#<>|=[]{}" for c in body))


def _credible(run: str, n: int) -> bool:
    """Whether a run that so many texts hold is hardly chance: in few texts, a common word or two may well be."""
    return n >= _ENOUGH_TEXTS or _structural(run) or len(words(run)) >= 4


def _holding_once(run: str, texts: list[str]) -> list[str]:
    return [text for text in texts if text.count(run) == 1]


def common_start(texts: list[str]) -> str:
    """What nearly all texts begin with, cut at a token's end."""
    return _common_start(texts)[0]


def common_end(texts: list[str]) -> str:
    """What nearly all texts end with, cut at a token's start."""
    return _common_end(texts)[0]


def _common_start(texts: list[str]) -> tuple[str, list[str]]:
    """What nearly all texts begin with, cut at a token's end, and what follows in those that do."""
    start = "".join(_begun_alike([tokens(text[:_LONGEST_BASE]) for text in texts[:_SAMPLE]]))
    if not start:
        return "", texts
    return start, [text[len(start) :] for text in texts if text.startswith(start)]


def _common_end(texts: list[str]) -> tuple[str, list[str]]:
    """What nearly all texts end with, cut at a token's start, and what comes before it in those that do."""
    backwards = _begun_alike([tokens(text[-_LONGEST_BASE:])[::-1] for text in texts[:_SAMPLE]])
    end = "".join(reversed(backwards))
    if not end:
        return "", texts
    return end, [text[: -len(end)] for text in texts if text.endswith(end)]


def _begun_alike(lists: list[list[str]]) -> list[str]:
    """The tokens that nearly all of these begin with."""
    taken: list[str] = []
    alive = lists
    while alive:
        place = len(taken)
        heads = Counter(t[place] if place < len(t) else "" for t in alive)
        token, count = heads.most_common(1)[0]
        if not token or count < NEARLY_ALL * len(lists):
            break
        alive = [t for t in alive if place < len(t) and t[place] == token]
        taken.append(token)
    return taken


def _shared_runs(texts: list[str]) -> list[str]:
    """Runs of two tokens or more, as long as they can be, that nearly all texts hold."""
    sample = texts[:_SAMPLE]
    spare = int((1 - NEARLY_ALL) * len(sample))
    if not sample or sum(1 for text in sample if not text) > spare:
        return []
    base = tokens(min((t for t in sample if t), key=len)[:_LONGEST_BASE])
    known: dict[str, bool] = {}

    def shared(run: str) -> bool:
        found = known.get(run)
        if found is None:
            found = known[run] = _nearly_all_hold(run, sample, spare)
        return found

    runs: list[str] = []
    i = 0
    while i < len(base) - 1:
        if not shared(base[i] + base[i + 1]):
            i += 1
            continue
        end = _furthest(base, i, shared)
        run = "".join(base[i:end])
        if run.strip():
            runs.append(run)
        i = end - 1
    return list(dict.fromkeys(runs))


def _nearly_all_hold(run: str, texts: list[str], spare: int) -> bool:
    missing = 0
    for text in texts:
        if run not in text:
            missing += 1
            if missing > spare:
                return False
    return True


def _furthest(base: list[str], start: int, shared: Callable[[str], bool]) -> int:
    """The end of the longest shared run from `start`: doubling steps, then halving. Parts of shared runs are shared."""
    good, step = start + 2, 1
    while good + step <= len(base) and shared("".join(base[start : good + step])):
        good += step
        step *= 2
    while step >= 1:
        if good + step <= len(base) and shared("".join(base[start : good + step])):
            good += step
        step //= 2
    return good


def _joined(pieces: Pieces) -> Pieces:
    """Without empty literals; adjacent literals and adjacent gaps are one."""
    found: Pieces = []
    for piece in pieces:
        if piece == "":
            continue
        last = found[-1] if found else None
        if isinstance(piece, str) and isinstance(last, str):
            found[-1] = last + piece
        elif isinstance(piece, str) and isinstance(last, Gap):
            rest = piece.lstrip(_SENTENCE_ENDS)
            if rest:
                found.append(rest)
        elif isinstance(piece, Gap) and isinstance(last, Gap):
            found[-1] = Gap(last.region or piece.region, last.greedy or piece.greedy)
        else:
            found.append(piece)
    return found
