"""What customers cost is what pricing each of their requests says, and what they pay is what the table says."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support import homes
from tests.support.ledger_calls import make_call
from typer.testing import CliRunner

from freehold.analytics.seen import rented_legs
from freehold.cli._app import app
from freehold.economics.workload import MONTH_DAYS
from freehold.errors import BadRevenue, NotFound, UsageError
from freehold.registry import keys
from freehold.services import accounting, margins
from freehold.services.home import Home
from freehold.services.windows import Window
from freehold.settings import LedgerSettings, Settings
from freehold.vocabulary import END_USER_TAG, FEATURE_TAG, Call, Usage
from freehold.vocabulary.pseudonyms import pseudonym

DAY_US = 86_400_000_000
START_US = 1_781_827_200_000_000  # 2026-06-19
MODELS = [("openai", "gpt-4.1"), ("deepseek", "deepseek-reasoner"), ("nobody", "none-such")]
CLI = CliRunner()


def calls(n: int = 500) -> list[Call]:
    """Forty days of calls to a priced model, one with cheap hours and one without a price, for users and nobody."""
    rng = random.Random(5)
    made: list[Call] = []
    for i in range(n):
        provider, model = rng.choice(MODELS)
        user = rng.choice(["ann", "bob", "cem", "dee", ""])
        tags = {FEATURE_TAG: rng.choice(["chat", "search"])} | ({END_USER_TAG: user} if user else {})
        made.append(
            make_call(
                i,
                started_at_us=START_US + rng.randrange(40 * DAY_US),
                provider=provider,
                model=model,
                usage=Usage(rng.randrange(90_000), output_tokens=rng.randrange(900)),
                tags=tags,
                owner="rented",
                outcome="ok",
                legs=(),
                key=rng.choice(["", "web"]),
            )
        )
    return made


CALLS = calls()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("margins")
    with homes.home(folder) as home:
        home.ledger.append(CALLS[:300])
        home.ledger.seal()
        home.ledger.append(CALLS[300:])
    return folder


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    with homes.home(folder) as home:
        yield home


@pytest.fixture
def revenue(tmp_path: Path) -> Path:
    path = tmp_path / "pay.csv"
    path.write_text("user,plan,monthly_usd\nann,pro,20\nbob,pro,$1\ncem,free,\nzoe,pro,20\n")
    return path


def costs(home: Home, tag: str) -> dict[str, Decimal]:
    """What each value of a tag cost, call by call."""
    found: Counter[str] = Counter()
    sums: dict[str, Decimal] = {}
    for call in CALLS:
        for leg in rented_legs(call):
            assert leg.usage is not None
            usd = home.prices.price_leg(call, leg, leg.usage).usd
            who = call.tags.get(tag, "")
            sums[who] = sums.get(who, Decimal(0)) + (usd or 0)
            found[who] += 1
    return sums


def test_costs_are_those_of_every_request_at_its_own_price(home: Home, revenue: Path) -> None:
    found = margins.margins(home, Window(), revenue)
    expected = costs(home, END_USER_TAG)
    assert {one.customer: one.cost_usd for one in found.customers} == {
        **{name: usd for name, usd in expected.items() if name},
        "zoe": Decimal(0),
    }
    assert found.nobody_usd == expected[""]
    assert found.cost_usd == accounting.spend(home, Window()).total.usd
    assert found.unpriced == sum(call.provider == "nobody" for call in CALLS)
    assert {one.feature: one.cost_usd for one in margins.margins(home, Window(), by="key").features} != {}


def test_what_is_paid_counts_for_the_time_that_is_looked_at(home: Home, revenue: Path) -> None:
    found = margins.margins(home, Window(), revenue)
    months = Decimal(repr(found.days)) / MONTH_DAYS
    assert {one.customer: one.revenue_usd for one in found.customers} == {
        "ann": 20 * months,
        "bob": 1 * months,
        "cem": Decimal(0),
        "dee": Decimal(0),
        "zoe": 20 * months,
    }
    assert {one.customer: one.plan for one in found.customers if one.customer != "dee"} == {
        "ann": "pro",
        "bob": "pro",
        "cem": "free",
        "zoe": "pro",
    }
    assert found.unused == 1


def test_an_amount_of_a_month_counts_by_the_days_of_it(home: Home, tmp_path: Path) -> None:
    table = tmp_path / "months.csv"
    table.write_text("customer;month;amount\nann;2026-06;30\nann;2026-07;31\nann;2026-03;500\n")
    window = Window(START_US, START_US + 20 * DAY_US)  # to 2026-07-09, excluded
    found = margins.margins(home, window, table)
    (ann,) = (one for one in found.customers if one.customer == "ann")
    last = max(call.started_at_us for call in CALLS if call.started_at_us < window.until_us)  # type: ignore[operator]
    first = min(call.started_at_us for call in CALLS)
    half_hour = 1_800_000_000
    covered = Decimal(last // half_hour * half_hour + half_hour - first // half_hour * half_hour) / DAY_US
    assert ann.revenue_usd == covered  # a dollar a day in both months


def test_names_of_one_customer_stand_together(home: Home, tmp_path: Path) -> None:
    table = tmp_path / "seats.csv"
    table.write_text("user,customer,plan,mrr\nann,Acme,team,40\nbob,Acme,team,40\ncem,Bit,free,0\n")
    found = margins.margins(home, Window(), table)
    acme = next(one for one in found.customers if one.customer == "Acme")
    assert acme.users == 2
    assert acme.cost_usd == costs(home, END_USER_TAG)["ann"] + costs(home, END_USER_TAG)["bob"]
    assert acme.revenue_usd == 80 * found.months


def test_by_feature_and_by_key(home: Home, tmp_path: Path) -> None:
    table = tmp_path / "features.csv"
    table.write_text("feature,monthly_usd\nchat,1000\n")
    found = margins.margins(home, Window(), table)
    assert found.by == "feature"
    assert {one.customer: one.cost_usd for one in found.customers} == costs(home, FEATURE_TAG)
    assert found.features == ()
    by_key = margins.margins(home, Window(), by="key")
    assert [one.customer for one in by_key.customers] == ["web"]
    with pytest.raises(UsageError):
        margins.margins(home, Window(), by="task")


def test_hashed_users_are_found_by_their_names(tmp_path: Path, revenue: Path) -> None:
    with homes.home(tmp_path / "home", Settings(ledger=LedgerSettings(end_users="hash"))) as made:
        assert margins.margins(made, Window(), revenue).customers[0].requests == 0  # no name was ever hashed
        pepper = keys.made_pepper(made.path)
        tags = {END_USER_TAG: pseudonym("ann", pepper)}
        made.ledger.append([make_call(1, usage=Usage(5), tags=tags, owner="rented", legs=())])
        found = margins.margins(made, Window(), revenue)
    assert {one.customer for one in found.customers if one.requests} == {"ann"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line of column names"),
        ("user,plan\nann,pro\n", "how much"),
        ("plan,monthly_usd\npro,1\n", "who pays"),
        ("user,monthly_usd\n", "no line"),
        ("user,monthly_usd\nann,many\n", "line 2, column monthly_usd"),
        ("user,monthly_usd\n,3\n", "line 2, column user: names nobody"),
        ("user,amount,currency\nann,3,EUR\n", "not in US dollars"),
        ("user,amount,month\nann,3,soon\n", "column month"),
        ("user,amount\nann,1e99\n", "no amount that somebody pays"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_and_says_where(
    home: Home, tmp_path: Path, text: str, says: str
) -> None:
    table = tmp_path / "pay.csv"
    table.write_text(text)
    with pytest.raises(BadRevenue) as caught:
        margins.margins(home, Window(), table)
    assert says in str(caught.value)
    assert "many" not in str(caught.value)


def test_no_table_and_no_text(home: Home, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        margins.margins(home, Window(), tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"user,monthly_usd\n\xff\xfe,1\n")
    with pytest.raises(BadRevenue):
        margins.margins(home, Window(), tmp_path / "bytes.csv")


def run(folder: Path, *arguments: str) -> Any:
    return CLI.invoke(app, ["margins", *arguments], env={"FREEHOLD_HOME": str(folder), "COLUMNS": "150"})


def test_the_command_says_what_is_left_and_that_it_is_at_most_that(folder: Path, revenue: Path) -> None:
    shown = run(folder, str(revenue))
    assert shown.exit_code == 0, shown.output
    for part in ("customers pay", "at most", "By plan", "pro", "Lowest margin first", "By feature", "of unknown cost"):
        assert part in shown.output
    document = json.loads(run(folder, str(revenue), "--json").stdout)
    assert document["schema"] == "freehold.margins/1"
    assert document["by"] == "user"
    alone = run(folder)
    assert "what customers pay is not known" in alone.output
    assert "Plan" not in alone.output


def test_columns_can_be_named(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "odd.csv"
    table.write_text("whom,how_much\nann,20\n")
    assert isinstance(run(folder, str(table)).exception, BadRevenue)
    named = run(folder, str(table), "--column", "who=whom", "--column", "amount=how_much")
    assert named.exit_code == 0, named.output
    wrong = ([str(table), "--column", "whom"], [str(table), "--column", "colour=x"])
    for arguments in (*wrong, ["--column", "who=whom"], [str(table), "--target", "1"]):
        assert isinstance(run(folder, *arguments).exception, UsageError)


def test_a_cost_that_nobody_knows_is_not_printed_as_nothing(tmp_path: Path, revenue: Path) -> None:
    with homes.home(tmp_path / "home") as home:
        home.ledger.append([call for call in CALLS if call.model == "none-such"])
    for words in ((), (str(revenue),)):
        printed = run(tmp_path / "home", *words).output
        assert "what model calls cost is unknown" in printed
        costs_part = printed[printed.index("What a customer costs") :]
        assert "unknown" in costs_part
        assert "$0.00 (" not in printed
        assert "is left" not in printed
