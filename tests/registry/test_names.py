"""One name, however it is spelt: in the settings, in a header, in the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.registry import opened, task

from freehold.registry import routes
from freehold.registry.names import folded, from_header
from freehold.settings import Settings, TaskSettings


@pytest.mark.parametrize(
    ("one", "other"),
    [("Triage", "TRIAGE"), ("Küche", "Ku\u0308che"), ("STRASSE", "straße"), (" triage ", "triage"), ("Ü", "u\u0308")],
)
def test_names_that_read_alike_are_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert folded(one) != folded(f"{other}2")


@pytest.mark.parametrize("raw", ["Küche".encode(), "Küche".encode("latin-1"), b"K%C3%BCche", b"K%FCche"])
def test_a_header_is_read_however_it_was_encoded(raw: bytes) -> None:
    assert from_header(raw) == "Küche"


def test_a_declaration_in_another_letter_case_binds(tmp_path: Path) -> None:
    closed = TaskSettings(data_class="restricted", audit_share=0.5)
    with opened(tmp_path, Settings(tasks={"TRIAGE": closed, "T2": closed})) as registry:
        registry.save_discovered([task("t1", "a", name="triage"), task("t2", "b"), task("t3", "c")])
        registry.rename("t1", "sorting", by="ann")
        assert registry.unmatched_settings() == ()
        assert registry.task_settings("sorting") == closed
    found = {r.task_id: (r.data_class, r.audit_share) for r in routes.load(routes.path(tmp_path)).routes}
    assert found == {"t1": ("restricted", 0.5), "t2": ("restricted", 0.5), "t3": ("ordinary", 0.02)}
