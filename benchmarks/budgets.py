"""Does a budget hold, and what does holding it cost? By `python -m benchmarks.budgets [--usd 20]`.

Eight processes with 25 callers each spend one key's budget as fast as they can: every call reserves its worst case and
is settled at a random part of it. Overrun is what was spent beyond the budget. The reference does the same with what
people use instead, a table in SQLite (WAL, `BEGIN IMMEDIATE`), in the same run. CPU is that of one process alone, per
call: to know the key, to admit, to make the header lines, and to settle; then with a limit of requests as well. It
exits with 1 where the overrun is not 0, where what the callers wrote down is not what the book says, or where calls
were refused that the budget would have carried.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Protocol

import msgspec

from freehold.errors import BudgetExhausted
from freehold.gateway.callers import Admission, Callers, Claim
from freehold.gateway.callers.spending import spending
from freehold.registry.store import Registry
from freehold.settings import Settings
from freehold.vocabulary import NANO_USD, Budget, Usage, VirtualKey

PROCESSES = 8
CALLERS = 25
WORST_TOKENS = 200
NANO_PER_TOKEN = 10_000
_HEADERS = [
    (b"host", b"127.0.0.1:8080"),
    (b"user-agent", b"OpenAI/Python 2.0"),
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"x-stainless-lang", b"python"),
    (b"x-stainless-os", b"Linux"),
]


class Exhausted(Exception):
    """The budget does not carry a call; `args[0]`: for good."""


class Account(Protocol):
    """Whatever keeps a budget."""

    def admit(self, tokens: int) -> Any:
        """Reserve. Raises Exhausted."""

    def settle(self, held: Any, tokens: int) -> None:
        """Settle at what was used."""


class Ours:
    """The gateway's book, with everything that a call needs of it."""

    def __init__(self, home: Path, key: str) -> None:
        self.callers = Callers(home, _settings())
        self.callers.prepare()
        self.headers = [*_HEADERS, (b"authorization", b"Bearer " + key.encode())]

    def admit(self, tokens: int) -> Admission:
        """Know the key, and reserve."""
        caller = self.callers.identify(self.headers)
        assert caller is not None
        try:
            return self.callers.admit(caller, Claim("openai.chat", "m", (("up", "m"),), "", 0, tokens))
        except BudgetExhausted as error:
            raise Exhausted(b"x-should-retry" in error.lines) from None

    def settle(self, held: Admission, tokens: int) -> None:
        """Settle."""
        held.settle(Usage(output_tokens=tokens), "up", "m")


class InSqlite:
    """The same account as a row in a database."""

    def __init__(self, home: Path, limit: int) -> None:
        self.limit = limit
        self.db = sqlite3.connect(home / "budget.db", isolation_level=None, timeout=60)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")

    def make(self) -> None:
        """Make the table."""
        self.db.execute("CREATE TABLE budget (key TEXT PRIMARY KEY, spent INTEGER, reserved INTEGER)")
        self.db.execute("INSERT INTO budget VALUES ('k', 0, 0)")

    def admit(self, tokens: int) -> int:
        """Reserve."""
        amount = tokens * NANO_PER_TOKEN
        self.db.execute("BEGIN IMMEDIATE")
        spent, reserved = self.db.execute("SELECT spent, reserved FROM budget WHERE key = 'k'").fetchone()
        if spent + reserved + amount > self.limit:
            self.db.execute("ROLLBACK")
            raise Exhausted(spent + amount > self.limit)
        self.db.execute("UPDATE budget SET reserved = reserved + ? WHERE key = 'k'", (amount,))
        self.db.execute("COMMIT")
        return amount

    def settle(self, held: int, tokens: int) -> None:
        """Settle."""
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute(
            "UPDATE budget SET reserved = reserved - ?, spent = spent + ? WHERE key = 'k'",
            (held, tokens * NANO_PER_TOKEN),
        )
        self.db.execute("COMMIT")


def _settings() -> Settings:
    price = {"input_usd_per_mtok": "1", "output_usd_per_mtok": str(NANO_PER_TOKEN // 1000)}
    return msgspec.convert({"prices": {"up/m": price}, "providers": {"up": {"kind": "openai"}}}, Settings)


def spend(account: Account, seed: int) -> tuple[int, int]:
    """Let callers in and out until the budget is used up; calls and nanodollars."""
    rng = random.Random(seed)
    under_way: list[tuple[Any, int]] = []
    calls = spent = 0
    over = False
    while not over or under_way:
        if not over and len(under_way) < CALLERS and (not under_way or rng.random() < 0.7):
            tokens = rng.randint(1, WORST_TOKENS)
            try:
                under_way.append((account.admit(tokens), tokens))
                calls += 1
            except Exhausted as refused:
                over = refused.args[0]
                if not over:
                    time.sleep(0.0002)
            continue
        held, reserved = under_way.pop(rng.randrange(len(under_way)))
        used = rng.randint(0, reserved)
        account.settle(held, used)
        spent += used * NANO_PER_TOKEN
    return calls, spent


def _process(
    make: Callable[..., Account], arguments: tuple[Any, ...], seed: int, start: Barrier, out: Queue[Any]
) -> None:
    account = make(*arguments)
    start.wait()
    began = time.perf_counter()
    calls, spent = spend(account, seed)
    out.put((calls, spent, time.perf_counter() - began))


def together(make: Callable[..., Account], *arguments: Any) -> dict[str, float]:
    """All processes on one budget: calls, what they say they spent, and calls a second."""
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=_process, args=(make, arguments, n, start, out)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    results = [out.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    calls = sum(one[0] for one in results)
    return {"calls": calls, "spent": sum(one[1] for one in results), "rate": calls / max(one[2] for one in results)}


def alone(account: Account, rounds: int) -> float:
    """CPU of one process per admitted and settled call, in microseconds: the best of five."""
    best = 0.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(rounds):
            account.settle(account.admit(100), 50)
        us = (time.process_time() - began) / rounds * 1e6
        best = min(best or us, us)
    return best


def make_key(home: Path, name: str, usd: int, rpm: int) -> str:
    with Registry(home, Settings()) as registry:
        limits = {"budget": Budget(usd * NANO_USD, "total"), "rpm": rpm}
        return registry.add_virtual_key(VirtualKey("", name, "", "", **limits), by="benchmark")[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--usd", type=int, default=20, help="the budget; a call costs at most 0.2 cents")
    limit = parser.parse_args().usd * NANO_USD
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ours = together(Ours, home, make_key(home, "shared", limit // NANO_USD, 0))
        with Registry(home, Settings()) as registry:
            keys = registry.virtual_keys()
        booked = int(spending(home, keys, time.time_ns())[keys[0].id].spent * NANO_USD)
        InSqlite(home, limit).make()
        theirs = together(InSqlite, home, limit)
        plain_us = alone(Ours(home, make_key(home, "alone", 10**6, 0)), 20_000)
        limited_us = alone(Ours(home, make_key(home, "limited", 10**6, 10**9)), 20_000)
        sqlite_us = alone(InSqlite(home, 2**60), 2_000)
    overrun = max(0, booked - limit)
    unused = limit - booked
    print(f"{'':22}{'calls':>9}{'calls/s':>10}{'CPU us/call':>13}{'overrun':>9}")
    print(f"{'book':22}{ours['calls']:9}{ours['rate']:10,.0f}{plain_us:13.1f}{overrun / NANO_USD:9.4f}")
    print(f"{'book, and a limit':22}{'':9}{'':10}{limited_us:13.1f}")
    over = max(0, int(theirs["spent"]) - limit) / NANO_USD
    print(f"{'SQLite':22}{theirs['calls']:9}{theirs['rate']:10,.0f}{sqlite_us:13.1f}{over:9.4f}")
    holds = overrun == 0 and booked == ours["spent"] and unused < WORST_TOKENS * NANO_PER_TOKEN
    figures = {
        "processes": PROCESSES,
        "callers": PROCESSES * CALLERS,
        "calls": ours["calls"],
        "overrun_usd": overrun / NANO_USD,
        "unused_usd": unused / NANO_USD,
        "calls_per_s": round(ours["rate"]),
        "cpu_us_per_call": round(plain_us, 2),
        "cpu_us_per_call_with_limit": round(limited_us, 2),
    }
    reference = {"sqlite_cpu_us_per_call": round(sqlite_us, 2), "sqlite_calls_per_s": round(theirs["rate"])}
    ratio = round(limited_us / sqlite_us, 4)
    print(
        json.dumps({"benchmark": "budgets", "figures": figures, "reference": reference, "ratio": ratio, "holds": holds})
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
