"""Curves: small for any length, no extreme lost, and the same whether sent at once or bit by bit."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from trainer.curves import MOST_POINTS, Curves


def values_of(seed: int, count: int) -> list[float | None]:
    """Numbers with a value now and then that is none: drawn here, since thousands are slow to draw one by one."""
    draw = random.Random(seed)
    return [None if draw.random() < 0.05 else draw.uniform(-1e6, 1e6) for _ in range(count)]


VALUES = st.builds(values_of, st.integers(0, 2**32), st.integers(1, 3000))


def drawn(values: list[float | None]) -> Curves:
    curves = Curves()
    for step, value in enumerate(values, start=1):
        curves.add(step, {"loss": value})
    return curves


@given(VALUES)
def test_extremes_ends_and_order_are_kept_in_few_points(values):
    curves = drawn(values)
    line = curves.since(0)["loss"]

    assert len(line) <= MOST_POINTS + 1
    steps = [step for step, _ in line]
    assert steps == sorted(set(steps))
    assert line[-1] == (len(values), values[-1])
    numbers = [value for value in values if value is not None]
    if numbers:
        kept = [value for _, value in line if value is not None]
        assert (min(kept), max(kept)) == (min(numbers), max(numbers))
    assert all(values[step - 1] == value for step, value in line)


@given(VALUES, st.integers(1, 3000))
def test_what_is_sent_later_completes_what_was_sent_before(values, cut):
    first, whole = drawn(values[:cut]), drawn(values)
    had = first.since(0)["loss"]
    after = had[-1][0]
    if whole.width == first.width:
        start = after // whole.width * whole.width
        merged = [point for point in had if point[0] < start] + whole.since(after)["loss"]
        assert merged == whole.since(0)["loss"]


def test_a_spike_among_a_hundred_thousand_points_is_seen():
    curves = Curves()
    for step in range(100_000):
        curves.add(step, {"loss": 99.0 if step == 54_321 else 1.0})

    assert (54_321, 99.0) in curves.lines["loss"]
    assert len(json.dumps(curves.to_json())) < 20_000


def test_a_cut_forgets_what_is_done_again():
    curves = drawn([1.0, 2.0, 3.0])
    curves.add(3, {"held-out loss": 5.0})
    curves.cut(2)
    assert curves.lines == {"loss": [(1, 1.0), (2, 2.0)]}
    curves.add(3, {"loss": 7.0})

    again = Curves.from_json(json.loads(json.dumps(curves.to_json())))
    assert again == curves
    assert again.since(3) == {"loss": [(3, 7.0)]}
    assert again.cuts == 1
