"""Starting the gateway with what it works with: the ledger's writer, the owned models, the way back to the registry.

The gateway's process loads neither a query engine, a database toolkit nor a trainer. Publishing routes and sealing the
ledger is another process's work; owned models run in workers of their own.
"""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from freehold import settings as settings_module
from freehold.gateway.app import Doors, Feedback, Gateway, serve
from freehold.ledger.writer import LedgerWriter
from freehold.serving import StudentHost
from freehold.settings import Loaded
from freehold.vocabulary import Route

from . import housekeeping

PUBLISH_S = 30.0
"""How long the start waits for the routes to be published."""
FEEDBACK_S = 1.0
"""How long feedback waits for its call to be recorded, where that was answered only just now."""
_HOUSEKEEPER = "freehold.services.housekeeping"


def up(*, host: str | None, port: int | None, announce: Callable[[str], None]) -> None:
    """Run the gateway until it is told to stop.

    Raises:
        ConfigurationError: the settings make no sense.
        OSError: the port is taken.
    """
    loaded = settings_module.load()
    if host is not None:
        gateway = msgspec.structs.replace(loaded.settings.gateway, host=host)
        loaded = loaded._replace(settings=msgspec.structs.replace(loaded.settings, gateway=gateway))

    def ready(gateway: Gateway) -> None:
        address = f"http://{loaded.settings.gateway.host}:{gateway.port}"
        announce(f"freehold is up at {address}/v1 (home {loaded.home})")
        for line in gateway.missing():
            announce(f"  missing: {line}")
        for name in gateway.router.unseen_restricted():
            announce(f"  restricted, but no recorded call belongs to it: {name} (held back where a call names it)")

    run(loaded, port=port, ready=ready)


def run(loaded: Loaded, *, port: int | None, ready: Callable[[Gateway], None]) -> None:
    """Run a gateway on a home, with its writer, workers and sealer, until SIGTERM or SIGINT."""
    writer = LedgerWriter(loaded.home, loaded.settings.ledger)
    doors = Doors(
        ledger=writer,
        host=StudentHost(loaded.home),
        demoted=partial(_demote, loaded.home),
        keep_feedback=partial(_keep, loaded.home),
    )
    try:
        with _housekeeper(loaded.home):
            serve(loaded, doors=doors, port=port, ready=ready)
    finally:
        writer.close()


def _demote(home: Path, route: Route, reason: str) -> None:
    from freehold.registry.demotion import demote

    demote(home, route.task_id, route.certificate_id, reason)


def _keep(home: Path, feedback: Feedback) -> None:
    from freehold.ledger.feedback import attach

    attach(home, feedback.call_id, feedback.said, wait_s=FEEDBACK_S)


@contextmanager
def _housekeeper(home: Path, wait_s: float = PUBLISH_S) -> Generator[None]:
    """A process that publishes routes and seals closed hot files while the gateway runs, and ends with it.

    The block begins once it has published for the first time, so that no call is routed by what was declared before.
    Where that does not happen in time, it is said; the gateway then answers nothing that might be restricted.
    """
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", _HOUSEKEEPER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        if process.stdout is not None and not _says(process.stdout, housekeeping.PUBLISHED, wait_s):
            sys.stderr.write("freehold: the routes were not published before the start; freehold doctor says why\n")
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()  # the end of its input is its sign to go
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _says(stream: IO[bytes], line: bytes, wait_s: float) -> bool:
    """Whether a process says a line in time."""
    return bool(select.select([stream], [], [], wait_s)[0]) and stream.readline() == line
