"""Results that fill a screen: one task's verdict, one call's attempts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from freehold.vocabulary import Option, Verdict

from ._output import count, dim, percent, say, strong, table, usd, warn

if TYPE_CHECKING:
    from freehold.services.explaining import Explanation, LegRow
    from freehold.services.showing import ShownTask
    from freehold.services.what_if import Side, WhatIf
    from freehold.verdict.scenarios import ScenarioRow


_SHORT_NOTE = 50


def verdict_page(verdict: Verdict) -> None:
    """Print a verdict: the answer and why, every option, what would flip it, and what it assumes."""
    from freehold.services.wording import flip_text, risk
    from freehold.verdict import words

    say(strong(f"{verdict.task_name}: {words.verdict_sentence(verdict)}"))
    say(verdict.reason)
    for warning in verdict.warnings:
        say(warn(warning))
    if verdict.to_find_out:
        say(dim(verdict.to_find_out))
    rows = [_option(option) for option in verdict.options]
    table("Option|>A month|>P10 to P90|>One-off|>Wins in|Quality|Note", rows, prose=True)
    _worth(verdict)
    _machines(verdict)
    if verdict.from_scratch:
        say(dim(verdict.from_scratch))
    if verdict.steps:
        say(
            strong("The swap of the model and the ownership, apart"),
            dim(f"  medians; {_alike(verdict)}"),
        )
        steps = [[s.name, s.option, usd(s.monthly_usd), usd(s.change_usd)] for s in verdict.steps]
        table("Step|Option|>A month|>Change", steps)
    if verdict.criteria:
        say(strong("The classical criteria"), dim("  they explain; the money decides"))
        rows = [[c.name, c.speaks_for, c.answer, c.rests_on, c.evidence] for c in verdict.criteria]
        table("Criterion|Speaks for|Answer|Rests on|Evidence", rows, prose=True)
    if verdict.declared:
        say(strong("What was declared"))
        table(
            "Name|Value|Said in|Effect", [[d.name, d.value, d.origin, d.effect] for d in verdict.declared], prose=True
        )
    say(strong("What would change the answer"))
    for flip in verdict.flips:
        say(f"  {flip_text(flip)}")
    if not verdict.flips:
        say("  nothing inside the ranges examined")
    if verdict.risk is not None:
        say(strong("What it risks"))
        for line in risk(verdict.risk):
            say(f"  {line}")
    assumed = [[a.name, f"{a.value:f}", f"{a.low:f} to {a.high:f}", a.unit, a.source.name] for a in verdict.assumptions]
    say(strong("What nobody measured"))
    table("Input|>Value|>Range|Unit|Source", assumed, prose=True)
    say(strong("Sources"))
    for source in verdict.sources:
        say(f"  {source.name}{f' ({source.date})' if source.date else ''}")


def scenarios_page(verdict: Verdict, rows: Sequence[ScenarioRow]) -> None:
    """Print one task's answer under every scenario."""
    from freehold.verdict import words

    say(strong(f"{verdict.task_name}: {words.verdict_sentence(verdict)}"))
    if not rows:
        say(verdict.reason)
        return
    lines = [
        [
            row.name,
            words.word_text(row.word),
            row.leads or "-",
            usd(row.rent_monthly_usd),
            usd(row.saving_usd.mid),
            f"{usd(row.saving_usd.low)} to {usd(row.saving_usd.high)}",
            "-" if row.regret_usd is None else usd(row.regret_usd),
            row.text,
        ]
        for row in rows
    ]
    columns = "Scenario|Verdict|Ahead|>Rent a month|>It saves|>P10 to P90|>Staying costs|What happens"
    table(columns, lines, prose=True)
    say(dim("What is ahead saves so much over renting on, in 24 months; staying: with what is ahead today."))


def _alike(verdict: Verdict) -> str:
    """What is known of the answers of the model that the steps swap to."""
    swapped = {step.option for step in verdict.steps[1:]}
    measured = any(option.name in swapped and option.quality == "measured" for option in verdict.options)
    return "a rehearsal says above how its answers compare" if measured else "how its answers compare is not known"


def _worth(verdict: Verdict) -> None:
    """Print what each option is worth against renting on, and where that turns."""
    from freehold.services.wording import crossover, payback

    rows: list[list[str]] = []
    for option in verdict.options:
        if not option.npv_usd or option.quality == "reference":
            continue
        by_months = [usd(option.npv_usd[months].mid) for months in ("12", "24", "36")]
        spread = option.npv_usd["24"]
        about = f"{usd(spread.low)} to {usd(spread.high)}"
        rows.append([option.name, *by_months, about, payback(option), _pays(crossover(option))])
    if rows:
        say(strong("Worth over renting on"), dim("  net present value after 12, 24 and 36 months, median"))
        table("Option|>12|>24|>36|>24, P10 to P90|>Pays back|>Pays from", rows, prose=True)


def _pays(volumes: str) -> str:
    """Volumes at which an option beats renting on, in words that need no heading: a table puts them below its rows."""
    if volumes == "never":
        return "pays at no volume"
    return f"pays {'' if ' to ' in volumes or volumes.startswith('from') else 'from '}{volumes} a month"


def _machines(verdict: Verdict) -> None:
    """Print what options run on and how much of it is used; a long note that several have, once."""
    told = [option for option in verdict.options if option.notes]
    times = Counter(note for option in told for note in option.notes)
    shared = [note for note, n in times.items() if n > 1 and len(note) > _SHORT_NOTE]
    if told:
        say(strong("What each takes"))
    for option in told:
        say(f"  {option.name}: {'; '.join(note for note in option.notes if note not in shared)}")
    for note in shared:
        say(dim(f"  several: {note}"))


def _option(option: Option) -> list[str]:
    from freehold.services.wording import wins

    price = option.monthly_usd
    return [
        option.name,
        usd(price.mid),
        f"{usd(price.low)} to {usd(price.high)}",
        usd(option.one_off_usd.mid),
        wins(option),
        option.quality,
        option.why_not,
    ]


def what_if_page(found: WhatIf) -> None:
    """Print a supposition: whether the answer changes, what was supposed, and every option before and after."""
    say(strong(f"{found.task}: {found.answer}"))
    for one in found.changes:
        say(f"  {one.name}: {one.before:,.6g} to {one.after:,.6g} {one.unit}")
    say(found.after.reason)
    rows = [[one.name, *_pair(one.before), *_pair(one.after), one.why_not] for one in found.options]
    table("Option|>A month|>Wins in|>then a month|>Wins in|Note", rows, prose=True)


def _pair(side: Side | None) -> list[str]:
    return ["-", "-"] if side is None else [usd(side.monthly_usd.mid), percent(side.probability_wins)]


def shown_task(found: ShownTask) -> None:
    """Print one task: what its calls have in common, its versions, models, and calls to judge it by."""
    named = "a person" if found.named_by == "person" else "discovery"
    kind = "calls without bodies" if found.stated else found.kind.replace("_", " ")
    say(strong(found.name), f"  {kind}, {count(found.calls)} calls ({percent(found.share, 1)}), named by {named}")
    if found.tags:
        say(f"tags: {', '.join(found.tags)}")
    say(strong("Why these calls belong together"))
    say(f"  {found.why}")
    if found.prompt:
        say(*_indented(found.prompt))
    if found.tools:
        say(f"  tools: {', '.join(found.tools)}")
    if found.schema:
        say(f"  response schema: {found.schema}")
    if not found.stated:
        say(strong("How sure"))
        say(f"  {percent(found.exact, 1)} of its calls fit a version exactly; the others are near to one.")
        say(f"  {_stable(found)}")
    if found.versions:
        say(strong("Versions of the prompt"))
        rows = [
            [v.id, count(v.calls), percent(v.share, 1), v.first_seen[:16], v.last_seen[:16], v.text]
            for v in found.versions
        ]
        table("Version|>Calls|>Share|First seen (UTC)|Last seen (UTC)|Constant text", rows, prose=True)
    say(strong("Models asked"))
    for model in found.models:
        say(f"  {model.model}  {count(model.calls)} calls")
    for title, calls in (("Most typical calls", found.typical), ("Strangest calls", found.strangest)):
        if calls:
            say(strong(title), dim(f"  closeness to the centre of {count(found.looked_at)} sampled calls, at most 1"))
        for call in calls:
            say(f"  {call.closeness:.2f}  {call.id}")
            say(dim("    asked     "), _one_line(call.input))
            say(dim("    answered  "), _one_line(call.answer))


def _stable(found: ShownTask) -> str:
    if found.stability is None:
        return "How stable it is was not measured: too few of its calls were in the reruns."
    return (
        f"{found.reruns} reruns on half of the calls found it again to {found.stability:.2f}"
        f" (Jaccard overlap, 1 is the same; {count(found.stability_calls)} calls sorted)."
    )


def _indented(text: str) -> tuple[str, ...]:
    return tuple(f"{chr(10) if i else ''}  | {line}" for i, line in enumerate(text.split("\n")))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def explained_legs(told: Explanation) -> None:
    """Print the attempts at a call, and its content where the explanation holds it."""
    if told.legs:
        rows = [_leg(leg) for leg in told.legs]
        table("For|Model|Ended|>Began ms|>Took ms|>Tokens in|>Cached|>Out|>Cost|Sure|Price from", rows, prose=True)
    if told.content is None:
        return
    if told.content.missing:
        say(told.content.missing)
    else:
        say(strong("Asked"))
        say(told.content.request)
    if told.content.response:
        say(strong("Answered"))
        say(told.content.response)
    for leg, answer in zip(told.legs, told.content.legs, strict=False):
        if answer is not None:
            say(strong(f"Answered aside ({leg.purpose}, {leg.model})"))
            say(answer)
    if told.content.gold is not None:
        say(strong("Right"))
        say(told.content.gold)
    for row, value in zip(told.feedback, told.content.feedback, strict=True):
        say(strong(f"Said of it ({row.kind})"))
        say(value)


def _leg(leg: LegRow) -> list[str]:
    from freehold.services import explaining

    usage = leg.usage
    where = f"{leg.model} ({leg.provider})" if leg.provider and leg.provider != leg.owner else leg.model
    ended = leg.outcome if leg.outcome == "ok" else f"{leg.outcome}: {leg.error or leg.status}"
    judged = {None: "", True: ", agreed", False: ", differed"}[leg.agrees]
    about = "~" if usage is not None and usage.estimated else ""
    return [
        f"{leg.purpose}, answered" if leg.answered else leg.purpose,
        where,
        ended,
        f"{leg.began_ms:,.1f}",
        f"{leg.latency_ms:,.1f}",
        f"{about}{count(usage.input_tokens)}" if usage is not None else "-",
        count(usage.cache_read_tokens) if usage is not None else "-",
        f"{about}{count(usage.output_tokens)}" if usage is not None else "-",
        explaining.exact(leg.cost_usd),
        (f"{leg.confidence:.4f}" if leg.confidence is not None else "-") + judged,
        f"{leg.price.name}{f' ({leg.price.date})' if leg.price.date else ''}",
    ]
