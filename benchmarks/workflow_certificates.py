"""Do promises about whole runs keep what they promise? By simulation, with a fixed seed.

    python -m benchmarks.workflow_certificates [--draws 500]

By runs: each world is a workflow whose runs differ in length and in how hard they are, so that answers of one run err
together; its true risk is set just above alpha. `broken` is the share of draws that promise it all the same: at one
look, and where the sample is enlarged and looked at again until it promises, as people do. `unspent` looks as often
with all of delta each time. `by answers` takes the exact bound of the *answers'* risk for the runs' risk: what comes of
reading a certificate of a task as a promise about runs.

By steps: the counts are drawn against the method (the threshold that flatters the share of kept calls most, all of a
task's errors in this workflow's runs, never two in the same), with the certificates' promises just kept. `broken` is
the share of draws whose bound lies below the true risk.

It exits with 1 where a promise is broken in more than delta plus three and a half Monte-Carlo errors in any cell, or in
more than delta plus two in the hardest cells together.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import NamedTuple

import numpy as np

from freehold.evidence import intervals
from freehold.evidence.run_certificates import JudgedRun, StepFacts, by_runs, by_steps
from freehold.vocabulary import RunsOf

ALPHA, DELTA = 0.05, 0.05
JUST_ABOVE = 0.0505
SIZES = (60, 150, 400, 1000)
LOOKS = (100, 200, 400, 800, 1600)


class World(NamedTuple):
    """A workflow: a run has one call, and then another with probability `more`.

    In a share `hard` of the runs the kept answers err `factor` times as often. A call is kept with probability `keeps`,
    in hard runs `keeps_hard`.
    """

    hard: float
    factor: float
    more: float
    keeps: float
    keeps_hard: float

    def shares(self, wrong: float) -> tuple[float, float]:
        """True shares of runs with a wrong kept answer, and of runs that are wholly kept and right."""
        bad = whole = 0.0
        for share, keeps, risk in self.parts(wrong):
            bad += share * (1 - self.power(1 - keeps * risk))
            whole += share * self.power(keeps * (1 - risk))
        return bad, whole

    def parts(self, wrong: float) -> tuple[tuple[float, float, float], ...]:
        """Share, kept share and risk of a kept answer, of easy and of hard runs."""
        return (1 - self.hard, self.keeps, wrong), (self.hard, self.keeps_hard, min(1.0, wrong * self.factor))

    def power(self, x: float) -> float:
        """The mean of x to the number of calls."""
        return x * (1 - self.more) / (1 - self.more * x)

    def risk(self, wrong: float, of: RunsOf) -> float:
        """The true risk that a promise speaks of."""
        bad, whole = self.shares(wrong)
        return bad if of == "all" else bad / (bad + whole)

    def just_above(self, of: RunsOf, target: float = JUST_ABOVE) -> float:
        """The risk of an answer at which the runs' is just above alpha."""
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.risk(middle, of) < target else (low, middle)
        return high


WORLDS = {
    "one call, all kept": World(0.0, 1.0, 0.0, 1.0, 1.0),
    "loops, all alike": World(0.0, 1.0, 0.7, 0.95, 0.95),
    "loops, hard runs err together": World(0.03, 60.0, 0.7, 0.95, 0.8),
    "long loops, seldom whole": World(0.1, 5.0, 0.9, 0.8, 0.6),
    "hard runs are never whole": World(0.1, 20.0, 0.5, 0.98, 0.3),
}


def draw(world: World, wrong: float, n: int, rng: np.random.Generator) -> list[JudgedRun]:
    """So many recorded runs."""
    hard = rng.random(n) < world.hard
    calls = rng.geometric(1 - world.more, n) if world.more else np.ones(n)
    easy_part, hard_part = world.parts(wrong)
    keeps, risk = (np.where(hard, hard_part[at], easy_part[at]) for at in (1, 2))
    bad = 1 - (1 - keeps * risk) ** calls
    place = rng.random(n)
    whole = (place >= bad) & (place < bad + (keeps * (1 - risk)) ** calls)
    return [JudgedRun(bool(b), bool(w)) for b, w in zip(place < bad, whole, strict=True)]


def broken_by_runs(world: World, of: RunsOf, n: int, draws: int, seed: int = 0) -> float:
    """The share of draws of n runs that promise what is not so, at one look with all of delta."""
    wrong, rng = world.just_above(of), np.random.default_rng([seed, n, len(of)])
    first = DELTA * 2  # the first look is given a half
    return float(
        np.mean([by_runs(draw(world, wrong, n, rng), of=of, alpha=ALPHA, delta=first).certified for _ in range(draws)])
    )


def broken_by_looks(world: World, of: RunsOf, draws: int, seed: int = 0) -> tuple[float, float]:
    """The same where the sample grows and is looked at again until it promises: with delta spent, and unspent."""
    wrong, rng = world.just_above(of), np.random.default_rng([seed, len(of)])
    spent = unspent = 0
    for _ in range(draws):
        runs = draw(world, wrong, LOOKS[-1], rng)
        looks = [(look, runs[:n]) for look, n in enumerate(LOOKS, 1)]
        spent += any(by_runs(seen, of=of, alpha=ALPHA, delta=DELTA, look=look).certified for look, seen in looks)
        unspent += any(by_runs(seen, of=of, alpha=ALPHA, delta=2 * DELTA).certified for _, seen in looks)
    return spent / draws, unspent / draws


def broken_by_answers(world: World, n: int, draws: int, seed: int = 0) -> float:
    """What comes of taking a promise about answers for one about runs, at a risk of 4 % an answer."""
    rng, risk = np.random.default_rng([seed, n]), 0.04
    answers = rng.binomial(n, risk, draws)
    promised = intervals.upper_bounds(answers, np.full(draws, n), DELTA) <= ALPHA
    return float(promised.mean()) if world.risk(risk, "all") > ALPHA else 0.0


def broken_by_steps(of: RunsOf, runs: int, certified_on: int, draws: int, seed: int = 0) -> tuple[float, float]:
    """The share of draws whose bound is too low, and the mean of true risk over bound."""
    rng = np.random.default_rng([seed, runs, certified_on, len(of)])
    most, more, share, alpha, kept = 30, 0.5, 0.8, 0.01, 0.97
    lengths = np.arange(1, most + 1)
    weights = more**lengths / (more**lengths).sum()
    broken, tight = 0, 0.0
    for _ in range(draws):
        facts: list[StepFacts] = []
        added, whole = 0.0, 1.0
        for _step in range(2):
            coverage, true_keeps = flattering(certified_on, kept, rng)
            calls = rng.choice(lengths, runs, p=weights)
            inside = int(calls.sum())
            anywhere = inside + int(rng.negative_binomial(inside, share))
            facts.append(StepFacts(alpha, 0.001, coverage, certified_on, calls.tolist(), inside, anywhere))
            added += float(lengths @ weights) / share * true_keeps * alpha
            whole *= float(true_keeps**lengths @ weights)
        found = by_steps(facts, of=of, alpha=0.5, delta=DELTA, most_calls=most, odd_runs=(0, runs))
        truth = added if of == "all" else min(1.0, added / whole)
        broken += found.risk_upper < truth
        tight += truth / found.risk_upper
    return broken / draws, tight / draws


def flattering(n: int, kept: float, rng: np.random.Generator) -> tuple[float, float]:
    """Near where `kept` of the calls are kept: the threshold whose share, as seen, is furthest below the true one."""
    confidence = np.sort(rng.random(n))
    near = (1 - confidence > kept - 0.02) & (1 - confidence < kept + 0.02)
    thresholds = np.append(confidence[near] + 1e-12, 1 - kept)
    seen = (n - np.searchsorted(confidence, thresholds)) / n
    at = int(np.argmin(seen - (1 - thresholds)))
    return float(seen[at]), float(1 - thresholds[at])


def allowed_share(draws: int, errors: float = 2.0, delta: float = DELTA) -> float:
    """Delta plus that many Monte-Carlo errors."""
    return delta + errors * (delta * (1 - delta) / draws) ** 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=500)
    draws: int = parser.parse_args().draws
    single: list[float] = []
    looked: list[float] = []
    unspent: list[float] = []
    answers: list[float] = []
    print(
        f"{'by runs':32}{'of':>7} | broken at n = {', '.join(map(str, SIZES))} | looking again | unspent | by answers"
    )
    for name, world in WORLDS.items():
        for of in ("all", "whole"):
            cells = [broken_by_runs(world, of, n, draws) for n in SIZES]
            spent, peeked = broken_by_looks(world, of, max(200, draws // 4))
            by_answers = broken_by_answers(world, 2000, draws)
            single += cells
            looked.append(spent)
            unspent.append(peeked)
            answers.append(by_answers)
            shares = "".join(f"{cell:8.3f}" for cell in cells)
            print(f"{name:32}{of:>7} |{shares} |{spent:8.3f} |{peeked:8.3f} |{by_answers:8.3f}", flush=True)
    print(f"{'by steps':14}{'of':>7}{'runs':>7}{'certified on':>14} | broken | true risk / bound")
    steps: list[float] = []
    for of in ("all", "whole"):
        for runs, certified_on in ((50, 250), (500, 250), (500, 2000), (5000, 2000)):
            broken, tight = broken_by_steps(of, runs, certified_on, max(200, draws // 4))
            steps.append(broken)
            print(f"{'':14}{of:>7}{runs:7d}{certified_on:14d} | {broken:6.3f} | {tight:.2f}", flush=True)
    return report(draws, single, looked, unspent, answers, steps)


def report(
    draws: int, single: list[float], looked: list[float], unspent: list[float], answers: list[float], steps: list[float]
) -> int:
    """Print the summary as one JSON line; 1 where something misses."""
    few = max(200, draws // 4)
    pooled = float(np.mean(single))
    figures = {
        "draws": draws,
        "one_look_worst": max(single),
        "one_look_worst_allowed": round(allowed_share(draws, 3.5), 4),
        "one_look_together": round(pooled, 4),
        "one_look_together_allowed": round(allowed_share(draws * len(single)), 4),
        "looking_again_worst": max(looked),
        "looking_again_allowed": round(allowed_share(few, 3.5), 4),
        "by_steps_worst": max(steps),
    }
    reference = {"unspent_worst": max(unspent), "by_answers_worst": max(answers)}
    kept = max(single) <= allowed_share(draws, 3.5) and pooled <= allowed_share(draws * len(single))
    kept = kept and max(looked) <= allowed_share(few, 3.5) and max(steps) <= allowed_share(few, 3.5)
    ratio = round(max(looked) / max(*unspent, 1e-9), 3)
    line = {
        "benchmark": "workflow_certificates",
        "figures": figures,
        "reference": reference,
        "ratio": ratio,
        "holds": kept,
    }
    print(json.dumps(line))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
