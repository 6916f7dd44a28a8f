"""Results that fill a screen: one task's verdict."""

from __future__ import annotations

from freehold.services.wording import crossover, flip_text, payback
from freehold.verdict import words
from freehold.vocabulary import Option, Verdict

from ._output import dim, say, strong, table, usd, warn


def verdict_page(verdict: Verdict) -> None:
    """Print a verdict: the answer and why, every option, what would flip it, and what it assumes."""
    say(strong(f"{verdict.task_name}: {words.verdict_sentence(verdict)}"))
    say(verdict.reason)
    for warning in verdict.warnings:
        say(warn(warning))
    if verdict.to_find_out:
        say(dim(verdict.to_find_out))
    rows = [_option(option) for option in verdict.options]
    table("Option|>A month|>P10 to P90|>One-off|>Pays back|>Pays from|Quality|Note", rows, prose=True)
    say(strong("What would change the answer"))
    for flip in verdict.flips:
        say(f"  {flip_text(flip)}")
    if not verdict.flips:
        say("  nothing inside the ranges examined")
    assumed = [[a.name, f"{a.value:f}", f"{a.low:f} to {a.high:f}", a.unit, a.source.name] for a in verdict.assumptions]
    say(strong("What nobody measured"))
    table("Input|>Value|>Range|Unit|Source", assumed, prose=True)
    say(strong("Sources"))
    for source in verdict.sources:
        say(f"  {source.name}{f' ({source.date})' if source.date else ''}")


def _option(option: Option) -> list[str]:
    price = option.monthly_usd
    return [
        option.name,
        usd(price.mid),
        f"{usd(price.low)} to {usd(price.high)}",
        usd(option.one_off_usd.mid),
        payback(option),
        crossover(option),
        option.quality,
        option.why_not,
    ]
