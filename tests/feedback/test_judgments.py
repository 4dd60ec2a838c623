"""Answers on their way into the store: whole, once, and only what the project asks for."""

import uuid

import pytest

from feedback.actions.answer_forms import set_answer_form
from feedback.actions.assignments import expire_assignments, take, undo_last
from feedback.actions.judgments import submit_judgment
from feedback.actions.second_looks import look_again
from feedback.answers import AnswerForm, SpanComment, Verdict
from feedback.errors import Refused
from feedback.models import (
    Assignment,
    Comparison,
    Criterion,
    Flag,
    Judgment,
    QueueItem,
    Rubric,
    Score,
    Span,
)

EVERYTHING = AnswerForm(
    choice="strength", points=7, all_bad=True, scores=True, spans=True, rationale="optional", flags=True
)


@pytest.fixture
def person(project, make_rater):
    project.guidelines.all().delete()
    return make_rater(project, "ana")


@pytest.fixture
def criterion(project):
    rubric = Rubric.objects.create(project=project, name="Tone", sha256="0" * 64)
    return Criterion.objects.create(rubric=rubric, name="polite", scale_min=1, scale_max=5)


@pytest.fixture
def given(project, person, make_comparisons):
    """A comparison that is assigned to the person."""
    make_comparisons(project, 1)
    (assignment,) = take(rater=person)
    return assignment.comparison


@pytest.fixture
def use(project):
    def use(form):
        set_answer_form(project=project, form=form, show_judges=False, by=None)

    return use


@pytest.fixture
def submit(person, given):
    def submit(verdict, submission_id=None):
        person.refresh_from_db()
        return submit_judgment(
            rater=person, comparison=given, submission_id=submission_id or uuid.uuid4(), verdict=verdict
        )

    return submit


def whole(criterion, **changes):
    said = {
        "ranking": (2, 1),
        "strength": 3,
        "rationale": "Kind.",
        "seconds": 12.5,
        "scores": {(criterion.pk, 0): 1, (criterion.pk, 1): 5},
        "all_bad": True,
        "spans": (SpanComment(1, 0, 6, "Says it."),),
        "flags": ("broken", "unsafe"),
    }
    return Verdict(**(said | changes))


def test_every_part_of_an_answer_is_stored(submit, use, criterion):
    use(EVERYTHING)
    judgment = submit(whole(criterion))
    judgment.refresh_from_db()
    assert (judgment.ranking, judgment.strength, judgment.all_bad) == ((2, 1), 3, True)
    assert (judgment.rationale, judgment.seconds) == ("Kind.", 12.5)
    assert set(judgment.scores.values_list("position", "value")) == {(0, 1), (1, 5)}
    assert list(judgment.spans.values_list("position", "start", "end", "comment")) == [(1, 0, 6, "Says it.")]
    assert set(judgment.flags.values_list("kind", "comparison")) == {
        ("broken", judgment.comparison_id),
        ("unsafe", judgment.comparison_id),
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ranking": ()}, "ranking"),
        ({"ranking": (1, 2, 3)}, "ranking"),
        ({"ranking": (1, 3)}, "ranking"),
        ({"ranking": (1, 1)}, "strength"),
        ({"strength": None}, "strength"),
        ({"strength": 0}, "strength"),
        ({"strength": 4}, "strength"),
        ({"scores": {}}, "scores"),
        ({"outcome": "refused"}, "ranking"),
        ({"outcome": "refused", "ranking": ()}, "outcome"),
        ({"outcome": "skipped"}, "ranking"),
        ({"outcome": "skipped", "ranking": ()}, "strength"),
        ({"outcome": "skipped", "ranking": (), "strength": None}, "scores"),
        ({"outcome": "skipped", "ranking": (), "strength": None, "scores": {}}, "spans"),
        ({"outcome": "skipped", "ranking": (), "strength": None, "scores": {}, "spans": ()}, "all_bad"),
        ({"spans": (SpanComment(2, 0, 1, "x"),)}, "spans"),
        ({"spans": (SpanComment(-1, 0, 1, "x"),)}, "spans"),
        ({"spans": (SpanComment(0, 0, 10_000, "x"),)}, "spans"),
        ({"spans": (SpanComment(0, 3, 3, "x"),)}, "spans"),
        ({"spans": (SpanComment(0, 0, 1, " "),)}, "spans"),
        ({"spans": (SpanComment(0, 0, 1, "x"),) * 101}, "spans"),
        ({"flags": ("rude",)}, "flags"),
        ({"flags": ("broken", "broken")}, "flags"),
        ({"rationale": "x" * 20_001}, "rationale"),
    ],
)
def test_a_bad_part_is_named_and_nothing_is_stored(changes, field, submit, use, criterion):
    use(EVERYTHING)
    with pytest.raises(Refused) as refusal:
        submit(whole(criterion, **changes))
    assert refusal.value.field == field
    assert not any(rows.objects.exists() for rows in (Judgment, Score, Span, Flag))
    assert Assignment.objects.get().done_at is None


@pytest.mark.parametrize("value", [0, 6])
def test_a_level_off_its_scale_is_refused(value, submit, use, criterion):
    use(EVERYTHING)
    with pytest.raises(Refused) as refusal:
        submit(whole(criterion, scores={(criterion.pk, 0): 1, (criterion.pk, 1): value}))
    assert refusal.value.field == "scores"


def test_a_criterion_that_only_judges_score_is_refused(submit, use, criterion):
    use(EVERYTHING)
    judges = Criterion.objects.create(rubric=criterion.rubric, name="safe", scored_by="judges")
    levels = {(each.pk, position): 1 for each in (criterion, judges) for position in (0, 1)}
    with pytest.raises(Refused) as refusal:
        submit(whole(criterion, scores=levels))
    assert refusal.value.field == "scores"


def test_the_same_submission_is_stored_once_with_its_parts(submit, use, criterion):
    use(EVERYTHING)
    submission = uuid.uuid4()
    first = submit(whole(criterion), submission)
    again = submit(whole(criterion, ranking=(1, 2)), submission)
    assert again == first
    assert (Judgment.objects.count(), Score.objects.count(), Span.objects.count()) == (1, 2, 1)


def test_a_revision_keeps_the_parts_of_the_earlier_answer(submit, use, criterion):
    use(EVERYTHING)
    submit(whole(criterion))
    second = submit(whole(criterion, strength=1, spans=(), flags=()))
    assert list(Judgment.objects.filter(current=True)) == [second]
    assert second.scores.count() == 2
    assert Span.objects.exclude(judgment=second).count() == 1


def test_where_people_only_score_the_ranking_follows_and_none_may_be_given(submit, use, criterion):
    use(AnswerForm(choice="none", scores=True))
    scores = {(criterion.pk, 0): 2, (criterion.pk, 1): 4}
    with pytest.raises(Refused) as refusal:
        submit(Verdict(ranking=(1, 2), scores=scores))
    assert refusal.value.field == "ranking"
    assert submit(Verdict(scores=scores)).ranking == (2, 1)


@pytest.mark.parametrize(
    ("form", "verdict", "field"),
    [
        (AnswerForm(), Verdict(ranking=(1, 2), strength=1), "strength"),
        (AnswerForm(), Verdict(ranking=(1, 2), all_bad=True), "all_bad"),
        (AnswerForm(), Verdict(ranking=(1, 2), flags=("broken",)), "flags"),
        (AnswerForm(), Verdict(ranking=(1, 2), spans=(SpanComment(0, 0, 1, "x"),)), "spans"),
        (AnswerForm(), Verdict(ranking=(1, 2), scores={(1, 0): 1}), "scores"),
        (AnswerForm(rationale="off"), Verdict(ranking=(1, 2), rationale="x"), "rationale"),
        (AnswerForm(rationale="required"), Verdict(ranking=(1, 2)), "rationale"),
        (AnswerForm(tie=False), Verdict(ranking=(1, 1)), "ranking"),
        (AnswerForm(choice="strength", points=8), Verdict(ranking=(1, 1)), "ranking"),
        (AnswerForm(choice="strength", points=5), Verdict(ranking=(1, 2), strength=3), "strength"),
    ],
)
def test_what_the_form_does_not_take_is_refused(form, verdict, field, submit, use):
    use(form)
    with pytest.raises(Refused) as refusal:
        submit(verdict)
    assert refusal.value.field == field
    assert refusal.value.sentence
    assert not Judgment.objects.exists()


def test_a_skip_may_say_why_where_no_reasons_are_asked_for(submit, use):
    use(AnswerForm(rationale="off"))
    assert submit(Verdict(outcome="skipped", rationale="unsure")).rationale == "unsure"


# --- slots


def free():
    return QueueItem.objects.get().slots_free


def test_an_answer_holds_a_slot_a_skip_gives_it_back_and_a_change_of_mind_takes_it_again(submit, project):
    assert free() == project.overlap - 1
    submit(Verdict(ranking=(1, 2)))
    assert free() == project.overlap - 1
    submit(Verdict(outcome="skipped", rationale="unsure"))
    assert free() == project.overlap
    submit(Verdict(ranking=(1, 2)))
    assert free() == project.overlap - 1


@pytest.mark.parametrize(
    ("verdict", "taken"),
    [(Verdict(ranking=(1, 2)), 1), (Verdict(outcome="skipped", rationale="unsure"), 0)],
)
def test_an_answer_after_the_lease_lapsed_takes_its_slot_anew(verdict, taken, submit, project):
    Assignment.objects.update(expires_at="2020-01-01T00:00:00Z")
    expire_assignments()
    assert free() == project.overlap
    submit(verdict)
    assert free() == project.overlap - taken


def test_an_answer_for_which_no_slot_is_left_is_not_stored(submit):
    Assignment.objects.update(expires_at="2020-01-01T00:00:00Z")
    expire_assignments()
    QueueItem.objects.update(slots_free=0)
    with pytest.raises(Refused):
        submit(Verdict(ranking=(1, 2)))
    assert not Judgment.objects.exists()


def test_what_measures_people_needs_no_slot(submit, given, person):
    QueueItem.objects.all().delete()
    Comparison.objects.update(purpose="attention")
    given.refresh_from_db()
    Assignment.objects.update(expires_at=None)
    assert submit(Verdict(ranking=(1, 2))).current
    undo_last(rater=person)
    assert submit(Verdict(outcome="skipped", rationale="unsure")).current


# --- the second look


def test_the_last_word_of_a_second_look_counts(submit, project, given):
    judgment = submit(Verdict(ranking=(1, 2)))
    with pytest.raises(Refused):
        look_again(judgment=judgment, agrees=True)
    project.show_judges = True
    project.save()
    judgment.comparison.refresh_from_db()
    judgment = Judgment.objects.get()
    look_again(judgment=judgment, agrees=True)
    assert look_again(judgment=judgment, agrees=False).agrees is False
    assert Judgment.objects.get().second_look.agrees is False


def test_after_a_skip_there_is_nothing_to_look_at_again(submit, project):
    project.show_judges = True
    project.save()
    submit(Verdict(outcome="skipped", rationale="unsure"))
    with pytest.raises(Refused):
        look_again(judgment=Judgment.objects.get(), agrees=True)
