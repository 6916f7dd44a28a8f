"""Promises about whole runs: "at most alpha of the runs hold an owned answer that is wrong", with confidence 1 - delta.

Two routes. `by_runs` judges later runs as a whole, each of which is wrong or not, with an exact binomial bound; it
takes runs to be independent, and nothing of the answers within one. `by_steps` adds up the promises that each step's
certificate makes: it needs no further labels and errs on the safe side; it takes calls to be independent, as the
certificates do. `design/workflows.md` derives both, and says why a promise measured on recorded runs holds of runs in
which the owned answers are served.

Of which runs: `all`, or `whole`, those in which every owned step was kept. A wrong answer may lead a live run anywhere,
so every recorded run with a wrong kept answer is counted against `whole`, whether or not the rest of it was kept. What
holds of whole runs holds of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from freehold.errors import UsageError
from freehold.vocabulary import Interval, RunsOf

from .bounded_means import mean_upper
from .intervals import lower, trials_without_error, two_sided, upper
from .rivals import spent

_POWER = 0.8  # runs_needed aims at four promises in five
_TOO_MANY = 1000  # times the fewest clean runs: whoever needs more is told that none will do
_SIZES = 300


class JudgedRun(NamedTuple):
    """One recorded run: whether an owned answer that was kept is wrong, and whether every owned step was kept.

    A run without any owned step is not `whole`.
    """

    bad: bool
    whole: bool


class ByRuns(msgspec.Struct, frozen=True):
    """What later runs say. `n` runs speak to the promise, of which `n_bad` are bad; see `WorkflowCertificate`."""

    certified: bool
    level: float
    n: int
    n_bad: int
    n_whole: int
    n_judged: int
    risk: float | None
    risk_interval: Interval | None
    risk_upper: float
    runs_needed: int | None


class StepFacts(NamedTuple):
    """What is known of an owned step.

    Its certificate's promise (`alpha`, `delta`), the share of calls that it kept of the `certified_on` it was measured
    on, how many of its calls each run holds, and how many of all its calls are made in such runs, of how many.
    """

    alpha: float
    delta: float
    coverage: float
    certified_on: int
    calls: Sequence[int]
    in_runs: int
    anywhere: int


class Part(NamedTuple):
    """What a step adds to the risk of a run; see `vocabulary.StepPart`."""

    calls_per_run: float
    calls_upper: float
    share_lower: float
    keeps_upper: float
    adds: float


class BySteps(msgspec.Struct, frozen=True):
    """What the certificates of the steps come to.

    `whole_lower` bounds the share of runs in which every owned step is kept, 0 where nothing is known of it. `scale` is
    what all steps' alphas would have to be multiplied by to certify, 0 where nothing would do. `delta_short`: the
    certificates' own deltas already sum to that, which is more than was asked for.
    """

    certified: bool
    level: float
    parts: tuple[Part, ...]
    whole_lower: float
    risk_upper: float
    scale: float
    delta_short: float | None


def by_runs(runs: Sequence[JudgedRun], *, of: RunsOf, alpha: float, delta: float, look: int = 1) -> ByRuns:
    """Promise by judging runs as a whole.

    Args:
        runs: later than everything that the steps' students and thresholds were made from.
        of: of which runs.
        alpha: the largest share of bad runs.
        delta: how often the promise may fail, over all looks together.
        look: how often runs of these steps have been looked at, this time included. Look k gets delta / (k (k + 1)).

    Raises:
        UsageError: alpha or delta lies outside (0, 1).
    """
    check_levels(alpha, delta)
    level = spent(delta, look)
    bad = sum(run.bad for run in runs)
    n = len(runs) if of == "all" else sum(run.bad or run.whole for run in runs)
    bound = upper(bad, n, level)
    certified = n > 0 and bound <= alpha
    needed = 0 if certified else _runs_needed(bad, n, len(runs), alpha, spent(delta, look + (n > 0)))
    return ByRuns(
        certified=certified,
        level=level,
        n=n,
        n_bad=bad,
        n_whole=sum(run.whole for run in runs),
        n_judged=len(runs),
        risk=bad / n if n else None,
        risk_interval=two_sided(bad, n) if n else None,
        risk_upper=bound,
        runs_needed=needed,
    )


def by_steps(
    steps: Sequence[StepFacts],
    *,
    of: RunsOf,
    alpha: float,
    delta: float,
    most_calls: int,
    odd_runs: tuple[int, int] = (0, 0),
    look: int = 1,
) -> BySteps:
    """Promise by adding up what the steps' certificates promise.

    Args:
        steps: every owned step. Counts are of runs of at most `most_calls` calls.
        of: of which runs.
        alpha: the largest share of bad runs.
        delta: how often the promise may fail. The certificates' own deltas count; the rest is for the counts.
        most_calls: a limit that was fixed before these runs were looked at.
        odd_runs: of how many runs (the second) some owned step is surely not kept, or is not there.
        look: as in `by_runs`, for the part of delta that is left to the counts.

    Raises:
        UsageError: alpha or delta lies outside (0, 1).
    """
    check_levels(alpha, delta)
    own = sum(step.delta for step in steps)
    left = delta - own
    if left <= 1e-12:
        return BySteps(False, 0.0, (), 0.0, 1.0, 0.0, own)
    level = spent(left, look)
    tail = level / (4 * len(steps) + 1)
    parts = tuple(_part(step, most_calls, tail) for step in steps)
    whole = 1 - upper(*odd_runs, tail) if odd_runs[1] else 0.0
    for step, part in zip(steps, parts, strict=True):
        unkept = 1 - max(0.0, step.coverage - _anywhere(step.certified_on, tail))
        whole -= _calls_per_run(part) * unkept
    whole = max(0.0, whole)
    added = sum(part.adds for part in parts)
    risk = added if of == "all" else added / whole if whole else float("inf")
    return BySteps(
        certified=risk <= alpha,
        level=level,
        parts=parts,
        whole_lower=whole,
        risk_upper=min(1.0, risk),
        scale=min(1.0, alpha / risk) if risk > 0 else 1.0,
        delta_short=None,
    )


def _part(step: StepFacts, most_calls: int, tail: float) -> Part:
    calls = float(np.mean(step.calls)) if len(step.calls) else 0.0
    calls_upper = mean_upper(step.calls, most_calls, tail)
    share = lower(step.in_runs, step.anywhere, tail)
    keeps = min(1.0, step.coverage + _anywhere(step.certified_on, tail))
    part = Part(calls, calls_upper, share, keeps, 0.0)
    return part._replace(adds=_calls_per_run(part) * keeps * step.alpha)


def _calls_per_run(part: Part) -> float:
    """At most so many of the step's calls are made, in runs or out of them, for each run."""
    return part.calls_upper / part.share_lower if part.share_lower else float("inf")


def _anywhere(n: int, tail: float) -> float:
    """How far a share of kept calls may lie from the true one at any threshold (Dvoretzky, Kiefer, Wolfowitz; Massart).

    The threshold was chosen by looking at these calls, so a bound that holds at one threshold alone would not do.
    """
    return float(np.sqrt(np.log(1 / tail) / (2 * n))) if n else 1.0


def _runs_needed(bad: int, n: int, judged: int, alpha: float, level: float) -> int | None:
    """About how many more runs would probably do, if bad ones stay as frequent; None: none would, or too many."""
    fewest = trials_without_error(alpha, level)
    if not judged:
        return fewest
    if not n or bad / n >= alpha:
        return None
    from scipy import stats

    rate = min((bad + 0.5) / (n + 1), (bad / n + alpha) / 2)
    sizes = np.unique(np.geomspace(fewest, _TOO_MANY * fewest, _SIZES).astype(int))
    sizes = sizes[sizes > n]
    # A bound of alpha is reached with so few bad runs that chance would show no more with probability `level`.
    passing = stats.binom.ppf(level, sizes, alpha)
    passing -= stats.binom.cdf(passing, sizes, alpha) > level
    enough = sizes[stats.binom.cdf(passing, sizes, rate) >= _POWER]
    return max(1, int(np.ceil((enough[0] - n) * judged / n))) if len(enough) else None


def check_levels(alpha: float, delta: float) -> None:
    """Refuse what is no probability.

    Raises:
        UsageError: alpha or delta lies outside (0, 1).
    """
    if not (0.0 < alpha < 1.0 and 0.0 < delta < 1.0):
        raise UsageError("certify: alpha and delta lie between 0 and 1, exclusive", hint="for example 0.05 and 0.05")
