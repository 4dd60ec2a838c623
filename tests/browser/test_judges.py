"""The judges' room in a real browser: the rubric editor by keyboard, the playground on the API played locally, axe."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from playwright.sync_api import expect

from feedback.models import Rubric
from feedback.records import JudgmentRecord
from judges.actions.judges import create_judge
from judges.actions.panels import create_panel
from judges.actions.rubrics import create_rubric
from judges.actions.runs import start_judge_run
from judges.core.rubrics import built_in_rubric
from judges.tasks import perform_judge_run
from tests.fake_api.running import running_api

from .test_annotate_accessible import findings

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PEOPLE = [JudgmentRecord(rater="ana", kind="human", ranking={"a": 1, "b": 2})]


def in_a_thread(task: Callable[[int], None], job_id: int) -> None:
    """What a worker does, apart from the loop that Playwright runs in the test's own thread."""

    def work() -> None:
        try:
            task(job_id)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@pytest.fixture
def olga(project, make_user):
    return make_user("olga", project=project, role="owner")


@pytest.fixture
def page(olga, new_page, enter):
    opened = new_page(width=1280)
    enter(opened, olga)
    return opened


@pytest.fixture
def rubric(project) -> Rubric:
    return create_rubric(project=project, **vars(built_in_rubric("helpfulness")), by=None)


def test_a_rubric_is_written_by_keyboard_alone(project, page):
    page.goto(f"/p/{project.slug}/judges/rubrics/new/")
    page.get_by_label("Name").first.focus()
    page.keyboard.type("Kindness")
    page.keyboard.press("Tab")
    page.keyboard.type("Prefer the kind answer.")
    for name, meaning in (("Warmth", "Is it warm?"), ("Tact", "Is it tactful?")):
        page.get_by_role("button", name="Add a criterion").press("Enter")
        expect(page.locator("#rubric-said")).to_contain_text("There is a new criterion")
        expect(page.get_by_label("Name").last).to_be_focused()
        page.keyboard.type(name)
        for _field in ("up", "down", "remove", "description"):
            page.keyboard.press("Tab")
        page.keyboard.type(meaning)
    expect(page.locator("#rubric-views")).to_contain_text("Is it tactful?")
    page.get_by_role("button", name="Move criterion 2 up").press("Enter")
    expect(page.locator("#rubric-said")).to_have_text("Tact is number 1 of 2 now.")
    expect(page.get_by_role("button", name="Move criterion 1 up")).to_be_focused()
    page.get_by_label("Highest level").first.fill("3")
    page.keyboard.press("Tab")
    expect(page.locator("#anchors-c1").get_by_label("Level 4")).to_have_count(0)
    page.locator("#anchors-c1").get_by_label("Level 3").fill("Leaves nobody hurt")
    expect(page.locator("#rubric-views .prompt-text")).to_contain_text("3: Leaves nobody hurt")
    page.get_by_role("button", name="Create the rubric").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Kindness v1")
    first, second = Rubric.objects.get().criteria.all()
    assert (first.name, first.scale_max, first.anchors) == ("Tact", 3, {"3": "Leaves nobody hurt"})
    assert (second.name, second.description) == ("Warmth", "Is it warm?")


def test_a_rubric_is_written_without_scripts(project, olga, new_page, enter):
    page = new_page(java_script_enabled=False)
    enter(page, olga)
    page.goto(f"/p/{project.slug}/judges/rubrics/new/")
    page.get_by_label("Name").first.fill("Plain")
    page.get_by_role("button", name="Add a criterion").click()
    page.get_by_label("Name").last.fill("Clarity")
    page.get_by_role("button", name="Create the rubric").click()
    assert [criterion.name for criterion in Rubric.objects.get().criteria.all()] == ["Clarity"]


def test_a_judge_is_configured_tried_and_run(project, page, rubric, make_comparisons, settings):
    make_comparisons(project, 2, PEOPLE)
    with running_api() as api:
        settings.JUDGE_HOSTS = [api.url.removeprefix("http://")]
        page.goto(f"/p/{project.slug}/judges/new/")
        page.get_by_label("Name", exact=True).fill("sonnet")
        page.get_by_label("Model", exact=True).fill("claude-sonnet-5-5")
        page.get_by_label("Server").fill(api.url)
        expect(page.locator("#judge-preview")).to_contain_text("2 calls for a comparison like this one.")
        expect(page.locator("#judge-preview")).to_contain_text("Question 0?")
        page.get_by_label("Provider", exact=True).select_option("rules")
        expect(page.get_by_label("Server")).to_be_hidden()
        page.get_by_label("Provider", exact=True).select_option("anthropic")
        page.get_by_role("button", name="Create the judge").click()
        page.get_by_role("link", name="Try it").click()
        page.get_by_label("How many, at random").fill("2")
        page.get_by_role("button", name="Pick comparisons").click()
        expect(page.locator("#results")).to_contain_text("4 calls without a reply")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator("#results")).to_contain_text("4 calls answered")
        assert api.bill()["requests"] == 4
        page.get_by_role("link", name="Judges", exact=True).last.click()
        page.get_by_role("link", name="sonnet v1").click()
        page.get_by_role("link", name="Start a run").click()
        expect(page.locator("#estimate")).to_contain_text("4 more have their reply already and cost nothing.")
        page.get_by_role("button", name="Start the run").click()
        expect(page.get_by_text("waits for a worker")).to_be_visible()
        in_a_thread(perform_judge_run, project.judges.get().runs.get().job_id)
        expect(page.get_by_text("2 of 2 comparisons")).to_be_visible()
        assert api.bill()["requests"] == 4


def test_axe_finds_nothing_on_any_page_of_the_room(project, page, rubric, make_comparisons):
    comparison = make_comparisons(project, 2, PEOPLE)[0]
    rules = {"provider": "rules", "model": "rules", "settings": {"rules": [{"pattern": "of x", "weight": 1}]}}
    judges = [
        create_judge(project=project, name=name, rubric=rubric, by=None, **rules) for name in ("one", "two")
    ]
    panel = create_panel(project=project, name="both", members=[(judge, 1.0) for judge in judges], by=None)
    run = start_judge_run(judge=judges[0], by=None)
    in_a_thread(perform_judge_run, run.job_id)
    newer = create_rubric(project=project, name=rubric.name, instructions="Kind.", by=None)
    judge = judges[0].pk
    for path in (
        "",
        "new/",
        f"{judge}/",
        f"{judge}/edit/",
        f"{judge}/changes/",
        f"{judge}/verdicts/",
        f"{judge}/verdicts/{comparison.pk}/",
        f"{judge}/attacks/",
        f"{judge}/run/?estimate=1&purpose=train&mode=live",
        f"runs/{run.pk}/",
        f"playground/?judge={judge}&judge={judges[1].pk}&pk={comparison.pk}",
        "rubrics/",
        "rubrics/new/?start=code",
        "rubrics/import/",
        f"rubrics/{rubric.pk}/",
        f"rubrics/{rubric.pk}/edit/",
        f"rubrics/{newer.pk}/changes/",
        "panels/",
        "panels/new/",
        f"panels/{panel.pk}/",
        "keys/",
    ):
        page.goto(f"/p/{project.slug}/judges/{path}")
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        assert findings(page) == [], path
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        assert findings(page) == [], f"{path}, dark"
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        page.set_viewport_size({"width": 1280, "height": 900})
