"""What one task's traffic looks like: each statistic with its definition, what it rests on, an interval or why none.

`Collector` takes calls in order of time; `statistics()` says what they come to. Statistics of texts are of a random
sample and say so (`n` of `of`). Nothing here says what a change means for a promise: that is the audit's to decide.
"""

from ._figures import Statistic
from .collector import Collector, TaskStatistics

__all__ = ["Collector", "Statistic", "TaskStatistics"]
