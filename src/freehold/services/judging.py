"""A question put before the decision: light, because a question that is kept takes nothing else to be answered."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from freehold.analytics.findings import Glanced
from freehold.economics.quality import QualityFacts
from freehold.economics.workload import Workload
from freehold.settings import EconomicsSettings
from freehold.verdict import Constraints, decide, weigh
from freehold.vocabulary import Task, Verdict

from .home import Home

if TYPE_CHECKING:
    from freehold.analytics.glance import Glance


class Question(NamedTuple):
    """Everything that the decision on one task is given. `glance`: None where nobody looked at the calls' contents."""

    task: Task
    workload: Workload
    quality: QualityFacts
    constraints: Constraints
    as_of: datetime
    glance: Glance | None = None


def judged(
    home: Home, question: Question, economics: EconomicsSettings | None = None, *, glanced: Glanced | None = None
) -> Verdict:
    """The verdict on one question, kept nowhere.

    Args:
        home: whose settings and prices.
        question: what it is given.
        economics: other inputs than the settings have.
        glanced: what the criteria say of the calls' contents; without it that is not known. The rest needs none of it.
    """
    return decide(*_given(home, question, economics), prices=home.prices, glanced=glanced)


def weighed(home: Home, question: Question, economics: EconomicsSettings | None = None) -> Verdict:
    """The same without what only explains the verdict (`verdict.weigh`)."""
    return weigh(*_given(home, question, economics), prices=home.prices)


def _given(
    home: Home, question: Question, economics: EconomicsSettings | None
) -> tuple[Task, Workload, QualityFacts, Constraints, EconomicsSettings, datetime]:
    """What a verdict is given, in its order."""
    task, workload, quality, constraints, as_of, _ = question
    return task, workload, quality, constraints, economics or home.settings.economics, as_of
