"""Trying another model before anything is switched."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError
from freehold.vocabulary import Latency, Ratio, Rehearsal

from ._arguments import Json
from ._output import Part, count, dim, emit, good, percent, say, strong, suggest, table, usd, warn, working

if TYPE_CHECKING:
    from freehold.services.rehearsing import Plan, Rehearsed


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("rehearse")(rehearse)


def rehearse(
    task: Annotated[str, typer.Argument(help="The task's name or id.")],
    model: Annotated[str, typer.Argument(help="PROVIDER/MODEL of the settings, or an alias of yours.")],
    *,
    calls: Annotated[int, typer.Option(help="How many recorded calls to ask again, drawn at random.")] = 400,
    budget: Annotated[str, typer.Option(help="The most that this run may cost, in US dollars.")] = "1",
    against: Annotated[
        str, typer.Option(help="What a good answer is: recorded or gold; else as the task's settings say.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Another seed draws another sample.")] = 0,
    at_once: Annotated[int, typer.Option("--at-once", help="How many calls are under way at a time.")] = 8,
    allow_unknown_price: Annotated[
        bool, typer.Option("--allow-unknown-price", help="Ask a model whose price nobody knows; no budget holds then.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would ask and cost; send nothing.")] = False,
    json: Json = False,
) -> None:
    """Ask another model a sample of a task's recorded calls: how many answers are as good, what breaks, what it costs.

    The budget is asked before every call. Answers are kept, so that running again pays only for what is missing.

    Example: freehold rehearse sort_messages openai/gpt-4.1-mini --calls 400 --budget 0.50
    """
    from freehold.services import rehearsing
    from freehold.services.home import Home

    order = rehearsing.Order(model, calls, _amount(budget), seed, against, at_once, allow_unknown_price)
    with Home.open() as home, working("looking for the calls") as progress:
        if dry_run:
            plan = rehearsing.plan(home, home.task(task), order)
            _plan_page(plan) if not json else emit("freehold.rehearsal_plan/1", plan=plan)
            return
        done = rehearsing.rehearse(home, home.task(task), order, progress=progress)
    if json:
        emit(
            "freehold.rehearsal/1",
            plan=done.plan,
            rehearsal=done.rehearsal,
            judged=done.judged,
            stopped=done.stopped,
        )
        return
    _page(done.plan, done.rehearsal)
    if done.stopped:
        say(warn("Stopped early: "), done.stopped, ".")
    _conclusion(done)


def _amount(text: str) -> Decimal:
    try:
        value = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise UsageError(f"--budget is {text!r}, which is no amount of US dollars", hint="--budget 0.50")
    return value


def _plan_page(plan: Plan) -> None:
    name = f"{plan.provider}/{plan.model}"
    say(strong(f"{plan.task}: {plan.today} against {name}"), "  nothing was sent")
    for line in _sampled(plan):
        say(line)
    if plan.played:
        say(f"{count(plan.to_ask)} calls would be played from the recording of {plan.provider}, for nothing.")
        return
    say(
        f"{count(plan.to_ask)} calls would be asked: about {_exact(plan.expected_usd)} at the recorded tokens, at most "
        f"{_exact(plan.worst_usd)} with the longest answers allowed. The budget is {_exact(plan.budget_usd)}."
    )


def _sampled(plan: Plan) -> Iterator[str]:
    gold = f", {count(plan.with_gold)} of them with gold" if plan.with_gold else ""
    yield (
        f"Sample: {count(plan.drawn)} of {count(plan.population)} recorded calls, drawn at random{gold}; "
        f"{count(plan.kept)} were answered in earlier runs."
    )
    if plan.held_back:
        yield f"{count(plan.held_back)} of them hold restricted text and are never sent."


def _page(plan: Plan, found: Rehearsal) -> None:
    say(
        strong(f"{plan.task}: {found.today} against {found.name}"),
        dim("  (a recording stood in)" if found.played else ""),
    )
    for line in _sampled(plan):
        say(line)
    missing = f", {count(found.failed)} failed and count as nothing" if found.failed else ""
    refused = f", {count(found.refused)} refused and count as not as good" if found.refused else ""
    say(f"{count(found.answered)} answers{refused}{missing}.")
    for what, many in found.errors.items():
        say(f"  {count(many)} x {what}")
    table("Measure|Today|Other|n", _measures(found))
    if found.breaches:
        say(strong("What breaks the contract"), dim("  beside the recorded answers to the same calls"))
        rows = [[b.clause, f"{b.broken:,} of {b.n:,}", count(b.recorded), b.example, b.rule] for b in found.breaches]
        table("Clause|>Broken|>Recorded|Example|Rule", rows, prose=True)
    else:
        say("No answer breaks the task's contract." if found.contract_version else "The task has no contract.")
    if found.disagreements:
        with_what = "gold" if plan.against == "gold" else "the recorded answers"
        say(strong(f"Where it differs from {with_what}"), dim("  most frequent first"))
        table("Difference|>Calls|Example", [[d.what, count(d.n), d.example] for d in found.disagreements])
    for name, many in found.not_carried.items():
        say(warn("not carried: "), f"{name}, which {found.name} has no word for, in {count(many)} calls")


def _measures(found: Rehearsal) -> list[list[Part]]:
    rows: list[list[Part]] = []
    agreed = found.agreed
    label = "same words as recorded" if found.loss == "text" else "as good as recorded"
    rows.append([label, "-", _share(agreed.same, agreed.n, agreed.interval.low, agreed.interval.high), count(agreed.n)])
    if (gold := found.gold) is not None:
        today = _share(gold.today_right, gold.n, gold.today_interval.low, gold.today_interval.high)
        other = _share(gold.right, gold.n, gold.interval.low, gold.interval.high)
        rows.append(["right, by gold", today, other, count(gold.n)])
        rows.append(["right where the other is not", count(gold.worse), count(gold.better), count(gold.n)])
    for name, ratio in (("input tokens", found.input_ratio), ("output tokens", found.output_ratio)):
        if ratio is not None:
            rows.append([name, "1", _ratio(ratio), count(ratio.n)])
    for name, at in (("latency P50", 0), ("latency P95", 1)):
        rows.append([name, _ms(found.today_latency, at), _ms(found.latency, at), _timed(found.latency)])
    rows.append(["cost per call", _exact(found.today_usd_per_call), _exact(found.usd_per_call), count(found.answered)])
    rows.append(["this run cost", "-", "nothing" if found.played else _exact(found.spent_usd), "-"])
    return rows


def _share(part: int, whole: int, low: float, high: float) -> str:
    return f"{percent(part / whole if whole else None, 1)} ({100 * low:.1f} to {100 * high:.1f})"


def _ratio(found: Ratio) -> str:
    return f"x{found.value:.3g} ({found.low:.3g} to {found.high:.3g})"


def _ms(found: Latency | None, at: int) -> str:
    return "not known" if found is None else f"{(found.p50_ms, found.p95_ms)[at]:,.0f} ms"


def _timed(found: Latency | None) -> str:
    return "-" if found is None else count(found.n)


def _exact(amount: Decimal | None) -> str:
    """An amount with the digits that a single call takes."""
    if amount is None or amount >= 1 or not amount:
        return usd(amount)
    return f"${amount:.2g}" if amount >= Decimal("0.0001") else f"${amount:.6f}"


def _conclusion(done: Rehearsed) -> None:
    plan, judged = done.plan, done.judged
    if f"{plan.provider}/{plan.model}" == plan.today:
        say("This is today's model itself: it says how often it repeats its own answers, and decides nothing.")
        return
    if judged is None or judged.unjudged:
        say(
            "Nothing here can judge free text: another wording counts as different, so that the share above is a floor "
            "and no quality. What was measured is the contract, the tokens and the latency."
        )
        suggest(f"freehold verdict {plan.task} --json says what it would save; judge a few answers by hand")
        return
    sure = f"with {percent(1 - done.delta)} confidence at most {percent(max(0.0, judged.worse_upper), 1)}"
    allowed = f"{percent(done.alpha, 1)} are allowed"
    if judged.worse_upper <= done.alpha:
        say(good("Good enough: "), f"{sure} of the answers get worse by the swap, and {allowed}.")
    elif judged.more_calls is not None:
        say(warn("Too few calls to tell: "), f"{sure} of the answers get worse by the swap, and {allowed}.")
        suggest(f"freehold rehearse {plan.task} {plan.provider}/{plan.model} --calls {judged.more_calls}")
        return
    else:
        say(warn("Not good enough: "), f"{sure} of the answers get worse by the swap, and {allowed}.")
    suggest(f"freehold verdict {plan.task}")
