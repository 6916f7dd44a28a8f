"""What an owned answer costs from the gateway's loop: worker and socket included, beside the same student in process.

    python benchmarks/serving.py

Trains a small student on made-up texts (its quality is of no interest here) and prints latency and throughput, with the
ratio to calling the student directly. No figure was asked for, so it holds whatever it measures.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

from freehold.serving import StudentHost
from freehold.students import bundle, ladder, runtime
from freehold.vocabulary import Contract, Example, Manifest

N_CLASSES, N_EXAMPLES, N_SEQUENTIAL = 20, 3_000, 1_000


def examples() -> list[Example]:
    rng = random.Random(1)
    made: list[Example] = []
    for number in range(N_EXAMPLES):
        label = rng.randrange(N_CLASSES)
        words = [f"word{rng.randrange(400)}" for _ in range(12)]
        made.append(Example(str(number), (" ".join([f"key{label}", *words]),), f"label{label}"))
    return made


def make_bundle(home: Path, learned: list[Example]) -> Manifest:
    contract = Contract("c", "label", N_EXAMPLES, labels=tuple(f"label{k}" for k in range(N_CLASSES)))
    fitted = ladder.fit("kernel", learned, contract)
    draft = Manifest(
        "", "", "t", "benchmark", "classification", "kernel", "", (), "c", "", len(learned), fitted.scope_threshold,
        fitted.parameters, 0, "made up", "", {}, {},
    )  # fmt: skip
    files = fitted.files | {
        bundle.Layout.CONTRACT: msgspec.json.encode(contract),
        bundle.Layout.DATA: bundle.encode_examples(learned),
    }
    return bundle.write(home / "bundles/one", draft, files, bundle.signing_key(home))


async def ask(home: Path, student_id: str, inputs: list[tuple[str, ...]]) -> tuple[float, list[float], float]:
    began = time.perf_counter()
    async with StudentHost(home) as host:
        await host.load(student_id, "bundles/one")
        loaded_s = time.perf_counter() - began
        one_by_one: list[float] = []
        for one in inputs[:N_SEQUENTIAL]:
            began = time.perf_counter()
            await host.answer(student_id, "bundles/one", one, timeout_s=30)
            one_by_one.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        await asyncio.gather(*(host.answer(student_id, "bundles/one", one, timeout_s=60) for one in inputs))
        return loaded_s, one_by_one, len(inputs) / (time.perf_counter() - began)


def main() -> None:
    learned = examples()
    inputs = [example.inputs for example in learned]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        student_id = make_bundle(home, learned).student_id
        student = runtime.load(home / "bundles/one")
        direct: list[float] = []
        for one in inputs[:N_SEQUENTIAL]:
            began = time.perf_counter()
            student.answer(one)
            direct.append((time.perf_counter() - began) * 1000)
        loaded_s, one_by_one, per_s = asyncio.run(ask(home, student_id, inputs))
    p50, p99, in_process = statistics.median(one_by_one), sorted(one_by_one)[-10], statistics.median(direct)
    print(f"start, verify, load          {loaded_s:.2f} s")
    print(f"one at a time, by worker     {p50:.3f} ms median, {p99:.3f} ms p99")
    print(f"one at a time, in process    {in_process:.3f} ms median: the worker costs x{p50 / in_process:.2f}")
    print(f"{len(inputs):,} at once, one worker    {per_s:,.0f} answers a second")
    figures = {"start_s": loaded_s, "p50_ms": p50, "p99_ms": p99, "answers_per_s": per_s, "in_process_ms": in_process}
    found = {"benchmark": "serving", "figures": {name: round(value, 3) for name, value in figures.items()}}
    print(
        json.dumps(found | {"reference": "the student in process", "ratio": round(p50 / in_process, 2), "holds": True})
    )


if __name__ == "__main__":
    main()
