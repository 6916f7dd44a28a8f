"""Sums say what adding up every call says: what was spent, how long calls took, how they failed."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import homes
from tests.support.ledger_calls import make_call
from typer.testing import CliRunner

from freehold.analytics.seen import rented_legs
from freehold.cli._app import app
from freehold.cli._measured import exact
from freehold.errors import UsageError
from freehold.services import accounting
from freehold.services.home import Home
from freehold.services.windows import Window
from freehold.settings import PriceSettings, Settings
from freehold.vocabulary import END_USER_TAG, TEAM_TAG, Call, Leg, Usage

DAY_US = 86_400_000_000
START_US = 1_781_827_200_000_000
assert START_US % DAY_US == 0
N = 600
MODELS = [("openai", "gpt-4.1"), ("openai", "gpt-4.1-mini"), ("deepseek", "deepseek-reasoner"), ("nobody", "none-such")]
CLI = CliRunner()


def usage(rng: random.Random) -> Usage | None:
    if rng.random() < 0.1:
        return None
    prompt = rng.choice([100, 40_000, 210_000, 300_000])
    return Usage(
        prompt, rng.randrange(50), output_tokens=rng.randrange(900), service_tier=rng.choice(["", "", "batch", "flex"])
    )


def calls() -> list[Call]:
    """Three days of calls to priced and unpriced models, by teams and users, some after a failed first attempt."""
    rng = random.Random(11)
    made: list[Call] = []
    for n in range(N):
        provider, model = rng.choice(MODELS)
        outcome, error, status = rng.choices(
            [("ok", "", 200), ("error", "upstream_failed", 502), ("incomplete", "stream_cut", 200)], [8, 1, 1]
        )[0]
        tags = {TEAM_TAG: rng.choice(["red", "blue"]), END_USER_TAG: f"user {rng.randrange(5)}"}
        fields: dict[str, Any] = {
            "started_at_us": START_US + rng.randrange(3 * DAY_US),
            "latency_ms": rng.lognormvariate(6, 1),
            "provider": provider,
            "model": model,
            "usage": usage(rng),
            "tags": tags if rng.random() < 0.7 else {},
            "owner": "rented",
            "outcome": outcome,
            "error": error,
            "status": status,
            "legs": (),
            "task": "",
            "key": rng.choice(["", "web"]),
        }
        if rng.random() < 0.3:
            first = Leg("serve", "rented", "openai", "gpt-4.1", "error", 429, error="upstream_rate_limited")
            second = Leg(
                "fallback", "rented", provider, f"{model}-2026", outcome, status, usage=fields["usage"], error=error
            )
            fields["legs"] = (first, second)
        made.append(make_call(n, **fields))
    made.append(
        make_call(
            N, started_at_us=START_US, owner="owned", model="student", usage=Usage(9), legs=(), task="", outcome="ok"
        )
    )
    made.append(make_call(N + 1, started_at_us=START_US, owner="rented", model="", usage=Usage(9), legs=(), task=""))
    made.append(make_call(N + 2, started_at_us=START_US, owner="rented", usage=None, legs=(), reason="cache_hit"))
    return made


CALLS = calls()


@pytest.fixture(scope="module", params=["sealed", "hot"])
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("accounts")
    with homes.home(folder) as home:
        home.ledger.append(CALLS)
        if request.param == "sealed":
            assert home.ledger.seal().calls == len(CALLS)
    return folder


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    with homes.home(folder) as home:
        yield home


def run(folder: Path, *arguments: str) -> Any:
    return CLI.invoke(app, list(arguments), env={"FREEHOLD_HOME": str(folder), "COLUMNS": "150"})


def cost(home: Home, call: Call) -> tuple[Decimal, int]:
    """What a call cost, request by request, and how many of its requests have no known price."""
    usd, unpriced = Decimal(0), 0
    for leg in rented_legs(call):
        if leg.usage is None:
            unpriced += leg.outcome not in ("error", "refused")
            continue
        priced = home.prices.price_leg(call, leg, leg.usage).usd
        unpriced += priced is None
        usd += priced or 0
    return usd, unpriced


def test_spend_is_the_sum_of_every_request_at_the_price_of_its_hour(home: Home):
    found = accounting.spend(home, Window())
    costs = [cost(home, call) for call in CALLS]
    assert found.total.usd == sum(usd for usd, _ in costs) > 1
    assert found.total.unpriced == sum(n for _, n in costs) > 0
    assert found.total.requests == sum(len(list(rented_legs(call))) for call in CALLS)
    assert sum(found.unpriced.values()) == found.total.unpriced
    assert any("nobody/none-such" in what for what in found.unpriced)
    assert found.unpriced["a model that is not named"] == 1
    assert found.total.requests == accounting.errors(home, Window(), ()).requests - 1  # that of the student
    assert all(source.date for source in found.sources)
    assert (found.looked.calls, found.days) == (len(CALLS), 3.0)


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (("team",), lambda call: (call.tags.get(TEAM_TAG, ""),)),
        (("day", "key"), lambda call: (moment(call).strftime("%Y-%m-%d"), call.key)),
        (("month",), lambda call: (moment(call).strftime("%Y-%m"),)),
        (("hour",), lambda call: (moment(call).strftime("%Y-%m-%dT%H:00"),)),
    ],
)
def test_every_group_has_its_own_part(home: Home, by: tuple[str, ...], told: Any):
    expected: Counter[tuple[str, ...]] = Counter()
    for call in CALLS:
        if call.owner == "rented":
            expected[told(call)] += cost(home, call)[0]
    (table,) = accounting.spend(home, Window(), [by]).tables
    assert {tuple(one.by.values()): one.usd for one in table.groups if one.usd} == {
        k: v for k, v in expected.items() if v
    }
    assert table.by == by
    assert sum(one.share or 0 for one in table.groups) == pytest.approx(1)


def test_users_share_a_day_of_cheap_hours_and_pay_for_all_else_exactly(home: Home):
    (table,) = accounting.spend(home, Window(), [("user", "model")]).tables
    whole = float(sum(cost(home, call)[0] for call in CALLS))
    assert float(sum(one.usd for one in table.groups)) == pytest.approx(whole, rel=1e-12)
    assert table.shared_out == ("deepseek-reasoner",)
    exact = {(one.by["user"], one.by["model"]): one.usd for one in table.groups}
    for model in ("gpt-4.1-mini", "deepseek-reasoner"):
        for user in {call.tags.get(END_USER_TAG, "") for call in CALLS}:
            some = [c for c in CALLS if c.model == model and c.tags.get(END_USER_TAG, "") == user]
            own = float(sum(cost(home, call)[0] for call in some))
            assert float(exact[user, model]) == pytest.approx(own, rel=0.4 if model.startswith("deep") else 1e-12)


def moment(call: Call) -> datetime:
    return datetime.fromtimestamp(call.started_at_us / 1e6, UTC)


def test_hours_with_a_price_of_their_own_are_told_apart(home: Home):
    at = datetime(2025, 6, 1, tzinfo=UTC)
    rates = {home.prices.rates("deepseek", "deepseek-reasoner", at.replace(hour=hour)) for hour in range(24)}
    assert len({one.input_usd_per_mtok for one in rates if one}) == 2
    assert home.prices.by_the_hour("deepseek", "deepseek-reasoner", at)
    assert not home.prices.by_the_hour("openai", "gpt-4.1", at)


def test_a_contract_of_some_days_hides_no_cheap_hours_of_others(tmp_path: Path):
    """The last day has a price of its own; the day before has hours that are cheaper."""
    day = datetime.fromtimestamp(START_US / 1e6, UTC).date() + timedelta(days=1)
    price = PriceSettings(Decimal(5), Decimal(5), since=day)
    settings = Settings(prices={"deepseek/deepseek-reasoner": price})
    fields: dict[str, Any] = {"provider": "deepseek", "model": "deepseek-reasoner", "usage": Usage(1_000_000)}
    fields |= {"owner": "rented", "outcome": "ok", "legs": (), "task": "", "error": ""}
    some = [make_call(n, started_at_us=START_US + n * DAY_US // 12, **fields) for n in range(24)]
    with homes.home(tmp_path, settings) as home:
        home.ledger.append(some)
        found = accounting.spend(home, Window())
        assert found.total.usd == sum(cost(home, call)[0] for call in some)


def test_a_window_is_widened_to_whole_half_hours_and_said(home: Home):
    window = Window(START_US + 600_000_000, START_US + DAY_US - 600_000_000)
    inside = [call for call in CALLS if call.started_at_us < START_US + DAY_US]
    found = accounting.spend(home, window)
    assert found.looked.calls == len(inside)
    assert found.total.usd == sum(cost(home, call)[0] for call in inside)
    assert found.monthly(Decimal(1)) == pytest.approx(Decimal("30.44"), rel=Decimal("0.001"))


def test_what_a_table_covers_is_said_where_it_is_wider_than_the_window(home: Home):
    window = Window(START_US + DAY_US + 1_900_000_000, START_US + DAY_US + 9_100_000_000)
    found = accounting.spend(home, window, [("user",), ("team",)])
    by_user, by_team = found.tables
    day = [call for call in CALLS if START_US + DAY_US <= call.started_at_us < START_US + 2 * DAY_US]
    assert by_user.looked.calls == len(day) > found.looked.calls > 0
    assert sum(one.requests for one in by_user.groups) == sum(len(list(rented_legs(call))) for call in day)
    assert by_user.days > 20 * found.days / 24 > 0
    assert by_user.monthly(Decimal(1)) == pytest.approx(Decimal("30.44"), rel=Decimal("0.05"))
    assert (by_team.looked, by_team.days) == (found.looked, found.days)
    slow = accounting.latency(home, window, ())
    hours = [call for call in day if call.started_at_us // 3_600_000_000 % 24 < 3]
    assert slow.looked.calls == len(hours)
    assert sum(one.calls for one in slow.groups) == sum(call.outcome == "ok" for call in hours)


def test_quantiles_are_those_of_the_calls_and_lie_in_their_intervals(home: Home):
    (found,) = accounting.latency(home, Window(), ()).groups
    values = np.sort([call.latency_ms for call in CALLS if call.outcome == "ok"])
    (whole,) = [phase for phase in found.phases if phase.phase == "total"]
    assert whole.n == len(values) == found.calls
    for one in whole.quantiles:
        assert one.ms == pytest.approx(values[int(one.q * (len(values) - 1))], rel=0.0251)
        assert one.interval is None or one.interval.low < one.ms < one.interval.high
    assert [one.interval is not None for one in whole.quantiles] == [True, True, True]
    few = accounting.latency(home, Window(), ("model", "hour")).groups
    assert all(q.interval is None for one in few for phase in one.phases for q in phase.quantiles if q.q == 0.99)


def test_calls_whose_log_says_no_latency_are_counted_and_not_taken_for_fast(tmp_path: Path):
    with homes.home(tmp_path) as home:
        fields: dict[str, Any] = {"outcome": "ok", "owner": "rented", "legs": ()}
        home.ledger.append(make_call(n, latency_ms=0.0 if n < 30 else 250.0, ttft_ms=None, **fields) for n in range(40))
        found = accounting.latency(home, Window(), ())
    assert found.untimed == 30
    (group,) = found.groups
    assert (group.calls, group.phases[0].n) == (10, 10)
    assert group.phases[0].quantiles[0].ms == pytest.approx(250, rel=0.0251)


def test_failures_are_counted_with_the_requests_behind_them(home: Home):
    found = accounting.errors(home, Window(), ())
    bad = Counter((call.outcome, call.error, call.status) for call in CALLS if call.outcome != "ok")
    assert {(f.outcome, f.error, f.status): f.calls for f in found.failures if f.calls} == dict(bad)
    assert (found.calls, found.failed_calls) == (len(CALLS), sum(bad.values()))
    assert found.interval.low < found.failed_calls / found.calls < found.interval.high
    (limited,) = [f for f in found.failures if f.error == "upstream_rate_limited"]
    assert (limited.calls, limited.requests) == (0, sum(bool(call.legs) for call in CALLS))
    assert sum(f.requests for f in found.failures) == found.failed_requests
    assert all(f.first <= f.last for f in found.failures)


@pytest.mark.parametrize(
    "arguments",
    [
        ("spend", "--by", "colour"),
        ("spend", "--by", "user,task"),
        ("latency", "--by", "key"),
        ("errors", "--by", "tier"),
        ("spend", "--since", "2026-06-20", "--until", "2026-06-19"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_what_can(folder: Path, arguments: tuple[str, ...]):
    done = run(folder, *arguments)
    assert isinstance(done.exception, UsageError)
    assert done.exception.hint


def test_commands_print_tables_and_documents(folder: Path):
    for name in ("spend", "latency", "errors"):
        assert json.loads(run(folder, name, "--json").stdout)["schema"] == f"freehold.{name}/1"
    spent = run(folder, "spend").stdout
    assert "By team" in spent
    assert "none-such" in spent
    assert "unknown, and in no sum" in spent
    (line,) = [one for one in run(folder, "spend", "--by", "model").stdout.splitlines() if one.startswith(" - ")]
    assert "1 unknown" in line
    assert "$0.00" not in line
    assert "upstream_rate_limited" in run(folder, "errors").stdout
    assert "gpt-4.1-mini" in run(folder, "latency", "--by", "model").stdout
    assert re.search(r" ms \(\d+ to \d+ ms\)", run(folder, "latency", "--by", "model").stdout)


def test_calls_that_stand_for_more_are_priced_as_recorded_and_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = run(folder, "spend").stdout
    assert "recorded calls alone" not in plain
    monkeypatch.setenv("FREEHOLD_WORKLOAD__SAMPLE_WEIGHT", "300")
    weighed = run(folder, "spend").stdout
    assert "of the recorded calls alone; verdicts take each for 300 calls" in " ".join(weighed.split())
    assert [one for one in weighed.splitlines() if "$" in one] == [one for one in plain.splitlines() if "$" in one]


def test_what_names_nothing_tells_nothing_apart(folder: Path):
    assert "By team" in run(folder, "spend", "--by", ",").stdout
    (line,) = [line for line in run(folder, "latency", "--by", ",").stdout.splitlines() if " whole  " in line]
    assert line.split()[1] == str(sum(call.outcome == "ok" for call in CALLS))
    assert "upstream_rate_limited" in run(folder, "errors", "--by", "").stdout


def test_a_window_without_calls_is_no_empty_ledger(folder: Path):
    for name in ("spend", "latency", "errors", "savings", "workflows"):
        assert run(folder, name, "--since", "2031-01-01").stdout.strip() == "There is no call to look at."


def test_small_amounts_are_written_out():
    assert [exact(Decimal(some)) for some in ("0.0000634", "0.00091", "12.345", "1234.5")] == [
        "$0.0000634",
        "$0.00091",
        "$12.3",
        "$1,230",
    ]


def test_an_empty_ledger_says_so(tmp_path: Path):
    for name in ("spend", "latency", "errors"):
        done = run(tmp_path, name)
        assert done.exit_code == 0, done.exception
        assert done.stdout.strip() == "There is no call to look at."
