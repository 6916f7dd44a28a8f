"""Chains of calls: all of them, and one of them whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ._arguments import Json, Since, Until, window
from ._measured import chain, exact, looked, ms, quantile, rate, title
from ._output import Part, count, dim, emit_struct, good, percent, say, strong, suggest, table, warn, working

if TYPE_CHECKING:
    from freehold.analytics.alternatives import Supposed
    from freehold.analytics.workflows import Times, Workflow
    from freehold.evidence.compounding import Together
    from freehold.services.workflows.compounding import Compounded
    from freehold.services.workflows.listing import Workflows
    from freehold.services.workflows.showing import ShownWorkflow
    from freehold.services.workflows.standing import Standing
    from freehold.vocabulary import WorkflowCertificate

Most = Annotated[int, typer.Option("--calls", min=1, help="Look at no more than so many of the newest calls.")]

workflow_app = typer.Typer(help="Look at one recurring chain of calls.")
_LISTED = 20
"""Workflows that are listed; `--json` has all."""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("workflows")(workflows)
    app.add_typer(workflow_app, name="workflow")


def workflows(since: Since = "", until: Until = "", most: Most = 100_000, json: Json = False) -> None:
    """Calls that belong together, by trace, session or conversation: what each recurring chain takes and costs.

    Example: freehold workflows --since 7d
    """
    from freehold.services.home import Home
    from freehold.services.workflows import listing

    asked = window(since, until)
    with Home.open() as home, working("looking through the calls") as progress:
        found = listing.workflows(home, asked, most=most, progress=progress)
    if json:
        emit_struct("freehold.workflows/2", found)
        return
    looked(found.looked)
    if not found.looked.calls:
        if asked.since_us is None and asked.until_us is None:
            suggest("freehold import LOG")
        return
    _listed(found)


def _listed(found: Workflows) -> None:
    rows = [
        [
            flow.name,
            flow.how,
            count(flow.runs),
            f"{flow.calls_per_run:.1f}",
            *_tail(flow.wall),
            percent(_part(flow.model, flow.wall)),
            "unknown" if flow.usd_per_run is None else exact(flow.usd_per_run),
            percent(flow.failed_runs / flow.runs, 1),
            _told(found.promises.get(flow.id)),
            chain(flow.paths[0].tasks),
        ]
        for flow in found.workflows[:_LISTED]
    ]
    if rows:
        columns = (
            "Workflow|By|>Runs|>Calls a run|>P50|>P90|>P99|>Models at work|>A run costs|>Failed|Promised|Mostly goes"
        )
        table(columns, rows, prose=True)
    else:
        say("No call is seen to belong with another.")
    if len(found.workflows) > _LISTED:
        say(dim(f"and {count(len(found.workflows) - _LISTED)} more; --json has all"))
    rest = f"{count(found.single)} runs hold one call, {count(found.unchained)} calls state no trace or session"
    say(dim(f"{rest} and continue no other; docs/wire.md says how a client names them"))
    if rows:
        suggest(f"freehold workflow show {found.workflows[0].name}")


@workflow_app.command("show")
def show_workflow(name: str, since: Since = "", until: Until = "", most: Most = 100_000, json: Json = False) -> None:
    """Where a workflow's time goes, which step decides when it ends, and what owning its steps would change.

    Example: freehold workflow show sort_messages --since 7d
    """
    from freehold.services.home import Home
    from freehold.services.workflows import showing

    asked = window(since, until)
    with Home.open() as home, working("looking through the calls") as progress:
        found = showing.show(home, name, asked, most=most, progress=progress)
    if json:
        emit_struct("freehold.workflow/1", found)
        return
    looked(found.looked)
    _head(found.workflow)
    _time(found.workflow)
    _steps(found.workflow)
    _supposed(found)
    if found.worse is not None:
        _worse(found.worse)
    _wrong(found.wrong)
    _promise(found.promise, found.workflow.name, owned=bool(found.owned))
    say(dim("docs/workflows.md says what these figures mean and rest on"))


def certified_workflow(
    name: str, alpha: float | None, delta: float | None, against: str, of: str, route: str, *, json: bool
) -> None:
    """Ask for a promise about a workflow's runs and tell it; ends with exit code 3 for no."""
    from freehold.services.home import Home
    from freehold.services.workflows import certifying

    with Home.open() as home, working(f"certifying {name}") as progress:
        made = certifying.certify(
            home, name, alpha=alpha, delta=delta, against=against, of=of, route=route, progress=progress
        )
    if json:
        emit_struct("freehold.workflow_certificate/1", made)
    else:
        say(good("certified") if made.certified else warn("not certified"), ": ", made.reason)
        _promised(made)
    if not made.certified:
        raise typer.Exit(3)


def lapsed_promises(gone: Sequence[tuple[str, str]]) -> None:
    """Say which promises about runs a step's change has ended."""
    for name, why in gone:
        say(warn(f"The promise about the runs of {name} has lapsed: "), why)
        suggest(f"freehold certify --workflow {name}")


def _promised(made: WorkflowCertificate) -> None:
    """What a promise about runs covers and rests on."""
    for pin in made.steps:
        say(dim(f"  {pin.task}: {pin.student_id} from a confidence of {pin.threshold:.3f}, by {pin.certificate_id}"))
    for part in made.parts:
        seen = f"({part.calls_per_run:.2f} in {count(part.runs)} runs)"
        say(
            dim(
                f"  {part.task}: at most {part.calls_upper:.2f} calls a run {seen}, at least "
                f"{percent(part.share_lower, 1)} of its calls in such runs, at most "
                f"{percent(part.keeps_upper, 1)} kept, at most {percent(part.alpha, 1)} of these wrong"
            )
        )
    for why, n in made.left_out.items():
        say(dim(f"  {count(n)} runs left out: {why}"))


def _promise(told: Standing | None, name: str, *, owned: bool) -> None:
    from freehold.services.workflows.telling import promise

    title("Promise", "end to end")
    if told is None:
        say("  none was asked for" if owned else "  none can be asked for: no step has a student that is certified")
        if owned:
            suggest(f"freehold certify --workflow {name}")
        return
    made = told.certificate
    if told.lapsed:
        say(warn("  lapsed: "), told.lapsed)
        suggest(f"freehold certify --workflow {name}")
    elif made.certified:
        say(good(f"  with confidence {percent(1 - made.delta, 1)}, "), promise(made))
    else:
        say(warn("  none: "), made.reason)
    runs = f"; {count(made.n_bad)} of {count(made.n)} bad" if made.route == "runs" and made.n else ""
    say(dim(f"  asked on {made.issued_at[:10]}, {made.id}: {made.method or 'nothing was measured'}{runs}"))
    _promised(made)


def _told(told: Standing | None) -> Part:
    """A promise in a table's cell."""
    if told is None:
        return "-"
    if told.lapsed:
        return warn("lapsed")
    made = told.certificate
    return good(f"<= {percent(made.alpha, 1)} of {made.of} runs") if made.certified else "no"


def _head(flow: Workflow) -> None:
    say()
    feature = f" of {flow.feature}" if flow.feature else ""
    say(
        strong(flow.name),
        f": {count(flow.runs)} runs{feature} by {flow.how} that begin with {flow.entry or 'a call of no task'}; "
        f"{flow.calls_per_run:.1f} calls each, {count(flow.most_calls)} at most",
    )
    cost = "what a run costs is unknown" if flow.usd_per_run is None else f"{exact(flow.usd_per_run)} a run"
    unpriced = f" ({count(flow.unpriced_runs)} runs of unknown price left out)" if flow.unpriced_runs else ""
    failed = flow.failed_interval
    share = rate(flow.failed_runs, flow.runs, (failed.low, failed.high))
    say(f"  {cost}{unpriced}; {share} of the runs hold a failed call")
    for one in flow.paths[:3]:
        say(dim(f"  {percent(one.runs / flow.runs)} go {chain(one.tasks)}"))
    if flow.of_paths > 3:
        say(dim(f"  {count(flow.of_paths)} ways in all"))


def _time(flow: Workflow) -> None:
    title("Time of a run", "95 % intervals in brackets")
    if flow.wall is None:
        say("  of no run is it known how long its calls took")
        return
    rows = [
        _times("from the first request to the last answer", flow.wall),
        _times("some model at work", flow.model),
        _times("between calls: the product's own, its tools, people", flow.between),
    ]
    table("|>Mean|>P50|>P90|>P99", rows)
    if flow.side_by_side:
        say(dim(f"  {percent(flow.side_by_side)} of the calls' own time ran beside another call, and is counted once"))
    if flow.untimed:
        say(dim(f"  {count(flow.untimed)} more runs hold calls of which the log does not say when they were or took"))


def _steps(flow: Workflow) -> None:
    title("Steps", "the critical path is what the run's end waited for")
    timed = flow.wall.n if flow.wall is not None else 0
    rows = [
        [
            link.task or "-",
            f"{link.calls_per_run:.1f}",
            percent(link.runs / flow.runs),
            "-" if link.latency_ms is None else ms(link.latency_ms),
            percent(link.critical_share),
            f"{count(link.decides)} of {count(timed)}",
            percent(link.time_share),
            percent(link.cost_share),
            rate(link.failed, link.calls, (link.failed_interval.low, link.failed_interval.high)),
        ]
        for link in flow.links
    ]
    rows.append(["(between calls)", "", "", "", percent(flow.critical_between), "", "", "", ""])
    columns = (
        "Task|>Calls a run|>In runs|>Median|>Critical path|>Longest in|>Of models' time|>Of cost|Failed, 95 % interval"
    )
    table(columns, rows)


def _supposed(found: ShownWorkflow) -> None:
    flow = found.workflow
    if flow.wall is None:
        return
    title("If a step were answered otherwise", "simulated on these runs, waits between calls as they were")
    today = ["(as it is)", "", *_plain_tail(flow.wall), _each(flow.usd_per_run)]
    table("Step|Answered|>P50|>P90|>P99|>A run costs", [today, *map(_supposed_row, found.supposed)])
    say(dim("  in no time: a bound on what any change of that step can bring, and no promise"))
    for step in found.owned:
        if step.answer_ms is None:
            say(warn(f"  {step.task}: {step.student_id} cannot be asked how long it takes: {step.timed_by}"))
            continue
        low, high = step.keeps_interval.low, step.keeps_interval.high
        where = "calls" if step.timed_by == "calls" else "inputs, here and now, without a gateway"
        say(
            dim(
                f"  {step.task}: {step.student_id} keeps {percent(step.keeps)} ({percent(low)} to {percent(high)}) by "
                f"{count(step.n)} calls, and takes {step.answer_ms:.2f} ms by {count(step.timed)} {where}; what it "
                "does not keep is rented after it"
            )
        )
    if not found.owned:
        say(dim("  no step has a student that anything is promised of: freehold train, freehold certify"))


def _supposed_row(one: Supposed) -> Sequence[Part]:
    how = "in no time" if one.how == "at_once" else f"owned, {percent(one.keeps)} kept"
    steps = " + ".join(task or "-" for task in one.tasks)
    if one.how == "at_once" or one.wall is None or one.at_least_kept is None or one.at_most_kept is None:
        return [steps, how, *_plain_tail(one.wall), _each(one.usd_per_run)]
    ranges = [
        ms(middle.ms) if ms(best.ms) == ms(worst.ms) else f"{ms(middle.ms)} ({ms(best.ms)} to {ms(worst.ms)})"
        for middle, best, worst in zip(
            one.wall.quantiles, one.at_most_kept.quantiles, one.at_least_kept.quantiles, strict=True
        )
    ]
    return [steps, how, *ranges, _each(one.usd_per_run)]


def _worse(found: Compounded) -> None:
    what = "owned answers that are not the rented model's, if every step with an owned model were served by it"
    title("Errors added up, worse than rented", what)
    _errors(found, "Owned answers a run", "Not the rented one's")


def _wrong(found: Compounded) -> None:
    title("Errors added up, wrong", "by what people say is right, whoever answered")
    _errors(found, "Answers a run", "Wrong")


def _errors(found: Compounded, answers: str, wrong: str) -> None:
    rows = [
        [
            one.task or "-",
            f"{one.answers_per_run:.2f}",
            "unknown"
            if one.rate is None or one.interval is None
            else rate(one.errors, one.n, (one.interval.low, one.interval.high)),
            count(one.n) if one.n else "-",
            f"{one.source}, {one.where}, until {one.until[:10]}" if one.source else one.why,
        ]
        for one in found.steps
    ]
    table(f"Step|>{answers}|{wrong}, 95 % interval|>Judged|By", rows)
    if found.at_most is None or found.at_most_upper is None or found.independent is None:
        say(
            warn("  of the whole run nothing is known: "),
            f"no evidence on {', '.join(one or '-' for one in found.unknown)}",
        )
        if len(found.unknown) < len(found.steps):
            say(f"  the other steps alone: at most {percent(found.known_at_most, 1)} of the runs, as they were judged")
    else:
        upper = f"{percent(found.at_most_upper, 1)} with confidence {percent(found.confidence)}"
        say(
            strong(f"  at most {percent(found.at_most, 1)} of the runs"),
            f" at these rates, at most {upper}: answers a run times their error rates, added up (union bound); no "
            "assumption on what goes together",
        )
        say(f"  {percent(found.independent, 1)} if every answer erred by itself, which is an assumption")
    if found.wrong_interval is not None:
        low, high = found.wrong_interval.low, found.wrong_interval.high
        seen = rate(found.wrong_runs, found.judged_runs, (low, high))
        say(f"  {seen} of the {count(found.judged_runs)} runs whose every such answer was judged")
    told = [pair for pair in found.together if pair.phi is not None]
    if told:
        say(dim(f"  steps that err together, most tied first, of {count(len(found.together))} pairs looked at:"))
    for pair in told[:3]:
        say(dim(f"  {_pair(pair)}"))


def _pair(pair: Together) -> str:
    names = f"{pair.first} and {pair.second}" if pair.first != pair.second else f"{pair.first}, first and second time"
    phi = "" if pair.phi is None else f", correlation {pair.phi:.2f}"
    low, high = percent(pair.interval.low, 1), percent(pair.interval.high, 1)
    return (
        f"{names}: both in {count(pair.both)} of {count(pair.n)} runs ({low} to {high}), {pair.expected:.1f} expected "
        f"if independent{phi}, p = {pair.p_value:.2g}"
    )


def _times(what: str, times: Times | None) -> list[Part]:
    if times is None:
        return [what, "-", "-", "-", "-"]
    return [what, ms(times.mean_ms), *map(quantile, times.quantiles)]


def _tail(times: Times | None) -> list[str]:
    return ["-"] * 3 if times is None else [quantile(one) for one in times.quantiles]


def _plain_tail(times: Times | None) -> list[str]:
    return ["-"] * 3 if times is None else [ms(one.ms) for one in times.quantiles]


def _part(part: Times | None, whole: Times | None) -> float | None:
    return part.mean_ms / whole.mean_ms if part is not None and whole is not None and whole.mean_ms else None


def _each(usd: object) -> str:
    return "unknown" if usd is None else exact(usd)
