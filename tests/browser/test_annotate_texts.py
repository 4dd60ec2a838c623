"""Reading in the workspace: raw, differences, formulas, right to left, comments on words, hostile texts."""

import json

import pytest
from playwright.sync_api import Page, expect

from .conftest import PAIR, THREE, expect_stored, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FORMULAS = (
    "Inline $x^2 + y^2$ and a block:\n\n$$\\int_0^1 x\\,dx = \\frac12$$\n",
    "Not TeX: $\\notacommand{x}$. Tricks: $\\href{javascript:alert(1)}{x}$ $\\pmb{b}$ $\\fcolorbox{red}{blue}{c}$",
)
HOSTILE = [
    "<script>window.harmed = 1</script>",
    "<img src=https://evil.example/a.png onerror='window.harmed = 1'>",
    "![tracker](https://evil.example/b.png)",
    "[click](javascript:window.harmed=1) [open](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "<style>@import 'https://evil.example/x.css'; body { background: url(https://evil.example/c.css) }</style>",
    "<iframe src='https://evil.example/d'></iframe>",
    "<svg onload='window.harmed = 1'><use href='https://evil.example/e.svg#x'></use></svg>",
    "$\\includegraphics{https://evil.example/f.png}$ $\\htmlData{x=1}{y}$ $\\htmlStyle{background:url(https://evil.example/g)}{z}$",
    "</pre></template></form><form action='https://evil.example/h'><input name=comparison value=1>",
    "<link rel=stylesheet href=https://evil.example/i.css><meta http-equiv=refresh content='0;url=https://evil.example'>"
    " \u202e gnp.elif \u2066 \u202d",
]


def select(page: Page, words: str, view: str = ".prose", place: int = 0) -> None:
    """Selects these words in one response, as a person's mouse would leave them selected."""
    page.evaluate(
        """([place, view, words]) => {
            const root = document.querySelector(`#item .response[data-place="${place}"] ${view}`);
            const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const at = node.data.lastIndexOf(words);
                if (at >= 0) getSelection().setBaseAndExtent(node, at, node, at + words.length);
            }
        }""",
        [place, view, words],
    )


def comment(page: Page, text: str) -> None:
    page.keyboard.press("c")
    page.get_by_label("Your comment").fill(text)
    page.keyboard.press("Control+Enter")


def test_raw_shows_what_was_written_and_stays_for_the_next_item(workspace, project, ask):
    ask(project, *[("**bold** &amp; more", "# title")] * 3)
    page = workspace()
    expect(page.locator("#item .raw").first).to_be_hidden()
    page.keyboard.press("v")
    raw = page.locator("#item .raw").all_inner_texts()
    assert sorted(raw) == ["# title", "**bold** &amp; more"]
    press(page, "1")
    expect(page.locator("#item .raw").first).to_be_visible()


def test_the_words_in_which_two_responses_differ_are_marked(workspace, project, ask):
    ask(project, ("The cat sat on the mat.", "The dog sat on a mat."))
    page = workspace()
    press(page, "d")
    marked = page.locator("#item .differences :is(ins, del)")
    expect(marked).to_have_count(4)
    assert sorted(marked.all_inner_texts()) == ["a", "cat", "dog", "the"]
    page.keyboard.press("d")
    expect(page.locator("#item .differences")).to_have_count(0)


def test_any_two_of_several_responses_are_compared(workspace, project, ask):
    ask(project, THREE, choice="ranking")
    page = workspace()
    press(page, "d")
    page.get_by_label("Compare this response").select_option("C")
    expect(page.locator('#item .response[data-place="2"] .differences')).to_be_visible()
    expect(page.locator('#item .response[data-place="0"] .differences')).to_have_count(0)


def test_texts_too_different_to_compare_do_not_freeze_the_page(workspace, project, ask):
    words = [" ".join(f"{letter}{number}" for number in range(6000)) for letter in "xy"]
    ask(project, tuple(words))
    page = workspace()
    press(page, "d")
    expect(page.locator("#announcement")).to_contain_text("differ in nearly everything")
    expect(page.locator("#item .prose").first).to_be_visible()


def test_formulas_are_drawn_and_what_is_none_stays_as_written(workspace, project, ask):
    ask(project, FORMULAS)
    page = workspace()
    expect(page.locator(".katex-display")).to_have_count(1)
    expect(page.get_by_text("\\notacommand{x}").first).to_be_visible()
    assert page.locator("#item .math a").count() == 0


def test_text_from_right_to_left_reads_so_and_code_does_not(workspace, project, ask):
    ask(project, ("مرحبا بالعالم\n\n```python\nprint(1)\n```", "Hello"))
    page = workspace()
    arabic = page.get_by_text("مرحبا بالعالم").first
    assert arabic.evaluate("(e) => getComputedStyle(e).direction") == "rtl"
    assert page.locator("#item .prose pre").evaluate("(e) => getComputedStyle(e).direction") == "ltr"


def test_long_answers_are_whole_and_each_side_may_scroll_by_itself(workspace, project, ask):
    ask(project, ("A line.\n\n" * 200 + "The end of it.", "Short."))
    page = workspace()
    long = page.locator("#item .response-text", has_text="The end of it.")
    clipped = "(e) => e.scrollHeight > e.clientHeight + 1"
    assert not long.evaluate(clipped)
    page.keyboard.press("l")
    assert long.evaluate(clipped)
    expect(page.locator("#item .answer-bar")).to_be_in_viewport()


def test_a_comment_on_selected_words_counts_code_points_of_the_exact_text(workspace, project, ask):
    text = "Smile 😀 and **read** this line.\r\n\r\nThe same word, and the same word again."
    ask(project, (text, text + " More."), spans=True)
    page = workspace()
    select(page, "same word")
    comment(page, "Says it twice")
    select(page, "and", place=1)
    page.keyboard.press("c")
    page.keyboard.press("Escape")
    expect(page.locator("#item .prose mark")).to_have_text("same word")
    page.get_by_role("button", name="Says it twice").click()
    page.get_by_label("Your comment").fill("Says it two times")
    page.keyboard.press("Control+Enter")
    press(page, "1")
    [judgment] = expect_stored(1, page)
    [span] = judgment.spans.all()
    exact = judgment.comparison.slots.get(position=span.position).response.text
    assert exact[span.start : span.end] == "same word"
    assert span.start == exact.rindex("same word")
    assert (span.comment, judgment.shown.index(span.position)) == ("Says it two times", 0)


def test_words_that_are_not_verbatim_in_the_text_are_chosen_in_the_raw_one(workspace, project, ask):
    ask(project, ("Read **this** & that.", "Another."), spans=True)
    page = workspace()
    place = 0 if "this" in page.locator("#item .response .prose").first.inner_text() else 1
    page.evaluate(
        """(place) => {
            const text = document.querySelector(`#item .response[data-place="${place}"] .prose p`);
            getSelection().selectAllChildren(text);
        }""",
        place,
    )
    page.keyboard.press("c")
    expect(page.get_by_text("These words do not stand like this")).to_be_visible()
    field = page.get_by_label("The text; select the words that you comment on")
    field.press("Control+Home")
    for _ in range(13):
        field.press("Shift+ArrowRight")
    expect(page.locator("#span-editor blockquote")).to_have_text("Read **this**")
    page.get_by_label("Your comment").fill("Too loud")
    page.get_by_role("button", name="Keep").click()
    press(page, "1")
    [judgment] = expect_stored(1, page)
    [span] = judgment.spans.all()
    assert (span.start, span.end) == (0, 13)


def test_a_comment_is_removed_and_its_mark_with_it(workspace, project, ask):
    ask(project, PAIR, spans=True)
    page = workspace()
    select(page, "answer")
    comment(page, "Which?")
    page.get_by_role("button", name="Which?").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#item mark")).to_have_count(0)
    assert json.loads(page.locator("#item [name=spans]").input_value()) == []


def test_hostile_texts_run_nothing_and_load_nothing(workspace, project, ask, live_server):
    ask(project, *[(text, f"{text} again") for text in HOSTILE], prompt=HOSTILE[0] + HOSTILE[2], spans=True)
    page = workspace()
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload()
    for number in range(len(HOSTILE)):
        page.locator("#item form.item:not([inert])").wait_for()
        page.keyboard.press("v")
        page.keyboard.press("v")
        page.keyboard.press("d")
        select(page, "again", ".raw", place=0)
        press(page, "0")
        expect_stored(number + 1, page)
    assert page.evaluate("window.harmed") is None
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
    assert page.locator("form[action*=evil], iframe, #item img, #item style, #item .prose a").count() == 0
    assert page.url.startswith(live_server.url)
    assert page.context.pages == [page]
