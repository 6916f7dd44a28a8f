"""A replay's calls keep their own times where the gateway is told to trust them, and nowhere else."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import pytest
from tests.support import homes
from tests.support.gateway import running, settings

from freehold.errors import BadLog, UpstreamFailed, UsageError
from freehold.services.replaying import Answered, replay


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return homes.colours_log(tmp_path / "calls.jsonl", 30, essays=0)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_replayed_call_has_the_time_and_latency_of_its_log_only_where_trusted(
    log: Path, tmp_path: Path, trusted: bool
) -> None:
    made = settings(providers={"tape": {"kind": "recorded", "file": str(log)}}, gateway={"trust_replay_times": trusted})
    answers: list[Answered] = []
    with running(made, tmp_path / "home") as gateway:
        report = replay(log, gateway.url.removesuffix("/v1"), each=answers.append)
        calls = gateway.ledger.wait(30)
    assert (report.sent, report.by_status, report.served_by) == (30, {"200": 30}, {"rented": 30})
    assert len({a.call_id for a in answers}) == 30
    stated = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    times = sorted(round(datetime.fromisoformat(line["started_at"]).timestamp() * 1e6) for line in stated)
    if trusted:
        assert sorted(call.started_at_us for call in calls) == times
        assert {call.latency_ms for call in calls} == {400.0}
    else:
        assert all(abs(call.started_at_us / 1e6 - time.time()) < 60 for call in calls)
        assert all(call.latency_ms < 400.0 for call in calls)


def test_a_replay_keeps_a_rate(log: Path, tmp_path: Path) -> None:
    made = settings(providers={"tape": {"kind": "recorded", "file": str(log)}})
    with running(made, tmp_path / "home") as gateway:
        report = replay(log, gateway.url.removesuffix("/v1"), rate=100)
    assert report.seconds >= 0.29


def test_a_replay_that_cannot_be_says_why(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no address"):
        replay(log, "nowhere")
    with pytest.raises(UsageError, match="contradict"):
        replay(log, "http://127.0.0.1:9", rate=1, speed=1)
    with pytest.raises(UpstreamFailed, match="no answer"):
        replay(log, "http://127.0.0.1:9")
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{no\n")
    with pytest.raises(BadLog, match="line 1"):
        replay(broken, "http://127.0.0.1:9")
