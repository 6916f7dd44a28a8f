"""What may be chosen: each option with what is known of its quality and which constraints remove it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from freehold.analytics.batching import WAITED
from freehold.economics.assumptions import PRICED_GPU
from freehold.economics.case import Case
from freehold.economics.options import (
    CostModel,
    FineTuneHosted,
    FineTuneOwn,
    HostAutoscaled,
    HostBought,
    HostOpenWeights,
    HostReserved,
    HostSpot,
    KeepRenting,
    KeepRentingBatched,
    KeepRentingCached,
    OtherModel,
    OwnStudent,
    RentOpenWeights,
    RentSmaller,
    TrainFromScratch,
)
from freehold.economics.quality import QualityFacts, RivalQuality
from freehold.economics.workload import Workload
from freehold.market import models
from freehold.market.retirements import announced_end
from freehold.market.tokens import PriceBook
from freehold.market.tuned import tuned_offers
from freehold.vocabulary import BATCH_TIER, NARROW_KINDS, ZERO, Usage

from .constraints import SAME_MODEL, Rulings

QualityWord = Literal["certified", "measured", "unknown", "reference"]

_TUNED = 2
"""Tuned models that are shown: the cheapest ones."""
_NARROW_WEIGHTS = ("Llama-3.1-8B", "gpt-oss-120b")
_BROAD_WEIGHTS = ("gpt-oss-120b", "Llama-3.3-70B")


class Standing(NamedTuple):
    """An option's standing in the decision.

    `allowed`: no hard constraint removes it (`why_not` names the one that does). `eligible`: the verdict may name it;
    that takes quality known to be good enough, or, for a student of a narrow task, quality that is about to be measured
    (then the verdict is provisional). `open_question`: what about its quality is not known. `unknown`: what about a
    constraint is not known; the verdict may not name it before that is. `undecided`: it was measured, and too little to
    tell, so that its quality is unknown; `more_calls` in all might.
    """

    option: CostModel
    quality: QualityWord
    allowed: bool
    eligible: bool
    why_not: str = ""
    open_question: str = ""
    unknown: str = ""
    undecided: bool = False
    more_calls: int | None = None

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
    found: list[CostModel] = [KeepRenting(case), *_same_model_for_less(case, workload, prices)]
    if case.rent_usd:
        written = usage.cache_write_tokens + usage.cache_write_1h_tokens
        stated = Usage(usage.input_tokens, usage.cache_read_tokens, written, usage.output_tokens)
        siblings = models.smaller_siblings(prices, case.provider, case.model, stated, workload.calls, case.as_of)
        found += [RentSmaller(sibling) for sibling in siblings]
        found += _rehearsed(case, stated, workload.calls, quality, prices, {sibling.model for sibling in siblings})
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
        found += [HostOpenWeights(weights), HostAutoscaled(weights), HostReserved(weights), HostSpot(weights)]
        if weights.gpu == PRICED_GPU:
            found.append(HostBought(weights))
        found.append(FineTuneOwn(weights, case, audit_share=quality.audit_share, restricted=restricted))
        found.append(TrainFromScratch(weights))
    for option in found:
        rival = rival_of(option, quality)
        if isinstance(option, OtherModel) and rival is not None:
            option.measured(rival.token_ratio, rival.latency_ms)
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


def _same_model_for_less(case: Case, workload: Workload, prices: PriceBook) -> list[CostModel]:
    """Today's model with its prompts cached, and in batches: where the recorded calls show that they could be."""
    seen, paid = workload.leaner, workload.observed_usd
    found: list[CostModel] = []
    if case.rent_usd and paid and seen.cache_usd:
        found.append(KeepRentingCached(case, min(0.9, float(seen.cache_usd / paid)), seen.calls))
    waiting = seen.calls and seen.waited <= WAITED * seen.calls and seen.batched < seen.calls
    ratio = _batch_ratio(case, workload, prices) if case.rent_usd and waiting else None
    if ratio is not None and ratio < 1:
        upper = seen.waited_at_most
        waited = f"of {seen.calls:,} calls somebody is seen to wait for {seen.waited:,} (at most {upper:.1%})"
        blind = "" if seen.known_runs else "; they state no trace and no session, so that nobody can see what follows"
        found.append(KeepRentingBatched(case, ratio, waited + blind))
    return found


def _batch_ratio(case: Case, workload: Workload, prices: PriceBook) -> float | None:
    """What the task's tokens cost in a batch over what they cost as they are sent now, some of them in batches already.

    None where one has no price.
    """
    now = batched = ZERO
    for day in workload.days:
        stated = day.calls - day.unpriced_calls
        prompt = day.band_tokens + 1 if day.band_tokens else 0
        tiers = [
            prices.rates(day.provider, day.model, case.as_of, prompt, tier) for tier in (day.service_tier, BATCH_TIER)
        ]
        paid, less = (None if rates is None else rates.usd(day.usage, stated) for rates in tiers)
        if stated and (paid is None or less is None):
            return None
        now, batched = now + (paid or ZERO), batched + (less or ZERO)
    return float(batched / now) if now else None


def _judge(option: CostModel, quality: QualityFacts, rulings: Rulings) -> Standing:
    found = _by_quality(option, quality)
    return found._replace(allowed=not rulings.broken, why_not=rulings.broken, unknown=rulings.unknown)


def _by_quality(option: CostModel, quality: QualityFacts) -> Standing:
    """What is known of its answers, as if no constraint bound it."""
    if isinstance(option, SAME_MODEL):
        return Standing(option, "reference", True, True)
    if isinstance(option, OwnStudent):
        return _judge_student(option, quality)
    rival = rival_of(option, quality)
    if rival is None:
        question = "nobody has measured its answers on this task's calls"
        if isinstance(option, FineTuneHosted | FineTuneOwn):
            question = "nobody has tuned it yet, so its answers are not known"
        if isinstance(option, TrainFromScratch):
            question = "nobody has trained it yet, so its answers are not known"
        return Standing(option, "unknown", True, False, "", question)
    if rival.source != "rehearsal" or rival.unjudged:
        return Standing(option, "unknown", True, False, "", rival.text)
    hosted = "; as it is rented: weights served in another precision may answer otherwise"
    told = rival.text + (hosted if isinstance(option, HostOpenWeights) else "")
    good = rival.worse_upper <= quality.alpha
    if good:
        return Standing(option, "measured", True, True, "", told)
    much = f"up to {rival.worse_upper:.1%} may be worse, and {quality.alpha:.1%} are allowed"
    more = "" if rival.more_calls is None else f"; about {rival.more_calls:,} calls in all might settle it"
    undecided = rival.more_calls is not None
    known: QualityWord = "unknown" if undecided else "measured"
    return Standing(option, known, True, False, "", f"{told}: {much}{more}", "", undecided, rival.more_calls)


def rival_of(option: CostModel, quality: QualityFacts) -> RivalQuality | None:
    """What was measured of the model that answers an option; None where nothing was, or it is none of the others.

    Open weights are known by any seller's name for them: they answer alike whatever machines they are on, as far as
    they are served in the same precision. What tuning or training makes is another model.
    """
    if isinstance(option, FineTuneOwn | TrainFromScratch):
        return None
    if isinstance(option, RentSmaller):
        return next((one for one in quality.rivals if one.model.lower() == option.model.lower()), None)
    if isinstance(option, RentOpenWeights | HostOpenWeights):
        return next((one for one in quality.rivals if models.weights_named(one.model) == option.weights), None)
    return None


def _rehearsed(
    case: Case, usage: Usage, calls: int, quality: QualityFacts, prices: PriceBook, known: set[str]
) -> list[CostModel]:
    """Models that somebody rehearsed and no rule of names would have thought of, where their price is known."""
    at, prompt = case.as_of, usage.prompt_tokens // max(1, calls)
    now = prices.rates(case.provider, case.model, at, prompt)
    paid = None if now is None else now.usd(usage, calls)
    found: list[CostModel] = []
    for one in quality.rivals:
        if one.source != "rehearsal" or one.model in known or models.weights_named(one.model) or not paid:
            continue
        rates = prices.rates(one.provider, one.model, at, prompt)
        usd = None if rates is None else rates.usd(usage, calls)
        if rates is not None and usd is not None:
            elsewhere = "" if one.provider == case.provider else one.provider
            ends = models.day_text(announced_end(one.provider, one.model))
            sibling = models.Sibling(one.provider, one.model, usd / paid, rates.source, ends)
            found.append(RentSmaller(sibling, elsewhere))
    return found


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
