"""What owning would cost before anything is owned: training a model, serving it."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

from ._arguments import Json, Volume, duration, factor, inside, not_negative, positive
from ._output import count, dim, emit_struct, say, strong, table, usd, working

if TYPE_CHECKING:
    from freehold.economics.serving import ServingCost
    from freehold.economics.training import Shape, TrainingCost, TrainingPlan
    from freehold.vocabulary import Assumption, Range

cost_app = typer.Typer(help="What it would cost to own a model, before anything is bought.", no_args_is_help=True)

_SIZES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_PARTS = {
    "final_run": "the final run",
    "failed_runs_and_trials": "failed runs and trials",
    "evaluation": "evaluation",
    "data": "data",
    "people": "people",
}


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.add_typer(cost_app, name="cost")
    cost_app.command("train")(train)
    cost_app.command("serve")(serve)


def train(
    *,
    params: Annotated[str, typer.Option(help="Parameters: 3e9 or 3b.")],
    tokens: Annotated[str, typer.Option(help="Tokens of data: 525e9 or 525b.")],
    gpu: Annotated[str, typer.Option(help="The GPU to train on.")] = "H100",
    gpus: Annotated[int, typer.Option(help="How many of them; 0: as many as thirty days ask for.")] = 0,
    active_params: Annotated[str, typer.Option(help="Parameters that a token passes through, for experts.")] = "",
    epochs: Annotated[float, typer.Option(help="Times the data is read.")] = 1,
    lora: Annotated[bool, typer.Option("--lora", help="The weights stay frozen; small adapters are trained.")] = False,
    layers: Annotated[int, typer.Option(help="With --width and --context: counts attention too.")] = 0,
    width: Annotated[int, typer.Option(help="Width of the model (its hidden size).")] = 0,
    context: Annotated[int, typer.Option(help="Tokens of context in training.")] = 0,
    mfu: Annotated[float | None, typer.Option(help="Share of the GPU's peak that is used.")] = None,
    usd_per_hour: Annotated[float | None, typer.Option(help="US dollars per GPU and hour.")] = None,
    runs: Annotated[float | None, typer.Option(help="GPU hours of all runs over those of the final one.")] = None,
    data_usd: Annotated[float | None, typer.Option(help="US dollars for the data, all of it.")] = None,
    people: Annotated[float | None, typer.Option(help="Engineers at work on it.")] = None,
    months: Annotated[float | None, typer.Option(help="Months of theirs before and after the final run.")] = None,
    seed: Annotated[int, typer.Option(help="Of the scenarios.", min=0)] = 0,
    json: Json = False,
) -> None:
    """What training a model costs, with interval: the final run, what fails, evaluation, data, people.

    Every input that is not given has a range and a source, and the cost is computed over those ranges.

    Example: freehold cost train --params 3e9 --tokens 525e9
    """
    from freehold.economics.training import TrainingPlan
    from freehold.market.gpus import hardware
    from freehold.services import costing

    plan = TrainingPlan(
        params=_amount("--params", params),
        tokens=_amount("--tokens", tokens),
        gpu=hardware(gpu),
        active_params=_amount("--active-params", active_params) if active_params else None,
        epochs=positive("--epochs", epochs),
        shape=_shape(layers, width, context),
        frozen=lora,
        gpus=_whole("--gpus", gpus) or None,
    )
    given = {
        "mfu": mfu,
        "gpu_usd_per_hour": usd_per_hour,
        "runs": runs,
        "data_usd": data_usd,
        "engineers": people,
        "months_beside_run": months,
    }
    found = costing.train(plan, {name: value for name, value in given.items() if value is not None}, seed=seed)
    if json:
        emit_struct("freehold.training_cost/1", found)
        return
    _page(plan, found)


def serve(
    *,
    model: Annotated[str, typer.Option(help="Open weights: Llama-3.1-8B.")],
    task: Annotated[str, typer.Option(help="The arrivals of this task's calls.")] = "",
    trace: Annotated[Path | None, typer.Option(help="Or of a CSV: arrival_s, prompt_tokens, output_tokens.")] = None,
    gpu: Annotated[str, typer.Option(help="The GPU to serve on.")] = "H100",
    gpus: Annotated[int, typer.Option(help="GPUs of one replica; 0: as measured, else the fewest that fit.")] = 0,
    weight_bytes: Annotated[float, typer.Option(help="Bytes per parameter; 0: as measured.")] = 0,
    ttft: Annotated[float, typer.Option(help="Seconds to the first token, for 95 % of a window's requests.")] = 2.0,
    tpot: Annotated[float, typer.Option(help="Seconds per later token, likewise.")] = 0.05,
    windows: Annotated[float, typer.Option(help="Share of the five-minute windows that must hold.")] = 0.99,
    spare: Annotated[int, typer.Option(help="Replicas beyond those that hold the targets.")] = 1,
    autoscale: Annotated[str, typer.Option(help="Follow the load; a replica takes so long to start: 5m.")] = "",
    measured: Annotated[Path | None, typer.Option(help="Your own measured points, as CSV.")] = None,
    usd_per_hour: Annotated[float | None, typer.Option(help="US dollars per GPU and hour.")] = None,
    buy: Annotated[
        float | None, typer.Option(help="Also bought: US dollars per GPU with its part of the server.")
    ] = None,
    engineer_share: Annotated[float | None, typer.Option(help="Share of an engineer per 16 GPUs begun.")] = None,
    volume: Volume = "x1",
    json: Json = False,
) -> None:
    """How many machines real arrivals take under a latency target, how much of them is used, and what that costs.

    Replicas are simulated until the targets hold; spares, rollouts and people are added. What the same weights cost
    by the token stands beside it.

    Example: freehold cost serve --model Llama-3.1-8B --trace arrivals.csv
    """
    from freehold.economics.capacity import Policy, Targets, load
    from freehold.services import costing
    from freehold.services.home import Home

    if bool(task) == (trace is not None):
        raise UsageError("arrivals come from --task or from --trace", hint="--task NAME, or --trace arrivals.csv")
    order = costing.ServingOrder(
        model=model,
        gpu=gpu,
        gpus=_whole("--gpus", gpus),
        bytes_per_parameter=not_negative("--weight-bytes", weight_bytes),
        targets=Targets(positive("--ttft", ttft), positive("--tpot", tpot), windows=inside("--windows", windows)),
        policy=Policy(_whole("--spare", spare), start_s=duration("--autoscale", autoscale) if autoscale else None),
        measured=measured,
        buy_usd=None if buy is None else positive("--buy", buy),
        volume=factor(volume),
    )
    stated: dict[str, float] = {}
    if usd_per_hour is not None:
        stated["gpu_usd_per_hour"] = positive("--usd-per-hour", usd_per_hour)
    if engineer_share is not None:
        stated["hosting_engineer_share"] = not_negative("--engineer-share", engineer_share)
    with working("reading the arrivals") as progress:
        if trace is not None:
            arrivals = load(trace)
        else:
            with Home.open() as home:
                arrivals = costing.trace_of_task(home, task)
        progress("simulating them; a model that nobody measured on that GPU may take a minute to estimate first")
        found = costing.serve(order, arrivals, stated)
    if json:
        emit_struct("freehold.serving_cost/1", found)
        return
    _serving_page(found)


def _serving_page(found: ServingCost) -> None:
    gpus = (found.replicas + found.spare) * found.gpus_each
    say(
        strong(f"{usd(found.usd.mid)} a month"),
        f" to serve {found.model} on {gpus} {found.gpu}; P10 to P90 {_range(found.usd)}; "
        f"{usd(found.usd_per_mtok.mid)} per million tokens",
    )
    if found.per_token_usd is not None:
        rented = found.per_token_usd
        say(f"The same weights by the token: {usd(rented.mid)} a month, {_range(rented)} over sellers.")
    off = "" if found.span == (found.replicas,) * 2 else f", {found.span[0]} to {found.span[1]} if throughput is off"
    if found.bought is not None:
        own, months = found.bought, found.bought.payback_months
        pays = (
            "rent never pays for them in three years"
            if months is None
            else f"paid by the rent saved in {months:g} months"
        )
        say(f"Bought: {usd(own.usd.mid)} a month, {_range(own.usd)}; {usd(own.once_usd.mid)} at once, {pays}.")
    hold = "1 replica holds" if found.replicas == 1 else f"{found.replicas} replicas hold"
    say(
        f"{hold} the targets in {100 * found.windows_held:.1f} % of {found.windows} windows{off}; {found.spare} spare; "
        f"{found.gpus_each} GPU a replica"
    )
    used = f"{100 * found.utilisation:.0f} % of the fleet is used"
    say(f"{used}; the busiest window has {found.peak_ratio:.2f} times the mean")
    if found.autoscaled is not None:
        mean, most = found.autoscaled.mean_replicas, found.autoscaled.most_replicas
        say(
            f"Autoscaled: {mean:.1f} replicas in the mean, {most} at most, {found.autoscaled.headroom:g} times the load"
        )
    rows = [
        [name, *(f"{1000 * values[q]:,.0f} ms" if q in values else "-" for q in ("p50", "p95", "p99"))]
        for name, values in (("to the first token", found.ttft_s), ("per later token", found.tpot_s))
    ]
    table("Time|>P50|>P95|>P99", rows)
    table("Part|>Of the median month", [[name, usd(part)] for name, part in found.split_usd.items()])
    table("Input|>Value|>Range|Unit|Source", [_input(item) for item in found.inputs], prose=True)
    say(
        dim(
            f"throughput: {found.how}, off by {100 * found.throughput_error:.0f} % in the mean; {found.sources[0].name}"
        )
    )
    for note in found.notes:
        say(dim(note))


def _page(plan: TrainingPlan, found: TrainingCost) -> None:
    say(
        strong(f"{usd(found.usd.mid)}"),
        f" to train {count(plan.params)} parameters on {count(plan.seen_tokens)} tokens; P10 to P90 ",
        _range(found.usd),
    )
    say(f"Without people {usd(found.cash_usd.mid)}, {_range(found.cash_usd)}.")
    say(
        f"{found.flops.total:.3g} FLOP, {_size(found.gpu_hours.mid)} hours of {found.gpu} "
        f"({_size(found.gpu_hours.low)} to {_size(found.gpu_hours.high)}), "
        f"{_size(found.days.mid)} days on {found.gpus}"
    )
    whole = float(found.usd.mid)
    rows = [
        [
            _PARTS[name],
            usd(found.split_usd[name]),
            f"{100 * float(found.split_usd[name]) / whole:.0f} %" if whole else "-",
            _range(part),
        ]
        for name, part in found.parts_usd.items()
    ]
    table("Part|>Of the median|>Share|>P10 to P90", rows)
    table("Input|>Value|>Range|Unit|Source", [_input(item) for item in found.inputs], prose=True)
    for note in found.notes:
        say(dim(note))


def _input(item: Assumption) -> list[str]:
    span = "given" if item.low == item.high and not item.source.assumed else f"{item.low} to {item.high}"
    source = f"{item.source.name}, {item.source.date}" if item.source.date else item.source.name
    return [item.name, str(item.value), span, item.unit, source]


def _size(number: Decimal) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{float(number):.2g}"


def _range(one: Range) -> str:
    return f"{usd(one.low)} to {usd(one.high)}"


def _amount(option: str, text: str) -> float:
    """`3e9`, `3b`, `525B` or `1.5t` as a number."""
    lowered = text.strip().lower().replace(",", "").replace("_", "")
    size = _SIZES.get(lowered[-1:], 1.0)
    try:
        value = float(lowered[:-1] if lowered[-1:] in _SIZES else lowered) * size
    except ValueError:
        value = 0.0
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{option} is {text!r}, which is no number above 0", hint=f"as in {option} 3e9 or {option} 3b")
    return value


def _whole(option: str, value: int) -> int:
    if value < 0:
        raise UsageError(f"{option} is {value}, and must be a count", hint=f"as in {option} 64")
    return value


def _shape(layers: int, width: int, context: int) -> Shape | None:
    from freehold.economics.training import Shape

    given = [value for value in (layers, width, context) if value]
    if not given:
        return None
    if len(given) < 3 or min(given) < 0:
        raise UsageError("attention needs --layers, --width and --context, all three", hint="--layers 32 --width 4096")
    return Shape(layers, width, context)
