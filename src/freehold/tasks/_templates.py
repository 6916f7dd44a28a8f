"""Turn calls with the same instructions into templates: literal text and slots, input slots told from the others."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from itertools import pairwise

import msgspec

from freehold.vocabulary import MessagePattern, Profile, Slot, Template

from ._align import Gap, Pieces, align
from ._dates import absorb_dates, mask_dates
from ._heads import Head, answer_edges, leading_systems, patterned_messages, spread
from ._inputs import Role, Verdict, captions_of, examine, judge, lines_around, links
from .matching import slot_texts

_ALIGNED = 400
_EXAMINED = 1500
_DEEPEST = 5
_EMPTY = 0.04
_MISFIT = 0.5
_MOST_VERSIONS = 4
_HANDOVER = 0.98


class Draft(msgspec.Struct):
    """A template before anybody knows which of its gaps are input, and the calls that fit it."""

    roles: tuple[str, ...]
    patterns: list[Pieces]
    open_ended: bool
    members: list[Head]

    @property
    def literal_chars(self) -> int:
        """How much constant text it holds."""
        return sum(len(piece) for pieces in self.patterns for piece in pieces if isinstance(piece, str))


def drafts(members: list[Head], smallest: int, depth: int = 0) -> list[Draft]:
    """Cut calls with the same instructions into drafts: one for each layout and each version of their prompt."""
    if len(members) < smallest:
        return []
    shapes: defaultdict[int, list[Head]] = defaultdict(list)
    for head in members:
        shapes[leading_systems(head.view)].append(head)
    if len(shapes) > 1:
        return [draft for _, part in sorted(shapes.items()) for draft in drafts(part, smallest, depth)]
    draft = _aligned(members)
    fitting, values = _fitting(draft, members)
    misfits: list[Draft] = []
    if len(fitting) < 0.98 * len(members) and depth < _DEEPEST:
        kept = {id(head) for head in fitting}
        rest = [head for head in members if id(head) not in kept]
        misfits = drafts(rest, smallest, depth + 1) if 0 < len(rest) < len(members) else []
        misfits = [other for other in misfits if other.literal_chars >= _MISFIT * draft.literal_chars]
    if not fitting:
        return misfits
    parts = _parts(fitting, values) if depth < _DEEPEST else None
    if parts is not None and min(map(len, parts)) >= smallest:
        return [found for part in parts for found in drafts(part, smallest, depth + 1)] + misfits
    draft.members = fitting
    return [draft, *misfits]


def _aligned(members: list[Head]) -> Draft:
    count, open_ended = patterned_messages(members)
    sample = spread(members, _ALIGNED)
    start, end = answer_edges([head.answer for head in sample if head.answer is not None])
    patterns = [align([head.view.texts[i] for head in sample], start, end) for i in range(count)]
    while open_ended and patterns and not any(isinstance(piece, str) for piece in patterns[-1]):
        patterns.pop()
    roles = members[0].view.roles[: len(patterns)]
    return Draft(roles, patterns, open_ended, members)


def _fitting(draft: Draft, members: list[Head]) -> tuple[list[Head], list[list[str]]]:
    """The calls that fit a draft, and for each the texts of all gaps in order."""
    patterns = [_pattern(role, pieces) for role, pieces in zip(draft.roles, draft.patterns, strict=True)]
    fitting: list[Head] = []
    values: list[list[str]] = []
    for head in members:
        found: list[str] = []
        seen = head.view
        if len(seen.roles) < len(patterns) or (len(seen.roles) > len(patterns) and not draft.open_ended):
            continue
        for i, pattern in enumerate(patterns):
            texts = slot_texts(pattern, seen.texts[i]) if seen.roles[i] == pattern.role else None
            if texts is None:
                break
            found += texts
        else:
            fitting.append(head)
            values.append(found)
    return fitting, values


def fitted(draft: Draft, members: list[Head]) -> list[Head]:
    """The calls that fit a draft."""
    return _fitting(draft, members)[0]


def _pattern(role: str, pieces: Pieces) -> MessagePattern:
    slots = [Slot("", True, piece.greedy) if isinstance(piece, Gap) else piece for piece in pieces]
    return MessagePattern(role, tuple(slots))


def _parts(members: list[Head], values: list[list[str]]) -> list[list[Head]] | None:
    """Layouts and versions: calls divided by a gap that many leave empty, or whose few values follow one another."""
    n = len(members)
    gaps = len(values[0]) if values else 0
    empty = [sum(not row[g].strip() for row in values) / n for g in range(gaps)]
    balanced = [g for g in range(gaps) if _EMPTY <= empty[g] <= 1 - _EMPTY]
    if balanced:
        g = min(balanced, key=lambda i: abs(empty[i] - 0.5))
        without = [head for head, row in zip(members, values, strict=True) if not row[g].strip()]
        with_it = [head for head, row in zip(members, values, strict=True) if row[g].strip()]
        return [without, with_it]
    for g in range(gaps):
        parts = _succession([row[g] for row in values], members)
        if parts is not None:
            return parts
    return None


def _succession(texts: list[str], members: list[Head]) -> list[list[Head]] | None:
    """Calls by value, where the values are few and each took over from the one before: versions of a prompt."""
    counts = Counter(texts)
    if not 2 <= len(counts) <= _MOST_VERSIONS or all(any(c.isdigit() for c in text) for text in counts):
        return None
    by_value: defaultdict[str, list[Head]] = defaultdict(list)
    for text, head in zip(texts, members, strict=True):
        by_value[text].append(head)
    ordered = sorted(by_value.values(), key=lambda group: sorted(h.started_at_us for h in group)[len(group) // 2])
    for before, after in pairwise(ordered):
        ends = sorted(head.started_at_us for head in before)
        begins = sorted(head.started_at_us for head in after)
        late = ends[int(_HANDOVER * (len(ends) - 1))]
        early = begins[int((1 - _HANDOVER) * (len(begins) - 1)) + (len(begins) > 50)]
        if late > early:
            return None
    return ordered


def finish(draft: Draft, tools: str, schema: str, every_answer: frozenset[str]) -> Template:
    """Decide which gaps of a draft are input, and make it a template."""
    answered = spread([head for head in draft.members if head.answer is not None], _EXAMINED)
    fitting, values = _fitting(draft, answered)
    answers = [head.answer for head in fitting if head.answer is not None]
    gaps: list[Verdict] = []
    linked: list[bool] = []
    captions: list[str] = []
    bare = False
    for pieces in draft.patterns:
        captions += captions_of(pieces)
        count = sum(isinstance(piece, Gap) for piece in pieces)
        rows = [row[len(gaps) : len(gaps) + count] for row in values]
        lines = [lines_around(pieces, row) for row in rows]
        for g in range(count):
            verdict = examine([r[g] for r in rows], [r[g] for r in lines], answers, every_answer)
            gaps.append(verdict)
        if linked and pieces and isinstance(pieces[0], Gap):
            linked[-1] = bare
        linked += links(pieces)
        bare = len(pieces) == 1 and count == 1
    parts = judge(gaps, linked, captions)
    taken: Counter[str] = Counter()
    messages: list[MessagePattern] = []
    at = 0
    for role, pieces in zip(draft.roles, draft.patterns, strict=True):
        count = sum(isinstance(piece, Gap) for piece in pieces)
        part = slice(at, at + count)
        columns = [[row[g] for row in values[:200]] for g in range(at, at + count)]
        slotted = _slotted(absorb_dates(pieces, columns), parts[part], linked[part], role, taken)
        messages.append(MessagePattern(role, mask_dates(slotted)))
        at += count
    return identified(tuple(messages), open_ended=draft.open_ended, tools=tools, schema=schema, n=len(draft.members))


def _slotted(
    pieces: Pieces, parts: list[Role], linked: list[bool], role: str, taken: Counter[str]
) -> tuple[str | Slot, ...]:
    """The pieces of a message with slots in place of gaps; a stretch of examples is one greedy slot."""
    places = [i for i, piece in enumerate(pieces) if isinstance(piece, Gap)]
    found: list[str | Slot] = list(pieces[: places[0]]) if places else [p for p in pieces if isinstance(p, str)]  # type: ignore[arg-type]
    g = 0
    while g < len(places):
        end = g + 1
        while end < len(places) and linked[end - 1] and parts[end] == parts[g]:
            end += 1
        piece = pieces[places[g]]
        assert isinstance(piece, Gap)
        is_input, examples = parts[g] == "input", parts[g] == "example"
        if not examples and not (is_input and piece.greedy):
            end = g + 1
        before = pieces[places[g] - 1] if places[g] else ""
        name = "examples" if examples else _slot_name(before, role, is_input=is_input)
        taken[name] += 1
        unique = name if taken[name] == 1 else f"{name}_{taken[name]}"
        found.append(Slot(unique, is_input, greedy=examples or (piece.greedy and not is_input)))
        stop = places[end] if end < len(places) else len(pieces)
        found += [p for p in pieces[places[end - 1] + 1 : stop] if isinstance(p, str)]
        g = end
    return tuple(found)


def _slot_name(before: str | Gap, role: str, *, is_input: bool) -> str:
    """A slot's name: the last words of the line before it where that looks like a caption, else the message's role."""
    line = before.rsplit("\n", 1)[-1].strip() if isinstance(before, str) else ""
    if isinstance(before, str) and not line:
        line = before.strip().rsplit("\n", 1)[-1].strip()
    caption: list[str] = re.findall(r"\w+", line.lower())[-3:]
    if caption and line.endswith((":", "=", ">", "-", "\uff1a")):
        return "_".join(caption)
    return role if is_input else "_".join(["after", *caption[-1:]]) if caption else "varying"


def identified(
    messages: tuple[MessagePattern, ...],
    *,
    open_ended: bool,
    tools: str,
    schema: str,
    n: int,
    profile: Profile | None = None,
) -> Template:
    """A template whose id is a digest of what it recognises by."""
    looked_at = [messages, open_ended, tools, schema]
    encoded = msgspec.json.encode(looked_at if profile is None else [*looked_at, profile])
    digest = hashlib.sha256(encoded).hexdigest()[:12]
    return Template(f"v{digest}", messages, open_ended, tools, schema, n, profile)
