"""Shopping for GPUs."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

from ._arguments import Json, Volume, factor, not_negative, positive
from ._output import dim, emit_struct, say, strong, suggest, table, usd, warn, working

if TYPE_CHECKING:
    from freehold.economics.capacity import Trace
    from freehold.market.offers import Term
    from freehold.services.home import Home
    from freehold.services.shopping import Row, Shop

_ROWS = 20


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("gpus")(gpus)


def gpus(
    *,
    model: Annotated[str, typer.Option(help="Open weights: Llama-3.3-70B.")] = "",
    task: Annotated[str, typer.Option(help="Sized for the arrivals of this task's calls.")] = "",
    trace: Annotated[Path | None, typer.Option(help="Or of a CSV: arrival_s, prompt_tokens, output_tokens.")] = None,
    region: Annotated[str, typer.Option(help="Where it must stand: eu, us, ca, in.")] = "",
    gpu: Annotated[str, typer.Option(help="This kind alone.")] = "",
    term: Annotated[list[str] | None, typer.Option(help="on_demand, spot, 6mo, 12mo, 36mo; repeat it.")] = None,
    weight_bytes: Annotated[float, typer.Option(help="Bytes per parameter; 0: as usual on that GPU.")] = 0,
    ttft: Annotated[float, typer.Option(help="Seconds to the first token.")] = 2.0,
    tpot: Annotated[float, typer.Option(help="Seconds per later token.")] = 0.05,
    spare: Annotated[int, typer.Option(help="Replicas beyond those that hold the targets.", min=0)] = 1,
    buy: Annotated[
        float | None, typer.Option(help="Of that kind on premises: US dollars per GPU with its part of a server.")
    ] = None,
    volume: Volume = "x1",
    take: Annotated[Path | None, typer.Option("--import", help="Take in a vms.csv of SkyPilot's catalogue.")] = None,
    cloud: Annotated[str, typer.Option(help="With --import: whose prices these are.")] = "",
    as_of: Annotated[str, typer.Option(help="With --import: of which day; without it, the file's.")] = "",
    json: Json = False,
) -> None:
    """What GPUs carry a model, how many a task's arrivals take, and what that costs per cloud and term, or bought.

    Prices come from a small dated catalogue. Lists of your own, in offers.toml of the home or by --import, stand in for
    those of the same clouds.

    Example: freehold gpus --model Llama-3.3-70B --region eu
    """
    from freehold.economics.assumptions import overrides
    from freehold.economics.capacity import Policy, Targets
    from freehold.market.offers import FILE_NAME
    from freehold.services import shopping
    from freehold.services.home import Home

    with Home.open() as home:
        own = home.path / FILE_NAME
        if take is not None:
            _take(take, cloud, as_of, own)
            return
        if not model:
            raise UsageError("which model?", hint="freehold gpus --model Llama-3.3-70B")
        order = shopping.Order(
            model=model,
            zone=region.strip().lower(),
            gpu=gpu,
            terms=_terms(term or []),
            bytes_per_parameter=not_negative("--weight-bytes", weight_bytes),
            targets=Targets(positive("--ttft", ttft), positive("--tpot", tpot)),
            policy=Policy(spare),
            buy_usd=None if buy is None else positive("--buy", buy),
        )
        assume = overrides(home.settings.economics)
        with working("sizing the fleets") as progress:
            arrivals = _arrivals(home, task, trace, factor(volume))
            found = shopping.shop(order, arrivals, own, assume=assume, progress=progress)
    if json:
        emit_struct("freehold.gpus/1", found)
        return
    _page(found)


def _arrivals(home: Home, task: str, trace: Path | None, volume: float) -> Trace | None:
    from freehold.economics.capacity import load
    from freehold.services import costing

    if task and trace is not None:
        raise UsageError("arrivals come from --task or from --trace, not both", hint="--task NAME")
    if not task and trace is None:
        if volume != 1:
            raise UsageError("--volume is a multiple of arrivals, and there are none", hint="--task NAME, or --trace")
        return None
    found = costing.trace_of_task(home, task) if trace is None else load(trace)
    return found if volume == 1 else found.times(volume)


def _take(path: Path, cloud: str, as_of: str, own: Path) -> None:
    from freehold.services import shopping

    if not cloud:
        raise UsageError("whose prices are these?", hint=f"freehold gpus --import {path} --cloud NAME")
    day = _day(as_of) if as_of else time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime))
    count, unknown = shopping.take_in(path, cloud, day, own)
    say(f"{count} offers of {cloud}, {day}, are in {own}")
    if unknown:
        say(warn("not known here: "), ", ".join(unknown))
    suggest("freehold gpus --model Llama-3.3-70B")


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"--as-of is {text!r}, which is no day", hint="as in --as-of 2026-11-20") from None


def _terms(names: list[str]) -> tuple[Term, ...]:
    from freehold.market.offers import TERMS

    wrong = set(names).difference(TERMS)
    if wrong:
        raise UsageError(f"{min(wrong)!r} is no term", hint=f"one of {', '.join(TERMS)}")
    return tuple(one for one in TERMS if one in names)


def _page(found: Shop) -> None:
    where = f" in {found.zone}" if found.zone else ""
    what = f"for {found.requests:,} requests of {found.trace}" if found.requests else "for one replica and the spares"
    say(strong(f"{found.model}{where}"), f", {what}")
    table(
        "Cloud|Place|GPU|Term|>Replicas|>GPUs|>USD/GPU/h|>A month|>Committed|Of", [_row(r) for r in found.rows[:_ROWS]]
    )
    if len(found.rows) > _ROWS:
        say(dim(f"and {len(found.rows) - _ROWS} more; --json has all"))
    sized = [
        [
            one.gpu,
            f"{one.replicas} of {one.gpus_each}" if one.replicas else "-",
            "-" if one.utilisation is None else f"{100 * one.utilisation:.0f} %",
            one.why or f"{one.how}, off by {100 * one.throughput_error:.0f} %",
        ]
        for one in found.sized
    ]
    table("GPU|>Replicas|>Used|How it is known", sized, prose=True)
    for note in found.notes:
        say(dim(note))


def _row(one: Row) -> list[str]:
    committed = usd(one.committed_usd) if one.committed_usd else "-"
    cells = [one.cloud, one.place, one.gpu, one.term.replace("_", " "), str(one.replicas), str(one.gpus)]
    return [*cells, f"{one.usd_per_gpu_hour:.2f}", usd(one.usd_per_month), committed, one.as_of]
