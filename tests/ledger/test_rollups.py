"""A rollup says what counting the calls says, wherever they stand, and goes on saying it while they move."""

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from genai_prices import data as prices
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.ledger_calls import make_call
from tests.support.older_home import CALLS, older_home

from freehold.errors import LedgerUnavailable, UsageError
from freehold.ledger import Ledger
from freehold.ledger._rollups import PROMPT_BANDS, RECIPE, RELATIVE_ERROR, TABLES, bucket_ms
from freehold.ledger.writer import LedgerWriter
from freehold.services import housekeeping
from freehold.settings import LedgerSettings
from freehold.vocabulary import COUNTS, Call, Leg, Usage, reasons

HALF_HOUR, HOUR, DAY = 1_800_000_000, 3_600_000_000, 86_400_000_000
START = 1_790_000_000_000_000 // DAY * DAY
SERVING = {"serve", "escalate", "fallback", "hedge"}
Row = tuple[Any, ...]

WORDS = st.sampled_from(["", "a", "b ö", "it's"])
USAGES = st.none() | st.builds(
    Usage,
    input_tokens=st.sampled_from([0, 7, 150_000, 200_000, 200_001]),
    cache_read_tokens=st.integers(0, 9),
    output_tokens=st.integers(0, 9),
    cache_write_1h_tokens=st.integers(0, 2),
    estimated=st.booleans(),
    service_tier=st.sampled_from(["", "flex"]),
)
LEGS = st.builds(
    Leg,
    purpose=st.sampled_from(["serve", "escalate", "fallback", "hedge", "audit", "shadow"]),
    owner=st.sampled_from(["owned", "rented"]),
    provider=WORDS,
    model=WORDS,
    outcome=st.sampled_from(["ok", "error", "cancelled"]),
    usage=USAGES,
    error=WORDS,
)
PARTS = st.fixed_dictionaries(
    {
        "started_at_us": st.integers(0, 2 * DAY).map(lambda us: START + us),
        "latency_ms": st.sampled_from([0.0, 0.5, 12.5, 900.0, 3e5]),
        "ttft_ms": st.none() | st.sampled_from([0.0, 0.25]),
        "provider": WORDS,
        "model": WORDS,
        "outcome": st.sampled_from(["ok", "error", "cancelled"]),
        "status": st.sampled_from([200, 500]),
        "owner": st.sampled_from(["owned", "rented", "none"]),
        "usage": USAGES,
        "streamed": st.booleans(),
        "task": WORDS,
        "template": WORDS,
        "legs": st.lists(LEGS, max_size=3).map(tuple),
        "tags": st.dictionaries(st.sampled_from(["team", "feature", "end_user", "x"]), WORDS, max_size=3),
        "error": WORDS,
        "key": WORDS,
        "reason": st.sampled_from(["", reasons.CACHE_HIT]),
    }
)


def moment(us: int, step: int) -> datetime:
    return datetime.fromtimestamp(us // step * step / 1e6, UTC).replace(tzinfo=None)


def who(call: Call) -> Row:
    return (call.task, call.template, "", call.key, call.tags.get("team", ""), call.tags.get("feature", ""))


def counts(usage: Usage | None) -> list[int]:
    return [0 if usage is None else getattr(usage, name) for name in COUNTS]


def summed(pairs: Iterable[tuple[Row, Sequence[float]]]) -> list[Row]:
    sums: dict[Row, list[float]] = {}
    for group, values in pairs:
        so_far = sums.setdefault(group, [0] * len(values))
        sums[group] = [a + b for a, b in zip(so_far, values, strict=True)]
    return sorted((*group, *values) for group, values in sums.items())


def attempts(call: Call) -> list[tuple[Leg, str, Usage | None]]:
    """Each attempt with the model that was asked for and its tokens; written after `services.explaining`."""
    if not call.legs:
        if call.owner == "none" or call.reason == reasons.CACHE_HIT:
            return []
        leg = Leg("serve", call.owner, call.provider, call.model, call.outcome, usage=call.usage, error=call.error)
        return [(leg, call.model, call.usage)]
    numbers = [n for n, leg in enumerate(call.legs) if leg.purpose in SERVING and leg.owner == call.owner]
    alike = [n for n in numbers if call.legs[n].outcome == call.outcome]
    answering = max(alike or numbers, default=None)
    return [
        (
            leg,
            call.model if leg.provider == call.provider else leg.model,
            call.usage if n == answering and call.usage is not None else leg.usage,
        )
        for n, leg in enumerate(call.legs)
    ]


def priced(leg: Leg, asked: str, usage: Usage | None) -> Row:
    over = max((start for start in PROMPT_BANDS if usage is not None and usage.prompt_tokens > start), default=0)
    tier, estimated = ("", False) if usage is None else (usage.service_tier, usage.estimated)
    return (leg.provider, asked, leg.model, leg.purpose, leg.owner, tier, over, estimated)


def recounted(name: str, calls: Sequence[Call]) -> list[Row]:
    match name:
        case "calls":
            return summed(
                (
                    (
                        moment(c.started_at_us, HALF_HOUR),
                        *who(c),
                        c.provider,
                        c.model,
                        c.owner,
                        c.outcome,
                        c.error,
                        c.status,
                        c.reason,
                        c.dialect,
                        c.streamed,
                        c.source,
                    ),
                    (1, c.usage is None, c.usage is not None and c.usage.estimated, c.latency_ms, *counts(c.usage)),
                )
                for c in calls
            )
        case "attempts":
            return summed(
                (
                    (moment(c.started_at_us, HALF_HOUR), *who(c), *priced(*one), one[0].outcome, one[0].error),
                    (1, one[2] is None, *counts(one[2])),
                )
                for c in calls
                for one in attempts(c)
            )
        case _:
            return summed(
                (
                    (moment(c.started_at_us, DAY), c.tags.get("end_user", ""), *priced(*one), one[0].outcome),
                    (1, one[2] is None, *counts(one[2])),
                )
                for c in calls
                for one in attempts(c)
            )


def asked(ledger: Ledger, name: str) -> list[Row]:
    table = TABLES[name]
    return sorted(ledger.rollup(name, (table.time, *table.dimensions)).rows)


def check_all(ledger: Ledger, calls: Sequence[Call]) -> None:
    for name in ("calls", "attempts", "users"):
        expected = recounted(name, calls)
        assert asked(ledger, name) == expected
    check_latency(ledger, calls)
    buckets = ledger.rollup("latency", ("phase", "bucket")).rows
    assert sum(n for phase, _, n in buckets if phase == "total") == len(calls)
    values = [bucket_ms(bucket) for phase, bucket, _ in buckets if phase == "total"]
    assert all(min(abs(value - c.latency_ms) for value in values) <= RELATIVE_ERROR * c.latency_ms for c in calls)


def check_latency(ledger: Ledger, calls: Sequence[Call]) -> None:
    """Every quantile lies as near to the value of its rank as is promised."""
    times: dict[Row, list[float]] = defaultdict(list)
    for call in calls:
        hour = moment(call.started_at_us, HOUR)
        times[hour, call.model, "total"].append(call.latency_ms)
        if call.ttft_ms is not None:
            times[hour, call.model, "first_token"].append(call.ttft_ms)
            times[hour, call.model, "generation"].append(call.latency_ms - call.ttft_ms)
    found = ledger.rollup("latency", ("hour", "model", "phase"), quantiles=(0, 0.5, 0.99, 1))
    assert found.columns == ("hour", "model", "phase", "n", "p0_ms", "p50_ms", "p99_ms", "p100_ms")
    assert {row[:3]: row[3] for row in found.rows} == {group: len(some) for group, some in times.items()}
    for row in found.rows:
        values = sorted(max(0.0, value) for value in times[row[:3]])
        for quantile, value in zip((0, 0.5, 0.99, 1), row[4:], strict=True):
            exact = values[math.floor(quantile * (len(values) - 1))]
            assert value == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-9)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["append", "write", "seal", "ask", "new"]), st.lists(PARTS, max_size=12))))
def test_a_rollup_is_what_counting_gives(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[dict[str, Any]]]]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("home"))
    calls: list[Call] = []
    with LedgerWriter(ledger.home, LedgerSettings(rotate_rows=10)) as writer:
        for step, parts in steps:
            fresh = [make_call(len(calls) + n, **{"gold": None, **fields}) for n, fields in enumerate(parts)]
            match step:
                case "append":
                    ledger.append(fresh)
                case "write":
                    for call in fresh:
                        assert writer.offer(call)
                    assert writer.flush()
                case _:
                    fresh = []
                    if step == "seal":
                        ledger.seal(remove_after_s=0)
                    elif step == "new":
                        ledger = Ledger(ledger.home)
                    else:
                        assert asked(ledger, "calls") == recounted("calls", calls)
            calls += fresh
        check_all(ledger, calls)
    ledger.seal(remove_after_s=0)
    check_all(ledger, calls)
    check_all(Ledger(ledger.home), calls)


def test_by_time_and_of_some_values(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    calls = [make_call(n, started_at_us=START + n * HALF_HOUR, model="xyz"[n % 3]) for n in range(96)]
    ledger.append(calls[:50])
    ledger.seal(remove_after_s=0)
    ledger.append(calls[50:])
    found = ledger.rollup("calls", ("day", "model"), since_us=START + HOUR, where={"model": ["x", "y"]})
    assert found.columns[:3] == ("day", "model", "calls")
    expected = Counter((moment(c.started_at_us, DAY), c.model) for c in calls[2:] if c.model != "z")
    assert {row[:2]: row[2] for row in found.rows} == expected
    assert ledger.rollup("calls", until_us=START + DAY).rows[0][0] == 48
    assert [row[0].day for row in ledger.rollup("calls", ["month"]).rows] == [1]


@pytest.mark.parametrize(
    ("table", "by", "since_us"),
    [
        ("bills", (), 0),
        ("calls", ("colour",), 0),
        ("users", ("hour",), 0),
        ("calls", ("bucket",), 0),
        ("calls", (), 1),
    ],
)
def test_what_a_rollup_cannot_tell_is_refused(tmp_path: Path, table: str, by: tuple[str, ...], since_us: int) -> None:
    with pytest.raises(UsageError):
        Ledger(tmp_path).rollup(table, by, since_us=since_us)


def test_an_empty_ledger_and_one_of_the_first_version(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "none").rollup("calls", ("task",)).rows == ()
    assert not (tmp_path / "none").exists()
    ledger = Ledger(older_home(tmp_path))
    assert ledger.rollup("calls").rows[0][0] == CALLS
    assert ledger.rollup("attempts").rows[0][0] > 0


def test_rare_values_are_counted_together(tmp_path: Path) -> None:
    """Whoever puts a user's name into a feature gets no table as long as the calls."""
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n, legs=(), tags={"feature": str(max(n, 99)), "end_user": str(n)}) for n in range(1500))
    ledger.seal(remove_after_s=0)
    found = ledger.rollup("calls", ("feature",)).rows
    assert len(found) == 501
    assert sum(row[1] for row in found) == 1500
    assert ("99", 100) in [row[:2] for row in found]
    users = {row[0]: row[1] for row in ledger.rollup("users", ("end_user",)).rows}
    assert len(users) == 1001
    assert sum(users.values()) == sum(row[1] for row in ledger.rollup("attempts", ("owner",)).rows)


def test_a_rollup_that_is_lost_or_damaged_is_made_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(50))
    ledger.seal(remove_after_s=0)
    assert ledger.rollup("calls").rows[0][0] == 50
    (path,) = (tmp_path / "ledger/rollups").glob("*/*/calls.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    assert Ledger(tmp_path).rollup("calls").rows[0][0] == 50
    for one in path.parent.iterdir():
        one.unlink()
    path.parent.rmdir()
    assert Ledger(tmp_path).rollup("calls").rows[0][0] == 50


def test_they_can_be_made_before_anybody_asks(tmp_path: Path) -> None:
    ledger = Ledger(older_home(tmp_path))
    assert ledger.sum_up() == len(ledger._manifest.listing().segments) > 0
    assert ledger.sum_up() == 0
    assert ledger.rollup("calls").rows[0][0] == CALLS
    assert housekeeping.once(ledger.home, "sum up")


def test_rollups_of_replaced_segments_go_with_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for first in range(0, 160, 10):
        ledger.append(make_call(n) for n in range(first, first + 10))
        ledger.seal(remove_after_s=0)
        assert ledger.rollup("calls").rows[0][0] == first + 10
    ledger.seal(remove_after_s=0)
    assert ledger.rollup("calls").rows[0][0] == 160
    ledger.seal(remove_after_s=0)
    assert len(list((tmp_path / f"ledger/rollups/{RECIPE}").iterdir())) == len(ledger._manifest.listing().segments)


def test_a_home_that_cannot_be_written_is_told_all_the_same(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(make_call(n) for n in range(50))
    ledger.seal(remove_after_s=0)
    (tmp_path / "ledger/rollups").write_text("a file where a folder should be", encoding="utf-8")
    assert ledger.rollup("calls").rows[0][0] == 50
    assert ("total", 50) in [row[:2] for row in ledger.rollup("latency").rows]


def test_every_catalogue_changes_its_prices_at_a_known_size() -> None:
    starts = set[int]()
    for provider in prices.providers:
        for model in provider.models:
            for one in model.prices if isinstance(model.prices, list) else [model.prices]:
                price = getattr(one, "prices", one)
                for name in ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok"):
                    starts |= {tier.start for tier in getattr(getattr(price, name, None), "tiers", ())}
    assert starts <= set(PROMPT_BANDS)


@pytest.mark.fault("host", "two processes on one store")
@pytest.mark.slow
def test_totals_are_never_wrong_beside_a_writer_and_a_sealer(tmp_path: Path) -> None:
    ledger, stop = Ledger(tmp_path), threading.Event()
    with LedgerWriter(tmp_path, LedgerSettings(rotate_rows=100)) as writer:

        def produce() -> None:
            """For some seconds; where reads are slow they would have ever more to read."""
            for n in range(6_000):
                if n % 40 == 0 and stop.wait(0.02):
                    break
                writer.offer(make_call(n))

        def seal() -> None:
            other = Ledger(tmp_path)
            while not stop.wait(0.05):
                with suppress(LedgerUnavailable):
                    other.seal(remove_after_s=0)

        threads = [threading.Thread(target=produce), threading.Thread(target=seal)]
        for thread in threads:
            thread.start()
        try:
            seen = reads = 0
            while reads < 15:
                written = writer.health().written
                with suppress(LedgerUnavailable):  # said loudly, when files go again and again midway
                    total = ledger.rollup("calls").rows[0][0] or 0
                    assert max(seen, written) <= total
                    seen = total
                reads += 1
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert writer.flush()
        written = writer.health().written
        assert ledger.rollup("calls").rows[0][0] == written
    ledger.seal(remove_after_s=0)
    assert ledger.rollup("calls").rows[0][0] == written == ledger.count()
