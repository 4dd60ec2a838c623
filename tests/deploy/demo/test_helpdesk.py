"""The made-up world: its truth can be computed, and nothing held out leaks into training."""

import pytest

from deploy.demo.helpdesk import (
    ACTIONS,
    ITEMS,
    SENTENCES,
    SLICES,
    Ticket,
    demonstrations,
    is_correct,
    style_score,
    tickets,
    true_ranking,
    true_score,
)

TICKET = Ticket("lamp", "broken", "My lamp is broken.")
GOOD = "Sorry about the lamp. We will replace it today."


def test_every_combination_is_used_and_none_on_both_sides():
    train, held_out = tickets(0)
    assert len(train) + len(held_out) == len(ITEMS) * len(ACTIONS) * len(SENTENCES)
    assert {(t.item, t.problem) for t in train}.isdisjoint((t.item, t.problem) for t in held_out)
    assert len(held_out) == 96


def test_the_seed_changes_the_split_and_the_demonstrations():
    assert tickets(0) == tickets(0)
    assert tickets(0) != tickets(1)
    train, _ = tickets(0)
    assert demonstrations(train, 0) == demonstrations(train, 0)
    assert demonstrations(train, 0) != demonstrations(train, 1)


def test_about_two_fifths_of_the_demonstrations_are_good():
    train, _ = tickets(0)
    good = [true_score(ticket, text) == 1 for ticket, text in demonstrations(train, 0)]
    assert 0.35 < sum(good) / len(good) < 0.45


@pytest.mark.parametrize(
    ("text", "style", "correct"),
    [
        (GOOD, 1.0, True),
        ("Sorry about the lamp.", 0.7, False),
        ("That is your fault. We will replace it today.", 0.6, False),
        ("Sorry about the lamp. We will refund it today.", 1.0, False),
        ("Sorry about the radio. We will replace it today.", 1.0, False),
        (f"{GOOD} Have a very nice day.", 0.7, True),
        ("", 0.3, False),
    ],
)
def test_style_and_correctness(text, style, correct):
    assert style_score(text) == pytest.approx(style)
    assert is_correct(TICKET, text) is correct


def test_equal_style_is_a_tie():
    assert true_ranking(GOOD, GOOD) == (1, 1)
    assert true_ranking(GOOD, "") == (1, 2)
    assert true_ranking("", GOOD) == (2, 1)


def test_every_problem_has_a_slice():
    assert set(SLICES) == set(ACTIONS)
