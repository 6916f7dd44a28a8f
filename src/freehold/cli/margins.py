"""What customers pay beside what they cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

from ._arguments import Json, Since, Until, inside, window
from ._measured import exact, looked, rate, rows_of, title
from ._output import Part, bad, count, dim, emit_struct, percent, say, strong, suggest, usd, warn, working

if TYPE_CHECKING:
    from freehold.analytics.margins import CostQuantile, Customer, Feature, Plan
    from freehold.services.margins import Margins

_SHORT_DAYS = 7


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("margins")(margins)


def margins(
    revenue: Annotated[Path | None, typer.Argument(help="What customers pay, as CSV.", metavar="[REVENUE]")] = None,
    by: Annotated[str, typer.Option(help="What in a call says who pays: user, team, key or feature.")] = "",
    since: Since = "",
    until: Until = "",
    target: Annotated[float, typer.Option(help="The margin that prices are told for, between 0 and 1.")] = 0.7,
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column that is not found out: who, customer, plan, amount or month, as in amount=PAID."),
    ] = None,
    json: Json = False,
) -> None:
    """What each customer pays beside what their model calls cost: per customer, plan and feature, free users included.

    Without a table of what they pay: what they cost. Margins are on model calls alone.

    Example: freehold margins subscriptions.csv --since 30d
    """
    from freehold.services import margins as service
    from freehold.services.home import Home

    columns = dict(_column(one) for one in column or [])
    if columns and revenue is None:
        raise UsageError("columns are named of no table", hint="freehold margins REVENUE.csv --column amount=NAME")
    share = Decimal(str(inside("--target", target)))
    asked = window(since, until)
    with Home.open() as home, working("adding up what customers cost"):
        found = service.margins(home, asked, revenue, by=by, columns=columns, target=share)
    if json:
        emit_struct("freehold.margins/1", found)
        return
    looked(found.looked)
    if found.looked.calls:
        _page(found)
    elif since or until:
        return
    else:
        suggest("freehold import LOG")


def _column(text: str) -> tuple[str, str]:
    from freehold.services.margins import ROLES

    role, _, name = text.partition("=")
    if role.strip() not in ROLES or not name.strip():
        raise UsageError(f"--column {text!r} names no column", hint=f"ROLE=NAME, with one of {', '.join(ROLES)}")
    return role.strip(), name.strip()


def _page(found: Margins) -> None:
    if found.revenue is not None:
        columns = ", ".join(f"{role} from {name}" for role, name in found.revenue.columns.items())
        say(dim(f"{found.revenue.path}: {count(len(found.revenue.paid))} lines; {columns}"))
    _whole(found)
    if not any(one.requests for one in found.customers):
        say(warn(f"No call names a {found.by}"), "; docs/wire.md says how a client does")
        return
    if found.days < _SHORT_DAYS:
        say(warn(f"A month is reckoned from {found.days:.1f} days."))
    if found.revenue is not None:
        _plans(found)
    _costs(found)
    _customers(found)
    _features(found)


def _whole(found: Margins) -> None:
    say()
    unknown = _nothing_known(found)
    cost = "what model calls cost is unknown" if unknown else f"model calls {usd(found.cost_usd)}"
    if found.revenue is None:
        monthly = "" if unknown else _a_month(found, found.cost_usd)
        say(strong(cost), f"{monthly}; what customers pay is not known")
    elif unknown:
        say(strong(f"customers pay {usd(found.revenue_usd)}"), f" over {found.days:.1f} days; {cost}")
    else:
        left = found.revenue_usd - found.cost_usd
        share = f", {percent(float(left / found.revenue_usd), 1)}" if found.revenue_usd > 0 else ""
        most = "at most " if found.unpriced else ""
        say(strong(f"customers pay {usd(found.revenue_usd)}, {cost}"), f": {most}{usd(left)} is left{share}")
        say(f"  over {found.days:.1f} days{_a_month(found, left)}")
    if found.nobody_requests:
        say(f"  {count(found.nobody_requests)} requests name no {found.by} and are in no customer's cost:", " ",
            _known(found.nobody_usd, found.nobody_requests, found.nobody_unpriced))  # fmt: skip
    for what, n in found.unpriced_why.items():
        say(f"  unknown, and in no sum: {count(n)} requests, {what.removeprefix('requests ')}")
    for one in found.concentration:
        dearest = f"the dearest {percent(one.top)} of customers ({count(one.customers)})"
        say(f"  {dearest} make {percent(one.share)} of the cost")
    if found.unused:
        say(f"  {count(found.unused)} of the table's customers made no request")


def _plans(found: Margins) -> None:
    title("By plan, a month", f"95 % interval; the price leaves {percent(found.target)} of it")
    rows: list[list[Part]] = [
        [
            one.plan,
            count(one.customers),
            _month(found, one.revenue_usd),
            _cost(found, one),
            _left(found, one),
            _below(one),
            "unknown" if _nothing_known(one) else _month(found, one.price_usd),
        ]
        for one in found.plans
    ]
    rows_of("Plan|>Customers|>Pay|>Cost|>Left|>Cost more than they pay|>Price", rows, "nobody")


def _costs(found: Margins) -> None:
    """What the customers that are there cost; all of them alike where no table knows of plans."""
    known = found.revenue is not None
    title("What a customer costs, a month", "of those who made a request, 95 % interval")
    rows = [
        [
            one.plan if known else "everybody",
            f"{count(one.active)} of {count(one.customers)}",
            *([] if known else [_cost(found, one)]),
            *("unknown" if _nothing_known(one) else _quantile(found, q) for q in one.quantiles or (None,) * 3),
        ]
        for one in found.plans
    ]
    rows_of(f"{'Plan' if known else ''}|>Active|{'' if known else '>Cost|'}>Median|>p90|>p99", rows, "nobody")


def _customers(found: Margins) -> None:
    known = found.revenue is not None
    title("Lowest margin first, a month" if known else "Dearest first, a month", "")
    rows: list[list[Part]] = [
        [
            one.customer,
            *([one.plan] if known else []),
            *([count(one.users)] if any(some.users > 1 for some in found.customers) else []),
            count(one.requests),
            *([_month(found, one.revenue_usd)] if known else []),
            _cost(found, one),
            *([_left(found, one)] if known else []),
        ]
        for one in found.customers
    ]
    users = f">{found.by.capitalize()}s|" if any(one.users > 1 for one in found.customers) else ""
    plan, pay, left = ("Plan|", ">Pays|", "|>Left") if known else ("",) * 3
    rows_of(f"Customer|{plan}{users}>Requests|{pay}>Costs{left}", rows, "nobody")


def _features(found: Margins) -> None:
    if not found.features:
        return
    known = found.revenue is not None
    title("By feature, a month", "and whose use of it that is" if known else "")
    rows = [
        [
            one.feature or "-",
            count(one.customers),
            count(one.requests),
            _cost(found, one),
            *([_month(found, each) for each in (one.paying_usd, one.free_usd, one.unlisted_usd)] if known else []),
            _month(found, one.cost_usd / one.customers),
        ]
        for one in found.features
    ]
    split = "|>Paying|>Free|>Not in the table" if known else ""
    rows_of(f"Feature|>Customers|>Requests|>Cost{split}|>A customer", rows, "none is named")


def _month(found: Margins, amount: Decimal) -> str:
    """An amount for a mean month, with the digits that tell a small one from zero."""
    value = amount / found.months
    return exact(value) if 0 < value < 1 else usd(value)


def _cost(found: Margins, one: Plan | Customer | Feature) -> str:
    """What is known of a cost, and how many requests are in no sum."""
    if _nothing_known(one):
        return "unknown"
    return _month(found, one.cost_usd) + (f" + {count(one.unpriced)} unknown" if one.unpriced else "")


def _nothing_known(one: Margins | Plan | Customer | Feature) -> bool:
    """Whether not one request has a known cost: then no sum of costs is told, which would read as 0."""
    return 0 < one.requests == one.unpriced


def _a_month(found: Margins, amount: Decimal) -> str:
    return f", {usd(amount / found.months)} a month at this rate"


def _left(found: Margins, one: Customer | Plan) -> Part:
    """What is left of what they pay; at most that where some of their requests are of unknown cost."""
    if _nothing_known(one):
        return "unknown"
    share = f" ({percent(float(one.margin_usd / one.revenue_usd))})" if one.revenue_usd > 0 else ""
    text = f"{'at most ' if one.unpriced else ''}{usd(one.margin_usd / found.months)}{share}"
    return bad(text) if one.margin_usd < 0 else text


def _below(one: Plan) -> str:
    if not one.paying:
        return "-"
    return f"{count(one.below)}: {rate(one.below, one.customers, (one.below_interval.low, one.below_interval.high))}"


def _quantile(found: Margins, one: CostQuantile | None) -> str:
    if one is None:
        return "-"
    if one.interval_usd is None:
        return f"{_month(found, one.usd)} (too few)"
    low, high = (_month(found, amount) for amount in one.interval_usd)
    return f"{_month(found, one.usd)} ({low} to {high})"


def _known(amount: Decimal, requests: int, unpriced: int) -> str:
    return (
        "unknown"
        if unpriced == requests
        else usd(amount) + (f" and {count(unpriced)} of unknown cost" if unpriced else "")
    )
