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
from freehold.wire.known import dialect

HELD_OUT_SHARE = 0.12
HELD_OUT_MIN, HELD_OUT_MAX = 250, 4_000
GOLD_HELD_OUT_MAX = 600
GOLD_HELD_OUT_SHARE = 0.6
"""Of the earlier calls with gold, at most this share is held out: their calls are needed for learning, too."""
VERSION_MIN_CALLS = 10
"""A prompt version is covered by a student, and so by its promise, where at least this many calls taught it."""


class Gathered(msgspec.Struct, frozen=True):
    """A task's examples, oldest first; the prompt version of each, and the calls that are none, counted by reason.

    `judged` holds calls that an owned model answered and a person judged: they can prove something against gold, and
    teach nothing. `selected` names the examples that are here because an owned model was not sure of them: calls that
    escalated. They may teach, and must not judge, since a promise measured on the hard ones alone is about no traffic.
    """

    examples: tuple[Example, ...]
    judged: tuple[Example, ...]
    versions: dict[str, str]
    teachers: dict[str, int]
    selected: frozenset[str]
    left_out: dict[str, int]

    @property
    def teacher(self) -> str:
        """The rented model that gave most of the answers."""
        return max(self.teachers, key=lambda name: (self.teachers[name], name), default="")


class Split(msgspec.Struct, frozen=True):
    """A task's examples, divided once.

    `from_us` is where the held-out end of the traffic begins; of the earlier calls with gold, those are held back whose
    `draw` lies below `gold_below`.
    """

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    gold: tuple[Example, ...]
    from_us: int
    gold_below: float


def gather(pairs: Iterable[tuple[Call, Match | None]], audit_share: float = 1.0) -> Gathered:
    """Examples from recognised calls.

    Only answers of rented models teach: an owned model's answer would teach it its own errors. Where an owned model
    answered and the call was audited, the audit's answer does. Calls near the task but of no known prompt version are
    left out, as are failed, cut and truncated ones.

    Args:
        pairs: calls with what they were recognised as.
        audit_share: the share of calls that the gateway audits. The coin it throws is a part of the call's id and knows
            nothing of the model's confidence; of the escalated calls, those with the same coin stand for all of them.
    """
    taking = _Taking(audit_share)
    for call, match in pairs:
        taking.take(call, match)
    return taking.gathered()


class _Taking:
    def __init__(self, audit_share: float) -> None:
        self._audit_share = audit_share
        self._examples: list[Example] = []
        self._judged: list[Example] = []
        self._versions: dict[str, str] = {}
        self._teachers: Counter[str] = Counter()
        self._selected: set[str] = set()
        self._left_out: Counter[str] = Counter()

    def take(self, call: Call, match: Match | None) -> None:
        if match is None or not match.template_id:
            self._left_out["unknown prompt version"] += 1
            return
        if call.outcome != "ok":
            self._left_out["failed or incomplete"] += 1
            return
        answer, teacher = _taught(call)
        if answer is not None:
            self._examples.append(Example(call.id, match.inputs, answer, call.gold, call.started_at_us))
            self._teachers[teacher] += 1
            if escalated(call) and not coin(call.id, self._audit_share):
                self._selected.add(call.id)
        elif call.gold is not None and call.owner == "owned":
            self._judged.append(Example(call.id, match.inputs, "", call.gold, call.started_at_us))
        else:
            self._left_out["answered by an owned model" if call.owner == "owned" else "no answer"] += 1
            return
        self._versions[call.id] = match.template_id

    def gathered(self) -> Gathered:
        return Gathered(
            examples=tuple(sorted(self._examples, key=_when)),
            judged=tuple(sorted(self._judged, key=_when)),
            versions=self._versions,
            teachers=dict(self._teachers),
            selected=frozenset(self._selected),
            left_out=dict(self._left_out),
        )


def _when(example: Example) -> tuple[int, str]:
    return example.started_at_us, example.id


def _taught(call: Call) -> tuple[str | None, str]:
    """The rented model's answer to a call and its name, whether it served the call or audited it."""
    if call.owner == "rented":
        return dialect(call.dialect).answer_text(call.response), call.model
    audit = next((leg for leg in call.legs if leg.purpose == "audit" and leg.outcome == "ok"), None)
    return (audit.answer, audit.model) if audit is not None else (None, "")


def escalated(call: Call) -> bool:
    """Whether an owned model was asked to serve the call and did not: by its own choice, so no random sample."""
    return call.owner == "rented" and any(leg.owner == "owned" and leg.purpose == "serve" for leg in call.legs)


def coin(call_id: str, share: float) -> bool:
    """The gateway's audit coin: bits of the call's id that nothing else depends on."""
    try:
        return (int(call_id[-16:], 16) >> 32) < share * (1 << 32)
    except ValueError:
        return False


def split(gathered: Gathered) -> Split:
    """Divide examples into training, held-out end, and gold held out. A function of ids and times alone."""
    fair = [e for e in gathered.examples if e.id not in gathered.selected]
    least = min(HELD_OUT_MIN, len(fair) // 4)  # of few calls more are held out: a promise needs some sixty at least
    n_held_out = min(max(round(len(fair) * HELD_OUT_SHARE), least), HELD_OUT_MAX)
    earlier, latest = fair[: len(fair) - n_held_out], tuple(fair[len(fair) - n_held_out :])
    latest_gold = tuple(e for e in latest if e.gold is not None)
    with_gold = [e for e in earlier if e.gold is not None]
    wanted = max(0, GOLD_HELD_OUT_MAX - len(latest_gold))
    gold_below = min(GOLD_HELD_OUT_SHARE, wanted / len(with_gold)) if with_gold else 0.0
    kept_back = {e.id for e in with_gold if draw(e.id) < gold_below}
    not_for_training = kept_back | {e.id for e in latest}
    train = tuple(e for e in gathered.examples if e.id not in not_for_training)
    gold = (*(e for e in earlier if e.id in kept_back), *latest_gold)
    return Split(train, latest, gold, latest[0].started_at_us if latest else 0, gold_below)


def covered_versions(train: Iterable[Example], versions: dict[str, str]) -> tuple[str, ...]:
    """The prompt versions that taught enough to be covered by a promise."""
    counts = Counter(versions[e.id] for e in train)
    return tuple(sorted(version for version, n in counts.items() if n >= VERSION_MIN_CALLS))


def draw(example_id: str) -> float:
    """A number in [0, 1) that is as good as random and always the same for an id."""
    return int.from_bytes(hashlib.sha256(example_id.encode()).digest()[:8]) / (1 << 64)
