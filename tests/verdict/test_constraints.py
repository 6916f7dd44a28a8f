"""What persons declare binds: it removes options with a reason, and what is not known is said to be unknown."""

from __future__ import annotations

import msgspec
import pytest
from tests.support.workloads import AS_OF, a_certificate, a_task, a_workload

from freehold.economics.quality import QualityFacts
from freehold.market.places import lies_in, processes_in
from freehold.settings import EconomicsSettings, ProviderSettings, Strategy
from freehold.verdict import Constraints, as_json, decide
from freehold.vocabulary import Option, Verdict

LARGE = msgspec.structs.replace(a_workload(), volume_factor=1000)
SMALL = a_workload()
CERTIFIED = QualityFacts(kind="classification", certificate=a_certificate(0.87))


def _decide(strategy: Strategy, work=LARGE, **changed: object) -> Verdict:
    constraints = msgspec.structs.replace(Constraints(strategy=strategy), **changed)
    return decide(a_task(), work, CERTIFIED, constraints, EconomicsSettings(), AS_OF)


def _option(verdict: Verdict, word: str) -> Option:
    return next(option for option in verdict.options if option.word == word)


def test_a_provider_elsewhere_is_removed_with_its_reason_and_the_student_refuses_the_rest() -> None:
    verdict = _decide(Strategy(residency=("eu",)), places={"openai": ("us",)})
    rent, student = _option(verdict, "keep_renting"), _option(verdict, "own_student")
    assert (rent.allowed, rent.why_not) == (False, "residency eu, and openai processes calls in us")
    assert not _option(verdict, "rent_smaller").allowed
    assert verdict.word == "own_student"
    assert student.name.endswith("refuse the rest")
    assert "Nothing of it may be rented from openai" in verdict.reason
    (said,) = verdict.declared
    assert (said.name, said.value) == ("residency", "eu")
    assert "removes" in said.effect
    assert as_json(verdict)["declared"][0]["name"] == "residency"


@pytest.mark.parametrize("work", [SMALL, LARGE])
def test_a_place_that_nobody_stated_is_unknown_and_settles_nothing(work) -> None:
    """Neither is the option removed, nor may the answer name it: it says what to state."""
    verdict = _decide(Strategy(residency=("eu",)), work)
    assert _option(verdict, "keep_renting").allowed
    assert "is not known" in _option(verdict, "keep_renting").why_not
    assert verdict.word == "not_enough_evidence"
    assert verdict.provisional
    assert "providers.openai.processes_in" in verdict.to_find_out


def test_a_place_inside_leaves_the_answer_as_it_was() -> None:
    free, bound = _decide(Strategy()), _decide(Strategy(residency=("eu",)), places={"openai": ("de", "fr")})
    assert (bound.word, bound.reason) == (free.word, free.reason)
    assert _option(bound, "keep_renting").allowed


def test_a_frame_is_the_users_to_confirm() -> None:
    asked = Strategy(frames=("hipaa",))
    assert "providers.openai.frames" in _decide(asked).to_find_out
    assert _decide(asked, frames={"openai": ("hipaa", "soc2")}).word == _decide(Strategy()).word


def test_a_latency_that_was_measured_too_long_removes_and_one_that_was_not_is_unknown() -> None:
    verdict = _decide(Strategy(max_latency_ms=300.0))
    assert _option(verdict, "keep_renting").why_not == "it takes about 700 ms, and 300 are allowed"
    assert "was not measured" in _option(verdict, "rent_smaller").why_not
    assert verdict.word == "own_student"


def test_a_team_without_gpu_skills_is_offered_no_gpu_servers() -> None:
    assert _option(_decide(Strategy()), "host_open_weights").allowed
    assert _option(_decide(Strategy(skills=("gpu_serving",))), "host_open_weights").allowed
    hosted = _option(_decide(Strategy(skills=())), "host_open_weights")
    assert (hosted.allowed, hosted.why_not) == (False, "nobody on the team runs servers with GPUs")


def test_appetite_moves_how_many_scenarios_must_agree_and_no_money() -> None:
    """Between the bands there is a volume at which the careful wait and the bold act."""
    words: dict[str, list[str]] = {}
    for appetite in ("low", "high"):
        works = [msgspec.structs.replace(SMALL, volume_factor=float(factor)) for factor in range(20, 200, 12)]
        words[appetite] = [_decide(Strategy(appetite=appetite), work).word for work in works]
    waiting = {appetite: found.count("not_enough_evidence") for appetite, found in words.items()}
    assert waiting["low"] > waiting["high"]
    calm, bold = (_decide(Strategy(appetite=a)) for a in ("low", "high"))
    assert [o.monthly_usd for o in calm.options] == [o.monthly_usd for o in bold.options]


def test_strategy_explains_and_moves_no_money() -> None:
    free, told = _decide(Strategy()), _decide(Strategy(strategic=True, prototype=True, generic=False))
    assert (told.word, told.options) == (free.word, free.options)
    assert {said.effect for said in told.declared} == {"explains; it moves no money"}


@pytest.mark.parametrize(
    ("provider", "model", "places"),
    [
        (ProviderSettings(kind="openai"), "gpt-4.1", ()),
        (ProviderSettings(kind="openai", base_url="https://eu.api.openai.com/v1"), "gpt-4.1", ("eu",)),
        (ProviderSettings(kind="openai", processes_in=("de",)), "gpt-4.1", ("de",)),
        (ProviderSettings(kind="bedrock", region="eu-central-1"), "mistral.large", ("eu",)),
        (ProviderSettings(kind="bedrock", region="eu-west-2"), "mistral.large", ("gb",)),
        (ProviderSettings(kind="bedrock", region="eu-central-1"), "global.anthropic.x", ()),
        (ProviderSettings(kind="bedrock", region="ap-east-9"), "mistral.large", ()),
        (None, "gpt-4.1", ()),
    ],
)
def test_where_a_provider_processes_is_what_something_states(provider, model, places) -> None:
    assert processes_in(provider, model) == places


@pytest.mark.parametrize(
    ("place", "wanted", "answer"),
    [
        ("de", ("eu",), "yes"),
        ("no", ("eu",), "no"),
        ("no", ("eea",), "yes"),
        ("eu", ("de",), "unknown"),
        ("gb", ("eu", "ch"), "no"),
        ("global", ("eu",), "unknown"),
    ],
)
def test_one_place_lies_in_another_or_may(place, wanted, answer) -> None:
    assert lies_in(place, wanted) == answer


def test_who_trains_nothing_tunes_nothing_of_their_own() -> None:
    untrained = _option(_decide(Strategy(skills=("gpu_serving",))), "fine_tune_own")
    assert (untrained.allowed, untrained.why_not) == (False, "nobody on the team trains models")
    assert _option(_decide(Strategy(skills=("gpu_serving", "training"))), "fine_tune_own").allowed
    assert _option(_decide(Strategy(skills=())), "fine_tune_own").why_not.startswith("nobody on the team runs servers")


def test_what_a_tuned_model_escalates_is_bound_by_where_the_provider_is() -> None:
    elsewhere = _option(_decide(Strategy(residency=("eu",)), places={"openai": ("us",)}), "fine_tune_own")
    assert "refuse the rest" in elsewhere.name
    assert not _option(_decide(Strategy(residency=("eu",)), places={"openai": ("us",)}), "fine_tune_hosted").allowed
