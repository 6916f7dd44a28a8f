"""Bodies at rest: unreadable without the key, whole with it, and a key can be changed."""

import base64
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call

from freehold.errors import ConfigurationError, LedgerUnavailable, MissingPrerequisite
from freehold.ledger import Ledger
from freehold.ledger import _squeeze as squeeze
from freehold.ledger._layout import Layout
from freehold.ledger._vault import DataKey, Vault, vault_of
from freehold.ledger.feedback import attach
from freehold.ledger.following import Cursor, follow
from freehold.ledger.writer import LedgerWriter
from freehold.settings import LedgerSettings
from freehold.vocabulary import Feedback

ENCRYPTED = LedgerSettings(encryption_key_env="LEDGER_KEY")
N = 300


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    made = new_key()
    monkeypatch.setenv("LEDGER_KEY", made)
    return made


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Half of it sealed, half hot."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "freehold.toml").write_text('[ledger]\nencryption_key_env = "LEDGER_KEY"\n')
    ledger = Ledger(home)
    ledger.append(make_call(n) for n in range(N // 2))
    ledger.seal(remove_after_s=0)
    with LedgerWriter(home, ENCRYPTED) as writer:
        for n in range(N // 2, N):
            writer.offer(make_call(n))
    return ledger


def all_bytes(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_no_byte_of_a_body_is_in_any_file(ledger: Ledger) -> None:
    for _ in range(2):
        found = all_bytes(ledger.home)
        for word in (b"question", b"answer 1", b"assistant", b'"yes"', b"no JSON"):
            assert word not in found
        assert list(ledger.calls()) == [make_call(n) for n in range(N)]
        ledger.seal(remove_after_s=0)


def test_metadata_needs_no_key(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEDGER_KEY")
    plain = Ledger(ledger.home, LedgerSettings())
    assert plain.count() == N
    assert plain.query("SELECT count(*) FROM calls WHERE tags ->> 'team' = 'a'").rows == ((43,),)


@pytest.mark.parametrize(("settings", "code"), [("none", "ledger_key_missing"), ("other", "ledger_key_wrong")])
def test_without_the_right_key_it_says_which_is_needed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, settings: str, code: str
) -> None:
    monkeypatch.setenv("LEDGER_KEY", new_key())
    other = Ledger(ledger.home, LedgerSettings() if settings == "none" else ENCRYPTED)
    for read in (lambda: list(other.calls()), lambda: other.get("call-00000003"), other.seal):
        with pytest.raises(LedgerUnavailable) as raised:
            read()
        assert raised.value.error_code == code
    assert other.count() == N


def test_the_key_is_changed_without_touching_a_file(ledger: Ledger, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {path: path.read_bytes() for path in (ledger.home / "ledger/segments").iterdir()}
    monkeypatch.setenv("BEFORE", key)
    monkeypatch.setenv("LEDGER_KEY", new_key())
    both = Ledger(ledger.home, LedgerSettings(encryption_key_env="LEDGER_KEY", encryption_previous_key_env="BEFORE"))
    assert list(both.calls()) == [make_call(n) for n in range(N)]
    assert (both.rekey(), both.rekey()) == (2, 0)
    assert all(path.read_bytes() == content for path, content in files.items())
    assert list(Ledger(ledger.home, ENCRYPTED).calls()) == [make_call(n) for n in range(N)]
    monkeypatch.setenv("LEDGER_KEY", key)
    with pytest.raises(LedgerUnavailable):
        list(Ledger(ledger.home, ENCRYPTED).calls())


def test_a_key_that_is_not_there_changes_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ledger._manifest.listing()
    monkeypatch.setenv("LEDGER_KEY", new_key())
    with pytest.raises(LedgerUnavailable):
        ledger.rekey()
    assert ledger._manifest.listing() == before


def test_feedback_and_followers_read_through(ledger: Ledger) -> None:
    assert attach(ledger.home, f"call-{N - 1:08d}", [Feedback("", "correction", f"answer {N}")]) == 1
    calls = [call for batch in follow(ledger.home, Cursor()) for call in batch.calls]
    assert calls == [make_call(n) for n in range(N // 2, N)]


def test_a_changed_body_is_noticed(ledger: Ledger) -> None:
    import sqlite3

    (hot,) = (ledger.home / "ledger/hot").glob("*.db")
    with sqlite3.connect(hot) as db:
        first, second = (row[0] for row in db.execute("SELECT request FROM bodies ORDER BY seq LIMIT 2"))
        db.execute("UPDATE bodies SET request = ? WHERE request = ?", (second, first))
    db.close()
    with pytest.raises(LedgerUnavailable, match="was changed"):
        ledger.get(f"call-{N // 2:08d}")


def test_turning_it_on_and_off_leaves_older_files_readable(tmp_path: Path) -> None:
    for settings in (LedgerSettings(), ENCRYPTED, LedgerSettings(encryption_previous_key_env="LEDGER_KEY")):
        ledger = Ledger(tmp_path, settings)
        start = ledger.count()
        ledger.append(make_call(n) for n in range(start, start + 20))
        ledger.seal(remove_after_s=0)
        assert list(ledger.calls()) == [make_call(n) for n in range(start + 20)]


@pytest.mark.parametrize("text", ["", "short", "zz" * 32, base64.b64encode(b"x" * 31).decode()])
def test_what_is_no_key_is_refused_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LEDGER_KEY", text)
    with pytest.raises((ConfigurationError, MissingPrerequisite)) as raised:
        LedgerWriter(tmp_path, ENCRYPTED)
    assert "LEDGER_KEY" in raised.value.message
    assert not text or text not in str(raised.value)


def test_a_key_file_lies_outside_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for place in (home / "key", tmp_path / "key"):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"\x01" * 32)
    with pytest.raises(ConfigurationError, match="within the home"):
        vault_of(Layout.of(home, LedgerSettings(encryption_key_file=str(home / "key"))))
    assert vault_of(Layout.of(home, LedgerSettings(encryption_key_file=str(tmp_path / "key")))).new()[0]
    with pytest.raises(MissingPrerequisite):
        vault_of(Layout.of(home, LedgerSettings(encryption_key_file=str(tmp_path / "gone"))))


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freehold.ledger._vault.find_spec", lambda _: None)
    with pytest.raises(MissingPrerequisite) as raised:
        LedgerWriter(tmp_path, ENCRYPTED)
    assert raised.value.hint == "pip install 'freehold[zstd]'"


def test_without_encryption_no_cipher_is_loaded(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; from pathlib import Path; from freehold.ledger.writer import LedgerWriter;"
        f"LedgerWriter(Path({str(tmp_path)!r})).close(); sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_prompts_that_repeat_stay_small(tmp_path: Path) -> None:
    prompt = os.urandom(1500).hex()
    sizes = []
    for settings in (LedgerSettings(), ENCRYPTED):
        ledger = Ledger(tmp_path / str(len(sizes)), settings)
        ledger.append(make_call(n, request=f"{prompt} {n}".encode()) for n in range(1000))
        ledger.seal()
        sizes.append(ledger._manifest.listing().segments[0].size)
    assert sizes[1] < 1000 * 3000 / 8
    assert sizes[1] > sizes[0]


@given(st.binary(max_size=200), st.binary(max_size=200), st.lists(st.binary(max_size=300), max_size=40))
def test_what_is_hidden_comes_back(request: bytes, response: bytes, like: list[bytes]) -> None:
    wrapped, key = Vault([b"k" * 32]).new()
    assert key is not None
    again = Vault([b"n" * 32, b"k" * 32]).open(wrapped)
    assert isinstance(again, DataKey)
    dictionary = squeeze.trained(like * 50)
    bodies = key.hide_bodies("id", request, response, squeeze.packer(dictionary))
    row = ("", "id", *[""] * 60)
    from freehold.ledger._rows import NAMES

    row = tuple("id" if name == "id" else "[]" for name in NAMES)
    shown = again.show((*row, *bodies), squeeze.unpacker(squeeze.shown(squeeze.hidden(dictionary, key), again)))
    assert shown[-2:] == (request, response)
