"""The page of faults, made by the suite: `python -m tests.faults.table` writes `docs/faults.md` from its marks.

With `--check` it writes nothing, says what is out of step, and ends with 1.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.faults.cases import CLASSES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "faults.md"

INTRODUCTION = """# Faults

What goes wrong in front of, behind and below the gateway, what is promised then, and the test that shows it. The suite
makes this page from its own marks: a case without a test, or a test that the page does not name, fails the build.

    python -m pytest tests/faults          # the suite
    python -m tests.faults.table           # this page again

Tests use real sockets, real processes and real files; the provider is a script of bytes, pauses and resets
(`tests/support/upstream.py`).
"""


class Marks:
    """A plugin that keeps which test shows which case."""

    def __init__(self) -> None:
        self.tests: dict[tuple[str, str], dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
        self.open: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("fault"):
                group, case = mark.args
                path, _, name = item.nodeid.partition("::")
                place = f"{path.removeprefix('tests/')}::{name.partition('[')[0].replace('::', '.')}"
                variants = self.tests[group, case][place]
                if "variant" in mark.kwargs:
                    variants[mark.kwargs["variant"]] = None
                expected = item.get_closest_marker("xfail")
                if expected is not None:
                    self.open[group, case].setdefault(str(expected.kwargs["reason"]))


def collect() -> Marks:
    """Ask pytest which tests there are; runs none of them."""
    marks = Marks()
    options = f"--collect-only -qq -p no:cacheprovider -n 0 --assert plain --rootdir {ROOT}"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = pytest.main([*options.split(), *map(str, _marked_files())], plugins=[marks])
    assert status == pytest.ExitCode.OK, said.getvalue()
    return marks


def _marked_files() -> list[Path]:
    """The files that speak of faults: importing the others would take most of the time."""
    marks = re.compile(r"\bmark\.fault\(|\bfaults import .*\bcase\b")
    return [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if marks.search(path.read_text("utf-8"))]


def problems(marks: Marks) -> list[str]:
    """Cases without a test, and marks that name no case."""
    known = {(group, case) for group, one in CLASSES.items() for case in one.promises}
    untested = [f"{group}: {case!r} has no test" for group, case in sorted(known - set(marks.tests))]
    return untested + [f"{group}: {case!r} is no case" for group, case in sorted(set(marks.tests) - known)]


def page(marks: Marks) -> str:
    """The page."""
    lines = [INTRODUCTION]
    for group, one in CLASSES.items():
        lines += [f"## {one.title}", "", one.always, "", "| case | promise | shown by |", "|---|---|---|"]
        for case, promise in one.promises.items():
            open_points = "".join(f"; **not yet: {_cell(reason)}**" for reason in marks.open[group, case])
            lines.append(f"| {_cell(case)} | {_cell(promise)}{open_points} | {_tests(marks.tests[group, case])} |")
        lines.append("")
    n_cases = sum(len(one.promises) for one in CLASSES.values())
    n_tests = len({test for tests in marks.tests.values() for test in tests})
    lines.append(f"{n_cases} cases, {n_tests} test functions.")
    return "\n".join(lines) + "\n"


def _tests(places: dict[str, dict[str, None]]) -> str:
    by_file: dict[str, list[str]] = defaultdict(list)
    for place, variants in places.items():
        path, _, name = place.partition("::")
        by_file[path].append(re.sub(r"\btest_", "", name) + (f" ({', '.join(variants)})" if variants else ""))
    return "<br>".join(f"`{path}`: {', '.join(names)}" for path, names in by_file.items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    marks = collect()
    found = problems(marks)
    if "--check" not in arguments:
        PAGE.write_text(page(marks), "utf-8")
    elif not PAGE.is_file() or PAGE.read_text("utf-8") != page(marks):
        found.append("docs/faults.md is out of step: python -m tests.faults.table")
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
