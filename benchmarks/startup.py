"""How long a gateway takes from the command to its first answer, and what it weighs while nothing happens.

    python -m benchmarks.startup [--rounds 5]

`freehold up` on a new home, each time anew: command to first rented answer (a provider on this machine), median of the
rounds; import of the gateway in a fresh interpreter; memory (PSS of the whole tree) two seconds later, without an owned
model. The reference in the same run is a bare server on uvloop and httptools that answers 200 to anything, and an
interpreter that does nothing. Wall time suffers from whatever else runs: CPU seconds stand beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from benchmarks._processes import compiled, first_answer, free_port, home_renting_from, pss_mb, started, up

MUST = {"start_s": 1.0, "import_s": 0.3, "idle_mb": 80.0}
ANSWER = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()
BARE = """
import asyncio, sys, httptools, uvloop
class Server(asyncio.Protocol):
    def connection_made(self, transport): self.transport, self.parser = transport, httptools.HttpRequestParser(self)
    def data_received(self, data): self.parser.feed_data(data)
    def on_message_complete(self): self.transport.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{}")
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
uvloop.run(main())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    compiled()
    with tempfile.TemporaryDirectory() as name, provider() as upstream:
        measured = [gateway(Path(name) / f"one-{n}", upstream, n_workers=1) for n in range(args.rounds)]
        several = gateway(Path(name) / "four", upstream, n_workers=4)
        bare = [reference() for _ in range(args.rounds)]
    figures = {
        "start_s": median(one.start_s for one in measured),
        "import_s": importing("import freehold.gateway.app", args.rounds),
        "idle_mb": median(one.idle_mb for one in measured),
        "cpu_s": median(one.cpu_s for one in measured),
        "four_workers": several._asdict(),
    }
    stands = {
        "start_s": median(start for start, _ in bare),
        "import_s": importing("pass", args.rounds),
        "idle_mb": median(mb for _, mb in bare),
    }
    holds = all(figures[name] <= most for name, most in MUST.items())
    ratio = {name: round(figures[name] / stands[name], 1) for name in MUST}
    report = {"benchmark": "startup", "figures": figures, "reference": {"bare": stands, "must": MUST}, "ratio": ratio}
    print(json.dumps(report | {"holds": holds}))
    sys.exit(0 if holds else 1)


class Started(NamedTuple):
    """Wall seconds to the first answer, MB when idle for a while, CPU seconds of its processes from start to end."""

    start_s: float
    idle_mb: float
    cpu_s: float


def gateway(home: Path, upstream: int, *, n_workers: int) -> Started:
    before = cpu_of_children()
    port = free_port()
    command = up(port, "--workers", str(n_workers))
    with started(command, home_renting_from(home, upstream)) as (process, began):
        first_answer(port)
        taken = time.perf_counter() - began
        time.sleep(2.0)
        weighs = pss_mb(process.pid)
    made = Started(round(taken, 3), round(weighs, 1), round(cpu_of_children() - before, 3))
    print(f"freehold, {n_workers} process(es): {made}", flush=True)
    return made


def reference() -> tuple[float, float]:
    port = free_port()
    with started([sys.executable, "-c", BARE, str(port)], {}) as (process, began):
        first_answer(port)
        taken = time.perf_counter() - began
        time.sleep(0.5)
        return taken, pss_mb(process.pid)


def importing(statement: str, rounds: int) -> float:
    """Seconds of wall time that a fresh interpreter takes for a statement."""

    def once() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        return time.perf_counter() - began

    return median(once() for _ in range(rounds))


def cpu_of_children() -> float:
    """CPU seconds of all children that have ended, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(values: Generator[float]) -> float:
    return round(statistics.median(values), 3)


@contextmanager
def provider() -> Generator[int]:
    """A provider that answers at once; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


if __name__ == "__main__":
    main()
