"""Training several taggers at once, each in a process of its own: CRFsuite holds Python's lock while it fits.

A job is a message, not a fork: `python -m freehold.students.structured._workers` reads one from stdin and writes the
model to stdout. The models do not depend on how many run at once.
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
    """Fit all, largest first, and return the models in the jobs' order.

    Where a process cannot be started or fails, its job is run here instead.
    """
    if sum(len(job.rows) for job in jobs) < IN_PROCESS_BELOW or (os.cpu_count() or 1) < 2:
        return [job.run() for job in jobs]
    order = sorted(range(len(jobs)), key=lambda i: -len(jobs[i].rows))
    with ThreadPoolExecutor(min(MAX_PROCESSES, os.cpu_count() or 1)) as pool:
        done = dict(zip(order, pool.map(_elsewhere, [jobs[i] for i in order]), strict=True))
    return [model if (model := done[i]) is not None else jobs[i].run() for i in range(len(jobs))]


def _elsewhere(job: TaggerJob) -> bytes | None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-m", __name__],
            input=msgspec.msgpack.encode(job),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _main() -> None:
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=TaggerJob)
    sys.stdout.buffer.write(job.run())


if __name__ == "__main__":
    _main()
