"""What else could answer: siblings, open weights per token, measured serving."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.workloads import AS_OF

from freehold.market import models
from freehold.market.tokens import PriceBook
from freehold.vocabulary import Usage

MIX = Usage(input_tokens=500_000, output_tokens=20_000)


def _siblings(provider: str, model: str) -> list[models.Sibling]:
    return list(models.smaller_siblings(PriceBook(), provider, model, MIX, 1000, AS_OF))


def test_siblings_are_cheaper_models_of_the_same_provider_and_family() -> None:
    found = _siblings("openai", "gpt-4.1")
    names = [sibling.model for sibling in found]
    assert "gpt-4.1-mini" in names
    assert len(names) <= 3
    assert all(sibling.ratio < 0.6 and sibling.provider == "openai" for sibling in found)
    assert all(sibling.source.name and sibling.source.date for sibling in found)


def test_models_that_were_shut_down_are_no_choice_and_an_announced_end_is_said() -> None:
    before, after = (
        models.smaller_siblings(PriceBook(), "openai", "gpt-4.1", MIX, 1000, datetime(2026, 10, day, tzinfo=UTC))
        for day in (22, 23)
    )
    ends = {sibling.model: sibling.ends for sibling in before}
    assert ends["gpt-4.1-nano"] == "2026-10-23"
    assert "gpt-4.1-nano" not in {sibling.model for sibling in after}


@pytest.mark.parametrize(
    ("provider", "model", "family"),
    [
        ("anthropic", "claude-sonnet-4-5", "claude"),
        ("google", "gemini-2.5-pro", "gemini"),
        ("mistral", "mistral-large-latest", "mistral"),
    ],
)
def test_siblings_exist_at_other_providers_too(provider: str, model: str, family: str) -> None:
    found = _siblings(provider, model)
    assert found
    assert all(sibling.model.startswith(family) for sibling in found)


def test_an_unknown_model_has_no_siblings() -> None:
    assert _siblings("openai", "no-such-model") == []
    assert _siblings("mine", "also-unknown") == []


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["gpt-4.1", "gpt-4o", "gpt-5", "o3", "gpt-4.1-mini"]), st.integers(1, 10**6))
def test_a_sibling_is_always_cheaper_on_the_tasks_own_mix(model: str, output: int) -> None:
    usage = Usage(input_tokens=10**6, output_tokens=output)
    book = PriceBook()
    now = book.price_usage("openai", model, Usage(1000, 0, 0, output // 1000), AS_OF).usd
    assert now
    for sibling in models.smaller_siblings(book, "openai", model, usage, 1000, AS_OF):
        assert sibling.ratio < 1


def test_open_weights_are_sold_by_several_and_quartiles_are_ordered() -> None:
    for weights in models.open_weights():
        offer = models.token_offer(weights, AS_OF)
        assert offer is not None
        assert offer.sellers >= 5
        for price in (offer.input_usd_per_mtok, offer.output_usd_per_mtok):
            assert 0 < price.low <= price.mid <= price.high
        assert offer.source.date


def test_small_weights_cost_less_than_large_ones_and_prices_lie_near_the_published_quartiles() -> None:
    by_name = {weights.name: models.token_offer(weights, AS_OF) for weights in models.open_weights()}
    small, large = by_name["Llama-3.1-8B"], by_name["Llama-3.3-70B"]
    assert small is not None
    assert large is not None
    assert small.input_usd_per_mtok.mid < large.input_usd_per_mtok.mid
    assert 0.03 <= small.input_usd_per_mtok.mid <= 0.20
    assert 0.45 <= large.output_usd_per_mtok.mid <= 1.0


def test_no_measured_point_implies_more_than_the_hardware_can_do() -> None:
    """More than about 60 % of dense FP8 peak (1,979 TFLOP/s on an H100) means reused prefixes, not speed."""
    active_parameters = {"Llama-3.1-8B": 8e9, "Qwen3-32B": 32.8e9, "gpt-oss-120b": 5.1e9, "Llama-3.3-70B": 70.6e9}
    for weights in models.open_weights():
        for point in weights.points:
            tokens_per_s = (point.prompt_tokens + point.output_tokens) / point.seconds_per_request
            flops = 2 * active_parameters[weights.name] * tokens_per_s / weights.gpus
            assert flops < 0.6 * 1.979e15, (weights.name, point)


def test_seconds_per_request_is_littles_law() -> None:
    point = models.Point(1024, 256, 16, 194.89, 8.773)
    assert 256 / point.seconds_per_request == pytest.approx(1684.2, rel=1e-3)


def test_gpu_prices_are_ordered_and_sourced() -> None:
    for name in ("H100-80GB", "A100-80GB", "L4-24GB"):
        rental = models.gpu(name)
        assert rental.low <= rental.mid <= rental.high
        assert rental.source
        assert rental.date
    with pytest.raises(KeyError):
        models.gpu("abacus")


def test_every_gpu_that_weights_name_is_priced() -> None:
    assert all(np.isfinite(float(models.gpu(w.gpu).mid)) for w in models.open_weights() if w.gpu)
