"""What is installed, with real metadata as importlib.metadata reads it."""

from __future__ import annotations

import json
import sqlite3
import ssl
from pathlib import Path

import pytest
from tests.support.advisories import distribution

from freehold.errors import MissingPrerequisite
from freehold.supply import inventory
from freehold.supply.parts import Part, from_purl

BOM = json.dumps(
    {
        "bomFormat": "CycloneDX",
        "components": [
            {"name": "openssl", "purl": "pkg:generic/openssl@3.0.1?download_url=https://x/y"},
            {"name": "outer", "purl": "pkg:cargo/outer@0.1.0", "components": [{"purl": "pkg:cargo/inner@0.2.0#sub"}]},
            {"name": "root-app", "purl": "pkg:pypi/Root.App@1.0"},
            {"name": "libgomp", "purl": "pkg:rpm/almalinux/libgomp@8.5.0-28.el8"},
            {"name": "nameless"},
        ],
    }
).encode()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application with two needs, an extra, a need for another system and one that is missing."""
    place = tmp_path / "site"
    place.mkdir()
    requires = (
        "lib-a>=1",
        "absent-lib",
        "only-elsewhere; sys_platform == 'plan9'",
        "lib-x[fast]; extra == 'more'",
        "never-there; extra == 'other'",
    )
    head = "Provides-Extra: more\nProvides-Extra: other\nLicense-Expression: MIT\n"
    files = {"{info}/sboms/bom.json": BOM, "{info}/sboms/broken.json": b"{", "root_app/_fast.so": b"\x7fELF"}
    distribution(place, "Root.App", "1.0", files, requires=requires, head=head)
    distribution(place, "Lib_A", "1.5", {"lib_a/_c.cpython-311-x86_64-linux-gnu.so": b""}, head="License: BSD\n")
    distribution(place, "lib-x", "2.0", requires=("lib-fast; extra == 'fast'",), head="Provides-Extra: fast\n")
    distribution(place, "lib-fast", "0.3", requires=("lib-x",))
    distribution(place, "bystander", "9.9", requires=("lib-a", "gone"))
    monkeypatch.syspath_prepend(str(place))
    return place


def test_the_closure_follows_needs_extras_and_markers(installed: Path) -> None:
    found = inventory.look(root="root-app")
    parts = {part.name: part for part in found.parts if part.kind == "distribution"}
    assert {name: part.through for name, part in parts.items()} == {
        "root-app": "base",
        "lib-a": "base",
        "lib-x": "extra more",
        "lib-fast": "extra more",
    }
    assert set(parts["root-app"].needs) == {"lib-a", "lib-x"}
    assert parts["lib-x"].needs == ("lib-fast",)
    assert parts["lib-a"].purl == "pkg:pypi/lib-a@1.5"
    assert (parts["root-app"].licence, parts["root-app"].spdx) == ("MIT", True)
    assert (parts["lib-a"].licence, parts["lib-a"].spdx) == ("BSD", False)
    assert found.missing == ("absent-lib (root-app needs it)",)
    assert found.opaque == ("lib-a",)


def test_libraries_inside_are_those_that_bills_of_materials_list(installed: Path) -> None:
    parts = [part for part in inventory.look(root="root-app").parts if part.kind == "embedded"]
    assert {(part.ecosystem, part.name, part.version) for part in parts} == {
        ("Bitnami", "openssl", "3.0.1"),
        ("crates.io", "outer", "0.1.0"),
        ("crates.io", "inner", "0.2.0"),
        ("", "almalinux/libgomp", "8.5.0-28.el8"),
    }
    assert {part.within for part in parts} == {("root-app",)}
    rpm = next(part for part in parts if not part.ecosystem)
    assert rpm.purl == "pkg:rpm/almalinux/libgomp@8.5.0-28.el8"


def test_what_else_is_installed_is_looked_at_on_request(installed: Path) -> None:
    parts = {part.name: part for part in inventory.look(root="root-app", everything=True).parts}
    assert (parts["bystander"].through, parts["bystander"].needs) == ("beside", ("lib-a",))
    assert parts["pytest"].through == "beside"


def test_python_and_what_it_is_linked_with_are_parts() -> None:
    found = {part.name: part.version for part in inventory.runtime()}
    assert found["sqlite"] == sqlite3.sqlite_version
    assert f" {found['openssl']} " in ssl.OPENSSL_VERSION
    assert "python" in found


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("OpenSSL 3.0.19 27 Jan 2026", ("openssl", "3.0.19")),
        ("LibreSSL 3.3.6", ("libressl", "3.3.6")),
        ("OpenSSL 1.1.1 (compatible; AWS-LC 1.29.0)", ("aws-lc", "1.29.0")),
        ("OpenSSL 1.1.1 (compatible; BoringSSL)", ("boringssl", "")),
    ],
)
def test_what_stands_in_for_openssl_is_not_called_so(said: str, expected: tuple[str, str]) -> None:
    assert inventory.tls_library(said) == expected


def test_without_metadata_nobody_can_say_what_is_needed() -> None:
    with pytest.raises(MissingPrerequisite, match="is not installed as a distribution"):
        inventory.look(root="no-such-distribution")


def test_freehold_itself_is_whole_and_every_locked_requirement_is_in_its_closure() -> None:
    found = inventory.look()
    names = {part.name for part in found.parts if part.through == "base"}
    assert {"freehold", "msgspec", "cryptography", "numpy"} <= names
    assert "pytest" not in names
    assert not [one for one in found.missing if "(freehold needs it)" in one]


@pytest.mark.parametrize("text", ["", "pkg:pypi", "pkg:pypi/name", "openssl@1"])
def test_what_is_no_package_url_is_no_part(text: str) -> None:
    assert from_purl(text, "x") is None


def test_package_urls_are_encoded() -> None:
    crate = from_purl("pkg:cargo/openssl-src@300.5.4%2B3.5.4", "x")
    assert crate is not None
    assert (crate.name, crate.version) == ("openssl-src", "300.5.4+3.5.4")
    assert crate.purl == "pkg:cargo/openssl-src@300.5.4%2B3.5.4"
    scoped = from_purl("pkg:npm/%40scope/thing@1.0", "x")
    assert scoped is not None
    assert (scoped.ecosystem, scoped.name) == ("npm", "@scope/thing")
    assert Part("distribution", "a", "1+local", "PyPI").purl == "pkg:pypi/a@1%2Blocal"
    assert Part("embedded", "x/y", "1", "Go").purl == "pkg:golang/x/y@1"
