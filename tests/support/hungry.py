"""Trainers that run out of memory, for the processes that `freehold.services.owning` starts."""

from __future__ import annotations

import os
import signal

from freehold.services.owning import Owned, Wanted
from freehold.settings import Loaded


def own(_: Loaded, until_us: int | None, wanted: Wanted) -> Owned:
    """Stands for `owning._own`: a task named `hungry` meets the kernel's killer, every other one is owned at once."""
    if wanted.task_id == "hungry":
        os.kill(os.getpid(), signal.SIGKILL)
    return Owned(wanted.task_id, why_not=f"trained {wanted.task_id}")


def train(*_: object) -> None:
    """Stands for `training.train`: asks for more memory than it may have."""
    bytearray(2**60)
