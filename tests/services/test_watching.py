"""Rounds over a small home: what is judged again, what stands, what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.support import homes

from freehold.errors import ConfigurationError
from freehold.services import deciding, ingest, watching
from freehold.services.home import Home
from freehold.services.watching import Watched
from freehold.settings import CertificateSettings, PriceSettings, Settings

AT = datetime(2026, 4, 1, tzinfo=UTC)
Round = Callable[..., Watched]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("watched")
    log = homes.colours_log(made / "calls.jsonl", 700, essays=0)
    with _home(made) as home:
        ingest.import_logs(home, [log])
    return made


def _home(folder: Path, usd: float | None = None) -> Home:
    settings = Settings()
    if usd is not None:
        price = PriceSettings(Decimal(repr(usd)), Decimal(repr(4 * usd)))
        settings = msgspec.structs.replace(settings, prices={"openai/gpt-4.1": price})
    return homes.home(folder / "home", settings)


@pytest.fixture
def round_(folder: Path) -> Round:
    """One round after some days at a price; what stood before is forgotten at the first."""
    (folder / "home" / watching.FILE_NAME).unlink(missing_ok=True)

    def go(days: float, usd: float | None = None) -> Watched:
        with _home(folder, usd) as home:
            (found,) = watching.watch(home, at=AT + timedelta(days=days))
        return found

    return go


def test_a_task_is_judged_again_only_where_something_changed(round_: Round, folder: Path) -> None:
    first = round_(0)
    assert (first.status, first.word, first.was, first.changed) == ("first", "keep_renting", None, ())
    with _home(folder) as home:
        before = len(home.registry.verdicts(first.task_id))
    assert round_(1).status == "unchanged"
    assert round_(2, 2.02).status == "unchanged"  # one per cent is below what is noticed
    with _home(folder) as home:
        assert len(home.registry.verdicts(first.task_id)) == before


def test_a_change_is_said_with_its_size_and_the_money(round_: Round) -> None:
    round_(0, 2)
    done = round_(1, 3)
    assert done.status == "confirmed"
    (change,) = done.changed
    assert change.what == "price"
    assert isinstance(change.before, float)
    assert isinstance(change.after, float)
    assert change.after / change.before == pytest.approx(1.5)
    assert done.before is not None
    assert done.before.rent_monthly_usd is not None
    assert done.now.rent_monthly_usd is not None
    assert float(done.now.rent_monthly_usd.mid / done.before.rent_monthly_usd.mid) == pytest.approx(1.5, rel=0.01)


def test_an_answer_stands_for_a_month_and_falls_then_without_another_change(round_: Round) -> None:
    assert round_(0, 100_000).word == "own_student"
    waiting = round_(3, 0.001)
    assert (waiting.status, waiting.word, waiting.fresh) == ("held", "own_student", "keep_renting")
    assert "thirty days" in waiting.why
    assert round_(4, 0.001).word == "own_student"
    fallen = round_(31, 0.001)
    assert (fallen.status, fallen.word, fallen.was) == ("flipped", "keep_renting", "own_student")
    assert round_(32, 0.001).status == "unchanged"


def test_a_model_that_ends_within_the_month_is_a_hard_reason(round_: Round, folder: Path) -> None:
    assert round_(0, 0.001).word == "keep_renting"
    notice = folder / "home" / "retirements.toml"
    soon = (AT + timedelta(days=20)).date().isoformat()
    notice.write_text(
        f'[[retirement]]\nprovider = "openai"\nmodels = ["gpt-4.1"]\nshutdown = {soon}\nsource = "a mail"\n', "utf-8"
    )
    try:
        done = round_(2, 100_000)
    finally:
        notice.unlink()
    assert {change.what for change in done.changed} == {"price", "model"}
    assert (done.status, done.word) == ("flipped", "own_student")
    assert soon in done.why


def test_a_file_of_another_release_is_refused_and_not_overwritten(round_: Round, folder: Path) -> None:
    round_(0)
    file = folder / "home" / watching.FILE_NAME
    for text in ('{"schema": "freehold.watch-state/9"}', "no json"):
        file.write_text(text, "utf-8")
        with pytest.raises(ConfigurationError, match=r"watch\.json"):
            round_(1)
        assert file.read_text("utf-8") == text
    file.unlink()


def test_every_field_of_a_line_is_written_and_read_again(round_: Round) -> None:
    done = round_(0)
    assert msgspec.json.decode(msgspec.json.encode(done), type=Watched) == done
    assert done.schema == "freehold.watch/1"


def test_a_verdict_that_somebody_asked_for_at_another_volume_is_not_what_was_said(round_: Round, folder: Path) -> None:
    first = round_(0)
    with _home(folder) as home:
        (other,) = deciding.verdicts(home, task_name=first.task, volume=1e7, as_of=AT)
    assert other.word != first.word
    later = round_(40)
    assert (later.status, later.fresh) == ("unchanged", first.word)


def test_a_waiting_answer_stands_as_soon_as_the_end_of_the_model_is_near(round_: Round, folder: Path) -> None:
    """Nothing else changes meanwhile: the date was known when the answer was given."""
    notice = folder / "home" / "retirements.toml"
    ends = (AT + timedelta(days=40)).date().isoformat()
    notice.write_text(
        f'[[retirement]]\nprovider = "openai"\nmodels = ["gpt-4.1"]\nshutdown = {ends}\nsource = "a mail"\n', "utf-8"
    )
    try:
        assert round_(0, 0.001).word == "keep_renting"
        assert round_(2, 100_000).status == "held"
        assert round_(5, 100_000).status == "unchanged"
        done = round_(12, 100_000)
    finally:
        notice.unlink()
    assert (done.status, done.word, done.changed) == ("flipped", "own_student", ())
    assert ends in done.why


def test_another_promise_asked_for_is_judged_again(round_: Round, folder: Path) -> None:
    first = round_(0)
    settings = msgspec.structs.replace(Settings(), certificate=CertificateSettings(alpha=0.01))
    with homes.home(folder / "home", settings) as home:
        (done,) = watching.watch(home, at=AT + timedelta(days=1))
    assert [change.what for change in done.changed] == ["settings"]
    assert first.now.settings != done.now.settings
