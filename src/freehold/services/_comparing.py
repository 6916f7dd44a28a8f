"""A sample of calls with another model's answers: how many are as good, what breaks, how many tokens, how long."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from freehold.evidence import disagreements, intervals, losses, rivals
from freehold.market.tokens import PriceBook
from freehold.tasks import contracts
from freehold.tasks.languages import language
from freehold.vocabulary import ZERO, Agreed, Breach, Call, Contract, Disagreement, Paired, Ratio
from freehold.wire.known import dialect

from . import contracting

MOST_DISAGREEMENTS = 8
_NO_ANSWER = "no answer"


class Pair(NamedTuple):
    """A call of the sample, and the other model's answer to it; `new` None: it refused."""

    call: Call
    template_id: str
    new: Call | None


class Compared(NamedTuple):
    """What answers say of a model's quality."""

    agreed: Agreed
    gold: Paired | None
    disagreements: tuple[Disagreement, ...]


class Tokens(NamedTuple):
    """What the other model makes of the same text, and what that costs at the prices of `at`."""

    input_ratio: Ratio | None
    output_ratio: Ratio | None
    token_ratio: float | None
    usd_per_call: Decimal | None
    today_usd_per_call: Decimal | None


def compare(pairs: Sequence[Pair], loss_name: losses.LossName, *, against_gold: bool) -> Compared:
    """Judge every answer against the recorded one, and against gold where there is gold.

    A refusal, and an answer that says nothing, count as different and as wrong. `against_gold`: disagreements are told
    with gold, not with the recorded answers.
    """
    differs = losses.loss(loss_name)
    same, counts = 0, Counter[str]()
    examples: dict[str, str] = {}
    rights: list[tuple[bool, bool]] = []
    for pair in pairs:
        old, new = _text(pair.call) or "", _text(pair.new)
        agrees = new is not None and not differs(new, old)
        same += agrees
        truth = pair.call.gold
        if truth is not None:
            rights.append((new is not None and not differs(new, truth), not differs(old, truth)))
        aim = truth if against_gold else old
        if aim is not None and (new is None or differs(new, aim)):
            what = _NO_ANSWER if new is None else disagreements.difference(loss_name, new, aim)
            counts[what] += 1
            examples.setdefault(what, pair.call.id)
    n = len(pairs)
    told = tuple(Disagreement(what, many, examples[what]) for what, many in counts.most_common(MOST_DISAGREEMENTS))
    return Compared(Agreed(n, same, _interval(same, n)), _paired(rights), told)


def _interval(right: int, n: int) -> intervals.Interval:
    """The interval of a share of good answers."""
    return intervals.two_sided(right, n)


def _paired(rights: Sequence[tuple[bool, bool]]) -> Paired | None:
    if not rights:
        return None
    n, right, today = len(rights), sum(new for new, _ in rights), sum(old for _, old in rights)
    worse = sum(old and not new for new, old in rights)
    better = sum(new and not old for new, old in rights)
    return Paired(n, right, today, worse, better, _interval(right, n), _interval(today, n))


def breaches(pairs: Sequence[Pair], contract: Contract | None) -> tuple[Breach, ...]:
    """Every clause that some new answer breaks, most often first; the recorded answers to the same calls beside it."""
    if contract is None:
        return ()
    applies, broken, recorded = Counter[str](), Counter[str](), Counter[str]()
    examples: dict[str, str] = {}
    for pair in pairs:
        if pair.new is None:
            continue
        for name, kept in _judged(contract, pair.call, pair.new).items():
            applies[name] += 1
            broken[name] += not kept
            if not kept:
                examples.setdefault(name, pair.call.id)
        recorded.update(name for name, kept in _judged(contract, pair.call, pair.call).items() if not kept)
    rules = {clause.name: clause.rule for clause in contracting.clauses_of(contract)}
    return tuple(
        Breach(name, rules.get(name, ""), applies[name], many, recorded[name], examples[name])
        for name, many in broken.most_common()
        if many
    )


def _judged(contract: Contract, asked: Call, answer: Call) -> dict[str, bool]:
    whole = msgspec.structs.replace(answer, request=asked.request)
    given = contracting.given_by(whole)
    if given is None:
        return {_NO_ANSWER: False}
    if contract.languages:
        given = given._replace(language=language(given.text))
    return contracts.judge(contract, given)


def tokens(
    pairs: Sequence[Pair], prices: PriceBook, today: tuple[str, str], other: tuple[str, str], at: datetime
) -> Tokens:
    """Token counts of both models on the same calls, as the providers state them."""
    both = [
        (pair.call.usage, pair.new.usage)
        for pair in pairs
        if pair.new is not None and pair.call.usage is not None and pair.new.usage is not None
    ]
    stated = [(old, new) for old, new in both if not (old.estimated or new.estimated)]
    into = rivals.ratio([new.prompt_tokens for _, new in stated], [old.prompt_tokens for old, _ in stated])
    out = rivals.ratio([new.output_tokens for _, new in stated], [old.output_tokens for old, _ in stated])
    usd = _mean([prices.price_usage(*other, new, at).usd for _, new in both])
    today_usd = _mean([prices.price_usage(*today, old, at).usd for old, _ in both])
    if into is None or out is None:
        return Tokens(into, out, None, usd, today_usd)
    prompt = sum(old.prompt_tokens for old, _ in stated)
    output = sum(old.output_tokens for old, _ in stated)
    rates = prices.rates(*other, at, prompt // len(stated))
    if rates is not None and rates.output_usd_per_mtok is not None:
        weights = float(prompt * rates.input_usd_per_mtok), float(output * rates.output_usd_per_mtok)
    else:
        weights = float(prompt), float(output)
    whole = sum(weights)
    ratio = (into.value * weights[0] + out.value * weights[1]) / whole if whole else None
    return Tokens(into, out, ratio, usd, today_usd)


def sample_digest(pairs: Sequence[Pair]) -> str:
    """What tells one sample, and what was known of it, from another."""
    ids = sorted(f"{pair.call.id} {pair.call.gold is not None}" for pair in pairs)
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


def _text(call: Call | None) -> str | None:
    return None if call is None else dialect(call.dialect).answer_text(call.response)


def _mean(amounts: Sequence[Decimal | None]) -> Decimal | None:
    known = [usd for usd in amounts if usd is not None]
    return sum(known, ZERO) / len(known) if known and len(known) == len(amounts) else None
