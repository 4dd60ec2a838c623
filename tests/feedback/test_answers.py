"""The form that a project's people answer by, and what an answer says, without any database."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.answers import (
    OUTCOMES,
    AnswerForm,
    BadAnswerForm,
    dense_ranks,
    has_equals,
    is_tie,
    ranking_by_scores,
    verdict_problem,
)
from feedback.models import Outcome

FORMS = st.builds(
    AnswerForm,
    choice=st.sampled_from(["pair", "strength", "ranking"]),
    points=st.sampled_from([5, 7, 8]),
    tie=st.booleans(),
    all_bad=st.booleans(),
    scores=st.booleans(),
    spans=st.booleans(),
    rationale=st.sampled_from(["off", "optional", "required"]),
    flags=st.booleans(),
) | st.builds(AnswerForm, choice=st.just("none"), scores=st.just(True))


@given(FORMS)
def test_a_form_survives_its_json(form):
    assert AnswerForm.from_json(form.to_json()) == form


def test_what_is_not_said_has_its_default():
    assert AnswerForm.of({}) == AnswerForm()
    assert AnswerForm.of({"choice": "ranking"}).rationale == "optional"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"choice": "both"}, "choice"),
        ({"choice": 1}, "choice"),
        ({"choice": ["pair"]}, "choice"),
        ({"choice": None}, "choice"),
        ({"points": 6}, "points"),
        ({"points": "5"}, "points"),
        ({"points": 5.0}, "points"),
        ({"points": True}, "points"),
        ({"tie": "yes"}, "tie"),
        ({"tie": 1}, "tie"),
        ({"all_bad": None}, "all_bad"),
        ({"scores": 0}, "scores"),
        ({"spans": "on"}, "spans"),
        ({"rationale": True}, "rationale"),
        ({"rationale": "maybe"}, "rationale"),
        ({"flags": []}, "flags"),
        ({"colour": "red"}, "colour"),
        ({"choice": "none"}, "scores"),
        ([], "form"),
        ("pair", "form"),
        (None, "form"),
    ],
)
def test_a_bad_form_names_its_field(values, field):
    with pytest.raises(BadAnswerForm) as bad:
        AnswerForm.from_json(values)
    assert bad.value.field == field
    assert bad.value.reason


@given(FORMS, st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), min_size=1))
def test_nothing_but_a_form_is_taken_for_one(form, noise):
    values = {**form.to_json(), **noise}
    try:
        found = AnswerForm.from_json(values)
    except BadAnswerForm as bad:
        named = bad.field
    else:
        assert found.to_json() == values
        return
    assert named in {*noise, "scores"}


@pytest.mark.parametrize(
    ("choice", "responses", "criteria", "kind"),
    [
        ("pair", 2, 0, "pair"),
        ("pair", 3, 0, "ranking"),
        ("strength", 2, 0, "strength"),
        ("strength", 5, 2, "ranking"),
        ("ranking", 2, 0, "ranking"),
        ("none", 2, 1, "none"),
        ("none", 4, 1, "none"),
        ("none", 2, 0, "pair"),
        ("none", 3, 0, "ranking"),
    ],
)
def test_how_so_many_responses_are_judged(choice, responses, criteria, kind):
    assert AnswerForm(choice=choice, scores=True).kind(responses, criteria=criteria) == kind


def test_a_tie_is_in_the_middle_of_odd_scales_only():
    assert [AnswerForm(choice="strength", points=points).ties("strength") for points in (5, 7, 8)] == [
        True,
        True,
        False,
    ]
    assert [AnswerForm(points=points).steps for points in (5, 7, 8)] == [2, 3, 4]
    assert not AnswerForm(tie=False).ties("pair")
    assert not AnswerForm(tie=False).ties("ranking")


def test_outcomes_are_those_of_the_store():
    assert list(OUTCOMES) == Outcome.values


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_dense_ranks_keep_the_order_and_have_no_gap(ranks):
    dense = dense_ranks(tuple(ranks))
    assert sorted(set(dense)) == list(range(1, len(set(dense)) + 1))
    for one, other in itertools.combinations(range(len(ranks)), 2):
        assert (ranks[one] < ranks[other]) == (dense[one] < dense[other])
    assert verdict_problem("ranked", dense, len(dense)) is None
    assert is_tie(dense) == (len(set(ranks)) == 1)
    assert has_equals(dense) == (len(set(ranks)) < len(ranks))


@pytest.mark.parametrize("ranking", [(1, 2, 2), (1, 1, 3), (1, 1, 2), (3, 2, 1), (1, 1, 1)])
def test_rankings_of_both_ways_to_count_are_right(ranking):
    assert verdict_problem("ranked", ranking, 3) is None


@pytest.mark.parametrize(
    ("outcome", "ranking", "field"),
    [
        ("ranked", (), "ranking"),
        ("ranked", (1, 2, 3), "ranking"),
        ("ranked", (1, 3), "ranking"),
        ("ranked", (0, 1), "ranking"),
        ("ranked", (2, 2), "ranking"),
        ("skipped", (1, 2), "ranking"),
        ("tired", (), "outcome"),
    ],
)
def test_what_is_no_verdict_names_its_field(outcome, ranking, field):
    problem = verdict_problem(outcome, ranking, 2)
    assert problem is not None
    assert problem.field == field


def test_no_verdict_needs_no_ranking():
    assert verdict_problem("skipped", (), 2) is None


def test_scores_rank_by_their_weighted_sum():
    scores = {(1, 0): 3, (1, 1): 5, (1, 2): 4, (2, 0): 4, (2, 1): 1, (2, 2): 4}
    assert ranking_by_scores(scores, {1: 1.0, 2: 1.0}, 3) == (2, 3, 1)
    assert ranking_by_scores(scores, {1: 1.0, 2: 0.0}, 3) == (3, 1, 2)


def test_sums_that_differ_by_rounding_alone_are_a_tie():
    scores = {(1, 0): 1, (2, 0): 2, (3, 0): 0, (1, 1): 0, (2, 1): 0, (3, 1): 1}
    assert ranking_by_scores(scores, {1: 0.1, 2: 0.1, 3: 0.3}, 2) == (1, 1)


@given(st.data(), st.integers(2, 6), st.integers(1, 4))
def test_a_ranking_by_scores_is_a_ranking_and_its_best_has_the_highest_sum(data, responses, criteria):
    level = st.integers(-5, 10)
    scores = {(c, p): data.draw(level) for c in range(criteria) for p in range(responses)}
    weights = dict.fromkeys(range(criteria), 1.0)
    ranking = ranking_by_scores(scores, weights, responses)
    assert verdict_problem("ranked", ranking, responses) is None
    sums = [sum(scores[c, p] for c in range(criteria)) for p in range(responses)]
    assert sums[ranking.index(1)] == max(sums)
