"""What customers pay and cost adds up, whoever they are and whatever they use."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.analytics.margins import UNLISTED, Account, Use, unit_economics

TARGET = Decimal("0.7")
MONEY = st.decimals(min_value=0, max_value=10_000, places=6)
USES = st.lists(
    st.builds(
        Use,
        customer=st.sampled_from(["a", "b", "c", "d"]),
        feature=st.sampled_from(["", "chat", "search"]),
        users=st.frozensets(st.sampled_from(["u", "v", "w"]), min_size=1),
        requests=st.integers(1, 1000),
        unpriced=st.just(0),
        usd=MONEY,
    ),
    max_size=30,
)
ACCOUNTS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "e"]), st.builds(Account, st.sampled_from(["", "free", "pro"]), MONEY)
)


@given(USES, ACCOUNTS)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_nothing_counted_twice(uses: list[Use], accounts: dict[str, Account]) -> None:
    found = unit_economics(uses, accounts, TARGET)
    cost, pay = sum(use.usd for use in uses), sum(one.usd for one in accounts.values())
    for groups in (found.customers, found.plans):
        assert sum(one.cost_usd for one in groups) == cost
        assert sum(one.revenue_usd for one in groups) == pay
        assert sum(one.margin_usd for one in groups) == pay - cost
        assert sum(one.requests for one in groups) == sum(use.requests for use in uses)
    assert {one.customer for one in found.customers} == {use.customer for use in uses} | set(accounts)
    for one in found.features:
        assert one.paying_usd + one.free_usd + one.unlisted_usd == one.cost_usd
    if found.features:
        assert sum(one.cost_usd for one in found.features) == cost
    assert all(
        len({one.customers for one in found.plans if one.plan == name}) == 1 for name in {p.plan for p in found.plans}
    )


@given(USES, ACCOUNTS)
@settings(max_examples=30, deadline=None)
def test_the_price_of_a_plan_leaves_the_margin_that_was_asked_for(
    uses: list[Use], accounts: dict[str, Account]
) -> None:
    for plan in unit_economics(uses, accounts, TARGET).plans:
        pay = plan.price_usd * plan.customers
        assert abs((pay - plan.cost_usd) - TARGET * pay) < Decimal("1e-15")


def use(customer: str, usd: str, feature: str = "", n: int = 1, unpriced: int = 0) -> Use:
    return Use(customer, feature, frozenset({customer}), n, unpriced, Decimal(usd))


def test_who_costs_more_than_they_pay_comes_first_and_is_counted() -> None:
    accounts = {
        "heavy": Account("pro", Decimal(20)),
        "light": Account("pro", Decimal(20)),
        "guest": Account("", Decimal(0)),
    }
    found = unit_economics([use("heavy", "31"), use("light", "1"), use("guest", "2")], accounts, TARGET)
    assert [one.customer for one in found.customers] == ["heavy", "guest", "light"]
    plans = {one.plan: one for one in found.plans}
    assert set(plans) == {"pro", "free"}
    assert (plans["pro"].below, plans["pro"].customers, plans["pro"].paying) == (1, 2, True)
    assert plans["pro"].below_interval.low < 0.5 < plans["pro"].below_interval.high
    assert not plans["free"].paying


def test_customers_whom_no_table_lists_are_told_apart_from_those_who_pay_nothing() -> None:
    found = unit_economics([use("x", "1", "chat"), use("y", "2", "chat")], {"y": Account("free", Decimal(0))}, TARGET)
    assert {one.plan: one.cost_usd for one in found.plans} == {UNLISTED: Decimal(1), "free": Decimal(2)}
    (chat,) = found.features
    assert (chat.unlisted_usd, chat.free_usd, chat.paying_usd, chat.customers) == (
        Decimal(1),
        Decimal(2),
        Decimal(0),
        2,
    )


def test_quantiles_are_of_customers_who_made_a_request_and_have_an_interval_where_there_are_enough() -> None:
    accounts = {f"idle {n}": Account("pro", Decimal(5)) for n in range(50)}
    accounts |= {f"c{n}": Account("pro", Decimal(5)) for n in range(100)}
    found = unit_economics([use(f"c{n}", str(n)) for n in range(100)], accounts, TARGET)
    (plan,) = found.plans
    assert (plan.customers, plan.active) == (150, 100)
    median, _, highest = plan.quantiles
    assert median.usd == Decimal(49)
    assert median.interval_usd is not None
    assert median.interval_usd[0] < median.usd < median.interval_usd[1]
    assert highest.interval_usd is None


def test_the_dearest_customers_share_of_the_cost() -> None:
    uses = [use("whale", "900"), *(use(f"c{n}", "1") for n in range(100))]
    top = {one.top: one for one in unit_economics(uses, {}, TARGET).concentration}
    assert top[0.01].customers == 1
    assert top[0.01].share == 0.9
    assert unit_economics([use("a", "0")], {}, TARGET).concentration == ()
