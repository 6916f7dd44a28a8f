"""What the gateway counts, as Prometheus text.

Counters live in plain dictionaries: one addition on the path of a call.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

HELP: dict[str, tuple[str, str]] = {
    "freehold_calls_total": ("counter", "Calls by task, who answered, how they ended and with what status."),
    "freehold_call_duration_seconds": ("histogram", "From request to last byte, by who answered."),
    "freehold_calls_in_flight": ("gauge", "Calls being answered now."),
    "freehold_refused_requests_total": ("counter", "Requests refused before they were calls, by error code."),
    "freehold_upstream_attempts_total": ("counter", "Requests sent to providers, by provider, purpose and outcome."),
    "freehold_owned_attempts_total": ("counter", "Questions to owned models, by task and what became of the answer."),
    "freehold_audits_total": ("counter", "Owned answers compared with the rented model's, by task and result."),
    "freehold_demotions_total": ("counter", "Routes taken off by their audit, by task."),
    "freehold_routes_version": ("gauge", "Version of the route table in use."),
    "freehold_routes_errors_total": ("counter", "Route tables that could not be read."),
    "freehold_internal_errors_total": ("counter", "Faults of our own that were caught."),
    "freehold_ledger_pending": ("gauge", "Calls that wait for the disk."),
    "freehold_ledger_written_total": ("counter", "Calls written to the ledger."),
    "freehold_ledger_dropped_total": ("counter", "Calls answered and not recorded."),
    "freehold_ledger_healthy": ("gauge", "1 while calls are being written; the label says what is wrong otherwise."),
}
"""Name, type and meaning of every metric."""

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """All counters of one gateway."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.calls: dict[tuple[str, str, str, int], int] = defaultdict(int)
        self.attempts: dict[tuple[str, str, str], int] = defaultdict(int)
        self.owned: dict[tuple[str, str], int] = defaultdict(int)
        self.audits: dict[tuple[str, str], int] = defaultdict(int)
        self.refused: dict[str, int] = defaultdict(int)
        self.demotions: dict[str, int] = defaultdict(int)
        self.internal_errors = 0
        self.routes_errors = 0
        self._durations: dict[str, list[int]] = {}
        self._duration_sums: dict[str, float] = defaultdict(float)

    def call(self, task: str, owner: str, outcome: str, status: int, seconds: float) -> None:
        """Count a call that ended."""
        self.calls[task, owner, outcome, status] += 1
        buckets = self._durations.get(owner)
        if buckets is None:
            buckets = self._durations[owner] = [0] * (len(_BUCKETS_S) + 1)
        buckets[bisect_left(_BUCKETS_S, seconds)] += 1
        self._duration_sums[owner] += seconds

    def text(self, extra: Iterable[tuple[str, Labels, float]] = ()) -> bytes:
        """Everything in Prometheus' text format. `extra`: gauges whose owner knows them (ledger, routes)."""
        samples: dict[str, list[str]] = {name: [] for name in HELP}

        def put(name: str, labels: Labels, value: float, suffix: str = "") -> None:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
            samples[name].append(f"{name}{suffix}{{{inside}}} {value:g}" if inside else f"{name}{suffix} {value:g}")

        for (task, owner, outcome, status), count in self.calls.items():
            labels = (("task", task), ("owner", owner), ("outcome", outcome), ("status", str(status)))
            put("freehold_calls_total", labels, count)
        for (provider, purpose, outcome), count in self.attempts.items():
            labels = (("provider", provider), ("purpose", purpose), ("outcome", outcome))
            put("freehold_upstream_attempts_total", labels, count)
        for (task, result), count in self.owned.items():
            put("freehold_owned_attempts_total", (("task", task), ("result", result)), count)
        for (task, result), count in self.audits.items():
            put("freehold_audits_total", (("task", task), ("result", result)), count)
        for code, count in self.refused.items():
            put("freehold_refused_requests_total", (("code", code),), count)
        for task, count in self.demotions.items():
            put("freehold_demotions_total", (("task", task),), count)
        put("freehold_calls_in_flight", (), self.in_flight)
        put("freehold_internal_errors_total", (), self.internal_errors)
        put("freehold_routes_errors_total", (), self.routes_errors)
        self._put_durations(put)
        for name, labels, value in extra:
            put(name, labels, value)
        lines: list[str] = []
        for name, (kind, meaning) in HELP.items():
            if samples[name]:
                lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *samples[name]]
        return ("\n".join(lines) + "\n").encode()

    def _put_durations(self, put: Callable[..., None]) -> None:
        for owner, buckets in self._durations.items():
            total = 0
            for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), buckets, strict=True):
                total += count
                put("freehold_call_duration_seconds", (("owner", owner), ("le", bound)), total, "_bucket")
            put("freehold_call_duration_seconds", (("owner", owner),), self._duration_sums[owner], "_sum")
            put("freehold_call_duration_seconds", (("owner", owner),), total, "_count")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
