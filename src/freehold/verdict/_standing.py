"""What may be chosen: each option with what is known of its quality and which constraints remove it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from freehold.economics.case import Case
from freehold.economics.options import CostModel, HostOpenWeights, KeepRenting, OwnStudent, RentOpenWeights, RentSmaller
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.market import models
from freehold.market.tokens import PriceBook
from freehold.vocabulary import NARROW_KINDS, DataClass, Usage

QualityWord = Literal["certified", "measured", "unknown", "reference"]

_RENTED = (KeepRenting, RentSmaller, RentOpenWeights)
_NARROW_WEIGHTS = ("Llama-3.1-8B", "gpt-oss-120b")
_BROAD_WEIGHTS = ("gpt-oss-120b", "Llama-3.3-70B")


class Standing(NamedTuple):
    """An option's standing in the decision.

    `allowed`: no hard constraint removes it (`why_not` names the one that does). `eligible`: the verdict may name it;
    that takes quality known to be good enough, or, for a student of a narrow task, quality that is about to be measured
    (then the verdict is provisional). `open_question`: what about its quality is not known.
    """

    option: CostModel
    quality: QualityWord
    allowed: bool
    eligible: bool
    why_not: str = ""
    open_question: str = ""

    @property
    def choosable(self) -> bool:
        """Whether the verdict may name it."""
        return self.allowed and self.eligible


def stand(
    case: Case, workload: Workload, quality: QualityFacts, data_class: DataClass, prices: PriceBook
) -> tuple[Standing, ...]:
    """Every option there is for the task, renting first."""
    restricted = data_class == "restricted"
    standings = [
        _judge(option, quality, restricted=restricted)
        for option in _options(case, workload, quality, prices, restricted=restricted)
    ]
    return tuple(standings)


def _options(
    case: Case,
    workload: Workload,
    quality: QualityFacts,
    prices: PriceBook,
    *,
    restricted: bool,
) -> list[CostModel]:
    usage = workload.usage
    options: list[CostModel] = [KeepRenting(case)]
    if case.rent_usd:
        written = usage.cache_write_tokens + usage.cache_write_1h_tokens
        stated = Usage(usage.input_tokens, usage.cache_read_tokens, written, usage.output_tokens)
        siblings = models.smaller_siblings(prices, case.provider, case.model, stated, workload.calls, case.as_of)
        options += [RentSmaller(sibling) for sibling in siblings]
    wanted = _NARROW_WEIGHTS if quality.kind in NARROW_KINDS else _BROAD_WEIGHTS
    fitting = [
        weights
        for weights in models.open_weights()
        if weights.name in wanted and weights.context_tokens > 2 * case.prompt_tokens_per_call
    ]
    offers = [models.token_offer(weights, case.as_of) for weights in fitting]
    options += [RentOpenWeights(offer) for offer in offers if offer is not None]
    options += [HostOpenWeights(weights) for weights in fitting if weights.points][:1]
    promise = quality.certificate
    options.append(
        OwnStudent(
            audit_share=quality.audit_share,
            gold=(promise.against if promise is not None else quality.against) == "gold",
            labels_missing=None if promise is None else 0 if promise.certified else promise.labels_needed,
            labels_held=quality.gold_labels,
            restricted=restricted,
        )
    )
    return options


def _judge(option: CostModel, quality: QualityFacts, *, restricted: bool) -> Standing:
    allowed = not (restricted and isinstance(option, _RENTED))
    why_not = "" if allowed else "restricted data: no byte of it may reach a rented provider"
    if isinstance(option, KeepRenting):
        return Standing(option, "reference", allowed, True, why_not)
    if isinstance(option, OwnStudent):
        return _judge_student(option, quality)
    rival = quality.rivals.get(option.name)
    if rival is None:
        question = "nobody has measured its answers on this task's calls"
        return Standing(option, "unknown", allowed, False, why_not, question)
    good = rival.low >= 1 - quality.alpha
    question = "" if good else f"only {rival.low:.0%} to {rival.high:.0%} of {rival.n} answers were as good as today's"
    return Standing(option, "measured", allowed, good, why_not, question)


def _judge_student(option: OwnStudent, quality: QualityFacts) -> Standing:
    promise = quality.certificate
    if promise is not None and promise.certified:
        return Standing(option, "certified", True, True)
    if promise is not None:
        more = (
            "no number of labels is likely to change that"
            if promise.labels_needed is None
            else f"about {promise.labels_needed:,} more labels might"
        )
        question = f"not certified: the best bound on its error is {promise.best_risk_upper:.1%}; {more}"
        return Standing(option, "measured", True, False, "", question)
    narrow = quality.kind in NARROW_KINDS
    known: QualityWord = "unknown" if quality.coverage_measured is None else "measured"
    question = "no student is certified yet" if narrow else "a small student can hardly be judged on this kind of task"
    return Standing(option, known, True, narrow, "", question)
