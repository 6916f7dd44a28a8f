"""What may be chosen: each option with what is known of its quality and which constraints remove it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from freehold.economics.case import Case
from freehold.economics.options import (
    CostModel,
    FineTuneHosted,
    FineTuneOwn,
    HostBought,
    HostOpenWeights,
    HostReserved,
    HostSpot,
    KeepRenting,
    OwnStudent,
    RentOpenWeights,
    RentSmaller,
)
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.market import models
from freehold.market.tokens import PriceBook
from freehold.market.tuned import tuned_offers
from freehold.vocabulary import NARROW_KINDS, Usage

from .constraints import Rulings

QualityWord = Literal["certified", "measured", "unknown", "reference"]

_PRICED_GPU = "H100-80GB"
"""The GPU that `gpu_usd_each` is the price of."""
_TUNED = 2
"""Tuned models that are shown: the cheapest ones."""
_NARROW_WEIGHTS = ("Llama-3.1-8B", "gpt-oss-120b")
_BROAD_WEIGHTS = ("gpt-oss-120b", "Llama-3.3-70B")


class Standing(NamedTuple):
    """An option's standing in the decision.

    `allowed`: no hard constraint removes it (`why_not` names the one that does). `eligible`: the verdict may name it;
    that takes quality known to be good enough, or, for a student of a narrow task, quality that is about to be measured
    (then the verdict is provisional). `open_question`: what about its quality is not known. `unknown`: what about a
    constraint is not known; the verdict may not name it before that is.
    """

    option: CostModel
    quality: QualityWord
    allowed: bool
    eligible: bool
    why_not: str = ""
    open_question: str = ""
    unknown: str = ""

    @property
    def choosable(self) -> bool:
        """Whether the verdict may name it."""
        return self.allowed and self.eligible


def stand(options: Sequence[CostModel], quality: QualityFacts, rulings: Sequence[Rulings]) -> tuple[Standing, ...]:
    """Where each option stands, given what the constraints say of it."""
    return tuple(_judge(option, quality, ruling) for option, ruling in zip(options, rulings, strict=True))


def options(
    case: Case,
    workload: Workload,
    quality: QualityFacts,
    prices: PriceBook,
    *,
    restricted: bool,
) -> list[CostModel]:
    """Every option there is for the task, renting first. `restricted`: nothing may go to today's provider."""
    usage = workload.usage
    found: list[CostModel] = [KeepRenting(case)]
    if case.rent_usd:
        written = usage.cache_write_tokens + usage.cache_write_1h_tokens
        stated = Usage(usage.input_tokens, usage.cache_read_tokens, written, usage.output_tokens)
        siblings = models.smaller_siblings(prices, case.provider, case.model, stated, workload.calls, case.as_of)
        found += [RentSmaller(sibling) for sibling in siblings]
        tuned = tuned_offers(prices, case.provider, case.model, stated, workload.calls, case.as_of)
        found += [FineTuneHosted(offer, case) for offer in tuned[:_TUNED]]
    wanted = _NARROW_WEIGHTS if quality.kind in NARROW_KINDS else _BROAD_WEIGHTS
    fitting = [
        weights
        for weights in models.open_weights()
        if weights.name in wanted and weights.context_tokens > 2 * case.prompt_tokens_per_call
    ]
    offers = [models.token_offer(weights, case.as_of) for weights in fitting]
    found += [RentOpenWeights(offer) for offer in offers if offer is not None]
    for weights in [one for one in fitting if one.points][:1]:
        found += [HostOpenWeights(weights), HostReserved(weights), HostSpot(weights)]
        if weights.gpu == _PRICED_GPU:
            found.append(HostBought(weights))
        found.append(FineTuneOwn(weights, case, audit_share=quality.audit_share, restricted=restricted))
    promise = quality.certificate
    found.append(
        OwnStudent(
            audit_share=quality.audit_share,
            gold=(promise.against if promise is not None else quality.against) == "gold",
            labels_missing=None if promise is None else 0 if promise.certified else promise.labels_needed,
            labels_held=quality.gold_labels,
            restricted=restricted,
        )
    )
    return found


def _judge(option: CostModel, quality: QualityFacts, rulings: Rulings) -> Standing:
    found = _by_quality(option, quality)
    return found._replace(allowed=not rulings.broken, why_not=rulings.broken, unknown=rulings.unknown)


def _by_quality(option: CostModel, quality: QualityFacts) -> Standing:
    """What is known of its answers, as if no constraint bound it."""
    if isinstance(option, KeepRenting):
        return Standing(option, "reference", True, True)
    if isinstance(option, OwnStudent):
        return _judge_student(option, quality)
    # The same weights answer alike whatever machines they are on.
    rival = quality.rivals.get(option.answers_as if isinstance(option, HostOpenWeights) else option.name)
    if rival is None:
        question = "nobody has measured its answers on this task's calls"
        if isinstance(option, FineTuneHosted | FineTuneOwn):
            question = "nobody has tuned it yet, so its answers are not known"
        return Standing(option, "unknown", True, False, "", question)
    good = rival.low >= 1 - quality.alpha
    question = "" if good else f"only {rival.low:.0%} to {rival.high:.0%} of {rival.n} answers were as good as today's"
    return Standing(option, "measured", True, good, "", question)


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
