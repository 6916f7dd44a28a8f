"""The answer and when it changes."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF, DAY_US, START_US, a_call, a_certificate, a_task, a_workload

from freehold.economics.quality import QualityFacts, RivalQuality
from freehold.economics.workload import Workload, WorkloadBuilder
from freehold.errors import ConfigurationError
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings, PriceSettings
from freehold.verdict import Constraints, as_json, decide
from freehold.verdict.decision import weigh
from freehold.vocabulary import Option, TaskKind, Usage, Verdict

WORK = a_workload()
CERTIFIED = QualityFacts(kind="classification", certificate=a_certificate(0.87))
RESTRICTED = Constraints("restricted")


def _decide(
    work: Workload = WORK,
    quality: QualityFacts = CERTIFIED,
    constraints: Constraints | None = None,
    prices: PriceBook | None = None,
    **economics: float,
) -> Verdict:
    given = msgspec.convert(economics, EconomicsSettings)
    constraints = constraints or Constraints()
    return decide(a_task(quality.kind), work, quality, constraints, given, AS_OF, prices=prices)


def _weigh(work: Workload, prices: PriceBook | None = None) -> Verdict:
    """For tests that ask many times and look at the answer alone: explaining it takes as long again."""
    return weigh(a_task(), work, CERTIFIED, Constraints(), EconomicsSettings(), AS_OF, prices=prices)


def _times(factor: float, work: Workload = WORK) -> Workload:
    return msgspec.structs.replace(work, volume_factor=factor)


def _option(verdict: Verdict, word: str) -> Option:
    return next(option for option in verdict.options if option.word == word)


def test_the_bill_names_what_is_rented_as_far_as_the_calls_say_it() -> None:
    def reason(*models: tuple[str, str]) -> str:
        builder = WorkloadBuilder()
        for n in range(1000):
            provider, model = models[n % 10] if n % 10 < len(models) else models[0]
            builder.add(a_call(START_US + n * 600_000_000, Usage(500, output_tokens=4), provider=provider, model=model))
        return _decide(builder.build((START_US, START_US + 7 * DAY_US))).reason

    assert reason(("openai", "gpt-4.1")).startswith("Renting openai/gpt-4.1 costs")
    assert reason(("", "gpt-4.1")).startswith("Renting gpt-4.1 costs"), "the log names no provider"
    assert "gpt-4.1 and 1 other model costs" in reason(("openai", "gpt-4.1"), ("openai", "gpt-4o-mini"))
    both = reason(("openai", "gpt-4.1"), ("openai", "gpt-4o-mini"), ("openai", "gpt-4.1-mini"))
    assert "gpt-4.1 and 2 other models costs" in both


@pytest.mark.parametrize("kind", ["classification", "extraction", "free_text", "tool_choice", "unknown"])
@pytest.mark.parametrize("certified", [True, False])
def test_a_small_bill_stays_rented_whatever_the_quality(kind: TaskKind, certified: bool) -> None:
    quality = QualityFacts(kind=kind, certificate=a_certificate() if certified else None)
    verdict = _decide(quality=quality)
    assert verdict.word == "keep_renting"
    assert not verdict.provisional
    assert verdict.to_find_out == ""
    assert verdict.probability_owning_wins < 0.01


def test_a_large_bill_with_a_certificate_is_owned_and_final() -> None:
    verdict = _decide(_times(1000))
    assert verdict.word == "own_student"
    assert not verdict.provisional
    assert verdict.to_find_out == ""
    assert verdict.probability_owning_wins > 0.9
    student = _option(verdict, "own_student")
    assert student.quality == "certified"
    assert student.owned_share == 0.87
    assert student.monthly_usd.mid < _option(verdict, "keep_renting").monthly_usd.mid / 3


def test_a_large_bill_without_a_certificate_is_provisional_and_says_what_finding_out_costs() -> None:
    verdict = _decide(_times(3000), QualityFacts(kind="classification"))
    assert verdict.word == "own_student"
    assert verdict.provisional
    assert "freehold certify triage" in verdict.to_find_out
    gold = _decide(_times(3000), QualityFacts(kind="classification", against="gold", gold_labels=100))
    assert re.search(r"300 labels by people, 150 USD", gold.to_find_out)


@pytest.mark.parametrize("kind", ["free_text", "tool_choice", "question_answering", "code", "unknown"])
def test_a_task_whose_answers_nobody_can_judge_stays_rented_at_any_volume(kind: TaskKind) -> None:
    verdict = _decide(_times(10_000), QualityFacts(kind=kind))
    assert verdict.word == "keep_renting"
    assert verdict.provisional
    assert "Compare about 400 answers" in verdict.to_find_out
    assert any(flip.input.startswith("measured quality of") for flip in verdict.flips)


def test_a_cheaper_model_wins_only_once_it_is_measured() -> None:
    name = "rent openai/gpt-4.1-mini"
    model = "gpt-4.1-mini"
    good, bad = RivalQuality(model, 0.99, 0.97, 1.0, 400, 0.03), RivalQuality(model, 0.9, 0.86, 0.93, 400, 0.13)
    verdicts = [
        _decide(_times(1000), QualityFacts(kind="free_text", rivals=rivals)) for rivals in ((), (bad,), (good,))
    ]
    assert [verdict.word for verdict in verdicts] == ["keep_renting", "keep_renting", "rent_smaller"]
    row = next(option for option in verdicts[2].options if option.name == name)
    assert row.quality == "measured"
    assert verdicts[2].provisional
    assert "up to 13.0% may be worse" in next(option for option in verdicts[1].options if option.name == name).why_not


def test_restricted_data_removes_everything_rented() -> None:
    verdict = _decide(_times(1000), constraints=RESTRICTED)
    assert verdict.word == "own_student"
    for option in verdict.options:
        rented = option.word in {"keep_renting", "rent_smaller", "rent_open_weights", "fine_tune_hosted"}
        assert option.allowed != rented
        assert ("restricted" in option.why_not) == rented
    student = _option(verdict, "own_student")
    assert "tokens" not in student.breakdown_usd
    assert "refuse" in student.name


def test_restricted_data_is_owned_even_where_renting_would_be_cheaper() -> None:
    assert _decide(constraints=RESTRICTED).word == "own_student"


def test_restricted_data_without_an_owned_model_has_no_answer_yet() -> None:
    verdict = _decide(quality=QualityFacts(kind="free_text"), constraints=RESTRICTED)
    assert verdict.word == "not_enough_evidence"
    assert verdict.probability_owning_wins == 0
    assert "refused" in verdict.reason


def test_an_unknown_price_is_not_free() -> None:
    calls = msgspec.structs.replace(
        WORK,
        days=tuple(
            msgspec.structs.replace(day, model="my-finetune", usd=Decimal(0), unpriced_calls=day.calls)
            for day in WORK.days
        ),
    )
    verdict = _decide(_times(1000, calls))
    assert verdict.word == "not_enough_evidence"
    assert '[prices."openai/my-finetune"]' in verdict.to_find_out
    assert verdict.options == ()


def test_a_lower_contract_price_turns_owning_back_into_renting() -> None:
    cheap = PriceBook({"openai/gpt-4.1": PriceSettings(Decimal("0.02"), Decimal("0.08"))})
    dear = PriceBook({"openai/gpt-4.1": PriceSettings(Decimal(20), Decimal(80))})
    words = [_decide(_times(500, a_workload(prices=book)), prices=book).word for book in (cheap, dear)]
    assert words == ["keep_renting", "own_student"]


def test_no_calls_is_no_evidence() -> None:
    verdict = _decide(Workload(calls=0, days_observed=1.0, days=(), arrivals=(), latency_ms=None))
    assert verdict.word == "not_enough_evidence"


def test_an_answer_that_hangs_on_an_input_nobody_gave_is_withheld_and_names_it() -> None:
    undecided = next(v for v in (_decide(_times(2.0**i)) for i in range(14)) if v.word == "not_enough_evidence")
    values = {item.name: float(item.value) for item in undecided.assumptions}
    given: dict[str, float] = {}
    verdict = undecided
    while verdict.word == "not_enough_evidence":
        named = {name.strip() for name in verdict.to_find_out.rsplit(": ", 1)[1].rstrip(".").split(",")}
        assert named <= set(values)
        assert not named & set(given)
        given |= {name: values[name] for name in named}
        verdict = _decide(_times(undecided.volume_factor), assume=given)  # pyright: ignore[reportArgumentType]
    assert verdict.word in {"keep_renting", "own_student"}


def test_an_answer_that_most_scenarios_do_not_share_is_withheld() -> None:
    """No input alone changes it here; a third of the scenarios do. The inputs that weigh most are named."""
    for exponent in range(30, 60):
        verdict = _weigh(_times(10 ** (exponent / 20)))
        if verdict.word == "own_student":
            assert verdict.probability_owning_wins >= 0.8
        if verdict.word == "keep_renting":
            assert verdict.probability_owning_wins <= 0.2


def test_a_certificate_that_needs_more_labels_says_how_many() -> None:
    short = QualityFacts(kind="classification", certificate=a_certificate(0, certified=False, labels_needed=700))
    verdict = _decide(_times(3000), short)
    assert verdict.word == "not_enough_evidence"
    assert "700 more labelled calls" in verdict.reason
    assert "700" in verdict.to_find_out
    assert _decide(quality=short).word == "keep_renting"


def test_a_hopeless_certificate_keeps_renting() -> None:
    hopeless = QualityFacts(kind="classification", certificate=a_certificate(0, certified=False, labels_needed=None))
    verdict = _decide(_times(3000), hopeless)
    assert verdict.word == "keep_renting"
    assert _option(verdict, "own_student").crossover_calls_per_month is None


def test_few_calls_cannot_certify_anything() -> None:
    few = a_workload(120, weight=1e6)
    verdict = _decide(few, QualityFacts(kind="classification"))
    assert verdict.word == "not_enough_evidence"


def test_what_flips_it_does_flip_it() -> None:
    for factor in (1, 1000):
        verdict = _decide(_times(factor), assume=_all_given())  # pyright: ignore[reportArgumentType]
        flip = next(flip for flip in verdict.flips if flip.input == "calls" and flip.at is not None)
        assert flip.at is not None
        assert flip.now == pytest.approx(verdict.calls_per_month)
        beyond = 1.02 if flip.at > flip.now else 0.98
        moved = _decide(_times(factor * flip.at / flip.now * beyond), assume=_all_given())  # pyright: ignore[reportArgumentType]
        assert moved.word == flip.to != verdict.word


def _all_given() -> dict[str, float]:
    return {item.name: float(item.value) for item in _decide().assumptions if item.source.assumed}


@given(st.lists(st.floats(-2, 5), min_size=2, max_size=3))
@settings(deadline=None, max_examples=25)
def test_more_volume_never_turns_owning_into_renting(exponents: list[float]) -> None:
    words = [_weigh(_times(10.0**exponent)).word for exponent in sorted(exponents)]
    order = {"keep_renting": 0, "not_enough_evidence": 1, "own_student": 2}
    assert [order[word] for word in words] == sorted(order[word] for word in words)


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=3))
@settings(deadline=None, max_examples=25)
def test_a_higher_price_never_turns_owning_into_renting(exponents: list[float]) -> None:
    order = {"keep_renting": 0, "not_enough_evidence": 1, "own_student": 2}
    found: list[int] = []
    for exponent in sorted(exponents):
        price = Decimal(repr(2 * 10.0**exponent))
        book = PriceBook({"openai/gpt-4.1": PriceSettings(price, 4 * price)})
        work = a_workload(500, usage=Usage(500, 0, 0, 4), prices=book, weight=20_000)
        found.append(order[_weigh(work, prices=book).word])
    assert found == sorted(found)


@pytest.mark.parametrize("factor", [1, 60, 1000])
def test_an_answer_without_its_explanation_is_the_same_answer(factor: float) -> None:
    told = _decide(_times(factor))
    assert told.risk is not None
    bare = msgspec.structs.replace(told, declared=(), from_scratch="", steps=(), criteria=(), risk=None)
    assert _weigh(_times(factor)) == bare


def test_the_same_question_gets_the_same_answer() -> None:
    assert _decide(_times(1000)) == _decide(_times(1000))


def test_a_short_log_is_said_to_be_one() -> None:
    minutes = _decide(a_workload(200, days=0.01))
    assert minutes.word == "not_enough_evidence"
    assert "14.4 minutes" in minutes.reason
    hours = _decide(a_workload(200, days=0.2))
    assert any("hours were observed" in warning for warning in hours.warnings)
    days = _decide(a_workload(200, days=3))
    assert any("weekly rhythm" in warning for warning in days.warnings)
    assert not _decide(quality=QualityFacts(kind="classification")).warnings


def test_a_certificate_against_the_teacher_says_that_it_inherits_its_errors() -> None:
    assert any("where they are wrong" in warning for warning in _decide().warnings)
    gold = QualityFacts(kind="classification", certificate=a_certificate(against="gold"))
    assert not _decide(quality=gold).warnings


def test_restricted_data_at_an_unknown_price_is_decided_without_a_rent_of_zero() -> None:
    days = tuple(
        msgspec.structs.replace(day, model="my-own", usd=Decimal(0), unpriced_calls=day.calls) for day in WORK.days
    )
    verdict = _decide(msgspec.structs.replace(WORK, days=days), constraints=RESTRICTED)
    assert verdict.word == "own_student"
    assert "not known" in verdict.reason
    assert all(option.word != "keep_renting" and option.npv_usd == {} for option in verdict.options)


def test_a_price_found_by_name_alone_is_warned_of() -> None:
    renamed = msgspec.structs.replace(
        WORK, days=tuple(msgspec.structs.replace(day, provider="acme") for day in WORK.days)
    )
    assert any("by the model's name" in warning for warning in _decide(renamed).warnings)


def test_the_verdict_lists_what_it_assumed_and_where_figures_come_from() -> None:
    verdict = _decide(_times(1000))
    assert {"engineer_usd_per_year", "volume_ratio", "student_coverage"} <= {a.name for a in verdict.assumptions}
    assert any("10,000 recorded calls" in source.name for source in verdict.sources)
    assert any("genai-prices" in source.name and source.date for source in verdict.sources)
    assert any("cert-1" in source.name for source in verdict.sources)
    words = {option.word for option in verdict.options}
    rented = {"keep_renting", "rent_smaller", "fine_tune_hosted", "rent_open_weights"}
    assert words == rented | {"host_open_weights", "fine_tune_own", "train_from_scratch", "own_student"}
    hosted = _option(verdict, "host_open_weights")
    assert any("of the fleet is used" in note for note in hosted.notes)


def test_reasons_are_two_to_four_whole_sentences() -> None:
    facts = [
        CERTIFIED,
        QualityFacts(kind="classification"),
        QualityFacts(kind="free_text"),
        QualityFacts(kind="structured", certificate=a_certificate(0, certified=False, labels_needed=700)),
    ]
    for factor in (1, 100, 3000):
        for quality in facts:
            for constraints in (Constraints(), RESTRICTED):
                reason = _decide(_times(factor), quality, constraints).reason
                sentences = re.findall(r"[^.]+(?:\.\d[^.]*)*\.(?: |$)", reason)
                assert 2 <= len(sentences) <= 5, reason
                assert not re.search(r"\bNone\b|\bnan\b|\{|\}|_usd", reason), reason


def test_json_is_versioned_and_plain() -> None:
    content = as_json(_decide(_times(1000)))
    again = json.loads(json.dumps(content, allow_nan=False))
    assert again["schema"] == "freehold.verdict/1"
    assert again["word"] == "own_student"
    assert isinstance(again["options"][0]["monthly_usd"]["mid"], float)
    assert {"flips", "assumptions", "sources", "provisional", "probability_owning_wins"} <= set(again)


def test_an_unknown_input_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="no_such_input"):
        _decide(assume={"no_such_input": 1.0})  # pyright: ignore[reportArgumentType]
