"""Calls, workloads and certificates made up for tests of prices, economics and verdicts."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from freehold.economics.workload import Workload, WorkloadBuilder
from freehold.market.tokens import PriceBook
from freehold.vocabulary import Call, Certificate, Interval, Task, TaskKind, Usage

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
START_US = int(datetime(2026, 10, 5, tzinfo=UTC).timestamp() * 1e6)
DAY_US = 86_400_000_000


def a_call(at_us: int = START_US, usage: Usage | None = None, **changed: object) -> Call:
    fields: dict[str, object] = {
        "id": f"c{at_us}",
        "started_at_us": at_us,
        "latency_ms": 700.0,
        "provider": "openai",
        "model": "gpt-4.1",
        "request": b"{}",
        "response": b"{}",
        "usage": usage,
    }
    return Call(**{**fields, **changed})  # pyright: ignore[reportArgumentType]


def a_workload(
    n: int = 10_000,
    days: float = 14,
    usage: Usage | None = None,
    prices: PriceBook | None = None,
    *,
    weight: float = 1.0,
    volume_factor: float = 1.0,
    monthly_growth: float | None = None,
) -> Workload:
    """`n` equal calls of gpt-4.1 evenly over `days`: 500 tokens in and 4 out unless told otherwise."""
    window_us = (START_US, START_US + int(days * DAY_US))
    builder = _counted(n, days, usage or Usage(input_tokens=500, output_tokens=4), prices)
    return builder.build(window_us, weight=weight, volume_factor=volume_factor, monthly_growth=monthly_growth)


@functools.cache
def _counted(n: int, days: float, usage: Usage, prices: PriceBook | None) -> WorkloadBuilder:
    """The calls' sums, counted once: most modules ask for the same calls at another volume."""
    step = days * DAY_US / n
    builder = WorkloadBuilder(prices)
    for i in range(n):
        builder.add(a_call(START_US + int(i * step), usage))
    return builder


def a_task(kind: TaskKind = "classification", name: str = "triage") -> Task:
    return Task(id=f"t-{name}", name=name, kind=kind, templates=(), n_calls=10_000, confidence=1.0, why="")


def a_certificate(
    coverage: float = 0.87, *, certified: bool = True, labels_needed: int | None = 0, against: str = "teacher"
) -> Certificate:
    return Certificate(
        id="cert-1",
        task_id="t-triage",
        student_id="s-1",
        certified=certified,
        alpha=0.05,
        delta=0.05,
        against=against,  # pyright: ignore[reportArgumentType]
        n=3000,
        threshold=0.9 if certified else None,
        scope_threshold=0.1,
        coverage=coverage,
        coverage_interval=Interval(max(0.0, coverage - 0.02), min(1.0, coverage + 0.02)),
        n_kept=int(3000 * coverage),
        n_errors=60,
        risk=0.03,
        risk_upper=0.045,
        best_risk_upper=0.045 if certified else 0.2,
        labels_needed=labels_needed,
        reason="",
        template_ids=("p1",),
        contract_version="k1",
        label_source="log",
        calls_from_us=START_US,
        calls_to_us=START_US + 10 * DAY_US,
        issued_at="2026-10-20",
    )
