"""What sampled calls hold: how narrow and how stable they are, how much repeats, what personal data there is."""

from __future__ import annotations

import bz2
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from freehold.evidence import drift
from freehold.tasks.names import KINDS
from freehold.tasks.overlap import NearRepeats
from freehold.tasks.personal import personal_data
from freehold.vocabulary import Interval

from ._figures import INDEPENDENT, LEVEL, Group, Statistic

Find = Callable[[Iterable[str]], set[str]]
"""Says which kinds of personal data some texts hold."""

LIKENESS = 0.9
_GROUPS = 8
_FEWEST = 40
_MOST_WORDS_READ = 5_000
_FEATURES = 2**14
_FALSE_ALARM = 0.01


class Sampled(NamedTuple):
    """What is kept of one sampled call. `text`: its inputs; `answer` is None where it was not answered in full."""

    text: str
    answer: str | None


def narrowness(sampled: Sequence[Sampled], of: int) -> list[Statistic]:
    """How alike the answers are."""
    group = Group("narrowness", of)
    answers = [one.answer for one in sampled if one.answer is not None]
    n, counts = len(answers), Counter(answers)
    group.add(
        "distinct_answers",
        float(len(counts)) if n else None,
        "answers",
        n,
        "different answers among those sampled",
        why="grows with the number sampled",
    )
    _entropy(group, counts)
    lengths = [float(len(answer)) for answer in answers]
    for q in (0.5, 0.95):
        name = f"output_chars_p{round(100 * q)}"
        group.quantile(name, lengths, q, "characters", f"length within which {100 * q:g} % of answers are")
    _compressed(group, "output_compressed", answers, "answers")
    _compressed(group, "input_compressed", [one.text for one in sampled if one.text], "inputs")
    return group.made


def overlap(sampled: Sequence[Sampled], repeated: tuple[int, int], of: int) -> list[Statistic]:
    """How much of what is asked was asked before. `repeated`: repeats among the requests counted, and all."""
    group = Group("overlap", of)
    group.share(
        "exact_repeat_share",
        *repeated,
        "requests (messages, tools, schema) that came before, byte for byte, at any time in the log",
        why=f"{INDEPENDENT}; of requests drawn by their digest, each with all its repeats",
    )
    texts = [one.text for one in sampled if one.text]
    known = NearRepeats(LIKENESS)
    near = sum(known.near(text) for text in texts)
    group.share(
        "near_repeat_share",
        near,
        len(texts),
        f"inputs whose runs of five characters are {100 * LIKENESS:g} % those of an earlier input (Jaccard index)",
        why=INDEPENDENT + "; within the sample: more of all calls are near one" * (len(texts) < of),
    )
    return group.made


def stability(sampled: Sequence[Sampled], of: int) -> list[Statistic]:
    """Whether the later half is like the earlier one, in time."""
    group = Group("stability", of)
    answers = [one.answer for one in sampled if one.answer is not None]
    texts = [one.text for one in sampled if one.text]
    different = list(dict.fromkeys(texts))
    common = len(set(answers)) <= len(answers) // 4
    what = "answers" if common else "lengths of answers"
    _drift(group, "output_drift", answers if common else list(map(len, answers)), what)
    _drift(group, "input_drift_length", list(map(len, texts)), "lengths of inputs")
    definition = (
        "different inputs that a classifier of words, which has not seen them, puts into the right half of time"
    )
    if len(different) < 2 * _FEWEST:
        why = f"it takes {2 * _FEWEST} different inputs"
        group.add("input_drift_words", None, "share", len(different), definition, why=why)
    else:
        right, tried = _told_apart(different)
        group.share("input_drift_words", right, tried, definition, note="0.5: they are alike")
    return group.made


def personal(sampled: Sequence[Sampled], of: int, names: Find | None = None) -> list[Statistic]:
    """Personal data with a form of its own, in inputs or answers; with `names`, also what that finds, kept apart."""
    group = Group("personal data", of)
    kinds: Counter[str] = Counter()
    named: Counter[str] = Counter()
    holding = 0
    for one in sampled:
        texts = (one.text, one.answer or "")
        found = personal_data(texts)
        holding += bool(found)
        kinds.update(found)
        if names is not None:
            named.update(names(texts))
    n = len(sampled)
    definition = (
        "calls whose inputs or answer hold e-mail, phone, card, IBAN, IP or national numbers (forms, checksums)"
    )
    note = "names and addresses are not in it"
    group.share("personal_data_share", holding, n, definition, note=note)
    for kind, count in sorted(kinds.items()):
        group.share(f"personal_data_{kind}", count, n, f"calls with {kind.replace('_', ' ')}")
    for kind in KINDS.values() if names is not None else ():
        definition = f"calls in which a model of language (Presidio, spaCy) finds a {kind.replace('_', ', ')}"
        group.share(f"named_{kind}", named[kind], n, definition, note="an estimate: models err in both directions")
    return group.made


def _entropy(group: Group, counts: Counter[str]) -> None:
    """Entropy with the correction of Miller and Madow (1955); its interval by the delta method, where answers recur."""
    n = counts.total()
    definition = "entropy of whole answers, corrected for the sample's size (Miller and Madow); 0: always the same"
    if not n:
        group.add("answer_entropy", None, "bits", 0, definition, why="there is no answer")
        return
    p = np.array(list(counts.values())) / n
    plain = float(-(p * np.log2(p)).sum())
    value = plain + (len(counts) - 1) / (2 * n * math.log(2))
    if len(counts) > n / 10:
        why = f"answers hardly repeat: {len(counts):,} different ones among {n:,}"
        group.add("answer_entropy", value, "bits", n, definition, why=why, note="at least so much")
        return
    half = 1.96 * math.sqrt(max(0.0, float((p * np.log2(p) ** 2).sum()) - plain**2) / n)
    interval = Interval(max(0.0, value - half), value + half, LEVEL)
    group.add("answer_entropy", value, "bits", n, definition, interval=interval, why="normal approximation")


def _compressed(group: Group, name: str, texts: Sequence[str], what: str) -> None:
    definition = f"bytes of {what} after bzip2 over bytes before, of {_GROUPS} parts; lower: more alike"
    parts = [p for p in ("\n".join(texts[i::_GROUPS]).encode("utf-8", "replace") for i in range(_GROUPS)) if p]
    if len(texts) < 10 * _GROUPS or len(parts) < _GROUPS:
        group.add(name, None, "share", len(texts), definition, why=f"it takes {10 * _GROUPS} texts")
        return
    ratios = [len(bz2.compress(part)) / len(part) for part in parts]
    middle, half = float(np.mean(ratios)), 2.365 * float(np.std(ratios, ddof=1)) / math.sqrt(_GROUPS)
    interval = Interval(max(0.0, middle - half), middle + half, LEVEL)
    why = "from the spread of the parts; depends on how much is compressed at once"
    group.add(name, middle, "share", len(texts), definition, interval=interval, why=why)


def _drift(group: Group, name: str, values: Sequence[str] | Sequence[int], what: str) -> None:
    n = len(values)
    definition = f"{what} of the later half beside the earlier one: population stability index; above 0.25 is large"
    if n < _FEWEST:
        group.add(name, None, "PSI", n, definition, why=f"it takes {_FEWEST} calls")
        return
    either: Sequence[str] | Sequence[float] = [v if isinstance(v, str) else float(v) for v in values]  # pyright: ignore[reportAssignmentType]
    found = drift.compare(either[: n // 2], either[n // 2 :], false_alarm=_FALSE_ALARM)
    note = f"{'changed' if found.changed else 'no change seen'} at 1 % (p = {found.p_value:.2g})"
    if found.changed and found.moved_most:
        note += f"; most: {found.moved_most[:40]}"
    group.add(name, found.psi, "PSI", n, definition, why="judged by an exact permutation test", note=note)


def _told_apart(texts: Sequence[str]) -> tuple[int, int]:
    """Of every other text, how many are put into their half of time by a naive Bayes that learned from the rest.

    Judged in one direction only: what both directions get right goes together, and would not be one count.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import MultinomialNB

    step = -(-len(texts) // _MOST_WORDS_READ)
    read = texts[::step]
    late = np.arange(len(read)) >= len(read) // 2
    made = HashingVectorizer(n_features=_FEATURES, alternate_sign=False, ngram_range=(1, 2))
    words = made.transform(read)
    learns = np.arange(len(read)) % 2 == 0
    model = MultinomialNB(fit_prior=False).fit(words[learns], late[learns])
    right = int((model.predict(words[~learns]) == late[~learns]).sum())
    return right, int((~learns).sum())
