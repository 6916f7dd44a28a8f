"""One deadline per call, and patience by phase: the most specific setting wins, what is left of the call bounds all."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from freehold.gateway.resilience.deadlines import Deadlines, Timetable, deadlines
from freehold.settings import ProviderSettings, TaskSettings

GATEWAY = Deadlines(5.0, 120.0, 60.0, 600.0)
PHASES = ("connect", "first_byte", "idle", "total")

seconds = st.one_of(st.none(), st.floats(0.001, 1e6))
levels = st.builds(SimpleNamespace, **{f"{phase}_timeout_s": seconds for phase in PHASES})


@given(st.lists(st.one_of(st.none(), levels), max_size=3))
def test_each_phase_comes_from_the_most_specific_level_that_sets_it(given_levels):
    found = deadlines(GATEWAY, *given_levels)
    for place, phase in enumerate(PHASES):
        set_values = [getattr(one, f"{phase}_timeout_s") for one in given_levels if one is not None]
        expected = next((value for value in set_values if value is not None), astuple(GATEWAY)[place])
        assert astuple(found)[place] == expected


@given(st.floats(-10, 1000))
def test_what_is_left_of_the_call_ends_every_phase(remaining):
    cut = GATEWAY.within(remaining)
    assert all(0 <= one <= whole for one, whole in zip(astuple(cut), astuple(GATEWAY), strict=True))
    assert cut.total_s <= max(0.0, remaining)
    assert (cut == GATEWAY) == (remaining >= GATEWAY.total_s)


def test_the_timetable_looks_up_task_and_provider():
    table = Timetable(
        GATEWAY,
        {"slow": ProviderSettings("openai", first_byte_timeout_s=300.0, total_timeout_s=400.0)},
        {
            "chat": TaskSettings(first_byte_timeout_s=2.0, total_timeout_s=20.0),
            "batch": TaskSettings(idle_timeout_s=9.0),
        },
    )
    assert table.attempt("slow", "") == Deadlines(5.0, 300.0, 60.0, 400.0)
    assert table.attempt("slow", "unheard of") == Deadlines(5.0, 300.0, 60.0, 400.0)
    assert table.attempt("slow", "chat") == Deadlines(5.0, 2.0, 60.0, 20.0)
    assert table.attempt("slow", "batch") == Deadlines(5.0, 300.0, 9.0, 400.0)
    assert table.attempt("other", "chat") == Deadlines(5.0, 2.0, 60.0, 20.0)
    assert table.attempt("other", "") == GATEWAY
    assert (table.call_s("chat"), table.call_s("batch"), table.call_s("")) == (20.0, 600.0, 600.0)
