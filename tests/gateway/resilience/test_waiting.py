"""The waiting room against a plain model: bounded, most important first, oldest first, shed from the bottom."""

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.gateway.resilience._waiting import Ticket, WaitingRoom
from freehold.gateway.resilience.policy import TargetName

CHAINS = [(TargetName("a", "m"),), (TargetName("b", "m"),), (TargetName("a", "m"), TargetName("b", "m"))]


class Nobody:
    """Nobody is told anything here."""


moves = st.one_of(
    st.tuples(st.just("enter"), st.integers(0, 4), st.integers(0, 2)),
    st.tuples(st.just("leave"), st.integers(0, 50), st.just(0)),
    st.tuples(st.just("first"), st.just(0), st.sets(st.integers(0, 2))),
)


@given(st.integers(0, 6), st.lists(moves, max_size=80))
@settings(deadline=None)
def test_it_does_what_the_model_does(places, script):
    room, model = WaitingRoom(places), []
    for kind, number, other in script:
        if kind == "enter":
            ticket = Ticket(CHAINS[other], number, Nobody())
            gone = room.enter(ticket)
            model.append(ticket)
            expected = None
            if len(model) > places:
                below = [one for one in model[:-1] if one.priority > number]
                lowest = max((one.priority for one in below), default=None)
                expected = ticket if lowest is None else [one for one in below if one.priority == lowest][-1]
                model.remove(expected)
            assert gone is expected
        elif kind == "leave" and model:
            ticket = model.pop(number % len(model))
            room.leave(ticket)
            room.leave(ticket)
        elif kind == "first":
            usable = {CHAINS[one] for one in other}
            found = room.first(lambda ticket, usable=usable: ticket.chain in usable)
            expected = min(
                (one for one in model if one.chain in usable),
                key=lambda one: (one.priority, model.index(one)),
                default=None,
            )
            assert found is expected
        assert room.count == len(model) <= places
        assert all(one.live for one in model)


def test_those_who_leave_from_the_middle_leave_nothing_behind():
    room = WaitingRoom(10_000)
    stays = [Ticket(CHAINS[0], 0, Nobody()) for _ in range(2)]
    room.enter(stays[0])
    for _ in range(200):
        goes = [Ticket(CHAINS[0], 0, Nobody()) for _ in range(50)]
        for ticket in goes:
            room.enter(ticket)
        last = Ticket(CHAINS[0], 0, Nobody())
        room.enter(last)
        for ticket in goes:
            room.leave(ticket)
        room.leave(last)
    room.enter(stays[1])
    assert room.count == 2
    assert sum(len(queue) for queues in room._queues for queue in queues.values()) <= 12
