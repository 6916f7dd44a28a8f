"""From a task's calls to what its student may learn from, and what is held out to judge it.

Held out are the latest calls (so that the judgement looks forward, as life does) and a random part of the calls on
which a person gave the right answer (so that a promise against gold is possible at all). Nothing held out is ever
trained on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

import msgspec

from freehold.vocabulary import Call, Example, Match
from freehold.wire.openai import answer_text

HELD_OUT_SHARE = 0.12
HELD_OUT_MIN, HELD_OUT_MAX = 60, 4_000
GOLD_HELD_OUT_MAX = 600
GOLD_HELD_OUT_SHARE = 0.6
"""Of the earlier calls with gold, at most this share is held out: their calls are needed for learning, too."""
VERSION_MIN_CALLS = 10
"""A prompt version is covered by a student, and so by its promise, where at least this many calls taught it."""


class Gathered(msgspec.Struct, frozen=True):
    """A task's examples, oldest first; the prompt version of each, and the calls that are none, counted by reason."""

    examples: tuple[Example, ...]
    versions: dict[str, str]
    teachers: dict[str, int]
    left_out: dict[str, int]

    @property
    def teacher(self) -> str:
        """The rented model that gave most of the answers."""
        return max(self.teachers, key=lambda name: (self.teachers[name], name), default="")


class Split(msgspec.Struct, frozen=True):
    """A task's examples, divided once. `from_us` is where the held-out end of the traffic begins."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    gold: tuple[Example, ...]
    from_us: int


def gather(pairs: Iterable[tuple[Call, Match | None]]) -> Gathered:
    """Examples from recognised calls.

    Only answers of rented models teach: an owned model's answer would teach it its own errors. Calls near the task but
    of no known prompt version are left out, as are failed, cut and truncated ones.
    """
    examples: list[Example] = []
    versions: dict[str, str] = {}
    teachers: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for call, match in pairs:
        reason = _why_not(call, match)
        answer = None if reason else answer_text(call.response)
        if match is None or answer is None:
            left_out[reason or "no answer"] += 1
            continue
        examples.append(Example(call.id, match.inputs, answer, call.gold, call.started_at_us))
        versions[call.id] = match.template_id
        teachers[call.model] += 1
    examples.sort(key=lambda example: (example.started_at_us, example.id))
    return Gathered(tuple(examples), versions, dict(teachers), dict(left_out))


def _why_not(call: Call, match: Match | None) -> str:
    if match is None or not match.template_id:
        return "unknown prompt version"
    if call.outcome != "ok":
        return "failed or incomplete"
    if call.owner != "rented":
        return "answered by an owned model"
    return ""


def split(examples: tuple[Example, ...]) -> Split:
    """Divide examples into training, held-out end, and gold held out. A function of ids and times alone."""
    n_held_out = min(max(round(len(examples) * HELD_OUT_SHARE), HELD_OUT_MIN), HELD_OUT_MAX, len(examples) // 2)
    earlier, latest = examples[: len(examples) - n_held_out], examples[len(examples) - n_held_out :]
    with_gold = sorted((e for e in earlier if e.gold is not None), key=lambda e: _draw(e.id))
    latest_gold = tuple(e for e in latest if e.gold is not None)
    n_kept_back = min(max(0, GOLD_HELD_OUT_MAX - len(latest_gold)), round(len(with_gold) * GOLD_HELD_OUT_SHARE))
    kept_back = {e.id for e in with_gold[:n_kept_back]}
    train = tuple(e for e in earlier if e.id not in kept_back)
    gold = (*(e for e in earlier if e.id in kept_back), *latest_gold)
    return Split(train, latest, gold, latest[0].started_at_us if latest else 0)


def covered_versions(train: Iterable[Example], versions: dict[str, str]) -> tuple[str, ...]:
    """The prompt versions that taught enough to be covered by a promise."""
    counts = Counter(versions[e.id] for e in train)
    return tuple(sorted(version for version, n in counts.items() if n >= VERSION_MIN_CALLS))


def _draw(example_id: str) -> bytes:
    return hashlib.sha256(example_id.encode()).digest()
