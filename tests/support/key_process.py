"""One gateway process's worth of callers on one key: `python -m tests.support.key_process HOME KEY SEED CALLERS`.

The clock stands still, so that limits per minute do not fill again.

Says "ready", waits for a line, then lets its callers in and out at random until the budget is used up, and says after
each hundred calls how many there were. What each settled call cost is written, in nanodollars and after the fact, to a
file of its own. The last line is a JSON object.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

from tests.support import keys as support

from freehold.errors import BudgetExhausted, RateLimited
from freehold.gateway.callers import Admission, Callers

WORST_TOKENS = 200
"""The longest answer: at 10 dollars a million tokens, 0.2 cents."""


def main(home: Path, key: str, seed: int, at_once: int) -> None:
    rng = random.Random(seed)
    callers = Callers(home, support.PRICED, support.Clock())
    callers.prepare()
    caller = callers.identify(support.bearer(key))
    assert caller is not None
    log = os.open(home / f"settled-{seed}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    print("ready", flush=True)
    sys.stdin.readline()
    under_way: list[Admission] = []
    admitted = limited = 0
    refused = False
    while not refused or under_way:
        if not refused and len(under_way) < at_once and (not under_way or rng.random() < 0.6):
            try:
                under_way.append(callers.admit(caller, support.claim(output=rng.randint(1, WORST_TOKENS))))
                admitted += 1
                if admitted % 100 == 0:
                    print(admitted, flush=True)
            except RateLimited:
                limited += 1
                refused = limited >= 200
            except BudgetExhausted as error:
                refused = b"x-should-retry" in error.lines
                if not refused:
                    callers.refresh()  # finds those that were killed
                    time.sleep(0.0005)
            continue
        admission = under_way.pop(rng.randrange(len(under_way)))
        if rng.random() < 0.1:
            admission.release()
            continue
        tokens = rng.randint(0, admission._amount // 10_000)
        admission.settle(support.used(output=tokens), "up", "m")
        os.write(log, b"%d\n" % (tokens * 10_000))
    print(json.dumps({"admitted": admitted, "limited": limited}), flush=True)
    callers.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
