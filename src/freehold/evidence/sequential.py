"""Tests that may be looked at after every answer, for ever, and still keep their false-alarm rate.

`AuditTest` watches a promise "at most alpha of the kept answers are wrong" on audited answers and says when it no
longer holds. `PairedTest` compares two models on the same calls, for canaries: it says when one is shown to be worse by
more than a margin, or shown not to be worse by a margin. Both bet against their null hypothesis (Ville's inequality;
Waudby-Smith and Ramdas, 2023): the stake never grows in expectation while the hypothesis is true, so it passes
1 / delta with probability at most delta, however long one looks.

Nothing here knows which answers to audit: they must be drawn at random among the kept ones. Standard library and
msgspec only, because the gateway runs these.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from freehold.errors import UsageError

AUDIT_DELTA = 0.01
"""The false-alarm probability of an audit where nobody chose one.

Of a hundred students that keep their promise for ever, at most one is ever demoted. Against 0.05 it costs some 10 to
60 % more audits until a broken promise is seen (`design/evidence.md`).
"""

_ODDS = (1.25, 1.6, 2.2, 3.2, 5.0, 9.0, 20.0, 60.0)  # alternatives: the odds of a wrong answer grew by these factors
_BLOCK = 100  # audits after which a fresh process starts
_MOST_PROCESSES = 12
_STAKES = (0.03, 0.06, 0.12, 0.25, 0.5, 0.9)  # shares of the largest stake that cannot be lost at once


class Process(msgspec.Struct, frozen=True, array_like=True):
    """One betting process of an audit: its number, and how many audits and errors came before it."""

    number: int
    n_before: int
    errors_before: int


class AuditState(msgspec.Struct, frozen=True):
    """All that an `AuditTest` remembers. `rejected_at` is the audit at which it rejected, 0 while it has not."""

    alpha: float
    delta: float
    n: int = 0
    errors: int = 0
    rejected_at: int = 0
    processes: tuple[Process, ...] = (Process(0, 0, 0),)


class AuditTest:
    """Watches "each audited answer is wrong with probability at most alpha, whatever came before".

    A process bets on the odds of an error having grown, by several factors at once. Every 100 audits a fresh one starts
    with a stake of its own (1/2, 1/6, 1/12, ... of the whole), so that a long good past does not hide a change for as
    long again. The probability of ever rejecting while the hypothesis holds is at most delta. A rejection is final.

    Args:
        alpha: the promised risk.
        delta: the probability of ever raising a false alarm.

    Raises:
        UsageError: alpha or delta lies outside (0, 1).
    """

    def __init__(self, alpha: float, delta: float = AUDIT_DELTA) -> None:
        _check(alpha, delta)
        self.alpha = alpha
        self.delta = delta
        self.n = 0
        self.errors = 0
        self.rejected_at = 0
        self._processes: list[Process] = [Process(0, 0, 0)]

    @classmethod
    def from_state(cls, state: AuditState) -> AuditTest:
        """The test as it was when `state` was taken.

        Raises:
            UsageError: the state is not one that a test could have been in.
        """
        if state.errors > state.n or not state.processes or state.n < 0 or state.errors < 0:
            raise UsageError("the state of the audit test is damaged", hint="delete it; the audit then starts afresh")
        test = cls(state.alpha, state.delta)
        test.n, test.errors, test.rejected_at = state.n, state.errors, state.rejected_at
        test._processes = list(state.processes)
        return test

    def state(self) -> AuditState:
        """Everything needed to go on later, elsewhere."""
        return AuditState(self.alpha, self.delta, self.n, self.errors, self.rejected_at, tuple(self._processes))

    @property
    def rejected(self) -> bool:
        """Whether the promise has been shown broken. Never taken back."""
        return self.rejected_at > 0

    @property
    def e_value(self) -> float:
        """The stake now, 1 at the start: the evidence against the promise. It may fall again after a rejection."""
        return sum(map(self._stake, self._processes)) + _reserve(self._processes[-1].number)

    def update(self, wrong: bool) -> bool:  # noqa: FBT001 - the one thing an audit says
        """Count one audited answer. True once the promise is shown broken, and from then on."""
        self.n += 1
        if wrong:
            self.errors += 1
            # A right answer only lowers the stake, so only an error can reject.
            if not self.rejected_at and self.e_value >= 1 / self.delta:
                self.rejected_at = self.n
        if self.n % _BLOCK == 0:
            self._start_another()
        return self.rejected

    def _stake(self, process: Process) -> float:
        n, errors = self.n - process.n_before, self.errors - process.errors_before
        return _share(process.number) * _likelihood_ratio(n, errors, self.alpha)

    def _start_another(self) -> None:
        self._processes.append(Process(self._processes[-1].number + 1, self.n, self.errors))
        if len(self._processes) > _MOST_PROCESSES:
            # Forgetting the poorest process only lowers the stake, so the guarantee stands.
            self._processes.remove(min(self._processes[:-2], key=self._stake))


def _share(number: int) -> float:
    return 1 / ((number + 1) * (number + 2))


def _reserve(last_number: int) -> float:
    """The shares of all processes that have not started yet: 1/((k+1)(k+2)) summed over k beyond the last."""
    return 1 / (last_number + 2)


def _likelihood_ratio(n: int, errors: int, alpha: float) -> float:
    """The mean over the alternatives of how much likelier the counts are under them than under alpha."""
    log_odds, log_norms = _factors(alpha)
    return sum(
        math.exp(min(errors * odds - n * norm, 700.0)) for odds, norm in zip(log_odds, log_norms, strict=True)
    ) / len(log_odds)


@lru_cache(maxsize=256)
def _factors(alpha: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(map(math.log, _ODDS)), tuple(math.log1p(alpha * (odds - 1)) for odds in _ODDS)


Claim = Literal["worse", "not_worse"]
"""What a `PairedTest` tries to show of the candidate."""


class PairedState(msgspec.Struct, frozen=True):
    """All that a `PairedTest` remembers: how often the candidate alone was wrong, neither or both, the rival alone."""

    margin: float
    delta: float
    claim: Claim
    n_worse: int = 0
    n_same: int = 0
    n_better: int = 0
    shown_at: int = 0


class PairedTest:
    """Compares a candidate with a rival on the same calls, by how often each is wrong.

    With d = (candidate wrong) - (rival wrong), the claim `worse` is that the mean of d exceeds the margin (roll back);
    `not_worse` that it lies below the margin (promote). The probability of ever showing a claim that is false is at
    most delta. Not having shown `worse` is no evidence for `not_worse`. Where the rival defines what is right, it is
    never wrong, and d is the candidate's disagreement.

    Args:
        margin: the difference that matters, in [0, 1).
        delta: the probability of ever showing a false claim.
        claim: what the test tries to show.

    Raises:
        UsageError: a number is out of range.
    """

    def __init__(self, margin: float, delta: float, claim: Claim) -> None:
        _check(0.5, delta)
        if not 0 <= margin < 1:
            raise UsageError("a margin lies in [0, 1)")
        self._counts = [0, 0, 0]
        self.margin, self.delta, self.shown_at = margin, delta, 0
        self.claim: Claim = claim
        sign = 1.0 if claim == "worse" else -1.0
        gains = [sign * (d - margin) for d in (1, 0, -1)]
        # A stake of share / worst loss keeps every factor positive, so a single call can never ruin the test.
        self._logs = [[math.log1p(share * gain / -min(gains)) for gain in gains] for share in _STAKES]

    @classmethod
    def from_state(cls, state: PairedState) -> PairedTest:
        """The test as it was when `state` was taken."""
        test = cls(state.margin, state.delta, state.claim)
        test._counts = [state.n_worse, state.n_same, state.n_better]
        test.shown_at = state.shown_at
        return test

    def state(self) -> PairedState:
        """Everything needed to go on later, elsewhere."""
        return PairedState(self.margin, self.delta, self.claim, *self._counts, shown_at=self.shown_at)

    @property
    def n(self) -> int:
        """Calls compared so far."""
        return sum(self._counts)

    @property
    def shown(self) -> bool:
        """Whether the claim has been shown. Never taken back."""
        return self.shown_at > 0

    @property
    def e_value(self) -> float:
        """The stake now, 1 at the start: the evidence for the claim."""
        grown = (sum(map(float.__mul__, logs, map(float, self._counts))) for logs in self._logs)
        return sum(math.exp(min(log, 700.0)) for log in grown) / len(self._logs)

    def update(self, candidate_wrong: bool, rival_wrong: bool = False) -> bool:  # noqa: FBT001, FBT002
        """Count one call that both answered. True once the claim is shown, and from then on."""
        self._counts[1 - int(candidate_wrong) + int(rival_wrong)] += 1
        if not self.shown and self.e_value >= 1 / self.delta:
            self.shown_at = self.n
        return self.shown


class Detection(msgspec.Struct, frozen=True):
    """How long an audit takes to see a risk: simulated, so each figure has a spread of some 10 %.

    `share_detected` of the simulated streams were detected within `horizon_audits`; the quantiles are over all streams,
    None where they lie beyond the horizon. Calls are owned answers; days are at the given rate of them.
    """

    share_detected: float
    horizon_audits: int
    audits_p50: int | None
    audits_p90: int | None
    calls_p50: float | None
    calls_p90: float | None
    days_p50: float | None


def detectable(
    alpha: float, true_risk: float, audit_share: float, calls_per_day: float, delta: float = AUDIT_DELTA
) -> Detection:
    """How many owned answers pass until an audit of that share of them sees that their risk is `true_risk`.

    From the start of the audit, by simulation with a fixed seed (100 streams of at most 3,000 audits).

    Raises:
        UsageError: a number is out of range.
    """
    if not (0 < audit_share <= 1 and 0 <= true_risk <= 1 and calls_per_day > 0):
        raise UsageError("audit_share lies in (0, 1], true_risk in [0, 1], and there is at least some traffic")
    delays, horizon = _delays(alpha, true_risk, delta), 3000
    seen = [delay for delay in delays if delay is not None]
    p50, p90 = _quantile(delays, 0.5), _quantile(delays, 0.9)
    return Detection(
        share_detected=len(seen) / len(delays),
        horizon_audits=horizon,
        audits_p50=p50,
        audits_p90=p90,
        calls_p50=None if p50 is None else p50 / audit_share,
        calls_p90=None if p90 is None else p90 / audit_share,
        days_p50=None if p50 is None else p50 / audit_share / calls_per_day,
    )


@lru_cache(maxsize=256)
def _delays(alpha: float, true_risk: float, delta: float) -> tuple[int | None, ...]:
    return delays_after_change(alpha, delta, 0.0, true_risk, good_audits=0, streams=100, horizon=3000)


def delays_after_change(
    alpha: float,
    delta: float,
    good_risk: float,
    bad_risk: float,
    *,
    good_audits: int,
    streams: int,
    horizon: int,
    seed: int = 0,
) -> tuple[int | None, ...]:
    """Simulated audits from a change of risk to its detection; None where it was not seen within `horizon` audits.

    A stream that raised a false alarm before the change counts as detected after 0 audits.
    """
    found: list[int | None] = []
    for stream in range(streams):
        draw = random.Random(seed * 1_000_003 + stream).random
        test = AuditTest(alpha, delta)
        for _ in range(good_audits):
            test.update(draw() < good_risk)
        waited = next((i for i in range(1, horizon + 1) if test.update(draw() < bad_risk)), None)
        found.append(0 if 0 < test.rejected_at <= good_audits else waited)
    return tuple(found)


def _quantile(delays: Sequence[int | None], share: float) -> int | None:
    ordered = sorted(math.inf if delay is None else delay for delay in delays)
    value = ordered[math.ceil(share * len(ordered)) - 1]
    return None if value == math.inf else int(value)


def _check(alpha: float, delta: float) -> None:
    if not (0.0 < alpha < 1.0 and 0.0 < delta < 1.0):
        raise UsageError("alpha and delta lie between 0 and 1, exclusive", hint="for example 0.05 and 0.01")
