"""A task's verdict under named scenarios, with what is known of its rented model's end."""

from __future__ import annotations

from freehold.verdict import scenarios
from freehold.verdict.scenarios import ScenarioRow

from .deciding import Question
from .home import Home


def suppose(home: Home, question: Question) -> tuple[ScenarioRow, ...]:
    """The verdict on a question under every scenario; nothing where its verdict compares nothing."""
    return scenarios.under(
        scenarios.table(question.workload.months_left),
        question.workload,
        question.quality,
        question.constraints,
        home.settings.economics,
        question.as_of,
        prices=home.prices,
    )
