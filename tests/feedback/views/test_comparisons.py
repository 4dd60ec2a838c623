"""The list of comparisons with its filters, and one comparison with all that was said about it."""

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.imports import store_records
from feedback.actions.projects import create_project
from feedback.models import Rater
from feedback.queries import PAGE, ComparisonFilter, comparison_page, find_comparisons
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord


@pytest.fixture
def client(project, make_user):
    client = Client()
    client.force_login(make_user("rita", project=project, role="reviewer"))
    return client


def found(project, **wanted) -> list[str]:
    rows = find_comparisons(project, ComparisonFilter(**wanted)).order_by("pk")
    return [row.external_id for row in rows]


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


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"before": "-1"}, {"after": "9" * 40}, {"outcome": "zzz"}, {"tag": "?"}]
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
