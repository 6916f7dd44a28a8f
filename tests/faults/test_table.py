"""The page of faults is in step with the suite."""

import os
import subprocess
import sys

from tests.faults.table import ROOT


def test_every_case_has_its_test_and_the_page_shows_them():
    command = [sys.executable, "-m", "tests.faults.table", "--check"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
