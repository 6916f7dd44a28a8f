"""The classical criteria of renting and owning, each with what it rests on. They explain; the money decides.

Four speak for renting, four for owning. Each is answered from measurement where that can answer it, else from what
somebody declared, else it is not known: a measurement that only hints is evidence, and no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from freehold.analytics.findings import Glanced
from freehold.economics.workload import Workload
from freehold.evidence.intervals import two_sided
from freehold.vocabulary import NARROW_KINDS, OWNED_WORDS, Criterion, Option, TaskKind

from .constraints import Constraints

_LEVEL = 0.95


def criteria(
    kind: TaskKind, workload: Workload, constraints: Constraints, rows: Sequence[Option], glanced: Glanced
) -> tuple[Criterion, ...]:
    """All eight, those that speak for renting first."""
    said = constraints.strategy
    volume, shown = _volume(workload, rows)
    days = f"calls were seen over {workload.days_observed:.3g} days"
    return (
        _declared("prototype", "renting", days, said=said.prototype),
        _declared("generic task", "renting", "", said=said.generic),
        Criterion("low volume", "renting", _word(said=volume, when=False), _rests(said=volume), shown),
        _declared("not core", "renting", "", said=None if said.core is None else not said.core),
        _sensitive(constraints, glanced),
        Criterion(
            "high volume", "owning", _word(said=volume, when=True), _rests(said=volume), f"{shown}; {_halves(workload)}"
        ),
        _declared("niche domain", "owning", _narrow(kind, glanced), said=said.niche),
        _declared("strategic asset", "owning", "", said=said.strategic),
    )


def _declared(name: str, side: Literal["renting", "owning"], hint: str, *, said: bool | None) -> Criterion:
    """What only a person can say. What was measured beside it is shown, and decides nothing."""
    if said is None:
        evidence = "; ".join(filter(None, (hint, "nobody said (freehold ask)")))
        return Criterion(name, side, "not known", "nothing", evidence)
    return Criterion(name, side, _word(said=said, when=True), "declared", "; ".join(filter(None, ("declared", hint))))


def _volume(workload: Workload, rows: Sequence[Option]) -> tuple[bool | None, str]:
    """Whether the volume is beyond that from which the first owned option pays; None where nothing can be compared."""
    owned = [row for row in rows if row.word in OWNED_WORDS and row.allowed]
    now = f"{workload.calls_per_month:,.0f} calls a month"
    if not owned or not any(row.npv_usd for row in owned):
        return None, f"{now}; there is no owned option to compare with"
    pays = [(row.crossover_calls_per_month, row.name) for row in owned if row.crossover_calls_per_month is not None]
    if not pays:
        return False, f"{now}; at no volume looked at does an owned option pay"
    least, name = min(pays)
    return workload.calls_per_month >= least, f"{now}; to {name} pays from {least:,.0f}"


def _halves(workload: Workload) -> str:
    """Growth as far as the log shows it: the share of the calls in the later half of the observed time."""
    middle = len(workload.arrivals) // 2
    early, late = sum(workload.arrivals[:middle]), sum(workload.arrivals[len(workload.arrivals) - middle :])
    if not early + late:
        return "its growth cannot be told"
    found = two_sided(late, early + late, _LEVEL)
    share = late / (early + late)
    return f"{share:.0%} of the calls came in the later half of the time ({found.low:.0%} to {found.high:.0%})"


def _sensitive(constraints: Constraints, glanced: Glanced) -> Criterion:
    name, n, k = "sensitive data", glanced.looked_at, glanced.personal
    if n:
        found = two_sided(k, n, _LEVEL)
        kinds = f": {', '.join(kind.replace('_', ' ') for kind in glanced.kinds)}" if k else ""
        seen = f"personal data in {k} of {n} calls looked at ({found.low:.1%} to {found.high:.1%}){kinds}"
    else:
        seen = "no call with a body could be looked at"
    if constraints.data_class == "restricted":
        return Criterion(name, "owning", "yes", "declared", f"declared restricted; {seen}")
    if k:
        return Criterion(name, "owning", "yes", "measured", seen)
    return Criterion(name, "owning", "not known", "nothing", f"{seen}; names and trade secrets are not looked for")


def _narrow(kind: TaskKind, glanced: Glanced) -> str:
    if not glanced.answers:
        return ""
    closed = "narrow" if kind in NARROW_KINDS else "open"
    kind_text = kind.replace("_", " ")
    return f"{closed} by its answers ({kind_text}, {glanced.distinct} different among {glanced.answers})"


def _word(*, said: bool | None, when: bool) -> Literal["yes", "no", "not known"]:
    return "not known" if said is None else "yes" if said is when else "no"


def _rests(*, said: bool | None) -> Literal["measured", "nothing"]:
    return "nothing" if said is None else "measured"
