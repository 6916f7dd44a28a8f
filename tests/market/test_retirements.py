"""What is known of a model's end: who is believed, how names are matched, and what is said from which day on."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import ConfigurationError
from freehold.market import retirements
from freehold.market.retirements import Notice, Risk, Used, assess, notices, vendor_of

TODAY = date(2026, 11, 25)
SHUTDOWN = date(2027, 1, 14)


def notice(**more: Any) -> Notice:
    fields: dict[str, Any] = {"provider": "openai", "models": ("m-1",), "source": "a page", "shutdown": SHUTDOWN}
    return Notice(**fields | more)


def used(model: str = "m-1", **more: Any) -> Used:
    return Used(**{"provider": "openai", "vendor": "openai"} | more, model=model)


def test_the_catalogue_is_dated_sourced_and_of_sense() -> None:
    found = notices()
    assert len(found) > 50
    assert {one.provider for one in found} == {"openai", "anthropic", "google", "mistral"}
    for one in found:
        assert one.source
        assert one.as_of is not None
        assert one.models
        assert (one.shutdown is None) != (one.not_before is None)
        assert one.announced is None or (one.announced <= one.as_of and one.announced < (one.shutdown or date.max))
        assert one.kind == "catalogue"
    names = [(one.provider, name) for one in found for name in one.models]
    assert len(names) == len(set(names))


def test_no_replacement_is_a_model_whose_own_end_has_passed_by_the_day_of_the_catalogue() -> None:
    for one in notices():
        if one.shutdown is not None:
            risk = assess(used(one.models[0].replace("*", "0"), vendor=one.provider), notices(), TODAY)
            assert risk.shutdown == one.shutdown
            instead = assess(used(risk.replacement, vendor=one.provider), notices(), TODAY)
            assert instead.status in ("none", "watch"), (one.models, risk.replacement, instead)


def test_a_known_shutdown_is_told_with_days_left_replacement_and_source() -> None:
    risk = assess(used("gpt-4o-mini-2024-07-18"), notices(), TODAY)
    assert (risk.status, risk.shutdown, risk.days_left) == ("retiring", SHUTDOWN, 50)
    assert risk.announced == date(2026, 10, 14)
    assert risk.replacement
    assert "OpenAI" in risk.sources[0].name
    assert risk.sources[0].date


@pytest.mark.parametrize(
    ("what", "day", "status", "days"),
    [
        ({}, date(2026, 1, 1), "retiring", 378),
        ({}, SHUTDOWN - timedelta(days=1), "retiring", 1),
        ({}, SHUTDOWN, "retired", 0),
        ({"answered_on": SHUTDOWN}, SHUTDOWN + timedelta(days=3), "retired", -3),
        ({"answered_on": SHUTDOWN + timedelta(days=2)}, SHUTDOWN + timedelta(days=3), "overdue", -3),
        ({"refused_since": TODAY}, TODAY, "gone", 50),
        ({"vanished_on": TODAY}, TODAY, "retiring", 50),
        ({"model": "m-2"}, TODAY, "none", None),
        ({"model": "m-2", "vanished_on": TODAY}, TODAY, "vanished", None),
    ],
)
def test_the_status_follows_the_day_and_what_was_seen(what: dict[str, Any], day: date, status: str, days: Any) -> None:
    risk = assess(used(**what), [notice()], day)
    assert (risk.status, risk.days_left) == (status, days)


def test_a_day_before_which_nothing_happens_is_worth_a_look_and_no_shutdown() -> None:
    bound = notice(shutdown=None, not_before=SHUTDOWN)
    for days, status in ((91, "none"), (90, "watch"), (0, "watch"), (-10, "watch")):
        risk = assess(used(), [bound], SHUTDOWN - timedelta(days=days))
        assert (risk.status, risk.days_left, risk.shutdown) == (status, days, None)
    assert assess(used(), [bound, notice()], TODAY).status == "retiring"
    assert assess(used(), [notice(shutdown=None, not_before=None)], TODAY).status == "deprecated"


def test_the_users_word_counts_most_then_the_list_the_headers_and_the_catalogue() -> None:
    kinds = ("catalogue", "header", "list", "own")
    said = [notice(kind=kind, shutdown=date(2027, 1, place + 1)) for place, kind in enumerate(kinds)]
    for place in range(4, 0, -1):
        assert assess(used(), said[:place], TODAY).shutdown == date(2027, 1, place)
    later = notice(as_of=date(2026, 11, 1), shutdown=date(2027, 6, 1))
    assert assess(used(), [notice(as_of=date(2026, 8, 1)), later], TODAY).shutdown == date(2027, 6, 1)
    assert len(assess(used(), said, TODAY).sources) == 4


@pytest.mark.parametrize(
    "name", ["m-1", "M-1", "openai/m-1", "models/m-1", "ft:m-1:org::id", "us.openai.m-1-v1:0", "openai.m-1"]
)
def test_one_model_goes_by_several_names(name: str) -> None:
    assert assess(used(name), [notice()], TODAY).status == "retiring"


def test_a_star_stands_for_anything_and_nothing_that_others_named_is_a_pattern() -> None:
    assert assess(used("m-1-2026"), [notice(models=("m-*",))], TODAY).status == "retiring"
    for kind in ("list", "header"):
        assert assess(used("m-1"), [notice(models=("*",), kind=kind)], TODAY).status == "none"
        assert assess(used("*"), [notice(models=("*",), kind=kind)], TODAY).status == "retiring"


def test_anothers_platform_borrows_the_makers_dates_and_a_makers_own_never_does() -> None:
    for vendor in ("azure", "bedrock", ""):
        risk = assess(used(vendor=vendor), [notice()], TODAY)
        assert (risk.status, risk.borrowed) == ("retiring", True)
    assert assess(used(vendor="mistral"), [notice()], TODAY) == Risk("none")
    assert not assess(used(vendor="azure"), [notice(), notice(provider="azure", kind="own")], TODAY).borrowed
    assert assess(used(provider="b", vendor=""), [notice(provider="a", kind="list")], TODAY).status == "none"


def test_a_replacement_that_goes_as_well_is_followed_and_a_ring_ends() -> None:
    chain = [
        notice(replacement="m-2"),
        notice(models=("m-2",), replacement="m-3"),
        notice(models=("m-3",), shutdown=None),
    ]
    assert assess(used(), chain, TODAY).replacement == "m-3"
    ring = [notice(replacement="m-2"), notice(models=("m-2",), replacement="m-1")]
    assert assess(used(), ring, TODAY).replacement == "m-1"


@pytest.mark.parametrize(
    ("provider", "kind", "url", "vendor"),
    [
        ("mine", "openai", "", "openai"),
        ("mine", "openai", "https://api.openai.com/v1", "openai"),
        ("mine", "openai", "http://127.0.0.1:8000/v1", ""),
        ("mine", "compatible", "https://eu.api.mistral.ai:443/v1", "mistral"),
        ("mine", "compatible", "https://api.openai.com.example.org/v1", ""),
        ("mine", "compatible", "https://user:pw@api.anthropic.com", "anthropic"),
        ("mine", "azure", "https://x.openai.azure.com/openai/v1", "azure"),
        ("mine", "bedrock", "", "bedrock"),
        ("mine", "google", "", "google"),
        ("OpenAI", "", "", "openai"),
        ("recorded", "recorded", "", ""),
        ("", "", "", ""),
    ],
)
def test_whose_platform_a_provider_is(provider: str, kind: str, url: str, vendor: str) -> None:
    assert vendor_of(provider, kind, url) == vendor


def test_the_users_file_adds_to_the_catalogue_and_corrects_it(tmp_path: Path) -> None:
    (tmp_path / retirements.FILE_NAME).write_text(
        '[[retirement]]\nprovider = "openai"\nmodels = ["gpt-4o*"]\nshutdown = 2027-06-30\nsource = "our contract"\n'
    )
    risk = assess(used("gpt-4o"), notices(tmp_path), TODAY)
    assert (risk.shutdown, risk.sources[0].name) == (date(2027, 6, 30), "our contract")
    for broken in ("[[retirement", '[[retirement]]\nmodel = "x"\n', "[[retirement]]\nprovider = 1\n"):
        (tmp_path / retirements.FILE_NAME).write_text(broken)
        with pytest.raises(ConfigurationError, match=r"retirements\.toml"):
            notices(tmp_path)


@given(st.text(max_size=30), st.sampled_from(["", "openai", "azure", "bedrock"]), st.dates())
def test_any_name_can_be_asked_for_on_any_day(model: str, vendor: str, day: date) -> None:
    assert assess(used(model, vendor=vendor), notices(), day).status in retirements.STATUSES
