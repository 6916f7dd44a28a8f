"""The reasons are a closed list: every constant is in it, and every one is explained to users."""

from pathlib import Path

from freehold.vocabulary import reasons

WIRE = Path(__file__).resolve().parents[2] / "docs" / "wire.md"


def constants():
    return {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}


def test_every_constant_has_its_sentence_once():
    assert constants() == set(reasons.BY_CODE)
    assert len(reasons.REASONS) == len(reasons.BY_CODE)


def test_every_reason_is_documented_with_its_sentence():
    page = WIRE.read_text("utf-8")
    for reason in reasons.REASONS:
        assert f"| `{reason.code}` | {reason.way} | {reason.sentence} |" in page, reason.code
