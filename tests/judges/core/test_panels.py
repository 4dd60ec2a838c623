"""Panels: verdicts are combined by their rule, judges of one family are capped, and what is missing stays missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.core.panels import (
    MAJORITY,
    MEAN_SCORE,
    RULES,
    WEIGHTED,
    Member,
    PanelRules,
    Vote,
    independent_judges,
    panel_verdict,
    scores_from,
    shares_of,
)
from judges.core.rubric import CriterionText

FIRST, SECOND, TIE = Vote("ranked", (1, 2)), Vote("ranked", (2, 1)), Vote("ranked", (1, 1))
REFUSED, UNPARSEABLE, INCONSISTENT = Vote("refused"), Vote("unparseable"), Vote("inconsistent")
THREE = [Member("a"), Member("b"), Member("c")]


def said(votes, members=None, rule=MAJORITY, quorum=2, **rules):
    members = members or [Member(name) for name in "abcdefgh"[: len(votes)]]
    named = {member.name: vote for member, vote in zip(members, votes, strict=True) if vote is not None}
    verdict = panel_verdict(PanelRules(rule, quorum, **rules), members, named)
    return verdict and (verdict.outcome, verdict.ranking)


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ([FIRST, FIRST, SECOND], ("ranked", (1, 2))),
        ([TIE, TIE, SECOND], ("ranked", (1, 1))),
        ([FIRST, SECOND, TIE], ("inconsistent", ())),
        ([FIRST, FIRST, REFUSED], ("ranked", (1, 2))),
        ([FIRST, SECOND, REFUSED], ("inconsistent", ())),
        ([FIRST, REFUSED, UNPARSEABLE], ("refused", ())),
        ([FIRST, UNPARSEABLE, INCONSISTENT], ("unparseable", ())),
        ([INCONSISTENT, INCONSISTENT, FIRST], ("inconsistent", ())),
    ],
)
def test_more_than_half_of_those_with_a_verdict_decide(votes, verdict):
    assert said(votes) == verdict


def test_two_against_two_is_no_tie():
    assert said([FIRST, FIRST, SECOND, SECOND]) == ("inconsistent", ())


def test_a_member_that_has_not_judged_yet_is_waited_for_unless_there_is_a_quorum():
    assert said([FIRST, None, None]) is None
    assert said([FIRST, REFUSED, None]) is None
    assert said([FIRST, FIRST, None]) == ("ranked", (1, 2))
    assert said([None, None, None]) is None


def test_weights_decide_where_the_rule_says_so():
    members = [Member("a", weight=3), Member("b"), Member("c")]
    votes = [FIRST, SECOND, SECOND]
    assert said(votes, members, WEIGHTED) == ("ranked", (1, 2))
    assert said(votes, members, MAJORITY) == ("ranked", (2, 1))


FAMILY = [Member("a1", "acme"), Member("a2", "acme"), Member("b", "boxco")]


def test_judges_of_one_family_together_weigh_as_one():
    votes = [FIRST, FIRST, SECOND]
    assert said(votes, FAMILY, cap_families=False) == ("ranked", (1, 2))
    assert said(votes, FAMILY) == ("inconsistent", ())
    assert shares_of(PanelRules(MAJORITY, 2), FAMILY) == {"a1": 0.25, "a2": 0.25, "b": 0.5}


def test_a_capped_family_keeps_the_proportions_of_its_weights():
    members = [Member("a1", "acme", 4), Member("a2", "acme", 4), Member("b", "boxco", 4)]
    assert shares_of(PanelRules(WEIGHTED, 2), members) == {"a1": 0.25, "a2": 0.25, "b": 0.5}


def test_members_without_a_family_are_not_taken_for_one():
    assert shares_of(PanelRules(MAJORITY, 2), THREE) == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})


@pytest.mark.parametrize(
    ("members", "cap", "count"),
    [
        (THREE, True, 3),
        (FAMILY, True, 2),
        (FAMILY, False, 1.8),  # shares of 2/3 and 1/3
        ([Member("a1", "acme"), Member("a2", "acme")], True, 1),
    ],
)
def test_as_how_many_independent_judges_a_panel_counts(members, cap, count):
    assert independent_judges(PanelRules(MAJORITY, 2, cap), members) == pytest.approx(count)


def test_the_mean_of_scores_ranks_with_its_margin():
    votes = [
        Vote("ranked", (1, 2), {0: 0.9, 1: 0.1}),
        Vote("ranked", (2, 1), {0: 0.4, 1: 0.6}),
        Vote("ranked", (2, 1), {0: 0.4, 1: 0.6}),
    ]
    assert said(votes, rule=MEAN_SCORE) == ("ranked", (1, 2))
    assert said(votes, rule=MEAN_SCORE, tie_margin=0.5) == ("ranked", (1, 1))


def test_a_verdict_without_scores_has_no_mean():
    scored = Vote("ranked", (1, 2), {0: 0.9, 1: 0.1})
    assert said([scored, scored, FIRST], rule=MEAN_SCORE) == ("ranked", (1, 2))
    assert said([scored, FIRST, REFUSED], rule=MEAN_SCORE) == ("refused", ())


def test_scores_are_shares_of_their_scales():
    criteria = [CriterionText("x", scale_min=0, scale_max=10, weight=3), CriterionText("y", weight=1)]
    levels = {("x", 0): 10, ("y", 0): 1, ("x", 1): 5, ("y", 1): 3}
    assert scores_from(levels, criteria) == {0: 0.75, 1: 0.5}
    assert scores_from({("x", 0): 10, ("y", 0): 1, ("y", 1): 3}, criteria) == {0: 0.0, 1: 0.5}
    assert scores_from({}, criteria) == {}
    assert scores_from({("z", 0): 1}, criteria) == {}


votes_of = st.sampled_from([FIRST, SECOND, TIE, REFUSED, UNPARSEABLE, INCONSISTENT, None])
members_of = st.lists(
    st.builds(Member, st.just(""), st.sampled_from(["", "acme", "boxco"]), st.floats(0.1, 10)),
    min_size=2,
    max_size=7,
).map(lambda found: [Member(f"m{n}", one.family, one.weight) for n, one in enumerate(found)])


@given(members_of, st.data(), st.sampled_from(RULES[:2]), st.booleans())
def test_swapping_the_responses_swaps_the_verdict_and_the_order_of_members_does_not_matter(
    members, data, rule, cap
):
    votes = {member.name: data.draw(votes_of) for member in members}
    votes = {name: vote for name, vote in votes.items() if vote}
    rules = PanelRules(rule, data.draw(st.integers(1, len(members))), cap)
    verdict = panel_verdict(rules, members, votes)
    swapped = {name: Vote(vote.outcome, vote.ranking[::-1]) for name, vote in votes.items()}
    mirrored = panel_verdict(rules, members[::-1], swapped)
    assert (verdict is None) == (mirrored is None)
    if verdict:
        assert (mirrored.outcome, mirrored.ranking) == (verdict.outcome, verdict.ranking[::-1])
        assert bool(verdict.ranking) == (verdict.outcome == "ranked")


@given(members_of, st.sampled_from(RULES), st.booleans())
def test_shares_sum_to_1_and_a_panel_is_never_more_than_its_members(members, rule, cap):
    rules = PanelRules(rule, 1, cap)
    assert sum(shares_of(rules, members).values()) == pytest.approx(1)
    assert 1 <= round(independent_judges(rules, members), 9) <= len(members)
