"""Virtual keys in the registry: shown once, published as digests, logged, taken back."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import keys as support
from tests.support.registry import opened

from freehold.errors import ConfigurationError, MissingPrerequisite, NotFound, UsageError
from freehold.registry import keys
from freehold.registry.store import Registry
from freehold.vocabulary import VirtualKey


def wanted(name: str) -> VirtualKey:
    return VirtualKey(id="", name=name, digest="", created_at="")


def everything_in(home: Path) -> dict[str, bytes]:
    return {str(file.relative_to(home)): file.read_bytes() for file in home.rglob("*") if file.is_file()}


def test_the_key_itself_is_nowhere_in_the_home(tmp_path: Path) -> None:
    with opened(tmp_path) as registry:
        made = [registry.add_virtual_key(wanted(f"k{n}"), by="ann")[1] for n in range(3)]
        registry.revoke_virtual_key("k1", by="ann")
    assert len(set(made)) == 3
    assert all(one.startswith("fh-") and len(one) == 46 for one in made)
    for name, content in everything_in(tmp_path).items():
        for key in made:
            for part in (key, key[3:], key[3:20], key.encode().hex()):
                assert part.encode() not in content, name
    pepper = keys.pepper(tmp_path)
    assert not any(pepper in content for name, content in everything_in(tmp_path).items() if name != keys.PEPPER_FILE)


def test_what_is_kept_is_published_and_logged(tmp_path: Path) -> None:
    with opened(tmp_path) as registry:
        assert not keys.path(tmp_path).exists()
        limits = msgspec.structs.replace(wanted("team"), rpm=5, budget=support.budget(50), models=("gpt-*",))
        key, _ = registry.add_virtual_key(limits, by="ann")
        assert keys.load(keys.path(tmp_path)).keys == registry.virtual_keys() == (key,)
        before = keys.load(keys.path(tmp_path)).version
        revoked = registry.revoke_virtual_key("team", by="bob", reason="left")
        assert keys.load(keys.path(tmp_path)).keys == (revoked,)
        assert keys.load(keys.path(tmp_path)).version > before
        assert revoked.revoked_at
        assert registry.revoke_virtual_key("team", by="eve") == revoked
        log = [(e.who, e.what, e.subject, e.why) for e in registry.audit_log()]
        assert log == [("ann", "key.created", "team", ""), ("bob", "key.revoked", "team", "left")]
        detail = registry.audit_log()[0].detail
        assert '"rpm":5' in detail
        assert key.digest not in detail
        assert registry.verify_audit_log().ok


def test_a_name_is_used_once_and_is_one(tmp_path: Path) -> None:
    with opened(tmp_path) as registry:
        registry.add_virtual_key(wanted("team"), by="ann")
        registry.revoke_virtual_key("team", by="ann")
        for name in ("team", "", " ", " team", "a\nb", "x" * 65, "fh-abcdef"):
            with pytest.raises(UsageError) as error:
                registry.add_virtual_key(wanted(name), by="ann")
            assert "abcdef" not in str(error.value)
        with pytest.raises(NotFound):
            registry.revoke_virtual_key("other", by="ann")
        assert len(registry.virtual_keys()) == 1


def test_a_file_that_was_harmed_is_published_anew_and_with_a_higher_version(tmp_path: Path) -> None:
    with opened(tmp_path) as registry:
        registry.add_virtual_key(wanted("team"), by="ann")
        version = keys.load(keys.path(tmp_path)).version
        for harm in (keys.path(tmp_path).unlink, lambda: keys.path(tmp_path).write_bytes(b"{")):
            harm()
            opened(tmp_path).close()
            table = keys.load(keys.path(tmp_path))
            assert table.keys == registry.virtual_keys()
            assert table.version > version
            version = table.version
        registry.publish()
        assert keys.load(keys.path(tmp_path)).version == version


def test_a_crash_before_publication_is_made_good_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as registry:
        registry.add_virtual_key(wanted("team"), by="ann")
        with monkeypatch.context() as patch:
            patch.setattr(Registry, "publish", lambda _: None)
            registry.revoke_virtual_key("team", by="ann")
        assert not keys.load(keys.path(tmp_path)).keys[0].revoked_at
    opened(tmp_path).close()
    assert keys.load(keys.path(tmp_path)).keys[0].revoked_at


def test_a_lost_pepper_is_said_and_not_replaced_while_keys_depend_on_it(tmp_path: Path) -> None:
    with opened(tmp_path) as registry:
        registry.add_virtual_key(wanted("team"), by="ann")
        file = tmp_path / keys.PEPPER_FILE
        assert file.stat().st_mode & 0o777 == 0o600
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(MissingPrerequisite, match=r"virtual\.pepper"):
            registry.add_virtual_key(wanted("other"), by="ann")
        file.write_bytes(content)
        file.chmod(0o644)
        with pytest.raises(ConfigurationError, match="read by others"):
            registry.add_virtual_key(wanted("other"), by="ann")
        file.chmod(0o600)
        file.write_bytes(content[:5])
        with pytest.raises(ConfigurationError, match="not as it was made"):
            registry.add_virtual_key(wanted("other"), by="ann")
        file.unlink()
        registry.revoke_virtual_key("team", by="ann")
        registry.add_virtual_key(wanted("other"), by="ann")
        assert [key.name for key in registry.virtual_keys()] == ["team", "other"]


def test_keys_made_at_once_are_all_kept_and_under_one_pepper(tmp_path: Path) -> None:
    opened(tmp_path).close()
    made: dict[str, str] = {}

    def make(name: str) -> None:
        made[name] = support.make(tmp_path, name)

    threads = [threading.Thread(target=make, args=(f"k{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pepper = keys.pepper(tmp_path)
    table = keys.load(keys.path(tmp_path))
    digests = {key.name: key.digest for key in table.keys}
    assert digests == {name: keys.digest(pepper, key.encode()).hex() for name, key in made.items()}
    assert len({key.id for key in table.keys}) == 6


def test_the_digest_is_hmac_sha_256_as_the_standard_has_it() -> None:
    # RFC 4231, test case 2.
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keys.digest(b"Jefe", b"what do ya want for nothing?").hex() == digest


@given(st.binary(max_size=200), st.lists(st.binary(max_size=200), max_size=4))
def test_many_digests_under_one_pepper_are_what_each_is_alone(pepper: bytes, made: list[bytes]) -> None:
    digest = keys.digester(pepper)
    assert [digest(key) for key in made] == [keys.digest(pepper, key) for key in made]
