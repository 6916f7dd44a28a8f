"""Memory that nothing lies in any more goes back to the system, also from between what is still in use."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import sys, time
from pathlib import Path
from freehold.services import _frugal

def weight_mb():
    lines = Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

if sys.argv[1] == "asked":
    _frugal.give_back(0.05)
blocks = [bytes([n % 256]) * 4000 for n in range(10_000)]
kept = blocks[::40]
full = weight_mb()
del blocks
until = time.monotonic() + (30 if sys.argv[1] == "asked" else 1)
while weight_mb() > full - 25 and time.monotonic() < until:
    time.sleep(0.02)
print(full - weight_mb() > 25)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no other allocator is asked")
@pytest.mark.parametrize(("asked", "given_back"), [("asked", "True"), ("not asked", "False")])
def test_holes_are_given_back(asked: str, given_back: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == given_back
