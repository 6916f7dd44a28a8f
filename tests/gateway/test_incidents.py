"""Reported incidents of 2021 to 2024, played to a real gateway: does somebody who stands in keep the promise?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from benchmarks.outage import INCIDENTS, PROMISED, Outcome, replay, timeline, windows

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not INCIDENTS.exists(), reason="../shared/data/provider_risk is absent"),
]
PLAYED = {"seconds": 16.0, "rate": 100.0, "one_in": 50}
"""Every 50th stretch of trouble, so that an incident of the usual length lasts for more than 100 calls."""


def test_time_is_compressed_without_losing_an_incident():
    down = windows()
    line = timeline(down)
    assert {name: len(spans) > 40 for name, spans in down.items()} == {"openai": True, "anthropic": True}
    for spans in down.values():
        for begin, end in spans:
            assert line.compressed(end) - line.compressed(begin) == pytest.approx(end - begin)
            assert line.moment(line.compressed(begin)) == pytest.approx(begin)
    assert line.kept_s < 0.05 * (line.ended - line.began)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """What came of each way to rent. Each takes its seconds waiting for the next call, so they take them together."""
    ways = {
        "alone": {"second": False, "owned": False},
        "second provider": {"second": True, "owned": False},
        "owned model": {"second": False, "owned": True},
    }
    with ThreadPoolExecutor(len(ways)) as threads:
        played = {name: threads.submit(replay, **way, **PLAYED) for name, way in ways.items()}
        return {name: future.result() for name, future in played.items()}


def test_a_provider_alone_does_not_keep_it(outcomes: dict[str, Outcome]):
    assert outcomes["alone"].availability < PROMISED


def test_a_second_provider_keeps_it(outcomes: dict[str, Outcome]):
    assert outcomes["second provider"].availability >= PROMISED, outcomes


def test_so_does_an_owned_model(outcomes: dict[str, Outcome]):
    assert outcomes["owned model"].availability >= PROMISED, outcomes
