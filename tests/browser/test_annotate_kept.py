"""Nothing that a person did is lost or sent twice: the line, the browser, the server and the log-in may go."""

import re
import socket
from contextlib import suppress

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import LiveServerThread
from playwright.sync_api import Page, expect

from feedback.models import Assignment, Judgment

from .conftest import CHROMIUM, PAIR, THREE, expect_counts, expect_stored, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OFFLINE = "ERR_INTERNET_DISCONNECTED"


def banner(page: Page):
    return page.locator("#unsent")


def wait_for_two(page: Page) -> None:
    """The item at hand and the next one are both in the page."""
    expect(page.locator("#workspace")).to_have_attribute("data-ahead", "1")


def test_answers_given_offline_are_kept_and_sent_once_when_the_line_is_back(
    workspace, project, ask, expected_in_console
):
    expected_in_console.append(OFFLINE)
    ask(project, *[PAIR] * 4)
    page = workspace()
    wait_for_two(page)
    page.context.set_offline(True)
    press(page, "1")
    press(page, "2")
    expect(banner(page)).to_contain_text("The server can not be reached. 2 answers are kept in this browser")
    expect(page.get_by_role("heading", name="The next one is on its way")).to_be_visible()
    assert not Judgment.objects.exists()
    page.context.set_offline(False)
    expect_counts(page, 2, 2)
    expect(banner(page)).to_be_hidden()
    first, second = expect_stored(2, page)
    assert first.ranking != second.ranking or first.shown != second.shown
    press(page, "0")
    expect_stored(3, page)


def test_a_browser_that_is_closed_sends_what_is_pending_when_it_is_opened_again(
    playwright, live_server, listen, enter, ana, project, ask, tmp_path, expected_in_console
):
    expected_in_console.append(OFFLINE)
    ask(project, *[PAIR] * 3)

    def open_browser():
        return playwright.chromium.launch_persistent_context(
            str(tmp_path), executable_path=str(CHROMIUM), args=["--no-sandbox"], base_url=live_server.url
        )

    context = open_browser()
    page = context.pages[0]
    listen(page)
    enter(page, ana)
    page.goto(f"/p/{project.slug}/annotate/")
    wait_for_two(page)
    context.set_offline(True)
    press(page, "2")
    expect(banner(page)).to_contain_text("1 answer is kept in this browser, also when you close it.")
    page.keyboard.press("r")
    page.keyboard.type("A thought half")
    expect(page.locator("#workspace")).to_have_attribute("data-writing", "0")
    context.close()
    assert not Judgment.objects.exists()

    context = open_browser()
    page = context.pages[0]
    listen(page)
    enter(page, ana)
    page.goto(f"/p/{project.slug}/annotate/")
    [judgment] = expect_stored(1, page)
    assert judgment.shown.index(judgment.ranking.index(1)) == 1
    expect(page.get_by_label("Why?")).to_have_value("A thought half")
    context.close()


class MortalServer(ThreadedWSGIServer):
    """One that takes its connections with it: those kept alive would go on being answered after it is gone."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "allow_reuse_address": True})
        self.accepted = []

    def get_request(self):
        connection, address = super().get_request()
        self.accepted.append(connection)
        return connection, address

    def server_close(self):
        super().server_close()
        for connection in self.accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ServerThread(LiveServerThread):
    server_class = MortalServer


def start_server(port: int = 0) -> LiveServerThread:
    server = ServerThread("localhost", StaticFilesHandler, port=port)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    if server.error:
        raise server.error
    return server


def test_a_server_that_restarts_gets_the_answer_given_meanwhile(workspace, project, ask, expected_in_console):
    expected_in_console.append("ERR_")
    ask(project, *[PAIR] * 3)
    server = start_server()
    page = workspace(base_url=f"http://localhost:{server.port}")
    wait_for_two(page)
    server.terminate()
    press(page, "1")
    # The fourth try, so far away that nothing but the button sends the answer.
    expect(banner(page)).to_contain_text(re.compile(r"Next try in [78]"))
    assert not Judgment.objects.exists()
    again = start_server(server.port)
    page.get_by_role("button", name="Send now").click()
    expect_stored(1, page)
    expect(banner(page)).to_be_hidden()
    page.goto("about:blank")
    again.terminate()


def test_logged_out_meanwhile_the_answer_waits_for_the_log_in_and_then_goes_by_itself(
    workspace, project, ask, log_in, expected_in_console
):
    expected_in_console.append("401")
    ask(project, *[PAIR] * 3)
    page = workspace()
    wait_for_two(page)
    page.context.clear_cookies()
    press(page, "1")
    expect(banner(page)).to_contain_text("You are logged out. 1 answer is kept")
    expected_in_console.append("403")  # the page's token is from before the log-in
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Log in, in a new tab").click()
    log_in(opened.value, "ana")
    opened.value.close()
    expect_stored(1, page)
    expect(banner(page)).to_be_hidden()


def test_another_person_on_the_same_browser_neither_sends_nor_sees_what_is_pending(
    workspace, project, ask, ana, make_user, enter, new_page, expected_in_console
):
    expected_in_console += [OFFLINE, "403", "401"]
    ask(project, *[PAIR] * 4)
    page = workspace()
    wait_for_two(page)
    page.context.set_offline(True)
    press(page, "1")
    page.keyboard.press("r")
    page.keyboard.type("Ana's own words")
    bob = make_user("bob", project=project, role="annotator")
    enter(page, bob)
    page.context.set_offline(False)
    expect(banner(page)).to_contain_text("Somebody else is logged in")

    other = page.context.new_page()
    other.goto(f"/p/{project.slug}/annotate/")
    other.get_by_role("button", name="I have read them").click()
    expect(other.locator("form.item")).to_be_visible()
    expect(banner(other)).to_be_hidden()
    expect(other.get_by_label("Why?")).to_have_value("")
    press(other, "2")
    [judgment] = expect_stored(1, other)
    assert judgment.rater.user == bob
    other.close()

    enter(page, ana)
    page.reload()
    expect(page.locator("#workspace")).to_have_attribute("data-pending", "0")
    assert sorted(Judgment.objects.values_list("rater__user__username", flat=True)) == ["ana", "bob"]
    expect(page.get_by_label("Why?")).to_have_value("Ana's own words")


def test_an_answer_that_is_not_sent_yet_is_taken_back_here(workspace, project, ask, expected_in_console):
    expected_in_console.append(OFFLINE)
    ask(project, *[THREE] * 3, choice="ranking")
    page = workspace()
    wait_for_two(page)
    page.context.set_offline(True)
    for key in "312":
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    expect_counts(page, 1, 2)
    expect(banner(page)).to_be_visible()
    page.keyboard.press("u")
    expect_counts(page, 0, 3)
    expect(page.get_by_role("group", name="C: rank 1")).to_be_visible()
    expect(banner(page)).to_be_hidden()
    page.context.set_offline(False)
    page.keyboard.press("Control+Enter")
    expect_stored(1, page)
    assert Judgment.objects.count() == 1


def test_a_stored_answer_is_taken_back_with_what_it_said(workspace, project, ask):
    ask(project, *[PAIR] * 3, flags=True)
    page = workspace()
    press(page, "r")
    page.keyboard.type("A is kinder")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.keyboard.press("3")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect_stored(1, page)
    page.locator("#item form.item:not([inert])").wait_for()
    page.keyboard.press("u")
    expect(page.get_by_label("Why?")).to_have_value("A is kinder")
    expect(page.get_by_role("radio", name="A is better")).to_be_checked()
    expect_counts(page, 0, 3)
    page.keyboard.press("2")
    [judgment] = expect_stored(1, page)
    assert Judgment.objects.count() == 2
    assert judgment.shown.index(judgment.ranking.index(1)) == 1
    assert [flag.kind for flag in judgment.flags.all()] == ["broken"]


def test_a_draft_is_kept_with_every_keystroke(workspace, project, ask, rubric):
    ask(project, *[PAIR] * 3, choice="strength", scores=True, rationale="required", all_bad=True)
    page = workspace()
    press(page, "4")
    page.keyboard.press("n")
    page.keyboard.press("5")
    page.keyboard.press("r")
    page.keyboard.type("Half a th")
    page.reload()
    expect(page.get_by_label("Why?")).to_have_value("Half a th")
    expect(page.get_by_role("radio", name="B is better")).to_be_checked()
    expect(page.locator("[name^=score_]:checked")).to_have_value("5")


def test_two_windows_of_one_person_send_each_answer_once(workspace, project, ask):
    ask(project, *[PAIR] * 4)
    page = workspace()
    other = page.context.new_page()
    other.goto(f"/p/{project.slug}/annotate/")
    item = other.locator("#item form.item").get_attribute("data-comparison")
    assert page.locator("#item form.item").get_attribute("data-comparison") == item
    press(page, "1")
    expect(other.locator(f'#item form.item[data-comparison="{item}"]')).to_have_count(0)
    expect(other.locator("#notice")).to_contain_text("You answered that one in another window")
    press(other, "2")
    for each in (page, other):
        expect(each.locator("#workspace")).to_have_attribute("data-pending", "0")
    assert Judgment.objects.count() == Judgment.objects.values("comparison").distinct().count() == 2


def test_a_stale_page_gets_a_new_token_and_sends_the_same_answer(
    workspace, project, ask, expected_in_console
):
    expected_in_console.append("403")
    ask(project, *[PAIR] * 3)
    page = workspace()
    page.context.add_cookies(
        [{**cookie, "value": "x" * 32} for cookie in page.context.cookies() if cookie["name"] == "csrftoken"]
    )
    press(page, "1")
    expect_stored(1, page)


def test_an_item_that_somebody_took_away_meanwhile_is_said_and_left(workspace, project, ask):
    ask(project, *[PAIR] * 3)
    page = workspace()
    number = page.locator("#item form.item").get_attribute("data-comparison")
    wait_for_two(page)
    Assignment.objects.get(pk=number).delete()
    press(page, "1")
    expect(page.locator("#notice")).to_contain_text("This item is not yours any more")
    expect_counts(page, 0, 3)
    press(page, "2")
    expect_stored(1, page)


def test_an_answer_that_the_form_does_not_take_any_more_comes_back_with_what_was_filled_in(
    workspace, project, ask
):
    ask(project, *[PAIR] * 3)
    page = workspace()
    wait_for_two(page)
    project.form = {"rationale": "required"}
    project.save()
    number = page.locator("#item form.item").get_attribute("data-comparison")
    press(page, "1")
    expect(page.locator("#notice")).to_be_visible()
    expect(page.locator("#item form.item")).to_have_attribute("data-comparison", number)
    expect(page.get_by_role("radio", name="A is better")).to_be_checked()
    page.get_by_label("Why?").fill("It is shorter.")
    page.keyboard.press("Control+Enter")
    expect_stored(1, page)


def expect_lease_given_back(page):
    """What a page sends as it is left has no reply that anybody hears."""
    for _ in range(600):
        if Assignment.objects.filter(done_at=None, expires_at=None).exists():
            return
        page.wait_for_timeout(50)


def test_leases_are_kept_alive_while_somebody_works_and_given_back_when_they_leave(
    new_page, enter, ana, project, ask
):
    ask(project, *[PAIR] * 2)
    page = new_page()
    enter(page, ana)
    page.clock.install()
    page.goto(f"/p/{project.slug}/annotate/")
    wait_for_two(page)
    until = Assignment.objects.earliest("pk").expires_at
    with page.expect_response(re.compile("/heartbeat/")):
        page.clock.fast_forward(project.lease_seconds * 1000 // 3 + 1000)
    assert Assignment.objects.earliest("pk").expires_at > until
    page.keyboard.press("r")
    page.keyboard.type("I come back to this")
    page.goto(f"/p/{project.slug}/")
    expect_lease_given_back(page)
    kept, given_back = Assignment.objects.order_by("pk")
    assert kept.expires_at is not None
    assert given_back.expires_at is None
