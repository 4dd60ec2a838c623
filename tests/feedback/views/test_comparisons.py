"""The list of comparisons with its filters, and one comparison with all that was said about it."""

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.audit import record
from feedback.actions.bulk import change_comparisons
from feedback.actions.imports import store_records
from feedback.actions.projects import create_project
from feedback.models import Assignment, Comparison, Flag, Judgment, Rater
from feedback.queries.search import (
    PAGE,
    ComparisonFilter,
    comparison_page,
    count_comparisons,
    few_comparisons,
    matching,
)
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord


@pytest.fixture
def client(project, make_user):
    client = Client()
    client.force_login(make_user("rita", project=project, role="reviewer"))
    return client


def found(project, **wanted) -> list[str]:
    rows = project.comparisons.in_bulk(ids := matching(project, ComparisonFilter(**wanted)))
    return [rows[pk].external_id for pk in ids]


def test_pages_follow_each_other_and_lead_back(project, make_comparisons):
    keys = [comparison.pk for comparison in make_comparisons(project, 2 * PAGE + 3)]
    everything = ComparisonFilter()
    first = comparison_page(project, everything)
    second = comparison_page(project, everything, after=first.after)
    third = comparison_page(project, everything, after=second.after)
    assert [row.pk for page in (first, second, third) for row in page.rows] == keys
    assert (first.before, third.after) == (None, None)
    back = comparison_page(project, everything, before=third.before)
    assert [row.pk for row in back.rows] == [row.pk for row in second.rows]
    start = comparison_page(project, everything, before=back.before)
    assert [row.pk for row in start.rows] == [row.pk for row in first.rows]
    assert start.before is None


def test_filters_narrow_by_tag_text_and_outcome(project, make_comparisons):
    make_comparisons(project, 3)
    make_comparisons(project, 1, [JudgmentRecord(rater="opus", kind="judge", outcome="unparseable")])
    assert found(project, tag="even") == ["q0", "q2"]
    assert found(project, q="QUESTION 1") == ["q1"]
    assert found(project, q="Answer 2 of x") == ["q2"]
    assert found(project, outcome="unparseable") == ["q3"]
    assert found(project, outcome="none") == ["q0", "q1", "q2"]
    assert found(project, q="Question", tag="odd", outcome="none") == ["q1"]


def test_text_with_accents_and_quotes_is_found(project):
    record = ComparisonRecord(
        key="é",
        prompt=[{"role": "user", "content": 'Où est "la clé"?'}],
        responses=[ResponseRecord("a", "x", "Là."), ResponseRecord("b", "y", "Ici.")],
        line=1,
    )
    store_records(project=project, records=[record], by=None)
    assert found(project, q='"la clé"') == ["é"]
    assert found(project, q="Là") == ["é"]


def test_the_list_keeps_its_filter_while_paging(client, project, make_comparisons):
    make_comparisons(project, 2 * PAGE + 2)
    html = client.get(reverse("feedback:comparisons", args=[project.slug]), {"tag": "even"}).content.decode()
    assert "?tag=even&amp;after=" in html


def both(first, second):
    return [
        JudgmentRecord("ana", ranking=dict(zip("ab", first, strict=True))),
        JudgmentRecord("ben", ranking=dict(zip("ab", second, strict=True))),
        JudgmentRecord("opus", kind="judge", ranking={"a": 1, "b": 2}),
    ]


def test_filters_find_whom_and_what_they_name(project, make_comparisons):
    make_comparisons(project, 1, both((1, 2), (1, 2)))
    make_comparisons(project, 1, both((1, 2), (2, 1)))
    make_comparisons(project, 1, both((1, 1), (1, 1)))
    make_comparisons(project, 1)
    ana, opus = (str(Rater.objects.get(name=name).pk) for name in ("ana", "opus"))
    assert found(project, disagreement="people") == ["q1"]
    assert found(project, disagreement="judges") == ["q1", "q2"]
    assert found(project, rater=ana) == ["q0", "q1", "q2"]
    assert found(project, outcome="tie") == ["q2"]
    assert found(project, outcome="tie", rater=opus) == []
    assert found(project, outcome="none", rater=ana) == ["q3"]
    assert found(project, source="model-x") == ["q0", "q1", "q2", "q3"]
    assert found(project, source="model") == []
    assert found(project, state="open") == ["q3"]
    assert found(project, state="full") == ["q0", "q1", "q2"]
    assert found(project, purpose="train", tag="odd") == ["q1", "q3"]
    assert found(project, purpose="gold") == []


def test_retired_and_flagged_ones_are_states_of_their_own(project, make_comparisons):
    first, second, _ = make_comparisons(project, 3, both((1, 2), (1, 2)))
    change_comparisons(project=project, verb="retire", value="", ids=[first.pk], by=None)
    Flag.objects.create(judgment=second.judgments.first(), comparison=second, kind="broken")
    assert found(project, state="retired") == ["q0"]
    assert found(project, state="flagged") == ["q1"]
    assert found(project, state="full") == ["q1", "q2"]
    assert len(found(project)) == 3


def test_a_search_whose_time_is_up_says_how_far_it_came_and_goes_on_from_there(
    project, make_comparisons, monkeypatch
):
    monkeypatch.setattr("feedback.queries.search.FIRST_STRETCH", 4)
    last = make_comparisons(project, 30)[-1]
    wanted = ComparisonFilter(q="Answer 29 of x")
    page, steps = comparison_page(project, wanted, seconds=0), 1
    assert page.rows == []
    assert 0 < page.searched < 1
    while page.searched is not None:
        page, steps = comparison_page(project, wanted, after=page.after, seconds=0), steps + 1
    assert [row.pk for row in page.rows] == [last.pk]
    assert steps > 2
    assert comparison_page(project, wanted).rows == page.rows
    back = comparison_page(project, ComparisonFilter(q="Answer 0 of x"), before=last.pk, seconds=0)
    assert back.rows == []
    assert back.before is not None


def test_counts_stop_at_a_number_and_say_whether_they_are_whole(project, make_comparisons):
    make_comparisons(project, 12)
    everything = ComparisonFilter()
    assert count_comparisons(project, everything) == (counted := count_comparisons(project, everything))
    assert (counted.count, counted.exact) == (12, True)
    few = count_comparisons(project, everything, most=5)
    assert (few.count, few.exact) == (5, False)
    assert len(few_comparisons(project, everything, 12)) == 12
    assert few_comparisons(project, everything, 11) is None


def test_every_filter_is_in_the_address_of_the_next_page(client, project, make_comparisons):
    make_comparisons(project, 2 * PAGE + 2)
    wanted = {"q": "Question", "tag": "even", "source": "model-x", "purpose": "train", "state": "open"}
    html = client.get(reverse("feedback:comparisons", args=[project.slug]), wanted).content.decode()
    link = next(part for part in html.split('"') if part.startswith("?") and "after=" in part)
    assert all(f"{name}={value}" in link for name, value in wanted.items())
    assert 'rel="next"' in html


def test_only_who_may_change_them_sees_how(client, project, make_comparisons, make_user):
    comparison = make_comparisons(project, 1)[0]
    urls = [
        reverse("feedback:comparisons", args=[project.slug]),
        reverse("feedback:comparison", args=[project.slug, comparison.pk]),
    ]
    engineer = Client()
    engineer.force_login(make_user("eva", project=project, role="engineer"))
    for url in urls:
        assert 'value="retire"' not in client.get(url).content.decode()
        assert 'value="retire"' in engineer.get(url).content.decode()


def test_the_history_tells_all_in_the_order_in_which_it_happened(
    client, project, make_comparisons, make_user
):
    comparison = make_comparisons(
        project, 1, [JudgmentRecord("opus", kind="judge", ranking={"a": 1, "b": 2}, rationale="Plain.")]
    )[0]
    ana = Rater.objects.create(project=project, kind="human", name="ana")
    first = Judgment.objects.create(
        comparison=comparison,
        rater=ana,
        submission_id="6f0f7a3e-3f0e-5d6c-9d0b-000000000001",
        outcome="ranked",
        ranking=(2, 1),
        current=False,
        rationale="<i>Before</i>",
        at="2030-01-01T10:00:00Z",
    )
    Judgment.objects.create(
        comparison=comparison,
        rater=ana,
        submission_id="6f0f7a3e-3f0e-5d6c-9d0b-000000000002",
        outcome="ranked",
        ranking=(1, 2),
        rationale="After.",
        at="2030-01-02T10:00:00Z",
    )
    Assignment.objects.create(comparison=comparison, rater=ana, shown=(0, 1), done_at="2030-01-01T10:00:00Z")
    Flag.objects.create(judgment=first, comparison=comparison, kind="broken")
    record(by=make_user("lead"), verb="retire", target=comparison, project=project, value="old")
    html = client.get(reverse("feedback:comparison", args=[project.slug, comparison.pk])).content.decode()
    history = html.split("history-title")[-1]
    told = ("came into the project", "Plain.", "was given it, and finished", "lead", "flagged it", "After.")
    places = [history.index(each) for each in told]
    assert places[0] == min(places)
    assert places[-1] == max(places)
    assert "superseded" in history
    assert "&lt;i&gt;Before&lt;/i&gt;" in history
    assert Comparison.objects.count() == 1


@pytest.mark.parametrize(
    "query",
    [
        {"after": "x"},
        {"before": "-1"},
        {"after": "9" * 40},
        {"outcome": "zzz"},
        {"tag": "?"},
        {"rater": "x"},
        {"rater": "9" * 30},
        {"state": "?"},
        {"disagreement": "?"},
        {"q": "\x00"},
    ],
)
def test_nonsense_in_the_address_is_no_error(query, client, project, make_comparisons):
    make_comparisons(project, 1)
    assert client.get(reverse("feedback:comparisons", args=[project.slug]), query).status_code == 200


def test_a_comparison_shows_sources_judgments_and_who_is_simulated(client, project, make_comparisons):
    comparison = make_comparisons(
        project,
        1,
        [
            JudgmentRecord(
                rater="sim", ranking={"a": 2, "b": 1}, rationale="<b>Padded</b>", shown=["b", "a"]
            ),
            JudgmentRecord(rater="opus", kind="judge", outcome="refused"),
        ],
    )[0]
    Rater.objects.filter(name="sim").update(simulated=True)
    html = client.get(reverse("feedback:comparison", args=[project.slug, comparison.pk])).content.decode()
    for text in (
        "model-x",
        "model-y",
        "2 &gt; 1",
        "&lt;b&gt;Padded&lt;/b&gt;",
        "simulated",
        "refused",
        "opus",
    ):
        assert text in html


def test_another_projects_comparison_is_not_there(client, project, make_comparisons):
    foreign = make_comparisons(create_project(name="Elsewhere", by=None), 1)[0]
    assert client.get(reverse("feedback:comparison", args=[project.slug, foreign.pk])).status_code == 404
