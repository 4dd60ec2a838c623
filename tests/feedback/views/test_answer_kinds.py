"""Every form of judgment through the page, on the smallest and on the usual number of responses."""

import json

import pytest

from feedback.answers import AnswerForm
from feedback.models import Flag, Judgment, Score, Span
from feedback.views.items import strength_words

from .conftest import filled_in, hidden_fields

THREE = ["Green tea.", "Black tea.", "Mint tea."]


@pytest.mark.parametrize(
    ("points", "value", "ranking", "strength"),
    [
        (5, -2, (1, 2), 2),
        (5, 0, (1, 1), None),
        (5, 1, (2, 1), 1),
        (7, -1, (1, 2), 1),
        (7, 3, (2, 1), 3),
        (8, -4, (1, 2), 4),
        (8, 4, (2, 1), 4),
    ],
)
def test_a_strength_says_which_is_better_and_by_how_much(
    points, value, ranking, strength, workspace, make_comparison
):
    make_comparison(THREE[:2])
    workspace.use(choice="strength", points=points)
    workspace.page()
    workspace.show(0, 1)
    assert workspace.answer(strength=str(value))["stored"]
    judgment = Judgment.objects.get()
    assert (judgment.ranking, judgment.strength) == (ranking, strength)


def test_a_strength_counts_for_the_side_shown(workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(choice="strength", points=7)
    workspace.page()
    workspace.show(1, 0)
    workspace.answer(strength="-3")
    judgment = Judgment.objects.get()
    assert (judgment.ranking, judgment.strength) == ((2, 1), 3)


@pytest.mark.parametrize(
    ("points", "value"), [(5, "3"), (5, ""), (5, "x"), (7, "-4"), (8, "0"), (8, "5"), (7, "+1")]
)
def test_a_strength_off_the_scale_is_refused(points, value, workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(choice="strength", points=points)
    assert workspace.answer(strength=value)["field"] == "strength"
    assert not Judgment.objects.exists()


@pytest.mark.parametrize("points", [5, 7, 8])
def test_the_page_offers_every_step_once_from_a_to_b(points, workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(choice="strength", points=points)
    html = workspace.page()
    steps = AnswerForm(choice="strength", points=points).steps
    values = [value for value in range(-steps, steps + 1) if value or points % 2]
    places = [html.index(f'name="strength" value="{value}"') for value in values]
    assert places == sorted(places)
    assert html.count('name="strength"') == points
    words = [strength_words(value, steps) for value in values]
    assert len(set(words)) == points
    assert all(word in html for word in words)


@pytest.mark.parametrize(
    ("ranks", "ranking"),
    [
        (("1", "2", "2"), (2, 2, 1)),
        (("3", "1", "2"), (1, 2, 3)),
        (("1", "1", "1"), (1, 1, 1)),
        (("1", "3", "3"), (2, 2, 1)),
        (("2", "3", "3"), (2, 2, 1)),
    ],
)
def test_a_ranking_is_stored_by_canonical_position_without_gaps(ranks, ranking, workspace, make_comparison):
    make_comparison(THREE)
    workspace.page()
    workspace.show(2, 0, 1)
    workspace.answer(**{f"rank_{place}": rank for place, rank in enumerate(ranks)})
    assert Judgment.objects.get().ranking == ranking


@pytest.mark.parametrize("bad", ["", "0", "4", "-1", "1.5", "x", "９", "9" * 5000])
def test_a_rank_that_is_none_is_refused_at_its_response(bad, workspace, make_comparison):
    make_comparison(THREE)
    reply = workspace.answer(rank_0="1", rank_1=bad, rank_2="2")
    assert reply["field"] == "rank_1"
    assert not Judgment.objects.exists()


def test_two_responses_may_be_ranked_too(workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(choice="ranking")
    assert 'data-kind="ranking"' in workspace.page()
    workspace.show(1, 0)
    workspace.answer(rank_0="1", rank_1="2")
    assert Judgment.objects.get().ranking == (2, 1)


@pytest.mark.parametrize("choice", ["pair", "strength"])
def test_more_than_two_responses_are_ranked_whatever_the_form(choice, workspace, make_comparison):
    make_comparison(THREE)
    workspace.use(choice=choice)
    html = workspace.page()
    assert 'data-kind="ranking"' in html
    assert html.count('name="rank_') == 3


@pytest.mark.parametrize(
    ("choice", "answer"),
    [("pair", {"choice": "tie"}), ("ranking", {"rank_0": "1", "rank_1": "1"})],
)
def test_a_tie_is_refused_where_there_is_none(choice, answer, workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(choice=choice, tie=False)
    assert 'value="tie"' not in workspace.page()
    assert workspace.answer(**answer)["field"] == "ranking"
    assert not Judgment.objects.exists()


def scores(criteria, levels):
    polite, short, _ = criteria
    return {
        f"score_{criterion.pk}_{place}": str(level)
        for criterion, row in zip((polite, short), levels, strict=True)
        for place, level in enumerate(row)
    }


def test_scores_are_stored_for_the_response_they_stand_under(workspace, make_comparison, criteria):
    make_comparison(THREE[:2])
    workspace.use(scores=True)
    html = workspace.page()
    assert "as polite as can be" in html
    assert "safe" not in html
    workspace.show(1, 0)
    workspace.answer(choice="a", **scores(criteria, [(5, 2), (0, 1)]))
    stored = set(Score.objects.values_list("criterion__name", "position", "value"))
    assert stored == {("polite", 1, 5), ("polite", 0, 2), ("short", 1, 0), ("short", 0, 1)}


@pytest.mark.parametrize("bad", [None, "", "6", "x", "-1"])
def test_a_score_that_misses_or_is_off_its_scale_is_refused_at_its_field(
    bad, workspace, make_comparison, criteria
):
    make_comparison(THREE[:2])
    workspace.use(scores=True)
    answer = scores(criteria, [(5, 2), (0, 1)])
    name = f"score_{criteria[0].pk}_1"
    answer = {key: value for key, value in answer.items() if key != name} | (
        {name: bad} if bad is not None else {}
    )
    assert workspace.answer(choice="a", **answer)["field"] == name
    assert not Judgment.objects.exists()


def test_where_people_only_score_the_ranking_follows_by_weight(workspace, make_comparison, criteria):
    make_comparison(THREE)
    workspace.use(choice="none", scores=True)
    html = workspace.page()
    assert 'name="rank_' not in html
    assert 'name="choice"' not in html
    workspace.show(2, 1, 0)
    workspace.answer(**scores(criteria, [(5, 3, 4), (0, 2, 2)]))
    assert Judgment.objects.get().ranking == (1, 2, 2)


def test_without_criteria_for_people_a_form_of_scores_asks_for_a_choice(workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(choice="none", scores=True)
    assert workspace.answer(choice="a")["stored"]


def test_all_bad_is_said_besides_the_preference(workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(all_bad=True)
    assert workspace.answer(all_bad="1")["field"] == "choice"
    assert workspace.answer(choice="tie", all_bad="1")["stored"]
    judgment = Judgment.objects.get()
    assert (judgment.all_bad, judgment.ranking) == (True, (1, 1))


def test_comments_on_parts_are_stored_in_code_points_of_the_response_shown(workspace, make_comparison):
    make_comparison(["🍵🍵 is tea.", "Mint."])
    workspace.use(spans=True)
    workspace.page()
    workspace.show(1, 0)
    spans = [
        {"place": 1, "start": 0, "end": 2, "comment": " Two cups. "},
        {"place": 0, "start": 0, "end": 5, "comment": "Dry."},
    ]
    assert workspace.answer(choice="b", spans=json.dumps(spans))["stored"]
    stored = list(Span.objects.order_by("position").values_list("position", "start", "end", "comment"))
    assert stored == [(0, 0, 2, "Two cups."), (1, 0, 5, "Dry.")]


@pytest.mark.parametrize(
    "spans",
    [
        "x",
        "{}",
        "[1]",
        "[[]]",
        "null",
        "[" * 100_000,
        '[{"place": 2, "start": 0, "end": 1, "comment": "x"}]',
        '[{"place": -1, "start": 0, "end": 1, "comment": "x"}]',
        '[{"place": 0, "start": 0, "end": 99, "comment": "x"}]',
        '[{"place": 0, "start": 1, "end": 1, "comment": "x"}]',
        '[{"place": 0, "start": -1, "end": 1, "comment": "x"}]',
        '[{"place": 0, "start": 0, "end": 1e0, "comment": "x"}]',
        '[{"place": 0, "start": true, "end": 2, "comment": "x"}]',
        '[{"place": 0, "start": 0, "end": 1, "comment": ""}]',
        '[{"place": 0, "start": 0, "end": 1, "comment": 5}]',
        '[{"place": 0, "start": 0, "end": 1, "comment": "a\\u0000b"}]',
        '[{"place": 0, "start": 0, "end": 1, "comment": "\\ud800"}]',
        '[{"place": 0, "start": 0, "end": 1}]',
        '[{"place": 0, "start": 0, "end": 1, "comment": "x", "by": "me"}]',
        '[{"place": 0, "start": 0, "end": 99999999999999999999, "comment": "x"}]',
        json.dumps([{"place": 0, "start": 0, "end": 1, "comment": "x" * 2001}]),
        json.dumps([{"place": 0, "start": 0, "end": 1, "comment": "x"}] * 101),
    ],
)
def test_comments_that_are_none_are_refused_and_nothing_is_stored(spans, workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(spans=True)
    reply = workspace.answer(choice="a", spans=spans)
    assert reply["field"] == "spans"
    assert reply["refused"]
    assert not Judgment.objects.exists()


def test_a_reason_is_asked_for_where_it_is_required(workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(rationale="required")
    assert workspace.answer(choice="a", rationale=" \n ")["field"] == "rationale"
    assert workspace.answer(choice="a", rationale="Kind.")["stored"]


def test_a_reason_is_not_asked_for_where_it_is_off(workspace, make_comparison):
    make_comparison(THREE[:2])
    workspace.use(rationale="off")
    assert 'name="rationale"' not in workspace.page()
    assert workspace.answer(choice="a", rationale="Kind.")["field"] == "rationale"


@pytest.mark.parametrize("answer", [{"choice": "a"}, {"skip": "not_my_language"}])
def test_flags_go_with_an_answer_and_with_a_skip(answer, workspace, make_comparison):
    comparison = make_comparison(THREE[:2])
    workspace.use(flags=True)
    assert workspace.answer(**answer, flags=["not_my_language", "unsafe"])["stored"]
    flags = Flag.objects.filter(comparison=comparison, judgment=Judgment.objects.get(), settled_at=None)
    assert set(flags.values_list("kind", flat=True)) == {"not_my_language", "unsafe"}


@pytest.mark.parametrize("choice", ["pair", "strength", "ranking", "none"])
def test_any_mixture_is_on_one_page_and_all_of_it_is_kept(choice, workspace, make_comparison, criteria):
    make_comparison(THREE[:2])
    workspace.use(choice=choice, scores=True, all_bad=True, spans=True, rationale="required", flags=True)
    html = workspace.page()
    for name in ("all_bad", "rationale", "spans", "flags", f"score_{criteria[0].pk}_0"):
        assert f'name="{name}"' in html
    preference = {
        "pair": {"choice": "a"},
        "strength": {"strength": "-1"},
        "ranking": {"rank_0": "1", "rank_1": "2"},
        "none": {},
    }[choice]
    workspace.show(0, 1)
    besides = {
        "all_bad": "1",
        "rationale": "Both cold.",
        "flags": ["broken"],
        "spans": '[{"place": 0, "start": 0, "end": 5, "comment": "Cold."}]',
    }
    assert workspace.answer(**preference, **besides, **scores(criteria, [(5, 2), (1, 1)]))["stored"]
    judgment = Judgment.objects.get()
    assert (judgment.ranking, judgment.all_bad, judgment.rationale) == ((1, 2), True, "Both cold.")
    assert (judgment.scores.count(), judgment.spans.count(), judgment.flags.count()) == (4, 1, 1)


def test_what_came_back_from_undo_can_be_sent_as_it_is(workspace, make_comparison, criteria):
    make_comparison(THREE)
    workspace.use(choice="ranking", scores=True, spans=True, flags=True, all_bad=True)
    besides = scores(criteria, [(5, 2, 1), (1, 1, 0)])
    spans = '[{"place": 2, "start": 0, "end": 4, "comment": "Leaf."}]'
    workspace.answer(rank_0="2", rank_1="1", rank_2="2", spans=spans, flags=["broken"], **besides)
    first = Judgment.objects.get()
    html = workspace.ask("undo").json()["item"]
    again = filled_in(html)
    assert again["submission_id"] != str(first.submission_id)
    assert hidden_fields(html)["comparison"]
    assert workspace.post(again)["stored"]
    second = Judgment.objects.get(current=True)
    for name in ("ranking", "strength", "all_bad", "rationale", "outcome", "shown"):
        assert getattr(second, name) == getattr(first, name)
    for parts, columns in (
        ("scores", ("criterion", "position", "value")),
        ("spans", ("position", "start", "end", "comment")),
        ("flags", ("kind",)),
    ):
        kept = [set(getattr(judgment, parts).values_list(*columns)) for judgment in (first, second)]
        assert kept[0] == kept[1] != set()
