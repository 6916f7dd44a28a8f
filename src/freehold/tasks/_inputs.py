"""Which of a prompt's varying parts are input: the parts that the answer depends on.

A part is input when the answer is copied from it, when the answer's class can be told from its words, or when it has
unusually many words in common with the answer, each compared with the same test on shuffled pairs. A part is set aside
only with evidence: it predicts nothing although another part does, and it is one of few values (a date, a tenant), or
an id, or its stretch of the prompt holds answers of other calls (few-shot examples). In doubt it is input.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec
import numpy as np
import numpy.typing as npt

from ._align import Gap, Pieces
from ._answers import Parsed, leaves
from ._text import words

_ENOUGH = 40
_FEW = 12
_LEANING = 2.0
_TRUSTED = 80
_BUCKETS = 2**12
_EFFECT = 0.04
_SIGMAS = 4.0
_EXAMPLE_SHARE = 0.6
_MARK_WORDS = 3
_IDENTIFIER = re.compile(r"[\w.:/+#-]*\d[\w.:/+#-]*")

Role = Literal["input", "example", "varying"]
Floats = npt.NDArray[np.float64]


class Verdict(msgspec.Struct):
    """What the data say of one varying part.

    `strength`: how much better than chance it tells the answer, 0 where that could be chance. `leaning`: by how many
    standard errors it does, however few.
    """

    strength: float
    leaning: float
    few_values: bool
    identifier: bool
    holds_answers: bool


def examine(
    texts: Sequence[str], lines: Sequence[str], answers: Sequence[Parsed], every_answer: frozenset[str]
) -> Verdict:
    """Examine one varying part over many calls.

    Args:
        texts: what the part held in each call.
        lines: the same, with what stands around it on its lines.
        answers: the answers of the same calls.
        every_answer: all answers of the task, for recognising examples.
    """
    n = len(texts)
    distinct = Counter(text.strip() for text in texts)
    repeated = sum(count for count in distinct.values() if count > 1)
    few = n >= _TRUSTED and len(distinct) <= min(40, n // 5) and repeated >= 0.9 * n
    telling, leaning = strength(texts, answers)
    return Verdict(
        strength=telling,
        leaning=leaning,
        few_values=few,
        identifier=sum(bool(_IDENTIFIER.fullmatch(text.strip())) for text in texts) >= 0.9 * n,
        holds_answers=_holds_answers(texts, lines, answers, every_answer),
    )


def judge(verdicts: Sequence[Verdict], linked: Sequence[bool], captions: Sequence[str]) -> list[Role]:
    """Say for each varying part of a prompt whether it is input, part of an example, or merely varies.

    Args:
        verdicts: what the data say of each part, in order.
        linked: whether a part is in one stretch with the next one.
        captions: what stands before each part on its line.
    """
    verdicts = _best_guess(verdicts)
    examples = _example_stretches(verdicts, linked, captions)
    known = any(v.strength > 0 for v in verdicts)

    def role(i: int, v: Verdict) -> Role:
        if v.strength > 0:
            return "input"
        if examples[i]:
            return "example"
        return "varying" if v.few_values or (known and v.identifier) else "input"

    roles: list[Role] = [role(i, v) for i, v in enumerate(verdicts)]
    return roles if "input" in roles else ["input" for _ in roles]


def _best_guess(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Where nothing tells the answer beyond doubt, the part that leans to it most is taken to tell it."""
    open_parts = [v for v in verdicts if not (v.few_values or v.holds_answers)]
    best = max(open_parts, key=lambda v: v.leaning, default=None)
    if best is None or best.leaning < _LEANING or any(v.strength > 0 for v in verdicts):
        return list(verdicts)
    return [msgspec.structs.replace(v, strength=_EFFECT) if v is best else v for v in verdicts]


def _example_stretches(verdicts: Sequence[Verdict], linked: Sequence[bool], captions: Sequence[str]) -> list[bool]:
    """Parts that tell nothing and stand in one stretch with a part that is an example's.

    A part that tells nothing is an example's when it holds answers, or when it has the caption of a part that does
    tell the answer: the same field of another record.
    """
    telling = {caption for caption, v in zip(captions, verdicts, strict=True) if v.strength > 0 and caption}
    telling_any = any(v.strength > 0 for v in verdicts)
    found = [False] * len(verdicts)
    start = 0
    while start < len(verdicts):
        end = start
        while end < len(verdicts) and verdicts[end].strength <= 0 and (end == start or linked[end - 1]):
            end += 1
        if telling_any and any(verdicts[i].holds_answers or captions[i] in telling for i in range(start, end)):
            found[start:end] = [True] * (end - start)
        elif not telling_any:
            found[start:end] = [verdicts[i].holds_answers for i in range(start, end)]
        start = max(end, start + 1)
    return found


def captions_of(pieces: Pieces) -> list[str]:
    """For each gap of a message, the last line of the literal before it, if it has any words."""
    found: list[str] = []
    for i, piece in enumerate(pieces):
        if isinstance(piece, Gap):
            before = pieces[i - 1] if i else ""
            found.append(before.rstrip().rsplit("\n", 1)[-1].strip() if isinstance(before, str) else "")
    return found


def links(pieces: Pieces) -> list[bool]:
    """For each gap of a message, whether a mere mark stands between it and the next: few words, or repeated ones."""
    literals = Counter(piece for piece in pieces if isinstance(piece, str))
    found: list[bool] = []
    for i, piece in enumerate(pieces):
        if isinstance(piece, Gap):
            between = pieces[i + 1] if i + 2 < len(pieces) else None
            few = isinstance(between, str) and (
                len(re.findall(r"\w+", between)) <= _MARK_WORDS or literals[between] > 1
            )
            found.append(few)
    return found


def lines_around(pieces: Pieces, values: Sequence[str]) -> list[str]:
    """For each gap, its text with what stands on the same line before it and up to the line's end after it."""
    texts: list[str] = []
    places: list[int] = []
    rest = list(values)
    for piece in pieces:
        if isinstance(piece, Gap):
            places.append(len(texts))
            texts.append(rest.pop(0))
        else:
            texts.append(piece)
    found: list[str] = []
    for place in places:
        line = texts[place - 1].rsplit("\n", 1)[-1] + texts[place] if place else texts[place]
        for text in texts[place + 1 :]:
            head, end, _ = text.partition("\n")
            line += head
            if end:
                break
        found.append(line)
    return found


def strength(texts: Sequence[str], answers: Sequence[Parsed]) -> tuple[float, float]:
    """How much better than chance the answers can be told from these texts, and by how many standard errors."""
    tests = [_copied(texts, answers), *_classified(texts, answers), _shared_words(texts, answers)]
    return max(_significant(t) for t in tests), max(_standard_errors(t) for t in tests)


def _copied(texts: Sequence[str], answers: Sequence[Parsed]) -> Floats:
    """Share of the answers' strings that stand in the text, above the same share for another call's text."""
    leaves = [strings(answer) for answer in answers]
    shift = 1 + len(texts) // 3
    real = [_held(found, text) for found, text in zip(leaves, texts, strict=True)]
    chance = [_held(found, texts[(i + shift) % len(texts)]) for i, found in enumerate(leaves)]
    return np.asarray([a - b for a, b in zip(real, chance, strict=True) if a is not None and b is not None])


def _held(found: list[str], text: str) -> float | None:
    if not found:
        return None
    lower = text.casefold()
    return sum(one in lower for one in found) / len(found)


def strings(answer: Parsed) -> list[str]:
    """All strings in an answer that are long enough to be recognised, in lower case."""
    if answer.form in ("json", "tools"):
        return [leaf for leaf in leaves(answer.value) if len(leaf) >= 2]
    body = answer.text.strip().casefold()
    return [body] if len(body) >= 2 and answer.form == "short" else []


def _significant(differences: Floats) -> float:
    """The mean difference, or 0 where it is small or could be chance."""
    if len(differences) < _ENOUGH:
        return 0.0
    mean = float(differences.mean())
    return mean if mean > _EFFECT and _standard_errors(differences) > _SIGMAS else 0.0


def _standard_errors(differences: Floats) -> float:
    n = len(differences)
    return float(differences.mean()) / (float(differences.std()) / n**0.5 + 1e-3) if n >= _FEW else 0.0


def answer_class(answer: Parsed) -> str:
    """The class of an answer for a quick test: the label, the set of keys with its closed values, the tool."""
    if answer.form in ("json", "tools"):
        return f"{answer.form} {sorted(answer.keys)}"
    return answer.text.strip() if answer.form == "short" else ""


def _classified(texts: Sequence[str], answers: Sequence[Parsed]) -> list[Floats]:
    """Per way to class the answers: whether naive Bayes on hashed words tells calls of two classes apart.

    Each half is judged by what was learned from the other.
    """
    found: list[Floats] = []
    for target in _targets(answers):
        common = {name: i for i, (name, count) in enumerate(Counter(target).items()) if count >= 4}
        rows = [i for i, name in enumerate(target) if name in common]
        if len(common) < 2 or len(rows) < _FEW:
            continue
        classes = np.asarray([common[target[i]] for i in rows])
        features = [_hashed(texts[i]) for i in rows]
        half = np.arange(len(rows)) % 2 == 0
        found.append(np.concatenate([_gains(features, classes, half), _gains(features, classes, ~half)]))
    return found


def _targets(answers: Sequence[Parsed]) -> list[list[str]]:
    """Ways to sort the answers into classes: as a whole, and by each closed value of a JSON answer."""
    found = [[answer_class(answer) for answer in answers], [_shape(answer) for answer in answers]]
    keys = Counter(key for answer in answers if answer.form == "json" for key in answer.keys)
    for key, count in keys.most_common(8):
        values = [_scalar(answer, key) for answer in answers]
        if count >= 0.5 * len(answers) and 2 <= len(set(values)) <= max(20, len(answers) // 10):
            found.append(values)
    return found


def _shape(answer: Parsed) -> str:
    """What an answer looks like from afar: how long, how it begins, whether it holds numbers."""
    text = answer.text.strip()
    first = "A" if text[:1].isupper() else "a" if text[:1].isalpha() else "0" if text[:1].isdigit() else text[:1]
    return f"{len(text).bit_length()} {first} {any(c.isdigit() for c in text)}"


def _scalar(answer: Parsed, key: str) -> str:
    value = cast("dict[str, Any]", answer.value).get(key) if isinstance(answer.value, dict) else None
    return json.dumps(value) if isinstance(value, str | int | float | bool) else ""


def _hashed(text: str) -> npt.NDArray[np.int64]:
    found = {zlib.crc32(word.encode()) % _BUCKETS for word in words(text[:2000].casefold())}
    return np.fromiter(sorted(found), np.int64, len(found))


def _gains(features: list[npt.NDArray[np.int64]], classes: npt.NDArray[np.int64], train: Any) -> Floats:
    """For pairs of unseen calls of two classes: +1/2 where naive Bayes fits them better as they are than exchanged.

    Where the words tell nothing, exchanging the two classes is as good as not, whatever the classes' sizes.
    """
    k = int(classes.max()) + 1
    counts = np.full((k, _BUCKETS), 0.1)
    for i in np.flatnonzero(train):
        counts[classes[i], features[i]] += 1
    sizes = np.bincount(classes[train], minlength=k) + 1.0
    logs = np.log(counts) - np.log(sizes[:, None])
    unseen = np.flatnonzero(~train)
    fit = np.asarray([logs[:, features[i]].sum(axis=1) for i in unseen])
    own = classes[unseen]
    other = np.roll(own, -1)
    here = np.arange(len(unseen))
    there = np.roll(here, -1)
    better = fit[here, own] + fit[there, other] - fit[here, other] - fit[there, own]
    return np.sign(better[own != other]) / 2


def _shared_words(texts: Sequence[str], answers: Sequence[Parsed]) -> Floats:
    """Share of an answer's rarer words that stand in the text, above the same share for another call's text."""
    places = [i for i, answer in enumerate(answers) if answer.form in ("text", "short")]
    sets = [set(words(answers[i].text.casefold())) for i in places]
    if len(sets) < _FEW:
        return np.empty(0)
    spread = Counter(word for found in sets for word in found)
    rare = [{w for w in found if spread[w] <= 0.1 * len(sets) + 1 and w.isalnum()} for found in sets]
    have = [set(words(texts[i].casefold())) for i in places]
    shift = 1 + len(have) // 3
    pairs = [(len(r & have[i]) - len(r & have[(i + shift) % len(have)])) / len(r) for i, r in enumerate(rare) if r]
    return np.asarray(pairs)


def _holds_answers(
    texts: Sequence[str], lines: Sequence[str], answers: Sequence[Parsed], every: frozenset[str]
) -> bool:
    """Whether the part is, or contains, answers such as the task gives: what few-shot examples are made of."""
    keys = Counter(key for answer in answers if answer.form == "json" for key in answer.keys)
    empty = any(answer.form == "json" and not answer.keys for answer in answers)
    held = 0
    for text, line in zip(texts, lines, strict=True):
        whole = any(part.strip() in every for part in text.strip().split("\n"))
        held += whole or (bool(keys) and _holds_json(line, keys, empty_counts=empty))
    return held >= _EXAMPLE_SHARE * len(texts)


_json = json.JSONDecoder()


def _holds_json(text: str, keys: Counter[str], *, empty_counts: bool) -> bool:
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = _json.raw_decode(text, start)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value)
            if all(key in keys for key in found) and (found or empty_counts):
                return True
        start = text.find("{", start + 1)
    return False
