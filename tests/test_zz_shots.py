"""Screenshots of the grader's page, with comparisons to try it on."""

import pytest
from pathlib import Path
from playwright.sync_api import sync_playwright
from feedback.actions.imports import store_records
from feedback.records import ComparisonRecord, ResponseRecord


@pytest.mark.django_db(transaction=True)
def test_shots(live_server, project, make_user, client):
    records = [
        ComparisonRecord(
            key=str(i),
            prompt=[{"role": "user", "content": q}],
            responses=[ResponseRecord("a", "x", a), ResponseRecord("b", "y", b)],
            reference=r,
            line=i,
        )
        for i, (q, a, b, r) in enumerate(
            [
                ("What is the capital of France?", "The capital is Paris.", "Lyon, I believe.", "Paris"),
                (
                    "How many legs has a spider?",
                    "8",
                    "It has six legs, like every insect that lives on this planet, and it uses them all day long.",
                    "8",
                ),
                ("Say hello.", "Hello!", "Hi", None),
            ],
            1,
        )
    ]
    store_records(project=project, records=records, by=None)
    user = make_user("eva", project=project, role="engineer")
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for width, scheme in ((1280, "light"), (390, "dark")):
            c = b.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            c.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
            page = c.new_page()
            page.set_default_timeout(120000)
            errors = []
            page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
            page.goto(f"{live_server.url}/p/{project.slug}/graders/new/?kind=multi")
            page.screenshot(path=f"/tmp/grader-{width}-a.png", full_page=True)
            page.click("button[name=try]")
            page.wait_for_selector("#tried")
            page.screenshot(path=f"/tmp/grader-{width}-b.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert not errors, errors
        b.close()
