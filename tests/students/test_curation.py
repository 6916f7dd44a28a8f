"""From calls to a data set."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.intents import examples

from freehold.students import Rules, curate
from freehold.tasks.personal import personal_data
from freehold.vocabulary import Contract, Example


def _rows(*pairs: tuple[str, str]) -> list[Example]:
    return [Example(f"c{i:03}", (text,), answer, started_at_us=i) for i, (text, answer) in enumerate(pairs)]


def test_each_filter_is_named_and_counted():
    contract = Contract("1", "label", 9, labels=("a", "b"))
    rules = Rules(max_input_chars=50, max_answer_chars=40)
    rows = _rows(("x", "a"), ("  ", "a"), ("y", " "), ("z" * 51, "a"), ("w", "c"), ("v", "b" * 41), ("u", "l\n" * 8))
    curated = curate(rows, contract, rules)
    assert [row.id for row in curated.examples] == ["c000"]
    taken = {name: n for name, n in curated.card["left_out"].items() if n}
    assert taken == {
        "empty_input": 1, "empty_answer": 1, "input_too_long": 1, "outside_contract": 1, "answer_too_long": 1,
        "repeated_lines": 1,
    }  # fmt: skip
    assert curated.card["rows_in"] == 7


def test_answers_that_are_not_json_are_left_out_where_json_is_the_form():
    curated = curate(_rows(("a", "{}"), ("b", "{")), Contract("1", "json", 2))
    assert curated.card["left_out"]["not_json"] == 1


def test_duplicates_are_folded_and_disputes_are_kept():
    long = "please send the parcel to my new flat in the old mill by the river before the end of the week"
    rows = _rows(
        ("Hello  there", "a"),
        ("hello there", "a"),
        ("hello there", "b"),
        (long, "a"),
        (long + "!", "a"),
        (long + "?", "b"),
    )
    curated = curate(rows)
    assert [row.id for row in curated.examples] == ["c000", "c002", "c003", "c005"]
    assert curated.card["left_out"]["exact_duplicate"] == 1
    assert curated.card["left_out"]["near_duplicate"] == 1
    assert (curated.card["conflicting_inputs"], curated.card["conflicting_rows"]) == (1, 3)


def test_short_texts_that_differ_in_a_word_are_not_duplicates():
    assert len(curate(_rows(("cancel order 1", "a"), ("cancel order 2", "a"))).examples) == 2


def test_the_size_cap_keeps_the_newest_and_every_rare_answer():
    rows = _rows(*[(f"text number {i} {'xyz'[i % 3] * i}", "rare" if i == 3 else "common") for i in range(60)])
    curated = curate(rows, rules=Rules(max_rows=10, min_per_answer=2))
    assert curated.card["left_out"]["over_size_cap"] == 50
    assert [row.id for row in curated.examples] == ["c003", *(f"c{i:03}" for i in range(51, 60))]


def test_order_does_not_count_and_the_card_holds_no_text():
    rows = examples(200)
    one, two = curate(rows), curate(rows[::-1])
    assert one == two
    encoded = msgspec.json.encode(one.card).decode()
    assert not any(row.inputs[0] in encoded for row in rows)
    assert one.card["digest"] != curate(rows[1:]).card["digest"]


def test_personal_data_is_counted_and_dropped_on_demand():
    rows = _rows(("write to ann@example.org", "a"), ("card 4111 1111 1111 1111", "a"), ("nothing here", "a"))
    assert curate(rows).card["personal_data"] == {"rows_flagged": 2, "kinds": {"email": 1, "payment_card": 1}}
    dropped = curate(rows, rules=Rules(drop_personal=True))
    assert [row.id for row in dropped.examples] == ["c002"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 please", {"iban"}),
        ("IBAN DE88 3704 0044 0532 0130 00 please", set()),
        ("4111-1111-1111-1112", set()),
        ("0000 0000 0000 0000", set()),
        ("call +49 30 901820 today", {"phone"}),
        ("server 192.168.0.12 is down", {"ip_address"}),
        ("version 1.2.3.4000", set()),
        ("order 12345 of 2026-11-21", set()),
    ],
)
def test_patterns_are_confirmed_by_their_checksum(text: str, kinds: set[str]):
    assert personal_data([text]) == kinds


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(max_size=60), st.sampled_from(["a", "b", ""])), max_size=25))
def test_every_row_is_kept_or_counted(pairs: list[tuple[str, str]]):
    curated = curate(_rows(*pairs))
    assert curated.card["rows_in"] == curated.card["rows"] + sum(curated.card["left_out"].values()) == len(pairs)
    assert curate([]).card["rows"] == 0
