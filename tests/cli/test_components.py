"""`freehold components` as a person, a build and an auditor type it: on what is really installed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from tests.support import registry
from tests.support.advisories import advisory, ranged, write
from tests.support.osv_service import serving
from tests.support.shell import Shell

VERSION = metadata.version("msgspec")
OURS = advisory(
    "GHSA-aaaa-bbbb-cccc",
    "msgspec",
    ranged({"introduced": "0"}, {"fixed": "99.1"}),
    aliases=["CVE-2026-1"],
    summary="A decoder can be made to loop.",
    database_specific={"severity": "HIGH"},
)
FAR = advisory("GHSA-dddd-eeee-ffff", "msgspec", ranged({"introduced": "98"}))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_without_advisories_it_is_an_inventory_and_no_evidence(shell: Shell) -> None:
    done = shell.run("components")
    for said in ("distributions", "Python 3", "SQLite", "0 owned models", "that is no evidence"):
        assert said in done.stdout
    assert "--advisories" in done.stderr
    assert not (shell.folder / "home").exists()


def test_something_known_is_named_with_what_mends_it_and_the_gate_says_no(shell: Shell) -> None:
    write(shell.folder / "osv", OURS, FAR)
    done = shell.run("components", "--advisories", "osv", code=3)
    for said in (VERSION, "CVE-2026-1, GHSA-aaaa-bbbb-cccc", "HIGH", "99.1", "can be made to loop", "2 from osv"):
        assert said in done.stdout
    found = shell.json("components", "--advisories", "osv", code=3)
    assert found["schema"] == "freehold.components/1"
    assert [one["part"] for one in found["findings"]] == ["msgspec"]
    assert found["source"]["newest"] == "2026-10-30"


def test_nothing_known_is_said_with_how_old_that_is(shell: Shell) -> None:
    old = advisory("GHSA-1", "somebody-else", ranged({"introduced": "0"}), modified="2020-01-01T00:00:00Z")
    write(shell.folder / "osv", old)
    done = shell.run("components", "--advisories", "osv")
    for said in ("Nothing that is installed is among them", "the newest of 2020-01-01", "They are old"):
        assert said in done.stdout
    write(shell.folder / "crates", advisory("RUSTSEC-1", "x", ranged({"introduced": "0"}), ecosystem="crates.io"))
    said = shell.run("components", "--advisories", "crates").stdout
    assert "None of them is about a Python package" in said
    assert "about Python itself, SQLite or OpenSSL (Bitnami), so that" in said
    assert "crates.io" not in said


def test_what_a_person_set_aside_is_shown_and_does_not_count(shell: Shell) -> None:
    home = shell.folder / "home"
    home.mkdir()
    write(shell.folder / "osv", OURS)
    (home / "freehold.toml").write_text(
        f'[components]\nadvisories = "{shell.folder / "osv"}"\n'
        '[components.set_aside]\n"CVE-2026-1" = "we decode nothing of others"\n'
    )
    done = shell.run("components")
    assert "set aside: we decode nothing of others" in done.stdout
    assert "Set aside by a person: 1" in done.stdout
    empty = write(shell.folder / "other", FAR)
    assert "GHSA-aaaa" not in shell.run("components", "--advisories", str(empty)).stdout


def test_what_cannot_be_decided_is_said(shell: Shell) -> None:
    commits = ranged({"introduced": "0"}, {"fixed": "f" * 40}, kind="GIT", repo="https://github.com/python/cpython")
    write(shell.folder / "osv", advisory("PSF-2026-1", "", commits))
    assert "Undecided, because they name commits" in (said := shell.run("components", "--advisories", "osv").stdout)
    assert "PSF-2026-1 (python)" in said


def test_owned_models_are_listed_and_what_they_were_trained_with_is_told_as_coming(shell: Shell) -> None:
    home = shell.folder / "home"
    with registry.opened(home) as opened:
        opened.save_discovered([registry.task("t1", "a", name="triage")])
        made = registry.manifest("s1", environment={"python": "3.11.0", "machine": "x86_64", "numpy": "1.0.1"})
        opened.add_student(made, home / "bundles" / "s1")
    write(shell.folder / "osv", advisory("PYSEC-1", "numpy", versions=("1.0.1",)))
    done = shell.run("components", "--advisories", "osv")
    assert "1 owned model." in done.stdout
    assert "triage: trained with numpy 1.0.1, of which PYSEC-1 is known; not installed now" in done.stdout
    bill = json.loads(shell.run("components", "--sbom", "-").stdout)
    (model,) = [one for one in bill["components"] if one["type"] == "machine-learning-model"]
    assert (model["name"], model["version"]) == ("triage", "s1")


def test_the_service_is_asked_on_request_alone(shell: Shell) -> None:
    home = shell.folder / "home"
    home.mkdir()
    with serving() as osv:
        (home / "freehold.toml").write_text(f'[components]\nosv_url = "{osv.url}/"\n')
        shell.run("components")
        assert osv.requests == []
        osv.advisories = {OURS["id"]: OURS}
        osv.holds = {("PyPI", "msgspec", VERSION): [OURS["id"]]}
        assert "99.1" in shell.run("components", "--online", code=3).stdout
        asked = {(one["package"]["ecosystem"], one["package"]["name"]) for one in osv.asked}
        assert {("PyPI", "msgspec"), ("Bitnami", "python"), ("Bitnami", "sqlite")} <= asked
        assert ("PyPI", "pytest") not in asked
        assert "None of them" not in shell.run("components", "--online", code=3).stdout
        osv.status = 500
        assert "status 500" in shell.run("components", "--online", code=1).stderr
    shell.env["FREEHOLD_COMPONENTS__OSV_URL"] = ""
    assert "osv_url is empty" in shell.run("components", "--online", code=2).stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--advisories", "nowhere"), 1, "no advisories at nowhere"),
        (("--advisories", "file.json"), 1, "holds no advisory in the OSV format"),
        (("--advisories", "file.json", "--online"), 2, "two sources"),
        (("--json", "--sbom", "-"), 2, "both be on stdout"),
        (("--sbom", "no/such/folder.json"), 1, "No such file"),
    ],
)
def test_wrong_input_is_answered_with_what_to_do(shell: Shell, words: tuple[str, ...], code: int, said: str) -> None:
    (shell.folder / "file.json").write_text('{"not": "one"}')
    assert said in shell.run("components", *words, code=code).stderr


@pytest.mark.slow
def test_stray_start_up_files_and_changed_files_are_found_in_a_real_environment(tmp_path: Path) -> None:
    """A virtual environment with a file that no distribution claims, and a distribution that was changed."""
    made = tmp_path / "venv"
    venv.create(made, with_pip=False)
    place = next(made.glob("lib/python*/site-packages"))
    (place / "helper_init.pth").write_text("import os; os.environ.get('KEY')\n")
    others = [entry for entry in sys.path if entry and Path(entry).is_dir()]
    env = {k: v for k, v in os.environ.items() if not k.startswith("FREEHOLD_")}
    env |= {"PYTHONPATH": os.pathsep.join(others), "FREEHOLD_HOME": str(tmp_path / "home"), "COLUMNS": "300"}

    def freehold(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(made / "bin" / "python"), "-m", "freehold", *words]
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)

    said = "helper_init.pth runs whenever Python starts, and no installed distribution claims it: import os;"
    assert said in freehold("doctor").stdout
    looked = freehold("components")
    assert said in looked.stdout
    assert looked.returncode == 0
    verified = freehold("components", "--verify")
    assert f"{place / 'helper_init.pth'} is in no distribution's list" not in verified.stdout
    assert "compared with their RECORD: all as they were installed" in verified.stdout
