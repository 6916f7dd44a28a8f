"""What an advisory says of a version: OSV's rule, version by version, and "unknown" where it cannot be followed."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from tests.support.advisories import advisory, ranged

from freehold.supply import versions
from freehold.supply.advisories import Advisory
from freehold.supply.matching import judge, match
from freehold.supply.parts import Part


def read(made: dict[str, Any]) -> Advisory:
    return msgspec.convert(made, Advisory)


def part(version: str, name: str = "lib", ecosystem: str = "PyPI") -> Part:
    return Part("distribution", name, version, ecosystem)


TWO = ranged({"introduced": "1.0"}, {"fixed": "1.0.2"}, {"introduced": "3.0"}, {"fixed": "3.2.5"})


@pytest.mark.parametrize(
    ("version", "state", "mended_in"),
    [
        ("0.9", "clear", ""),
        ("1.0", "affected", "1.0.2"),
        ("1.0.0", "affected", "1.0.2"),
        ("1.0.2", "clear", ""),
        ("1.0.2rc1", "affected", "1.0.2"),
        ("2.9", "clear", ""),
        ("3.1.9", "affected", "3.2.5"),
        ("3.2.10", "clear", ""),
        ("1!1.0", "clear", ""),
    ],
)
def test_versions_are_ordered_as_python_orders_them(version: str, state: str, mended_in: str) -> None:
    assert judge(read(advisory("A-1", "lib", TWO)), part(version)) == (state, mended_in)


@pytest.mark.parametrize(
    ("made", "version", "state"),
    [
        (advisory("A", "lib", ranged({"introduced": "0"})), "9", "affected"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"last_affected": "2.1"})), "2.1", "affected"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"last_affected": "2.1"})), "2.1.1", "clear"),
        (advisory("A", "lib", ranged({"fixed": "2"}, {"introduced": "1"})), "1.5", "affected"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"limit": "2"})), "2", "clear"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"limit": "2"})), "1", "affected"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"limit": "*"})), "7", "affected"),
        (advisory("A", "Lib", ranged({"introduced": "0"})), "1", "affected"),
        (advisory("A", "lib-x", ranged({"introduced": "0"})), "1", "clear"),
        (advisory("A", "lib", ranged({"introduced": "0"}), ecosystem="npm"), "1", "clear"),
        (advisory("A", "lib", versions=("1.2", "1.3.0")), "1.3", "affected"),
        (advisory("A", "lib", versions=("1.2", "1.3.0")), "1.4", "clear"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "abc"}, kind="GIT")), "1", "unknown"),
        (advisory("A", "lib", ranged({"introduced": "0"}, kind="GIT"), TWO), "2", "clear"),
        (advisory("A", "lib", ranged({"introduced": "0"}, kind="GIT"), versions=("1",)), "1", "affected"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "one"})), "1", "unknown"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "2"})), "local build", "unknown"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "2"}), versions=("1",)), "local build", "unknown"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "one"}), versions=("1",)), "2", "unknown"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"last_affected": "2.1"})), "2.1+cpu", "affected"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "2.1"})), "2.1+cpu", "clear"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "2.1+safe.2"})), "2.1+safe.2", "clear"),
        (advisory("A", "lib", ranged({"introduced": "0"}, {"fixed": "2.1+safe.2"})), "2.1+safe.1", "affected"),
        (advisory("A", "lib", versions=("2.1",)), "2.1+cpu", "affected"),
        (advisory("A", "lib", ranged({"last_affected": "2"}, {"introduced": "2"})), "2", "affected"),
        (advisory("A", "lib", ranged({"last_affected": "2"}, {"introduced": "2"})), "3", "clear"),
        (advisory("A", "lib", ranged({"fixed": "2"})), "1", "unknown"),
        (advisory("A", "lib"), "1", "unknown"),
        (advisory("A", "lib", ranged({"introduced": "0"}, kind="OTHER")), "1", "unknown"),
    ],
)
def test_what_decides_and_what_cannot(made: dict[str, Any], version: str, state: str) -> None:
    assert judge(read(made), part(version)).state == state


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("1.2.0", "clear"),
        ("1.2.3-alpha", "affected"),
        ("1.2.3", "affected"),
        ("1.3.0-rc.1", "affected"),
        ("1.3.0", "clear"),
    ],
)
def test_crates_are_ordered_as_semantic_versions(version: str, state: str) -> None:
    made = advisory("RUSTSEC-1", "ahash", ranged({"introduced": "1.2.3-0"}, {"fixed": "1.3.0"}, kind="SEMVER"))
    made["affected"][0]["package"]["ecosystem"] = "crates.io"
    assert judge(read(made), part(version, "ahash", "crates.io")).state == state


def test_semantic_versions_keep_the_order_of_their_specification() -> None:
    """The chain of section 11 of Semantic Versioning 2.0."""
    chain = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    chain += ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0"]
    shuffled = random.Random(1).sample(chain, len(chain))
    assert sorted(shuffled, key=versions.semantic) == chain
    assert versions.semantic("1.0.0+build") == versions.semantic("v1")
    for wrong in ("", "1.x", "1.2.3.4", "one"):
        with pytest.raises(ValueError, match=wrong or "^$"):
            versions.semantic(wrong)


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v3.11.2", "3.11.2"),
        ("openssl-3.0.7", "3.0.7"),
        ("OpenSSL_1_1_1w", "1.1.1w"),
        ("version-3.40.1", "3.40.1"),
        ("v3.12.0rc2", "3.12.0rc2"),
        ("main", ""),
    ],
)
def test_tags_name_versions(tag: str, version: str) -> None:
    assert versions.of_tag(tag) == version


def test_sources_without_a_package_are_known_by_their_repository_and_tags() -> None:
    commits = ranged({"introduced": "0"}, {"fixed": "a" * 40}, kind="GIT", repo="https://github.com/python/cpython.git")
    python = Part("runtime", "python", "3.11.2", "Bitnami")
    assert judge(read(advisory("PSF-1", "", commits)), python).state == "unknown"
    assert judge(read(advisory("PSF-2", "", commits, versions=("v3.11.2",))), python).state == "affected"
    assert judge(read(advisory("PSF-3", "", commits, versions=("v3.11.1",))), python).state == "clear"
    other = ranged({"introduced": "0"}, kind="GIT", repo="https://github.com/someone/else")
    assert judge(read(advisory("CVE-1", "", other)), python).state == "clear"


def test_one_thing_with_several_names_is_one_finding() -> None:
    """Two databases speak of the same thing; the better known name and the later mended version count."""
    one = advisory("PYSEC-1", "lib", ranged({"introduced": "0"}, {"fixed": "2.0"}), aliases=["CVE-1"])
    more = {"aliases": ["CVE-1"], "summary": "It can be read.", "database_specific": {"severity": "high"}}
    two = advisory("GHSA-1", "lib", ranged({"introduced": "0"}, {"fixed": "2.0.1"}), **more)
    bad = advisory("MAL-1", "lib", versions=("1.0",), details="# It steals keys.\nAnd more.")
    git = advisory("OSV-1", "lib", ranged({"introduced": "0"}, kind="GIT"))
    advisories = [read(made) for made in (one, two, bad, git)]
    findings, undecided = match([part("1.0")], advisories, {"PYSEC-1": "not reached"})
    known, malicious = findings
    assert known.ids == ("CVE-1", "GHSA-1", "PYSEC-1")
    assert (known.severity, known.mended_in, known.summary) == ("HIGH", "2.0.1", "It can be read.")
    assert (known.set_aside, known.malicious) == ("not reached", False)
    assert (malicious.malicious, malicious.summary, malicious.set_aside) == (True, "It steals keys.", "")
    assert [one.id for one in undecided] == ["OSV-1"]


def test_a_service_that_was_asked_has_the_last_word() -> None:
    made = read(advisory("GHSA-1", "lib", ranged({"introduced": "0"}, {"fixed": "2.0"}), severity=[_CVSS]))
    lib = part("3.0")
    assert match([lib], [made], holds=set())[0] == []
    (said,) = match([lib], [made], holds={(lib.purl, "GHSA-1")})[0]
    assert (said.severity, said.mended_in) == (_CVSS["score"], "")
    assert match([part("1.0")], [made], holds=set())[0] == []
    other = part("3.0", "called-otherwise-there")
    assert match([other], [made], holds={(other.purl, "GHSA-1")})[0][0].part == "called-otherwise-there"


_CVSS = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
_NUMBERS = st.tuples(*[st.integers(0, 3)] * 3).map(lambda numbers: ".".join(map(str, numbers)))


@given(_NUMBERS, st.lists(_NUMBERS, min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_events_in_any_order_mean_the_same_as_walking_the_line(version: str, bounds: list[str], rng: Any) -> None:
    """Introduced and fixed by turns: affected is who has passed an odd number of bounds."""
    line = sorted(bounds, key=Version)
    events = [{"introduced" if number % 2 == 0 else "fixed": bound} for number, bound in enumerate(line)]
    rng.shuffle(events)
    passed = sum(Version(version) >= Version(bound) for bound in line)
    judged = judge(read(advisory("A", "lib", ranged(*events))), part(version))
    assert judged.state == ("affected" if passed % 2 else "clear")
    if judged.state == "affected" and passed < len(line):
        assert judged.mended_in == line[passed]
