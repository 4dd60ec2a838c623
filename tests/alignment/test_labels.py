"""Labels: certificates, decisions, their sources, and that only what changed is written."""

import pytest
from django.db import DatabaseError, IntegrityError

from alignment.actions import label_rows
from alignment.actions.labels import apply_policy, carry_out_labelling, update_labels
from alignment.actions.policies import create_policy
from alignment.models import Label, Labelling, Policy
from alignment.queries import decision_counts, settled_labelling
from alignment.tasks import perform_labelling
from feedback.actions.imports import store_records
from feedback.actions.jobs import cancel_job, perform_job, resume_job
from feedback.actions.reviews import adjudicate
from feedback.answers import Verdict
from feedback.errors import Refused
from feedback.models import Comparison, JobState, Judgment, RaterKind
from feedback.queries.review import review_state
from tests.alignment.conftest import pair, said


def rows(policy):
    """Everything that the policy's labels say, in the order of their comparisons."""
    return list(Label.objects.filter(policy=policy).order_by("comparison_id").values())


def sources(labels):
    """The judgments that these labels rest on."""
    numbers = [judgment for label in labels for judgment in label.sources]
    return Judgment.objects.filter(pk__in=numbers)


def test_a_policy_is_checked_and_versioned(project):
    first = create_policy(project=project, name="strict", document={"min_confidence": 0.9}, by=None)
    again = create_policy(project=project, name="strict", document={"min_confidence": 0.9}, by=None)
    second = create_policy(project=project, name="strict", document={"min_confidence": 0.95}, by=None)
    assert again == first
    assert (first.version, second.version) == (1, 2)
    assert first.document["min_items"] == 30


@pytest.mark.parametrize(
    ("document", "field"),
    [({"min_confidence": 2}, "min_confidence"), ({"colour": 1}, None), ({"ties": "flip a coin"}, "ties")],
)
def test_a_document_that_can_not_be_used_is_refused_with_its_field(project, document, field):
    with pytest.raises(Refused, match="policy can not be used") as refusal:
        create_policy(project=project, name="x", document=document, by=None)
    assert refusal.value.field == field
    assert not Policy.objects.exists()


def test_a_judge_is_trusted_on_the_slices_where_it_is_good(policy, label):
    labelling = label(policy)
    assert labelling.job.state == JobState.SUCCEEDED
    trusted = {(entry["judge"], entry["slice"]): entry["trusted"] for entry in labelling.certificates}
    assert trusted[("good", "even")]
    assert trusted[("good", "odd")]
    assert trusted[("partly", "even")]
    assert not trusted[("partly", "odd")]
    refused = next(c for c in labelling.certificates if (c["judge"], c["slice"]) == ("partly", "odd"))
    assert refused["sentence"].startswith("Not trusted")
    assert refused["agreement"]["n"] > 0


def test_every_judged_comparison_has_one_label_with_a_reason(policy, label):
    labelling = label(policy)
    assert sum(decision_counts(policy).values()) == 120
    assert decision_counts(policy)["used"] > 60
    assert not Label.objects.filter(policy=policy, sentence="").exists()
    assert settled_labelling(policy.project) == labelling
    assert labelling.report is not None


def test_a_label_is_the_word_of_people_or_trusted_judges(policy, label):
    """A judge that is not trusted somewhere is heard there where a trusted one speaks and no person does."""
    label(policy)
    labels = Label.objects.filter(policy=policy)
    odd = labels.filter(comparison__tags__name="odd")
    by_people = [each for each in odd if sources([each]).filter(rater__kind=RaterKind.HUMAN).exists()]
    alone = [each for each in odd if each not in by_people]
    assert not sources(by_people).filter(rater__name="partly").exists()
    assert sources(alone).filter(rater__name="partly").exists()
    used_alone = [each for each in alone if each.decision == "used"]
    assert used_alone
    for each in used_alone:
        assert sources([each]).get(rater__name="good").ranking == each.ranking
        assert each.sentence.startswith("By 1 trusted judge")
    assert sources(labels.filter(comparison__tags__name="even")).filter(rater__name="partly").exists()
    assert not sources(labels).exclude(outcome="ranked").exists()
    for each in labels:
        assert {judgment.comparison_id for judgment in sources([each])} <= {each.comparison_id}
    used = labels.filter(decision="used")
    assert not used.filter(sources="").exists()
    assert sources(used).filter(rater__kind=RaterKind.HUMAN).exists()


@pytest.mark.parametrize("missing", ["ranking", "sources"])
def test_a_label_that_is_used_names_its_ranking_and_the_judgments_it_rests_on(policy, label, missing):
    label(policy)
    with pytest.raises(IntegrityError):
        Label.objects.filter(policy=policy, decision="used").update(**{missing: ()})


def test_applying_again_on_the_same_judgments_writes_nothing(policy, label):
    label(policy)
    before = rows(policy)
    second = label(policy)
    assert rows(policy) == before
    assert second.certificates == Labelling.objects.order_by("pk").first().certificates
    assert "0 of them otherwise" in second.job.message


def test_only_labels_whose_judgments_changed_are_written(policy, label, new_id):
    first = label(policy)
    judged = Comparison.objects.get(external_id="q100")
    Judgment.objects.filter(comparison=judged, rater__name="good").update(outcome="refused", ranking=())
    second = label(policy)
    touched = set(Label.objects.filter(labelling=second).values_list("comparison_id", flat=True))
    assert judged.pk in touched
    kept = Label.objects.filter(labelling=first).count()
    assert kept + len(touched) == 120


def test_a_comparison_whose_judgments_are_taken_back_loses_its_label(policy, label):
    label(policy)
    judged = Comparison.objects.get(external_id="q100")
    Judgment.objects.filter(comparison=judged).update(current=False)
    label(policy)
    assert not Label.objects.filter(policy=policy, comparison=judged).exists()
    assert Label.objects.filter(policy=policy).count() == 119


def test_small_batches_give_the_same_labels(policy, label, monkeypatch):
    label(policy)
    other = create_policy(project=policy.project, name="other", document={}, by=None)
    monkeypatch.setattr(label_rows, "BATCH", 7)
    monkeypatch.setattr(label_rows, "BATCH_COPIED", 7)
    label(other)

    def says(policy):
        return [{**row, "id": 0, "policy_id": 0, "labelling_id": 0} for row in rows(policy)]

    assert says(other) == says(policy)


def test_a_labelling_cancelled_in_the_middle_leaves_none_of_its_labels_and_is_resumed(
    policy, label, monkeypatch
):
    monkeypatch.setattr(label_rows, "BATCH", 50)
    monkeypatch.setattr(label_rows, "BATCH_COPIED", 50)
    write_batch = label_rows._write_batch
    labelling = apply_policy(policy=policy, by=None)

    def cancelled_after_one(*args):
        changed = write_batch(*args)
        cancel_job(job=labelling.job, by=None)
        return changed

    with monkeypatch.context() as patch:
        patch.setattr(label_rows, "_write_batch", cancelled_after_one)
        perform_job(labelling.job_id, carry_out_labelling)
    labelling.job.refresh_from_db()
    assert labelling.job.state == JobState.CANCELLED
    assert not Label.objects.exists()
    assert settled_labelling(policy.project) is None
    with pytest.raises(Refused, match="cancelled; apply it again"):
        update_labels(policy=policy, by=None)

    resume_job(job=labelling.job, by=None)
    perform_labelling(labelling.job_id)
    labelling.job.refresh_from_db()
    assert labelling.job.state == JobState.SUCCEEDED
    assert Label.objects.filter(policy=policy).count() == 120


def test_a_batch_is_written_whole_or_not_at_all(policy, monkeypatch):
    def broken(*args, **kwargs):
        raise DatabaseError("disk is full")

    labelling = apply_policy(policy=policy, by=None)
    with monkeypatch.context() as patch:
        patch.setattr(label_rows._Rows, "sources", broken)
        perform_job(labelling.job_id, carry_out_labelling)
    labelling.job.refresh_from_db()
    assert labelling.job.state == JobState.FAILED
    assert not Label.objects.exists()


def test_a_project_without_judgments_can_not_be_labelled(project, make_comparisons, label):
    make_comparisons(project, 2)
    labelling = label(create_policy(project=project, name="default", document={}, by=None))
    assert labelling.job.state == JobState.FAILED
    assert "no judgments yet" in labelling.job.message


def test_a_comparison_with_only_missing_verdicts_goes_to_people(project, label):
    store_records(project=project, records=[pair("1", [said("judge", None, "judge")])], by=None)
    policy = create_policy(project=project, name="default", document={}, by=None)
    label(policy)
    only = Label.objects.get(policy=policy)
    assert (only.decision, only.reason, only.ranking, only.confidence) == ("routed", "no_verdict", (), None)


def test_applying_again_while_a_labelling_waits_is_the_same_labelling(judged):
    policy = create_policy(project=judged, name="default", document={}, by=None)
    first = apply_policy(policy=policy, by=None)
    assert apply_policy(policy=policy, by=None) == first
    perform_job(first.job_id, carry_out_labelling)
    assert apply_policy(policy=policy, by=None) != first


@pytest.fixture
def decide(make_user):
    """A reviewer decides a comparison against what most people said."""

    def decided(key, ranking=(2, 1)):
        comparison = Comparison.objects.get(external_id=key)
        reviewer = make_user(f"reviewer of {key}")
        said = Verdict(ranking=ranking, rationale="Because.")
        return adjudicate(comparison=comparison, verdict=said, seen=review_state(comparison.pk), by=reviewer)

    return decided


def test_a_reviewers_decision_becomes_the_label_and_nothing_else_is_written(policy, label, decide):
    first = label(policy)
    before = Label.objects.get(policy=policy, comparison__external_id="q010")
    against = tuple(3 - rank for rank in before.ranking)
    decision = decide("q010", against)
    second = label(policy)
    now = Label.objects.get(policy=policy, comparison__external_id="q010")
    assert (now.decision, now.ranking, now.reason, now.weight) == ("used", against, "adjudicated", 1.0)
    assert now.sources == (decision.pk,)
    assert Label.objects.filter(labelling=second).count() == 1
    assert second.report == first.report  # agreement between people does not see the decision
    assert second.certificates == first.certificates


def test_a_decision_on_what_nobody_else_judged_is_a_label(policy, label, decide):
    only = pair("alone", [])
    store_records(project=policy.project, records=[only], by=None)
    decide("alone")
    label(policy)
    assert Label.objects.get(comparison__external_id="alone").reason == "adjudicated"


def test_a_decision_on_a_retired_comparison_is_no_label(policy, label, decide):
    decision = decide("q010")
    Comparison.objects.filter(pk=decision.comparison_id).update(retired_at=decision.at)
    label(policy)
    assert not Label.objects.filter(reason="adjudicated").exists()
