"""Outages rehearsed: what fails, who stands in, at what cost; nothing leaves, and nothing is written into the home."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support import homes
from tests.support.bundles import certificate, draft
from tests.support.gateway import SYSTEM, TASK, renting_from, running
from tests.support.students import SURE, UNSURE, ScriptedHost

from freehold.errors import MissingPrerequisite, NotFound, UsageError
from freehold.ledger.exporting import export_calls
from freehold.services import _stage, drilling
from freehold.services.drilling import Drill, Order
from freehold.services.home import Home
from freehold.settings import GatewaySettings, PriceSettings, ProviderSettings, Settings, TaskSettings
from freehold.vocabulary import Call, Usage

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
PRICES = {"up/gpt-x": PriceSettings(Decimal(2), Decimal(8)), "spare/gpt-x": PriceSettings(Decimal(3), Decimal(8))}
TEN_MINUTES = Order("up", 600.0, 1200.0)
"""Ten minutes of an outage in half a second."""


def call(number: int, minutes: float, *, system: str = SYSTEM, stream: bool = False, answer: str = "refund") -> Call:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": f"where is it {number}"}]
    request: dict[str, Any] = {"model": "gpt-x", "messages": messages} | ({"stream": True} if stream else {})
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 1, "total_tokens": 1001}
    response = {
        "id": "r",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-x",
        "choices": [choice],
        "usage": usage,
    }
    return Call(
        id=f"call-{number:04d}",
        started_at_us=round((BEGAN + timedelta(minutes=minutes)).timestamp() * 1e6),
        latency_ms=400.0,
        provider="up",
        model="gpt-x",
        request=json.dumps(request).encode(),
        response=json.dumps(response | {"usage": usage}).encode(),
        usage=Usage(1000, output_tokens=1),
        streamed=stream,
    )


@contextmanager
def made(folder: Path, *, fallback: str = "spare", **tasks: TaskSettings) -> Iterator[Home]:
    """A home with a quiet hour, a busy ten minutes, and a quiet hour again."""
    providers = {
        "up": ProviderSettings(
            "openai", base_url="https://nowhere.invalid/v1", fallback=fallback, api_key_env="UP_KEY"
        ),
        "spare": ProviderSettings("mistral", api_key_env="SPARE_KEY"),
    }
    settings = Settings(
        default_provider="up",
        providers=providers,
        gateway=GatewaySettings(require_key=True),
        tasks=tasks,
        prices=PRICES,
    )
    with homes.home(folder, settings) as home:
        quiet = [call(number, minutes) for number, minutes in enumerate((*range(0, 60, 5), *range(72, 120, 5)))]
        busy = [call(100 + number, 61 + number / 5, stream=number % 2 == 0) for number in range(50)]
        home.ledger.append([*quiet, *busy])
        home.registry.save_discovered([TASK])
        yield home


def owned(home: Home, monkeypatch: pytest.MonkeyPatch, says: Any) -> None:
    """Promote an owned model that says this."""
    student = draft(student_id="s1", task_id=TASK.id, schema="freehold.bundle/1")
    home.registry.add_student(student, home.path / "bundles" / "s1")
    promise = certificate("s1", TASK.id, template_ids=("t1",), threshold=0.9, scope_threshold=0.5)
    home.registry.add_certificate(promise)
    home.registry.set_stage(TASK.id, "full", by="ann")
    monkeypatch.setattr(_stage, "StudentHost", lambda *_, **__: ScriptedHost(says))


def of_task(drill: Drill, name: str = "triage") -> Any:
    return next(one for one in drill.tasks if one.task == name)


def test_a_second_provider_stands_in_and_its_cost_is_counted(tmp_path: Path) -> None:
    with made(tmp_path) as home:
        before = {path: path.stat().st_mtime_ns for path in home.path.rglob("*") if path.is_file()}
        drill = drilling.outage(home, TEN_MINUTES._replace(faults=("503",)))
        assert {path: path.stat().st_mtime_ns for path in home.path.rglob("*") if path.is_file()} == before
    assert (drill.began_at, drill.for_s, drill.calls, drill.one_in) == ("2026-03-02T01:01:00+00:00", 600.0, 50, 1)
    assert (drill.availability, drill.failed_outside) == (1.0, 0)
    task = of_task(drill)
    assert task.exposed >= 45
    assert task.stood_in == {"spare": task.exposed}
    assert drill.without == 1 - task.exposed / 50
    assert task.extra_usd == task.exposed * Decimal("0.001")
    assert (task.failed, task.unpriced, task.owned.compared) == (0, 0, 0)
    assert drilling.worth(task) == "spare: not known, its answers were played"
    said = drilling.in_words(drill)
    assert said[0].startswith("up down for 10 minutes from 2026-03-02 01:01 UTC of the recorded traffic (503)")
    assert said[1].startswith("50 calls: clients got a whole answer to 100.00 %; with nobody to stand in, ")


def test_with_nobody_to_stand_in_everything_fails_and_the_rest_does_not(tmp_path: Path) -> None:
    with made(tmp_path, fallback="") as home:
        drill = drilling.outage(home, TEN_MINUTES._replace(faults=("503", "drop")))
    task = of_task(drill)
    assert task.failed == task.exposed >= 45
    assert task.stood_in == {}
    assert drill.availability == drill.without < 0.11
    assert drill.failed_outside == 0
    assert drill.back_after_s == 60.0


def test_an_owned_model_that_is_sure_is_not_exposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made(tmp_path, fallback="") as home:
        owned(home, monkeypatch, SURE)
        drill = drilling.outage(home, TEN_MINUTES)
    task = of_task(drill)
    assert (drill.availability, drill.without, task.exposed, task.failed) == (1.0, 1.0, 0, 0)


def test_an_owned_model_that_stands_in_is_compared_with_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made(tmp_path, fallback="", triage=TaskSettings(owned_fallback=True)) as home:
        home.ledger.append([call(300 + number, 62 + number, answer="invoice") for number in range(5)])
        owned(home, monkeypatch, UNSURE)
        drill = drilling.outage(home, TEN_MINUTES._replace(faults=("503",)))
    task = of_task(drill)
    assert (drill.availability, task.failed) == (1.0, 0)
    assert task.stood_in == {"owned": task.exposed}
    assert task.owned.compared == task.exposed >= 45
    assert 4 <= task.owned.compared - task.owned.agreed <= 5
    assert task.extra_usd < 0
    assert "as recorded" in drilling.worth(task)


def test_what_belongs_to_no_task_is_a_row_of_its_own(tmp_path: Path) -> None:
    with made(tmp_path) as home:
        home.ledger.append([call(400 + number, 62 + number, system="Write a poem.") for number in range(5)])
        drill = drilling.outage(home, TEN_MINUTES._replace(faults=("429",)))
    assert [(one.task, one.calls) for one in drill.tasks] == [("triage", 50), ("", 5)]


def test_another_log_can_be_played_and_busy_traffic_is_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "MOST_PER_S", 20.0)
    log = tmp_path / "other.jsonl"
    with log.open("wb") as file:
        export_calls([call(number, number / 60) for number in range(600)], file)
    with made(tmp_path / "home") as home:
        drill = drilling.outage(home, TEN_MINUTES._replace(log=log, faults=("503",)))
        assert 15 <= drill.calls <= 28
        assert drill.one_in == -(-600 // 28)
        with pytest.raises(NotFound, match="is no file"):
            drilling.outage(home, TEN_MINUTES._replace(log=tmp_path / "none"))


def test_what_cannot_be_rehearsed_is_said(tmp_path: Path) -> None:
    with made(tmp_path / "one") as home:
        with pytest.raises(NotFound, match="no provider 'spar'") as error:
            drilling.outage(home, Order("spar", 60.0))
        assert error.value.hint == "did you mean spare?"
        for to, listen in (("nowhere", "127.0.0.1:9"), ("http://127.0.0.1:9", "9100"), ("http://127.0.0.1:9", "a:b")):
            with pytest.raises(UsageError):
                drilling.elsewhere(home, TEN_MINUTES, to, listen)
    empty = homes.home(tmp_path / "two", Settings(providers={"up": ProviderSettings("openai")}))
    with empty, pytest.raises(MissingPrerequisite, match="no calls to rehearse with"):
        drilling.outage(empty, TEN_MINUTES)


def test_a_gateway_somewhere_else_is_rehearsed_with_a_provider_that_is_played(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
    with (
        made(tmp_path / "home") as home,
        running(renting_from(f"http://{listen}/v1"), tmp_path / "there") as there,
    ):
        order = TEN_MINUTES._replace(faults=("503",))
        drill = drilling.elsewhere(home, order, f"http://127.0.0.1:{there.port}", listen)
        assert drill.availability < 0.2
        assert drill.failed_outside == 0
        assert of_task(drill).unpriced == 0
    with made(tmp_path / "other") as home, running(renting_from("http://127.0.0.1:9/v1"), tmp_path / "off") as there:
        with pytest.raises(MissingPrerequisite, match="no request reached") as error:
            drilling.elsewhere(home, TEN_MINUTES, f"http://127.0.0.1:{there.port}", listen)
        assert f'base_url = "http://{listen}/v1"' in error.value.hint


def test_no_speed_plays_an_outage_in_less_time_than_its_calls_take() -> None:
    assert Order("up", 60.0, float("inf")).paced().speed == 60.0
    assert Order("up", 3600.0, 600.0).paced().speed == 600.0
    assert Order("up", 0.5, 600.0).paced().speed == 1.0
