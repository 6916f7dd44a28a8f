"""How often does the audit raise a false alarm, and how soon does it see a broken promise? By simulation, fixed seed.

    python benchmarks/audit.py [--streams 300]

False alarms: audited answers whose risk is exactly alpha, for 10,000 audits, looked at after every one. Delays: audits
from a change of risk to the alarm, after a past of good audits. The reference is what people do instead: a one-sided
exact binomial test at the same level, looked at after every 50 audits. Drift: a stream whose risk creeps from 2 % to
20 % over 50,000 owned answers of which 2 % are audited. It exits with 1 where the false-alarm rate exceeds delta plus
two Monte-Carlo errors, where a fourfold risk takes more than 200 audits (median) after 2,000 good ones, or where the
drift is not seen in 95 % of the streams before it ends.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys

import numpy as np

from freehold.evidence import intervals
from freehold.evidence.sequential import AUDIT_DELTA, AuditTest, delays_after_change

ALPHA = 0.05
HORIZON = 10_000
RISKS = (0.06, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
PASTS = ((0, 0.0), (500, 0.02), (2000, 0.02), (10_000, 0.03))


def false_alarms(delta: float, streams: int) -> float:
    """Share of streams of risk exactly alpha that ever reject within the horizon."""
    delays = delays_after_change(ALPHA, delta, 0.0, ALPHA, good_audits=0, streams=streams, horizon=HORIZON)
    return sum(delay is not None for delay in delays) / streams


def peeked_alarms(delta: float, streams: int) -> float:
    """The same streams' share with a fixed-sample test that is looked at after every 50 audits."""
    looks = np.arange(50, HORIZON + 1, 50)
    rng = np.random.default_rng(0)
    errors = rng.binomial(50, ALPHA, size=(streams, len(looks))).cumsum(axis=1)
    # P(at least that many errors) is P(at most the rest right), so the exact p-value of right answers serves.
    return float((intervals.p_values(looks - errors, looks, 1 - ALPHA) <= delta).any(axis=1).mean())


def drift_delays(delta: float, streams: int) -> list[float | None]:
    """Risk at the moment of the alarm, while it creeps from 2 % to 20 %; None where no alarm came. Audits: 2 %."""
    found: list[float | None] = []
    for stream in range(streams):
        draw = random.Random(stream).random
        test = AuditTest(ALPHA, delta)
        risk_at_alarm = None
        for answer in range(50_000):
            risk = 0.02 + 0.18 * answer / 50_000
            if draw() < 0.02 and test.update(draw() < risk):
                risk_at_alarm = risk
                break
        found.append(risk_at_alarm)
    return found


def middle(delays: tuple[int | None, ...]) -> float:
    """The median; infinite where half of the streams were not seen."""
    return sorted(math.inf if delay is None else delay for delay in delays)[len(delays) // 2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=300)
    streams: int = parser.parse_args().streams
    alarms = {delta: false_alarms(delta, streams) for delta in (AUDIT_DELTA, 0.05)}
    peeked = {delta: peeked_alarms(delta, streams) for delta in alarms}
    for delta, share in alarms.items():
        print(f"delta {delta}: false alarms within {HORIZON} audits {share:.3f}; peeked test {peeked[delta]:.3f}")
    delays = delay_table(min(streams, 100))
    drift = drift_delays(AUDIT_DELTA, min(streams, 100))
    seen = [risk for risk in drift if risk is not None]
    at_alarm = float(np.median(seen)) if seen else math.inf
    print(f"creeping risk: seen in {len(seen)} of {len(drift)} streams, at a risk of {at_alarm:.3f} (median)")
    fourfold = delays[f"{AUDIT_DELTA}/2000/0.2"]
    kept = all(share <= delta + 2 * (delta * (1 - delta) / streams) ** 0.5 for delta, share in alarms.items())
    holds = kept and fourfold <= 200 and len(seen) >= 0.95 * len(drift)
    figures = {
        "streams": streams,
        "false_alarms": {str(delta): round(share, 4) for delta, share in alarms.items()},
        "audits_to_detection_p50": {key: None if value == math.inf else value for key, value in delays.items()},
        "creeping_risk_at_alarm_p50": round(at_alarm, 4),
    }
    reference = {"peeked_false_alarms": {str(delta): round(share, 4) for delta, share in peeked.items()}}
    ratio = round(alarms[0.05] / peeked[0.05], 4)
    line = {"benchmark": "audit", "figures": figures, "reference": reference, "ratio": ratio, "holds": holds}
    print(json.dumps(line))
    return 0 if holds else 1


def delay_table(streams: int) -> dict[str, float]:
    """Median audits to detection by delta, good past and new risk, printed as it is filled."""
    delays: dict[str, float] = {}
    print("median audits to detection (at an audit share of 2 %, times 50 owned answers)")
    print(f"{'delta':>7}{'good past':>18}" + "".join(f"{risk:>8}" for risk in RISKS))
    for delta in (AUDIT_DELTA, 0.05):
        for past, good in PASTS:
            row: list[float] = []
            for risk in RISKS:
                found = delays_after_change(
                    ALPHA, delta, good, risk, good_audits=past, streams=streams, horizon=5000, seed=1
                )
                row.append(middle(found))
                delays[f"{delta}/{past}/{risk}"] = row[-1]
            cells = "".join(f"{'>5000' if value == math.inf else int(value):>8}" for value in row)
            print(f"{delta:7}{f'{past} at {good:.0%}':>18}{cells}", flush=True)
    return delays


if __name__ == "__main__":
    sys.exit(main())
