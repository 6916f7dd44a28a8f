"""A task's verdict under named scenarios, with what is known of its rented model's end."""

from __future__ import annotations

from datetime import date

from freehold.verdict import scenarios
from freehold.verdict.scenarios import ScenarioRow

from . import radar
from .deciding import Question
from .home import Home


def suppose(home: Home, question: Question) -> tuple[ScenarioRow, ...]:
    """The verdict on a question under every scenario; nothing where its verdict compares nothing."""
    left = months_left(home, question.workload.model, question.as_of.date())
    return scenarios.under(
        scenarios.table(left),
        question.workload,
        question.quality,
        question.constraints,
        home.settings.economics,
        question.as_of,
        prices=home.prices,
    )


def months_left(home: Home, model: tuple[str, str], today: date) -> float | None:
    """Months until the announced shutdown of a rented model; None where none is announced, or it has passed."""
    for provider, name, risk in radar.at_risk(home, today=today):
        if (provider, name) == model and risk.status == "retiring" and risk.days_left is not None:
            return risk.days_left / 30.44
    return None
