"""What the gateway counts, as Prometheus text: the sum over all its processes.

A count is one addition to a number in memory (`_cells`), also where several processes share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from freehold.vocabulary import Call

from ._cells import Board
from ._counters import BUCKETS_S, Counter, Histogram

HELP: dict[str, tuple[str, str]] = {
    "freehold_calls_total": ("counter", "Calls by task, who answered, how they ended and with what status."),
    "freehold_call_duration_seconds": ("histogram", "From request to last byte, by who answered."),
    "freehold_time_to_first_token_seconds": ("histogram", "From request to first token, by who answered."),
    "freehold_tokens_total": ("counter", "Tokens by kind, provider and model."),
    "freehold_reasoning_tokens_total": ("counter", "Of the output tokens, those spent on reasoning."),
    "freehold_calls_in_flight": ("gauge", "Calls being answered now."),
    "freehold_refused_requests_total": ("counter", "Requests refused before they were calls, by error code."),
    "freehold_upstream_attempts_total": ("counter", "Requests sent to providers, by provider, purpose and outcome."),
    "freehold_upstream_in_flight": ("gauge", "Requests under way to providers."),
    "freehold_queued": ("gauge", "Calls that wait for room."),
    "freehold_shed_total": ("counter", "Calls shed for want of room, by priority and reason."),
    "freehold_retries_total": ("counter", "Retries that calls asked for, by provider and what the budget said."),
    "freehold_hedges_total": ("counter", "Second requests made because the first was slow, by provider and result."),
    "freehold_target_state": ("gauge", "0: well, 1: on trial, 2: out. The worst, where processes differ."),
    "freehold_target_in_flight": ("gauge", "Requests under way to a model of a provider."),
    "freehold_target_limit": ("gauge", "How many of them may be under way at once, as far as is known."),
    "freehold_ejections_total": ("counter", "Times a model of a provider was taken out, by reason."),
    "freehold_owned_attempts_total": ("counter", "Questions to owned models, by task and what became of the answer."),
    "freehold_cache_total": ("counter", "Calls of tasks whose answers are kept, by task and whether one was there."),
    "freehold_audits_total": ("counter", "Owned answers compared with the rented model's, by task and result."),
    "freehold_demotions_total": ("counter", "Routes taken off by their audit, by task."),
    "freehold_routes_version": ("gauge", "Version of the route table in use; the oldest, where processes differ."),
    "freehold_routes_errors_total": ("counter", "Route tables that could not be read."),
    "freehold_internal_errors_total": ("counter", "Faults of our own that were caught."),
    "freehold_ledger_pending": ("gauge", "Calls that wait for the disk."),
    "freehold_ledger_written_total": ("counter", "Calls written to the ledger."),
    "freehold_ledger_dropped_total": ("counter", "Calls answered and not recorded."),
    "freehold_ledger_healthy": ("gauge", "1 while calls are being written; the label says what is wrong otherwise."),
    "freehold_gateway_workers": ("gauge", "Gateway processes that run."),
    "freehold_gateway_restarts_total": ("counter", "Gateway processes that died and were started again."),
}
"""Name, type and meaning of every metric."""

_ACROSS: dict[str, Callable[[float, float], float]] = {
    "freehold_routes_version": min,
    "freehold_ledger_healthy": min,
    "freehold_target_state": max,
}
"""Gauges that are not the sum of what the processes say."""

Labels = tuple[tuple[str, str], ...]
Reading = tuple[str, Labels, float]
"""A metric, its labels and its value, from whoever knows it: the ledger, the routes."""


class SharedMetrics:
    """The counters of several gateway processes, as their parent holds them. Made before they are forked."""

    def __init__(self, count: int) -> None:
        self._board = Board(count + 1)  # the last one is the parent's own
        self._restarts = Counter(self._board.slots[count], "freehold_gateway_restarts_total")
        self._restarts[()] = 0

    def of(self, number: int) -> Metrics:
        """The counters of one process, to be asked for in it."""
        return Metrics(self._board, number)

    def note(self, living: Sequence[bool], n_restarts: int) -> None:
        """Take note of which processes live: gauges of the others no longer count."""
        for slot, lives in zip(self._board.slots, living, strict=False):
            if not lives:  # that it lives is for the process to say
                slot.living = False
        self._restarts[()] = n_restarts


_Shown = dict[str, dict[Labels, list[float]]]


class Metrics:
    """All counters of one gateway process; `text` shows them together with those of the others.

    Args:
        board: the memory that the processes share; None: this one is alone.
        slot: which of the board's slots is its own. What a process counted there before it died is counted on.
    """

    def __init__(self, board: Board | None = None, slot: int = 0) -> None:
        self._board = board or Board()
        self._slot = mine = self._board.slots[slot]
        self._before: dict[tuple[str, Labels], float] = {}
        for series, at in mine.series():
            if HELP[series.name][0] == "gauge":
                mine.values[at] = math.nan  # not there until it is set
            self._before[series.name, series.labels] = mine.values[at]
        self._readings: dict[str, Counter] = {}
        counter = partial(Counter, mine)
        self.calls = counter("freehold_calls_total", ("task", "owner", "outcome", "status"))
        self.attempts = counter("freehold_upstream_attempts_total", ("provider", "purpose", "outcome"))
        self.owned = counter("freehold_owned_attempts_total", ("task", "result"))
        self.cache = counter("freehold_cache_total", ("task", "result"))
        self.audits = counter("freehold_audits_total", ("task", "result"))
        self.refused = counter("freehold_refused_requests_total", ("code",))
        self.demotions = counter("freehold_demotions_total", ("task",))
        self._tokens = counter("freehold_tokens_total", ("kind", "provider", "model"))
        self._reasoning = counter("freehold_reasoning_tokens_total", ("provider", "model"))
        self._durations = Histogram(mine, "freehold_call_duration_seconds", "owner")
        self._first_tokens = Histogram(mine, "freehold_time_to_first_token_seconds", "owner")
        self._in_flight = counter("freehold_calls_in_flight")
        self._internal_errors = counter("freehold_internal_errors_total")
        self._in_flight[()] = 0
        self._internal_errors.add((), 0)
        self.read([("freehold_gateway_workers", (), 1), ("freehold_routes_errors_total", (), 0)])
        mine.living = True

    @property
    def in_flight(self) -> float:
        """Calls this process is answering now."""
        return self._in_flight[()]

    def began(self) -> None:
        """Count a call that is being answered, until it has `ended`."""
        self._in_flight.add(())

    def answered(self) -> None:
        """Count it no more."""
        self._in_flight.add((), -1)

    @property
    def internal_errors(self) -> float:
        """Faults of our own that were caught."""
        return self._internal_errors[()]

    @internal_errors.setter
    def internal_errors(self, value: float) -> None:
        self._internal_errors[()] = value

    def ended(self, call: Call, task: str) -> None:
        """Count a call that ended, under the name of its task: what became of it, how long it took, what it used."""
        self.calls.add((task, call.owner, call.outcome, call.status))
        self._durations.observe(call.owner, call.latency_ms / 1000.0)
        if call.streamed and call.ttft_ms is not None:
            self._first_tokens.observe(call.owner, call.ttft_ms / 1000.0)
        for leg in call.legs:
            usage = leg.usage
            if usage is None:
                continue
            for kind, n in (
                ("input", usage.input_tokens),
                ("cache_read", usage.cache_read_tokens),
                ("cache_write", usage.cache_write_tokens + usage.cache_write_1h_tokens),
                ("output", usage.output_tokens),
            ):
                if n:
                    self._tokens.add((kind, leg.provider, leg.model), n)
            if usage.reasoning_tokens:
                self._reasoning.add((leg.provider, leg.model), usage.reasoning_tokens)

    def read(self, readings: Iterable[Reading]) -> None:
        """Take values from those who know them.

        A counter may begin at zero with each process: what an earlier one left here is added. A gauge's other label
        sets end: a ledger that was full and is well again is not both.
        """
        given = {(name, labels): value for name, labels, value in readings}
        gauges = {name for name, _ in given if HELP[name][0] == "gauge"}
        for series, at in self._slot.series():
            if series.name in gauges and (series.name, series.labels) not in given:
                self._slot.values[at] = math.nan
        for (name, labels), value in given.items():
            counter = self._readings.get(name)
            if counter is None:
                counter = self._readings[name] = Counter(self._slot, name, tuple(label for label, _ in labels))
            before = 0.0 if name in gauges else self._before.get((name, labels), 0.0)
            counter[tuple(text for _, text in labels)] = value + before

    def text(self, readings: Iterable[Reading] = ()) -> bytes:
        """Everything in Prometheus' text format, summed over the processes; gauges over the living ones alone.

        `readings` are taken first, so that what is shown here is also what any other process shows from now on: no
        counter ever falls, whoever is asked.
        """
        self.read(readings)
        shown = self._summed()
        lines: list[str] = []
        for name, (kind, meaning) in HELP.items():
            if name in shown:
                lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
                for labels, values in shown[name].items():
                    lines += (
                        _histogram(name, labels, values) if kind == "histogram" else [_line(name, labels, values[0])]
                    )
        return ("\n".join(lines) + "\n").encode()

    def _summed(self) -> _Shown:
        shown: _Shown = {}
        for slot in self._board.slots:
            living = slot.living
            for series, at in slot.series():
                values = list(slot.values[at : at + series.width])
                if math.isnan(values[0]) or (not living and HELP[series.name][0] == "gauge"):
                    continue
                there = shown.setdefault(series.name, {}).setdefault(series.labels, values)
                if there is not values:
                    together = _ACROSS.get(series.name, float.__add__)
                    there[:] = map(together, there, values)
        return shown


def _histogram(name: str, labels: Labels, values: list[float]) -> list[str]:
    lines: list[str] = []
    total = 0.0
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), values, strict=False):
        total += count
        lines.append(_line(f"{name}_bucket", (*labels, ("le", bound)), total))
    return [*lines, _line(f"{name}_sum", labels, values[-1]), _line(f"{name}_count", labels, total)]


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    number = int(value) if value.is_integer() else value  # to the last digit: a rate is a small difference
    return f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
