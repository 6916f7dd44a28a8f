"""Spend, latency and errors on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from freehold.vocabulary import ZERO

from ._measured import covered, exact, quantile, rate, rows_of, title
from ._output import count, dim, percent, say, strong, usd

if TYPE_CHECKING:
    from freehold.analytics.latency import Latency
    from freehold.analytics.spend import Spent
    from freehold.services.accounting import ErrorReport, LatencyReport, SpendReport, SpendTable
    from freehold.services.windows import Looked

    _Group = TypeVar("_Group", Spent, Latency)

_PHASES = {"first_token": "first token", "generation": "generation", "total": "whole"}
_UNSAID = {"task": "in no task"}
_SOURCES = 4
"""Prices that are named; `--json` has all."""


def spend_total(found: SpendReport, sample_weight: float = 1.0) -> None:
    """What everything cost, what of it is unknown, and where the prices come from."""
    total = found.total
    month = found.monthly(total.usd)
    rate_ = "" if month is None else f", {usd(month)} a month at this rate"
    say()
    say(strong(usd(total.usd)), f" for {count(total.requests)} requests to rented models{rate_}")
    cached = percent(total.cache_read_tokens / total.prompt_tokens) if total.prompt_tokens else "-"
    prompt, output = count(total.prompt_tokens), count(total.output_tokens)
    say(f"  {prompt} prompt tokens, {cached} of them read from a cache; {output} output tokens")
    if sample_weight != 1:
        say(f"  of the recorded calls alone; verdicts take each for {sample_weight:g} calls (workload.sample_weight)")
    if total.estimated:
        say(f"  the tokens of {count(total.estimated)} requests are estimated: no provider stated them")
    for what, n in found.unpriced.items():
        say(f"  unknown, and in no sum: {count(n)} requests, {_why(what)}")
    for source in found.sources[:_SOURCES]:
        say(dim(f"  price: {source.name} ({source.date})"))
    if len(found.sources) > _SOURCES:
        say(dim(f"  and {len(found.sources) - _SOURCES} more prices; --json has all"))


def spend_by(table: SpendTable, report: Looked) -> None:
    """One table: the dearest groups first, or the latest days; and what it covers where the report covers less."""
    title(f"By {', '.join(table.by)}", "")
    timed = _times(table.by)
    groups = _latest_first(table.groups)
    monthly = not timed and table.monthly(ZERO) is not None
    rows = [
        [
            *_names(one.by),
            _cost(one),
            percent(one.share),
            *([usd(table.monthly(one.usd) if _priced(one) else None)] if monthly else []),
            count(one.requests),
            _each(one),
            count(one.prompt_tokens),
            percent(one.cache_read_tokens / one.prompt_tokens) if one.prompt_tokens else "-",
            count(one.output_tokens),
        ]
        for one in groups
    ]
    money = ">Cost|>Share|>A month" if monthly else ">Cost|>Share"
    rows_of(f"{_headings(table.by)}{money}|>Requests|>Each|>Prompt|>Cached|>Output", rows, "no request was made")
    if table.looked != report:
        say(dim(f"  end users are known by whole days: {covered(table.looked)}"))
    if table.shared_out:
        say(dim(f"  {', '.join(table.shared_out)}: a price of cheap hours, shared out among each day's users"))


def latency_by(found: LatencyReport) -> None:
    """The phases of each group, with what each phase is."""
    from freehold.analytics.latency import PHASES

    title(
        "Latency of answered calls", f"95 % intervals in brackets; values are within {percent(found.relative_error, 1)}"
    )
    rows = [
        [*_names(one.by), _PHASES[phase.phase], count(phase.n), *(quantile(q) for q in phase.quantiles)]
        for one in _latest_first(found.groups)
        for phase in one.phases
    ]
    rows_of(
        f"{_headings(found.by)}Phase|>Calls|>Median|>p90|>p99", rows, "of no answered call is it known how long it took"
    )
    for name in dict.fromkeys(phase.phase for one in found.groups for phase in one.phases):
        say(dim(f"  {_PHASES[name]}: {PHASES[name]}"))
    if found.untimed:
        say(dim(f"  of {count(found.untimed)} more calls the log does not say how long they took"))


def errors_by(found: ErrorReport) -> None:
    """Every way to fail."""
    say()
    share = ""
    if found.calls:
        low, high = percent(found.interval.low, 2), percent(found.interval.high, 2)
        share = f": {percent(found.failed_calls / found.calls, 2)}, 95 % interval {low} to {high}"
    say(strong(f"{count(found.failed_calls)} of {count(found.calls)} calls failed"), share)
    say(f"  {count(found.failed_requests)} of {count(found.requests)} requests to models did, retries among them")
    if any(not one.requests and one.outcome == "error" for one in found.failures):
        say(
            dim(
                "  calls that failed without a recorded request are no requests here: logs that were imported name none"
            )
        )
    rows = [
        [
            *_names(one.by),
            one.outcome,
            one.error or "-",
            str(one.status or "-"),
            count(one.calls),
            rate(one.calls, one.of_calls, (one.interval.low, one.interval.high)) if one.of_calls else "-",
            count(one.requests),
            one.last.removesuffix("+00:00"),
        ]
        for one in found.failures
    ]
    rows_of(
        f"{_headings(found.by)}Outcome|Error|Status|>Calls|>Of all, 95 % interval|>Requests|Last, UTC",
        rows,
        "nothing failed",
    )


def _latest_first(groups: Sequence[_Group]) -> Sequence[_Group]:
    """As they are, where they are not told apart by time."""
    times = _times(groups[0].by) if groups else []
    return sorted(groups, key=lambda one: one.by[times[0]], reverse=True) if times else groups


def _times(by: Iterable[str]) -> list[str]:
    from freehold.services.accounting import TIMES

    return [name for name in by if name in TIMES]


def _headings(by: Sequence[str]) -> str:
    """The columns that tell groups apart, each with the bar that follows it; "" where all are one group."""
    return "".join(f"{name.capitalize()}|" for name in by)


def _names(by: Mapping[str, str]) -> list[str]:
    return [value or _UNSAID.get(name, "-") for name, value in by.items()]


def _priced(one: Spent) -> int:
    return one.requests - one.unpriced


def _cost(one: Spent) -> str:
    """What is known of it, and of how many requests nothing is: a group of which nothing is known cost no $0.00."""
    known = [usd(one.usd)] if _priced(one) else []
    return " + ".join([*known, f"{count(one.unpriced)} unknown"] if one.unpriced else known)


def _each(one: Spent) -> str:
    return exact(one.usd / _priced(one)) if _priced(one) else "unknown"


def _why(what: str) -> str:
    return what.removeprefix("requests ") if what.startswith("requests ") else f"no price of {what}"
