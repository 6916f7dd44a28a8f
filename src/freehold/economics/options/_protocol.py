"""What every option is: a name, the inputs it needs, a monthly bill and a one-off bill over scenarios."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

import numpy as np

from freehold.economics.arrays import FloatArray, Inputs
from freehold.economics.case import Case
from freehold.vocabulary import Source, VerdictWord

_WORK_HOURS_PER_YEAR = 1760


class Bill(NamedTuple):
    """One bill in US dollars, by what it is for. Tokens fall with rented prices over time, the rest does not."""

    tokens_usd: FloatArray
    hosting_usd: FloatArray
    labels_usd: FloatArray
    people_usd: FloatArray

    @property
    def usd(self) -> FloatArray:
        """The whole bill."""
        return self.tokens_usd + self.hosting_usd + self.labels_usd + self.people_usd

    def parts(self) -> Mapping[str, FloatArray]:
        """Each part by its name, without the unit."""
        return {field.removesuffix("_usd"): getattr(self, field) for field in self._fields}


class Exposure(NamedTuple):
    """Whose prices an option lives with from month to month.

    `tokens`: those of today's `model`, which may end; of another model of that kind (`sibling`); of many sellers of the
    same weights (`sellers`), among whom one may choose again every month; or of `nobody`. `machines`: the rent of GPUs
    of each `month`, of the month in which a `year` begins, or `nothing` that moves. `ends`: the day on which a
    `sibling` is shut down, where that is announced, "" otherwise.
    """

    tokens: Literal["model", "sibling", "sellers", "nobody"] = "nobody"
    machines: Literal["month", "year", "nothing"] = "nothing"
    ends: str = ""


class CostModel(Protocol):
    """One option. `volume` is a multiple of the case's month and broadcasts with the columns of `inputs`."""

    @property
    def word(self) -> VerdictWord:
        """What the verdict says when this option wins."""
        ...

    @property
    def name(self) -> str:
        """The option in words, unique among a task's options."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the assumptions that its bills depend on."""
        ...

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its prices come from."""
        ...

    @property
    def exposure(self) -> Exposure:
        """Whose prices it lives with."""
        ...

    def moving_hours(self, inputs: Inputs, /) -> FloatArray:
        """Engineer hours each time that the model whose tokens it pays ends, and another one has to do."""
        ...

    def monthly(self, case: Case, volume: FloatArray, inputs: Inputs) -> Bill:
        """What a month costs at today's prices."""
        ...

    def one_off(self, inputs: Inputs) -> Bill:
        """What it takes to get there."""
        ...

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """Share of the calls that an owned model answers."""
        ...

    def latency_ms(self, case: Case, inputs: Inputs, /) -> float | None:
        """Mean time to the last byte; None where nothing measured it."""
        ...

    def notes(self, case: Case, inputs: Inputs, /) -> tuple[str, ...]:
        """What a reader should see beside the money: machines, their utilisation."""
        ...


class OtherModel:
    """An option that another model answers: what was measured of it takes the place of what is assumed of it."""

    needs: tuple[str, ...] = ()
    measured_token_ratio: float | None = None
    measured_ms: float | None = None

    def measured(self, token_ratio: float | None, latency_ms: float | None) -> None:
        """Its tokens per token of today's model, and its median time to the last byte; None: not measured."""
        self.measured_token_ratio, self.measured_ms = token_ratio, latency_ms
        if token_ratio is not None:
            self.needs = tuple(name for name in self.needs if name != "token_ratio")

    def token_ratio(self, inputs: Inputs) -> FloatArray:
        """As it was measured, in every scenario; else as it is assumed."""
        assumed = inputs["token_ratio"]
        return assumed if self.measured_token_ratio is None else np.full_like(assumed, self.measured_token_ratio)

    def told(self) -> tuple[str, ...]:
        """What a reader should see of it."""
        ratio = self.measured_token_ratio
        return () if ratio is None else (f"measured: {ratio:.3g} tokens per token of today's model",)


class OtherRented(OtherModel):
    """Another model that is rented by the token: what moving there takes, and what goes on beside its tokens."""

    needs: tuple[str, ...] = (
        "token_ratio",
        "migration_hours",
        "other_model_hours_per_month",
        "engineer_usd_per_year",
    )

    def month(self, tokens_usd: FloatArray, inputs: Inputs) -> Bill:
        """A month of tokens that cost so much, with an engineer's eye on it."""
        none = nothing(tokens_usd)
        return Bill(tokens_usd, none, none, none + people_usd(inputs["other_model_hours_per_month"], inputs))

    def one_off(self, inputs: Inputs) -> Bill:
        """Prompts adapted, contracts rehearsed, answers compared."""
        none = nothing(inputs["token_ratio"])
        return Bill(none, none, none, people_usd(inputs["migration_hours"], inputs))

    def owned_share(self, inputs: Inputs) -> FloatArray:
        """Nothing is owned: even where the weights are open, the machines are somebody else's."""
        return nothing(inputs["token_ratio"])

    def latency_ms(self, _case: Case, _inputs: Inputs) -> float | None:
        """As a rehearsal measured it; unknown without one."""
        return self.measured_ms


def told_end(provider: str, model: str, exposure: Exposure) -> tuple[str, ...]:
    """That a model ends, where its provider has said so."""
    return (f"{provider} shuts {model} down on {exposure.ends}",) if exposure.ends else ()


def people_usd(hours: FloatArray, inputs: Inputs) -> FloatArray:
    """What engineer hours cost."""
    return hours * inputs["engineer_usd_per_year"] / _WORK_HOURS_PER_YEAR


def no_hours(inputs: Inputs) -> FloatArray:
    """Of what takes nobody's time."""
    return np.zeros_like(inputs["migration_hours"])


def half_days(hours: FloatArray) -> FloatArray:
    """Recurring hours in the steps that people can be had in: half days begun."""
    return np.ceil(np.round(hours / 4, 9)) * 4


def nothing(like: FloatArray) -> FloatArray:
    """Zero dollars for every scenario."""
    return np.zeros_like(like)


def rounded_up(count: FloatArray) -> FloatArray:
    """Whole machines; a hair above a whole number is rounding, not a machine."""
    return np.ceil(np.round(count, 9))


def latency_of_mix(owned_share: float, owned_ms: float, rented_ms: float | None) -> float | None:
    """Mean latency where a share is answered by an owned model."""
    if rented_ms is None or math.isnan(rented_ms):
        return None
    return owned_share * owned_ms + (1 - owned_share) * rented_ms
