"""A loader of students that misbehave on request: what the worker is told to do stands in the first input."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from freehold.vocabulary import Answer

LOADER = "tests.support.puppets:load"


def _connection() -> int:
    return int(next(a for a in sys.argv if a.startswith("--fd=")).removeprefix("--fd="))


class Puppet:
    """Answers `card` with the confidence that the second input names, unless the first says otherwise."""

    def answer(self, inputs: tuple[str, ...]) -> Answer:
        match inputs[0]:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                threading.Event().wait()
            case "until":  # The file that the second input names is the event, because it crosses processes.
                while not Path(inputs[1]).exists():
                    time.sleep(0.005)
                return Answer("card", 0.1, 1.0)
            case "nap":  # longer than anybody waits, and not so long that it counts as hung
                time.sleep(0.6)
            case "hog":
                resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
                bytearray(2**40)
            case "garbage":
                os.write(_connection(), b"\xff" * 64)
            case "stray":
                os.write(_connection(), b"\x00\x00\x00\x0c\x93\xa6loaded\xce\x7f\xff\xff\xff"[:16])
            case "raise":
                raise RuntimeError("content of a call: " + inputs[1])
            case "nan":
                return Answer("card", float("nan"), float("inf"))
            case "environment":
                return Answer("card", float(inputs[1] in os.environ), 1.0)
            case _:
                pass
        text = inputs[0].removeprefix("say ") if inputs[0].startswith("say ") else "card"
        return Answer(text, float(inputs[1]) if len(inputs) > 1 else 1.0, 1.0)

    def answer_many(self, many: Sequence[tuple[str, ...]]) -> list[Answer]:
        return [self.answer(inputs) for inputs in many]


def load(_: Path) -> Puppet:
    return Puppet()


def load_nothing(_: Path) -> Puppet:
    raise RuntimeError("content of a bundle")
