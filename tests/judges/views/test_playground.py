"""The playground: what is picked, what asking takes, what came back, beside what people say."""

import pytest

from feedback.models import Judgment, Role
from feedback.records import JudgmentRecord
from judges.models import JudgeCall

PEOPLE = [
    JudgmentRecord(rater="ana", kind="human", ranking={"a": 1, "b": 2}),
    JudgmentRecord(rater="ben", kind="human", ranking={"a": 1, "b": 2}),
]


@pytest.fixture
def engineer(as_role):
    return as_role(Role.ENGINEER)


def numbers(comparisons):
    return [comparison.pk for comparison in comparisons]


def test_picking_leads_to_an_address_that_holds_it(project, make_comparisons, make_judge, engineer, address):
    make_comparisons(project, 6)
    judge = make_judge()
    answer = engineer.get(address("playground"), {"pick": 1, "judge": judge.pk, "n": 4})
    assert answer.url.count("pk=") == 4
    assert len(engineer.get(answer.url).context["rows"]) == 4


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"ids": "q1, q3,q1"}, ["q1", "q3"]),
        ({"q": "Answer 4 of y", "n": 3}, ["q4"]),
        ({"tag": "odd", "n": 20}, ["q1", "q3", "q5"]),
    ],
)
def test_comparisons_are_picked_by_id_by_words_and_by_tag(
    project, make_comparisons, make_judge, engineer, address, wanted, found
):
    make_comparisons(project, 6)
    if "tag" in wanted:
        wanted = wanted | {"tag": project.tags.get(name=wanted["tag"]).pk}
    answer = engineer.get(address("playground"), {"pick": 1, "judge": make_judge().pk} | wanted, follow=True)
    picked = [row["comparison"].external_id for row in answer.context["rows"]]
    assert set(picked) <= set(found)
    assert picked


@pytest.mark.parametrize("wanted", [{"ids": "nothing"}, {"q": "nowhere to be found"}, {"ids": "q\x00"}])
def test_what_fits_nothing_is_told(project, make_comparisons, make_judge, engineer, address, wanted):
    make_comparisons(project, 2)
    answer = engineer.get(address("playground"), {"pick": 1, "judge": make_judge().pk} | wanted)
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_asking_takes_what_was_said_and_the_page_shows_it(
    project, make_comparisons, make_judge, engineer, address
):
    comparisons = make_comparisons(project, 3, PEOPLE)
    judge, other = make_judge(), make_judge("other", settings={"rules": [{"pattern": "of y", "weight": 1.0}]})
    here = f"{address('playground')}?judge={judge.pk}&judge={other.pk}" + "".join(
        f"&pk={pk}" for pk in numbers(comparisons)
    )
    assert [(each.calls, each.worst) for each in engineer.get(here).context["expected"]] == [(6, 0), (6, 0)]
    asked = engineer.post(
        address("playground-ask"), {"judge": [judge.pk, other.pk], "pk": numbers(comparisons)}
    )
    assert asked.url == here
    answer = engineer.get(here)
    assert answer.context["expected"] == []
    assert [side["agreement"]["value"] for side in answer.context["sides"]] == [1.0, 0.0]
    assert [side["agreement"]["n"] for side in answer.context["sides"]] == [3, 3]
    page = answer.content.decode()
    assert (page.count("not as people"), page.count("as people</span>")) == (6, 12)
    assert JudgeCall.objects.count() == 12
    assert not Judgment.objects.filter(rater__in=[judge.pk, other.pk]).exists()


def test_asking_again_pays_for_nothing(
    project, make_comparisons, make_judge, engineer, address, settings, fake_api
):
    settings.JUDGE_HOSTS = [fake_api.url.removeprefix("http://")]
    comparisons = make_comparisons(project, 2)
    judge = make_judge(provider="anthropic", model="claude-sonnet-5-5", settings={"base_url": fake_api.url})
    asked = {"judge": judge.pk, "pk": numbers(comparisons)}
    for _time in range(2):
        answer = engineer.post(address("playground-ask"), asked, follow=True)
    assert fake_api.bill()["requests"] == 4
    side = answer.context["sides"][0]["cost"]
    assert (side["calls"], side["unpriced"]) == (4, 0)
    assert side["cost"] > 0
    assert "claude-sonnet-5-5" in answer.content.decode()


def test_what_can_not_be_read_is_asked_again_and_shown_as_such(
    project, make_comparisons, make_judge, engineer, address, settings, fake_api
):
    settings.JUDGE_HOSTS = [fake_api.url.removeprefix("http://")]
    comparison = make_comparisons(project, 1)[0]
    judge = make_judge(
        provider="anthropic",
        model="claude-sonnet-5-5",
        settings={"base_url": fake_api.url},
        both_orders=False,
        parse_retries=1,
    )
    fake_api.script("wrong_schema")
    answer = engineer.post(address("playground-ask"), {"judge": judge.pk, "pk": comparison.pk}, follow=True)
    assert JudgeCall.objects.count() == 2
    tried = answer.context["rows"][0]["answers"][0]
    assert (tried.asked[0].again, tried.verdict.outcome) == (1, "ranked")
    assert "asked again 1 ×" in answer.content.decode()


def test_a_refusal_to_ask_is_told(project, make_comparisons, make_judge, engineer, address):
    comparison = make_comparisons(project, 1)[0]
    judge = make_judge(provider="anthropic", model="claude-sonnet-5-5", settings={})
    answer = engineer.post(address("playground-ask"), {"judge": judge.pk, "pk": comparison.pk}, follow=True)
    assert "There is no key" in answer.content.decode()


def test_a_reviewer_looks_and_can_not_ask(project, make_comparisons, make_judge, as_role, address):
    comparison = make_comparisons(project, 1)[0]
    here = f"{address('playground')}?judge={make_judge().pk}&pk={comparison.pk}"
    page = as_role(Role.REVIEWER).get(here).content.decode()
    assert "Not asked." in page
    assert 'id="ask"' not in page


@pytest.mark.parametrize("query", ["judge=x&pk=1", "judge=999999&pk=999999", "judge=" + "9" * 30, "pk=-1"])
def test_an_address_of_nothing_shows_nothing(project, make_judge, engineer, address, query):
    make_judge()
    answer = engineer.get(f"{address('playground')}?{query}")
    assert (answer.status_code, answer.context["rows"]) == (200, [])
