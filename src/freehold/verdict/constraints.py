"""What somebody declared about a task and no log shows, and what that does to each option.

Hard constraints remove an option that breaks them. Where it is not known whether one does, the option stays and is
priced, and the answer may not name it before somebody says so: nothing is guessed, in either direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from freehold.economics.case import Case
from freehold.economics.options import (
    CostModel,
    FineTuneHosted,
    FineTuneOwn,
    HostOpenWeights,
    KeepRenting,
    KeepRentingBatched,
    KeepRentingCached,
    OwnStudent,
    RentOpenWeights,
    RentSmaller,
    TrainFromScratch,
)
from freehold.market import offers
from freehold.market.places import lies_in
from freehold.settings import Strategy
from freehold.vocabulary import DataClass, Declared

State = Literal["fits", "breaks", "unknown"]

SAME_MODEL = (KeepRenting, KeepRentingCached, KeepRentingBatched)
"""Options that go on with today's model."""

OF_TODAYS_PROVIDER = (*SAME_MODEL, RentSmaller, FineTuneHosted)
"""Options whose calls go to whom they go to today."""

NOBODY_SAID = "nobody said that its answers may come a day later (can_wait)"
"""Why answers may not come with a batch until somebody says so."""

_RENTED = (*OF_TODAYS_PROVIDER, RentOpenWeights)
_CONFIDENT = {"low": 0.9, "medium": 0.8, "high": 0.65}


class Constraints(msgspec.Struct, frozen=True):
    """What binds one task.

    `strategy`: the task's own answers, else those for all tasks. `places` and `frames`: by provider, where it processes
    calls and which compliance frames a contract with it covers; a provider that is missing is unknown. `origins`: where
    each was said, by name.
    """

    data_class: DataClass = "ordinary"
    strategy: Strategy = Strategy()
    places: dict[str, tuple[str, ...]] = {}
    frames: dict[str, tuple[str, ...]] = {}
    origins: dict[str, str] = {}

    @property
    def confident(self) -> float:
        """Share of the scenarios, at today's prices, that must give the answer: 0.9, 0.8 or 0.65 by appetite."""
        return _CONFIDENT[self.strategy.appetite or "medium"]


class Ruling(NamedTuple):
    """What one constraint says of one option; `why` completes the option's row."""

    constraint: str
    state: State
    why: str = ""


class Rulings(NamedTuple):
    """What all constraints say of one option."""

    all: tuple[Ruling, ...]

    @property
    def broken(self) -> str:
        """Why it is removed; "" where it is not."""
        return "; ".join(one.why for one in self.all if one.state == "breaks")

    @property
    def unknown(self) -> str:
        """What is not known of it; "" where all is."""
        return "; ".join(one.why for one in self.all if one.state == "unknown")


def barred(constraints: Constraints, case: Case) -> str:
    """Why nothing of the task may go to the provider that it is rented from, as a sentence; "" where it may."""
    if constraints.data_class == "restricted":
        return "Its data is restricted, so nothing of it may be rented."
    ruling = residency(constraints, case.provider)
    return f"Nothing of it may be rented from {case.provider}: {ruling.why}." if ruling.state == "breaks" else ""


def judge(option: CostModel, case: Case, constraints: Constraints, latency_ms: float | None) -> Rulings:
    """Every hard constraint against one option."""
    found: list[Ruling] = []
    if isinstance(option, _RENTED) and constraints.data_class == "restricted":
        found.append(Ruling("data_class", "breaks", "restricted data: no byte of it may reach a rented provider"))
    elif isinstance(option, RentOpenWeights):
        found += _of_sellers(constraints)
    elif isinstance(option, OF_TODAYS_PROVIDER) or (
        isinstance(option, OwnStudent | FineTuneOwn) and not barred(constraints, case)
    ):
        provider = (option.elsewhere if isinstance(option, RentSmaller) else "") or case.provider
        found += [residency(constraints, provider), *_frames(constraints, provider)]
    if isinstance(option, HostOpenWeights):
        found += [
            _machines(constraints),
            _skills(constraints, tunes=isinstance(option, FineTuneOwn | TrainFromScratch)),
        ]
    if isinstance(option, KeepRentingBatched):
        found.append(_waits(constraints))
    else:
        found.append(_latency(constraints, latency_ms))
    return Rulings(tuple(found))


def declared(constraints: Constraints, rulings: Sequence[Rulings]) -> tuple[Declared, ...]:
    """Everything that was declared, with where and with what it did to the options."""
    said: dict[str, object] = {}
    if constraints.data_class != "ordinary" or "data_class" in constraints.origins:
        said["data_class"] = constraints.data_class
    for name in constraints.strategy.__struct_fields__:
        value = getattr(constraints.strategy, name)
        if value is not None:
            said[name] = value
    return tuple(
        Declared(name, text(value), constraints.origins.get(name, ""), _effect(name, constraints, rulings))
        for name, value in said.items()
    )


def text(value: object) -> str:
    """An answer in words: yes, no, a list, a number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"  # pyright: ignore[reportUnknownArgumentType]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _effect(name: str, constraints: Constraints, rulings: Sequence[Rulings]) -> str:
    if name == "appetite":
        return f"an answer must hold in {constraints.confident:.0%} of the scenarios"
    if name in {"prototype", "generic", "core", "niche", "strategic"}:
        return "explains; it moves no money"
    mine = [{one.state for one in found.all if one.constraint == name} for found in rulings]
    removed, open_ = sum("breaks" in states for states in mine), sum("unknown" in states for states in mine)
    parts = [f"removes {removed} option{'s' * (removed != 1)}"] if removed else []
    parts += [f"not known of {open_}"] if open_ else []
    return ", ".join(parts) or "removes nothing"


def residency(constraints: Constraints, provider: str) -> Ruling:
    """Whether a provider processes calls where the task's may be."""
    wanted = constraints.strategy.residency
    if not wanted:
        return Ruling("residency", "fits")
    places = constraints.places.get(provider, ())
    if not places:
        setting = f"providers.{provider}.processes_in"
        why = f"residency {text(wanted)}: where {provider} processes calls is not known ({setting})"
        return Ruling("residency", "unknown", why)
    states = {lies_in(place, wanted) for place in places}
    why = f"residency {text(wanted)}, and {provider} processes calls in {text(places)}"
    if "no" in states:
        return Ruling("residency", "breaks", why)
    return Ruling("residency", "unknown", f"{why}, which may be elsewhere") if "unknown" in states else _FITS


_FITS = Ruling("residency", "fits")


def _frames(constraints: Constraints, provider: str) -> list[Ruling]:
    """A contract that nobody spoke of is unknown, not missing."""
    wanted = constraints.strategy.frames or ()
    missing = [frame for frame in wanted if frame not in constraints.frames.get(provider, ())]
    if not missing:
        return []
    why = f"nobody said that a contract with {provider} covers {text(missing)} (providers.{provider}.frames)"
    return [Ruling("frames", "unknown", why)]


def _of_sellers(constraints: Constraints) -> list[Ruling]:
    """Open weights have many sellers, and which it would be is not said."""
    found: list[Ruling] = []
    if constraints.strategy.residency:
        why = f"residency {text(constraints.strategy.residency)}: which seller it would be, and where, is not known"
        found.append(Ruling("residency", "unknown", why))
    if constraints.strategy.frames:
        covered = f"nobody said which seller's contract covers {text(constraints.strategy.frames)}"
        found.append(Ruling("frames", "unknown", covered))
    return found


def _machines(constraints: Constraints) -> Ruling:
    """GPUs can be rented where somebody lists them; a frame is then the tenant's own to keep."""
    wanted = constraints.strategy.residency
    if not wanted or any(lies_in(offer.zone, wanted) == "yes" for offer in offers.catalogue()):
        return _FITS
    return Ruling("residency", "unknown", f"residency {text(wanted)}: no GPU offer there is in the catalogue")


def _skills(constraints: Constraints, *, tunes: bool) -> Ruling:
    skills = constraints.strategy.skills
    if skills is None:
        return Ruling("skills", "fits")
    if "gpu_serving" not in skills:
        return Ruling("skills", "breaks", "nobody on the team runs servers with GPUs")
    if tunes and "training" not in skills:
        return Ruling("skills", "breaks", "nobody on the team trains models")
    return Ruling("skills", "fits")


def _waits(constraints: Constraints) -> Ruling:
    """A batch takes up to a day, whatever its answers took before: only who says that this will do may have it."""
    if constraints.strategy.can_wait:
        return Ruling("can_wait", "fits")
    said = "its answers may not come a day later" if constraints.strategy.can_wait is False else NOBODY_SAID
    return Ruling("can_wait", "breaks", said)


def _latency(constraints: Constraints, latency_ms: float | None) -> Ruling:
    most = constraints.strategy.max_latency_ms
    if most is None:
        return Ruling("max_latency_ms", "fits")
    if latency_ms is None:
        return Ruling("max_latency_ms", "unknown", f"at most {most:g} ms: how long it takes was not measured")
    if latency_ms <= most:
        return Ruling("max_latency_ms", "fits")
    return Ruling("max_latency_ms", "breaks", f"it takes about {latency_ms:,.0f} ms, and {most:g} are allowed")
