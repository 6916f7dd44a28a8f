"""Certificates: a confidence threshold with a promise about the answers kept above it.

The promise: with probability at least 1 - delta over the draw of the calibration calls, at most alpha of the answers
kept at the threshold are wrong, on new traffic exchangeable with those calls. The method is Learn-then-Test
(Angelopoulos et al., 2021) with exact binomial tests, over thresholds at fixed ranks of the calibration confidences
(labels play no part in where they lie). The thresholds are first tested together, with the exact probability that
chance passes any of them (`_walk`); from the loosest that passes, the procedure steps down to those looser still, whose
own joint probability is smaller. `design/evidence.md` argues why this keeps the promise, and measures it.

What a certificate does not know: whether the labels are right (against a teacher it bounds disagreement), whether later
traffic is like the calibration traffic (the audit stream watches that), and single slices of the traffic, unless they
are certified one by one (`certify_slices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from freehold.errors import UsageError
from freehold.vocabulary import Interval

from . import _walk, intervals

_THRESHOLDS = 40  # more gain under one point of coverage (design/evidence.md)
_REGION = 20  # the fewest answers whose error share is taken for an observation when labels_needed looks ahead
_JOINT = 4  # about what delta is divided by in the first joint test of forty thresholds
_TOO_MANY = 1000  # times the fewest clean answers: whoever needs more labels than that is told that none will do
_POWER_Z = 0.84  # labels_needed aims at four certificates in five

Booleans = NDArray[np.bool_]
Counts = NDArray[np.int64]


class Numbers(msgspec.Struct, frozen=True):
    """The figures of a certificate; see `vocabulary.Certificate` for the promise.

    `n` counts all rows, `n_in_scope` those that could be kept at all; `coverage` is n_kept / n with its exact 95 %
    interval. `risk_upper` bounds the risk at the threshold with confidence 1 - delta. Where nothing is certified,
    `threshold` is None, nothing is kept, and `risk` and `risk_upper` are 1.0: nothing is promised. `base_risk` is the
    observed share of wrong answers in scope if all were kept, and `must_defer` the share of traffic that any rule must
    then defer to reach alpha ((mu - alpha) / (1 - alpha), arXiv 2606.29054). `best_risk_upper` is the lowest bound
    reached at any threshold, valid for all thresholds at once; it stems from the `best_n_kept` most confident answers,
    of which `best_n_errors` were wrong. `labels_needed` estimates how many more labelled calls would probably do: 0
    when certified, None where no number is likely to.
    """

    certified: bool
    threshold: float | None
    alpha: float
    delta: float
    n: int
    n_in_scope: int
    n_kept: int
    n_errors: int
    coverage: float
    coverage_interval: Interval
    risk: float
    risk_upper: float
    base_risk: float
    must_defer: float
    best_risk_upper: float
    best_n_kept: int
    best_n_errors: int
    labels_needed: int | None
    reason: str
    method: str = "learn-then-test, step-down over joint exact binomial tests"


class Realised(msgspec.Struct, frozen=True):
    """What a kept set turned out to be, with exact 95 % intervals. `risk` is None where nothing was kept."""

    n: int
    n_kept: int
    n_errors: int
    coverage: float
    coverage_interval: Interval
    risk: float | None
    risk_interval: Interval


class _Rows(NamedTuple):
    """The rows that could be kept, most confident first; `n` counts the others too."""

    confidence: NDArray[np.float64]
    wrong: Booleans
    n: int


class _Curve(NamedTuple):
    """Candidate thresholds from strict to loose, with how many answers each keeps and how many of those are wrong."""

    thresholds: NDArray[np.float64]
    kept: Counts
    errors: Counts


def certify(
    confidence: ArrayLike, wrong: ArrayLike, in_scope: ArrayLike | None = None, *, alpha: float, delta: float
) -> Numbers:
    """Certify the loosest threshold that the rows support, or say why there is none.

    Args:
        confidence: the student's confidence, a row a call. A row whose confidence is not finite is never kept.
        wrong: True (or 1) where the answer is wrong against teacher or gold; a missing value counts as wrong.
        in_scope: which rows the out-of-scope gate would let through (all, where not given). It must have been fixed
            without these labels.
        alpha: the largest share of kept answers that may be wrong.
        delta: the probability with which the promise may fail.

    Raises:
        UsageError: alpha or delta lies outside (0, 1), or the columns differ in length.
    """
    conf, bad, scope = _columns(confidence, wrong, in_scope)
    _check_levels(alpha, delta)
    usable = scope & np.isfinite(conf)
    conf, bad = conf[usable], bad[usable]
    order = np.argsort(-conf, kind="stable")
    rows = _Rows(conf[order], bad[order], len(usable))
    curve = _curve(rows, alpha, delta)
    chosen = _step_down(curve, alpha, delta)
    return _numbers(rows, curve, chosen, alpha, delta)


def certify_slices(
    confidence: ArrayLike,
    wrong: ArrayLike,
    slices: Sequence[str],
    in_scope: ArrayLike | None = None,
    *,
    alpha: float,
    delta: float,
) -> dict[str, Numbers]:
    """A certificate for each slice of the traffic, such that all hold together with probability 1 - delta.

    Each slice is certified at delta divided by the number of slices, on its own rows and with its own threshold.

    Raises:
        UsageError: as `certify`.
    """
    conf, bad, scope = _columns(confidence, wrong, in_scope)
    names = np.asarray(slices, dtype=str)
    if len(names) != len(conf):
        raise UsageError("certify_slices: every row needs the name of its slice")
    found = sorted(set(names.tolist()))
    return {
        name: certify(
            conf[names == name], bad[names == name], scope[names == name], alpha=alpha, delta=delta / len(found)
        )
        for name in found
    }


def realised(kept: ArrayLike, wrong: ArrayLike) -> Realised:
    """The risk among the kept rows and the coverage, with exact 95 % intervals: what a backtest judges by.

    Raises:
        UsageError: the columns differ in length.
    """
    chosen = np.asarray(kept, dtype=bool).ravel()
    bad = _as_wrong(wrong)
    if len(chosen) != len(bad):
        raise UsageError("realised: kept and wrong differ in length")
    n, n_kept, n_errors = len(chosen), int(chosen.sum()), int((chosen & bad).sum())
    return Realised(
        n=n,
        n_kept=n_kept,
        n_errors=n_errors,
        coverage=n_kept / n if n else 0.0,
        coverage_interval=intervals.two_sided(n_kept, n),
        risk=n_errors / n_kept if n_kept else None,
        risk_interval=intervals.two_sided(n_errors, n_kept),
    )


def _columns(
    confidence: ArrayLike, wrong: ArrayLike, in_scope: ArrayLike | None
) -> tuple[NDArray[np.float64], Booleans, Booleans]:
    conf = np.asarray(confidence, dtype=float).ravel()
    bad = _as_wrong(wrong)
    scope = np.ones(len(conf), dtype=bool) if in_scope is None else np.asarray(in_scope, dtype=bool).ravel()
    if not len(conf) == len(bad) == len(scope):
        raise UsageError("certify: confidence, wrong and in_scope differ in length")
    return conf, bad, scope


def _as_wrong(wrong: ArrayLike) -> Booleans:
    """Whatever is not plainly right (0 or False) is wrong; that includes nan."""
    return np.asarray(wrong, dtype=float).ravel() != 0.0


def _check_levels(alpha: float, delta: float) -> None:
    if not (0.0 < alpha < 1.0 and 0.0 < delta < 1.0):
        raise UsageError("certify: alpha and delta lie between 0 and 1, exclusive", hint="for example 0.05 and 0.05")


def _curve(rows: _Rows, alpha: float, delta: float) -> _Curve:
    """The candidate thresholds.

    Their ranks lie evenly between the fewest answers that could be certified without an error and all of them. Where
    there are fewer than that they begin at one answer, for the record only. Ties are kept or refused together.
    """
    n = len(rows.confidence)
    if not n:
        return _Curve(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    fewest = intervals.trials_without_error(alpha, delta)
    first = fewest if n >= fewest else 1
    # What follows the least sure row is zero: keeping all rows means keeping whatever is half as sure as that one.
    followed = np.append(rows.confidence, min(0.0, float(rows.confidence[-1])))
    ranks = np.unique(np.linspace(first, n, _THRESHOLDS).astype(np.int64))
    untied = np.searchsorted(-rows.confidence, -followed[ranks[:-1]], side="left")
    kept = np.unique(np.append(untied, n)).astype(np.int64)
    kept = kept[kept >= first]
    last_in, first_out = followed[kept - 1], followed[kept]
    middle = last_in + (first_out - last_in) / 2
    return _Curve(np.where(middle > first_out, middle, last_in), kept, np.cumsum(rows.wrong, dtype=np.int64)[kept - 1])


def _step_down(curve: _Curve, alpha: float, delta: float) -> int | None:
    """The index of the loosest threshold certified: test all jointly, then those looser than what passed."""
    chosen: int | None = None
    start = 0
    while start < len(curve.kept):
        allowed, _ = _walk.boundary(tuple(curve.kept[start:].tolist()), alpha, delta)
        passed = np.flatnonzero(curve.errors[start:] <= allowed)
        if not len(passed):
            break
        chosen = start + int(passed[-1])
        start = chosen + 1
    return chosen


def _numbers(rows: _Rows, curve: _Curve, chosen: int | None, alpha: float, delta: float) -> Numbers:
    n, n_in_scope = rows.n, len(rows.wrong)
    kept, errors = (0, 0) if chosen is None else (int(curve.kept[chosen]), int(curve.errors[chosen]))
    base_risk = int(rows.wrong.sum()) / n_in_scope if n_in_scope else 0.0
    best_upper, best_kept, best_errors = _best(curve, alpha, delta)
    needed = 0 if chosen is not None else _labels_needed(rows, alpha, delta)
    numbers = Numbers(
        certified=chosen is not None,
        threshold=None if chosen is None else float(curve.thresholds[chosen]),
        alpha=alpha,
        delta=delta,
        n=n,
        n_in_scope=n_in_scope,
        n_kept=kept,
        n_errors=errors,
        coverage=kept / n if n else 0.0,
        coverage_interval=intervals.two_sided(kept, n),
        risk=errors / kept if kept else 1.0,
        risk_upper=intervals.upper(errors, kept, delta),
        base_risk=base_risk,
        must_defer=max(0.0, (base_risk - alpha) / (1 - alpha)),
        best_risk_upper=best_upper,
        best_n_kept=best_kept,
        best_n_errors=best_errors,
        labels_needed=needed,
        reason="",
    )
    return msgspec.structs.replace(numbers, reason=_reason(numbers))


def _best(curve: _Curve, alpha: float, delta: float) -> tuple[float, int, int]:
    """The lowest upper bound over all thresholds at their common level, and the counts behind it."""
    if not len(curve.kept):
        return 1.0, 0, 0
    _, level = _walk.boundary(tuple(curve.kept.tolist()), alpha, delta)
    bounds = intervals.upper_bounds(curve.errors, curve.kept, level)
    at = int(np.argmin(bounds))
    return float(bounds[at]), int(curve.kept[at]), int(curve.errors[at])


def _labels_needed(rows: _Rows, alpha: float, delta: float) -> int | None:
    """How many more labelled calls would probably certify something, if the risk curve stays as it was observed.

    For each region of most confident answers: the kept answers that a binomial test needs at its observed risk (shrunk
    towards one half error more), divided by the region's share of the calls. The easiest region counts. Where the rows
    are too few to tell a hopeless student from bad luck, the answer is how many it takes to tell.
    """
    fewest, wrong, n = intervals.trials_without_error(alpha, delta), rows.wrong, rows.n
    kept = np.unique(np.linspace(min(_REGION, len(wrong)), len(wrong), _THRESHOLDS).astype(np.int64))
    errors = np.concatenate(([0], np.cumsum(wrong)))[kept]
    observed = errors / np.maximum(kept, 1)
    hopeful = observed < alpha
    if len(wrong) < _REGION or not hopeful.any():
        best = int(np.argmin(observed))
        bad_luck = intervals.lower(int(errors[best]), int(kept[best]), delta) <= alpha
        to_tell = 4 * fewest - len(wrong)
        return to_tell if bad_luck and to_tell > 0 and (len(wrong) or not n) else None
    kept, observed = kept[hopeful], observed[hopeful]
    risk = np.minimum((observed * kept + 0.5) / (kept + 1), (observed + alpha) / 2)
    level_z = special.ndtri(1 - delta / _JOINT)
    sides = level_z * np.sqrt(alpha * (1 - alpha)) + _POWER_Z * np.sqrt(risk * (1 - risk))
    answers = np.maximum((sides / (alpha - risk)) ** 2, fewest)
    needed = max(1, int(np.ceil((answers / (kept / n)).min())) - n)
    return needed if needed <= _TOO_MANY * fewest else None


def _reason(numbers: Numbers) -> str:
    """In plain words: what is promised and on what, or why nothing is and what would change that."""
    alpha, sure = f"{numbers.alpha:.3g}", f"{1 - numbers.delta:.3g}"
    defer = ""
    if numbers.must_defer > 0:
        defer = (
            f" If all in scope were kept, {numbers.base_risk:.1%} would be wrong, so any rule must defer at least "
            f"{numbers.must_defer:.1%}."
        )
    if numbers.certified:
        return (
            f"With confidence {sure}, at most {alpha} of the kept answers are wrong: of {numbers.n_kept} kept among "
            f"{numbers.n}, {numbers.n_errors} were wrong.{defer}"
        )
    if numbers.n_in_scope == 0:
        return f"No labelled call in scope with a confidence ({numbers.n} rows given): nothing can be promised."
    fewest = intervals.trials_without_error(numbers.alpha, numbers.delta)
    if numbers.n_in_scope < fewest:
        why = f"Only {numbers.n_in_scope} labelled calls in scope; even without an error it takes {fewest}."
    else:
        why = (
            f"No threshold keeps the risk below {alpha} with confidence {sure}: the best bound is "
            f"{numbers.best_risk_upper:.3g}, from {numbers.best_n_errors} wrong of the {numbers.best_n_kept} surest."
        )
    if numbers.labels_needed is None:
        return f"{why}{defer} The most confident answers are wrong too often for more labels to help."
    return f"{why}{defer} About {numbers.labels_needed} more labelled calls might suffice."
