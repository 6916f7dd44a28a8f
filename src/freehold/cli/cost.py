"""What owning would cost before anything is owned: training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.errors import UsageError

from ._arguments import Json
from ._output import count, dim, emit_struct, say, strong, table, usd

if TYPE_CHECKING:
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
    seed: Annotated[int, typer.Option(help="Of the scenarios.")] = 0,
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
        epochs=_positive("--epochs", epochs),
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


def _page(plan: TrainingPlan, found: TrainingCost) -> None:
    say(
        strong(f"{usd(found.usd.mid)}"),
        f" to train {count(plan.params)} parameters on {count(plan.seen_tokens)} tokens; P10 to P90 ",
        _range(found.usd),
    )
    say(f"Without people {usd(found.cash_usd.mid)}, {_range(found.cash_usd)}.")
    say(
        f"{found.flops.total:.3g} FLOP, {float(found.gpu_hours.mid):,.0f} hours of {found.gpu} "
        f"({float(found.gpu_hours.low):,.0f} to {float(found.gpu_hours.high):,.0f}), "
        f"{float(found.days.mid):,.1f} days on {found.gpus}"
    )
    whole = float(found.usd.mid)
    rows = [
        [_PARTS[name], usd(found.split_usd[name]), f"{100 * float(found.split_usd[name]) / whole:.0f} %", _range(part)]
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


def _positive(option: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{option} is {value:g}, and must be above 0", hint=f"as in {option} 3")
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
