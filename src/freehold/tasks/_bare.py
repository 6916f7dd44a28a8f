"""Tell tasks apart whose calls hold no prompt, by what they are answered: label sets, JSON keys.

A product that has fine-tuned a model, or keeps its prompts elsewhere, sends the input and nothing else. JSON answers
are divided by their keys. Of short answers that recur, two belong to one task unless the calls show otherwise: always
another sender (model and sampling parameters, which are chosen before anybody knows the answer), or inputs of another
kind of text altogether. What gets free text belongs to no task: it could be anybody's chat.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from ._heads import Head
from ._profile import BUCKETS, buckets, input_text

_LABEL_SUPPORT = 3
_LABELLED = 0.6
_FEWEST_EXAMPLES = 8
_LEAST_SHARE = 0.03
_KNOWN_KEYS = 0.6
_USUAL_KEY = 0.1
_SAME_TEXT = 0.5
_SAME_SENDERS = 0.1
_GAP = 0.6
_LEAST_OWN = 0.02
_OTHER_STYLE = 0.75
_READ = 300
_MOST_STRANGERS = 2000


class Division(msgspec.Struct):
    """The calls of each task found, and those that belong to none. Calls in doubt are in neither."""

    parts: list[list[Head]]
    strangers: list[Head]


def divided(pool: Sequence[Head], smallest: int) -> Division:
    """Divide calls without a prompt into tasks by their answers, the largest first."""
    least = max(smallest, int(_LEAST_SHARE * len(pool)))
    records, labelled, strangers = _by_form(pool)
    parts = [part for part in [*_by_keys(records), *_by_labels(labelled)] if len(part) >= least]
    parts.sort(key=lambda part: (-len(part), part[0].id))
    return Division(parts, strangers[:_MOST_STRANGERS])


def _by_form(pool: Sequence[Head]) -> tuple[list[Head], list[Head], list[Head]]:
    """Calls answered with JSON, with labels, and with what is neither."""
    texts = Counter(
        head.answer.text.strip() for head in pool if head.answer is not None and head.answer.form == "short"
    )
    labels = {text for text, count in texts.items() if count >= _LABEL_SUPPORT and text}
    held = sum(texts[label] for label in labels)
    if held < _LABELLED * texts.total() or len(labels) > held // 4:
        labels = set[str]()
    records: list[Head] = []
    labelled: list[Head] = []
    strangers: list[Head] = []
    for head in pool:
        answer = head.answer
        if answer is None:
            continue
        if answer.form == "json":
            records.append(head)
        elif answer.form == "short" and answer.text.strip() in labels:
            labelled.append(head)
        elif answer.form == "text" or texts[answer.text.strip()] == 1:
            strangers.append(head)
    return records, labelled, strangers


def _by_keys(records: Sequence[Head]) -> list[list[Head]]:
    """Calls by their answers' keys: sets of keys that are mostly part of a larger one belong to it.

    Groups that share a usual key are one task too, where the same senders send the same kind of text.
    """
    by_keys: defaultdict[frozenset[str], list[Head]] = defaultdict(list)
    for head in records:
        if head.answer is not None:
            by_keys[head.answer.keys].append(head)
    empty = by_keys.pop(frozenset[str](), [])
    unions: list[set[str]] = []
    groups: list[list[Head]] = []
    for keys in sorted(by_keys, key=lambda k: (-len(k) * (len(by_keys[k]) > 1), -len(by_keys[k]), sorted(k))):
        known = [len(keys & union) / len(keys) for union in unions]
        best = max(range(len(unions)), key=lambda i: (known[i], -i), default=-1)
        if best < 0 or known[best] < _KNOWN_KEYS:
            unions.append(set(keys))
            groups.append(list(by_keys[keys]))
        else:
            unions[best].update(keys)
            groups[best].extend(by_keys[keys])
    return [_in_order(part) for part in _joined(groups, empty)]


def _joined(groups: list[list[Head]], empty: list[Head]) -> list[list[Head]]:
    """Groups of records joined where they share a usual key, a sender and the kind of text.

    Empty records (nothing found in the input) go where the same senders send the most similar text.
    """
    if len(groups) < 2:
        return [[*part, *empty] for part in groups] or [empty]
    parts = {f"{i:06d}": part for i, part in enumerate(groups) if len(part) >= _FEWEST_EXAMPLES}
    small = [part for part in groups if len(part) < _FEWEST_EXAMPLES]
    likeness = _likenesses({**parts, "": empty})
    senders = {name: Counter(head.view.sender for head in part) for name, part in {**parts, "": empty}.items()}
    keys = {name: _usual_keys(part) for name, part in parts.items()}

    def linked(a: str, b: str) -> bool:
        shared = bool(keys[a] & keys[b]) and _overlap(senders[a], senders[b]) >= _SAME_SENDERS
        return shared and likeness[a][b] >= _SAME_TEXT

    named = _components(sorted(parts), linked)
    joined = [[head for name in names for head in parts[name]] for names in named]
    if empty and joined:
        near = [_nearness("", names, senders, likeness[""]) for names in named]
        joined[near.index(max(near))] += empty
    return [*joined, *small]


def _usual_keys(part: Sequence[Head]) -> set[str]:
    counts = Counter(key for head in part if head.answer is not None for key in head.answer.keys)
    return {key for key, count in counts.items() if count >= _USUAL_KEY * len(part)}


def _by_labels(labelled: Sequence[Head]) -> list[list[Head]]:
    """Calls by sets of labels that belong to one task."""
    by_label: defaultdict[str, list[Head]] = defaultdict(list)
    for head in labelled:
        if head.answer is not None:
            by_label[head.answer.text.strip()].append(head)
    usual = sorted(label for label, part in by_label.items() if len(part) >= _FEWEST_EXAMPLES)
    if not usual:
        return []
    senders = {label: Counter(head.view.sender for head in part) for label, part in by_label.items()}
    likeness = _likenesses(by_label)
    groups = [
        group
        for component in _components(usual, lambda a, b: _overlap(senders[a], senders[b]) >= _SAME_SENDERS)
        for group in _apart(component, likeness)
    ]
    for label in sorted(by_label.keys() - set(usual)):
        near = [_nearness(label, group, senders, likeness[label]) for group in groups]
        groups[near.index(max(near))].append(label)
    return [_in_order(head for label in group for head in by_label[label]) for group in groups]


def _in_order(part: Iterable[Head]) -> list[Head]:
    return sorted(part, key=lambda head: (head.started_at_us, head.id))


def _nearness(
    label: str, group: Sequence[str], senders: dict[str, Counter[str]], likeness: dict[str, float]
) -> tuple[bool, float]:
    """How near a rare label is to a group of usual ones: the same senders first, then the closest text."""
    same = any(_overlap(senders[label], senders[other]) >= _SAME_SENDERS for other in group)
    return same, max(likeness[other] for other in group)


def _overlap(a: Counter[str], b: Counter[str]) -> float:
    """What two mixtures have in common: 1 minus half their total variation."""
    return sum(min(count / a.total(), b[key] / b.total()) for key, count in a.items())


def _components(labels: Sequence[str], linked: Callable[[str, str], bool]) -> list[list[str]]:
    """Labels that are linked, directly or over others."""
    left = list(labels)
    found: list[list[str]] = []
    while left:
        group = [left.pop(0)]
        for member in group:
            near = [other for other in left if linked(member, other)]
            left = [other for other in left if other not in near]
            group += near
        found.append(sorted(group))
    return found


def _likenesses(by_label: dict[str, list[Head]]) -> dict[str, dict[str, float]]:
    """How like the inputs of any two labels are: cosine of the features they hold, beside that of each one's halves.

    A feature counts by how rare it is. 1: no less alike than two halves of the same label's inputs. Labels that are
    written in another style (case, script) are a little less alike.
    """
    labels = sorted(by_label)
    halves = np.zeros((2, len(labels), BUCKETS))
    for i, label in enumerate(labels):
        for j, head in enumerate(by_label[label][:_READ]):
            halves[j % 2, i, list(set(buckets(input_text(head.view))))] += 1.0
    total = sum(min(len(part), _READ) for part in by_label.values())
    vectors = np.sqrt(halves) * np.log1p(total / np.maximum(1.0, halves.sum(axis=(0, 1))))
    vectors /= np.maximum(1e-9, np.linalg.norm(vectors, axis=2, keepdims=True))
    across = sum(a @ b.T for a in vectors for b in vectors) / 4
    own = np.maximum(_LEAST_OWN, np.einsum("if,if->i", vectors[0], vectors[1]))
    table = across / np.sqrt(np.outer(own, own))
    styles = [_style(label) for label in labels]
    table *= np.asarray([[1.0 if a == b else _OTHER_STYLE for b in styles] for a in styles])
    return {a: dict(zip(labels, row, strict=True)) for a, row in zip(labels, table.tolist(), strict=True)}


def _style(label: str) -> tuple[bool, bool, bool, bool]:
    """How a label is written: one task's labels mostly are written alike."""
    return label.isupper(), label[:1].isupper(), label.isascii(), any(c.isalpha() for c in label)


def _apart(labels: list[str], likeness: dict[str, dict[str, float]]) -> list[list[str]]:
    """Labels divided where the closest of two sides are far less like than those within: two or more on each side."""
    if len(labels) < 4:
        return [labels]
    edges = _spanning_tree(labels, likeness)
    best: tuple[float, list[list[str]]] = (_GAP, [labels])
    for k in range(len(edges) - 1, 1, -1):
        ratio = edges[k][0] / max(1e-9, edges[k - 1][0])
        if ratio < best[0]:
            near = {(a, b) for _, a, b in edges[:k]} | {(b, a) for _, a, b in edges[:k]}
            groups = _components(labels, lambda a, b, near=near: (a, b) in near)
            if min(map(len, groups)) > 1:
                best = (ratio, groups)
    return best[1]


def _spanning_tree(labels: Sequence[str], likeness: dict[str, dict[str, float]]) -> list[tuple[float, str, str]]:
    """The links that hold all labels together most closely (Prim), the closest first."""
    nearest = {label: (likeness[labels[0]][label], labels[0]) for label in labels[1:]}
    edges: list[tuple[float, str, str]] = []
    while nearest:
        new = max(sorted(nearest), key=lambda label: nearest[label][0])
        value, parent = nearest.pop(new)
        edges.append((value, parent, new))
        for label, (known, _) in nearest.items():
            if likeness[new][label] > known:
                nearest[label] = (likeness[new][label], new)
    return sorted(edges, key=lambda edge: (-edge[0], edge[1], edge[2]))
