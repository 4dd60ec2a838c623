"""Sending a file that is too large: the browser says so before, the server after, and neither by a lost connection."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST = 4 << 20
LARGE = {"name": "rows.jsonl", "mimeType": "application/json", "buffer": b"x" * (MOST + (1 << 17))}


@pytest.fixture
def page(project, make_user, new_page, enter, settings, request):
    settings.UPLOAD_BYTES = MOST
    page = new_page(java_script_enabled=request.param)
    enter(page, make_user("eva", project=project, role="engineer"))
    page.goto(f"/p/{project.slug}/import/")
    page.get_by_label("File").set_input_files(LARGE)
    return page


@pytest.mark.parametrize("page", [True], indirect=True)
def test_the_page_says_before_anything_is_sent_that_the_file_is_too_large(page):
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    expect(page.get_by_role("alert")).to_contain_text("larger than 4 MB")
    page.get_by_role("button", name="Send and look at it").click()
    assert "POST" not in sent
    page.get_by_label("File").set_input_files({**LARGE, "buffer": b'{"a": 1}\n'})
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Send and look at it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("rows.jsonl")


@pytest.mark.parametrize("page", [False], indirect=True)
def test_without_scripts_the_server_says_it(page):
    page.get_by_role("button", name="Send and look at it").click()
    expect(page.locator(".flash.is-error")).to_contain_text("larger than 4 MB")
