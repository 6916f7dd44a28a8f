"""A backtest on what providers announced: how many shutdowns are warned of in time, and what becomes of moved dates."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from freehold.market.retirements import Notice, Used, assess, notices

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "provider_risk"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.exists(), reason="../shared/data/provider_risk is absent"),
]
DAY = timedelta(days=1)


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cited() -> list[Notice]:
    """Every shutdown with the page that announced it and the day on which it did."""
    found: list[Notice] = []
    for row in rows("model_deprecations.csv"):
        if row["source"] == "modeldeprecations.dev" and row["announced"] and row["shutdown"]:
            announced, shutdown = date.fromisoformat(row["announced"]), date.fromisoformat(row["shutdown"])
            replacement = row["replacement"].partition(";")[0].rpartition("/")[2]
            found.append(
                Notice(
                    row["provider"],
                    (row["model"],),
                    row["url"],
                    announced,
                    announced,
                    shutdown,
                    replacement=replacement,
                )
            )
    return found


def test_every_announced_shutdown_is_warned_of_within_a_day_and_not_before() -> None:
    """As the radar would have stood on each day, with what had been announced by then and nothing later."""
    every = cited()
    assert len(every) >= 140
    warned_in_time = ahead = 0
    for one in every:
        assert one.announced is not None
        assert one.shutdown is not None
        known = [other for other in every if other.announced is not None and other.announced <= one.announced]
        used = Used(one.provider, one.provider, one.models[0])
        before = assess(used, [other for other in known if other is not one], one.announced - DAY)
        assert before.shutdown != one.shutdown or before.status != "retiring"
        risk = assess(used, known, one.announced + DAY)
        assert (risk.shutdown, risk.replacement != "" or not one.replacement) == (one.shutdown, True)
        if one.shutdown > one.announced + DAY:
            warned_in_time += risk.status == "retiring"
            ahead += (risk.days_left or 0) >= 90
    announced_ahead = sum((one.shutdown - one.announced).days > 90 for one in every if one.shutdown and one.announced)
    at_once = sum((one.shutdown - one.announced).days <= 1 for one in every if one.shutdown and one.announced)
    print(
        f"{len(every)} shutdowns, {at_once} announced as they happened, {warned_in_time} warned of in time, "
        f"{ahead} of them 90 days ahead or more"
    )
    assert warned_in_time == len(every) - at_once
    assert ahead == announced_ahead


def test_dates_that_moved_are_called_overdue_and_not_retired_while_the_model_answers() -> None:
    """A date that moves makes the radar say "retired" of a model that lives, unless it hears of the move or of answers.

    The moves are scraped, some of them noise: they stress the radar and say nothing about providers.
    """
    moves = [row for row in rows("shutdown_date_moves.csv") if row["old_shutdown"] and row["new_shutdown"]]
    heard_late = heard_in_time = forward = 0
    for row in moves:
        old, new = date.fromisoformat(row["old_shutdown"]), date.fromisoformat(row["new_shutdown"])
        observed = date.fromisoformat(row["observed"])
        used = Used(row["provider"], row["provider"], row["model"])
        stale = Notice(row["provider"], (row["model"],), "as it was", observed - DAY, shutdown=old)
        fresh = Notice(row["provider"], (row["model"],), "as it is", observed, shutdown=new, kind="list")
        assert assess(used, [stale, fresh], observed).shutdown == new
        if new <= old:
            forward += 1
            continue
        heard_in_time += observed <= old
        if observed > old:
            heard_late += assess(used, [stale], observed - DAY).status == "retired"
            answering = Used(row["provider"], row["provider"], row["model"], answered_on=observed)
            assert assess(answering, [stale], observed).status == "overdue"
    later = heard_late + heard_in_time
    print(f"{len(moves)} moves, {forward} forward, {later} to later days, {heard_late} heard of after the old day")
    assert later + forward == len(moves)
    assert heard_late / len(moves) <= 0.4


def test_the_catalogue_agrees_with_what_was_cited_for_the_year_that_it_covers() -> None:
    known = notices()
    checked = agree = 0
    for one in cited():
        risk = assess(Used(one.provider, one.provider, one.models[0]), known, date(2026, 8, 21))
        if one.provider not in ("openai", "anthropic", "google", "mistral") or risk.shutdown is None:
            continue
        checked += 1
        agree += risk.shutdown == one.shutdown
    print(f"{checked} cited shutdowns are in the catalogue, {agree} with the same date")
    assert checked >= 80
    assert agree / checked >= 0.98
