"""New judgments change the labels they touch and no other; the same data has the same labels everywhere."""

import random
import threading
import time

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from alignment import queries
from alignment.actions.basis_rows import stored_basis
from alignment.actions.labels import (
    apply_policy,
    carry_out_labelling,
    labels_sha256,
    newest_seen,
    update_labels,
)
from alignment.actions.policies import create_policy
from alignment.models import Label, Labelling
from alignment.policy.decisions import decide
from alignment.policy.document import PolicyDocument
from alignment.queries import load_adjudications, load_judgments, settled_labelling
from feedback.actions.bulk import change_comparisons
from feedback.actions.gold import make_gold, remove_gold
from feedback.actions.imports import store_records
from feedback.actions.jobs import claim_job, perform_job, queue_job
from feedback.actions.judgment_records import GivenJudgment, store_judgments
from feedback.actions.projects import create_project
from feedback.models import Comparison, Job, JobState, Judgment
from tests.alignment.conftest import pair, said


@pytest.fixture
def free(judged, label):
    """A policy that asks for no guarantee, applied."""
    policy = create_policy(project=judged, name="free", document={"max_error": None}, by=None)
    label(policy)
    return policy


def update(policy):
    labelling = update_labels(policy=policy, by=None)
    perform_job(labelling.job_id, carry_out_labelling)
    labelling.refresh_from_db()
    assert labelling.job.state == JobState.SUCCEEDED, labelling.job.message
    return labelling


def give(project, *rows):
    """New judgments: (comparison, rater, verdict, kind)."""
    given = [
        GivenJudgment(comparison, said(rater, verdict, kind), line=line)
        for line, (comparison, rater, verdict, kind) in enumerate(rows, start=1)
    ]
    assert not store_judgments(project=project, judgments=given, by=None).rejections


def change(project, verb, key, value=""):
    comparison = Comparison.objects.get(project=project, external_id=key)
    assert change_comparisons(project=project, verb=verb, value=value, ids=[comparison.pk], by=None) == 1
    return comparison


def everything(policy):
    labels = Label.objects.filter(policy=policy).order_by("comparison_id")
    return {
        label.comparison_id: (
            label.decision,
            label.ranking,
            label.confidence,
            label.margin,
            label.reason,
            label.sentence,
            label.sources,
        )
        for label in labels
    }


def test_an_update_writes_the_labels_that_new_judgments_touch_and_no_other(free):
    before = everything(free)
    give(free.project, ("q100", "dora", "tie", "human"), ("q101", "emil", "first", "human"))
    labelling = update(free)
    written = Label.objects.filter(labelling=labelling).values_list("comparison__external_id", flat=True)
    assert set(written) == {"q100", "q101"}
    after = everything(free)
    touched = set(Comparison.objects.filter(external_id__in=("q100", "q101")).values_list("pk", flat=True))
    assert {pk: label for pk, label in after.items() if pk not in touched} == {
        pk: label for pk, label in before.items() if pk not in touched
    }


def test_an_update_decides_as_its_base_would_on_everything(free):
    base = Labelling.objects.get()
    give(
        free.project,
        *(
            (f"q{number:03d}", "dora", random.Random(number).choice(("first", "second")), "human")
            for number in range(90, 110)
        ),
        ("q005", "newcomer", "first", "judge"),
    )
    update(free)
    judgments = load_judgments(free.project)
    document = PolicyDocument.from_dict(free.document)
    labels = decide(document, stored_basis(base, judgments), judgments, load_adjudications(free.project))
    stored = everything(free)
    for one in labels:
        assert stored[one.comparison] == (
            one.decision,
            one.ranking or (),
            one.confidence,
            one.margin,
            one.reason,
            one.sentence,
            one.sources,
        )


def test_an_answer_taken_back_and_a_comparison_retired_change_their_labels(free):
    give(free.project, ("q100", "dora", "tie", "human"))
    update(free)
    taken_back = Judgment.objects.get(comparison__external_id="q100", rater__name="dora")
    assert taken_back.pk in Label.objects.get(comparison__external_id="q100").sources
    Judgment.objects.filter(pk=taken_back.pk).update(current=False)
    gone = change(free.project, "retire", "q110")
    update(free)
    assert taken_back.pk not in Label.objects.get(comparison__external_id="q100").sources
    assert not Label.objects.filter(comparison=gone).exists()


def test_an_answer_taken_back_long_ago_is_noticed_and_so_is_a_comparison_brought_back(free, monkeypatch):
    monkeypatch.setattr(queries, "LOOKED_BACK", 1)
    give(free.project, ("q100", "dora", "tie", "human"), ("q101", "dora", "first", "human"))
    change(free.project, "retire", "q110")
    update(free)
    assert not Label.objects.filter(comparison__external_id="q110").exists()
    doras = Judgment.objects.filter(rater__name="dora")
    doras.update(current=False)
    change(free.project, "bring_back", "q110")
    update(free)
    resting_on = {judgment for label in Label.objects.all() for judgment in label.sources}
    assert not resting_on & set(doras.values_list("pk", flat=True))
    assert Label.objects.filter(comparison__external_id="q110").exists()


def test_a_comparison_of_another_slice_rests_on_the_judges_trusted_there(free, monkeypatch):
    monkeypatch.setattr(queries, "LOOKED_BACK", 1)

    def sentence():
        return Label.objects.get(comparison__external_id="q101").sentence

    before = everything(free)
    assert "1 trusted judge in view of 1 other" in sentence()
    change(free.project, "add_tag", "q101", "even")
    change(free.project, "remove_tag", "q101", "odd")
    update(free)
    assert "2 trusted judges" in sentence()
    change(free.project, "add_tag", "q101", "odd")
    change(free.project, "remove_tag", "q101", "even")
    update(free)
    assert everything(free) == before


def test_what_becomes_gold_has_no_label_until_it_is_none_any_more(free, monkeypatch):
    monkeypatch.setattr(queries, "LOOKED_BACK", 1)
    comparison = Comparison.objects.get(external_id="q110")
    make_gold(comparison=comparison, use="gold", ranking=(1, 2), by=None)
    update(free)
    assert not Label.objects.filter(comparison=comparison).exists()
    remove_gold(comparison=comparison, by=None)
    update(free)
    assert Label.objects.filter(comparison=comparison).exists()


def test_of_two_labellings_one_waits_and_an_update_goes_by_the_last_whole_one(free):
    running = apply_policy(policy=free, by=None)
    waiting = update_labels(policy=free, by=None)
    lease = claim_job(running.job_id)
    perform_job(waiting.job_id, carry_out_labelling)
    waiting.job.refresh_from_db()
    assert (waiting.job.state, waiting.job.not_before is None) == (JobState.QUEUED, False)
    assert not waiting.labels.exists()
    assert update_labels(policy=free, by=None) == waiting
    carry_out_labelling(lease)
    Job.objects.filter(pk=running.job_id).update(state=JobState.SUCCEEDED, ended_at=timezone.now())
    Job.objects.filter(pk=waiting.job_id).update(not_before=None)
    perform_job(waiting.job_id, carry_out_labelling)
    waiting.refresh_from_db()
    assert waiting.job.state == JobState.SUCCEEDED, waiting.job.message
    assert waiting.base == running


def test_the_labelling_that_ended_last_is_the_settled_one(free):
    """One that was resumed ends after another that was asked for later."""
    resumed = Labelling.objects.get()
    later = apply_policy(policy=free, by=None)
    perform_job(later.job_id, carry_out_labelling)
    assert settled_labelling(free.project, free) == later
    Job.objects.filter(pk=resumed.job_id).update(ended_at=timezone.now())
    assert settled_labelling(free.project, free) == resumed


def test_who_is_not_known_counts_only_where_nothing_is_asked_of_people(judged, label):
    """An accuracy of 0 is asked: whoever has none measured does not count."""
    for asked, counts in (({"people_min_gold": 0}, False), ({"people_min_items": 0}, True)):
        policy = create_policy(project=judged, name="p", document=asked | {"max_error": None}, by=None)
        labelling = label(policy)
        labelling.basis["people"] = []
        standings = stored_basis(labelling, load_judgments(judged)).standings
        assert {one.counts for one in standings} == {counts}


def test_an_update_with_nothing_new_writes_nothing(free):
    before = everything(free)
    labelling = update(free)
    assert not Label.objects.filter(labelling=labelling).exists()
    assert everything(free) == before
    assert labelling.certificates == labelling.base.certificates


def test_the_same_data_stored_in_another_order_has_the_same_labels(judged_records, db, label):
    hashes = []
    for name, seed in (("one", 0), ("two", 1)):
        records = list(judged_records)
        random.Random(seed).shuffle(records)
        project = create_project(name=name, by=None)
        store_records(project=project, records=records[:70], by=None)
        store_records(project=project, records=records[70:], by=None)
        policy = create_policy(project=project, name="p", document={"max_error": 0.3}, by=None)
        hashes.append(label(policy).labels_sha256)
    assert hashes[0] == hashes[1] != ""
    # It is the same on SQLite and on PostgreSQL, so it can be written down here.
    assert len(hashes[0]) == 64


def test_the_hash_covers_what_labels_say_and_who_said_it(free, label):
    judgments = load_judgments(free.project)
    document = PolicyDocument.from_dict(free.document)
    basis = stored_basis(Labelling.objects.get(), judgments)
    labels = decide(document, basis, judgments)
    before = labels_sha256(labels, judgments)
    assert before == Labelling.objects.get().labels_sha256
    labels.confidence[3] -= 1e-9
    assert labels_sha256(labels, judgments) != before


def test_who_has_a_tag_that_is_no_slice_of_the_policy_is_judged_over_all(judged, label):
    policy = create_policy(
        project=judged, name="p", document={"slices": ["even"], "max_error": None}, by=None
    )
    labelling = label(policy)
    assert {one["slice"] for one in labelling.certificates} == {"all", "even"}


def test_labels_of_comparisons_without_a_person_wait_until_something_is_shown(judged, label):
    strict = create_policy(project=judged, name="strict", document={"max_error": 0.01}, by=None)
    labelling = label(strict)
    alone = Label.objects.filter(policy=strict, comparison__external_id__gte="q080")
    assert {one.reason for one in alone} <= {"not_proven", "no_trusted_verdict"}
    shown = {one["slice"]: one for one in labelling.basis["guarantees"]}
    assert shown["all"]["threshold"] is None
    assert shown["all"]["needed"] is None or shown["all"]["needed"] > 200


def test_a_pair_of_judges_that_nobody_knows_is_no_trouble(project, label):
    store_records(project=project, records=[pair("1", [said("a", "first", "judge")])], by=None)
    policy = create_policy(project=project, name="p", document={}, by=None)
    label(policy)
    assert Label.objects.get().reason == "no_trusted_verdict"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time")
def test_an_import_under_way_is_waited_for(project, judged_records):
    """Its judgments have their numbers before it commits: one that was passed over would be old when it appears."""
    stored = threading.Event()

    def work():
        try:
            with transaction.atomic():
                store_records(project=project, records=judged_records, by=None)
                stored.set()
                time.sleep(1)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    assert stored.wait(20)
    lease = claim_job(queue_job(project=project, task="none", queue="default", by=None).pk)
    seen = newest_seen(project, lease)
    thread.join()
    assert seen["judgments_until"] == Judgment.objects.latest("pk").pk
