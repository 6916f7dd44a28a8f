"""The radar: models in use with what they cost, and what lists, headers, catalogue and refusals say of their end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support import homes
from tests.support.registry import task
from tests.support.upstream import Upstream, http, send

from freehold.gateway._sunsets import Sunsets
from freehold.services import model_lists, radar
from freehold.services.doctoring import examine
from freehold.services.home import Home
from freehold.services.radar import ModelRow
from freehold.settings import ProviderSettings, Settings
from freehold.vocabulary import Call, Leg, MessagePattern, Slot, Template, Usage

TODAY = date(2026, 11, 25)
SORT = Template("a", (MessagePattern("system", ("Sort this.",)), MessagePattern("user", (Slot("x"),))))
REQUEST = json.dumps(
    {"model": "m", "messages": [{"role": "system", "content": "Sort this."}, {"role": "user", "content": "x"}]}
)
numbers = iter(range(10**6))


def call(model: str, *legs: Leg, provider: str = "openai", days_ago: float = 0.0, **more: Any) -> Call:
    at = datetime(2026, 11, 24, tzinfo=UTC) - timedelta(days=days_ago)
    fields: dict[str, Any] = {
        "id": f"call_{next(numbers)}",
        "started_at_us": round(at.timestamp() * 1e6),
        "latency_ms": 1.0,
        "provider": provider,
        "model": model,
        "request": REQUEST.encode(),
        "response": b"{}",
        "usage": Usage(1_000_000),
        "legs": legs,
    }
    return Call(**fields | more)


def refused(status: int, days_ago: float, model: str = "lost") -> Call:
    leg = Leg("serve", "rented", "openai", model, "error", status)
    return call(model, leg, days_ago=days_ago, outcome="error", status=status, owner="none", usage=None)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with homes.home(tmp_path / "home") as home:
        home.registry.save_discovered([task("t1", SORT, name="triage")])
        yield home


def seen(home: Home, *calls: Call, today: date = TODAY) -> dict[str, ModelRow]:
    home.ledger.append(calls)
    return {row.model: row for row in radar.models(home, today=today).models}


def test_calls_spend_tasks_and_risk_of_every_rented_model(home: Home) -> None:
    escalated = call(
        "gpt-4.1",
        Leg("serve", "owned", "owned", "s1", "ok"),
        Leg("escalate", "rented", "openai", "gpt-4.1-2025-04-14", "ok", usage=Usage(500_000)),
        Leg("fallback", "rented", "openai", "gpt-4.1-2025-04-14", "error", 500),
    )
    own = call("gpt-4.1", Leg("serve", "owned", "owned", "s1", "ok"), owner="owned")
    other = call("gpt-5.6-sol", request=b"{}", days_ago=40)
    rows = seen(home, other, call("gpt-4.1", days_ago=1), escalated, own, call("mystery", usage=None))
    assert set(rows) == {"gpt-4.1", "gpt-4.1-2025-04-14", "gpt-5.6-sol", "mystery"}
    whole, snapshot = rows["gpt-4.1"], rows["gpt-4.1-2025-04-14"]
    assert (whole.calls, whole.spend_usd, whole.unpriced, whole.tasks) == (1, Decimal(2), 0, ("triage",))
    assert (snapshot.calls, snapshot.failed, snapshot.spend_usd) == (2, 1, Decimal(1))
    assert (whole.first_seen, whole.last_seen, whole.in_use) == ("2026-11-23", "2026-11-23", True)
    assert (rows["gpt-5.6-sol"].in_use, rows["gpt-5.6-sol"].tasks) == (False, ())
    assert rows["mystery"].unpriced == 1
    assert [rows[name].risk.status for name in ("gpt-4.1", "gpt-5.6-sol", "mystery")] == ["retiring", "none", "none"]
    assert radar.in_words(whole.risk) == "will be shut down on 2027-01-14, in 50 days; recommended instead: gpt-6-luna"
    assert [row.risk.status for row in radar.models(home, today=TODAY).models[:2]] == ["retiring", "retiring"]


def test_a_model_that_is_refused_again_and_again_is_gone(home: Home) -> None:
    rows = seen(home, call("lost", days_ago=9), refused(404, 3), refused(404, 2), refused(404, 1))
    assert rows["lost"].risk.status == "gone"
    assert "refused as unknown" in radar.in_words(rows["lost"].risk)
    assert seen(home, call("lost"))["lost"].risk.status == "none"
    assert seen(home, refused(410, -0.5))["lost"].risk.status == "gone"
    assert seen(home, refused(404, 0, "other"), refused(404, 0, "other"))["other"].risk.status == "none"


def test_a_model_that_answers_after_its_day_is_overdue_and_one_that_does_not_is_retired(home: Home) -> None:
    rows = seen(home, call("gpt-4"), call("o1", days_ago=60), call("gpt-3.5-turbo", outcome="error", owner="none"))
    assert [rows[name].risk.status for name in ("gpt-4", "o1", "gpt-3.5-turbo")] == ["overdue", "retired", "retired"]
    assert "the date moved, or another answers" in radar.in_words(rows["gpt-4"].risk)
    assert "33 days ago" in radar.in_words(rows["o1"].risk)


def test_headers_of_answers_are_believed_more_than_the_catalogue(home: Home) -> None:
    sunsets = Sunsets(home.path)
    sunsets.note("openai", "gpt-4.1", [(b"sunset", b"2027-03-01")])
    sunsets.note("openai", "mystery", [(b"deprecation", b"true")])
    sunsets.settle()
    rows = seen(home, call("gpt-4.1"), call("mystery"))
    assert rows["gpt-4.1"].risk.shutdown == date(2027, 3, 1)
    assert [source.name[:7] for source in rows["gpt-4.1"].risk.sources] == ["headers", "OpenAI,"]
    assert radar.in_words(rows["mystery"].risk) == "is deprecated; its provider states no date"


def body(*models: dict[str, Any]) -> bytes:
    return json.dumps({"object": "list", "data": list(models)}).encode()


def test_providers_lists_are_fetched_and_compared_with_what_they_were(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("UP_KEY", "sk-canary")
    with Upstream() as up, Upstream() as down:
        providers = {
            "up": ProviderSettings("openai", base_url=up.url, api_key_env="UP_KEY"),
            "down": ProviderSettings("compatible", base_url=down.url),
            "keyless": ProviderSettings("openai", base_url=up.url, api_key_env="NO_SUCH_KEY"),
            "tape": ProviderSettings("recorded", file="none.jsonl"),
        }
        down.default = (send(http(500, b"{}")),)
        with homes.home(tmp_path / "home", Settings(providers=providers)) as home:
            up.play(send(http(200, body({"id": "kept"}, {"id": "leaving"}))))
            model_lists.refresh(home, today=date(2026, 11, 1))
            assert up.requests[0].head.startswith(b"GET /v1/models ")
            assert up.requests[0].headers["authorization"] == "Bearer sk-canary"
            dated = {"id": "kept", "shutdown_date": "2027-05-01"}
            late = {"id": "late", "deprecation": "2027-02-03T12:00:00Z", "deprecation_replacement_model": "new"}
            blue = {"id": "blue", "deprecation": {"inference": 1_804_204_800}, "aliases": ["sky"]}
            up.play(send(http(200, body(dated, late, blue))))
            lists = {one.provider: one for one in model_lists.refresh(home, today=date(2026, 11, 20))}
            assert set(lists) == {"up", "down", "keyless"}
            assert lists["up"].present == 4
            assert "status 500" in lists["down"].error
            assert "NO_SUCH_KEY" in lists["keyless"].error
            calls = [call(name, provider="up") for name in ("kept", "leaving", "late", "sky", "never")]
            rows = seen(home, *calls)
            status = {name: (row.risk.status, str(row.risk.shutdown)) for name, row in rows.items()}
            assert status == {
                "kept": ("retiring", "2027-05-01"),
                "late": ("retiring", "2027-02-03"),
                "sky": ("retiring", "2027-03-05"),
                "leaving": ("vanished", "None"),
                "never": ("none", "None"),
            }
            assert rows["late"].risk.replacement == "new"
            up.play(send(http(200, b"<html>")))
            model_lists.refresh(home, today=date(2026, 11, 21))
            kept = {one.provider: one for one in model_lists.read(home.path)}["up"]
            assert (kept.fetched_on, kept.present, kept.error) == ("2026-11-20", 4, "the list could not be read")
            found = radar.models(home, today=TODAY)
            assert {one.provider for one in found.lists} == {"up", "down", "keyless"}
            assert b"sk-canary" not in (home.path / model_lists.FILE_NAME).read_bytes()


def test_the_doctor_names_the_nearest_end_of_a_model_in_use(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.ledger.append([call("gpt-4.1"), call("gpt-5-mini"), call("o1", days_ago=60), call("gpt-5.6-sol")])
    risks = radar.at_risk(home, today=TODAY)
    assert [(model, risk.status) for _, model, risk in risks] == [("gpt-5-mini", "retiring"), ("gpt-4.1", "retiring")]
    monkeypatch.setenv("FREEHOLD_HOME", str(home.path))
    found = {ailment.code: ailment for ailment in examine()}["model_retirement"]
    assert found.what.startswith("gpt-5-mini of openai ")
    assert found.what.endswith("(1 more of the models in use are at risk)")
    assert found.mend == "freehold models --risk"


def test_an_empty_home_holds_no_models(home: Home) -> None:
    assert radar.models(home).models == ()
    assert radar.at_risk(home) == []
