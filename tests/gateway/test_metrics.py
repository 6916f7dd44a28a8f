"""What is counted stays counted: valid to a scraper, exact to the last call, summed over processes that come and go."""

import json
import os
import signal
from collections import Counter as Tally
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.support.clock import Clock
from tests.support.gateway import connect, read_response, renting_from, request_bytes, running
from tests.support.prometheus import parse
from tests.support.upstream import Upstream, chat, http, send, stream

from freehold.gateway._cells import Board
from freehold.gateway._counters import MOST_SERIES
from freehold.gateway.metrics import HELP, Metrics
from freehold.gateway.resilience.health import Health
from freehold.gateway.resilience.policy import LIVE, Policy, TargetName
from freehold.vocabulary import Call, Leg, Usage

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def call(**changes):
    given = {"id": "c", "started_at_us": 1, "latency_ms": 40.0, "provider": "p", "model": "m"}
    return Call(**(given | {"request": b"", "response": b""} | changes))


def total(samples, name):
    return sum(value for (found, _), value in samples.items() if found == name)


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT, st.integers(100, 599), st.floats(0, 1e4)), max_size=20))
def test_whatever_the_labels_hold_a_scraper_reads_the_same(calls):
    metrics = Metrics()
    for task, outcome, status, seconds in calls:
        metrics.ended(call(owner="rented", outcome=outcome, status=status, latency_ms=seconds * 1000), task)
    samples = parse(metrics.text())
    counted = Tally((task, outcome, str(status)) for task, outcome, status, _ in calls)
    found = {
        (labels["task"], labels["outcome"], labels["status"]): value
        for (name, pairs), value in samples.items()
        if name == "freehold_calls_total" and (labels := dict(pairs))
    }
    assert found == counted
    if calls:
        assert samples["freehold_call_duration_seconds_count", (("owner", "rented"),)] == len(calls)


def test_every_metric_is_valid_and_has_a_type():
    metrics = Metrics()
    usage = Usage(10, 20, 30, 40, 5)
    leg = Leg("serve", "rented", "p", "m-1", "ok", usage=usage)
    metrics.ended(call(legs=(leg, leg), ttft_ms=12.0, streamed=True, owner="rented"), "triage")
    for counter in (metrics.attempts,):
        counter.add(("p", "serve", "ok"))
    metrics.owned.add(("t", "sure"))
    metrics.audits.add(("t", "agrees"))
    metrics.refused.add("bad_request")
    metrics.demotions.add("t")
    health = Health(Policy(), Clock(), Random(1))
    health.begin((TargetName("p", "m-1"),), LIVE)
    ledger_and_routes = [("freehold_ledger_pending", (), 3), ("freehold_routes_version", (), 7)]
    samples = parse(metrics.text([*ledger_and_routes, *health.samples()]))
    tokens = {dict(labels)["kind"]: n for (name, labels), n in samples.items() if name == "freehold_tokens_total"}
    assert tokens == {"input": 20, "cache_read": 40, "cache_write": 60, "output": 80}
    assert total(samples, "freehold_reasoning_tokens_total") == 10
    assert samples["freehold_time_to_first_token_seconds_count", (("owner", "rented"),)] == 1
    assert {name for name, _ in samples} >= {
        n for n, (kind, _) in HELP.items() if kind == "gauge" and "ledger" not in n
    }


def test_a_count_is_shown_to_its_last_digit():
    metrics = Metrics()
    metrics.attempts.add(("p", "serve", "ok"), 123_456_789)
    assert b"} 123456789\n" in metrics.text()


def test_names_that_a_client_makes_up_do_not_fill_the_memory():
    metrics = Metrics()
    for number in range(3 * MOST_SERIES):
        metrics.refused.add(f"code-{number}")
    shown = {dict(k[1])["code"]: n for k, n in parse(metrics.text()).items() if k[0].startswith("freehold_refused")}
    assert len(shown) == MOST_SERIES + 1
    assert shown["other"] == 2 * MOST_SERIES
    assert metrics.refused["code-1"] == 1


def test_a_gauge_whose_label_changed_is_shown_once():
    metrics = Metrics()
    full = [("freehold_ledger_healthy", (("error", "full"),), 0.0)]
    well = [("freehold_ledger_healthy", (("error", ""),), 1.0)]
    for readings in (full, well, full):
        shown = {labels: v for (name, labels), v in parse(metrics.text(readings)).items() if "healthy" in name}
        assert shown == {readings[0][1]: readings[0][2]}


def in_a_child(work):
    """Run something in a process that is killed right after it."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_what_a_killed_process_counted_stays_and_is_counted_on_by_the_next():
    board = Board(2)
    here = Metrics(board, 0)
    here.attempts.add(("p", "serve", "ok"), 10)

    def there():
        mine = Metrics(board, 1)
        mine.attempts.add(("p", "serve", "ok"))
        mine.began()
        mine.ended(call(owner="owned", latency_ms=200.0), "t")
        mine.read([("freehold_ledger_written_total", (), 5)])

    for lives in (1, 2, 3):
        in_a_child(there)
        samples = parse(here.text())
        assert total(samples, "freehold_upstream_attempts_total") == 10 + lives
        assert total(samples, "freehold_calls_total") == lives
        assert total(samples, "freehold_ledger_written_total") == 5 * lives
        assert samples["freehold_call_duration_seconds_sum", (("owner", "owned"),)] == pytest.approx(0.2 * lives)
        assert samples["freehold_calls_in_flight", ()] == 1, "not yet known to be dead"
        board.slots[1].living = False
        samples = parse(here.text())
        assert samples["freehold_calls_in_flight", ()] == 0
        assert samples["freehold_gateway_workers", ()] == 1


def test_a_gateway_counts_the_tokens_of_what_it_rents(tmp_path):
    with Upstream() as up, running(renting_from(up.url), tmp_path) as gateway:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        for extra, answer in (({}, http(200, chat())), ({"stream": True}, stream("a", "b"))):
            up.play(send(answer))
            with connect(gateway.port) as sock:
                sock.sendall(request_bytes(json.dumps(body | extra).encode()))
                assert read_response(sock)[0] == 200
        gateway.ledger.wait(2)
        with connect(gateway.port) as sock:
            sock.sendall(request_bytes(b"", path="/metrics", method="GET"))
            samples = parse(read_response(sock)[2])
    tokens = Tally()
    for (name, labels), n in samples.items():
        if name == "freehold_tokens_total":
            tokens[dict(labels)["kind"]] += n
    assert tokens == {"input": 22, "output": 14}
    assert samples["freehold_time_to_first_token_seconds_count", (("owner", "rented"),)] == 1, "of the stream alone"
    assert (
        samples["freehold_upstream_attempts_total", (("provider", "up"), ("purpose", "serve"), ("outcome", "ok"))] == 2
    )


class Fleet(RuleBasedStateMachine):
    """Processes that count, die and come back, asked one after another: no counter ever falls, none is lost."""

    @initialize(slots=st.integers(1, 4))
    def start(self, slots):
        self.board = Board(slots)
        self.alive = {slot: Metrics(self.board, slot) for slot in range(slots)}
        self.written = dict.fromkeys(range(slots), 0)
        self.counted = self.ledger_seen = 0
        self.before = {}

    @rule(slot=st.integers(0, 3), n=st.integers(1, 5), task=st.sampled_from("abc"))
    def count(self, slot, n, task):
        if slot in self.alive:
            for _ in range(n):
                self.alive[slot].ended(call(owner="rented"), task)
            self.counted += n
            self.written[slot] += n

    @rule(slot=st.integers(0, 3))
    def die(self, slot):
        if self.alive.pop(slot, None) is not None:
            self.board.slots[slot].living = False

    @rule(slot=st.integers(0, 3))
    def come_back(self, slot):
        if slot < len(self.board.slots) and slot not in self.alive:
            self.alive[slot] = Metrics(self.board, slot)
            self.written[slot] = 0

    @rule(slot=st.integers(0, 3))
    def ask(self, slot):
        if slot not in self.alive:
            return
        readings = [("freehold_ledger_written_total", (), self.written[slot])]
        samples = parse(self.alive[slot].text(readings))
        assert total(samples, "freehold_calls_total") == self.counted
        assert samples["freehold_gateway_workers", ()] == len(self.alive)
        assert total(samples, "freehold_ledger_written_total") <= self.counted
        falling = {k for k, v in self.before.items() if samples.get(k, -1) < v}
        assert not falling
        self.before = {k: v for k, v in samples.items() if HELP.get(k[0], ("histogram",))[0] != "gauge"}

    @invariant()
    def nobody_counts_for_another(self):
        for slot, metrics in self.alive.items():
            assert metrics.in_flight == 0, slot


TestFleet = Fleet.TestCase
