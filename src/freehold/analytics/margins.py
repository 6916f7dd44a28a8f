"""Unit economics: what each customer pays beside what the model calls made for it cost, per plan and per feature.

The cost is that of requests to rented models alone, exact for the time looked at; whatever else a customer costs
(machines, support, payment fees, owned models' hosting) is in none of it, so that a margin here is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from freehold.evidence.intervals import quantile_ranks, two_sided
from freehold.vocabulary import ZERO, Interval

UNLISTED = "not in the table"
"""The plan of customers whom the calls name, and the table of what they pay does not."""

QUANTILES = (0.5, 0.9, 0.99)


class Use(NamedTuple):
    """What the requests made for one customer by one feature ("": none is named) cost.

    `users` are the names that calls have for the customer. Of `requests` `unpriced` are of unknown cost, and not in
    `usd`.
    """

    customer: str
    feature: str
    users: frozenset[str]
    requests: int
    unpriced: int
    usd: Decimal


class Account(NamedTuple):
    """What a customer pays for the time looked at, and on which plan ("": none is named)."""

    plan: str
    usd: Decimal


class Customer(msgspec.Struct, frozen=True):
    """One customer. `margin_usd` is too high by what the `unpriced` requests cost."""

    customer: str
    plan: str
    users: int
    requests: int
    unpriced: int
    revenue_usd: Decimal
    cost_usd: Decimal
    margin_usd: Decimal


class CostQuantile(msgspec.Struct, frozen=True):
    """What a customer at that rank cost, and the two that hold the quantile between them with at least 95 % confidence.

    The interval is for customers drawn independently from those one may yet have; None: there are too few for one.
    """

    q: float
    usd: Decimal
    interval_usd: tuple[Decimal, Decimal] | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The customers of one plan. `active` of them made a request; `below` of all cost more than they pay.

    `below_interval`: exact, 95 %, of that share. `quantiles` are of active customers' cost. `price_usd` is what each
    customer would have to pay for the time looked at for the plan to have the margin asked for.
    """

    plan: str
    paying: bool
    customers: int
    active: int
    requests: int
    unpriced: int
    revenue_usd: Decimal
    cost_usd: Decimal
    below: int
    below_interval: Interval
    quantiles: tuple[CostQuantile, ...]
    price_usd: Decimal

    @property
    def margin_usd(self) -> Decimal:
        """What is left of what they pay."""
        return self.revenue_usd - self.cost_usd


class Feature(msgspec.Struct, frozen=True):
    """What one feature costs, and of that what it costs for customers who pay, who do not, and whom no table lists.

    `customers` used it. `unpriced` requests are in none of the amounts.
    """

    feature: str
    customers: int
    requests: int
    unpriced: int
    cost_usd: Decimal
    paying_usd: Decimal
    free_usd: Decimal
    unlisted_usd: Decimal


class Concentration(msgspec.Struct, frozen=True):
    """How much of the customers' cost the dearest ones make: `share` of it the `customers` dearest."""

    top: float
    customers: int
    share: float


class Economics(NamedTuple):
    """All of it: customers with the lowest margin first, plans with the highest cost first, features the same."""

    customers: tuple[Customer, ...]
    plans: tuple[Plan, ...]
    features: tuple[Feature, ...]
    concentration: tuple[Concentration, ...]


def unit_economics(uses: Iterable[Use], accounts: Mapping[str, Account], target: Decimal) -> Economics:
    """Put what customers cost beside what they pay.

    Args:
        uses: of customers; those whom `accounts` lacks are in the plan `UNLISTED`.
        accounts: what customers pay, also those who made no request.
        target: the share of what a customer pays that should be left, for `Plan.price_usd`; below 1.
    """
    held = list(uses)
    by_customer: dict[str, list[Use]] = {name: [] for name in accounts}
    by_feature: dict[str, list[Use]] = {}
    for use in held:
        by_customer.setdefault(use.customer, []).append(use)
        by_feature.setdefault(use.feature, []).append(use)
    customers = [_customer(name, some, accounts.get(name)) for name, some in by_customer.items()]
    by_plan: dict[str, list[Customer]] = {}
    for one in customers:
        by_plan.setdefault(one.plan, []).append(one)
    plans = [_plan(name, some, target) for name, some in by_plan.items()]
    features = [_feature(name, some, accounts) for name, some in by_feature.items()] if set(by_feature) != {""} else []
    return Economics(
        tuple(sorted(customers, key=lambda one: (one.margin_usd, one.customer))),
        tuple(sorted(plans, key=lambda one: (-one.cost_usd, one.plan))),
        tuple(sorted(features, key=lambda one: (-one.cost_usd, one.feature))),
        tuple(_concentration(customers)),
    )


def _customer(name: str, uses: Sequence[Use], account: Account | None) -> Customer:
    revenue = ZERO if account is None else account.usd
    cost = sum((use.usd for use in uses), ZERO)
    plan = UNLISTED if account is None else account.plan or ("paying" if revenue > 0 else "free")
    return Customer(
        customer=name,
        plan=plan,
        users=len(frozenset[str]().union(*(use.users for use in uses))),
        requests=sum(use.requests for use in uses),
        unpriced=sum(use.unpriced for use in uses),
        revenue_usd=revenue,
        cost_usd=cost,
        margin_usd=revenue - cost,
    )


def _plan(name: str, customers: Sequence[Customer], target: Decimal) -> Plan:
    active = sorted(one.cost_usd for one in customers if one.requests)
    below = sum(one.margin_usd < 0 for one in customers)
    cost = sum(active, ZERO)
    return Plan(
        plan=name,
        paying=any(one.revenue_usd > 0 for one in customers),
        customers=len(customers),
        active=len(active),
        requests=sum(one.requests for one in customers),
        unpriced=sum(one.unpriced for one in customers),
        revenue_usd=sum((one.revenue_usd for one in customers), ZERO),
        cost_usd=cost,
        below=below,
        below_interval=two_sided(below, len(customers)),
        quantiles=tuple(_quantile(active, q) for q in QUANTILES) if active else (),
        price_usd=cost / len(customers) / (1 - target),
    )


def _quantile(ordered: Sequence[Decimal], q: float) -> CostQuantile:
    n = len(ordered)
    ranks = quantile_ranks(n, q)
    return CostQuantile(q, ordered[int(q * (n - 1))], None if ranks is None else (ordered[ranks[0]], ordered[ranks[1]]))


def _feature(name: str, uses: Sequence[Use], accounts: Mapping[str, Account]) -> Feature:
    parts = {"paying": ZERO, "free": ZERO, "unlisted": ZERO}
    for use in uses:
        account = accounts.get(use.customer)
        kind = "unlisted" if account is None else "paying" if account.usd > 0 else "free"
        parts[kind] += use.usd
    return Feature(
        feature=name,
        customers=len({use.customer for use in uses}),
        requests=sum(use.requests for use in uses),
        unpriced=sum(use.unpriced for use in uses),
        cost_usd=sum(parts.values(), ZERO),
        paying_usd=parts["paying"],
        free_usd=parts["free"],
        unlisted_usd=parts["unlisted"],
    )


def _concentration(customers: Sequence[Customer]) -> Iterable[Concentration]:
    costs = sorted((one.cost_usd for one in customers if one.requests), reverse=True)
    whole = sum(costs, ZERO)
    if not whole:
        return
    for top in (0.01, 0.1):
        n = int(top * len(costs))
        if n:
            yield Concentration(top, n, float(sum(costs[:n], ZERO) / whole))
