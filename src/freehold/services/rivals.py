"""What is known of other models on a task: from rehearsals, and from the log where several models answered it.

A rehearsal counts as long as the model of today is the one it compared with, and the prompt versions that most of the
traffic uses are those it was made on. The log alone tells less: which calls went to which model was not drawn at
random, so it is told and decides nothing.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from freehold.economics.quality import RivalQuality
from freehold.evidence import intervals, losses, rivals
from freehold.evidence.losses import Loss
from freehold.vocabulary import Call, Match, Rehearsal, Task
from freehold.wire.known import dialect

from .home import Home

COVERED_SHARE = 0.9
"""A rehearsal counts while the prompt versions it was made on have at least this share of the task's calls."""

LEAST_CALLS = 30
"""Fewer calls than this say nothing of tokens, and fewer than this in a log nothing of quality."""

_MOST_INPUTS = 10_000


class RivalsSeen(msgspec.Struct, frozen=True):
    """What a task's calls say of other models. `versions`: calls by prompt version; `log`: of all but today's model."""

    loss: losses.LossName
    versions: dict[str, int]
    log: tuple[RivalQuality, ...]

    def covered(self, template_ids: Sequence[str]) -> float:
        """Share of the calls whose prompt version is one of these."""
        return sum(self.versions.get(one, 0) for one in template_ids) / max(1, sum(self.versions.values()))


class SeenRivals:
    """Takes a task's calls one by one and keeps what they say of several models: gold by model, inputs asked twice."""

    def __init__(self, home: Home, task: Task) -> None:
        self.loss: losses.LossName = loss_of(home, task)
        self._differs: Loss = losses.loss(self.loss)
        self._calls: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._gold: dict[str, list[int]] = {}
        self._inputs: dict[int, dict[str, tuple[str, bytes]]] = {}
        self._largest: list[int] = []

    def add(self, call: Call, match: Match) -> None:
        """Take a call that was recognised into account."""
        self._versions[match.template_id] += 1
        if call.outcome != "ok" or call.owner != "rented" or not call.response:
            return
        self._calls[call.model] += 1
        key = _key(match)
        wanted = match.template_id and (len(self._inputs) < _MOST_INPUTS or key < -self._largest[0])
        if wanted:  # read only where it turns out that two models answered
            self._remember(key, call.model, (call.dialect, call.response))
        if call.gold is not None:
            answer = dialect(call.dialect).answer_text(call.response)
            counts = self._gold.setdefault(call.model, [0, 0])
            counts[0] += answer is not None and not self._differs(answer, call.gold)
            counts[1] += 1

    def seen(self, today: str) -> RivalsSeen:
        """What was seen, once all calls were."""
        return RivalsSeen(self.loss, dict(self._versions), tuple(self._of(today)))

    def _of(self, today: str) -> Iterator[RivalQuality]:
        """What the log says of every model but today's."""
        if len(self._calls) < 2:
            return
        for model in sorted(self._calls):
            if model != today:
                found = self._same_inputs(model, today) or self._other_calls(model, today)
                if found is not None:
                    yield found

    def _remember(self, key: int, model: str, answer: tuple[str, bytes]) -> None:
        """Keep the answer to an input; of all inputs, those with the smallest digests, so that pairs stay together."""
        if key not in self._inputs:
            self._inputs[key] = {}
            heapq.heappush(self._largest, -key)
            if len(self._inputs) > _MOST_INPUTS:
                del self._inputs[-heapq.heappop(self._largest)]
        if key in self._inputs:
            self._inputs[key].setdefault(model, answer)

    def _same_inputs(self, model: str, today: str) -> RivalQuality | None:
        asked = [one for one in self._inputs.values() if model in one and today in one]
        both = [(_text(one[model]), _text(one[today])) for one in asked]
        if len(both) < LEAST_CALLS or self.loss == "text":
            return None
        same = sum(a is not None and b is not None and not self._differs(a, b) for a, b in both)
        n = len(both)
        held = intervals.two_sided(same, n)
        text = (
            f"{_percent(same, n)} ({held.low:.0%} to {held.high:.0%}) of the {n:,} inputs that both models were asked "
            "in the log have the same answer; inputs that recur are no random sample"
        )
        return RivalQuality(model, same / n, held.low, held.high, n, source="same inputs", text=text)

    def _other_calls(self, model: str, today: str) -> RivalQuality | None:
        (right, n), (today_right, today_n) = (self._gold.get(name, (0, 0)) for name in (model, today))
        if min(n, today_n) < LEAST_CALLS:
            return None
        held, other = intervals.two_sided(right, n), intervals.two_sided(today_right, today_n)
        text = (
            f"right on {_percent(right, n)} ({held.low:.0%} to {held.high:.0%}) of {n:,} calls with gold, today's "
            f"model on {_percent(today_right, today_n)} ({other.low:.0%} to {other.high:.0%}) of {today_n:,} others; "
            "which went where was not drawn at random"
        )
        share, today_share = right / n, today_right / today_n
        return RivalQuality(
            model,
            share,
            held.low,
            held.high,
            n,
            source="other calls",
            against="gold",
            today_share=today_share,
            text=text,
        )


def loss_of(home: Home, task: Task) -> losses.LossName:
    """The scorer of a task, as its certificates use it."""
    contract = home.registry.contract(task.id)
    return losses.loss_for(task.kind, contract.form if contract is not None else "")


def known(
    home: Home, task: Task, seen: RivalsSeen, today: tuple[str, str], *, alpha: float, delta: float, against: str
) -> tuple[RivalQuality, ...]:
    """Every other model that something is known of, each once: by its latest rehearsal, else by the log.

    Args:
        home: whose registry and prices.
        task: the task.
        seen: its calls.
        today: provider and model that most of them are rented from.
        alpha: the share of answers that a swap may make worse.
        delta: how often that promise may fail.
        against: "gold": only gold may decide; else gold or the recorded answers, with half of the error each.
    """
    found: dict[str, RivalQuality] = {}
    for rival in seen.log:
        found[_canonical(home, today[0], rival.model)] = rival
    for one in home.registry.rehearsals(task.id):
        if one.name == "/".join(today) or seen.covered(one.template_ids) < COVERED_SHARE:
            continue
        was = _canonical(home, *one.today.split("/", 1))
        if was != _canonical(home, *today):  # it compares with another model's answers, whoever rents them out
            continue
        rival = judge(one, alpha=alpha, delta=delta, against=against)
        if rival is not None:
            found[_canonical(home, one.provider, one.model)] = rival
    return tuple(msgspec.structs.replace(rival, model=model) for model, rival in found.items())


def judge(one: Rehearsal, *, alpha: float, delta: float, against: str) -> RivalQuality | None:
    """What a rehearsal says of a model under a task's promise; None where it has nothing to say of it.

    Words alone compared (`text`) are a floor: they count where even that is enough, and are `unjudged` elsewhere.
    """
    gold_only = against == "gold"
    tail = rivals.spent(delta, one.look, 1 if gold_only or one.gold is None else 2)
    by_words = one.loss == "text"
    ways: list[RivalQuality] = []
    if not gold_only and one.agreed.n:
        ways.append(_by_recorded(one, alpha, tail))
    if one.gold is not None:
        ways.append(_by_gold(one, alpha, tail))
    best = min(ways, key=lambda way: way.worse_upper, default=None)
    if best is None or not by_words or best.worse_upper <= alpha or best.more_calls is not None:
        return best
    text = f"{best.text}; nothing here can tell whether the others mean the same"
    return msgspec.structs.replace(best, unjudged=True, text=text)


def _by_recorded(one: Rehearsal, alpha: float, tail: float) -> RivalQuality:
    agreed = one.agreed
    upper = rivals.differs_upper(agreed.same, agreed.n, tail)
    held = agreed.interval
    text = (
        f"{_percent(agreed.same, agreed.n)} ({held.low:.0%} to {held.high:.0%}) of {agreed.n:,} answers are "
        f"{'word for word' if one.loss == 'text' else 'as good as'} those recorded{_played(one)}"
    )
    return _rival(one, agreed.share, held, agreed.n, upper, text, rivals.calls_needed(1 - agreed.share, alpha, tail))


def _by_gold(one: Rehearsal, alpha: float, tail: float) -> RivalQuality:
    gold = one.gold
    assert gold is not None
    upper = rivals.worse_upper(gold, tail)
    held = gold.interval
    text = (
        f"right on {_percent(gold.right, gold.n)} ({held.low:.0%} to {held.high:.0%}) of {gold.n:,} calls with gold, "
        f"today's model on {_percent(gold.today_right, gold.n)} of the same{_played(one)}"
    )
    more = rivals.gold_needed(gold, alpha, tail)
    found = _rival(one, gold.right / gold.n, held, gold.n, upper, text, more)
    return msgspec.structs.replace(found, against="gold", today_share=gold.today_right / gold.n)


def _rival(
    one: Rehearsal, share: float, held: intervals.Interval, n: int, upper: float, text: str, more: int | None
) -> RivalQuality:
    enough = one.input_ratio is not None and one.input_ratio.n >= LEAST_CALLS
    timed = one.latency is not None and one.latency.n >= LEAST_CALLS
    return RivalQuality(
        model=one.model,
        provider=one.provider,
        share=share,
        low=held.low,
        high=held.high,
        n=n,
        worse_upper=upper,
        more_calls=more,
        text=text,
        token_ratio=one.token_ratio if enough else None,
        latency_ms=one.latency.p50_ms if timed and one.latency is not None else None,
        id=one.id,
        made_at=one.made_at,
    )


def _played(one: Rehearsal) -> str:
    return " (played by a recording)" if one.played else ""


def _canonical(home: Home, provider: str, model: str) -> str:
    """The catalogue's name for a model, so that a dated name and its family's are one; its own where there is none."""
    listed = home.prices.listed(provider, model, datetime.now(UTC))
    return model if listed is None else listed.model


def _key(match: Match) -> int:
    text = "\x1f".join((match.template_id, *match.inputs))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _text(answer: tuple[str, bytes]) -> str | None:
    spoken, body = answer
    return dialect(spoken).answer_text(body)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"
