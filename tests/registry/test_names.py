"""One name, however it is spelt: in the settings, in a header, in the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.registry import opened, task

from freehold.registry import routes
from freehold.registry.names import folded, from_header
from freehold.registry.store import Registry
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


# What was restricted once


def data_classes(home: Path) -> dict[str, str]:
    return {r.task_name: r.data_class for r in routes.load(routes.path(home)).routes}


def test_a_command_that_finds_no_settings_lifts_no_restriction(tmp_path: Path) -> None:
    closed = TaskSettings(data_class="restricted")
    with opened(tmp_path, Settings(tasks={"Triage": closed, "unseen": closed})) as registry:
        registry.save_discovered([task("t1", "a", name="triage"), task("t2", "b", name="two")])
    assert routes.load(routes.path(tmp_path)).restricted_names == ("Triage", "unseen")
    with opened(tmp_path) as registry:
        registry.rename("triage", "inbox", by="ann")
        assert data_classes(tmp_path) == {"inbox": "restricted", "two": "ordinary", "unseen": "restricted"}
        assert registry.task_settings("inbox").data_class == "restricted"
        assert routes.load(routes.path(tmp_path)).restricted_names == ("Triage", "unseen")
    with opened(tmp_path, Settings(tasks={"inbox": TaskSettings(alpha=0.01)})) as registry:
        registry.save_discovered([task("x9", "a", name="other"), task("x8", "c", name="unseen")])
        assert data_classes(tmp_path) == {"inbox": "restricted", "unseen": "restricted"}
        assert registry.task_settings("inbox").alpha == 0.01


def test_a_template_that_was_restricted_restricts_whichever_task_has_it_later(tmp_path: Path) -> None:
    with opened(tmp_path, Settings(tasks={"triage": TaskSettings(data_class="restricted")})) as registry:
        registry.save_discovered([task("t1", "a", name="triage")])
    with opened(tmp_path) as registry:
        registry.save_discovered([task("t7", "z", name="seven")])
        registry.save_discovered([task("t8", "a", name="eight"), task("t7", "z", name="seven")])
    assert data_classes(tmp_path) == {"seven": "ordinary", "eight": "restricted", "triage": "restricted"}


def test_only_a_declaration_in_so_many_words_lifts_a_restriction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home, file = tmp_path / "home", tmp_path / "freehold.toml"
    file.write_text('[tasks.triage]\ndata_class = "restricted"\n[tasks.unseen]\ndata_class = "restricted"\n')
    with Registry(home) as registry:
        registry.save_discovered([task("t1", "a", name="triage"), task("t2", "b", name="two")])
        registry.rename("triage", "inbox", by="ann")
    for left_out in ("", "[tasks.inbox]\nalpha = 0.01\n[tasks.unseen]\n"):
        file.write_text(left_out)
        with Registry(home) as registry:
            registry.publish()
            assert data_classes(home) == {"inbox": "restricted", "two": "ordinary", "unseen": "restricted"}
    file.write_text('[tasks.inbox]\ndata_class = "ordinary"\n[tasks.UNSEEN]\ndata_class = "ordinary"\n')
    with Registry(home) as registry:
        assert registry.task_settings("inbox").data_class == "ordinary"
        registry.publish()
        said = [(e.who, e.what, e.subject) for e in registry.audit_log() if e.what.startswith("restriction")]
    assert data_classes(home) == {"inbox": "ordinary", "two": "ordinary"}
    assert said == [
        ("settings", "restriction.declared", "triage"),
        ("settings", "restriction.declared", "unseen"),
        ("settings", "restriction.lifted", "triage"),
        ("settings", "restriction.lifted", "unseen"),
    ]


def test_lifting_a_part_does_not_lift_what_it_was_split_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "freehold.toml"
    file.write_text('[tasks.triage]\ndata_class = "restricted"\n')
    with Registry(tmp_path) as registry:
        registry.save_discovered([task("t1", "a", "a2", name="triage")])
        registry.split("triage", ["a2"], "part", by="ann")
    file.write_text('[tasks.part]\ndata_class = "ordinary"\n')
    with Registry(tmp_path) as registry:
        registry.publish()
    assert data_classes(tmp_path) == {"triage": "restricted", "part": "ordinary"}
