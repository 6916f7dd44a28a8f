"""Looking at a teacher's answers: which values are copied from the input, which come from a closed set, which neither.

Learned from (inputs, answer) pairs alone. What cannot be explained is counted, kept out of the taggers' training, and
counted as wrong where confidence is learned.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from ._alignment import (
    Located,
    Sighting,
    Surroundings,
    Wanted,
    best_level,
    best_transform,
    common_headings,
    context_lines,
    located,
    place,
)
from ._answers import Json, Path, Style, canonical, leaves, read, style_of
from ._assembly import Span, compose, copied_values
from ._document import Document
from ._parts import choose_parts
from ._plan import ABSENT, COPIED, OTHER, Container, Leaf, Plan

MIN_CLASS = 3
"""A closed value, or a sharing of one surface by several leaves, that is seen less often is not learned."""
MAX_CLASSES = 200
MAX_LEAVES = 200
MAX_LABELS = 120
COPIED_AT, COPIED_RATHER_AT = 0.9, 0.5
"""Share of a leaf's values found in the input from which it is copied: at once, and where it is not closed."""
CLOSED_AT = 0.95
"""Share of a leaf's values that frequent values explain, from which it is closed rather than half copied."""
FIXED_ORDER_AT = 0.9
_SAMPLE = 1_500


class Row(msgspec.Struct):
    """One training example taken apart. `classes` and `spans` are by index into the plan's leaves and labels."""

    doc: Document
    answer: str
    spans: list[Span]
    classes: dict[int, str]
    explained: bool


class _Answered(msgspec.Struct):
    inputs: tuple[str, ...]
    text: str
    value: Json
    leaves: dict[Path, Json]


def analyse(pairs: Sequence[tuple[tuple[str, ...], str]]) -> tuple[Plan, list[Row]]:
    """Learn a plan, and take every readable example apart by it.

    Rows whose answer is no JSON are counted in the plan's `n_rows` and otherwise left out. Without any readable answer
    the plan has no leaves and there are no rows.
    """
    rows = _readable(pairs)
    containers = _containers(rows)
    headings = common_headings([row.inputs for row in rows])
    strings = [(row.inputs, [i for v in row.leaves.values() for i in _items(v) if isinstance(i, str)]) for row in rows]
    level = best_level(strings, headings)
    known = frozenset(headings)
    at = [located(row.inputs, level, known) for row in rows]
    found = [_leaf(path, holders, rows, at) for path, holders in _holders(rows)]
    order, by_position = _key_order([leaf.path for leaf in found], rows)
    plan = Plan(
        leaves=tuple(sorted(found, key=lambda leaf: order[leaf.path])),
        containers=containers,
        labels=(),
        level=level,
        style=style_of(row.text for row in rows[:_SAMPLE]) if rows else Style(),
        by_position=by_position,
        discriminator=-1,
        parts={},
        headings=headings,
        context=(),
        n_rows=len(pairs),
        n_explained=0,
    )
    return _explain(plan, rows, at)


def _readable(pairs: Sequence[tuple[tuple[str, ...], str]]) -> list[_Answered]:
    out: list[_Answered] = []
    for inputs, text in pairs:
        try:
            value = read(text)
            apart = dict(leaves(value))
            canonical(value).encode()  # A lone surrogate can be escaped in JSON and written nowhere else.
        except ValueError:
            continue
        out.append(_Answered(inputs, text, value, apart))
    return out


def _containers(rows: list[_Answered]) -> tuple[Container, ...]:
    """Inner nodes of the answers, and what stands for them when they are empty. Takes those forms out of the leaves."""
    inner = sorted({path[:depth] for row in rows for path in row.leaves for depth in range(len(path))}, key=_sortable)
    empty: dict[Path, Counter[str]] = {path: Counter() for path in inner}
    for row in rows:
        used = {path[:depth] for path in row.leaves for depth in range(len(path))}
        for path in inner:
            if path in used:
                continue
            if path not in row.leaves:
                empty[path][ABSENT] += 1
            elif row.leaves[path] in ({}, []):
                empty[path][canonical(row.leaves.pop(path))] += 1
    return tuple(Container(path, _commonest(counts)) for path, counts in empty.items())


def _holders(rows: list[_Answered]) -> list[tuple[Path, list[int]]]:
    """The paths that are frequent enough to learn, with the rows that hold them."""
    holders: dict[Path, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        for path in row.leaves:
            holders[path].append(number)
    frequent = sorted(holders.items(), key=lambda pair: (-len(pair[1]), _sortable(pair[0])))[:MAX_LEAVES]
    return [(path, numbers) for path, numbers in frequent if len(numbers) >= min(MIN_CLASS, len(rows))]


def _leaf(path: Path, holders: list[int], rows: list[_Answered], at: list[Located]) -> Leaf:
    """Decide what a leaf is, and how its values come about."""
    values = [rows[number].leaves[path] for number in holders]
    step = max(1, len(holders) // _SAMPLE)
    items = [(at[n], item) for n, v in zip(holders[::step], values[::step], strict=True) for item in _items(v)]
    transform, found = best_transform(items)
    counts = Counter(canonical(value) for value in values)
    frequent = sorted((t for t, n in counts.items() if n >= min(MIN_CLASS, len(values))), key=lambda t: (-counts[t], t))
    classes = tuple(frequent[:MAX_CLASSES])
    closed = sum(counts[text] for text in classes) / len(values)
    share = found * len(items) / max(1, sum(max(1, len(_items(v))) for v in values[::step]))
    copied = share >= COPIED_AT or (share >= COPIED_RATHER_AT and closed < CLOSED_AT)
    lists = [value for value in values if isinstance(value, list)]
    several = any(len(value) <= 1 for value in lists) or len(lists) == len(values)
    return Leaf(
        path=path,
        role="copied" if copied else "closed",
        transform=transform if copied else "copy",
        many="never" if not lists else "always" if several else "several",
        classes=classes,
        n=len(values),
    )


def _items(value: Json) -> list[Json]:
    """What of a leaf's value could have been copied."""
    return [item for item in (value if isinstance(value, list) else [value]) if _copyable(item)]


def _copyable(value: Json) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key_order(paths: list[Path], rows: list[_Answered]) -> tuple[dict[Path, tuple[float, str]], bool]:
    """A rank for each leaf, alphabetical or by what mostly comes first, and whether neither explains the order."""
    before: Counter[tuple[Path, Path]] = Counter()
    for row in rows[:_SAMPLE]:
        keys = list(row.leaves)
        before.update((a, b) for i, a in enumerate(keys[:-1]) for b in keys[i + 1 : i + 6])
    wins: Counter[Path] = Counter()
    learned = set(paths)
    for (a, b), n in before.items():
        wins[a] += n > before[b, a]
        wins[b] -= n > before[b, a]
    kept = [[p for p in row.leaves if p in learned] for row in rows[:_SAMPLE] if len(row.leaves) > 1]
    ranks = (
        {path: (0.0, _sortable(path)) for path in paths},
        {path: (-float(wins[path]), _sortable(path)) for path in paths},
    )
    explained = [sum(keys == sorted(keys, key=rank.__getitem__) for keys in kept) for rank in ranks]
    best = 0 if explained[0] >= explained[1] else 1
    return ranks[best], explained[best] < FIXED_ORDER_AT * len(kept)


def _sortable(path: Path) -> str:
    return "/".join(f"{step:06d}" if isinstance(step, int) else step for step in path)


def _commonest(counts: Counter[str]) -> str:
    return min(counts, key=lambda text: (-counts[text], text), default=ABSENT)


def _explain(plan: Plan, rows: list[_Answered], at: list[Located]) -> tuple[Plan, list[Row]]:
    """Place the copied values in the inputs, name the labels, and count what comes out right."""
    index = {leaf.path: i for i, leaf in enumerate(plan.leaves)}
    wanted = [_wanted(plan, index, row) for row in rows]
    around, hits = Surroundings(), Counter[str]()
    for where, wants in zip(at, wanted, strict=True):
        placed = place(where, wants, None) if wants is not None else None
        if placed and placed[1]:
            around.learn(where.doc, placed[0])
            hits.update(where.doc.names[where.doc.lines[s.first]] for s in placed[0])
    context = context_lines([row.inputs for row in rows], plan.headings, hits)
    if context:
        known, mute = frozenset(plan.headings), frozenset(context)
        at = [located(row.inputs, plan.level, known, mute) for row in rows]
    placed = [place(w, wants, around) if wants is not None else None for w, wants in zip(at, wanted, strict=True)]
    sightings = [p[0] if p else None for p in placed]
    plan = msgspec.structs.replace(plan, context=context, labels=_labels(sightings))
    taken = [_row(plan, index, row, w.doc, s) for row, w, s in zip(rows, at, sightings, strict=True)]
    plan = msgspec.structs.replace(plan, n_explained=sum(row.explained for row in taken))
    discriminator, parts = choose_parts(plan, [(row.classes, row.spans) for row in taken if row.explained])
    return msgspec.structs.replace(plan, discriminator=discriminator, parts=parts), taken


def _wanted(plan: Plan, index: dict[Path, int], row: _Answered) -> list[Wanted] | None:
    """The values to find in a row; None where the row holds a leaf too rare to be learned."""
    out: list[Wanted] = []
    for path, value in row.leaves.items():
        if path not in index:
            return None
        leaf = plan.leaves[index[path]]
        if leaf.role == "copied":
            out += [
                Wanted(index[path], leaf.transform, item) for item in _items(value) if not _stands_for_none(leaf, value)
            ]
    return out


def _stands_for_none(leaf: Leaf, value: Json) -> bool:
    """Whether a copied leaf's value is one that is written where nothing was copied."""
    return not _items(value) and canonical(value) in leaf.classes


def _labels(sightings: Sequence[list[Sighting] | None]) -> tuple[tuple[int, ...], ...]:
    counts = Counter(s.leaves for found in sightings if found for s in found)
    enough = [leaves for leaves, n in counts.items() if n >= MIN_CLASS]
    return tuple(sorted(sorted(enough, key=lambda leaves: (-counts[leaves], leaves))[:MAX_LABELS]))


def _row(plan: Plan, index: dict[Path, int], row: _Answered, doc: Document, sightings: list[Sighting] | None) -> Row:
    """Classes and spans of one row, and whether putting them together again gives the answer."""
    by_leaves = {leaves: label for label, leaves in enumerate(plan.labels)}
    spans = [Span(by_leaves[s.leaves], s.first, s.last) for s in sightings or () if s.leaves in by_leaves]
    spanned = {leaf for s in sightings or () for leaf in s.leaves}
    classes: dict[int, str] = {}
    for path, value in row.leaves.items():
        if path in index:
            leaf, text = plan.leaves[index[path]], canonical(value)
            known = text in leaf.classes
            classes[index[path]] = COPIED if index[path] in spanned else text if known else OTHER
    answer = canonical(row.value)
    try:
        made = canonical(compose(plan, copied_values(plan, doc, spans), classes))
    except ValueError:
        made = ""
    complete = sightings is not None and len(spans) == len(sightings)
    return Row(doc, answer, spans, classes, complete and made == answer)
