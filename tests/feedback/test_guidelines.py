"""Guidelines: versions and languages, what must be read before going on, doubts and their settling, what changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.actions.guidelines import mark_read, publish_guidelines
from feedback.actions.projects import create_project, rater_of
from feedback.actions.reviews import raise_doubt
from feedback.differences import MOST_WORDS, differences, with_context
from feedback.errors import Refused
from feedback.models import AuditEntry, Doubt, Guideline, GuidelineReading
from feedback.queries.guidelines import (
    known_languages,
    last_read,
    open_doubts,
    readers,
    unread_guideline,
    versions,
)
from feedback.rendering import LONGEST_RENDERED


@pytest.fixture
def ana(project, make_user):
    return rater_of(project=project, user=make_user("ana", project=project, role="annotator"))


def publish(project, texts=None, change="Something changed.", **rest):
    texts = texts or {"en": f"Text {project.guidelines.count()}."}
    return publish_guidelines(project=project, texts=texts, change=change, **{"by": None, **rest})


class TestPublishing:
    def test_every_change_is_a_version_in_all_its_languages(self, project, make_user):
        owner = make_user("olga", project=project, role="owner")
        made = publish(project, {"en": "Be kind.", "fr": "Soyez aimables."}, by=owner)
        assert [(text.version, text.language) for text in made] == [(2, "en"), (2, "fr")]
        assert [version.number for version in versions(project)] == [2, 1]
        assert versions(project)[0].text("fr").text == "Soyez aimables."
        assert versions(project)[0].text("de").text == "Be kind."
        entry = AuditEntry.objects.filter(verb="publish guidelines").first()
        assert (entry.actor, entry.detail) == (owner, {"version": 2, "must_be_read": True, "settled": 0})

    @pytest.mark.parametrize("texts", [{}, {"en": " \n"}, {"en": "Text.", "fr": ""}])
    def test_an_empty_text_is_refused(self, project, texts):
        with pytest.raises(Refused, match="Write the guidelines"):
            publish_guidelines(project=project, texts=texts, change="All.", by=None)
        assert Guideline.objects.count() == 1

    def test_a_text_longer_than_pages_render_is_refused(self, project):
        with pytest.raises(Refused, match="at most"):
            publish(project, {"en": "x" * (LONGEST_RENDERED + 1)})

    def test_a_language_that_is_none_is_refused(self, project):
        with pytest.raises(Refused, match="xx is no language") as refusal:
            publish(project, {"xx": "Text."})
        assert refusal.value.field == "language"

    def test_only_the_first_version_needs_no_word_on_what_changed(self, project):
        with pytest.raises(Refused) as refusal:
            publish(project, change=" ")
        assert refusal.value.field == "change"
        assert create_project(name="Other", by=None, guidelines="First.").guidelines.get().change == ""

    def test_the_same_texts_again_are_no_version(self, project):
        with pytest.raises(Refused, match="nothing to publish"):
            publish(project, {"en": "Prefer the polite answer."})

    def test_the_second_of_two_writers_is_told(self, project, make_user):
        publish(project, {"en": "Mine."}, based_on=1, by=make_user("olga"))
        with pytest.raises(Refused, match="olga published version 2 while you were writing"):
            publish(project, {"en": "Yours."}, based_on=1)
        assert versions(project)[0].any.text == "Mine."


class TestReading:
    def test_a_new_version_must_be_read_and_reading_it_is_enough(self, project, ana):
        assert unread_guideline(ana).version == 1
        mark_read(rater=ana, version=1)
        assert unread_guideline(ana) is None
        publish(project)
        assert unread_guideline(ana).version == 2
        mark_read(rater=ana, version=2)
        mark_read(rater=ana, version=2)
        assert unread_guideline(ana) is None
        assert GuidelineReading.objects.count() == 2

    def test_a_small_correction_interrupts_nobody_who_read_the_version_before(self, project, ana, make_user):
        mark_read(rater=ana, version=1)
        publish(project, must_be_read=False)
        assert unread_guideline(ana) is None
        newcomer = rater_of(project=project, user=make_user("ben", project=project, role="annotator"))
        assert unread_guideline(newcomer).version == 2

    def test_a_correction_after_a_version_that_must_be_read_does_not_hide_it(self, project, ana):
        mark_read(rater=ana, version=1)
        publish(project)
        publish(project, must_be_read=False)
        assert unread_guideline(ana).version == 3
        mark_read(rater=ana, version=3)
        assert unread_guideline(ana) is None

    def test_the_first_version_must_be_read_whatever_its_writer_says(self, make_user):
        project = create_project(name="Other", by=None)
        publish(project, must_be_read=False)
        ana = rater_of(project=project, user=make_user("ana", project=project, role="annotator"))
        assert unread_guideline(ana) is not None

    def test_it_is_shown_in_ones_language(self, project, ana):
        publish(project, {"en": "Be kind.", "fr": "Soyez aimables."})
        assert unread_guideline(ana, "fr").text == "Soyez aimables."
        assert unread_guideline(ana, "de").text == "Be kind."

    def test_nothing_is_unread_where_there_is_none(self, project, ana):
        project.guidelines.all().delete()
        assert unread_guideline(ana) is None

    @pytest.mark.parametrize("version", [0, 2, 999])
    def test_a_version_that_is_none_can_not_be_read(self, ana, version):
        with pytest.raises(Refused, match="no such version"):
            mark_read(rater=ana, version=version)

    def test_the_lead_sees_who_has_read_what(self, project, ana, make_user):
        make_user("ben", project=project, role="annotator")
        mark_read(rater=ana, version=1)
        rows = [(row.user.username, row.version, row.behind) for row in readers(project)]
        assert rows == [("ben", None, True), ("ana", 1, False)]
        publish(project, must_be_read=False)
        assert [row.behind for row in readers(project)] == [True, False]
        publish(project)
        assert [row.behind for row in readers(project)] == [True, True]
        assert last_read(project, ana.user) == 1


class TestDoubts:
    def test_a_version_settles_the_doubts_it_answers(self, project, make_comparisons, make_user):
        (comparison,) = make_comparisons(project, 1)
        rita = make_user("rita", project=project, role="reviewer")
        tone, length = (
            raise_doubt(comparison=comparison, note=note, by=rita) for note in ("Tone?", "Length?")
        )
        publish(project, settles=[tone.pk])
        assert list(open_doubts(project)) == [length]
        assert Doubt.objects.get(pk=tone.pk).settled_in == 2

    def test_doubts_of_another_project_are_not_touched(self, project, make_comparisons, make_user):
        other = create_project(name="Other", by=None)
        (comparison,) = make_comparisons(other, 1)
        doubt = raise_doubt(comparison=comparison, note="Tone?", by=make_user("rita"))
        publish(project, settles=[doubt.pk])
        doubt.refresh_from_db()
        assert doubt.settled_in is None


def shown(before, now):
    return [
        (line.change, [(part.kind, part.text) for part in line.parts]) for line in differences(before, now)
    ]


class TestDifferences:
    def test_a_changed_line_shows_the_words_that_changed(self):
        parts = [("same", "Prefer the "), ("removed", "short "), ("added", "polite "), ("same", "answer.")]
        assert shown("Prefer the short answer.", "Prefer the polite answer.") == [("changed", parts)]

    def test_lines_that_have_little_in_common_are_shown_whole(self):
        kinds = [change for change, _ in shown("Be kind.", "Never mention prices at all, whoever asks.")]
        assert kinds == ["removed", "added"]

    def test_added_and_removed_lines_stand_in_their_place(self):
        assert [change for change, _ in shown("a\nb\nc", "a\nc\nd")] == ["same", "removed", "same", "added"]

    def test_a_line_too_long_to_compare_is_shown_whole(self):
        line = "word " * (MOST_WORDS + 1)
        assert [change for change, _ in shown(line, line + "more")] == ["removed", "added"]

    def test_what_stayed_is_left_out_but_for_its_neighbours(self):
        before = "\n".join(str(number) for number in range(20))
        lines = list(with_context(differences(before, before.replace("10", "ten")), around=1))
        assert [line and line.change for line in lines] == [None, "same", "removed", "added", "same", None]

    @given(st.text("ab \n.", max_size=60), st.text("ab \n.", max_size=60))
    def test_both_texts_can_be_read_out_of_the_lines(self, before, now):
        def side(kinds, changes):
            return [
                "".join(part.text for part in line.parts if part.kind in kinds)
                for line in differences(before, now)
                if line.change in changes
            ]

        assert side({"same", "removed"}, {"same", "removed", "changed"}) == before.splitlines()
        assert side({"same", "added"}, {"same", "added", "changed"}) == now.splitlines()


def test_languages_are_named_as_their_speakers_call_them():
    assert {("en", "English"), ("fr", "français"), ("ar", "العربيّة")} <= set(known_languages())
