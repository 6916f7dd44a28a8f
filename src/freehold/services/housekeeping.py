"""A small process beside the gateway: publishes the routes, and seals the ledger's closed hot files now and then.

It publishes at start, unless all lies published as it should, and whenever the settings change. The gateway itself
publishes nothing. Started as `python -m freehold.services.housekeeping HOME SINCE_US`, the second being when the
gateway was; writes one line once all is published or could not be, and ends when its standard input does, that is, with
its parent. The work is done by short-lived children, so that what waits between two rounds holds neither a query engine
nor a database toolkit in memory.
Where the settings name a collector of spans, it keeps the process running that sends them (`tracing`).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from freehold import settings as settings_module
from freehold.errors import FreeholdError, MissingPrerequisite
from freehold.registry.current import is_current

from . import _interrupts
from ._beside import PUBLISHED, Beside, ended

EVERY_S = 60.0
EXPIRE_EVERY_S = 900.0
LOOK_S = 2.0
SUM_UP_EVERY_S = 600.0
_TRACING = "freehold.services.tracing"
_AGAIN_S = 10.0
_LAST_S = 8.0
_NICE = 10

Stamp = tuple[tuple[int, int, int] | None, ...]


def main(home: Path, since_us: int, every_s: float = EVERY_S, look_s: float = LOOK_S) -> None:
    """Publish, then seal every now and then and publish when the settings change, until standard input ends.

    `since_us`: calls that began before this moment are none of this gateway's, and a new collector is not told of them.
    """
    seen = _stamp(home)
    published = _is_published(home) or _child(home, "publish")
    with contextlib.suppress(BrokenPipeError):  # nobody hears it: the gateway has gone already
        os.write(sys.stdout.fileno(), PUBLISHED if published else b"failed\n")
    spans = _Spans(home, since_us)
    again_at = time.monotonic() + every_s
    expire_at = time.monotonic() + min(every_s, EXPIRE_EVERY_S)
    sum_up_at = time.monotonic() + SUM_UP_EVERY_S
    while not ended(min(look_s, every_s)):
        now = _stamp(home)
        due = time.monotonic() >= again_at
        if now != seen:
            spans.settle()
        if now != seen or (due and not published):
            seen, published = now, _child(home, "publish")
        if due:
            again_at = time.monotonic() + every_s
            if len(list((home / "ledger" / "hot").glob("*.db"))) > 1:  # beside the one that is being written
                _child(home, "seal")
        if time.monotonic() >= expire_at:
            expire_at = time.monotonic() + EXPIRE_EVERY_S
            if _lets_go(home):
                _child(home, "expire")
        if time.monotonic() >= sum_up_at:
            sum_up_at = time.monotonic() + SUM_UP_EVERY_S
            if (home / "ledger").is_dir():
                _child(home, "sum up")
        spans.look()
    spans.end()


class _Spans:
    """The process that sends spans, where the settings want one.

    One that lacks something is left alone until they change; one that died is started again.
    """

    def __init__(self, home: Path, since_us: int) -> None:
        self._home, self._since_us = home, since_us
        self._beside: Beside | None = None
        self._again_at = 0.0
        self.settle()

    def settle(self) -> None:
        """Do as the settings of now say."""
        self.end()
        try:
            wanted = bool(settings_module.load(_environ(self._home)).settings.telemetry.otlp_endpoint)
        except FreeholdError:
            return  # whoever publishes says it
        if wanted:
            self._beside = Beside(_TRACING, str(self._home), str(self._since_us))
            self._again_at = time.monotonic() + _AGAIN_S

    def look(self) -> None:
        """Start it again where it died."""
        status = self._beside.status if self._beside is not None else None
        if status not in (None, MissingPrerequisite.exit_code) and time.monotonic() >= self._again_at:
            self.settle()

    def end(self) -> None:
        """Let it send what is left, and go."""
        if self._beside is not None:
            self._beside.end(_LAST_S)
            self._beside = None


def once(home: Path, work: str) -> bool:
    """Do one piece of work; False where it failed: that is said on stderr, and tried again in the next round."""
    try:
        _WORK[work](home)
    except FreeholdError as error:
        sys.stderr.write(f"freehold: could not {work}: {error.message}\n")
        return False
    return True


def _publish(home: Path) -> None:
    """Routes follow the settings of today: a task declared restricted since must be so from the first call on."""
    from freehold.registry.store import Registry

    with Registry(home, settings_module.load(_environ(home)).settings) as registry:
        registry.publish()


def _is_published(home: Path) -> bool:
    """Whether publishing would change nothing; where the settings cannot be read, whoever publishes says so."""
    try:
        return is_current(settings_module.load(_environ(home)))
    except FreeholdError:
        return False


def _environ(home: Path) -> dict[str, str]:
    return {**os.environ, settings_module.HOME_VARIABLE: str(home)}


def _stamp(home: Path) -> Stamp:
    """What tells one state of the settings files from another."""
    found: list[tuple[int, int, int] | None] = []
    for path in settings_module.config_paths(home):
        try:
            stat = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def _seal(home: Path) -> None:
    from freehold.ledger.sealing import seal  # alone: its memory is part of what a gateway weighs

    seal(home)


def _sum_up(home: Path) -> None:
    from freehold.ledger import Ledger

    Ledger(home).sum_up()


def _expire(home: Path) -> None:
    from . import retaining
    from .home import Home

    with Home(settings_module.load(_environ(home))) as opened:
        retaining.expire(opened)


def _lets_go(home: Path) -> bool:
    """Whether the settings let anything go; where they cannot be read, whoever publishes says so."""
    try:
        return bool(settings_module.load(_environ(home)).settings.lets_go)
    except FreeholdError:
        return False


_WORK = {"publish": _publish, "seal": _seal, "expire": _expire, "sum up": _sum_up}


def _child(home: Path, work: str) -> bool:
    """Have a short-lived child do a piece of work; whether it succeeded. A fork, which need not start Python again."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        done = False
        try:
            if work != "publish":  # nobody waits for the rest: calls, and their writing, come first
                os.nice(_NICE)
            done = once(home, work)
        except Exception as error:  # noqa: BLE001 - whatever it is, the child ends here; its words may hold content
            sys.stderr.write(f"freehold: could not {work}: {type(error).__name__}\n")
        finally:
            sys.stderr.flush()
            os._exit(0 if done else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


if __name__ == "__main__":
    try:
        _interrupts.take()
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(0)
