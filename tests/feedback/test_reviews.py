"""Reviewing: what comes before reviewers and in which order, and what each of their doings changes."""

import threading
import uuid

import pytest
from django.db import IntegrityError, connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from feedback.actions.assignments import take_next, undo_last
from feedback.actions.judgments import submit_judgment
from feedback.actions.projects import rater_of
from feedback.actions.review_items import weigh
from feedback.actions.reviews import adjudicate, dismiss_flags, let_stand, raise_doubt, send_back
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import (
    Assignment,
    AuditEntry,
    Comparison,
    Flag,
    Judgment,
    Outcome,
    Purpose,
    QueueItem,
    Rater,
    Return,
    ReviewItem,
)
from feedback.queries.judgments import current_judgments
from feedback.queries.projects import store_counts
from feedback.queries.returns import open_return, returned_assignments
from feedback.queries.review import (
    PAGE,
    Place,
    ReviewFilter,
    neighbours,
    review_case,
    review_counts,
    review_items,
    review_page,
    review_state,
)
from feedback.rankings import agreement_in_thousandths
from feedback.records import JudgmentRecord

FIRST, SECOND, TIE = Verdict(ranking=(1, 2)), Verdict(ranking=(2, 1)), Verdict(ranking=(1, 1))
SKIP = Verdict(outcome=Outcome.SKIPPED, rationale="unsure")
DECISION = Verdict(ranking=(2, 1), rationale="The second one is right.")


@pytest.fixture
def project(project):
    project.form = {"flags": True}
    project.save()
    project.guidelines.all().delete()
    return project


@pytest.fixture
def person(project, make_user):
    """A person of the project with an account, by name."""
    return lambda name, role="annotator": rater_of(
        project=project, user=make_user(name, project=project, role=role)
    )


@pytest.fixture
def rita(project, make_user):
    return make_user("rita", project=project, role="reviewer")


@pytest.fixture
def disputed(project, make_comparisons, person):
    """A comparison on which ana prefers the first response and ben the second, ben flagging it."""
    (comparison,) = make_comparisons(project, 1)
    answer(person("ana"), comparison, FIRST)
    answer(person("ben"), comparison, Verdict(ranking=(2, 1), flags=("unsafe",)))
    return comparison


def answer(rater, comparison, verdict=FIRST):
    return submit_judgment(rater=rater, comparison=comparison, submission_id=uuid.uuid4(), verdict=verdict)


def item(comparison):
    return ReviewItem.objects.get(pk=comparison.pk)


def decide(comparison, by, verdict=DECISION, seen=None):
    return adjudicate(comparison=comparison, verdict=verdict, seen=seen or review_state(comparison.pk), by=by)


def keys(project, **wanted):
    rows = review_items(project, ReviewFilter(**wanted)).order_by("agreement", "comparison_id")
    return [row.comparison.external_id for row in rows.select_related("comparison")]


class TestAgreement:
    @pytest.mark.parametrize(
        ("rankings", "share"),
        [
            ([], 1000),
            ([(1, 2)], 1000),
            ([(1, 2), (1, 2)], 1000),
            ([(1, 2), (2, 1)], 0),
            ([(1, 2), (1, 1)], 0),
            ([(1, 2), (1, 2), (2, 1)], 333),
            ([(1, 2, 3), (1, 3, 2)], 666),
            ([(1, 2, 3), (3, 2, 1)], 0),
        ],
    )
    def test_is_the_share_of_pairs_that_say_the_same(self, rankings, share):
        assert agreement_in_thousandths(rankings) == share

    @given(st.lists(st.permutations([1, 2, 3]).map(tuple), min_size=2, max_size=6))
    def test_does_not_depend_on_order_and_is_full_only_where_all_are_equal(self, rankings):
        share = agreement_in_thousandths(rankings)
        assert share == agreement_in_thousandths(rankings[::-1])
        assert (share == 1000) == (len(set(rankings)) == 1)


class TestWhatComesBeforeReviewers:
    def test_agreement_flags_and_conflict_follow_every_answer(self, disputed, project):
        row = item(disputed)
        assert (row.verdicts, row.agreement, row.conflict, row.flags, row.open) == (2, 0, True, 1, True)
        answer(project.raters.get(name="ben"), disputed, FIRST)
        row = item(disputed)
        assert (row.agreement, row.conflict, row.flags, row.open) == (1000, False, 0, False)

    def test_what_people_agree_on_comes_before_nobody(self, project, make_comparisons, person):
        (comparison,) = make_comparisons(project, 1)
        answer(person("ana"), comparison)
        answer(person("ben"), comparison)
        assert keys(project) == []

    def test_a_judge_that_sees_it_otherwise_is_no_conflict_between_people(self, project, make_comparisons):
        said = [
            JudgmentRecord(rater="ana", kind="human", ranking={"a": 1, "b": 2}),
            JudgmentRecord(rater="opus", kind="judge", ranking={"a": 2, "b": 1}),
        ]
        make_comparisons(project, 1, said)
        assert keys(project) == []

    def test_imported_disagreement_is_found(self, project, make_comparisons):
        said = [
            JudgmentRecord(rater="ana", kind="human", ranking={"a": 1, "b": 2}),
            JudgmentRecord(rater="ben", kind="human", ranking={"a": 2, "b": 1}),
        ]
        make_comparisons(project, 3, said)
        assert keys(project) == ["q0", "q1", "q2"]

    def test_an_answer_taken_back_takes_its_flag_along(self, disputed, project):
        undo_last(rater=project.raters.get(name="ben"))
        assert not item(disputed).open

    def test_a_skip_with_a_flag_comes_before_reviewers(self, project, make_comparisons, person):
        (comparison,) = make_comparisons(project, 1)
        answer(person("ana"), comparison, Verdict(outcome="skipped", rationale="broken", flags=("broken",)))
        assert keys(project, flag="broken") == ["q0"]

    def test_the_lowest_agreement_comes_first(self, project, make_comparisons, make_rater):
        full, split, none = make_comparisons(project, 3)
        QueueItem.objects.update(slots_free=3)
        people = [make_rater(project, name) for name in ("ana", "ben", "cleo")]
        said = {full: (FIRST, FIRST, FIRST), split: (FIRST, FIRST, SECOND), none: (FIRST, SECOND, TIE)}
        for comparison, verdicts in said.items():
            for rater, verdict in zip(people, verdicts, strict=True):
                answer(rater, comparison, verdict)
        assert keys(project) == [none.external_id, split.external_id]

    def test_filters_narrow(self, disputed, project, rita, make_comparisons):
        make_comparisons(project, 1)
        assert keys(project, flag="unsafe", conflict="any", tag="even") == ["q0"]
        assert keys(project, flag="any") == ["q0"]
        assert keys(project, flag="broken") == keys(project, tag="odd") == keys(project, doubt="any") == []
        raise_doubt(comparison=disputed, note="Does politeness come first?", by=rita)
        assert keys(project, doubt="any") == ["q0"]

    def test_a_retired_comparison_waits_for_nobody(self, disputed, project):
        Comparison.objects.update(retired_at=disputed.created_at)
        weigh([disputed.pk])
        assert keys(project) == []

    def test_pages_follow_each_other_and_lead_back(self, project, make_comparisons):
        said = [
            JudgmentRecord(rater="ana", kind="human", ranking={"a": 1, "b": 2}),
            JudgmentRecord(rater="ben", kind="human", ranking={"a": 2, "b": 1}),
        ]
        all_of_them = [comparison.pk for comparison in make_comparisons(project, PAGE + 2, said)]
        first = review_page(project, ReviewFilter())
        second = review_page(project, ReviewFilter(), after=first.after)
        assert [row.pk for page in (first, second) for row in page.rows] == all_of_them
        assert (first.before, second.after) == (None, None)
        back = review_page(project, ReviewFilter(), before=second.before)
        assert [row.pk for row in back.rows] == all_of_them[:PAGE]
        middle = Place.of(first.rows[5])
        assert neighbours(project, ReviewFilter(), middle) == (all_of_them[4], all_of_them[6])

    @pytest.mark.parametrize("text", ["", "7", "7.", ".7", "a.b", "1.2.3", "-1.2"])
    def test_an_address_that_is_no_place_is_none(self, text):
        assert Place.read(text) is None

    def test_counts_say_what_waits(self, disputed, project, rita):
        raise_doubt(comparison=disputed, note="Unclear.", by=rita)
        counts = review_counts(project)
        assert (counts.open, counts.conflicts, counts.waiting, counts.doubts) == (1, 1, 0, 1)
        assert counts.flags == [("unsafe", 1)]

    def test_an_item_that_measures_people_comes_for_its_flags_only(self, project, make_comparisons, person):
        (gold,) = make_comparisons(project, 1)
        Comparison.objects.update(purpose=Purpose.GOLD)
        QueueItem.objects.all().delete()
        gold.refresh_from_db()
        Assignment.objects.bulk_create(
            Assignment(comparison=gold, rater=person(name), shown=(0, 1)) for name in ("ana", "ben")
        )
        answer(Rater.objects.get(name="ana"), gold, FIRST)
        answer(Rater.objects.get(name="ben"), gold, SECOND)
        assert keys(project) == []
        answer(Rater.objects.get(name="ben"), gold, Verdict(ranking=(2, 1), flags=("broken",)))
        assert keys(project, flag="broken") == ["q0"]


class TestAdjudicating:
    def test_a_decision_settles_flags_and_conflict_and_is_no_vote(self, disputed, project, rita):
        decision = decide(disputed, rita)
        assert (decision.ranking, decision.adjudicates, decision.rater.user) == ((2, 1), True, rita)
        assert keys(project) == []
        flag = Flag.objects.get()
        assert (flag.settled_by, flag.settled_because) == (rita, DECISION.rationale)
        assert decision not in current_judgments(project)
        assert store_counts(project).human_judgments == 2
        entry = AuditEntry.objects.get(verb="adjudicate")
        assert (entry.actor, entry.target_id) == (rita, disputed.pk)
        assert entry.detail == {"reason": DECISION.rationale, "ranking": [2, 1]}

    def test_a_decision_takes_no_slot(self, project, make_comparisons, person, rita):
        (comparison,) = make_comparisons(project, 1)
        answer(person("ana"), comparison, Verdict(ranking=(1, 2), flags=("unsafe",)))
        decide(comparison, rita)
        assert QueueItem.objects.get().slots_free == 1

    def test_a_lease_of_the_reviewer_is_given_back_and_they_are_not_asked_again(
        self, project, make_comparisons, rita
    ):
        (comparison,) = make_comparisons(project, 1)
        rater = rater_of(project=project, user=rita)
        take_next(rater=rater)
        decide(comparison, rita)
        assert QueueItem.objects.get().slots_free == 2
        assert take_next(rater=rater) is None
        with pytest.raises(Refused, match="decided this comparison as a reviewer"):
            answer(rater, comparison)
        assert QueueItem.objects.get().slots_free == 2

    def test_the_reviewers_own_earlier_judgment_stays_a_vote(self, project, make_comparisons, rita):
        (comparison,) = make_comparisons(project, 1)
        own = answer(rater_of(project=project, user=rita), comparison, FIRST)
        decide(comparison, rita)
        assert list(current_judgments(project)) == [own]
        assert QueueItem.objects.get().slots_free == 1

    def test_a_later_decision_replaces_the_earlier_one_which_stays_as_history(self, disputed, rita):
        decide(disputed, rita)
        decide(disputed, rita, Verdict(ranking=(1, 2), rationale="On second thoughts."))
        rows = Judgment.objects.filter(adjudicates=True).order_by("pk")
        assert list(rows.values_list("ranking", "current")) == [((2, 1), False), ((1, 2), True)]

    def test_the_database_itself_refuses_a_second_decision_in_force(self, disputed, rita, make_rater):
        decision = decide(disputed, rita)
        decision.pk, decision.submission_id = None, uuid.uuid4()
        decision.rater = make_rater(disputed.project, "rolf")
        with pytest.raises(IntegrityError), transaction.atomic():
            decision.save(force_insert=True)

    def test_a_flag_raised_after_a_decision_brings_the_comparison_back(self, disputed, project, rita):
        decide(disputed, rita)
        answer(project.raters.get(name="ana"), disputed, Verdict(ranking=(1, 2), flags=("broken",)))
        row = item(disputed)
        assert (row.open, row.conflict) == (True, False)

    @pytest.mark.parametrize("reason", ["", "  \n"])
    def test_a_decision_needs_a_reason(self, disputed, rita, reason):
        with pytest.raises(Refused) as refusal:
            decide(disputed, rita, Verdict(ranking=(1, 2), rationale=reason))
        assert refusal.value.field == "reason"
        assert not Judgment.objects.filter(adjudicates=True).exists()

    def test_a_decision_ranks_every_response(self, disputed, rita):
        with pytest.raises(Refused, match="1 ranks for 2 responses"):
            decide(disputed, rita, Verdict(ranking=(1,), rationale="Because."))

    def test_what_measures_people_is_not_decided(self, disputed, rita):
        disputed.purpose = Purpose.ATTENTION
        with pytest.raises(Refused, match="measures people"):
            decide(disputed, rita)

    def test_the_second_of_two_reviewers_is_told_of_the_first(self, disputed, rita, project, make_user):
        seen = review_state(disputed.pk)
        decide(disputed, rita)
        rolf = make_user("rolf", project=project, role="reviewer")
        with pytest.raises(Refused, match="rita decided this comparison while you were looking"):
            decide(disputed, rolf, seen=seen)
        assert Judgment.objects.get(adjudicates=True).rater.name == "rita"

    def test_an_answer_that_came_meanwhile_is_told(self, disputed, rita, project):
        seen = review_state(disputed.pk)
        answer(project.raters.get(name="ana"), disputed, TIE)
        with pytest.raises(Refused, match="changed while you were looking") as refusal:
            decide(disputed, rita, seen=seen)
        assert refusal.value.field == "seen"


class TestDismissing:
    def test_flags_are_dismissed_with_a_reason_and_the_conflict_stays(self, disputed, project, rita):
        dismiss_flags(comparison=disputed, reason="It is safe.", seen=review_state(disputed.pk), by=rita)
        row = item(disputed)
        assert (row.flags, row.conflict, row.open) == (0, True, True)
        assert Flag.objects.get().settled_because == "It is safe."

    def test_there_must_be_a_flag_and_a_reason(self, disputed, rita):
        with pytest.raises(Refused, match="Say why"):
            dismiss_flags(comparison=disputed, reason=" ", seen=review_state(disputed.pk), by=rita)
        Flag.objects.all().delete()
        with pytest.raises(Refused, match="No flag is open"):
            dismiss_flags(comparison=disputed, reason="Safe.", seen=review_state(disputed.pk), by=rita)

    def test_a_disagreement_may_stand_until_another_answer_changes_it(self, disputed, project, rita):
        let_stand(comparison=disputed, reason="Taste.", seen=review_state(disputed.pk), by=rita)
        assert (item(disputed).conflict, item(disputed).open) == (False, True)  # the flag is still there
        answer(project.raters.get(name="ben"), disputed, SECOND)
        assert not item(disputed).open
        answer(project.raters.get(name="ben"), disputed, FIRST)
        answer(project.raters.get(name="ben"), disputed, SECOND)
        assert item(disputed).conflict

    def test_nothing_stands_where_nobody_disagrees(self, project, make_comparisons, rita):
        (comparison,) = make_comparisons(project, 1)
        weigh([comparison.pk])
        with pytest.raises(Refused, match="do not disagree"):
            let_stand(comparison=comparison, reason="Taste.", seen=review_state(comparison.pk), by=rita)


class TestSendingBack:
    def send(self, comparison, name, by, comment="Read the last line again."):
        judgment = Judgment.objects.get(comparison=comparison, rater__name=name, current=True)
        return send_back(judgment=judgment, comment=comment, seen=review_state(comparison.pk), by=by)

    def test_it_waits_for_the_person_whose_judgment_counts_meanwhile(self, disputed, project, rita):
        self.send(disputed, "ana", rita)
        assert keys(project) == []
        assert keys(project, returned="waiting") == ["q0"]
        assert current_judgments(project).count() == 2
        assert QueueItem.objects.get().slots_free == 0

    def test_it_comes_first_in_their_queue_with_the_comment(self, disputed, project, rita, make_comparisons):
        make_comparisons(project, 2)
        ana = project.raters.get(name="ana")
        take_next(rater=ana)
        self.send(disputed, "ana", rita)
        assert [assignment.comparison for assignment in returned_assignments(ana)] == [disputed]
        assert take_next(rater=ana).comparison == disputed
        assert open_return(ana, disputed.pk).comment == "Read the last line again."

    def test_their_next_answer_answers_it_and_brings_it_back_to_reviewers(self, disputed, project, rita):
        returned = self.send(disputed, "ana", rita)
        ana = project.raters.get(name="ana")
        again = answer(ana, disputed, TIE)
        returned.refresh_from_db()
        assert returned.answered_by == again
        assert returned_assignments(ana) == []
        assert keys(project) == keys(project, returned="answered") == ["q0"]
        assert QueueItem.objects.get().slots_free == 0
        assert not current_judgments(project).filter(pk=returned.judgment_id).exists()

    def test_an_answer_taken_back_leaves_it_to_be_answered(self, disputed, project, rita):
        self.send(disputed, "ana", rita)
        ana = project.raters.get(name="ana")
        answer(ana, disputed, TIE)
        undo_last(rater=ana)
        assert open_return(ana, disputed.pk) is not None
        assert [assignment.comparison for assignment in returned_assignments(ana)] == [disputed]
        answer(ana, disputed, SECOND)
        assert open_return(ana, disputed.pk) is None
        assert QueueItem.objects.get().slots_free == 0

    def test_a_skip_is_an_answer_too(self, disputed, project, rita):
        self.send(disputed, "ana", rita)
        answer(project.raters.get(name="ana"), disputed, SKIP)
        assert Return.objects.get().answered_by.outcome == Outcome.SKIPPED
        assert QueueItem.objects.get().slots_free == 1

    def test_it_is_sent_back_once_and_with_a_comment(self, disputed, rita):
        with pytest.raises(Refused, match="look at again"):
            self.send(disputed, "ana", rita, comment="")
        self.send(disputed, "ana", rita)
        with pytest.raises(Refused, match="sent back already"):
            self.send(disputed, "ana", rita)

    def test_nothing_is_sent_to_somebody_without_an_account(self, project, make_comparisons, rita):
        said = [JudgmentRecord(rater="far away", kind="human", ranking={"a": 1, "b": 2})]
        (comparison,) = make_comparisons(project, 1, said)
        with pytest.raises(Refused, match="can not be sent back"):
            self.send(comparison, "far away", rita)

    def test_a_superseded_judgment_is_not_sent_back(self, disputed, project, rita):
        old = Judgment.objects.get(rater__name="ana")
        answer(old.rater, disputed, TIE)
        old.refresh_from_db()
        with pytest.raises(Refused, match="can not be sent back"):
            send_back(judgment=old, comment="Again.", seen=review_state(disputed.pk), by=rita)


def test_a_doubt_needs_words_and_is_kept_with_who_had_it(disputed, rita):
    with pytest.raises(Refused, match="leave open"):
        raise_doubt(comparison=disputed, note=" ", by=rita)
    doubt = raise_doubt(comparison=disputed, note="Which tone?", by=rita)
    assert (doubt.raised_by, doubt.settled_in) == (rita, None)


def test_a_case_holds_what_stands_what_was_and_what_reviewers_did(disputed, project, rita):
    answer(project.raters.get(name="ana"), disputed, TIE)
    decide(disputed, rita)
    case = review_case(disputed)
    assert [judgment.rater.name for judgment in case.judgments] == ["ana", "ben"]
    assert [judgment.ranking for judgment in case.earlier] == [(1, 2)]
    assert case.decision.ranking == (2, 1)
    assert [entry.verb for entry in case.history] == ["adjudicate"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time")
def test_two_people_who_disagree_at_the_same_moment_are_noticed(project, make_comparisons, make_rater):
    comparisons = make_comparisons(project, 6)
    people = [make_rater(project, "ana"), make_rater(project, "ben")]
    start = threading.Barrier(2)
    failures = []

    def work(rater, verdict):
        try:
            for comparison in comparisons:
                start.wait(timeout=20)
                answer(rater, comparison, verdict)
        except Exception as error:  # a thread's failure is the test's
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=pair) for pair in zip(people, (FIRST, SECOND), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(keys(project)) == len(comparisons)
