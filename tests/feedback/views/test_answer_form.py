"""How a project's people answer is set by its owners, who see what it makes."""

import pytest
from django.test import Client
from django.urls import reverse

from feedback.answers import AnswerForm
from feedback.models import AuditEntry

CHOSEN = {
    "choice": "strength",
    "points": "8",
    "tie": "on",
    "scores": "on",
    "rationale": "required",
    "flags": "on",
    "show_judges": "on",
}


@pytest.fixture
def page(project):
    return reverse("feedback:answer-form", args=[project.slug])


@pytest.fixture
def owner(project, make_user):
    client = Client()
    client.force_login(make_user("olga", project=project, role="owner"))
    return client


def test_what_is_saved_is_what_people_are_asked(owner, page, project):
    assert owner.post(page, CHOSEN).status_code == 302
    project.refresh_from_db()
    assert AnswerForm.of(project.form) == AnswerForm(
        choice="strength", points=8, scores=True, rationale="required", flags=True
    )
    assert project.show_judges
    entry = AuditEntry.objects.get(verb="set answer form")
    assert entry.actor.username == "olga"
    assert entry.detail["points"] == 8


def test_the_page_shows_the_form_as_it_is_and_what_it_makes(owner, page):
    owner.post(page, CHOSEN)
    html = owner.get(page).content.decode()
    assert '<option value="strength" selected>' in html
    assert 'value="-4"' in html
    assert "A is far better" in html


@pytest.mark.parametrize(
    ("changes", "shown", "hidden"),
    [
        ({"choice": "pair", "tie": "on"}, 'value="tie"', 'name="strength"'),
        ({"choice": "pair", "tie": ""}, 'value="b"', 'value="tie"'),
        ({"choice": "ranking"}, 'name="rank_2"', 'name="choice"'),
        ({"choice": "none", "scores": "on"}, 'name="score_', 'name="choice"'),
        ({"choice": "pair", "rationale": "off"}, 'name="choice"', 'name="rationale"'),
    ],
)
def test_the_sample_follows_what_is_filled_in(changes, shown, hidden, owner, page, criteria, project):
    filled = {
        "points": "5",
        "rationale": "optional",
        **{name: value for name, value in changes.items() if value},
    }
    html = owner.get(reverse("feedback:answer-form-sample", args=[project.slug]), filled).content.decode()
    assert shown in html
    assert hidden not in html
    assert "<html" not in html


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"choice": "both"}, "choice"),
        ({"points": "6"}, "points"),
        ({"choice": "none", "scores": ""}, "scores"),
    ],
)
def test_a_form_that_is_none_is_not_saved(changes, field, owner, page, project):
    filled = {name: value for name, value in (CHOSEN | changes).items() if value}
    response = owner.post(page, filled)
    assert response.status_code == 200
    assert response.context["form"].errors[field]
    project.refresh_from_db()
    assert project.form == {}
    assert owner.get(reverse("feedback:answer-form-sample", args=[project.slug]), filled).status_code == 204


@pytest.mark.parametrize("role", ["annotator", "reviewer", "engineer"])
def test_only_owners_change_how_people_answer(role, project, page, make_user):
    client = Client()
    client.force_login(make_user("rob", project=project, role=role))
    assert client.get(page).status_code == 404
    assert client.post(page, CHOSEN).status_code == 404
    assert client.get(reverse("feedback:answer-form-sample", args=[project.slug])).status_code == 404
    project.refresh_from_db()
    assert project.form == {}
