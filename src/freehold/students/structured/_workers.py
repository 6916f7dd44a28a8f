"""Training several taggers at once, each in a process of its own: CRFsuite holds Python's lock while it fits.

Jobs are a message, not a fork: `python -m freehold.students.structured._workers` reads them from stdin and writes the
models to stdout. The models do not depend on how many run at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from ._assembly import Span
from ._document import document
from ._lexicon import Lexicon
from ._tagger import train_tagger

MAX_PROCESSES = 4
IN_PROCESS_BELOW = 1_500
"""Rows, over all jobs, for which starting processes costs more than it saves."""


class TaggerJob(msgspec.Struct):
    """Everything that a tagger is fitted from."""

    rows: list[tuple[tuple[str, ...], list[Span]]]
    level: int
    headings: tuple[str, ...]
    context: tuple[str, ...]
    lexicon: Lexicon
    iterations: int

    def run(self) -> bytes:
        """Fit in this process."""
        headings, context = frozenset(self.headings), frozenset(self.context)
        read = [(document(inputs, self.level, headings, context), spans) for inputs, spans in self.rows]
        return train_tagger(read, self.lexicon, self.iterations)


def run_jobs(jobs: Sequence[TaggerJob]) -> list[bytes]:
    """Fit all, and return the models in the jobs' order.

    Where a process cannot be started or fails, its jobs are run here instead.
    """
    n_processes = min(MAX_PROCESSES, os.cpu_count() or 1, len(jobs))
    if sum(len(job.rows) for job in jobs) < IN_PROCESS_BELOW or n_processes < 2:
        return [job.run() for job in jobs]
    batches = _batches(jobs, n_processes)
    with ThreadPoolExecutor(n_processes) as pool:
        done = list(pool.map(_elsewhere, [[jobs[i] for i in batch] for batch in batches]))
    models: dict[int, bytes] = {}
    for batch, made in zip(batches, done, strict=True):
        models.update(zip(batch, made or [jobs[i].run() for i in batch], strict=True))
    return [models[i] for i in range(len(jobs))]


def _batches(jobs: Sequence[TaggerJob], n: int) -> list[list[int]]:
    """Jobs by process: the largest first, each to the process that has least to do."""
    batches: list[list[int]] = [[] for _ in range(n)]
    loads = [0] * n
    for i in sorted(range(len(jobs)), key=lambda i: (-len(jobs[i].rows), i)):
        least = loads.index(min(loads))
        batches[least].append(i)
        loads[least] += len(jobs[i].rows) * jobs[i].iterations
    return batches


def _elsewhere(jobs: list[TaggerJob]) -> list[bytes] | None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-m", __name__],
            input=msgspec.msgpack.encode(jobs),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            check=False,
        )
        return msgspec.msgpack.decode(done.stdout, type=list[bytes]) if done.returncode == 0 else None
    except (OSError, msgspec.DecodeError):
        return None


def _main() -> None:
    jobs = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[TaggerJob])
    sys.stdout.buffer.write(msgspec.msgpack.encode([job.run() for job in jobs]))


if __name__ == "__main__":
    _main()
