"""Asking a service that speaks OSV's protocol, over real HTTP: what leaves, what comes back, what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.advisories import advisory, ranged
from tests.support.osv_service import Service, serving

from freehold.errors import BadAdvisories, UpstreamFailed
from freehold.supply import service
from freehold.supply.parts import Part

LIB = Part("distribution", "lib", "1.0", "PyPI")
CRATE = Part("embedded", "ahash", "0.8.1", "crates.io", within=("lib",))
RPM = Part("embedded", "almalinux/libgomp", "8.5")


@pytest.fixture
def osv() -> Iterator[Service]:
    with serving() as made:
        yield made


def test_names_and_versions_leave_and_every_page_is_read(osv: Service) -> None:
    osv.advisories = {name: advisory(name, "lib", ranged({"introduced": "0"})) for name in ("GHSA-1", "PYSEC-1")}
    osv.holds = {("PyPI", "lib", "1.0"): ["GHSA-1", "PYSEC-1"]}
    found, holds = service.ask(osv.url, [LIB, CRATE, RPM])
    assert [one.id for one in found.kept] == ["GHSA-1", "PYSEC-1"]
    assert holds == {(LIB.purl, "GHSA-1"), (LIB.purl, "PYSEC-1")}
    assert (found.source, found.count) == (osv.url, 2)
    assert {(one["package"]["ecosystem"], one["package"]["name"], one["version"]) for one in osv.asked} == {
        ("PyPI", "lib", "1.0"),
        ("crates.io", "ahash", "0.8.1"),
    }
    assert set().union(*osv.asked) == {"package", "version", "page_token"}
    assert osv.requests == ["/v1/querybatch", "/v1/querybatch", "/v1/vulns/GHSA-1", "/v1/vulns/PYSEC-1"]


def test_many_parts_are_asked_about_in_several_requests(osv: Service) -> None:
    parts = [Part("distribution", f"lib-{number}", "1.0", "PyPI") for number in range(1100)]
    osv.holds = {("PyPI", "lib-1099", "1.0"): ["GHSA-1"]}
    osv.advisories = {"GHSA-1": advisory("GHSA-1", "lib-1099")}
    assert service.ask(osv.url, parts)[1] == {(parts[-1].purl, "GHSA-1")}
    assert len(osv.asked) == 1100
    assert osv.requests.count("/v1/querybatch") == 3


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/querybatch", b"<html>", "no list of advisories"),
        ("/v1/querybatch", b'{"results": []}', "answered 0 of 1"),
        ("/v1/vulns/GHSA-1", b'{"code": 5}', "no advisory for GHSA-1"),
    ],
)
def test_an_answer_that_is_none_is_an_error(osv: Service, path: str, body: bytes, said: str) -> None:
    osv.holds = {("PyPI", "lib", "1.0"): ["GHSA-1"]}
    osv.answers[path] = body
    with pytest.raises(BadAdvisories, match=said):
        service.ask(osv.url, [LIB])


def test_a_service_that_refuses_or_is_not_there_is_an_error(osv: Service) -> None:
    osv.status = 503
    with pytest.raises(UpstreamFailed, match="status 503"):
        service.ask(osv.url, [LIB])
    with pytest.raises(UpstreamFailed, match="cannot be reached") as error:
        service.ask("http://127.0.0.1:9", [LIB])
    assert "components.osv_url" in error.value.hint


def test_what_the_service_says_is_kept_whatever_it_calls_the_part(osv: Service) -> None:
    osv.advisories = {"GO-1": advisory("GO-1", "another name", ranged({"introduced": "0"}))}
    osv.holds = {("PyPI", "lib", "1.0"): ["GO-1"]}
    found, _ = service.ask(osv.url, [LIB, CRATE])
    assert [one.id for one in found.kept] == ["GO-1"]
    assert found.ecosystems == ("PyPI", "crates.io")


def test_as_many_pages_as_may_be_are_read(osv: Service) -> None:
    names = [f"GHSA-{number}" for number in range(50)]
    osv.advisories = {name: advisory(name, "lib") for name in names}
    osv.holds = {("PyPI", "lib", "1.0"): names}
    assert len(service.ask(osv.url, [LIB])[1]) == 50


def test_pages_have_an_end(osv: Service) -> None:
    osv.endless = True
    with pytest.raises(BadAdvisories, match="no end of pages"):
        service.ask(osv.url, [LIB])
