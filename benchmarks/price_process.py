"""How prices moved, fitted again from what price lists said, beside the figures that the product carries.

    python benchmarks/price_process.py

Cuts and rises: two public price maps, every first sight and change from 2024-01 to 2026-07, after the rules of
`freehold.economics.price_fitting` and without sellers that pass others' offers on. Ends: shutdown dates of a price map
beside first sights, notices and recommended successors of our own catalogue. GPU: dated points of an H100's hourly
rent, quoted from secondary pages. It prints what every rule removed, and exits with 1 where a figure of
`market/price_process.toml` is not the fitted one.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from freehold.economics.price_fitting import (
    INPUT_WEIGHT,
    Found,
    Sighting,
    events,
    fit_jumps,
    fit_reversion,
    quantiles,
    rate,
)
from freehold.market import retirements
from freehold.market.price_process import Ends, Jumps, price_facts

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "economics"
RESELLERS = ("openrouter", "huggingface_", "vercel_ai_gateway", "github", "cursor", "heroku", "gradient_ai")
LISTED_UNTIL = date(2026, 11, 21)
H100_USD_PER_HOUR = ((2024, 2, 2.85), (2024, 10, 2.99), (2025, 10, 1.70), (2026, 3, 2.35))
"""Year, month, price. That of 2023 (above 8) is left out: supply was rationed, there was no level to fall back to."""
HALF_LIFE_MONTHS = 12.0
_OWN = {"openai": "openai", "anthropic": "anthropic", "google": "gemini", "mistral": "mistral"}


def sightings() -> list[Sighting]:
    """Every row of the history whose seller is no reseller."""
    with gzip.open(SHARED / "api_price_history.csv.gz", "rt", encoding="utf-8") as lines:
        return [
            Sighting(
                row["source"],
                row["provider"],
                row["model"],
                date.fromisoformat(row["commit_date"]),
                float(row["input_usd_mtok"] or 0),
                float(row["output_usd_mtok"] or 0),
            )
            for row in csv.DictReader(lines)
            if not row["provider"].startswith(RESELLERS)
        ]


def moved() -> Found:
    """Price events, and what the other changes were."""
    history = sightings()
    until = {source: max(one.day for one in history if one.source == source) for source in {s.source for s in history}}
    return events(history, until)


def listed() -> list[dict[str, str]]:
    with (SHARED / "api_prices_litellm.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def ended(rows: list[dict[str, str]]) -> tuple[int, float]:
    """Shutdowns, and model-years in which there could be one: chat models first seen in 2024 and later."""
    by_name = {row["model"].lower(): row for row in rows if row["mode"] in ("chat", "responses", "completion")}
    makers = {row["provider"] for row in rows if row["deprecation_date"]}
    seen: dict[str, date] = {}
    for one in sorted(sightings(), key=lambda one: one.day):
        if one.source == "tokencost":
            seen.setdefault(one.model.lower(), one.day)
    n, years = 0, 0.0
    for name, first in seen.items():
        row = by_name.get(name)
        if row is None or row["provider"] not in makers or first < date(2024, 2, 29):
            continue
        end = date.fromisoformat(row["deprecation_date"]) if row["deprecation_date"] else LISTED_UNTIL
        n += end < LISTED_UNTIL
        years += max(0, (min(end, LISTED_UNTIL) - first).days) / 365.25
    return n, years


def successors(rows: list[dict[str, str]]) -> list[float]:
    """Price of the recommended successor over that of the model shut down, each announcement once."""
    price: dict[tuple[str, str], float] = {}
    for row in rows:
        usd_in, usd_out = float(row["input_usd_mtok"] or 0), float(row["output_usd_mtok"] or 0)
        if usd_in > 0 and usd_out > 0:
            key = (row["provider"], row["model"].rsplit("/", 1)[-1].lower())
            price[key] = INPUT_WEIGHT * usd_in + (1 - INPUT_WEIGHT) * usd_out
    found: list[float] = []
    for one in retirements.notices():
        maker = _OWN.get(one.provider, "")
        old = next((price[maker, m.lower()] for m in one.models if (maker, m.lower()) in price), None)
        new = price.get((maker, one.replacement.lower()))
        if one.shutdown is not None and old is not None and new is not None:
            found.append(new / old)
    return found


def ends() -> Ends:
    rows = listed()
    n, years = ended(rows)
    days = [
        (one.shutdown - one.announced).days
        for one in retirements.notices()
        if one.shutdown is not None and one.announced is not None
    ]
    ratios = successors(rows)
    return Ends(rate(n, years), quantiles(days), quantiles(ratios), n, len(days), len(ratios), round(years, 1))


def told(name: str, jumps: Jumps) -> None:
    print(
        f"{name}: {jumps.per_year.mid:.3f} a model-year ({jumps.per_year.low:.3f} to {jumps.per_year.high:.3f}), "
        f"n {jumps.n} in {jumps.model_years:,.0f}; median x{jumps.factor.mid:.2f} ({jumps.factor.low:.2f} to "
        f"{jumps.factor.high:.2f}), spread {jumps.spread.mid:.2f}"
    )


def main() -> int:
    if not SHARED.is_dir():
        print("skipped: ../shared/data/economics is not there")
        return 0
    found = moved()
    print("changes that are no price events:", ", ".join(f"{why} {n}" for why, n in sorted(found.dropped.items())))
    sellers = Counter(event.seller for event in found.events)
    print(f"left: {len(found.events)} events of", ", ".join(f"{name or '-'} {n}" for name, n in sellers.most_common()))
    cuts, rises, closing = fit_jumps(found, up=False), fit_jumps(found, up=True), ends()
    told("cuts", cuts)
    told("rises", rises)
    print(
        f"shutdowns: {closing.per_year.mid:.3f} a model-year, n {closing.n}; notice {closing.notice_days.mid:.0f} days "
        f"({closing.notice_days.low:.0f} to {closing.notice_days.high:.0f}), n {closing.n_notices}; successor at "
        f"x{closing.successor_price.mid:.2f} ({closing.successor_price.low:.2f} to {closing.successor_price.high:.2f}),"
        f" n {closing.n_successors}"
    )
    points = [(date(year, month, 15), usd) for year, month, usd in H100_USD_PER_HOUR]
    level, shock = fit_reversion([day for day, _ in points], [usd for _, usd in points], HALF_LIFE_MONTHS)
    print(f"H100: level ${level:.2f}, a month's shock {shock:.3f}, n {len(points)}, half-life assumed")
    facts = price_facts()
    fitted: dict[str, Any] = {
        "cuts": cuts,
        "rises": rises,
        "ends": closing,
        "gpu": msgspec.structs.replace(facts.gpu, level_usd=round(level, 2), monthly_shock=round(shock, 3), n=4),
    }
    holds = True
    for name, value in fitted.items():
        if value != getattr(facts, name):
            holds = False
            print(f"the product has another {name}: {getattr(facts, name)}\n  fitted: {value}")
    figures = {name: msgspec.to_builtins(value) for name, value in fitted.items()}
    reference = {"changes": len(found.events) + found.dropped.total(), "no_events": dict(found.dropped)}
    ratio = round(len(found.events) / reference["changes"], 3)
    line = {"benchmark": "price_process", "figures": figures, "reference": reference, "ratio": ratio, "holds": holds}
    print(json.dumps(line))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
