"""The health report as a job with a page, its rows, and two snapshots compared on a page."""

import pytest
from django.urls import reverse

from alignment.actions import health
from alignment.actions.freezing import carry_out_freezing
from alignment.actions.health import carry_out_health, request_health
from alignment.actions.snapshots import freeze_snapshot, snapshot_folder
from alignment.formats.dataset_folder import read_split
from alignment.models import Freezing, HealthCheck, Label, Snapshot
from alignment.views.health import in_words
from feedback.actions.imports import store_records
from feedback.actions.jobs import cancel_job, perform_job
from feedback.models import AuditEntry, JobState
from feedback.records import ComparisonRecord, ResponseRecord


@pytest.fixture
def labelled(policy, label):
    label(policy)
    return policy


@pytest.fixture
def enter(client, make_user, labelled):
    def enter(role):
        client.force_login(make_user(role, project=labelled.project, role=role))
        return client

    return enter


@pytest.fixture
def checked(labelled):
    check = request_health(project=labelled.project, policy=labelled, by=None)
    perform_job(check.job_id, carry_out_health)
    check.refresh_from_db()
    assert check.job.state == JobState.SUCCEEDED, check.job.message
    return check


def url(name, policy, *args):
    return reverse(f"alignment:{name}", args=[policy.project.slug, *args])


FIELDS = {"test_share": "0.2", "seed": "0", "balance": "none"}


def test_an_engineer_has_the_health_examined_and_sees_the_rows_behind_a_finding(enter, labelled):
    client = enter("engineer")
    address = url("snapshots", labelled)
    waiting = client.post(address, {**FIELDS, "policy": labelled.pk, "check": "1"}, follow=True)
    assert "It waits for a worker." in waiting.content.decode()
    assert not Freezing.objects.exists()
    check = HealthCheck.objects.get()
    perform_job(check.job_id, carry_out_health)
    page = client.get(url("health", labelled, check.pk)).content.decode()
    for part in ("Enough rows", "too few", "comparisons name no licence", "Names and places take a model"):
        assert part in page
    rows = client.get(url("health-rows", labelled, check.pk, "terms_missing")).content.decode()
    assert "neither licence nor consent" in rows
    assert "Question q0" in rows
    assert "The newest health report" in client.get(address).content.decode()


def test_labels_that_are_written_anew_meanwhile_are_not_reported_on(labelled, label, monkeypatch):
    examined = health.examine

    def labelled_meanwhile(*args, **kwargs):
        label(labelled)
        return examined(*args, **kwargs)

    check = request_health(project=labelled.project, policy=labelled, by=None)
    monkeypatch.setattr(health, "examine", labelled_meanwhile)
    perform_job(check.job_id, carry_out_health)
    check.refresh_from_db()
    assert (check.job.state, check.findings) == (JobState.FAILED, [])
    assert "was applied again in the meantime; have it examined again" in check.job.message


def test_the_report_is_of_the_rows_that_would_be_frozen(checked, labelled):
    snapshot = freeze_snapshot(project=labelled.project, policy=labelled, by=None)
    found = {finding["kind"]: finding for finding in checked.findings}
    assert found["too_few"]["numbers"]["train_rows"] == snapshot.train_rows
    assert found["too_few"]["numbers"]["test_rows"] == snapshot.test_rows
    used = Label.objects.filter(policy=labelled, decision="used")
    assert found["terms_missing"]["count"] == used.count()
    assert {row[0] for row in found["terms_missing"]["rows"]} <= set(
        used.values_list("comparison", flat=True)
    )
    judged = {label.comparison_id: label.ranking for label in used}
    said = labelled.project.raters.filter(kind="human").values_list(
        "judgments__comparison", "judgments__ranking"
    )
    verdicts = [judged[comparison] != ranking for comparison, ranking in said if comparison in judged]
    share = found["label_noise"]["numbers"]["people_otherwise"]
    assert (share["n"], share["value"]) == (len(verdicts), pytest.approx(sum(verdicts) / len(verdicts)))


def test_prompts_kept_for_evaluation_are_found_among_those_to_train_on(labelled):
    label = Label.objects.filter(policy=labelled, decision="used").first()
    record = ComparisonRecord(
        prompt=label.comparison.prompt.messages,
        responses=[ResponseRecord("a", "m", "1"), ResponseRecord("b", "n", "2")],
        purpose="evaluate",
    )
    store_records(project=labelled.project, records=[record], by=None)
    check = request_health(project=labelled.project, policy=labelled, by=None, test_share=0.01)
    perform_job(check.job_id, carry_out_health)
    overlap = HealthCheck.objects.get().findings[4]
    assert (overlap["level"], overlap["numbers"]["evaluated_prompts"]) == ("warning", 1)


def test_the_rows_are_a_csv_and_unknown_findings_are_not_found(enter, labelled, checked):
    client = enter("reviewer")
    lines = client.get(url("health-csv", labelled, checked.pk, "terms_missing")).content.decode().splitlines()
    assert lines[0] == "comparison,why"
    listed = [line.split(",")[0] for line in lines[1:]]
    used = Label.objects.filter(policy=labelled, decision="used").values_list(
        "comparison__external_id", flat=True
    )
    assert sorted(listed) == sorted(used)
    assert client.get(url("health-rows", labelled, checked.pk, "other")).status_code == 404
    assert client.post(url("health-cancel", labelled, checked.pk)).status_code == 404
    client = enter("annotator")
    assert client.get(url("health", labelled, checked.pk)).status_code == 404


def test_a_freezing_is_stopped_on_the_page_and_done_after_all(enter, labelled):
    client = enter("engineer")
    client.post(url("snapshots", labelled), {**FIELDS, "policy": labelled.pk})
    freezing = Freezing.objects.get()
    shown = client.post(url("freezing-cancel", labelled, freezing.pk), follow=True).content.decode()
    assert "Freeze it after all" in shown
    perform_job(freezing.job_id, carry_out_freezing)
    assert not Snapshot.objects.exists()
    client.post(url("freezing-resume", labelled, freezing.pk))
    perform_job(freezing.job_id, carry_out_freezing)
    assert Snapshot.objects.count() == 1
    again = client.post(url("freezing-cancel", labelled, freezing.pk), follow=True)
    assert "It has already ended" in again.content.decode()


def test_a_health_check_is_stopped_on_its_page(enter, labelled):
    client = enter("engineer")
    check = request_health(project=labelled.project, policy=labelled, by=None)
    client.post(url("health-cancel", labelled, check.pk))
    check.job.refresh_from_db()
    assert check.job.state == JobState.CANCELLED
    assert request_health(project=labelled.project, policy=labelled, by=None) != check
    cancel_job(job=HealthCheck.objects.first().job, by=None)


def test_a_tag_is_named_as_it_is_and_a_reason_in_words():
    assert in_words("imbalance", "licence") == "licence"
    assert in_words("consent", "licence") == "no licence"


def tags_of(snapshot, split):
    return [row["tags"][0] for row in read_split(snapshot_folder(snapshot), split)]


def test_balance_weights_or_takes_rows_of_training_alone(enter, labelled):
    used = Label.objects.filter(policy=labelled, decision="used", comparison__tags__name="odd")
    rare = used.order_by("comparison__external_id").values_list("pk", flat=True)
    Label.objects.filter(pk__in=list(rare)[12:]).update(decision="routed")
    plain, weighted, resampled = (
        freeze_snapshot(project=labelled.project, policy=labelled, by=None, balance=balance)
        for balance in ("none", "weights", "resample")
    )
    assert len({plain.sha256, weighted.sha256, resampled.sha256}) == 3
    assert tags_of(plain, "test") == tags_of(weighted, "test") == tags_of(resampled, "test")
    counts = {tag: tags_of(plain, "train").count(tag) for tag in ("odd", "even")}
    sums = dict.fromkeys(counts, 0.0)
    labels = {label.comparison.external_id: label.weight for label in Label.objects.filter(policy=labelled)}
    for row in read_split(snapshot_folder(weighted), "train"):
        sums[row["tags"][0]] += row["weight"] / labels[row["comparison"]]
    assert sums["odd"] == pytest.approx(sums["even"])
    again = {tag: tags_of(resampled, "train").count(tag) for tag in counts}
    assert abs(again["odd"] - again["even"]) < abs(counts["odd"] - counts["even"]) / 2
    answer = enter("engineer").get(
        url("snapshot-export", labelled, resampled.sha256),
        {"format": "sft", "split": "train", "ending": ".jsonl"},
    )
    assert len(b"".join(answer.streaming_content).splitlines()) == resampled.train_rows
    assert resampled.manifest["split"]["balance"] == "resample"
    assert resampled.manifest["left_out"]["comparisons of the most frequent tags, left out for balance"] > 0


def test_two_snapshots_are_compared_on_a_page(enter, labelled):
    one = freeze_snapshot(project=labelled.project, policy=labelled, by=None)
    gone = Label.objects.filter(policy=labelled, decision="used").first()
    gone.__class__.objects.filter(pk=gone.pk).update(decision="dropped")
    two = freeze_snapshot(project=labelled.project, policy=labelled, by=None)
    client = enter("reviewer")
    for first, second in ((one, two), (two, one)):
        page = client.get(url("snapshot-difference", labelled, first.sha256, second.sha256)).content.decode()
        assert "Both were made by the same policy." in page
        assert f">{gone.comparison.external_id}</a>" in page
    assert two.sha256 in client.get(url("snapshot", labelled, one.sha256)).content.decode()
    (snapshot_folder(two) / "train.parquet").unlink()
    broken = client.get(url("snapshot-difference", labelled, one.sha256, two.sha256)).content.decode()
    assert "can not be read" in broken


def test_an_engineer_exports_on_the_page_what_a_trainer_takes(enter, labelled):
    snapshot = freeze_snapshot(project=labelled.project, policy=labelled, by=None)
    client = enter("engineer")
    address = url("snapshot-export", labelled, snapshot.sha256)
    answer = client.get(address, {"format": "sft", "split": "test", "ending": ".jsonl"})
    assert len(b"".join(answer.streaming_content).splitlines()) == snapshot.test_rows
    assert "judgments" in answer.headers["Left-Out"]
    wrong = client.get(address, {"format": "xml", "split": "test", "ending": ".jsonl"}, follow=True)
    assert "Choose a format" in wrong.content.decode()
    unfit = client.get(address, {"format": "sft", "split": "test", "ending": ".zip"})
    assert unfit.status_code == 200
    assert AuditEntry.objects.filter(verb="export", actor__username="engineer").count() == 2
