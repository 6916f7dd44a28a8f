"""A task is measured from its own calls, and from the others only what stands beside their bodies."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support import task_mixes as made
from tests.support.mixes import mix

from freehold.analytics.statistics import Collector
from freehold.services import measuring
from freehold.services.discovering import find_tasks
from freehold.services.home import Home
from freehold.settings import Loaded, Settings
from freehold.vocabulary import SESSION_TAG


def test_the_others_are_passed_by_as_if_every_call_had_been_matched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)
    calls = mix(made.sorted_in_german(rng, 60), made.replies_of_two_models(rng, 60), made.junk(rng, 4))
    for n, call in enumerate(calls):
        call.tags = {SESSION_TAG: f"s{n // 4}"}
        call.started_at_us = calls[0].started_at_us + n // 3 * 1_000_000
    with Home(Loaded(Settings(), tmp_path, {})) as home:
        home.ledger.append(calls[:100])
        tasks = find_tasks(home)
        home.ledger.append(calls[100:])
        for task in tasks:
            every = Collector(task.name, home.prices, None)
            for call, match in home.recognised():
                if match is not None and match.task_id == task.id:
                    every.add(call, match)
                else:
                    every.pass_by(call)
            assert measuring.measure(home, task) == every.statistics()
        matched = list(home.recognised(task_id=tasks[0].id))
        late = matched.pop()
        monkeypatch.setattr(Home, "recognised", lambda *_, **__: iter([*matched, late]))
        others = [call for call in home.calls(bodies=False) if call.id != late[0].id]
        monkeypatch.setattr(Home, "calls", lambda *_, **__: iter(others))
        assert measuring.measure(home, tasks[0]).calls == 60
