"""Drift between windows: false alarms by simulation, named changes, odd windows."""

import numpy as np
import pytest

from freehold.errors import UsageError
from freehold.evidence.drift import compare, first_change


@pytest.mark.parametrize("kind", ["labels", "confidence", "two values"])
def test_equal_traffic_rarely_alarms(kind: str) -> None:
    rng = np.random.default_rng(4)
    runs, alarms = 300, 0
    for _ in range(runs):
        if kind == "labels":
            drawn = rng.choice([f"label {i}" for i in range(77)], 500)
        elif kind == "confidence":
            drawn = rng.beta(5, 1, 500)
        else:
            drawn = rng.choice([0.5, 1.0], 500)
        alarms += compare(drawn[:200], drawn[200:], false_alarm=0.05).changed
    assert alarms / runs <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5


def test_a_new_label_and_a_flip_of_labels_are_seen() -> None:
    rng = np.random.default_rng(5)
    before = rng.choice(["refund", "card", "fee"], 400, p=[0.5, 0.3, 0.2])
    new = rng.choice(["refund", "card", "fee", "crypto"], 200, p=[0.45, 0.27, 0.18, 0.1])
    found = compare(before, new)
    assert found.changed
    assert (found.moved_most, found.n_before, found.n_after) == ("crypto", 400, 200)
    flipped = compare(before, rng.choice(["refund", "card", "fee"], 200, p=[0.3, 0.5, 0.2]))
    assert flipped.changed
    assert flipped.psi > 0.1


def test_lower_confidence_is_seen_and_so_is_its_loss() -> None:
    rng = np.random.default_rng(6)
    before = rng.beta(8, 1, 500)
    assert compare(before, rng.beta(4, 1, 300)).changed
    missing = rng.beta(8, 1, 300)
    missing[::5] = np.nan
    assert compare(before, missing).changed


def test_the_size_of_a_change_grows_with_it() -> None:
    rng = np.random.default_rng(7)
    before = rng.beta(8, 1, 2000)
    sizes = [compare(before, rng.beta(b, 1, 2000)).psi for b in (8, 6, 3)]
    assert sizes[0] < 0.05 < sizes[1] < sizes[2]


def test_a_scan_stays_quiet_on_equal_traffic_and_finds_where_it_changed() -> None:
    rng = np.random.default_rng(8)
    reference = rng.beta(8, 1, 400)
    quiet = sum(
        first_change(rng.beta(8, 1, 400), rng.beta(8, 1, 500), window=100, false_alarm=0.1) is not None
        for _ in range(60)
    )
    assert quiet / 60 <= 0.1 + 2 * (0.1 * 0.9 / 60) ** 0.5
    stream = np.concatenate([rng.beta(8, 1, 600), rng.beta(2, 1, 400)])
    found = first_change(reference, stream, window=100)
    assert found is not None
    assert found[0] == 700
    assert first_change(reference, stream[:600], window=1000) is None


def test_odd_windows_answer_without_alarm() -> None:
    assert compare([], []).p_value == 1.0
    assert not compare([], ["a"]).changed
    assert not compare([0.5] * 50, [0.5] * 50).changed
    assert not compare(["a"], ["b"]).changed
    assert not compare([float("nan")] * 30, [float("nan")] * 30).changed
    assert compare([float("inf")] * 30, [float("-inf")] * 30).changed


def test_nonsense_is_refused() -> None:
    with pytest.raises(UsageError):
        compare(["a"], [0.5])
    with pytest.raises(UsageError):
        compare(["a"], ["b"], false_alarm=0.0)
    with pytest.raises(UsageError):
        first_change(["a"], ["b"], window=0)
