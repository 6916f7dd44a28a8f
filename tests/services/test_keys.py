"""What a person writes about a key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support import keys as support

from freehold.errors import MissingPrerequisite, UsageError
from freehold.gateway.callers import Callers
from freehold.registry.keys import PEPPER_FILE
from freehold.services import doctoring, keys
from freehold.services.home import Home
from freehold.services.keys import parse_budget, parse_expiry
from freehold.settings import Loaded
from freehold.vocabulary import Budget, Call, Leg, Purpose, Usage

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("50usd/month", Budget(50_000_000_000, "month")),
        (" 0.5 USD / day ", Budget(500_000_000, "day")),
        ("$7.25/week", Budget(7_250_000_000, "week")),
        ("1000/total", Budget(1_000_000_000_000, "total")),
        ("0.000000001usd", Budget(1, "total")),
    ],
)
def test_budgets(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    "text",
    ["", "usd", "0usd/day", "-5usd/day", "5eur/day", "5usd/year", "1.2.3usd", ".", "5usd/", "0.0000000001usd",
     "1000000001usd", "nan", "1e3usd", "\u0665usd/day"],
)  # fmt: skip
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(UsageError, match="no budget"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2026-03-04", datetime(2026, 3, 5, tzinfo=UTC)),
        ("2026-12-31T10:00:00", datetime(2026, 12, 31, 10, tzinfo=UTC)),
        ("2026-12-31T10:00:00+02:00", datetime(2026, 12, 31, 8, tzinfo=UTC)),
    ],
)
def test_expiries(text: str, moment: datetime) -> None:
    assert parse_expiry(text, NOW) == int(moment.timestamp() * 1e6)


@pytest.mark.parametrize("text", ["", "0d", "soon", "2026-03-03", "2026-02-30", "2020-01-01T00:00:00", "9" * 20 + "d"])
def test_what_is_no_time_to_come(text: str) -> None:
    with pytest.raises(UsageError, match="no time to come"):
        parse_expiry(text, NOW)


def call(n: int, key: str, usage: Usage | None, *, days_ago: int = 0, purpose: Purpose = "serve") -> Call:
    made = Leg(purpose, "rented", "up", "m-as-answered", "ok", usage=usage)
    at = support.NOON // 1000 - days_ago * 86_400_000_000
    return Call(f"c{n}", at, 1.0, "up", "m", b"{}", b"{}", usage=usage, legs=(made,), key=key)


def test_an_account_is_made_anew_from_the_ledger(tmp_path: Path) -> None:
    support.make(tmp_path, "total", budget=support.budget(5, "total"))
    daily = support.make(tmp_path, "daily", budget=support.budget(1, "day"))
    support.make(tmp_path, "free")
    (tmp_path / "budgets").mkdir()
    (tmp_path / "budgets/book").write_bytes(b"torn")
    with Home(Loaded(support.PRICED, tmp_path, {})) as home:
        with pytest.raises(MissingPrerequisite, match="damaged"):
            keys.listed(home)
        imported = call(9, "total", Usage(output_tokens=1000))
        imported.source = "import"
        home.ledger.append(
            [
                imported,
                call(1, "total", Usage(output_tokens=1000)),
                call(2, "total", Usage(output_tokens=1000), days_ago=400),
                call(3, "total", Usage(output_tokens=1000), purpose="audit"),
                call(4, "total", None),
                call(5, "daily", Usage(1, output_tokens=2000)),
                call(6, "daily", Usage(output_tokens=2000), days_ago=2),
                call(7, "free", Usage(output_tokens=2000)),
                call(8, "", Usage(output_tokens=2000)),
            ]
        )
        rebuilt = keys.rebuild(home, support.NOON)
        assert {row.name: row.spent_usd for row in rebuilt.keys} == {
            "total": Decimal("0.02"),
            "daily": Decimal("0.020001"),
        }
        assert (rebuilt.calls, rebuilt.unpriced) == (4, 1)
        assert [file.read_bytes() for file in (tmp_path / "budgets").glob("book.before-*")] == [b"torn"]
        callers = Callers(tmp_path, support.PRICED, support.Clock())
        callers.prepare()
        callers.admit(support.caller(callers, daily), support.claim(output=97_999)).release()
        with pytest.raises(MissingPrerequisite, match="is running"):
            keys.rebuild(home, support.NOON)
        callers.close()
        assert keys.rebuild(home, support.NOON).keys[0].spent_usd == Decimal("0.02")


def test_the_doctor_says_once_what_several_looks_stumble_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    support.make(tmp_path)
    (tmp_path / "control.db").write_bytes(b"no database" * 1000)
    (only,) = [one for one in doctoring.examine() if one.code == "registry_unavailable"]
    assert "disk is full" in only.mend


def test_the_doctor_names_lost_secrets_and_torn_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    support.make(tmp_path, budget=support.budget(5))

    def codes() -> set[str]:
        return {one.code for one in doctoring.examine()} & {"keys_unreadable", "budget_unavailable"}

    assert codes() == set()
    (tmp_path / PEPPER_FILE).unlink()
    (tmp_path / "budgets").mkdir()
    (tmp_path / "budgets/book").write_bytes(b"torn")
    assert codes() == {"keys_unreadable", "budget_unavailable"}
    mends = [one.mend for one in doctoring.examine() if one.code == "budget_unavailable"]
    assert mends == ["stop the gateway, then: freehold keys rebuild"]
