"""Options in cash: monthly cost, one-off, net present value, payback, crossover, over scenarios.

Net present values are of choosing an option instead of going on renting as today, so that renting is zero and more is
better: saved costs of each month, discounted monthly, less the one-off. In the scenarios the price of a rented model
takes paths of jumps and forced moves, and so does the rent of GPUs (`price_columns`); beside that, token prices fall
smoothly by `price_decline_per_year`, calls grow by `monthly_growth`, and sizes of fleets follow. Floats are used here
and here only: these are estimates, the exact bill is `Case.rent_usd`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from freehold.vocabulary import Assumption, Option, VolumeRange

from . import price_columns
from .arrays import FloatArray, Inputs, money, money_range
from .assumptions import at_values, draw
from .case import Case
from .cashflow import monthly, paybacks
from .dependence import OFFER, ranks
from .options import CostModel, KeepRenting, people_usd
from .prices_over_time import RentedModel, months_until

HORIZONS = (12, 24, 36)
DECISION_MONTHS = 24
"""The horizon by which options are ranked: beyond it, prices and models will have changed more than costs tell."""

ALWAYS_NEEDED = ("volume_ratio", "monthly_growth", "discount_rate_per_year", "price_decline_per_year")
SCENARIOS = 1001
VOLUME_GRID: FloatArray = np.logspace(-2, 5, 211)
"""Multiples of the volume that are looked at for flips and crossovers: x0.01 to x100000, 30 steps a decade."""

_REFINED = 64
_REFINEMENTS = 3


class Evaluation:
    """A case, its options and its inputs; every question about them is answered over columns of scenarios.

    Args:
        case: the task.
        options: what is compared; the first is the reference and must be `KeepRenting`.
        inputs: every assumption by name.
        seed: of the scenarios.
        rented: what is known of the future of the rented model.
    """

    def __init__(
        self,
        case: Case,
        options: Sequence[CostModel],
        inputs: Mapping[str, Assumption],
        *,
        seed: int = 0,
        rented: RentedModel | None = None,
    ) -> None:
        assert isinstance(options[0], KeepRenting)
        self.case = case
        self.options = tuple(options)
        self.assumptions = dict(inputs)
        self._rented = rented or RentedModel()
        self.scenarios = _complete(draw(inputs, SCENARIOS, seed))
        self.scenarios |= price_columns.drawn(SCENARIOS, seed, self._rented)
        quantile = (ranks(OFFER, SCENARIOS, seed) + 0.5) / SCENARIOS
        self.scenarios["offer_quantile"] = 0.25 + quantile / 2
        self._rents: dict[int, tuple[Time, FloatArray]] = {}

    def columns(self, n: int = 1, changed: Mapping[str, FloatArray | float] | None = None) -> Inputs:
        """`n` scenarios at the inputs' values, except those given."""
        inputs = _complete(at_values(self.assumptions, n)) | price_columns.at_rest(n, self._rented)
        for name, value in (changed or {}).items():
            inputs[name] = np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)).copy()
        return inputs

    def at_todays_prices(self) -> Inputs:
        """The scenarios with every price as it is today, but for an announced end: what the inputs alone do."""
        return self.scenarios | price_columns.at_rest(SCENARIOS, self._rented)

    def npv_usd(self, option: CostModel, inputs: Inputs, months: int = DECISION_MONTHS) -> FloatArray:
        """Net present value of choosing `option` instead of going on renting, per scenario."""
        return self.npvs_usd([option], inputs, months)[0]

    def npvs_usd(
        self, options: Sequence[CostModel], inputs: Inputs, months: int = DECISION_MONTHS, *, wait: int = 0
    ) -> FloatArray:
        """`npv_usd` of several options, option by scenario; with `wait`, of renting so many months and then switching.

        The horizon ends where it ends without waiting.
        """
        return self.npvs_after_usd(options, inputs, (wait,), months)[0]

    def npvs_after_usd(
        self, options: Sequence[CostModel], inputs: Inputs, waits: Sequence[int], months: int = DECISION_MONTHS
    ) -> FloatArray:
        """`npvs_usd` at several times to wait: by wait, option and scenario."""
        time, rent = self._renting(inputs, months)
        found = np.empty((len(waits), len(options), len(inputs["volume"])))
        for at, option in enumerate(options):
            saved = (rent - self._paid(option, inputs, time)) * time.worth
            once = option.one_off(inputs).usd
            for i, wait in enumerate(waits):
                found[i, at] = saved[wait:].sum(axis=0) - (once * time.worth[wait - 1] if wait else once)
        return found

    def rent_usd(self, inputs: Inputs, months: int = DECISION_MONTHS) -> FloatArray:
        """Present value of going on renting for `months`, per scenario."""
        time, rent = self._renting(inputs, months)
        return np.sum(rent * time.worth, axis=0)

    def level_usd(self, option: CostModel, inputs: Inputs, months: int = DECISION_MONTHS) -> FloatArray:
        """The level payment a month that is worth the option's whole bill over `months`, its beginning included.

        It lies below renting's exactly where `npv_usd` is above zero.
        """
        time = Time(inputs, months)
        paid = np.sum(self._paid(option, inputs, time) * time.worth, axis=0) + option.one_off(inputs).usd
        return np.asarray(paid / time.worth.sum(axis=0), dtype=np.float64)

    def saved_usd(self, option: CostModel, inputs: Inputs, months: int = DECISION_MONTHS) -> FloatArray:
        """What the option has saved over renting at the ends of months 0 to `months`, month by scenario; undiscounted.

        Month 0 has paid the one-off and saved nothing, so that a row crosses zero where the option has paid back.
        """
        time, rent = self._renting(inputs, months)
        saved = np.cumsum(rent - self._paid(option, inputs, time), axis=0)
        return np.concatenate((np.zeros((1, saved.shape[1])), saved)) - option.one_off(inputs).usd

    def monthly_usd(self, option: CostModel, inputs: Inputs) -> FloatArray:
        """What the first month costs, per scenario."""
        return option.monthly(self.case, inputs["volume_ratio"] * inputs["volume"], inputs).usd

    def row(self, option: CostModel) -> Option:
        """The option as a row of the verdict. Quality and constraints are for the caller to add."""
        npvs = self._npvs(option, self.scenarios)
        values = self.columns()
        monthly = money_range(self.monthly_usd(option, self.scenarios))
        ranges = self.crossovers(option)
        paid_back = self.paybacks(option)
        return Option(
            word=option.word,
            name=option.name,
            monthly_usd=monthly,
            one_off_usd=money_range(option.one_off(self.scenarios).usd),
            npv_usd={str(months): money_range(npvs[months]) for months in HORIZONS},
            months_to_pay_back=_middle(paid_back),
            pays_back_share=float(np.isfinite(paid_back).mean()) if len(paid_back) else None,
            crossover_calls_per_month=ranges[0].from_calls if ranges else None,
            crossover_ranges=ranges,
            quality="reference" if isinstance(option, KeepRenting) else "unknown",
            latency_ms=option.latency_ms(self.case, values),
            breakdown_usd=self._breakdown(option),
            sources=option.sources,
            owned_share=float(option.owned_share(values)[0]),
            notes=option.notes(self.case, values),
            needs=tuple(dict.fromkeys((*option.needs, *ALWAYS_NEEDED))),
        )

    def _breakdown(self, option: CostModel) -> dict[str, Decimal]:
        """Parts of the median month, which they add up to: means over the tenth of the scenarios in its middle."""
        inputs = self.scenarios
        bill = option.monthly(self.case, inputs["volume_ratio"] * inputs["volume"], inputs)
        usd = bill.usd
        middle = np.argsort(usd, kind="stable")[int(0.45 * len(usd)) : int(0.55 * len(usd)) + 1]
        scale = float(np.median(usd)) / (float(usd[middle].mean()) or 1.0)
        parts = {name: float(part[middle].mean()) * scale for name, part in bill.parts().items()}
        return {name: money(part) for name, part in parts.items() if part}

    def paybacks(self, option: CostModel) -> FloatArray:
        """Months until saved costs have paid the one-off, undiscounted, in each scenario; infinite for never.

        Nothing for renting itself, which has nothing to pay back. Five years is as far as it looks.
        """
        if isinstance(option, KeepRenting):
            return np.empty(0)
        inputs = self.scenarios
        time, rent = self._renting(inputs, price_columns.MONTHS)
        return paybacks(option.one_off(inputs).usd, rent - self._paid(option, inputs, time))

    def crossover(self, option: CostModel) -> float | None:
        """Calls a month from which the option beats renting over the decision's horizon; None: nowhere looked at.

        The smallest such volume: steps of machines and people may make it lose again a little above.
        """
        ranges = self.crossovers(option)
        return ranges[0].from_calls if ranges else None

    def crossovers(self, option: CostModel) -> tuple[VolumeRange, ...]:
        """Every range of calls a month in which the option beats renting over the decision's horizon.

        Looked for at 30 volumes a decade from x0.01 to x100,000; a range narrower than a step may be missed.
        """
        if isinstance(option, KeepRenting) or not self.case.calls:
            return ()
        wins = self._wins(option, VOLUME_GRID)
        borders = np.flatnonzero(wins[1:] != wins[:-1])
        at = [self._border(option, float(VOLUME_GRID[i]), float(VOLUME_GRID[i + 1])) for i in borders]
        edges = [float(VOLUME_GRID[0]), *at] if wins[0] else at
        calls = [edge * self.case.calls for edge in edges]
        ends = [*calls[1::2], None] if len(calls) % 2 else calls[1::2]
        return tuple(VolumeRange(low, high) for low, high in zip(calls[::2], ends, strict=True))

    def _wins(self, option: CostModel, volumes: FloatArray) -> npt.NDArray[np.bool_]:
        return self.npv_usd(option, self.columns(len(volumes), {"volume": volumes})) > 0

    def _border(self, option: CostModel, low: float, high: float) -> float:
        """Narrow a border down; the end that lies behind it."""
        for _ in range(_REFINEMENTS):
            between = np.linspace(low, high, _REFINED + 1)
            wins = self._wins(option, between)
            first = int(np.argmax(wins != wins[0])) or _REFINED
            low, high = float(between[first - 1]), float(between[first])
        return high

    def _npvs(self, option: CostModel, inputs: Inputs) -> dict[int, FloatArray]:
        time, rent = self._renting(inputs, max(HORIZONS))
        saved = np.cumsum((rent - self._paid(option, inputs, time)) * time.worth, axis=0)
        one_off = option.one_off(inputs).usd
        return {horizon: saved[horizon - 1] - one_off for horizon in HORIZONS}

    def _renting(self, inputs: Inputs, months: int) -> tuple[Time, FloatArray]:
        """What the months bring and what going on renting costs in them, which every option is compared with.

        Kept for the scenarios: dozens of questions about them begin with it.
        """
        if inputs is not self.scenarios:
            time = Time(inputs, months)
            return time, self._paid(self.options[0], inputs, time)
        if months not in self._rents:
            time = Time(inputs, months)
            self._rents[months] = time, self._paid(self.options[0], inputs, time)
        return self._rents[months]

    def _paid(self, option: CostModel, inputs: Inputs, time: Time) -> FloatArray:
        """The option's bill, month by scenario: calls grow, prices move, and who loses its model moves on."""
        bill = option.monthly(self.case, time.volume, inputs)
        tokens, machines, end = option.exposure
        usd = bill.tokens_usd * time.price(tokens) + bill.hosting_usd * time.rent(machines)
        ends = time.ends(tokens)
        if end and ends is not None:  # it is known, and only what comes after it is drawn
            month = max(1, round(months_until(date.fromisoformat(end), self.case.as_of.date())))
            ends = np.concatenate((np.zeros_like(ends[:month]), np.ones_like(ends[:1]), ends[month + 1 :]))[: len(ends)]
        if ends is not None:
            usd = usd + ends * people_usd(option.moving_hours(inputs), inputs)
        return usd + bill.labels_usd + bill.people_usd


class Time:
    """What the months bring, month by scenario: volume, prices over today's, and what a dollar at its end is worth.

    `fallen` is the fall of token prices that everybody has, before any one model's own path.
    """

    def __init__(self, inputs: Inputs, months: int) -> None:
        self.volume = inputs["volume_ratio"] * inputs["volume"] * _compounded(1 + inputs["monthly_growth"], months)
        self.fallen = _compounded((1 - inputs["price_decline_per_year"]) ** (1 / 12), months)
        yearly = np.asarray(monthly(inputs["discount_rate_per_year"]), dtype=np.float64)
        self.worth = _compounded(1 / (1 + yearly), months + 1)[1:]
        self._inputs, self._months = inputs, months

    def price(self, tokens: str) -> FloatArray:
        """Price of tokens over today's, by whose they are (`Exposure.tokens`)."""
        path = {"model": price_columns.MODEL, "sibling": price_columns.SIBLING}.get(tokens)
        return self.fallen if path is None else self.fallen * self._inputs[path][: self._months]

    def ends(self, tokens: str) -> FloatArray | None:
        """Forced moves to another model in each month; None where there are none."""
        path = {"model": price_columns.MODEL_ENDS, "sibling": price_columns.SIBLING_ENDS}.get(tokens)
        return None if path is None else self._inputs[path][: self._months]

    def rent(self, machines: str) -> FloatArray | float:
        """Rent of machines over today's, by their terms (`Exposure.machines`)."""
        if machines == "nothing":
            return 1.0
        month = np.arange(self._months)
        return self._inputs[price_columns.GPU][month // 12 * 12 if machines == "year" else month]


def _compounded(factor: FloatArray, months: int) -> FloatArray:
    """1, the factor, its square and so on: products, because powers take ten times as long."""
    found = np.empty((months, len(factor)))
    found[0] = 1.0
    for month in range(1, months):
        np.multiply(found[month - 1], factor, out=found[month])
    return found


def _middle(months: FloatArray) -> float | None:
    """Of the median scenario; None where that never pays back."""
    middle = float(np.median(months)) if len(months) else np.inf
    return round(middle, 2) if np.isfinite(middle) else None


def _complete(inputs: Inputs) -> Inputs:
    """Add the inputs that are no assumptions: what a scenario asks for, and which seller of open weights it meets."""
    n = len(next(iter(inputs.values())))
    inputs["volume"] = np.ones(n)
    inputs["rent_price_ratio"] = np.ones(n)
    inputs["offer_quantile"] = np.full(n, 0.5)
    return inputs
