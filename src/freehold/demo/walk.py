"""The walk: the recorded product's calls go through a real gateway over HTTP, and then all the way round the circle.

Nothing is decided here. The walk sets up a home, plays the traffic, asks the same services that the commands ask, and
collects what they said.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import msgspec

from freehold import settings as settings_module
from freehold.errors import GateRefused, UpstreamFailed
from freehold.market.tokens import PriceBook
from freehold.services import deciding, discovering, ingest, promoting, replaying, reporting
from freehold.services.home import Home
from freehold.services.owning import Owned, Wanted, largest_first, own_all
from freehold.vocabulary import Certificate, Task, TaskKind, VerdictWord

from . import product

STANDS_FOR = 3000
"""One recorded call of the demo stands for this many real ones."""
LEARN_SHARE = 0.8
MIN_TO_LEARN = 100
_STARTED = re.compile(r"http://[\d.]+:\d+")

Say = Callable[[str], None]


class DemoOptions(msgspec.Struct, frozen=True):
    """What may be changed about the demo, to see the outcomes change with it.

    `volume` multiplies what one recorded call stands for, `price` the rented model's price. `keep`: a folder for the
    demo's home, to look around in afterwards.
    """

    volume: float = 1.0
    teacher_error: float = 0.01
    price: float = 1.0
    restricted: bool = True
    report: Path = Path("freehold-report.html")
    keep: Path | None = None
    size: float = 1.0


class MonthlyUsd(msgspec.Struct, frozen=True):
    """A month's bill: everything rented, and with what the verdict says; both the middle of their range.

    The saving is P10 and P90 of the difference in the same futures, as in the report.
    """

    rent: float | None
    hybrid: float | None
    saving_low: float | None = None
    saving_high: float | None = None


class DemoTask(msgspec.Struct, frozen=True):
    """What became of one task. `owned_share` is measured: of the last calls, those that an owned model answered."""

    name: str
    kind: TaskKind
    calls: int
    verdict: VerdictWord
    owned_share: float
    certificate: Certificate | None
    monthly_usd: MonthlyUsd
    restricted: bool = False
    refused: int = 0
    why: str = ""


class DemoResult(msgspec.Struct, frozen=True):
    """The whole walk. Schema `freehold.demo/1`."""

    elapsed_s: float
    tasks: tuple[DemoTask, ...]
    calls: int
    stands_for: float
    report: str
    home: str = ""


def run(options: DemoOptions, *, progress: Say) -> DemoResult:
    """Walk the circle once.

    Raises:
        UpstreamFailed: the gateway did not start.
    """
    began = time.monotonic()
    with _folder(options.keep) as folder:
        lines = product.build(product.ProductOptions(size=options.size, teacher_error=options.teacher_error))
        cut = round(len(lines) * LEARN_SHARE)
        _prepare(folder, lines, cut, options)
        progress(f"1/6  {cut:,} recorded calls go through the gateway, over HTTP")
        _play_past(folder, options)
        with _home(folder) as home:
            progress("2/6  finding the recurring tasks in them, without tags")
            tasks = largest_first(discovering.find_tasks(home))
            restricted = _restrict(home, options)
        with _home(folder) as home:
            progress(f"3/6  {len(tasks)} tasks found; training students of those with enough calls, on this CPU")
            owned = own_all(home, [Wanted(t.id) for t in tasks if t.n_calls >= MIN_TO_LEARN])
            progress("4/6  promoting what carries a promise")
            _promote(home, tasks, owned)
            progress(f"5/6  the last {len(lines) - cut:,} calls go through, owned models answering where they are sure")
            served = _play_now(folder)
            progress("6/6  running the numbers and writing the report")
            found = reporting.gather(home)
            page = reporting.html(reporting.content(home, found))
            options.report.parent.mkdir(parents=True, exist_ok=True)
            options.report.write_text(page, encoding="utf-8")
            rows = [_task(home, one, served, restricted) for one in found]
        return DemoResult(
            elapsed_s=round(time.monotonic() - began, 1),
            tasks=tuple(rows),
            calls=len(lines),
            stands_for=STANDS_FOR * options.volume,
            report=str(options.report),
            home=str(folder / "home") if options.keep else "",
        )


def _environment(folder: Path) -> dict[str, str]:
    """The demo's own home, and none of the settings that the caller's environment may hold."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}
    return kept | {settings_module.HOME_VARIABLE: str(folder / "home")}


def _home(folder: Path) -> Home:
    return Home(settings_module.load(_environment(folder)))


@contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="freehold-demo-") as name:
        yield Path(name)


def _prepare(folder: Path, lines: list[dict[str, object]], cut: int, options: DemoOptions) -> None:
    """Write the logs and the settings that the demo's home runs on."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    past, now = lines[:cut], lines[cut:]
    logs = {
        "recorded": lines,
        "past": [line for line in past if not (options.restricted and product.is_health(line))],
        "past-health": [line for line in past if options.restricted and product.is_health(line)],
        "now": now,
    }
    for name, content in logs.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(product.lines_as_bytes(content)))
    (home / settings_module.FILE_NAME).write_text(_settings(folder, options), encoding="utf-8")


def _settings(folder: Path, options: DemoOptions) -> str:
    text = f"""\
# The demo's settings: the rented model is a recording, so that nothing needs a key or a network.
default_provider = "openai"

[providers.openai]
kind = "recorded"
file = "{folder / "recorded.jsonl"}"

[gateway]
trust_replay_times = true

[workload]
sample_weight = {STANDS_FOR * options.volume:g}

[certificate]
audit_share = 0.02
"""
    if options.price == 1.0:
        return text
    at = product.START
    rates = PriceBook().rates("openai", product.MODEL, at)
    if rates is None or rates.output_usd_per_mtok is None:
        return text
    factor = Decimal(repr(options.price))
    return (
        text
        + f"""
[prices."openai/{product.MODEL}"]
input_usd_per_mtok = {rates.input_usd_per_mtok * factor}
output_usd_per_mtok = {rates.output_usd_per_mtok * factor}
source = "the demo: list price times {options.price:g}"
"""
    )


@contextmanager
def _gateway(folder: Path) -> Generator[str]:
    """A real gateway process on a free port; yields its address and ends it with SIGTERM."""
    command = [sys.executable, "-m", "freehold", "up", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=_environment(folder)) as process:  # noqa: S603
        try:
            assert process.stderr is not None
            heard: list[str] = []
            for line in process.stderr:
                heard.append(line.strip())
                found = _STARTED.search(line)
                if found:
                    yield found.group()
                    return
            raise UpstreamFailed(f"the gateway did not start: {' '.join(heard)}", hint="freehold up")
        finally:
            process.terminate()


def _play_past(folder: Path, options: DemoOptions) -> None:
    """The past: calls over HTTP, people's answers attached to them, and what was logged elsewhere imported."""
    golds = _golds(folder / "past.jsonl")
    attached: dict[str, str] = {}

    def each(answered: replaying.Answered) -> None:
        if answered.id in golds and answered.call_id:
            attached[answered.call_id] = golds[answered.id]

    with _gateway(folder) as address:
        replaying.replay(folder / "past.jsonl", address, each=each)
    with _home(folder) as home:
        home.ledger.attach_golds(attached)
        if options.restricted:
            ingest.import_log(home, folder / "past-health.jsonl")


class _Judged(msgspec.Struct):
    id: str
    gold: str | None = None


def _golds(log: Path) -> dict[str, str]:
    decoder = msgspec.json.Decoder(_Judged)
    with log.open("rb") as lines:
        judged = [decoder.decode(line) for line in lines]
    return {line.id: line.gold for line in judged if line.gold is not None}


def _restrict(home: Home, options: DemoOptions) -> str:
    """Declare the health desk's task restricted, as its owner would do on seeing it in the list; returns its id."""
    if not options.restricted:
        return ""
    counts: Counter[str] = Counter()
    for call, match in home.recognised():
        if match is not None and product.is_health_request(call.request):
            counts[match.task_id] += 1
    if not counts:
        return ""
    task = home.task(counts.most_common(1)[0][0])
    path = home.path / settings_module.FILE_NAME
    declared = f'\n[tasks.{task.name}]\ndata_class = "restricted"\nagainst = "gold"\n'
    path.write_text(path.read_text("utf-8") + declared, encoding="utf-8")
    return task.id


def _promote(home: Home, tasks: list[Task], owned: dict[str, Owned]) -> None:
    for task in tasks:
        certificate = owned[task.id].certificate if task.id in owned else None
        if certificate is not None and certificate.certified:
            try:
                promoting.promote(home, task, "full", by="demo")
            except GateRefused:  # what was declared since asks for more than this promise gives
                continue


class _Served(msgspec.Struct):
    """What came of one task's calls at the end."""

    calls: int = 0
    owned: int = 0
    refused: int = 0


def _play_now(folder: Path) -> dict[str, _Served]:
    served: dict[str, _Served] = {}

    def each(answered: replaying.Answered) -> None:
        row = served.setdefault(answered.task, _Served())
        row.calls += 1
        row.owned += answered.served_by == "owned"
        row.refused += answered.status == 403

    with _gateway(folder) as address:
        replaying.replay(folder / "now.jsonl", address, each=each)
    return served


def _task(home: Home, found: reporting.Material, served: dict[str, _Served], restricted: str) -> DemoTask:
    verdict, alone = found.verdict, found.alone
    row = served.get(verdict.task_name, _Served())
    rent, hybrid = deciding.rent_usd(verdict), deciding.hybrid_usd(verdict)
    usd = MonthlyUsd(float(rent.mid) if rent else None, float(rent.mid) if rent else None)
    if verdict.word == "own_student" and rent is not None and hybrid is not None and alone is not None:
        saved = alone.saved_usd
        usd = MonthlyUsd(float(rent.mid), float(hybrid.mid), float(saved.low), float(saved.high))
    return DemoTask(
        name=verdict.task_name,
        kind=verdict.kind,
        calls=round(verdict.calls_per_month),
        verdict=verdict.word,
        owned_share=row.owned / row.calls if row.calls else 0.0,
        certificate=reporting.standing(home, home.registry.task(verdict.task_id))[0],
        monthly_usd=usd,
        restricted=verdict.task_id == restricted,
        refused=row.refused,
        why=verdict.reason,
    )
