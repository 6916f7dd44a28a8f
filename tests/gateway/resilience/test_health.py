"""Who may be asked now: permits, ejection, cooling, the last target, limits, the queue, what the metrics show."""

from random import Random

import pytest
from tests.support.clock import Clock

from freehold.errors import Overloaded
from freehold.gateway.metrics import HELP
from freehold.gateway.resilience._budget import RESERVE
from freehold.gateway.resilience.health import Health, No, Permit
from freehold.gateway.resilience.policy import AUDIT, HEDGE, LIVE, SHADOW, TEACHER, Policy, TargetName

A, B, A2 = TargetName("a", "m"), TargetName("b", "m"), TargetName("a", "other")


class Bench:
    """Health, their clock, and what the waiting were told."""

    def __init__(self, **policy):
        self.clock = Clock()
        self.health = Health(Policy(**policy), self.clock, Random(5))
        self.told = []

    def begin(self, *chain, priority=LIVE, **how):
        return self.health.begin(chain, priority, **how)

    def attempt(self, target, verdict, times=1, told_s=None):
        for _ in range(times):
            permit = self.begin(target)
            assert permit.target == target
            permit.done(verdict, 0.1, told_s)

    def wait(self, *chain, priority=LIVE):
        told, begin = self.told, self.begin

        class Waiter:
            def admitted(self):
                told.append(begin(*chain, priority=priority))

            def shed(self, error):
                told.append(error)

        return self.health.wait(chain, priority, Waiter())

    def ejected(self, target):
        return not self.health._states[target].breaker.closed

    def shown(self, name):
        return {labels: value for found, labels, value in self.health.samples() if found == name}


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def unejected():
    return Bench(eject_after=0)


def test_the_first_choice_is_asked_while_it_is_well(bench):
    assert bench.begin(A, B).target == A


def test_failures_eject_and_the_next_is_asked(bench):
    bench.attempt(A, "failed", 5)
    assert bench.ejected(A)
    assert bench.begin(A, B).target == B
    assert bench.shown("freehold_ejections_total") == {(("provider", "a"), ("model", ""), ("reason", "failed")): 1}


def test_models_of_a_provider_fail_by_themselves(bench):
    bench.attempt(A, "failed", 5)
    assert bench.begin(A2, B).target == A2


@pytest.mark.parametrize("verdict", ["refused", "cancelled", "hurried"])
def test_what_is_not_the_targets_doing_does_not_count(bench, verdict):
    bench.attempt(A, verdict, 500)
    assert not bench.ejected(A)
    assert bench.begin(A, B).target == A


def test_a_storm_of_leaving_clients_among_failures_closes_nothing_and_opens_nothing(bench):
    for _ in range(4):
        bench.attempt(A, "failed")
        bench.attempt(A, "cancelled", 50)
    assert bench.begin(A, B).target == A
    bench.attempt(A, "failed")
    assert bench.begin(A, B).target == B


def test_the_last_target_is_never_ejected(bench):
    for _ in range(100):
        bench.attempt(A, "failed")
    assert bench.begin(A).resort


def test_where_all_are_out_the_one_soonest_back_is_asked(bench):
    bench.attempt(A, "failed", 5)
    bench.attempt(B, "spent")
    permit = bench.begin(B, A)
    assert (permit.target, permit.resort) == (A, True)


def test_a_last_resort_that_answers_brings_its_target_back(bench):
    bench.attempt(A, "failed", 5)
    bench.begin(A).done("ok", 0.1)
    permit = bench.begin(A, B)
    assert (permit.target, permit.probe, permit.resort) == (A, False, False)


@pytest.mark.parametrize("priority", [HEDGE, SHADOW, AUDIT, TEACHER])
def test_nobody_goes_to_a_target_that_is_out_but_live_calls(bench, priority):
    bench.attempt(A, "failed", 5)
    assert bench.begin(A, priority=priority) is No.BARRED


def test_one_probe_at_a_time_and_a_good_one_brings_it_back(bench):
    bench.attempt(A, "failed", 5)
    bench.clock.ahead(6.1)
    probe = bench.begin(A, B)
    assert (probe.target, probe.probe) == (A, True)
    assert bench.begin(A, B).target == B
    probe.done("ok", 0.1)
    assert bench.begin(A, B).target == A


@pytest.mark.parametrize("verdict", ["refused", "limited"])
def test_a_probe_that_is_refused_shows_that_the_target_is_up(bench, verdict):
    bench.attempt(A, "failed", 5)
    bench.clock.ahead(6.1)
    bench.begin(A, B).done(verdict)
    assert not bench.ejected(A)


@pytest.mark.parametrize("verdict", ["cancelled", "hurried"])
def test_a_probe_without_evidence_makes_room_for_the_next(bench, verdict):
    bench.attempt(A, "failed", 5)
    bench.clock.ahead(6.1)
    bench.begin(A, B).done(verdict)
    assert bench.begin(A, B).probe


def test_a_bad_probe_ejects_for_longer(bench):
    bench.attempt(A, "failed", 5)
    bench.clock.ahead(6.1)
    bench.begin(A, B).done("failed")
    bench.clock.ahead(6.1)
    assert bench.begin(A, B).target == B
    bench.clock.ahead(6.1)
    assert bench.begin(A, B).probe


def test_the_first_byte_of_a_stream_is_a_good_probe(bench):
    bench.attempt(A, "failed", 5)
    bench.clock.ahead(6.1)
    probe = bench.begin(A, B, streamed=True)
    probe.first_byte(0.2)
    assert bench.begin(A, B).target == A
    probe.done("ok")


def test_what_was_sent_before_an_ejection_does_not_make_it_longer(bench):
    early = [bench.begin(A) for _ in range(50)]
    for permit in early:
        permit.done("failed")
    assert sum(bench.shown("freehold_ejections_total").values()) == 1
    bench.clock.ahead(6.1)
    assert bench.begin(A, B).probe


def test_a_limited_target_is_left_alone_as_long_as_it_says(bench):
    bench.attempt(A, "limited", told_s=7.0)
    assert bench.begin(A, B).target == B
    assert bench.health.rest_s(A) == 7.0
    bench.clock.ahead(7.0)
    permit = bench.begin(A, B)
    assert (permit.target, permit.probe) == (A, False)
    assert not bench.ejected(A)


def test_one_that_does_not_say_is_left_alone_longer_each_time(bench):
    waits = []
    for _ in range(8):
        bench.attempt(A, "limited")
        waits.append(bench.health.rest_s(A))
        bench.clock.ahead(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    bench.attempt(A, "ok")
    bench.attempt(A, "limited")
    assert bench.health.rest_s(A) == 1.0


def test_a_wait_without_end_ends(bench):
    bench.attempt(A, "limited", told_s=86_400.0)
    assert bench.health.rest_s(A) == 600.0


def test_no_credit_takes_a_target_out_for_minutes_at_once(bench):
    bench.attempt(A, "spent")
    assert bench.begin(A, B).target == B
    bench.clock.ahead(299.0)
    assert bench.begin(A, B).target == B
    bench.clock.ahead(2.0)
    assert bench.begin(A, B).probe


def test_an_attempt_elsewhere_is_free_and_at_the_same_provider_costs_a_retry(bench):
    assert bench.begin(B, asked={"a"}).target == B
    assert bench.shown("freehold_retries_total") == {}
    for _ in range(int(RESERVE)):
        assert bench.begin(A2, asked={"a"}).target == A2
    assert bench.begin(A2, asked={"a"}) is No.BARRED
    made, refused = (("provider", "a"), ("result", "made")), (("provider", "a"), ("result", "refused"))
    assert bench.shown("freehold_retries_total") == {made: RESERVE, refused: 2}


def test_the_gateways_limit_holds_over_all_targets_and_keeps_room_for_the_living():
    bench = Bench(max_in_flight=10)
    low = [bench.begin(one, priority=AUDIT) for one in [A, B] * 6]
    assert sum(isinstance(one, Permit) for one in low) == 8
    live = [bench.begin(A), bench.begin(B)]
    assert bench.begin(A, B) is No.FULL
    live[0].done("ok")
    assert bench.begin(A, B).target == A


def test_a_providers_own_limit_sends_calls_to_the_next_or_into_the_queue():
    bench = Bench(ceilings={"a": 2})
    first = [bench.begin(A, B) for _ in range(4)]
    assert [one.target for one in first] == [A, A, B, B]
    assert bench.begin(A) is No.FULL
    bench.wait(A)
    first[0].done("ok")
    assert bench.told[0].target == A


def test_signs_of_overload_cut_what_may_be_under_way(unejected):
    bench = unejected
    for _ in range(6):
        permits = [one for one in (bench.begin(A) for _ in range(40)) if isinstance(one, Permit)]
        for permit in permits[10:]:
            permit.done("overloaded")
        bench.clock.ahead(1.0)
        for permit in permits[:10]:
            permit.done("ok", 1.0)
    assert 9 <= bench.shown("freehold_target_limit")[("provider", "a"), ("model", "m")] <= 12
    assert [bench.begin(A) for _ in range(13)][-1] is No.FULL


def test_the_waiting_are_admitted_by_priority_then_age():
    bench = Bench(max_in_flight=5, ceilings={"a": 1})
    busy = bench.begin(A)
    for priority in (TEACHER, LIVE, AUDIT, LIVE):
        bench.wait(A, priority=priority)
    order = []
    busy.done("ok")
    while bench.told:
        permit = bench.told.pop()
        order.append(permit)
        permit.done("ok")
    assert len(order) == 4
    assert bench.health.in_flight == 0


def test_who_has_to_line_up_again_does_not_keep_the_gateway_busy():
    bench = Bench(ceilings={"b": 1}, retry_share=0.0)
    while bench.health.spend(A2):
        pass
    busy, other = bench.begin(B), bench.begin(A)
    turns = []

    class Waiter:
        def admitted(self):
            turns.append(1)
            assert bench.begin(A2, B, asked={"a"}) is No.FULL
            bench.health.wait((A2, B), LIVE, self)

    bench.health.wait((A2, B), LIVE, Waiter())
    other.done("ok")
    assert len(turns) == 1
    assert busy.target == B


def test_a_full_room_sends_the_least_important_away_with_a_time_to_come_back():
    bench = Bench(max_in_flight=1, max_queued=2)
    bench.begin(A)
    bench.wait(A, priority=TEACHER)
    bench.wait(A, priority=AUDIT)
    bench.wait(A)
    with pytest.raises(Overloaded):
        bench.wait(A, priority=AUDIT)
    bench.wait(A)
    with pytest.raises(Overloaded) as refused:
        bench.wait(A)
    assert 1 <= refused.value.retry_after_s <= 30
    assert [type(one) for one in bench.told] == [Overloaded, Overloaded]
    assert bench.shown("freehold_shed_total") == {
        (("priority", "teacher"), ("reason", "displaced")): 1,
        (("priority", "audit"), ("reason", "queue_full")): 1,
        (("priority", "audit"), ("reason", "displaced")): 1,
        (("priority", "live"), ("reason", "queue_full")): 1,
    }


def test_one_who_left_the_queue_hears_nothing():
    bench = Bench(max_in_flight=1)
    busy = bench.begin(A)
    bench.health.leave(bench.wait(A))
    busy.done("ok")
    assert bench.told == []
    assert bench.health.in_flight == 0


def test_a_hedge_needs_a_well_target_room_and_the_budget():
    bench = Bench(ceilings={"a": 2})
    bench.begin(A)
    assert bench.health.hedge(A).target == A
    assert bench.health.hedge(A) is None
    bench.attempt(B, "failed", 5)
    assert bench.health.hedge(B) is None
    made = sum(bench.health.hedge(TargetName("c", "m")) is not None for _ in range(50))
    assert made == RESERVE


def test_a_permit_is_done_once(bench):
    permit = bench.begin(A)
    for _ in range(3):
        permit.done("failed")
        permit.first_byte(1.0)
    assert bench.health.in_flight == 0
    assert bench.begin(A, B).target == A


def test_what_clients_call_models_is_bounded_and_those_that_answer_are_kept(bench):
    bench.attempt(A, "ok")
    for number in range(5000):
        bench.attempt(TargetName("a", f"nonsense-{number}"), "refused")
    assert len(bench.health._states) <= 1024
    assert A in bench.health._states


def test_the_metrics_name_a_model_only_once_it_has_answered(bench):
    bench.attempt(TargetName("a", "sk-a-key-in-the-wrong-place"), "failed", 5)
    bench.attempt(A, "ok")
    labels = {labels for _, labels, _ in bench.health.samples()}
    assert (("provider", "a"), ("model", "m")) in labels
    assert "sk-a-key" not in str(labels)
    assert bench.shown("freehold_target_state") == {
        (("provider", "a"), ("model", "")): 2.0,
        (("provider", "a"), ("model", "m")): 0.0,
    }


def test_every_sample_is_a_known_metric(bench):
    bench.attempt(A, "ok")
    bench.attempt(A, "spent")
    bench.begin(A2, asked={"a"})
    bench.health.hedged(A, won=True)
    bench.health.overloaded(LIVE, "waited")
    names = {name for name, _, _ in bench.health.samples()}
    assert names <= HELP.keys()
    assert len(names) == 9


def test_latencies_are_known_after_twenty_answers(bench):
    assert bench.health.p95_s(A, streamed=False) is None
    assert bench.health.typical_s(A) == 0.05
    for _ in range(20):
        bench.begin(A).done("ok", 2.0)
        permit = bench.begin(A, streamed=True)
        permit.first_byte(0.3)
        permit.done("ok", 9.0)
    assert bench.health.p95_s(A, streamed=False) == 2.0
    assert bench.health.p95_s(A, streamed=True) == 0.3
    assert bench.health.typical_s(A) == 2.0
    assert bench.health.probe_s(A, streamed=False) == 4.0
    assert bench.health.probe_s(A, streamed=True) == 1.0


def test_where_somebody_stands_in_nobody_who_is_out_is_asked(bench):
    bench.attempt(A, "failed", 5)
    assert bench.begin(A).target == A, "the last is asked although it is out"
    assert bench.begin(A, stand_in=True) is No.BARRED
    assert bench.begin(A, B, stand_in=True).target == B


def test_a_target_that_falls_silent_is_left_before_anybodys_patience_ends(bench):
    for _ in range(20):
        bench.attempt(A, "ok")
    waiting = [bench.begin(A, B) for _ in range(3)]
    bench.clock.ahead(5.1)
    assert bench.begin(A, B).target == B
    assert bench.ejected(A)
    assert bench.shown("freehold_ejections_total")[("provider", "a"), ("model", "m"), ("reason", "silent")] == 1
    for permit in waiting:
        permit.done("slow")
    bench.clock.ahead(6.1)
    assert bench.begin(A, B).probe


@pytest.mark.parametrize("how", ["two", "soon", "unknown", "heard", "streams", "never"])
def test_silence_is_taken_for_trouble_only_where_it_is_one(bench, unejected, how):
    bench = unejected if how == "never" else bench
    for _ in range(19 if how == "unknown" else 20):
        bench.attempt(A, "ok")
    for permit in [bench.begin(A, streamed=how == "streams") for _ in range(2 if how == "two" else 3)]:
        if how == "streams":
            permit.first_byte(0.1)
    last = bench.begin(A) if how == "heard" else None
    bench.clock.ahead(4.0)
    if last is not None:
        last.done("refused")
    bench.clock.ahead(0.9 if how == "soon" else 4.0)
    assert bench.begin(A, B).target == A
