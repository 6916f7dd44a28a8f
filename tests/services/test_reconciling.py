"""An invoice against the ledger: each form is told by its columns, each difference explained to the last digit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import homes
from tests.support.workloads import a_call

from freehold.errors import BadInvoice, FreeholdError, MissingPrerequisite, NotFound, UsageError
from freehold.market.tokens import PriceBook
from freehold.services import reconciling
from freehold.services.home import Home
from freehold.services.reconciling import Reconciled, _parts
from freehold.services.reconciling._parts import Billed, Valuer, explain
from freehold.services.reconciling._spent import Spent, model_key
from freehold.vocabulary import Leg, Usage

MILLION = Usage(1_000_000)
"""Two dollars of gpt-4.1."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with homes.home(tmp_path) as home:
        yield home


def at(day: int, hour: int = 12, minute: int = 0) -> int:
    return int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp()) * 1_000_000


def record(home: Home, *calls: tuple[int, Usage | None], **more: Any) -> None:
    home.ledger.append([a_call(us, usage, id=f"c{us}-{i}-{more}", **more) for i, (us, usage) in enumerate(calls)])


def compare(home: Home, text: str | Sequence[str], **more: Any) -> Reconciled:
    paths: list[Path] = []
    for number, one in enumerate([text] if isinstance(text, str) else text):
        paths.append(home.path / f"invoice{number}.csv")
        paths[-1].write_text(one, "utf-8")
    found = reconciling.reconcile(home, paths, **more)
    assert sum(found.parts.values()) == found.difference_usd == found.invoice_usd - found.ledger_usd
    for row in found.rows:
        assert row.difference_usd is None or sum(row.parts.values()) == row.difference_usd
    return found


def costs(*rows: str) -> str:
    head = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id"
    return "\n".join([head, *(f"1,2,2026-11-{row},p" for row in rows), ""])


def cost(day: str, usd: str, item: str) -> str:
    return f'{day}T00:00:00+00:00,x,{usd},usd,"{item}"'


def test_an_invoice_that_agrees_has_no_parts(home: Home) -> None:
    record(home, (at(2), MILLION), (at(3), Usage(500_000, 500_000, output_tokens=100)))
    found = compare(home, costs(
        cost("02", "2.0000000000", "gpt-4.1-2025-04-14, input"),
        cost("03", "1.0", "gpt-4.1-2025-04-14, input"),
        cost("03", "0.25", "gpt-4.1-2025-04-14, cached input"),
        cost("03", "0.0008", "gpt-4.1-2025-04-14, output"),
        "04T00:00:00+00:00,x,,,",
    ))  # fmt: skip
    assert (found.difference_usd, found.parts, found.providers) == (0, {}, ["openai"])
    assert (found.files[0].form, found.files[0].lines, found.files[0].empty) == ("OpenAI costs export", 4, 1)
    assert found.files[0].columns["amount"] == "amount_value"


def test_calls_that_the_other_side_does_not_have(home: Home) -> None:
    record(home, (at(2), MILLION), (at(3), MILLION))
    found = compare(home, costs(cost("02", "5.00", "gpt-4.1, input"), cost("03", "0.50", "o3, input")))
    assert found.parts == {_parts.MISSING: Decimal("3.50"), _parts.ABSENT: Decimal(-2)}


def test_attempts_that_no_client_saw_are_billed_all_the_same(home: Home) -> None:
    legs = (
        Leg("serve", "rented", "openai", "gpt-4.1-2025-04-14", "incomplete", usage=Usage(400_000)),
        Leg("fallback", "rented", "openai", "gpt-4.1-2025-04-14", "ok", usage=MILLION),
        Leg("audit", "rented", "openai", "gpt-4.1-2025-04-14", "ok", usage=Usage(100_000)),
        Leg("serve", "owned", "owned", "s1", "ok", usage=Usage(7)),
        Leg("hedge", "rented", "openai", "gpt-4.1", "error"),
    )
    record(home, (at(2), MILLION), legs=legs)
    assert compare(home, costs(cost("02", "3.00", "gpt-4.1-2025-04-14, input"))).difference_usd == 0


def test_rounding_taxes_credits_and_what_has_no_model(home: Home) -> None:
    record(home, (at(2), Usage(1_001_000)))
    found = compare(home, (
        "date,model,amount,type\n2026-11-02,gpt-4.1,2.00,usage\n2026-11-02,,0.38,VAT\n"
        "2026-11-02,,(0.50),Credit note\n2026-11-02,,10.00,support\n"
    ))  # fmt: skip
    assert found.parts == {
        _parts.NO_MODEL: Decimal(10), _parts.CREDITS: Decimal("-0.50"), _parts.TAXES: Decimal("0.38"),
        _parts.ROUNDING: Decimal("-0.002"),
    }  # fmt: skip


def test_a_charge_is_told_where_others_name_a_model(home: Home) -> None:
    record(home, (at(2), MILLION))
    found = compare(home, (
        "date,model,amount\n2026-11-02,gpt-4.1,2.00\n2026-11-02,Sales tax,0.30\n2026-11-02,VAT (19 %),0.38\n"
        "2026-11-02,Discounts,-0.10\n2026-11-02,tax-reader-1,5.00\n"
    ))  # fmt: skip
    assert found.parts == {
        _parts.TAXES: Decimal("0.68"), _parts.CREDITS: Decimal("-0.10"), _parts.MISSING: Decimal(5),
    }  # fmt: skip


def test_a_price_that_differs_shows_on_every_day(home: Home) -> None:
    record(home, *((at(day), Usage(1_000_000 * day)) for day in (1, 2, 3)))
    lines = (f"2026-11-0{day},gpt-4.1,{Decimal('2.5') * day}" for day in (1, 2, 3))
    found = compare(home, "\n".join(["date,model,cost", *lines]))
    assert found.parts == {_parts.PRICE: Decimal(3)}


def test_a_batch_that_the_ledger_does_not_know_of(home: Home) -> None:
    record(home, (at(2), Usage(1_000_000, output_tokens=1_000_000)))
    found = compare(home, "date,model,cost\n2026-11-02,gpt-4.1,5.00\n")
    assert found.parts == {_parts.TIER: Decimal(-5)}


def test_an_unknown_price_is_said_and_counted(home: Home) -> None:
    record(home, (at(2), MILLION))
    record(home, (at(2, 13), Usage(1000, service_tier="scale")))
    found = compare(home, "date,model,cost\n2026-11-02,gpt-4.1,2.75\n")
    assert found.parts == {_parts.UNKNOWN: Decimal("0.75")}
    assert found.rows[0].unpriced_calls == 1


def test_days_that_begin_elsewhere_are_found_and_named(home: Home) -> None:
    """The invoice's days are those of UTC-8: calls of the small hours belong to the day before."""
    record(home, *((at(day, hour), Usage(100_000 * day + 10_000 * hour)) for day in (2, 3, 4) for hour in (2, 12, 22)))
    book, days = PriceBook(), dict.fromkeys((1, 2, 3, 4), Decimal(0))
    for day in (2, 3, 4):
        for hour in (2, 12, 22):
            usage = Usage(100_000 * day + 10_000 * hour)
            usd = book.price_usage("openai", "gpt-4.1", usage, datetime(2026, 11, day, tzinfo=UTC)).usd
            assert usd is not None
            days[day - 1 if hour < 8 else day] += usd
    found = compare(home, "\n".join(["date,model,cost", *(f"2026-11-0{d},gpt-4.1,{usd}" for d, usd in days.items())]))
    assert -12 <= found.day_begins_h <= -3
    assert found.difference_usd == 0
    assert {name for row in found.rows for name in row.parts} == {_parts.DAY_SHIFT}


USAGE_HEAD = (
    "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,"
    "service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens"
)


def used(calls: int, tokens: int, output: int, cached: int = 0, batch: str = "FALSE", tier: str = "default") -> str:
    return (
        f"1793577600,1793664000,2026-11-02T00:00:00+00:00,x,p,{calls}.0,u,k,gpt-5-2025-08-07,{batch},{tier},"
        f"{tokens}.0,{output}.0,{cached}.0,{tokens - cached}.0"
    )


def test_a_usage_export_is_valued_at_our_prices_and_tells_tokens_from_calls(home: Home) -> None:
    record(home, (at(2), Usage(600_000, 400_000, output_tokens=1000)), model="gpt-5")
    found = compare(home, f"{USAGE_HEAD}\n{used(1, 1_000_000, 2000, 400_000)}\n")
    assert not found.stated
    assert found.parts == {_parts.TOKENS: Decimal("0.01")}
    more = compare(home, f"{USAGE_HEAD}\n{used(2, 1_000_000, 2000, 400_000)}\n")
    assert more.parts == {_parts.MISSING: Decimal("0.01")}


def test_a_tier_that_the_export_states_is_its_own_part(home: Home) -> None:
    record(home, (at(2), Usage(1_000_000, output_tokens=100_000)), model="gpt-5")
    found = compare(home, f"{USAGE_HEAD}\n{used(1, 1_000_000, 100_000, batch='TRUE')}\n")
    assert found.parts == {_parts.TIER: Decimal("-1.125")}
    record(home, (at(3), Usage(1_000_000, service_tier="flex")), model="gpt-5")
    flex = used(1, 1_000_000, 0, tier="flex").replace("2026-11-02", "2026-11-03")
    assert compare(home, f"{USAGE_HEAD}\n{flex}\n").difference_usd == 0


def test_costs_and_usage_together_tell_price_from_tokens(home: Home) -> None:
    record(home, (at(2), Usage(1_000_000, output_tokens=1000)), model="gpt-5")
    money = costs(cost("02", "1.46", "gpt-5-2025-08-07, input"))
    found = compare(home, [money, f"{USAGE_HEAD}\n{used(1, 1_100_000, 1000)}\n"])
    assert found.parts == {_parts.TOKENS: Decimal("0.125"), _parts.PRICE: Decimal("0.075")}


def test_anthropics_exports(home: Home) -> None:
    usage = Usage(1000, 2000, 3000, 4000, cache_write_1h_tokens=5000, web_searches=2)
    record(home, (at(2), usage), provider="anthropic", model="claude-haiku-4-5-20251001")
    head = (
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        "usage_output_tokens,web_search_count,inference_geo,speed"
    )
    line = "2026-11-02,claude-haiku-4-5-20251001,k,Default,standard,≤ 200k,1000,3000,5000,2000,4000,2,not_available,"
    found = compare(home, f"{head}\n{line}\n")
    assert (found.difference_usd, found.files[0].form, found.providers) == (0, "Anthropic usage export", ["anthropic"])
    head = (
        "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type"
    )
    rows = {"input_no_cache": "0.001", "input_cache_read": "0.0002", "input_cache_write_5m": "0.00375",
            "input_cache_write_1h": "0.01", "output": "0.02"}  # fmt: skip
    lines = [f"2026-11-02,Claude Haiku 4.5,Default,k,message,≤ 200k,{t},{usd},{usd},token" for t, usd in rows.items()]
    lines.append("2026-11-02,,Default,k,message,,,0.02,0.02,web_search")
    told = compare(home, "\n".join([head, *lines]))
    assert (told.files[0].form, told.invoice_usd) == ("Anthropic cost export", Decimal("0.05495"))
    assert told.difference_usd == 0


def test_focus_rows_name_their_model_in_a_sentence(home: Home) -> None:
    record(home, (at(2), MILLION), provider="aws", model="us.anthropic.claude-haiku-4-5-20251001-v1:0")
    head = "ChargePeriodStart,ChargePeriodEnd,ServiceName,ChargeCategory,BilledCost,BillingCurrency,ChargeDescription"
    found = compare(
        home,
        f"{head}\n2026-11-02T00:00:00Z,x,Bedrock,Usage,1.00,USD,Claude Haiku 4.5 input tokens\n"
        "2026-11-02T00:00:00Z,x,Bedrock,Tax,0.19,USD,VAT\n",
    )
    assert found.files[0].form == "FOCUS billing data"
    assert found.parts[_parts.TAXES] == Decimal("0.19")
    assert {row.ledger_calls for row in found.rows} == {1, 0}


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", BadInvoice, "no line of column names"),
        ("a,b\n1,2\n", BadInvoice, "no column is known for the day and the model and the amount; it has a, b"),
        ("date,model,cost\n", BadInvoice, "no line with an amount"),
        ("date,model,cost\n2026-11-02,m,12€\n", BadInvoice, "line 2, column cost: is no amount of dollars"),
        ("date,model,cost\n02.11.2026,m,12\n", BadInvoice, "line 2, column date: is no day"),
        (
            "date,model,cost,currency\n2026-11-02,m,1,EUR\n",
            BadInvoice,
            "column currency: the amount is not in US dollars",
        ),
        ("date,model,cost\n2026-11-02,gpt-4.1,1\n", MissingPrerequisite, "the ledger holds no call"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(home: Home, text: str, kind: type[FreeholdError], said: str) -> None:
    with pytest.raises(kind) as refused:
        compare(home, text)
    assert said in refused.value.message
    assert refused.value.hint


def test_other_troubles(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        reconciling.reconcile(home, [])
    with pytest.raises(NotFound):
        reconciling.reconcile(home, [tmp_path / "none.csv"])
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(BadInvoice):
        reconciling.reconcile(home, [binary])
    with pytest.raises(UsageError, match="different providers"):
        compare(home, [costs(cost("02", "1", "m, input")), "usage_date_utc,model,cost_usd\n2026-11-02,m,1\n"])


def test_columns_may_be_named(home: Home) -> None:
    record(home, (at(2), MILLION))
    text = "Tag;Modell;Betrag\n2026-11-02;gpt-4.1;2.00\n"
    found = compare(home, text, columns={"day": "Tag", "model": "Modell", "amount": "Betrag"})
    assert found.difference_usd == 0
    with pytest.raises(BadInvoice, match="no column 'Datum'"):
        compare(home, text, columns={"day": "Datum"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Claude Haiku 4.5", "claude-haiku-4-5-20251001"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic/claude-haiku-4.5"),
        ("gpt-4.1-2025-04-14", "openai/GPT-4.1"),
        ("gpt-4o-latest", "gpt-4o"),
    ],
)
def test_names_of_one_model_are_one(one: str, other: str) -> None:
    assert model_key(one) == model_key(other)


_TIERS = st.sampled_from(["", "batch", "flex", "priority", "scale"])
_USAGE = st.builds(
    Usage, st.integers(0, 10**6), st.integers(0, 10**6), output_tokens=st.integers(0, 10**6), service_tier=_TIERS
)


@given(
    usd=st.decimals(-100, 100, places=4),
    theirs=st.lists(_USAGE, max_size=3),
    ours=st.lists(_USAGE, min_size=1, max_size=3),
    calls=st.none() | st.integers(0, 5),
    steady=st.booleans(),
    tolerance=st.decimals(0, 1, places=3),
)
@settings(max_examples=300, deadline=None)
def test_parts_add_up_to_the_difference_whatever_it_is(
    usd: Decimal, theirs: list[Usage], ours: list[Usage], calls: int | None, steady: bool, tolerance: Decimal
) -> None:
    spent = Spent()
    for usage in ours:
        priced = _BOOK.price_usage("openai", "gpt-5", usage, datetime(2026, 11, 2, tzinfo=UTC))
        spent.add(usage, priced.usd, ("openai", "gpt-5"))
    billed = Billed(usd, calls, theirs, tolerance, "gpt-5")
    parts = explain(billed, spent, Valuer(_BOOK, ("openai", "gpt-5"), "2026-11-02"), steady=steady)
    assert sum(parts.values(), Decimal(0)) == usd - spent.usd
    assert all(parts.values())


_BOOK = PriceBook()
