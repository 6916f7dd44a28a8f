"""The limit on requests under way: its ceiling until somebody complains, then cut, then found again. And latencies."""

import random
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import Clock

from freehold.gateway.resilience._concurrency import Concurrency
from freehold.gateway.resilience._latency import Latencies


class Server:
    """What happens to requests in a second, told to a limit: `answer(sent)` says how many of them are good."""

    def __init__(self, ceiling=2000.0):
        self.one, self.clock = Concurrency(ceiling), Clock()

    def second(self, offered, answer):
        """Requests that last a second each; those refused come back at once. Returns sent and good ones."""
        sent = max(1, min(offered, int(self.one.limit)))
        good = answer(sent)
        for under_way in range(sent, good, -1):
            self.one.over(under_way, self.clock())
        self.clock.ahead(1.0)
        for under_way in range(good, 0, -1):
            if not self.one.calm:
                self.one.good(under_way, self.clock())
        return sent, good


def test_a_cut_goes_to_what_was_borne_and_stays_if_it_helps():
    server = Server()
    limits = [server.second(200, lambda sent: min(sent, 80))[0] for _ in range(15)]
    assert limits[0] == 200
    assert all(70 <= one <= 100 for one in limits[5:])


def test_one_that_never_complains_is_never_held_back():
    server = Server()
    for _ in range(50):
        server.second(500, lambda sent: sent)
    assert (server.one.limit, server.one.calm) == (2000.0, True)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_cut_that_does_not_help_is_taken_back(share):
    server, dice = Server(), random.Random(3)
    sent = [server.second(100, lambda sent: sum(dice.random() > share for _ in range(sent)))[0] for _ in range(300)]
    assert sum(one == 100 for one in sent) > 270


def test_where_nothing_is_answered_nothing_is_held_back():
    server = Server()
    assert [server.second(100, lambda _: 0)[0] for _ in range(60)] == [100] * 60


def test_once_it_bears_everything_again_it_is_calm_again():
    server = Server(ceiling=200.0)
    for _ in range(20):
        server.second(150, lambda sent: min(sent, 50))
    assert not server.one.calm
    for _ in range(60):
        server.second(200, lambda sent: sent)
    assert (server.one.limit, server.one.calm) == (200.0, True)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3000), st.floats(0, 3)), max_size=200))
def test_it_stays_between_one_and_its_ceiling(script):
    one, clock = Concurrency(50.0), Clock()
    for good, under_way, seconds in script:
        clock.ahead(seconds)
        if good:
            one.good(under_way, clock())
        else:
            one.over(under_way, clock())
        assert 1.0 <= one.limit <= 50.0


@pytest.mark.parametrize("capacity", [4, 20, 100])
def test_it_settles_near_what_a_target_bears(capacity):
    """A target that refuses above its capacity: after a while most of it is used, and few requests are refused."""
    server = Server()
    seconds = [server.second(3 * capacity, lambda sent: min(sent, capacity)) for _ in range(400)][200:]
    sent, good = sum(one for one, _ in seconds), sum(one for _, one in seconds)
    assert good / (capacity * 200) > 0.9
    assert (sent - good) / 200 <= max(1.0, 0.1 * capacity)


def test_quantiles_are_those_of_what_is_kept():
    dice = random.Random(7)
    numbers = [dice.expovariate(1.0) for _ in range(128)]
    one = Latencies()
    for number in numbers:
        one.add(number)
    expected = quantiles(numbers, n=20)
    assert one.quantile(0.95) == pytest.approx(expected[18], rel=0.15)
    assert one.quantile(0.5) == pytest.approx(expected[9], rel=0.15)


def test_little_evidence_is_none_and_old_evidence_goes():
    one = Latencies()
    for _ in range(19):
        one.add(1.0)
        assert one.quantile(0.95) is None
    one.add(1.0)
    assert one.quantile(0.95) == 1.0
    for _ in range(128):
        one.add(9.0)
    assert one.quantile(0.05) == 9.0


@given(st.lists(st.floats(0, 1e6), min_size=20, max_size=400), st.floats(0, 1))
def test_a_quantile_is_one_of_the_latencies_and_in_their_range(numbers, share):
    one = Latencies()
    for number in numbers:
        one.add(number)
        one.quantile(0.5)
    assert min(numbers) <= one.quantile(share) <= max(numbers)
