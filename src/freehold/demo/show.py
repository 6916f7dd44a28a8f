"""The demo's last page: one table that a stranger understands, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from freehold.services.wording import level, percent
from freehold.verdict import words
from freehold.vocabulary import Certificate

from .walk import DemoResult, DemoTask

Print = Callable[[str], None]
COLUMNS = "Task|>Calls a month|>Rent a month|Verdict|>Owned now|>Saving a month|What is promised"


def rows(result: DemoResult) -> list[list[str]]:
    """The table's rows, largest task first."""
    return [_row(task) for task in result.tasks]


def _row(task: DemoTask) -> list[str]:
    usd = task.monthly_usd
    saving = "-"
    if usd.saving_low is not None and usd.saving_high is not None:
        saving = _saving(usd.saving_low, usd.saving_high)
    name = f"{task.name} (restricted)" if task.restricted else task.name
    owned = percent(task.owned_share) if task.owned_share else "-"
    verdict = words.word_text(task.verdict)
    return [name, f"{task.calls:,}", _usd(usd.rent), verdict, owned, saving, _promise(task.certificate)]


def _promise(certificate: Certificate | None) -> str:
    if certificate is None:
        return "none: too few calls to learn from"
    if not certificate.certified:
        more = certificate.labels_needed
        return "none: the calls do not carry one" if more is None else f"none yet: about {more:,} more labels might do"
    whose = "the rented model" if certificate.against == "teacher" else "people's own answers"
    return (
        f"at most {level(certificate.alpha)} of what it keeps disagrees with {whose}, with "
        f"{level(1 - certificate.delta)} confidence"
    )


def closing(result: DemoResult) -> list[str]:
    """What the numbers stand on, and what to type next."""
    refused = sum(task.refused for task in result.tasks)
    stands_on = (
        f"{result.calls:,} calls of an invented bicycle market, recorded; each stands for {result.stands_for:g} real "
        f"ones. The rented model is a recording, its price the real list price. {result.elapsed_s:.0f} s in all."
    )
    lines = ["", stands_on]
    if refused:
        lines.append(
            f"{refused:,} restricted calls were refused rather than sent to a rented model: its own was not sure."
        )
    lines += [
        f"The report is {result.report}: every option, what would flip each verdict, and what it rests on.",
        "",
        "Next, on a log of your own:   freehold backtest calls.jsonl",
        "What if it were less:         freehold demo --volume x0.01",
    ]
    if result.home:
        lines.append(f"Look around in this one:      FREEHOLD_HOME={shlex.quote(result.home)} freehold tasks")
    return lines


def _saving(low: float, high: float) -> str:
    if high < 0:
        return f"costs {_usd(-high)} to {_usd(-low)} more"
    return f"{_usd(low)} to {_usd(high)}"


def _usd(amount: float | None) -> str:
    if amount is None:
        return "unknown"
    return f"-${-amount:,.0f}" if amount <= -0.5 else f"${amount:,.0f}" if amount >= 10 else f"${max(amount, 0):,.2f}"
