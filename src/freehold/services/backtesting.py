"""What owning would have done: learn on the earlier part of a log, be judged once on the later.

Learning goes through a home that cannot see a later call. The later part is read in one final pass, after every
student, threshold and promise is fixed, and nothing flows back from it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from freehold import settings as settings_module
from freehold.errors import MissingPrerequisite
from freehold.evidence.certificates import realised
from freehold.settings import Loaded
from freehold.vocabulary import Against, Call, Certificate, Match, Task, TaskKind, Verdict, VerdictWord

from . import deciding, discovering
from .certifying import answer_as_served, first, wrong
from .examples import gather
from .home import Home, Progress, silent
from .ingest import import_log
from .owning import Owned, Wanted, largest_first, own_all


class BacktestOptions(msgspec.Struct, frozen=True):
    """How to divide the log, what to promise, and what a recorded call stands for."""

    share: float = 0.7
    alpha: float = 0.05
    delta: float = 0.05
    against: Against = "teacher"
    volume: float = 1.0


class After(msgspec.Struct, frozen=True):
    """What happened on the later calls, under the promise made on the earlier ones.

    `risk` is the share of kept answers that are wrong, with its exact 95 % interval; None where nothing was kept or
    nobody can judge. `saved_usd` is rent not paid on the later calls, audits taken off; upkeep and training are in the
    verdict, not here.
    """

    coverage: float
    n_judged: int
    n_kept: int
    n_wrong: int
    risk: float | None
    risk_low: float
    risk_high: float
    against: Against
    saved_usd: float | None
    owned_ms: float | None
    rented_ms: float | None


class TaskBacktest(msgspec.Struct, frozen=True):
    """One task: what was there before, what was promised, what came after."""

    task: str
    name: str
    kind: TaskKind
    calls_before: int
    calls_after: int
    certificate: Certificate | None
    after: After | None
    verdict: VerdictWord
    why: str


class Backtest(msgspec.Struct, frozen=True):
    """A finished backtest, largest task first.

    `seen_before` counts later calls that were also in what was learned from; they judge nothing and are left out.
    """

    learned_to_us: int
    calls_before: int
    calls_after: int
    unrecognised_after: int
    seen_before: int
    tasks: tuple[TaskBacktest, ...]


def backtest(log: Path, later: Path | None, options: BacktestOptions, *, progress: Progress | None = None) -> Backtest:
    """Run a backtest of `log`, judged on its end or on `later`.

    Raises:
        BadLog, NotFound: a log cannot be read.
        MissingPrerequisite: there is nothing on one side of the division.
    """
    say = progress or silent
    declared = settings_module.load().settings
    with tempfile.TemporaryDirectory(prefix="freehold-backtest-") as folder:
        before = Home(Loaded(declared, Path(folder) / "before", {}))
        say(f"reading {log.name}")
        import_log(before, log)
        after = before
        if later is not None:
            after = Home(Loaded(declared, Path(folder) / "after", {}))
            import_log(after, later)
        with before, after:
            cut_us = _cut(before, options.share) if later is None else None
            before.until_us = cut_us
            return _walk(before, after, cut_us, options, say)


def _cut(home: Home, share: float) -> int:
    times = [call.started_at_us for call in home.calls(bodies=False)]
    if not times:
        raise MissingPrerequisite("the log holds no calls that could be read", hint="see docs/wire.md")
    # A call with a broken clock must not stretch the log over half a century.
    first_us, last_us = times[len(times) // 200], times[-1 - len(times) // 200]
    return first_us + round((last_us - first_us) * share)


def _walk(before: Home, after: Home, cut_us: int | None, options: BacktestOptions, say: Progress) -> Backtest:
    say("finding the recurring tasks")
    discovering.find_tasks(before)
    tasks = largest_first(before.registry.tasks())
    say(f"training and certifying students of {len(tasks)} tasks")
    wanted = [Wanted(task.id, options.against, options.alpha, options.delta) for task in tasks]
    done: list[str] = []

    def each(owned: Owned) -> None:
        done.append(owned.task_id)
        say(f"training and certifying: {len(done)} of {len(tasks)} tasks done")

    owned = own_all(before, wanted, each=each)
    verdicts = {v.task_id: v for v in deciding.verdicts(before, volume=options.volume)}
    say("judging, once, on the later calls")
    return _judge(before, after, cut_us, tasks, owned, verdicts, options)


def _judge(
    before: Home,
    after: Home,
    cut_us: int | None,
    tasks: Sequence[Task],
    owned: dict[str, Owned],
    verdicts: dict[str, Verdict],
    options: BacktestOptions,
) -> Backtest:
    learned = {call.id for call in before.calls(bodies=False)}
    pairs: dict[str, list[tuple[Call, Match]]] = {task.id: [] for task in tasks}
    n_after = n_unknown = n_seen = 0
    for call, match in before.recognise(after.ledger.calls(since_us=None if cut_us is None else cut_us + 1)):
        if call.id in learned:
            n_seen += 1
            continue
        n_after += 1
        if match is None:
            n_unknown += 1
        else:
            pairs[match.task_id].append((call, match))
    if not n_after:
        raise MissingPrerequisite("there are no later calls to judge on", hint="--share 0.5, or --later FILE")
    rows = [
        TaskBacktest(
            task=task.id,
            name=task.name,
            kind=task.kind,
            calls_before=task.n_calls,
            calls_after=len(pairs[task.id]),
            certificate=owned[task.id].certificate,
            after=_after(before, task, owned[task.id], pairs[task.id], options),
            verdict=verdicts[task.id].word,
            why=owned[task.id].why_not or verdicts[task.id].reason,
        )
        for task in tasks
    ]
    return Backtest(cut_us or 0, len(learned), n_after, n_unknown, n_seen, tuple(rows))


def _after(
    home: Home, task: Task, owned: Owned, pairs: Sequence[tuple[Call, Match]], options: BacktestOptions
) -> After | None:
    """One task's later calls, answered by its student as the gateway would have done."""
    certificate = owned.certificate
    if certificate is None or owned.training is None or not pairs:
        return None
    gathered = gather(pairs)
    covered = set(certificate.template_ids)
    folder = home.path / owned.training.bundle
    answers = answer_as_served(folder, gathered.examples)
    threshold = certificate.threshold if certificate.threshold is not None else 2.0
    kept = [
        gathered.versions[e.id] in covered and a.confidence >= threshold and a.scope >= certificate.scope_threshold
        for e, a in zip(gathered.examples, answers, strict=True)
    ]
    judged = [options.against == "teacher" or e.gold is not None for e in gathered.examples]
    bad = wrong(task, home, gathered.examples, answers, options.against)
    found = realised(
        [k for k, j in zip(kept, judged, strict=True) if j], [b for b, j in zip(bad, judged, strict=True) if j]
    )
    kept_ids = {e.id for e, k in zip(gathered.examples, kept, strict=True) if k}
    return After(
        coverage=len(kept_ids) / len(pairs),
        n_judged=found.n,
        n_kept=found.n_kept,
        n_wrong=found.n_errors,
        risk=found.risk,
        risk_low=found.risk_interval.low,
        risk_high=found.risk_interval.high,
        against=options.against,
        saved_usd=_saved_usd(home, task, [call for call, _ in pairs if call.id in kept_ids], options),
        owned_ms=median(a.model_ms for a in answers) if answers else None,
        rented_ms=median(call.latency_ms for call, _ in pairs),
    )


def _saved_usd(home: Home, task: Task, kept: Sequence[Call], options: BacktestOptions) -> float | None:
    """Rent of the kept calls, without the share that the audit would have rented all the same."""
    prices = home.prices
    costs = [prices.price_call(call).usd for call in kept]
    if any(cost is None for cost in costs):
        return None
    declared = home.task_settings(task)
    weight = first(declared.sample_weight, home.settings.workload.sample_weight) * options.volume
    audited = first(declared.audit_share, home.settings.certificate.audit_share)
    return float(sum(cost for cost in costs if cost is not None)) * weight * (1 - audited)
