"""The guidelines' pages: read by members, written by owners, with what changed and who has read it."""

import pytest
from django.test import Client
from django.urls import reverse

from feedback.actions.guidelines import publish_guidelines
from feedback.actions.projects import create_project, rater_of, set_member
from feedback.actions.reviews import raise_doubt
from feedback.models import Doubt, GuidelineReading
from feedback.queries.guidelines import unread_guideline


@pytest.fixture
def page(project, make_user):
    """A page or a form of the project's guidelines, as somebody with this role."""

    def ask(name, *args, role="owner", data=None, **query):
        client = Client()
        user = project.members.filter(role=role).first()
        client.force_login(user.user if user else make_user(f"{role}-1", project=project, role=role))
        address = reverse(f"feedback:{name}", args=[project.slug, *args], query=query)
        return client.get(address) if data is None else client.post(address, data)

    return ask


def draft(**given):
    return {"version": 1, "text_en": "Prefer the kind answer.", "change": "Kind, not polite.", **given}


def test_every_member_reads_the_newest_in_their_language(project, page):
    publish_guidelines(project=project, texts={"en": "*Kind*.", "fr": "*Aimable*."}, change="Kind.", by=None)
    assert b"<em>Kind</em>" in page("guidelines", role="annotator").content
    assert b"<em>Aimable</em>" in page("guidelines", role="annotator", language="fr").content
    assert b"Prefer the polite answer." in page("guidelines", role="annotator", version=1).content
    assert page("guidelines", role="annotator", version=9).status_code == 404


def test_where_nothing_is_written_the_page_says_so(project, page):
    project.guidelines.all().delete()
    assert b"No guidelines yet" in page("guidelines", role="annotator").content


def test_one_says_that_one_has_read_them_and_goes_on(project, page):
    assert b"I have read them" in page("guidelines", role="annotator").content
    response = page("guidelines-read", role="annotator", data={"version": "1"})
    assert response.url == reverse("feedback:annotate", args=[project.slug])
    assert b"I have read them" not in page("guidelines", role="annotator").content
    publish_guidelines(project=project, texts={"en": "Kind."}, change="Kind.", by=None)
    assert b"which you read" in page("guidelines", role="annotator").content


@pytest.mark.parametrize("version", ["", "7", "-1", "one", "9" * 30])
def test_a_version_that_is_none_is_not_read(project, page, version):
    page("guidelines-read", role="annotator", data={"version": version})
    assert not GuidelineReading.objects.exists()


def test_an_owner_publishes_and_everybody_has_to_read(project, page, make_user):
    ana = rater_of(project=project, user=make_user("ana", project=project, role="annotator"))
    assert page("guideline-edit", data=draft(publish="1", must_be_read="on")).status_code == 302
    assert unread_guideline(ana).text == "Prefer the kind answer."
    assert unread_guideline(ana).change == "Kind, not polite."


def test_a_version_answers_doubts(project, page, make_comparisons, make_user):
    (comparison,) = make_comparisons(project, 1)
    doubt = raise_doubt(comparison=comparison, note="Which tone?", by=make_user("rita"))
    assert b"Which tone?" in page("guideline-edit").content
    page("guideline-edit", data=draft(publish="1", settles=[str(doubt.pk)]))
    assert Doubt.objects.get().settled_in == 2
    assert b"Which tone?" not in page("guideline-edit").content


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"change": ""}, "Say in a sentence what changed"),
        ({"text_en": "  "}, "Write the guidelines before"),
        ({"version": 0}, "published version 1 while you were writing"),
        ({"settles": ["4711"]}, "Which tone?"),
    ],
)
def test_what_is_refused_is_shown_again_with_its_words(
    project, page, given, said, make_comparisons, make_user
):
    raise_doubt(comparison=make_comparisons(project, 1)[0], note="Which tone?", by=make_user("rita"))
    response = page("guideline-edit", data=draft(publish="1", **given))
    assert response.status_code == 200
    assert said in response.content.decode()
    assert project.guidelines.count() == 1


def test_a_language_is_added_without_losing_what_was_written(project, page):
    response = page("guideline-edit", data=draft(more="1", add="fr"))
    assert "Prefer the kind answer." in response.content.decode()
    assert 'name="text_fr"' in response.content.decode()
    page("guideline-edit", data=draft(publish="1", text_fr="Préférez l'aimable."))
    assert set(project.guidelines.filter(version=2).values_list("language", flat=True)) == {"en", "fr"}


def test_a_language_left_empty_is_not_in_the_version(project, page):
    page("guideline-edit", data=draft(publish="1", text_fr=" "))
    assert project.guidelines.get(version=2).language == "en"


def test_the_preview_is_what_readers_will_see_and_runs_nothing(project, page):
    said = draft(text_en="**Bold** <script>alert(1)</script> ![x](http://evil/x.png)")
    shown = page("guideline-preview", "en", data=said).content.decode()
    assert "<strong>Bold</strong>" in shown
    assert "<script" not in shown
    assert "<img" not in shown
    assert "<strong>Bold</strong>" in page("guideline-edit", data={**said, "preview": "1"}).content.decode()
    assert project.guidelines.count() == 1


def test_changes_are_shown_by_words(project, page):
    publish_guidelines(project=project, texts={"en": "Prefer the kind answer."}, change="Kind.", by=None)
    shown = page("guideline-changes", role="annotator", to=2).content.decode()
    assert "<del>polite </del><ins>kind </ins>" in shown
    assert page("guideline-changes", role="annotator", **{"from": 1, "to": 9}).status_code == 404
    same = page("guideline-changes", role="annotator", **{"from": 2, "to": 2}).content
    assert b"both versions say the same" in same


def test_the_lead_sees_who_has_read_them(project, page, make_user):
    make_user("ana", project=project, role="annotator")
    shown = page("guideline-readers").content.decode()
    assert "ana" in shown
    assert "has to read" in shown


@pytest.mark.parametrize("name", ["guideline-edit", "guideline-readers"])
@pytest.mark.parametrize("role", ["annotator", "reviewer", "engineer"])
def test_only_owners_write_and_see_who_has_read(page, name, role):
    assert page(name, role=role).status_code == 404


@pytest.mark.parametrize("role", ["annotator", "reviewer", "engineer"])
def test_only_owners_publish(project, page, role):
    assert page("guideline-edit", role=role, data=draft(publish="1")).status_code == 404
    assert page("guideline-preview", "en", role=role, data=draft()).status_code == 404
    assert project.guidelines.count() == 1


@pytest.mark.parametrize("name", ["guidelines", "guideline-changes", "guidelines-read"])
def test_an_owner_of_another_project_reads_nothing(project, make_user, name):
    stranger = make_user("stranger")
    set_member(project=create_project(name="Other", by=None), user=stranger, role="owner", by=None)
    client = Client()
    client.force_login(stranger)
    address = reverse(f"feedback:{name}", args=[project.slug])
    asked = client.post(address, {"version": 1}) if name == "guidelines-read" else client.get(address)
    assert asked.status_code == 404
