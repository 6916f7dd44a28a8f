"""Code that runs whenever Python starts, before any program asks for it.

`site` runs the `import` lines of `.pth` files, the modules `sitecustomize` and `usercustomize`, and from Python 3.15 on
the entry points of `.start` files (PEP 829). A gateway holds every provider's key: LiteLLM 1.82.8 (March 2026) carried
such a file, `litellm_init.pth`, and its wheel listed it like any other. So being claimed by a distribution clears no
file by itself: what is neither claimed nor known is said, and so is what is claimed and not known.
"""

from __future__ import annotations

import csv
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

_KNOWN: Final = {
    "distutils-precedence.pth": "setuptools",
    "a1_coverage.pth": "coverage",
    "pytest-cov.pth": "pytest-cov",
}
"""Start-up files that are part of these distributions, and short."""
_VIRTUALENV: Final = ("_virtualenv.pth", "import _virtualenv")
_FINDER: Final = re.compile(r"import (__editable__\w+_finder); \1\.install\(\)\Z")
"""What setuptools writes for a distribution that is installed from its sources, and nothing else under such a name."""
_MODULES: Final = ("sitecustomize.py", "usercustomize.py")
_START_SINCE: Final = (3, 15)
_SHORT: Final = 1024
_MOST: Final = 1024 * 1024
_SAY: Final = 100


class StartupFile(msgspec.Struct, frozen=True):
    """A file of that kind.

    `claimed_by`: the distribution whose RECORD lists it, with its version, "" for none. `known`: why it is expected, ""
    where nothing speaks for it. `does`: the beginning of what it runs.
    """

    path: str
    claimed_by: str
    known: str
    does: str

    def in_words(self) -> str:
        """What is odd about it."""
        whose = f"{self.claimed_by} brought it" if self.claimed_by else "no installed distribution claims it"
        return f"{self.path} runs whenever Python starts, and {whose}: {self.does}"


def folders() -> list[Path]:
    """The folders in which this Python looks for such files."""
    found = [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    return [Path(one) for one in dict.fromkeys(found) if Path(one).is_dir()]


def startup_files(places: Iterable[Path] | None = None) -> list[StartupFile]:
    """Every file that runs code when Python starts, those that are expected included."""
    return [one for place in places or folders() for one in _in(place)]


def odd(files: Iterable[StartupFile]) -> list[StartupFile]:
    """Those that nothing speaks for."""
    return [one for one in files if not one.known]


def _in(place: Path) -> Iterator[StartupFile]:
    started = {file.stem for file in place.glob("*.start")}
    for file in sorted(place.iterdir()):
        if file.name.endswith(".start"):
            lines = [line for line in _lines(file) if not line.startswith("#")]
        elif file.name.endswith(".pth"):
            ignored = file.stem in started and sys.version_info >= _START_SINCE
            lines = [] if ignored else [line for line in _lines(file) if line.startswith(("import ", "import\t"))]
        elif file.name in _MODULES:
            lines = [line for line in _lines(file) if not line.startswith(("#", '"""'))]
        else:
            continue
        if lines:
            owner = _owner(place, file.name)
            yield StartupFile(str(file), " ".join(owner), _why_known(file, owner[:1], lines), _said(lines[0]))


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream:
            text = stream.read(_MOST).decode("utf-8-sig", "replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _why_known(file: Path, owner: tuple[str, ...], lines: list[str]) -> str:
    if owner and _KNOWN.get(file.name) == owner[0] and file.stat().st_size <= _SHORT:
        return f"part of {owner[0]}"
    if owner and file.name.startswith("__editable__") and len(lines) == 1 and _FINDER.match(lines[0]):
        return f"{owner[0]} is installed from its sources"
    if not owner and (file.name, *lines) == _VIRTUALENV:
        return "virtualenv and uv write it"
    return ""


def _owner(place: Path, name: str) -> tuple[str, ...]:
    """Name and version of the distribution in that folder whose RECORD lists a file; nothing for none."""
    for record in sorted(place.glob("*.dist-info/RECORD")):
        try:
            text = record.read_text("utf-8", "replace")
        except OSError:
            continue
        if name in text and any(row and row[0] == name for row in csv.reader(text.splitlines())):
            distribution, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
            return distribution.replace("_", "-").lower(), version
    return ()


def _said(line: str) -> str:
    shown = "".join(c if c.isprintable() else "\ufffd" for c in line)
    return shown if len(shown) <= _SAY else f"{shown[:_SAY]}…"
