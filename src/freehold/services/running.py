"""Starting the gateway with what it works with: the ledger's writer, the owned models, the way back to the registry.

`python -m freehold.services.running` is the gateway as a program: `freehold up` gives way to it (`starting`), so that
the command line weighs nothing in it. Its process loads neither a query engine, a database toolkit nor a trainer.
Publishing routes and sealing the ledger is another process's work; owned models run in workers of their own.

With `gateway.workers` above 1 this process only watches over that many gateways, which share the port: the kernel gives
each connection to one of them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from freehold import settings as settings_module
from freehold.errors import ConfigurationError, FreeholdError
from freehold.registry.current import is_current
from freehold.settings import Loaded

from . import _frugal, _interrupts
from ._housekeeper import Housekeeper
from .standing import StandingFile
from .supervising import Fleet, Pace, Ready, Report

if TYPE_CHECKING:
    from freehold.gateway.app import Feedback, Gateway
    from freehold.gateway.metrics import Metrics
    from freehold.vocabulary import Route

_LOOK_S = 5.0
_END_S = 45.0
"""What a gateway may take to end, beyond `gateway.drain_s`: its ledger and its workers have time-outs of their own."""
FEEDBACK_S = 1.0
"""How long feedback waits for its call to be recorded, where that was answered only just now."""


def main(arguments: list[str]) -> int:
    """Run the gateway that the settings describe until it is told to stop; returns the exit status."""
    debug = "--debug" in arguments
    try:
        _interrupts.take()
        loaded = settings_module.load()
        if loaded.settings.gateway.workers > 1:
            return 0 if watch_over(loaded) else 1
        run(loaded, ready=lambda gateway: _announce(loaded, gateway.port, _notes(gateway)))
    except FreeholdError as error:
        return _failed(error)
    except KeyboardInterrupt:
        _say("freehold: interrupted; the same command can be given again")
        return 130
    except OSError as error:
        if debug:
            raise
        return _failed(_refused(error))
    except Exception as error:  # the last line of defence, as on the command line
        if debug:
            raise
        where = "freehold --debug up shows where; please report it"
        return _failed(FreeholdError(f"this is a fault of ours: {type(error).__name__}", hint=where))
    return 0


def run(loaded: Loaded, *, ready: Callable[[Gateway], None], port: int | None = None) -> None:
    """Run one gateway on a home in this process, with its writer, workers and housekeeper, until a signal ends it.

    Raises:
        ConfigurationError: the settings make no sense.
        OSError: the port is taken.
    """
    with Housekeeper(loaded.home, published=is_current(loaded)) as beside:
        import freehold.gateway.app  # loaded while the routes are published

        assert freehold.gateway.app

        def begun(gateway: Gateway) -> None:
            beside.begin()
            _now_and_then(beside.look)
            ready(gateway)

        beside.wait()
        _serve(loaded, port, None, begun)


def watch_over(loaded: Loaded) -> bool:
    """Run `gateway.workers` gateways on a home, one housekeeper and this process, until a signal ends them.

    Returns whether all ended well.

    Raises:
        ConfigurationError: the settings make no sense, or several processes cannot share a port here.
        OSError: the port is taken.
    """
    with Housekeeper(loaded.home, published=is_current(loaded)) as beside, _reserved(loaded) as settled:
        import freehold.gateway.app
        from freehold.gateway.metrics import SharedMetrics

        assert freehold.gateway.app
        count = settled.settings.gateway.workers
        shared = SharedMetrics(count)
        standing = StandingFile(settled.home)

        def work(number: int, report: Report) -> None:
            _serve(settled, None, shared.of(number), lambda gateway: report(Ready(tuple(_notes(gateway)))))

        def changed() -> None:
            shared.note(
                [bool(one.pid) for one in fleet.processes], sum(max(0, one.n_starts - 1) for one in fleet.processes)
            )
            standing.write(fleet.processes)

        def let_go() -> None:
            beside.let_go()
            standing.let_go()

        fleet = Fleet(
            count,
            work,
            say=lambda line: _say(f"gateway {line}"),
            changed=changed,
            let_go=let_go,
            look=beside.look,
            pace=Pace(end_s=settled.settings.gateway.drain_s + _END_S),
        )

        def begun(notes: Sequence[str]) -> None:
            beside.begin()
            _announce(settled, settled.settings.gateway.port, notes)

        beside.wait()
        try:
            return fleet.run(begun)
        finally:
            standing.close()


def _serve(loaded: Loaded, port: int | None, metrics: Metrics | None, ready: Callable[[Gateway], None]) -> None:
    """One gateway with its ledger and its owned models, until it is told to stop."""
    from freehold.gateway.app import Doors, serve
    from freehold.ledger.writer import LedgerWriter
    from freehold.serving import StudentHost

    writer = LedgerWriter(loaded.home, loaded.settings.ledger)
    doors = Doors(
        ledger=writer,
        host=StudentHost(loaded.home, workers=loaded.settings.gateway.owned_workers),
        demoted=partial(_demote, loaded.home),
        keep_feedback=partial(_keep, loaded.home),
        metrics=metrics,
    )
    _frugal.give_back()
    try:
        serve(loaded, doors=doors, port=port, ready=ready)
    finally:
        writer.close()


def _demote(home: Path, route: Route, reason: str) -> None:
    from freehold.registry.demotion import demote

    demote(home, route.task_id, route.certificate_id, reason)


def _keep(home: Path, feedback: Feedback) -> None:
    from freehold.ledger.feedback import attach

    attach(home, feedback.call_id, feedback.said, wait_s=FEEDBACK_S)


def _now_and_then(look: Callable[[], None]) -> None:
    """Look after the housekeeper from the gateway's own loop, for as long as that runs."""

    def again() -> None:
        look()
        loop.call_later(_LOOK_S, again)

    loop = asyncio.get_running_loop()
    loop.call_later(_LOOK_S, again)


@contextmanager
def _reserved(loaded: Loaded) -> Generator[Loaded]:
    """Hold the port that several processes are going to share; the settings with that port.

    A socket that is bound and does not listen gets no connections, and keeps anybody else from the port. It is bound
    alone first, since a second gateway would otherwise share the port of a first one.
    """
    gateway = loaded.settings.gateway
    if sys.platform != "linux":
        raise ConfigurationError(
            f"gateway.workers is {gateway.workers}: several processes share a port on Linux alone",
            hint="set gateway.workers to 1, or run several gateways on ports of their own behind a balancer",
        )
    port = gateway.port
    with ExitStack() as stack:
        for family, kind, _, _, address in socket.getaddrinfo(gateway.host, port, type=socket.SOCK_STREAM):
            with _bound(family, kind, (address[0], port, *address[2:]), shared=False) as alone:
                port = int(alone.getsockname()[1])
            stack.enter_context(_bound(family, kind, (address[0], port, *address[2:]), shared=True))
        yield loaded._replace(
            settings=msgspec.structs.replace(loaded.settings, gateway=msgspec.structs.replace(gateway, port=port))
        )


def _bound(family: int, kind: int, address: tuple[str | int, ...], *, shared: bool) -> socket.socket:
    bound = socket.socket(family, kind)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


# what a person is told


def _announce(loaded: Loaded, port: int, notes: Sequence[str]) -> None:
    gateway = loaded.settings.gateway
    host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    several = f", {gateway.workers} processes" if gateway.workers > 1 else ""
    for line in (f"freehold is up at http://{host}:{port}/v1 (home {loaded.home}{several})", *notes):
        _say(line)


def _notes(gateway: Gateway) -> list[str]:
    held_back = "restricted, but no recorded call belongs to it"
    return [
        *(f"  missing: {line}" for line in gateway.missing()),
        *(f"  {held_back}: {name} (held back where a call names it)" for name in gateway.router.unseen_restricted()),
    ]


def _say(line: str) -> None:
    """A line of talk. Names come out of settings and logs: no control character of theirs reaches the terminal."""
    sys.stderr.write("".join(c if c.isprintable() else "\ufffd" for c in line) + "\n")
    sys.stderr.flush()


def _failed(error: FreeholdError) -> int:
    _say(f"freehold: {error.message}")
    if error.hint:
        _say(f"  next: {error.hint}")
    return error.exit_code


def _refused(error: OSError) -> FreeholdError:
    """What the operating system refused, in words."""
    of_address = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
    if error.filename is not None or not (error.errno in of_address or isinstance(error, socket.gaierror)):
        where = f"{error.filename}: " if error.filename else ""
        why = error.strerror or type(error).__name__
        return FreeholdError(
            f"{where}{why}", hint="check the path, its permissions and the free space", code="os_error"
        )
    gateway = settings_module.load().settings.gateway
    why = "is taken: something listens there already" if error.errno == errno.EADDRINUSE else "cannot be listened on"
    hint = "freehold up --port 0 takes any free one; --port P and --host ADDRESS choose"
    return FreeholdError(f"{gateway.host}, port {gateway.port}, {why}", hint=hint, code="address_unavailable")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
