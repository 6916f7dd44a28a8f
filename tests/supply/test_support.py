"""Ends of support: which branch a version belongs to, and from when on its end is told."""

from __future__ import annotations

from datetime import date

import pytest

from freehold.supply import support
from freehold.supply.parts import Part


def openssl(version: str) -> Part:
    return Part("runtime", "openssl", version, "Bitnami", within=("python",))


@pytest.mark.parametrize(
    ("version", "branch"),
    [("1.1.1", "1.1.1"), ("1.1.1w", "1.1.1"), ("3.0.19", "3.0"), ("3.1", "3.1"), ("3.11.0", ""), ("31.0", "")],
)
def test_a_version_belongs_to_one_branch(version: str, branch: str) -> None:
    found = support.endings([openssl(version)], date(2026, 12, 1))
    assert [one.branch for one in found] == ([branch] if branch else [])


def test_an_end_is_told_a_year_ahead_and_afterwards_as_past() -> None:
    python = Part("runtime", "python", "3.11.7", "Bitnami")
    assert support.endings([python], date(2026, 10, 30)) == []
    (soon,) = support.endings([python], date(2026, 10, 31))
    assert "gets fixes until 2027-10-31 (365 days)" in soon.in_words()
    (past,) = support.endings([python], date(2027, 11, 1))
    assert "gets no more fixes since 2027-10-31" in past.in_words()


def test_what_ends_first_comes_first_and_others_say_nothing() -> None:
    parts = [openssl("3.4.1"), Part("distribution", "openssl", "3.0.1", "PyPI"), openssl("3.0.1")]
    assert [one.branch for one in support.endings(parts, date(2026, 12, 1))] == ["3.0", "3.4"]
