"""Whom to ask about what: what is drawn at random is a draw, whatever else speaks for the same comparisons."""

import numpy as np

from alignment.policy.routing import Need, plan
from alignment.policy.verdicts import Ground

NOBODY = np.zeros(0, dtype=np.int64)
EVERY = np.arange(1000)


def drawn(found):
    return set(found.comparison_ids[found.ground == Ground.DRAWN].tolist())


def test_a_limited_draw_is_not_of_the_oldest():
    need = Need(waiting=100, answers=500, hope=1.0, pool=EVERY, people=1, ground=Ground.DRAWN)
    found = plan(NOBODY, NOBODY, EVERY, [need], at_random=0, seed=1, limit=40)
    assert len(drawn(found)) == 40
    assert np.median(list(drawn(found))) > 250


def test_what_is_drawn_does_not_depend_on_what_else_is_wanted():
    doubtful = np.arange(0, 1000, 2)
    slice_need = Need(waiting=900, answers=300, hope=1.0, pool=EVERY[:300], people=3, ground=Ground.SLICE)
    draw = Need(waiting=50, answers=100, hope=1.0, pool=EVERY, people=1, ground=Ground.DRAWN)
    alone = plan(NOBODY, NOBODY, EVERY, [draw], at_random=0, seed=7)
    among = plan(doubtful, np.full(500, 0.9), EVERY, [draw, slice_need], at_random=20, seed=7)
    assert len(drawn(alone)) == len(drawn(among)) == 100
    assert len(np.unique(among.comparison_ids)) == len(among)
    assert (among.gain[:-1] >= among.gain[1:]).all()
