"""`freehold up` as a person starts it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.gateway import connect, read_response, request_bytes
from tests.support.prometheus import Series, parse

SPENT_S = 60.0
"""What no machine takes to start or to end."""


class Up:
    """A gateway that was announced. `said` holds the lines of its talk that were read so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", self.line())
        assert found, "".join(self.said) + (process.stderr.read() if process.stderr else "")
        self.port = int(found[1])
        for pid in self.children():  # one that was started this moment has no words and no environment yet
            while not Path(f"/proc/{pid}/cmdline").read_bytes():
                time.sleep(0.001)

    def line(self) -> str:
        """The next line of its talk."""
        assert self.process.stderr is not None
        self.said.append(self.process.stderr.readline())
        return self.said[-1]

    def children(self) -> list[int]:
        """Processes whose parent it is."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def gateways(self) -> list[int]:
        """Its children that are gateways."""
        found: list[int] = []
        for pid in self.children():
            with contextlib.suppress(OSError):  # gone meanwhile
                if b"housekeeping" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def get(self, path: str) -> bytes:
        """The body of a GET, over a connection of its own, and so from any of the gateways."""
        with connect(self.port) as sock:
            sock.sendall(request_bytes(b"", path=path, method="GET"))
            status, _, body = read_response(sock)
        assert status == 200
        return body

    def metrics(self) -> dict[Series, float]:
        """The metrics, as any of the gateways shows them."""
        return parse(self.get("/metrics"))

    def ask(self, text: str = "hello") -> int:
        """Have a call answered; its status."""
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
        with connect(self.port) as sock:
            sock.sendall(request_bytes(body))
            return read_response(sock)[0]

    def wait_for(self, name: str, value: float) -> None:
        """Until a metric without labels has a value."""
        until = time.monotonic() + SPENT_S
        while self.metrics()[name, ()] != value:
            assert time.monotonic() < until, f"{name} is not {value}"
            time.sleep(0.02)

    def end(self) -> str:
        """Tell it to end, and wait; its last talk."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=SPENT_S)[1]


@contextmanager
def up(home: Path, *words: str) -> Iterator[Up]:
    """Start it on a home, on a free port; killed at the end where it still runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}
    command = [sys.executable, "-W", "error", "-m", "freehold", "up", "--port", "0", *words]
    with subprocess.Popen(
        command, cwd=home, env=kept | {"FREEHOLD_HOME": str(home)}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Up(process)
        finally:
            process.kill()
