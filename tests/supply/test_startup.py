"""Files that run when Python starts: which run is what Python itself shows, which are odd is what we say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.advisories import distribution

from freehold.supply import startup

EVIL = b"import os; x = '" + b"aW1wb3J0" * 20 + b"'\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "paths.pth").write_text("../src\n# import nothing\n")
    return folder


def test_what_python_runs_is_what_is_found(place: Path) -> None:
    for name, line in _LINES.items():
        (place / f"{name}.pth").write_text(f"# {name}\n{line}{_SAYS.format(name)}\n")
    code = f"import site; site.addsitedir({str(place)!r})"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    ran = set(done.stdout.split())
    assert {"plain", "tab"} <= ran
    found = {Path(one.path).name.removesuffix(".pth"): one for one in startup.startup_files([place])}
    assert set(found) == ran
    assert "no installed distribution claims it" in found["plain"].in_words()
    assert len(found["plain"].does) <= 101


_LINES = {"plain": "import os; ", "tab": "import\tos; ", "indented": "  import os; ", "word": "importos; "}
_SAYS = "print('{}', flush=True); x = '" + "aW1wb3J0" * 20 + "'"


def test_a_file_that_a_distribution_brought_is_said_too(place: Path) -> None:
    """LiteLLM 1.82.8 listed its own in RECORD: a claim clears nothing."""
    distribution(place, "evil-lib", "1.82.8", {"evil_init.pth": EVIL})
    (one,) = startup.startup_files([place])
    assert one.claimed_by == "evil-lib 1.82.8"
    assert startup.odd([one]) == [one]
    assert "evil-lib 1.82.8 brought it" in one.in_words()


def test_files_that_are_expected_are_not_odd(place: Path) -> None:
    precedence = b"import os; var = 'SETUPTOOLS_USE_DISTUTILS'\n"
    distribution(place, "setuptools", "80", {"distutils-precedence.pth": precedence})
    finder = b"import __editable___thing_finder; __editable___thing_finder.install()\n"
    distribution(place, "thing", "1", {"__editable__.thing-1.pth": finder})
    (place / "_virtualenv.pth").write_text("import _virtualenv")
    found = startup.startup_files([place])
    assert len(found) == 3
    assert startup.odd(found) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("distutils-precedence.pth", b"import os\n"),
        ("_virtualenv.pth", b"import _virtualenv\nimport more\n"),
        ("_virtualenv.pth", b"import _virtualenv2\n"),
        ("__editable__.thing-1.pth", b"import os\n"),
        ("sitecustomize.py", b"print('hello')\n"),
        ("usercustomize.py", b"import os\n"),
        ("entry.start", b"# a comment\npkg.mod:run\n"),
        ("marked.pth", b"\xef\xbb\xbfimport os\n"),
    ],
)
def test_a_known_name_clears_nobody(place: Path, name: str, content: bytes) -> None:
    (place / name).write_bytes(content)
    assert [Path(one.path).name for one in startup.odd(startup.startup_files([place]))] == [name]


@pytest.mark.parametrize(
    "content",
    [
        EVIL,
        b"import __editable___a_finder; __editable___b_finder.install()\n",
        b"import __editable___a_finder\n" + EVIL,
    ],
)
def test_a_distribution_cannot_pass_for_one_that_is_installed_from_its_sources(place: Path, content: bytes) -> None:
    distribution(place, "evil-lib", "1", {"__editable__.evil_lib-1.pth": content})
    assert len(startup.odd(startup.startup_files([place]))) == 1


def test_a_known_file_that_grew_is_odd(place: Path) -> None:
    distribution(place, "setuptools", "80", {"distutils-precedence.pth": b"import os; " + b"#" * 5000})
    assert len(startup.odd(startup.startup_files([place]))) == 1


def test_what_runs_nothing_is_not_found(place: Path) -> None:
    (place / "empty.start").write_text("# nothing\n")
    (place / "sitecustomize.py").write_text("# nothing\n")
    assert startup.startup_files([place]) == []


def test_this_python_is_looked_at() -> None:
    assert any(one.is_dir() for one in startup.folders())
    assert startup.odd(startup.startup_files()) == []
