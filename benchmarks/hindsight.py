"""Would the verdicts have been right? A backtest over the prices of 2024-01 to 2026-07.

    python -m benchmarks.hindsight

Synthetic tasks (stated volumes and token mixes, narrow, a certificate that keeps a stated share) on models of the
time. Every ten days each is judged with what was known then: list prices so far (after the rules of
`freehold.economics.price_fitting`), the rent of an H100 then, the calls of the last 28 days. What came after is known
here: prices, shutdowns with their successors, GPU rents, calls. A verdict was right where what it chose cost at most
a tenth more than the best choice over the next six, and twelve, months, with a share of the one-off. Then whole
histories: who follows the verdicts, with and without the rule of `freehold watch`, beside always renting, always
owning, and the best of these in hindsight.

What it is not: volumes, mixes and certificates are made up, and a certificate and a measured rival are given from the
first day; cheaper rented models do not compete; throughput and people's hours are today's; ten-day steps of one task
are not independent, so that intervals are by resampled tasks. It exits with 1 where following the rule flips more
than once a month anywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from tests.support.workloads import a_certificate

from benchmarks.price_process import SHARED, listed, moved, sightings
from freehold.economics.arrays import FloatArray
from freehold.economics.assumptions import assumptions
from freehold.economics.case import build_case
from freehold.economics.evaluation import Evaluation
from freehold.economics.options import HostOpenWeights, KeepRenting, OwnStudent, people_usd
from freehold.economics.quality import QualityFacts, RivalQuality
from freehold.economics.workload import MONTH_DAYS, DayUsage, Workload
from freehold.market.models import open_weights
from freehold.market.tokens import PriceBook
from freehold.settings import EconomicsSettings, PriceSettings
from freehold.verdict import Constraints
from freehold.verdict._answers import Answers
from freehold.verdict._standing import stand
from freehold.verdict.constraints import judge
from freehold.verdict.decision import judged as judged_word
from freehold.verdict.hysteresis import step
from freehold.vocabulary import Usage, VerdictWord

START, END, STEP_DAYS = date(2024, 2, 1), date(2026, 7, 20), 10
MODELS = (
    "gpt-4",
    "gpt-3.5-turbo",
    "gpt-4o",
    "o1-mini",
    "claude-3-haiku-20240307",
    "claude-3-5-haiku-20241022",
    "mistral/mistral-large-2402",
    "deepseek/deepseek-chat",
)
VOLUMES = (30_000, 300_000, 3_000_000, 30_000_000)
MIXES = ((500, 20), (1500, 300))
COVERAGE = 0.8
H100 = ((date(2024, 1, 1), 2.85), (date(2024, 10, 15), 2.99), (date(2025, 10, 15), 1.70), (date(2026, 3, 15), 2.35))
WORDS: tuple[VerdictWord, ...] = ("keep_renting", "own_student", "host_open_weights")
STEPS_A_MONTH = float(MONTH_DAYS) / STEP_DAYS


class Lived(NamedTuple):
    """One task's history. `usd`: what each choice costs a month, step by step; `once`: what it takes to get there.

    `said`: the verdict's word at each step. `hard`: at which steps the model's end was at most thirty days away.
    """

    name: str
    days: list[date]
    usd: FloatArray
    once: FloatArray
    said: list[VerdictWord]
    hard: list[str]


def prices_of(model: str, days: Sequence[date]) -> tuple[FloatArray, FloatArray, date | None]:
    """Price of input and output on each day, nan before the model was seen; and when it was shut down."""
    first = min((s for s in sightings() if s.model == model and s.input_usd_per_mtok > 0), key=lambda s: s.day)
    cuts = sorted((e.day, e.factor) for e in moved().events if e.model == model)
    ratio = np.array([np.prod([f for day, f in cuts if day <= today]) for today in days])
    ratio[[today < first.day for today in days]] = np.nan
    row = next((r for r in listed() if r["model"] == model and r["deprecation_date"]), None)
    end = date.fromisoformat(row["deprecation_date"]) if row is not None else None
    return first.input_usd_per_mtok * ratio, first.output_usd_per_mtok * ratio, end


def work(calls_a_month: float, mix: tuple[int, int], usd: tuple[float, float], day: date) -> Workload:
    """28 days of calls with a rhythm of the day, ended on `day`."""
    n = max(1, round(calls_a_month * 28 / float(MONTH_DAYS)))
    rhythm = 1 + 0.8 * np.sin(np.arange(4032) * 2 * np.pi / 144)
    arrivals = np.floor(np.cumsum(rhythm) / rhythm.sum() * n + 1e-6).astype(int)
    usage = Usage(input_tokens=n * mix[0], output_tokens=n * mix[1])
    spent = Decimal(repr(round((usage.input_tokens * usd[0] + usage.output_tokens * usd[1]) / 1e6, 6)))
    row = DayUsage((day - timedelta(days=1)).isoformat(), "then", "model", 0, n, usage, spent)
    return Workload(n, 28.0, (row,), tuple(np.diff(arrivals, prepend=0).tolist()), 800.0)


def book(usd: tuple[float, float]) -> PriceBook:
    rate = PriceSettings(*(Decimal(repr(round(float(price), 6))) for price in usd))
    return PriceBook({"then/model": rate})


def live(model: str, calls: int, mix: tuple[int, int], rng: np.random.Generator) -> Lived | None:
    """What was said of one task every ten days, and what every choice would have cost."""
    days = [START + timedelta(days=i) for i in range(0, (END - START).days, STEP_DAYS)]
    dear_in, dear_out, end = prices_of(model, days)
    known = np.flatnonzero(np.isfinite(dear_in))
    if len(known) < 40:
        return None
    days = [days[i] for i in known]
    dear_in, dear_out = dear_in[known], dear_out[known]
    gpu = np.interp([d.toordinal() for d in days], [d.toordinal() for d, _ in H100], [usd for _, usd in H100])
    growth = np.cumsum(rng.normal(0.0, 0.03, len(days)))
    volume = calls * np.exp(growth - growth[0])
    host = HostOpenWeights(next(one for one in open_weights() if one.points))
    rivals = (RivalQuality(host.weights, 0.98, 0.96, 0.99, 400, 0.03),)
    quality = QualityFacts(kind="classification", certificate=a_certificate(COVERAGE), rivals=rivals)
    said: list[VerdictWord] = []
    for i, day in enumerate(days):
        usd = (float(dear_in[i]), float(dear_out[i]))
        seen = work(float(volume[i]) * float(np.exp(rng.normal(0, 0.05))), mix, usd, day)
        at = datetime.combine(day, time(12), UTC)
        economics = EconomicsSettings(gpu_usd_per_hour=float(gpu[i]))
        said.append(verdict(seen, quality, economics, book(usd), at, host))
    usd, once = costs(days, (dear_in, dear_out), gpu, volume, mix, host, quality, end)
    hard = ["its model ends" if end and timedelta(0) <= end - day <= timedelta(days=30) else "" for day in days]
    return Lived(f"{model} {calls:,} x {mix[0]}/{mix[1]}", days, usd, once, said, hard)


def verdict(
    seen: Workload,
    quality: QualityFacts,
    economics: EconomicsSettings,
    prices: PriceBook,
    at: datetime,
    host: HostOpenWeights,
) -> VerdictWord:
    """The verdict's word over three options, by its own rule: what else is sold today was not all sold then."""
    case = build_case(seen, prices, at)
    options = (KeepRenting(case), host, OwnStudent(audit_share=quality.audit_share, gold=False, labels_missing=0))
    rulings = [judge(one, case, Constraints(), None) for one in options]
    world = Evaluation(case, options, assumptions(seen, quality, economics))
    return judged_word(Answers(world, stand(options, quality, rulings)), seen, quality)[0]


def costs(
    days: list[date],
    dear: tuple[FloatArray, FloatArray],
    gpu: FloatArray,
    volume: FloatArray,
    mix: tuple[int, int],
    host: HostOpenWeights,
    quality: QualityFacts,
    end: date | None,
) -> tuple[FloatArray, FloatArray]:
    """What each choice costs a month at each step, at the inputs' values, and once; a forced move where it falls."""
    usd = (float(dear[0][0]), float(dear[1][0]))
    first = work(float(volume[0]), mix, usd, days[0])
    case = build_case(first, book(usd), datetime.combine(days[0], time(12), UTC))
    options = (KeepRenting(case), OwnStudent(audit_share=quality.audit_share, gold=False), host)
    world = Evaluation(case, options, assumptions(first, quality, EconomicsSettings()))
    blend = mix[0] * dear[0] + mix[1] * dear[1]
    changed = {"rent_price_ratio": blend / blend[0], "gpu_usd_per_hour": gpu, "volume": volume / volume[0]}
    columns = world.columns(len(days), changed)
    monthly = np.stack([option.monthly(case, columns["volume"], columns).usd for option in options])
    if end is not None and days[0] < end <= days[-1]:
        at = next(i for i, day in enumerate(days) if day >= end)
        monthly[:2, at] += people_usd(columns["migration_hours"], columns)[at] * STEPS_A_MONTH
    return monthly, np.array([float(option.one_off(columns).usd[0]) for option in options])


def judged(lives: list[Lived], months: int, rng: np.random.Generator) -> dict[str, float]:
    """Share of the verdicts that were right so many months later, of those that were given."""
    ahead = round(months * STEPS_A_MONTH)
    hits: list[tuple[int, int, int]] = []
    for one in lives:
        right = given = silent = 0
        for i in range(len(one.days) - ahead):
            if one.said[i] not in WORDS:
                silent += 1
                continue
            total = one.usd[:, i : i + ahead].sum(axis=1) / STEPS_A_MONTH + one.once * months / 24
            given += 1
            right += bool(total[WORDS.index(one.said[i])] <= 1.1 * total.min())
        hits.append((right, given, silent))
    found = np.array(hits)
    drawn = [found[rng.integers(0, len(found), len(found))].sum(axis=0) for _ in range(999)]
    low, high = np.percentile([right / max(1, given) for right, given, _ in drawn], (2.5, 97.5))
    right, given, silent = (int(n) for n in found.sum(axis=0))
    share = {"share": right / max(1, given), "low": float(low), "high": float(high)}
    return {name: round(value, 4) for name, value in share.items()} | {"n": given, "withheld": silent}


def follow(one: Lived, *, hold: bool) -> tuple[float, int, int]:
    """Dollars spent, answers that changed, and the shortest days between two changes, of who follows the verdicts."""
    now, held, spent, shortest = 0, None, 0.0, 10_000
    changed: list[date] = []
    before: VerdictWord | None = None
    for i, day in enumerate(one.days):
        word = one.said[i]
        if hold:
            done = step(held, word, datetime.combine(day, time(12), UTC), one.hard[i])
            held, word = done.held, done.held.word
        if before is not None and word != before:
            if changed:
                shortest = min(shortest, (day - changed[-1]).days)
            changed.append(day)
        before = word
        to = WORDS.index(word) if word in WORDS else now
        if to != now:
            spent += float(one.once[to])
        now = to
        spent += float(one.usd[now, i]) / STEPS_A_MONTH
    return spent, len(changed), shortest


def regrets(lives: list[Lived]) -> dict[str, dict[str, float]]:
    """Every policy's bill over the best fixed choice's in hindsight: of the sum, and the median and worst task's."""
    bills: dict[str, list[float]] = {"verdicts": [], "verdicts, held": [], "rent": [], "own": [], "host": []}
    for one in lives:
        bills["verdicts"].append(follow(one, hold=False)[0])
        bills["verdicts, held"].append(follow(one, hold=True)[0])
        fixed = one.usd.sum(axis=1) / STEPS_A_MONTH + one.once
        for name, usd in zip(("rent", "own", "host"), fixed, strict=True):
            bills[name].append(float(usd))
    best = np.min([bills[name] for name in ("rent", "own", "host")], axis=0)
    return {
        name: {
            "sum": round(float(np.sum(usd) / best.sum() - 1), 4),
            "median": round(float(np.median(np.array(usd) / best - 1)), 4),
            "worst": round(float(np.max(np.array(usd) / best - 1)), 4),
        }
        for name, usd in bills.items()
    }


def main() -> int:
    if not SHARED.is_dir():
        print("skipped: ../shared/data/economics is not there")
        return 0
    rng = np.random.default_rng(0)
    tried = [live(model, calls, mix, rng) for model in MODELS for calls in VOLUMES for mix in MIXES]
    lives = [one for one in tried if one is not None]
    months = sum(len(one.days) for one in lives) / STEPS_A_MONTH
    print(f"{len(lives)} tasks, {sum(len(one.days) for one in lives):,} verdicts, {months:,.0f} task-months")
    right = {f"{n}_months": judged(lives, n, rng) for n in (6, 12)}
    for name, found in right.items():
        interval = f"{found['low']:.2%} to {found['high']:.2%}, 95 %"
        when = name.replace("_", " ")
        print(
            f"right {when} later: {found['share']:.2%} ({interval}) of {found['n']:,}; withheld {found['withheld']:,}"
        )
    regret = regrets(lives)
    for name, found in regret.items():
        print(
            f"{name:<16} dearer than the best fixed choice: {found['sum']:.1%} of the sum, "
            f"median task {found['median']:.1%}, worst {found['worst']:.1%}"
        )
    flips = {
        name: sum(follow(one, hold=hold)[1] for one in lives) / months
        for name, hold in (("raw", False), ("held", True))
    }
    shortest = min(follow(one, hold=True)[2] for one in lives)
    print(
        f"answers changed per task and month: {flips['raw']:.4f} as said, {flips['held']:.4f} held; "
        f"shortest time between two when held: {shortest if shortest < 10_000 else 'none'} days"
    )
    said: tuple[VerdictWord, ...] = (*WORDS, "not_enough_evidence")
    words = {word: sum(one.said.count(word) for one in lives) for word in said}
    print("said:", words)
    holds = shortest >= 30
    figures = {
        "right": right,
        "regret": {k: v for k, v in regret.items() if k.startswith("v")},
        "flips": flips,
        "said": words,
    }
    reference = {"regret": {k: v for k, v in regret.items() if not k.startswith("v")}}
    ratio = round(
        regret["verdicts, held"]["sum"] / max(1e-9, min(regret[n]["sum"] for n in ("rent", "own", "host"))), 4
    )
    print(
        json.dumps(
            {"benchmark": "hindsight", "figures": figures, "reference": reference, "ratio": ratio, "holds": holds}
        )
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
