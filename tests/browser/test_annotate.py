"""Each form of judgment in a real browser: by keys, by hand, on a phone, and without scripts."""

import re

import pytest
from playwright.sync_api import Page, expect

from feedback.models import Assignment, Judgment

from .conftest import PAIR, THREE, expect_counts, expect_stored, press, shown_texts

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def texts_by_rank(judgment: Judgment) -> list[list[str]]:
    """The response texts of each rank, best first."""
    texts = list(judgment.comparison.slots.order_by("position").values_list("response__text", flat=True))
    ranks = sorted(set(judgment.ranking))
    return [[texts[at] for at, rank in enumerate(judgment.ranking) if rank == each] for each in ranks]


def no_sideways_scroll(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_plain_pairs_need_one_key_each(workspace, project, ask):
    ask(project, *[PAIR] * 5)
    page = workspace()
    expect_counts(page, 0, 5)
    seen = shown_texts(page)
    for done, key in enumerate("120", start=1):
        press(page, key)
        expect_counts(page, done, 5 - done)
    first, second, third = expect_stored(3, page)
    assert texts_by_rank(first)[0] == [seen[0]]
    assert [len(texts_by_rank(each)) for each in (first, second, third)] == [2, 2, 1]
    assert all(judgment.seconds is not None for judgment in (first, second, third))


def test_one_key_can_be_switched_off_and_stays_off(workspace, project, ask):
    ask(project, *[PAIR] * 3)
    page = workspace()
    press(page, "?")
    page.get_by_role("button", name="One key is the whole answer").click()
    page.keyboard.press("Escape")
    with page.expect_response(re.compile("/annotate/next/")):
        page.reload()
    chosen = page.get_by_role("radio", name="B is better")
    for _ in range(20):  # a page that is still being drawn on a busy machine hears no key
        page.keyboard.press("2")
        page.wait_for_timeout(200)
        if chosen.is_checked():
            break
    expect(chosen).to_be_checked()
    expect_counts(page, 0, 3)
    page.keyboard.press("Enter")
    expect_counts(page, 0, 3)
    page.keyboard.press("Control+Enter")
    expect_counts(page, 1, 2)
    assert len(texts_by_rank(expect_stored(1, page)[0])) == 2


def test_a_click_on_a_choice_answers_once_even_when_doubled(workspace, project, ask):
    ask(project, *[PAIR] * 4)
    page = workspace()
    page.get_by_text("A is better").dblclick()
    expect_counts(page, 1, 3)
    expect_stored(1, page)


def test_strength_by_its_number(workspace, project, ask):
    ask(project, *[PAIR] * 3, choice="strength", points=7)
    page = workspace()
    seen = shown_texts(page)
    press(page, "1")
    press(page, "4")
    first, second = expect_stored(2, page)
    assert (texts_by_rank(first)[0], first.strength) == ([seen[0]], 3)
    assert (len(texts_by_rank(second)), second.strength) == (1, None)


def test_a_ranking_by_numbers_from_best_to_worst_with_equals(workspace, project, ask):
    ask(project, *[THREE] * 3, choice="ranking")
    page = workspace()
    seen = shown_texts(page)
    page.keyboard.press("3")
    page.keyboard.press("1")
    page.keyboard.press("=")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    [judgment] = expect_stored(1, page)
    assert texts_by_rank(judgment)[0] == [seen[2]]
    assert sorted(texts_by_rank(judgment)[1]) == sorted(seen[:2])


def test_a_ranking_by_buttons_and_arrows(workspace, project, ask):
    ask(project, *[THREE] * 3, choice="ranking")
    page = workspace()
    seen = shown_texts(page)
    for letter in "ABC":
        page.get_by_role("button", name=f"Rank next response {letter}").click()
    page.get_by_role("button", name="Move C up").click()
    page.keyboard.press("Shift+A")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("group", name="A: rank 3")).to_be_focused()
    page.keyboard.press("Control+Enter")
    [judgment] = expect_stored(1, page)
    assert texts_by_rank(judgment) == [[seen[2]], [seen[1]], [seen[0]]]


def test_a_ranking_by_drag_and_drop(workspace, project, ask):
    ask(project, *[THREE] * 3, choice="ranking")
    page = workspace()
    seen = shown_texts(page)
    ranked = page.locator(".board-ranked")
    for place, count in ((2, 1), (0, 2), (1, 3)):
        row = page.locator(f'.board-rest .board-row[data-place="{place}"]')
        row.scroll_into_view_if_needed()
        start = row.locator(".board-grip").bounding_box()
        end = ranked.bounding_box()
        page.mouse.move(start["x"] + 4, start["y"] + 8)
        page.mouse.down()
        page.mouse.move(start["x"] + 30, start["y"] - 8, steps=4)
        page.mouse.move(end["x"] + 60, end["y"] + end["height"] - 6, steps=8)
        expect(ranked.locator(".board-row")).to_have_count(
            count
        )  # the list looks where the pointer is now and then
        page.mouse.up()
        expect(ranked.locator(".board-row")).to_have_count(count)
    order = ranked.locator(".board-row").evaluate_all("rows => rows.map((row) => row.dataset.place)")
    page.keyboard.press("Control+Enter")
    [judgment] = expect_stored(1, page)
    assert texts_by_rank(judgment) == [[seen[int(place)]] for place in order]


def test_nothing_is_ranked_until_somebody_ranks_it(workspace, project, ask):
    ask(project, THREE, choice="ranking")
    page = workspace()
    press(page, "1")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".missing")).to_have_text("Rank every response.")
    assert not Judgment.objects.exists()


def test_scores_by_digits_that_move_on_with_their_anchors(workspace, project, ask, rubric):
    ask(project, *[PAIR] * 2, choice="none", scores=True)
    page = workspace()
    press(page, "n")
    expect(page.get_by_role("group", name="Helpful A")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".anchor").first).to_have_text("Poor")
    for key in "5342":
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    [judgment] = expect_stored(1, page)
    places = {position: place for place, position in enumerate(judgment.shown)}
    given = {(each.criterion.name, places[each.position]): each.value for each in judgment.scores.all()}
    assert given == {("Helpful", 0): 5, ("True", 0): 3, ("Helpful", 1): 4, ("True", 1): 2}


def test_a_mixture_goes_from_field_to_field_and_says_what_is_missing(workspace, project, ask, rubric):
    ask(project, *[PAIR] * 2, scores=True, rationale="required", all_bad=True, flags=True)
    page = workspace()
    press(page, "n")
    for key in "1122":
        page.keyboard.press(key)
    page.keyboard.type("Both miss the point, 1 and 2")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".missing")).to_have_text("Choose which response is better.")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect_counts(page, 0, 2)
    page.keyboard.press("x")
    page.keyboard.press("f")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    [judgment] = expect_stored(1, page)
    assert judgment.all_bad
    assert judgment.rationale == "Both miss the point, 1 and 2"
    assert sorted(score.value for score in judgment.scores.all()) == [1, 1, 2, 2]
    assert [flag.kind for flag in judgment.flags.all()] == ["unsafe"]


def test_a_skip_asks_for_its_reason(workspace, project, ask):
    ask(project, *[PAIR] * 2)
    page = workspace()
    press(page, "s")
    page.keyboard.press("2")
    [judgment] = expect_stored(1, page)
    assert (judgment.outcome, judgment.rationale) == ("skipped", "lacks_knowledge")


def test_keys_rest_while_writing_and_never_a_bare_enter_submits(workspace, project, ask):
    ask(project, *[PAIR] * 2)
    page = workspace()
    press(page, "r")
    page.keyboard.type("Both 1 and 2 suit us?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_counts(page, 0, 2)
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    [judgment] = expect_stored(1, page)
    assert judgment.rationale == "Both 1 and 2 suit us?"


def test_the_sheet_shows_the_keys_of_the_controls_that_are_there(workspace, project, ask, rubric):
    ask(project, THREE, choice="ranking", scores=True, spans=True, flags=True)
    page = workspace()
    press(page, "?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_contain_text("Rank the responses, from the best to the worst")
    expect(sheet).to_contain_text("Comment on the selected words")
    expect(sheet).to_contain_text("Tell a reviewer that something is wrong")
    expect(sheet).not_to_contain_text("A is better")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(page.locator(".board-ranked .board-row")).to_have_count(0)


@pytest.mark.parametrize("form", [{}, {"choice": "ranking"}], ids=["pair", "ranking"])
def test_a_finger_judges_on_a_phone_without_sideways_scroll(workspace, project, ask, form):
    ask(project, *[PAIR if not form else THREE] * 2, **form)
    page = workspace(width=390, height=844, has_touch=True, is_mobile=True, color_scheme="dark")
    assert no_sideways_scroll(page)
    if form:
        for letter in "BCA":
            page.get_by_role("button", name=f"Rank next response {letter}").tap()
        page.get_by_role("button", name="Submit").tap()
    else:
        page.get_by_text("B is better").tap()
    expect_counts(page, 1, 1)
    assert no_sideways_scroll(page)
    expect_stored(1, page)


def test_without_scripts_the_forms_still_judge(workspace, project, ask, rubric):
    ask(project, *[THREE] * 2, choice="ranking", scores=True, all_bad=True, flags=True)
    page = workspace(java_script_enabled=False)
    for place, rank in enumerate("213"):
        page.locator(f"[name=rank_{place}]").fill(rank)
    for group in page.get_by_role("group").filter(has=page.locator(".levels")).all():
        group.get_by_text("4", exact=True).click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Stored.")).to_be_visible()
    expect_counts(page, 1, 1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[name=rank_1]")).to_have_value("1")
    page.locator("summary", has_text="Skip").click()
    page.get_by_role("button", name="It is broken").click()
    expect(page.get_by_text("Skipped.")).to_be_visible()


def test_the_chosen_colours_are_kept(workspace, project, ask):
    ask(project, PAIR)
    page = workspace()
    page.locator(".menu summary").first.click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--series-1')"
    ).startswith("rgb")


def test_what_the_page_holds_ahead_is_leased_to_the_person(workspace, project, ask):
    ask(project, *[PAIR] * 4)
    page = workspace()
    press(page, "1")
    expect_stored(1, page)
    press(page, "2")
    expect_stored(2, page)
    expect(page.locator("#workspace")).to_have_attribute("data-ahead", "1")
    assert Assignment.objects.filter(done_at=None, expires_at__isnull=False).count() == 2
