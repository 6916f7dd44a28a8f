"""How fast logs come in: `python -m benchmarks.imports [RECORDS]`, by default 20,000 records of 2 kB in every format.

Exits 1 where the slowest format manages fewer than 20,000 records a second. The reference is reading the lines of the
same log and decoding their JSON, and nothing else; where a format is no JSONL, the lines of its records as JSONL. Every
format is imported in a process of its own, and once more with ten times the records to see whether memory grows. On a
machine that others use only the figures per second of CPU say something; `holds` is judged by them, and by wall time
where the machine was idle (`--wall`).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from freehold.ledger import Ledger
from freehold.ledger.importing import import_logs

LEAST_PER_S = 20_000
_WORDS = [
    "late",
    "parcel",
    "order",
    "refund",
    "the",
    "address",
    "of",
    "my",
    "delivery",
    "please",
    "help",
    "café",
    "“quoted”",
    "with\nlines",
]


def asked(n: int) -> dict[str, Any]:
    rng = random.Random(n)
    text = " ".join(rng.choices(_WORDS, k=60))
    system = "You sort messages of a shop into classes.\n" + "Read the whole message. " * 30
    return {
        "model": "gpt-4o-mini",
        "temperature": 0,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": f"{n}: {text}"}],
    }


def answered(n: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": "delivery_late", "refusal": None}
    return {
        "id": f"chatcmpl-{n:024d}",
        "object": "chat.completion",
        "created": 1_791_158_400 + n,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 310,
            "completion_tokens": 4,
            "total_tokens": 314,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }


def _lines(path: Path, records: Iterator[dict[str, Any]]) -> list[Path]:
    with path.open("w") as file:
        for one in records:
            file.write(json.dumps(one) + "\n")
    return [path]


def calls(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "calls.jsonl",
        (
            {"id": f"c{n}", "started_at": 1_791_158_400 + n, "latency_ms": 500.5, "provider": "openai",
             "request": asked(n), "response": answered(n)}
            for n in range(count)
        ),
    )  # fmt: skip


def pairs(folder: Path, count: int) -> list[Path]:
    return _lines(folder / "pairs.jsonl", ({"request": asked(n), "response": answered(n)} for n in range(count)))


def texts(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "texts.jsonl",
        ({"request": json.dumps(asked(n)), "response": json.dumps(answered(n))} for n in range(count)),
    )


def array(folder: Path, count: int) -> list[Path]:
    path = folder / "array.json"
    with path.open("w") as file:
        file.write("[")
        for n in range(count):
            file.write(",\n" * (n > 0) + json.dumps({"request": asked(n), "response": answered(n)}, indent=1))
        file.write("]")
    return [path]


def tuning(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "tuning.jsonl",
        (
            {"messages": [*asked(n)["messages"], {"role": "assistant", "content": "delivery_late" * 40}]}
            for n in range(count)
        ),
    )


def batch(folder: Path, count: int) -> list[Path]:
    order = list(range(count))
    random.Random(1).shuffle(order)
    answers = (
        {"id": f"batch_req_{n}", "custom_id": f"request-{n}", "error": None,
         "response": {"status_code": 200, "request_id": f"req_{n}", "body": answered(n)}}
        for n in order
    )  # fmt: skip
    questions = (
        {"custom_id": f"request-{n}", "method": "POST", "url": "/v1/chat/completions", "body": asked(n)}
        for n in range(count)
    )
    return _lines(folder / "in.jsonl", questions) + _lines(folder / "out.jsonl", answers)


def stored(folder: Path, count: int) -> list[Path]:
    path = folder / "pages.json"
    with path.open("w") as file:
        for start in range(0, count, 100):
            data = [answered(n) | {"messages": asked(n)["messages"]} for n in range(start, min(count, start + 100))]
            file.write(json.dumps({"object": "list", "data": data, "has_more": True}) + "\n")
    return [path]


def openpipe(folder: Path, count: int) -> list[Path]:
    return _lines(
        folder / "pipe.jsonl",
        (
            {"input": asked(n)["messages"], "output": answered(n), "tags": {"prompt_id": "sort", "n": n}}
            for n in range(count)
        ),
    )


LOGS: dict[str, Callable[[Path, int], list[Path]]] = {
    "calls": calls,
    "openai pairs": pairs,
    "openai pairs, bodies as texts": texts,
    "openai pairs, a JSON array": array,
    "openai fine-tuning": tuning,
    "openai-batch": batch,
    "openai-stored": stored,
    "openpipe": openpipe,
}


def imported(name: str, count: int) -> dict[str, Any]:
    """Import one log in this process; seconds and peak memory."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        paths = LOGS[name](folder, count)
        size = sum(path.stat().st_size for path in paths)
        reference_s = _decoded(paths)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        done = import_logs(Ledger(folder / "home"), paths)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert (done.added, done.rejected) == (count, 0), done
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "wall_s": wall, "cpu_s": cpu, "bytes": size, "peak_mb": peak / 1024, "before_mb": before / 1024,
            "reference_s": reference_s,
        }  # fmt: skip


def _decoded(paths: list[Path]) -> float:
    """CPU seconds for reading lines and decoding them; of a JSON array, whose elements are several lines, its text."""
    decode = msgspec.json.Decoder().decode
    began = time.process_time()
    for path in paths:
        with path.open("rb") as file:
            if path.suffix == ".json" and file.read(1) == b"[":
                file.seek(0)
                for _ in file:
                    pass
                continue
            file.seek(0)
            for line in file:
                decode(line)
    return time.process_time() - began


def child(name: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.imports", str(count), "--only", name]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int, nargs="?", default=20_000)
    parser.add_argument("--only", default="", help="one log, in this process")
    parser.add_argument("--wall", action="store_true", help="judge by wall time: the machine is idle")
    args = parser.parse_args()
    if args.only:
        print(json.dumps(imported(args.only, args.records)))
        return
    figures: dict[str, Any] = {}
    reference_s = child("openai pairs", args.records)["reference_s"]
    for name in LOGS:
        one, ten = child(name, args.records), child(name, 10 * args.records)
        n = 10 * args.records
        row = {
            "per_wall_s": round(n / ten["wall_s"]),
            "per_cpu_s": round(n / ten["cpu_s"]),
            "ratio": round(ten["cpu_s"] / 10 / reference_s, 1),
            "bytes": round(ten["bytes"] / n),
            "peak_mb": round(ten["peak_mb"]),
            "peak_mb_tenth": round(one["peak_mb"]),
        }
        figures[name] = row
        print(
            f"{name:32} {row['per_wall_s']:8,}/s wall {row['per_cpu_s']:8,}/s CPU {row['ratio']:5.1f}x decoding,"
            f" {row['bytes']:,} B each, peak {row['peak_mb']} MB (a tenth of it: {row['peak_mb_tenth']} MB)",
            flush=True,
        )
    slowest = min(row["per_wall_s" if args.wall else "per_cpu_s"] for row in figures.values())
    grows = max(row["peak_mb"] - row["peak_mb_tenth"] for row in figures.values())
    holds = slowest >= LEAST_PER_S
    print(
        json.dumps({
            "benchmark": "imports", "records": args.records, "figures": figures, "slowest_per_s": slowest,
            "most_growth_mb": grows, "reference": "reading lines and decoding their JSON, openai pairs",
            "reference_per_cpu_s": round(args.records / reference_s),
            "ratio": max(row["ratio"] for row in figures.values()), "holds": holds,
        })
    )  # fmt: skip
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
