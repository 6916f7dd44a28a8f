"""Whether a gateway's memory stays flat over a million calls: all well, with its ledger down, with slow readers.

    python -m benchmarks.memory [--calls 1000000]

One gateway without an owned model for each case, load from wrk (whole answers and streams in turn), the upstream the
harness's C mock. `well` takes all of the calls, the others a tenth each. In `ledger_down` a file stands where the
ledger's folder should be, so that every write fails and what waits for the disk waits for ever. In `slow_readers` 64
clients read streams of 200 kB at 16 kB a second meanwhile, one after another. Memory is PSS of the whole tree: idle
after a few first calls (320, over 32 connections), after every round of some seconds (`half_mb` is the most of the
first half), at the end (`end_mb`, six seconds after the last round: unused pages are given back every five; the disk is
still down, the slow readers still there), and `most_mb` at any moment, looked at five times a second, the short-lived
sealing included. It holds where idle is at most 80 MB, the end at most a tenth above this gateway's own idle memory
(`above_idle`), and nothing ever more than a tenth above those 80 MB. The reference is the harness's bare proxy. Needs
gcc, wrk and ../shared/bench/gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks._processes import BODY, first_answer, free_port, home_renting_from, pss_mb, started, tree, up

HARNESS = Path(__file__).resolve().parents[2] / "shared" / "bench" / "gateway"
IDLE_MB, GROWTH = 80.0, 1.10
ROUND_S, REST_S, END_REST_S, CONNECTIONS = 10, 1.0, 6.0, 32
SEALING_S, LASTING = 60.0, 2
READERS, EVENT = 64, b"data: " + b'{"choices":[{"index":0,"delta":{"content":"' + b"x" * 4000 + b'"}}]}' + b"\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    args = parser.parse_args()
    missing = [tool for tool in ("gcc", "wrk") if shutil.which(tool) is None]
    if missing or not HARNESS.is_dir():
        print(f"skipped: needs ../shared/bench/gateway, gcc and wrk (missing: {missing})")
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        mock = free_port()
        subprocess.run(["gcc", "-O2", "-o", str(folder / "mock"), str(HARNESS / "mock.c")], check=True)
        stack.enter_context(started([str(folder / "mock"), str(mock), "0"], {}))
        figures = {
            "well": case(folder / "well", mock, args.calls),
            "ledger_down": case(folder / "ledger_down", mock, args.calls // 10, ledger_down=True),
            "slow_readers": case(folder / "slow_readers", stack.enter_context(endless()), args.calls // 10, slow=True),
        }
        reference = floor(mock)
    holds = all(one["idle_mb"] <= IDLE_MB and one["holds"] for one in figures.values())
    ratio = {name: one["above_idle"] for name, one in figures.items()}
    limits = {"idle_mb": IDLE_MB, "above_idle": GROWTH, "most_mb": round(IDLE_MB * GROWTH, 1)}
    report = {"benchmark": "memory", "figures": figures, "reference": {"floor": reference, "must": limits}}
    print(json.dumps(report | {"ratio": ratio, "holds": holds}))
    sys.exit(0 if holds else 1)


def case(home: Path, upstream: int, calls: int, *, ledger_down: bool = False, slow: bool = False) -> dict[str, Any]:
    """Memory over the rounds of one gateway."""
    port = free_port()
    env = home_renting_from(home, upstream)
    if ledger_down:
        (home / "ledger").write_text("a file where a folder should be", encoding="utf-8")
    with started(up(port), env) as (process, _), ExitStack() as stack:
        first_answer(port)
        first_calls(port)
        time.sleep(REST_S)
        idle = settled_mb(process.pid)
        if slow:
            stack.enter_context(slow_readers(port))
        most = stack.enter_context(highest(process.pid))
        done, weights = 0, list[float]()
        while done < calls or len(weights) < 4:
            done += load(port, streamed=bool(len(weights) % 2))
            time.sleep(REST_S)
            weights.append(settled_mb(process.pid))
        time.sleep(END_REST_S)
        end = settled_mb(process.pid)
    half = max(weights[: len(weights) // 2])
    figures: dict[str, Any] = {"idle_mb": idle, "half_mb": half, "most_mb": max(*most, end), "end_mb": end}
    figures = {name: round(value, 1) for name, value in figures.items()}
    figures |= {"calls": done, "above_idle": round(end / idle, 3)}
    figures["holds"] = end <= idle * GROWTH and figures["most_mb"] <= IDLE_MB * GROWTH
    print(home.name, figures, flush=True)
    return figures


def first_calls(port: int) -> None:
    """Ten calls over each of as many connections as the load has: what these need, they need once."""
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CONNECTIONS)]
    for _ in range(10):
        for one in connections:
            one.request("POST", "/v1/chat/completions", BODY, {"content-type": "application/json"})
        for one in connections:
            one.getresponse().read()
    for one in connections:
        one.close()


@contextmanager
def highest(pid: int) -> Generator[list[float]]:
    """What a process and its descendants weigh, five times a second until the block ends."""
    seen, stop = [pss_mb(pid)], threading.Event()

    def look() -> None:
        while not stop.wait(0.2):
            seen.append(pss_mb(pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def settled_mb(pid: int) -> float:
    """What it weighs once no more than its two lasting processes are there: sealing comes and goes."""
    until = time.monotonic() + SEALING_S
    while len(tree(pid)) > LASTING and time.monotonic() < until:
        time.sleep(0.1)
    return pss_mb(pid)


def floor(upstream: int) -> dict[str, float]:
    """The same for the bare proxy."""
    port = free_port()
    env = {"PORT": str(port), "UPSTREAM_PORT": str(upstream)}
    with started([sys.executable, str(HARNESS / "ref_rawproto.py")], env) as (process, _):
        first_answer(port)
        idle = pss_mb(process.pid)
        for streamed in (False, True):
            load(port, streamed=streamed)
        return {"idle_mb": round(idle, 1), "end_mb": round(pss_mb(process.pid), 1)}


def load(port: int, *, streamed: bool) -> int:
    """Calls for some seconds, as many as are answered; how many there were."""
    env = os.environ | {"MODEL": "m", "KEY": "k", "EXTRA": "", "STREAM": str(int(streamed))}
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{ROUND_S}", "--timeout", "20", "-s", str(HARNESS / "post.lua")]
    command.append(f"http://127.0.0.1:{port}/v1/chat/completions")
    said = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in", said)
    if found is None or "Non-2xx" in said:
        sys.exit(f"not every call was answered:\n{said}")
    return int(found[1])


@contextmanager
def endless() -> Generator[int]:
    """An upstream whose long streams have 200 kB, as fast as they are read; the rest is answered at once."""
    loop = asyncio.new_event_loop()
    whole = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}'  # fmt: skip # noqa: E501

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found[1]) if found else 0)
                if b'"long"' in body:
                    writer.write(
                        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                    )
                    for _ in range(50):
                        writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
                        await writer.drain()
                    writer.write(b"0\r\n\r\n")
                else:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(whole) + whole)  # fmt: skip # noqa: E501
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield int(server.sockets[0].getsockname()[1])
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@contextmanager
def slow_readers(port: int) -> Generator[None]:
    """Clients that ask for one long stream after another and read a little now and then, until the block ends."""
    stop = threading.Event()
    body = b'{"model":"long","stream":true,"messages":[{"role":"user","content":"x"}]}'
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    sockets: list[socket.socket] = []
    for _ in range(READERS):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", port))
        one.sendall(head % len(body) + body)
        sockets.append(one)

    def read() -> None:
        while not stop.wait(0.25):
            for one in sockets:
                if one.recv(4096).endswith(b"\r\n0\r\n\r\n"):
                    one.sendall(head % len(body) + body)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for one in sockets:
            one.close()


if __name__ == "__main__":
    main()
