"""A home as version 0.1 left it, when calls had no key and no reason, and nothing could be paused.

`home-0.1.tar.xz` was written by that version: calls 0 to 19 sealed, 20 to 39 in a closed hot file, 40 to 59 in an open
one of a process that still lives elsewhere (their times have no gap), gold attached to call 1, and a registry with the
tasks `triage` (student s1 on stage full) and `booking`. Never make it anew: that it is old is the point.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

_PACKED = Path(__file__).resolve().parents[1] / "fixtures" / "home-0.1.tar.xz"
CALLS = 60


def older_home(folder: Path) -> Path:
    """Unpack it into a folder."""
    with tarfile.open(_PACKED) as tar:
        tar.extractall(folder, filter="data")
    return folder
