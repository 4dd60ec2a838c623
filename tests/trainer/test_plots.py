"""Plots: round ticks, points without a value left out, nothing outside the frame."""

from itertools import pairwise

import pytest

from trainer.templatetags.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, plot


def said(value, low=None, high=None):
    return {"value": value, "low": low, "high": high, "n": 9}


def test_what_has_no_value_is_left_out():
    drawn = plot("t", [("a", [(1, said(0.2)), (2, said(None)), (3, said(0.4))])], "x", "y")
    assert len(drawn["lines"][0]["dots"]) == 2
    assert drawn["lines"][0]["path"].count("L") == 1


def test_without_a_single_value_there_is_nothing_to_draw():
    assert plot("t", [("a", [(1, said(None))])], "x", "y") == {"title": "t", "known": False}


@pytest.mark.parametrize("values", [(0, 20), (0.8, 3.04), (-5, 5), (3, 3), (0, 0), (1e-4, 2e-4)])
def test_ticks_are_round_and_within_the_frame(values):
    points = [(place, said(value, value, value)) for place, value in enumerate(values, 1)]
    drawn = plot("t", [("a", points)], "x", "y")
    ticks = [float(tick["name"]) for tick in drawn["y_ticks"]]
    assert 2 <= len(ticks) <= 7
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert len(steps) == 1
    for tick in drawn["y_ticks"]:
        assert TOP <= tick["at"] <= HEIGHT - BOTTOM
    for dot in drawn["lines"][0]["dots"]:
        assert LEFT <= dot["x"] <= WIDTH - RIGHT
        assert TOP <= dot["y"] <= HEIGHT - BOTTOM


def test_counts_begin_at_zero():
    drawn = plot("t", [("a", [(1, said(0)), (2, said(20))])], "x", "y")
    assert drawn["y_ticks"][0]["name"] == "0"


def test_a_diagonal_has_the_same_axes_both_ways():
    drawn = plot("t", [("a", [(0.7, said(0.8, 0.6, 0.9))])], "x", "y", y_range="0 1", diagonal=True)
    assert drawn["diagonal"] == (LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP)
    assert [tick["name"] for tick in drawn["x_ticks"]] == [tick["name"] for tick in drawn["y_ticks"]]
