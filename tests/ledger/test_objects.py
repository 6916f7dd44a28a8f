"""Segments in an object store that fails: a total is right or is not given, and nothing is lost."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.support.ledger_calls import START_US, make_call
from tests.support.object_store import ObjectStore

from freehold.errors import LedgerUnavailable, MissingPrerequisite
from freehold.ledger import Ledger, _objects
from freehold.settings import LedgerSettings

N = 40
FOREVER = 1000


@pytest.fixture
def sealed(objects: ObjectStore, tmp_path: Path) -> Ledger:
    """A ledger of one segment, of which this machine has no copy."""
    objects.home(tmp_path)
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(N))
    assert ledger.seal(remove_after_s=0).segments == 1
    shutil.rmtree(tmp_path / "ledger/cache")
    objects.trouble.clear()
    return ledger


def impatient(ledger: Ledger) -> Ledger:
    return Ledger(ledger.home, LedgerSettings(**{**_fields(ledger), "segments_timeout_s": 1.0}))


@pytest.mark.parametrize("what", ["503", "stall", "cut"])
def test_a_failure_that_passes_is_not_noticed(sealed: Ledger, objects: ObjectStore, what: str) -> None:
    objects.trouble.plan("GET", what)
    assert impatient(sealed).count() == N
    assert list(sealed.calls()) == [make_call(n) for n in range(N)]


@pytest.mark.parametrize("what", ["503", "stall", "cut"])
def test_a_failure_that_stays_gives_no_total(
    sealed: Ledger, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(_objects, "_RETRIES", 1)
    ledger = impatient(sealed)
    objects.trouble.plan("GET", what, FOREVER)
    for read in (ledger.count, lambda: list(ledger.calls()), lambda: ledger.query("SELECT count(*) FROM calls")):
        with pytest.raises(LedgerUnavailable) as raised:
            read()
        assert "test" not in raised.value.message
    objects.trouble.clear()
    assert sealed.count() == N


@pytest.mark.parametrize("what", ["503", "stall", "lost"])
def test_an_upload_that_fails_leaves_every_call_where_it_was(
    objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    bucket = objects.home(tmp_path)
    Ledger(tmp_path).append(make_call(n) for n in range(N))
    ledger = impatient(Ledger(tmp_path))
    monkeypatch.setattr(_objects, "_RETRIES", 1)
    objects.trouble.plan("PUT", what, FOREVER)
    with pytest.raises(LedgerUnavailable):
        ledger.seal(remove_after_s=0)
    assert ledger.count() == N
    objects.trouble.clear()
    ledger = Ledger(tmp_path)
    ledger.seal(remove_after_s=0, orphans_after_s=0)
    assert ledger.count() == N
    os.utime(tmp_path / "ledger/cache/listed", (0, 0))
    ledger.seal(remove_after_s=0, orphans_after_s=-5)  # the store's clock counts whole seconds
    assert len(objects.objects(bucket)) == 1
    assert list(ledger.calls()) == [make_call(n) for n in range(N)]


def test_a_missing_object_is_named_and_can_be_given_up(sealed: Ledger, objects: ObjectStore) -> None:
    (segment,) = sealed._manifest.listing().segments
    _objects.object_store(sealed._layout, segment.place, _settings(sealed)).delete(segment.name)
    with pytest.raises(LedgerUnavailable):
        sealed.count()
    (finding,) = sealed.doctor()
    assert (finding.code, segment.name in finding.message) == ("segment_unreadable", True)
    assert sealed.write_off(segment.name) == N
    assert sealed.count() == 0


def test_doctor_says_once_that_the_store_is_out_of_reach(sealed: Ledger, objects: ObjectStore) -> None:
    objects.trouble.plan("HEAD", "503", FOREVER)
    assert [finding.code for finding in sealed.doctor()] == ["segments_unreachable"]


def test_two_ledgers_never_share_a_prefix(sealed: Ledger, objects: ObjectStore, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "other", _settings(sealed))
    other.append([make_call(1)])
    with pytest.raises(LedgerUnavailable) as raised:
        other.seal(orphans_after_s=0)
    assert raised.value.error_code == "segments_of_another"
    assert other.count() == 1
    assert sealed.count() == N


def test_a_damaged_copy_is_fetched_again(sealed: Ledger) -> None:
    assert sealed.count() == N
    (copy,) = (sealed.home / "ledger/cache").glob("*.parquet")
    size = copy.stat().st_size
    copy.write_bytes(bytes(size))
    assert sealed.count() == N
    assert copy.read_bytes()[:4] == b"PAR1"
    copy.write_bytes(b"short")
    assert list(sealed.calls()) == [make_call(n) for n in range(N)]


def test_the_cache_keeps_to_its_bound(objects: ObjectStore, tmp_path: Path) -> None:
    bucket = objects.home(tmp_path)
    ledger = Ledger(tmp_path)
    for n in range(4):  # a day each, so that none is merged with another
        ledger.append([make_call(n, started_at_us=START_US + n * 86_400_000_000)])
        ledger.seal(remove_after_s=0)
        for copy in (tmp_path / "ledger/cache").glob("*.parquet"):
            os.utime(copy, (n, n))
    assert len(objects.objects(bucket)) == 4
    small = Ledger(tmp_path, LedgerSettings(**{**_fields(ledger), "segments_cache_bytes": 1}))
    oldest = min((tmp_path / "ledger/cache").glob("*.parquet"))
    oldest.unlink()
    assert small.count() == 4
    small.append([make_call(9)])
    small.seal(remove_after_s=0)
    assert small.count() == 5


def test_old_copies_go_and_those_in_use_stay(sealed: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sealed.count() == N
    (copy,) = (sealed.home / "ledger/cache").glob("*.parquet")
    store = _objects.Objects("s3://b", None, copy.parent, 1)
    store._make_room("new")
    assert copy.exists()
    os.utime(copy, (0, 0))
    store._make_room("new")
    assert not copy.exists()
    assert sealed.count() == N


def test_segments_written_before_stay_where_they_are(objects: ObjectStore, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(20))
    ledger.seal(remove_after_s=0)
    objects.home(tmp_path)
    ledger.append(make_call(n) for n in range(20, N))
    ledger.seal(remove_after_s=0)
    assert {segment.place[:5] for segment in ledger._manifest.listing().segments} == {"", "s3://"}
    assert list(ledger.calls()) == [make_call(n) for n in range(N)]
    assert ledger.query("SELECT count(*) FROM calls").rows == ((N,),)


def test_without_the_client_it_says_what_to_install(sealed: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _objects._opened.cache_clear()
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(MissingPrerequisite) as raised:
        sealed.count()
    assert raised.value.hint == "pip install 'freehold[s3]'"


def test_credentials_come_from_the_shared_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = a\n[work]\naws_access_key_id = b\naws_secret_access_key = c\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert _objects._shared_credentials() == {"access_key_id": "b", "secret_access_key": "c"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from the environment")
    assert _objects._shared_credentials() == {}


def _settings(ledger: Ledger) -> LedgerSettings:
    from freehold.ledger._places import settings_of

    return settings_of(ledger._layout)


def _fields(ledger: Ledger) -> dict[str, object]:
    settings = _settings(ledger)
    return {name: getattr(settings, name) for name in settings.__struct_fields__}
