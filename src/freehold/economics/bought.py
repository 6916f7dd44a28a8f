"""Machines that are bought: what they cost at once, what a month takes, what they are worth in the end.

Whole GPUs in whole replicas, spares among them; electricity at the meter (PUE); people as a step function of the fleet.
Everything may be a column of scenarios. Not known here: taxes, repairs, and where the machines stand.
"""

from __future__ import annotations

import msgspec
import numpy as np

from freehold.vocabulary import Assumption

from .arrays import FloatArray
from .assumptions import assumed
from .cashflow import Numbers, cost_of_capital, discounts, monthly, payback

GPUS_PER_STEP = 16
"""So many GPUs one share of an engineer looks after, rented or bought."""
LIFE_MONTHS = 36
"""How long bought machines are counted on; `residual_share` is what they sell for then."""

_INPUTS: tuple[tuple[str, float, float, float, str, str], ...] = (
    (
        "pue",
        1.1,
        1.3,
        1.6,
        "power at the meter over power of the machines",
        "usual range, from large halls to a closet",
    ),
    ("usd_per_kwh", 0.08, 0.15, 0.3, "USD", "usual range of prices for businesses"),
    (
        "server_power_ratio",
        1.4,
        1.8,
        2.0,
        "power of a GPU with its part of the server over the GPU's own limit",
        "servers of eight H100 (0.7 kW each) draw about 10 kW, from memory of a data sheet",
    ),
    ("residual_share", 0.0, 0.2, 0.4, "of the price after three years", "judgement, no measurement"),
)


def inputs() -> dict[str, Assumption]:
    """What buying asks for beside the inputs of every option, by name."""
    return {row[0]: assumed(*row) for row in _INPUTS}


class Machines(msgspec.Struct, frozen=True):
    """A fleet of equal GPUs.

    `kw_each`: drawn while on. `hours`: hours a month they are on. `usd_each`: the GPU with its part of the server.
    `residual`: share of the price that they sell for at the end.
    """

    gpus: Numbers
    usd_each: Numbers
    kw_each: Numbers
    usd_per_kwh: Numbers
    hours: Numbers
    pue: Numbers = 1.0
    residual: Numbers = 0.0
    hosting_usd_per_gpu: Numbers = 0.0

    @property
    def capital_usd(self) -> Numbers:
        """Paid at once."""
        return self.gpus * self.usd_each

    def level_usd(self, rate_per_year: Numbers) -> FloatArray:
        """A month's part of the price less the residual, as a level payment over `LIFE_MONTHS`: what a lease costs."""
        price = np.asarray(self.capital_usd, dtype=np.float64)
        return cost_of_capital(price, price * self.residual, monthly(rate_per_year), LIFE_MONTHS)

    @property
    def power_usd(self) -> Numbers:
        """A month's electricity."""
        return self.gpus * self.kw_each * self.pue * self.hours * self.usd_per_kwh

    @property
    def running_usd(self) -> Numbers:
        """A month's electricity and place."""
        return self.power_usd + self.gpus * self.hosting_usd_per_gpu


class People(msgspec.Struct, frozen=True):
    """Who keeps a fleet: a share of an engineer per sixteen GPUs begun, and hours once."""

    share: Numbers = 0.0
    usd_per_year: Numbers = 0.0
    setup_hours: Numbers = 0.0

    def monthly_usd(self, gpus: Numbers) -> Numbers:
        """A month's part of them."""
        return self.share * np.ceil(np.asarray(gpus) / GPUS_PER_STEP) * self.usd_per_year / 12

    @property
    def once_usd(self) -> Numbers:
        """What setting up takes, at 1,760 hours a year."""
        return self.setup_hours * self.usd_per_year / 1760


class Ownership(msgspec.Struct, frozen=True):
    """Buying machines instead of paying a bill, which falls by `decline` a year and grows by `growth` a month."""

    machines: Machines
    bill_usd: Numbers
    people: People = People()
    decline: Numbers = 0.0
    growth: Numbers = 0.0
    rate_per_year: Numbers = 0.0

    @property
    def once_usd(self) -> Numbers:
        """What is paid before the first month."""
        return self.machines.capital_usd + self.people.once_usd

    def saved_usd(self, months: int) -> FloatArray:
        """The bill less the running cost, month by scenario."""
        month = np.arange(months, dtype=np.float64)
        changed = (1 - np.asarray(self.decline)) ** (month[:, None] / 12) * (1 + np.asarray(self.growth)) ** month[
            :, None
        ]
        running = self.machines.running_usd + self.people.monthly_usd(self.machines.gpus)
        return np.asarray(self.bill_usd) * changed - running

    def npv_usd(self, months: int) -> FloatArray:
        """Present value of buying instead of paying the bill, after so many months and the sale of the machines."""
        factors = discounts(np.atleast_1d(monthly(self.rate_per_year)), months)
        sold = np.asarray(self.machines.capital_usd) * self.machines.residual
        return np.sum(self.saved_usd(months) * factors, axis=0) + sold * factors[-1] - self.once_usd

    def payback_months(self, most: int = 600) -> float | None:
        """Months until what is saved has paid what was spent, undiscounted; None: not within `most`.

        Of the first scenario, where there are several.
        """
        once = float(np.atleast_1d(np.asarray(self.once_usd, dtype=np.float64))[0])
        return payback(once, self.saved_usd(most)[:, 0])
