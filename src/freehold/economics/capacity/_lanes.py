"""The simulation itself: many replicas, each through its own piece of time, event by event and all at once.

A lane is one replica during one piece of the trace, with what came shortly before it as a start and what came shortly
after it as an end. Within a lane, as engines do: requests wait in order; one is let in when a place is free, its prompt
is computed while the others stand still, then it takes part in every step until its last token. A step's length follows
from who takes part. Between two events nothing changes, so that one jump leads to the next; numpy makes that jump for
every lane together. `tests/economics/capacity` holds the plain loop that it must agree with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from freehold.economics.arrays import FloatArray

from .replica import Replica
from .trace import Trace

Index = npt.NDArray[np.int64]


class Simulated(NamedTuple):
    """What every request of a trace met."""

    ttft_s: FloatArray
    tpot_s: FloatArray


class Lanes:
    """State of every lane, and the jump.

    Args:
        replica: how fast each is.
        trace: the requests.
        rows: their indices, lane after lane, in order of arrival within each.
        starts: where each lane begins in `rows`.
        ends: and where it ends.
    """

    def __init__(self, replica: Replica, trace: Trace, rows: Index, starts: Index, ends: Index) -> None:
        mean = float((trace.prompt_tokens + trace.output_tokens).mean())
        self._replica = replica
        self._slots = replica.slots(mean)
        self._arrival = trace.arrival_s[rows]
        self._prompt = trace.prompt_tokens[rows]
        self._output = trace.output_tokens[rows]
        self._began = np.zeros(len(rows))
        self.ttft_s = np.full(len(rows), np.inf)
        self.tpot_s = np.full(len(rows), np.inf)
        lanes = len(starts)
        self._next, self._end = starts.copy(), ends.copy()
        self._clock = self._arrival[np.minimum(starts, len(rows) - 1)].copy()
        self._tokens_out = np.zeros(lanes)
        self._running = np.zeros(lanes, dtype=np.int64)
        self._context = np.zeros(lanes)
        self._finish = np.full((lanes, self._slots), np.inf)
        self._who = np.zeros((lanes, self._slots), dtype=np.int64)

    def run(self) -> None:
        """Until every request of every lane has its last token."""
        while len(self._next):
            alive = True
            for _ in range(64):
                alive = self._jump()
                if not alive:
                    break
            keep = (self._next < self._end) | (self._running > 0)
            if not alive or keep.sum() < 0.9 * len(keep):
                self._keep(keep)

    def _keep(self, lanes: npt.NDArray[np.bool_]) -> None:
        for name in ("_next", "_end", "_clock", "_tokens_out", "_running", "_context", "_finish", "_who"):
            setattr(self, name, getattr(self, name)[lanes])

    def _jump(self) -> bool:
        """Every lane to its next event; False where no lane has one."""
        running = self._running
        widest = max(1, int(running.max()))
        open_ = self._finish[:, :widest]
        slot = open_.argmin(axis=1)
        target = np.take_along_axis(open_, slot[:, None], axis=1)[:, 0]
        step = self._replica.step(running.astype(np.float64), self._context)
        busy = running > 0
        leaves = np.where(busy, self._clock + (target - self._tokens_out) * step, np.inf)
        waiting = self._next < self._end
        arrival = self._arrival[np.minimum(self._next, len(self._arrival) - 1)]
        enters = np.where(waiting & (running < self._slots), np.maximum(arrival, self._clock), np.inf)
        entering = enters < leaves  # whoever has all its tokens leaves first, and at no further cost
        leaving = ~entering & busy
        if not (entering.any() or leaving.any()):
            return False
        self._enter(np.flatnonzero(entering), enters, step, busy)
        self._leave(np.flatnonzero(leaving), leaves, target, slot)
        return True

    def _enter(self, at: Index, enters: FloatArray, step: FloatArray, busy: npt.NDArray[np.bool_]) -> None:
        passed = np.where(busy[at], (enters[at] - self._clock[at]) / step[at], 0.0)
        self._tokens_out[at] += passed
        who = self._next[at]
        clock = enters[at] + self._prompt[who] * self._replica.prompt_s_per_token
        self._clock[at] = clock
        self._began[who] = clock
        self.ttft_s[who] = clock - self._arrival[who] + self._replica.first_token_s
        place = self._running[at]
        self._finish[at, place] = self._tokens_out[at] + self._output[who] - 1
        self._who[at, place] = who
        self._running[at] = place + 1
        self._context[at] += self._prompt[who] + self._output[who] / 2
        self._next[at] = who + 1

    def _leave(self, at: Index, leaves: FloatArray, target: FloatArray, slot: Index) -> None:
        gone = slot[at]
        who = self._who[at, gone]
        self._clock[at] = leaves[at]
        self._tokens_out[at] = target[at]
        self.tpot_s[who] = (leaves[at] - self._began[who]) / np.maximum(self._output[who] - 1, 1)
        last = self._running[at] - 1
        self._finish[at, gone] = self._finish[at, last]  # the last one moves into the gap
        self._who[at, gone] = self._who[at, last]
        self._finish[at, last] = np.inf
        self._running[at] = last
        self._context[at] -= self._prompt[who] + self._output[who] / 2


def simulate(trace: Trace, replica: Replica, replicas: int, window_s: float, lead_s: float, tail_s: float) -> Simulated:
    """Time to the first token and per later token of every request, when requests go to `replicas` in turn."""
    turn = np.arange(trace.requests) % replicas
    windows = int(trace.arrival_s[-1] // window_s) + 1
    pieces: list[Index] = []
    starts, own_from, own_to = [0], list[int](), list[int]()
    for number in range(replicas):
        mine = np.flatnonzero(turn == number)
        at = trace.arrival_s[mine]
        edges = np.arange(windows + 1) * window_s
        first, begin = np.searchsorted(at, edges[:-1] - lead_s), np.searchsorted(at, edges[:-1])
        end, last = np.searchsorted(at, edges[1:]), np.searchsorted(at, edges[1:] + tail_s)
        end[-1] = last[-1] = len(mine)
        for f, b, e, z in zip(first.tolist(), begin.tolist(), end.tolist(), last.tolist(), strict=True):
            if b == e:
                continue
            pieces.append(mine[f:z])
            own_from.append(starts[-1] + b - f)
            own_to.append(starts[-1] + e - f)
            starts.append(starts[-1] + z - f)
    rows = np.concatenate(pieces)
    bounds = np.array(starts, dtype=np.int64)
    lanes = Lanes(replica, trace, rows, bounds[:-1], bounds[1:])
    lanes.run()
    own = np.zeros(len(rows) + 1, dtype=np.int64)
    np.add.at(own, own_from, 1)
    np.add.at(own, own_to, -1)
    mask = np.cumsum(own[:-1]) > 0
    ttft, tpot = np.empty(trace.requests), np.empty(trace.requests)
    ttft[rows[mask]], tpot[rows[mask]] = lanes.ttft_s[mask], lanes.tpot_s[mask]
    return Simulated(ttft, tpot)
