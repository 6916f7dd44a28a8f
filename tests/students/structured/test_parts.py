"""The parts of the structured student: tokens, answers, copying, alignment, the lexicon, and the runtime's imports."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.students.structured._alignment import Surroundings, Wanted, best_level, common_headings, located, place
from freehold.students.structured._analysis import analyse
from freehold.students.structured._answers import assemble, leaves, read, style_of
from freehold.students.structured._assembly import Span
from freehold.students.structured._copying import apply, sites
from freehold.students.structured._document import document
from freehold.students.structured._features import features
from freehold.students.structured._lexicon import count, hints
from freehold.students.structured._tagger import labels_of, spans_of
from freehold.students.structured._tokens import LEVELS, shape, tokenise

NONE: frozenset[str] = frozenset()


def words(text: str, level: int = 0) -> list[str]:
    return [text[a:b] for a, b in tokenise(text, level)]


def test_a_token_sees_words_further_off_but_not_the_whole_text():
    doc = document((" ".join(f"word{i}" for i in range(20)),), 0, NONE, NONE)
    seen = features(doc, hints(doc, count([(doc, []), (doc, []), (doc, [])]), None))[10]
    assert {"k-5=word5", "k5=word15", "L=word2", "L=word8", "R=word12", "R=word18"} <= set(seen)
    assert {"L=word1", "L=word9", "L=word10", "R=word11", "R=word19"}.isdisjoint(seen)


@pytest.mark.parametrize(
    ("text", "level", "expected"),
    [
        ("at 12:15PM, please", 0, ["at", "12", ":", "15PM", ",", "please"]),
        ("at 12:15PM", 1, ["at", "12", ":", "15", "PM"]),
        ("ab 1", 2, ["a", "b", "1"]),
        ("東京へGo", 0, ["東", "京", "へ", "Go"]),
        ("नमस्ते दुनिया", 0, ["नमस्ते", "दुनिया"]),
        ("cafe\u0301 ole", 0, ["cafe\u0301", "ole"]),
        ("서울에 가다", 0, ["서울에", "가다"]),
        ("", 0, []),
    ],
)
def test_tokens_of_any_script(text: str, level: int, expected: list[str]) -> None:
    assert words(text, level) == expected


@given(st.text(max_size=60), st.sampled_from(LEVELS))
def test_tokens_cover_everything_but_white_space(text: str, level: int) -> None:
    spans = tokenise(text, level)
    assert all(a < b for a, b in spans)
    assert all(p[1] <= q[0] for p, q in pairwise(spans))
    covered = {i for a, b in spans for i in range(a, b)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)


def test_shapes() -> None:
    assert [shape(w) for w in ("Hello", "USA", "15PM", "x")] == ["Xxx", "XX", "ddXX", "x"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_answers_taken_apart_and_put_together_are_the_same(value: object) -> None:
    assert assemble(dict(leaves(value)), value) == value


@given(JSON_VALUES, st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 2}, {"indent": 4}]), st.booleans())
def test_the_teachers_style_is_found(value: object, how: dict[str, object], ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, **how)  # type: ignore[arg-type]
    assert style_of([text]).write(value) == text


def test_a_code_fence_is_part_of_the_style() -> None:
    text = '```json\n{"a": 1}\n```'
    assert read(text) == {"a": 1}
    assert style_of([text]).write({"a": 2}) == '```json\n{"a": 2}\n```'


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', "{", "", "yes", "[" * 100_000], ids=str.__len__
)
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


@pytest.mark.parametrize(
    ("transform", "surface", "value"),
    [
        ("copy", "Ann  Lee", "Ann  Lee"),
        ("squash", "Ann \n Lee", "Ann Lee"),
        ("lower", "Ann LEE", "ann lee"),
        ("number_point", "1,234.50", 1234.5),
        ("number_comma", "1.234,50", 1234.5),
        ("number_point", "-17", -17),
        ("whole_point", "12.00", 12),
        ("real_point", "12", 12.0),
        ("date_dmy", "03.11.2026", "2026-11-03"),
        ("date_mdy", "11/03/2026", "2026-11-03"),
        ("date_dmy", "31.31.2026", None),
        ("number_point", "9" * 40, None),
    ],
)
def test_surfaces_become_values(transform: str, surface: str, value: object) -> None:
    made = apply(transform, surface)
    assert made == value
    assert type(made) is type(value)
    if value is not None:
        assert (3, 3 + len(surface)) in list(sites(value, f"at {surface} or so", transform))


def test_a_value_is_not_found_inside_a_word() -> None:
    assert located(("tomato at noon",), 0, NONE).sites("to", "copy") == []
    assert located(("go to noon",), 0, NONE).sites("to", "copy") == [(1, 1)]


def test_of_several_places_the_one_that_looks_right_is_taken() -> None:
    around = Surroundings()
    for n in ("3", "5", "6"):
        at = located((f"table 9 for {n} people",), 0, NONE)
        placed = place(at, [Wanted(0, "copy", n)], None)
        assert placed is not None
        assert placed[1]
        around.learn(at.doc, placed[0])
    at = located(("table 4 for 4 people",), 0, NONE)
    placed = place(at, [Wanted(0, "copy", "4")], around)
    assert placed is not None
    assert [(s.first, s.last) for s in placed[0]] == [(3, 3)]


def test_two_values_share_a_place_only_where_there_is_one() -> None:
    both = [Wanted(0, "copy", "2"), Wanted(1, "copy", "2")]
    one = place(located(("just 2",), 0, NONE), both, None)
    two = place(located(("2 at 2",), 0, NONE), both, None)
    assert one is not None
    assert two is not None
    assert [s.leaves for s in one[0]] == [(0, 1)]
    assert sorted(s.leaves for s in two[0]) == [(0,), (1,)]
    assert place(located(("none",), 0, NONE), both, None) is None


def test_tokens_are_as_fine_as_the_values_need() -> None:
    coarse = [((f"see {n} red foxes",), [f"{n}"]) for n in range(100)]
    fine = [((f"see {n}kg of it",), [f"{n}"]) for n in range(100)]
    within = [((f"x{n}yab",), ["ya"]) for n in range(100)]
    assert [best_level(items, ()) for items in (coarse, fine, within)] == [0, 1, 2]


def test_headings_and_lines_that_only_inform() -> None:
    pairs = [((f"Mode: {m}\nText: number {n} it is",), json.dumps({m: f"{n}"})) for n in range(60) for m in ("a", "b")]
    assert common_headings([inputs for inputs, _ in pairs]) == ("Mode", "Text")
    plan, rows = analyse(pairs)
    assert plan.context == ("0:Mode",)
    assert plan.reach == 1.0
    assert rows[0].doc.words == ["number", "0", "it", "is"]


def test_the_lexicon_does_not_show_a_row_to_itself() -> None:
    doc = document(("call Ann now",), 0, NONE, NONE)
    span = [Span(0, 1, 1)]
    lexicon = count([(doc, span)])
    assert hints(doc, lexicon, span).phrases == [[], [], []]
    assert hints(doc, lexicon, span).seen == [0, 0, 0]
    assert hints(doc, lexicon, None).phrases == [[], ["g0SB"], []]


def test_spans_and_labels_are_two_views_of_one_thing() -> None:
    doc = document(("a b c d e",), 0, NONE, NONE)
    spans = [Span(0, 0, 1), Span(0, 2, 2), Span(3, 4, 4)]
    assert labels_of(doc, spans) == ["B0", "I0", "B0", "O", "B3"]
    assert spans_of(labels_of(doc, spans)) == spans
    assert spans_of(["I1", "I1", "I2"]) == [Span(1, 0, 1), Span(2, 2, 2)]


def test_the_runtime_imports_no_trainer() -> None:
    code = (
        "import sys, freehold.students.structured.runtime\n"
        "print([m for m in ('sklearn', 'scipy', 'pickle5', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
