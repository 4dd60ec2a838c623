"""Snapshots: frozen by content, the same everywhere, complete or not there."""

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from alignment.actions.freezing import carry_out_freezing, request_freezing
from alignment.actions.labels import apply_policy
from alignment.actions.policies import create_policy
from alignment.actions.snapshots import freeze_snapshot, snapshot_folder, verify_snapshot
from alignment.formats.dataset_folder import read_split
from alignment.models import Freezing, Label, Labelling, Snapshot
from feedback.actions.bulk import change_comparisons
from feedback.actions.imports import store_records
from feedback.actions.jobs import JobCancelled, cancel_job, claim_job, perform_job
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import AuditEntry, Criterion, JobState, Judgment, Rubric
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord
from tests.alignment.conftest import said


@pytest.fixture
def labelled(policy, label):
    label(policy)
    return policy


@pytest.fixture
def freeze(labelled):
    def run(**options):
        return freeze_snapshot(project=labelled.project, policy=labelled, by=None, **options)

    return run


def rows(snapshot, split):
    return list(read_split(snapshot_folder(snapshot), split))


def all_rows(snapshot):
    return [row for split in ("train", "test") for row in rows(snapshot, split)]


def test_every_usable_label_is_a_row_that_prefers_what_its_ranking_prefers(freeze, labelled):
    snapshot = freeze()
    used = {label.comparison.external_id: label for label in Label.objects.filter(decision="used")}
    found = {row["comparison"]: row for row in all_rows(snapshot)}
    assert set(found) == set(used)
    assert snapshot.train_rows + snapshot.test_rows == len(used)
    for key, row in found.items():
        texts = [slot.response.text for slot in used[key].comparison.slots.all()]
        better, worse = texts if used[key].ranking == (1, 2) else reversed(texts)
        assert row["prompt"] == [{"role": "user", "content": f"Question {key}?"}]
        assert row["chosen"] == [{"role": "assistant", "content": better}]
        assert row["rejected"] == [{"role": "assistant", "content": worse}]
        assert (row["weight"], row["confidence"]) == (used[key].weight, used[key].confidence)


def test_every_row_can_be_traced_to_its_judgments(freeze):
    for row in all_rows(freeze()):
        submissions = [UUID(judgment["submission"]) for judgment in row["judgments"]]
        stored = Judgment.objects.filter(
            submission_id__in=submissions, comparison__external_id=row["comparison"]
        )
        assert submissions
        assert {(each.rater.name, each.rater.kind) for each in stored} == {
            (judgment["rater"], judgment["kind"]) for judgment in row["judgments"]
        }
        assert len(stored) == len(submissions)


def test_freezing_the_same_labels_again_is_the_same_snapshot(freeze):
    first = freeze()
    assert freeze() == first
    assert Snapshot.objects.count() == AuditEntry.objects.filter(verb="freeze").count() == 1
    assert freeze(seed=1).sha256 != first.sha256


def test_the_same_content_has_the_same_hash_in_another_project_with_other_keys(freeze, judged_records, label):
    first = freeze()
    other = create_project(name="Elsewhere", by=None, overlap=2)
    store_records(project=other, records=list(reversed(judged_records)), by=None)
    policy = create_policy(project=other, name="default", document={}, by=None)
    label(policy)
    second = freeze_snapshot(project=other, policy=policy, by=None)
    assert second.sha256 == first.sha256
    assert second != first
    verify_snapshot(snapshot=second)


def test_the_manifest_says_what_is_in_it_and_what_made_it(freeze, labelled):
    snapshot = freeze()
    folder = snapshot_folder(snapshot)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest == snapshot.manifest
    assert (manifest["sha256"], manifest["policy"]["sha256"]) == (folder.name, labelled.sha256)
    assert manifest["report"] == snapshot.report.sha256
    for split in ("train", "test"):
        found = rows(snapshot, split)
        assert manifest["splits"][split]["rows"] == len(found)
        assert manifest["splits"][split]["prompts"] == len({row["prompt_sha256"] for row in found})
    used = sum(len(row["judgments"]) for row in all_rows(snapshot))
    assert sum(rater["judgments"] for rater in manifest["raters"]) == used
    card = (folder / "README.md").read_text()
    assert "| ana | human |" in card
    assert "Krippendorff's alpha between people is" in card
    assert snapshot.report.sha256 in card


def test_no_prompt_is_in_both_splits_even_under_two_references(project, label):
    records = [
        ComparisonRecord(
            key=f"{number}-{reference}",
            prompt=[{"role": "user", "content": f"Question {number}?"}],
            reference=reference,
            responses=[ResponseRecord("a", "x", "Yes."), ResponseRecord("b", "y", "No.")],
            judgments=[said(name, "first") for name in ("ana", "ben", "cy")],
        )
        for number in range(30)
        for reference in ("one", "two")
    ]
    store_records(project=project, records=records, by=None)
    policy = create_policy(project=project, name="p", document={}, by=None)
    label(policy)
    snapshot = freeze_snapshot(project=project, policy=policy, by=None, test_share=0.4)
    train, test = (
        {row["prompt"][0]["content"] for row in rows(snapshot, split)} for split in ("train", "test")
    )
    assert train
    assert test
    assert not train & test


def test_prompts_that_are_nearly_the_same_are_never_in_both_splits(project, label):
    story = "I ordered a kettle from your shop last week, it arrived on Monday and has been leaking since Tuesday. "
    records = [
        ComparisonRecord(
            key=f"{number}-{twin}",
            prompt=[{"role": "user", "content": f"{story} My order number is {number:03} {ending}"}],
            responses=[ResponseRecord("a", "x", f"Yes {number}."), ResponseRecord("b", "y", f"No {twin}.")],
            judgments=[said(name, "first") for name in ("ana", "ben", "cy")],
        )
        for number in range(8)
        for twin, ending in enumerate(("please help", "Please help!"))
    ]
    others = [
        ComparisonRecord(
            key=f"other-{number}",
            prompt=[{"role": "user", "content": f"Question {number}?"}],
            responses=[ResponseRecord("a", "x", "Yes."), ResponseRecord("b", "y", "No.")],
            judgments=[said(name, "first") for name in ("ana", "ben", "cy")],
        )
        for number in range(24)
    ]
    store_records(project=project, records=[*records, *others], by=None)
    policy = create_policy(project=project, name="p", document={}, by=None)
    label(policy)
    for seed in range(4):
        snapshot = freeze_snapshot(project=project, policy=policy, by=None, test_share=0.45, seed=seed)
        held = {row["comparison"] for row in rows(snapshot, "test")}
        assert all((f"{number}-0" in held) == (f"{number}-1" in held) for number in range(8))
        assert 17 <= snapshot.test_rows <= 19  # of 40


def use_all(**said):
    """Every label is used, by all judgments of its comparison, and says so."""
    for each in Label.objects.all():
        judgments = Judgment.objects.filter(comparison=each.comparison).values_list("pk", flat=True)
        Label.objects.filter(pk=each.pk).update(decision="used", sources=tuple(judgments), **said)


@pytest.fixture
def ranked(project, label):
    """A policy whose labels are whatever the test writes."""

    def make(ranking, texts, count=12):
        keys = "abcd"[: len(texts)]
        records = [
            ComparisonRecord(
                key=f"q{number:02d}",
                prompt=[{"role": "user", "content": f"Question {number}?"}],
                responses=[ResponseRecord(key, key, text) for key, text in zip(keys, texts, strict=True)],
                judgments=[said(name, None) for name in ("ana",)],
            )
            for number in range(count)
        ]
        store_records(project=project, records=records, by=None)
        policy = create_policy(project=project, name="p", document={}, by=None)
        label(policy)
        use_all(ranking=ranking, confidence=0.9)
        return policy

    return make


def test_a_ranking_of_several_is_every_pair_that_it_tells_apart(ranked):
    policy = ranked((2, 1, 2), ("middle", "best", "other"))
    snapshot = freeze_snapshot(project=policy.project, policy=policy, by=None)
    pairs = {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in all_rows(snapshot)}
    assert pairs == {("best", "middle"), ("best", "other")}
    assert snapshot.train_rows + snapshot.test_rows == 24


def test_ties_and_equal_texts_are_left_out_and_counted(ranked):
    policy = ranked((1, 2, 3), ("same", "same", "worse"))
    tied = list(Label.objects.order_by("comparison__external_id")[:2])
    Label.objects.filter(pk__in=[label.pk for label in tied]).update(ranking=(1, 1, 1))
    snapshot = freeze_snapshot(project=policy.project, policy=policy, by=None, test_share=0.5)
    manifest = snapshot.manifest
    assert manifest["left_out"]["comparisons that are ties throughout"] == 2
    assert manifest["left_out"]["pairs of equal texts"] == 10
    assert manifest["splits"]["train"]["rows"] + manifest["splits"]["test"]["rows"] == 20


def test_comparisons_for_evaluation_are_in_no_snapshot(freeze, labelled):
    kept = Label.objects.filter(decision="used").first().comparison
    labelled.project.comparisons.filter(pk=kept.pk).update(purpose="evaluate")
    assert kept.external_id not in {row["comparison"] for row in all_rows(freeze())}


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_that_is_none_is_refused(freeze, share):
    with pytest.raises(Refused, match="must lie between 0 and 1"):
        freeze(test_share=share)


def test_an_empty_split_is_refused_with_the_way_out(freeze):
    with pytest.raises(Refused, match="No prompt falls into the test split: choose another share"):
        freeze(test_share=1e-9)
    with pytest.raises(Refused, match="No prompt falls into the train split"):
        freeze(test_share=1 - 1e-9)


def test_ties_only_are_nothing_to_freeze(ranked):
    policy = ranked((1, 1), ("x", "y"))
    with pytest.raises(
        Refused, match=r"no label that tells two answers apart \(12 used labels, 12 comparisons that"
    ):
        freeze_snapshot(project=policy.project, policy=policy, by=None)
    assert not Snapshot.objects.exists()


def test_labels_that_are_not_there_or_being_written_are_not_frozen(policy, label):
    def refused(match):
        with pytest.raises(Refused, match=match):
            freeze_snapshot(project=policy.project, policy=policy, by=None)

    refused("has made no labels yet")
    labelling = label(policy)
    for state, match in ((JobState.RUNNING, "being applied"), (JobState.FAILED, "failed; apply it again")):
        Labelling.objects.get(pk=labelling.pk).job.__class__.objects.update(
            state=state, lease_until="2030-01-01T00:00Z"
        )
        refused(match)


def test_another_projects_policy_is_refused(labelled):
    other = create_project(name="Elsewhere", by=None)
    with pytest.raises(Refused, match="policy of another project"):
        freeze_snapshot(project=other, policy=labelled, by=None)


def test_a_disk_that_takes_no_more_is_one_sentence_and_leaves_nothing(freeze, var_folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(Refused, match=r"can not be written to .* make room there and freeze again"):
            freeze()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((var_folder / "snapshots").iterdir())
    assert not Snapshot.objects.exists()
    verify_snapshot(snapshot=freeze())


def test_a_place_that_is_no_folder_is_refused(freeze, settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.SNAPSHOTS_ROOT = tmp_path / "file"
    with pytest.raises(Refused, match="can not be written"):
        freeze()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "train.parquet").write_bytes(b"PAR1"), "it can not be read"),
        (lambda folder: (folder / "test.parquet").unlink(), "it can not be read"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "its manifest.json was changed"),
        (
            lambda folder: (folder / "test.parquet").replace(folder / "train.parquet"),
            "its train rows were changed",
        ),
        (lambda folder: folder.rename(folder.with_name("away")), "its folder is gone"),
    ],
)
def test_changed_files_are_found_and_freezing_again_mends_them(freeze, damage, sentence):
    snapshot = freeze()
    damage(snapshot_folder(snapshot))
    with pytest.raises(Refused, match=sentence):
        verify_snapshot(snapshot=snapshot)
    assert freeze() == snapshot
    verify_snapshot(snapshot=snapshot)


def test_the_datasets_library_reads_a_snapshot_back(freeze, tmp_path):
    snapshot = freeze()
    folder = snapshot_folder(snapshot)
    code = (
        "import datasets, sys\n"
        "for args, kwargs in ((('parquet',), {'data_dir': sys.argv[1]}), ((sys.argv[1],), {})):\n"
        "    found = datasets.load_dataset(*args, **kwargs, cache_dir=sys.argv[2])\n"
        "    print({name: split.num_rows for name, split in found.items()}, found['train'][0]['chosen'][0]['role'])\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    counts = {"train": snapshot.train_rows, "test": snapshot.test_rows}
    assert done.stdout.splitlines() == [f"{counts} assistant"] * 2


def test_the_command_freezes_the_policy_applied_last(labelled, capsys):
    call_command("freeze", "--project", labelled.project.name)
    snapshot = Snapshot.objects.get()
    assert f"Snapshot {snapshot.sha256}: {snapshot.train_rows} train and" in capsys.readouterr().out
    with pytest.raises(CommandError, match="has no policy 'other'"):
        call_command("freeze", "--project", labelled.project.name, "--policy", "other")


def test_the_command_says_that_there_is_nothing_to_freeze(project):
    with pytest.raises(CommandError, match="has no labels yet"):
        call_command("freeze", "--project", project.name)


def page(client, name, project, *args):
    return client.get(reverse(f"alignment:{name}", args=[project.slug, *args]))


@pytest.fixture
def as_role(client, make_user, labelled):
    def enter(role):
        client.force_login(make_user(role, project=labelled.project, role=role))
        return client

    return enter


def test_an_engineer_freezes_on_the_page_and_downloads_both_kinds(as_role, labelled):
    client = as_role("engineer")
    url = reverse("alignment:snapshots", args=[labelled.project.slug])
    fields = {"policy": labelled.pk, "test_share": "0.2", "seed": "0", "balance": "none"}
    assert "It waits for a worker." in client.post(url, fields, follow=True).content.decode()
    client.post(url, fields)  # a second click
    freezing = Freezing.objects.get()
    perform_job(freezing.job_id, carry_out_freezing)
    snapshot = Snapshot.objects.get()
    assert snapshot.created_by.username == "engineer"
    shown = page(client, "snapshots", labelled.project).content.decode()
    assert f"{snapshot.train_rows} train and {snapshot.test_rows} test rows." in shown
    assert f"The snapshot {snapshot.sha256[:12]}" in shown
    parquet = page(client, "snapshot-test-parquet", labelled.project, snapshot.sha256)
    assert b"".join(parquet.streaming_content) == (snapshot_folder(snapshot) / "test.parquet").read_bytes()
    lines = page(client, "snapshot-train-jsonl", labelled.project, snapshot.sha256)
    found = [json.loads(line) for line in b"".join(lines.streaming_content).splitlines()]
    assert found == pq.read_table(snapshot_folder(snapshot) / "train.parquet").to_pylist()
    assert AuditEntry.objects.filter(verb="export", actor__username="engineer").count() == 2


def test_the_page_says_why_nothing_was_frozen(as_role, labelled):
    client = as_role("engineer")
    url = reverse("alignment:snapshots", args=[labelled.project.slug])
    client.post(url, {"policy": labelled.pk, "test_share": "0.001", "seed": "0", "balance": "none"})
    perform_job(Freezing.objects.get().job_id, carry_out_freezing)
    shown = client.get(url).content.decode()
    assert "No prompt falls into the test split" in shown
    assert not Snapshot.objects.exists()


def test_what_can_be_seen_at_once_is_refused_beside_the_form(as_role, labelled):
    client = as_role("engineer")
    url = reverse("alignment:snapshots", args=[labelled.project.slug])
    apply_policy(policy=labelled, by=None)
    answer = client.post(url, {"policy": labelled.pk, "test_share": "0.2", "seed": "0", "balance": "none"})
    assert "is being applied at this moment" in answer.content.decode()
    assert not Freezing.objects.exists()


def test_a_cancelled_freezing_leaves_nothing(labelled, settings):
    freezing = request_freezing(project=labelled.project, policy=labelled, by=None)
    lease = claim_job(freezing.job_id)
    cancel_job(job=freezing.job, by=None)
    with pytest.raises(JobCancelled):
        carry_out_freezing(lease)
    assert not Snapshot.objects.exists()
    assert list(Path(settings.SNAPSHOTS_ROOT).iterdir()) == []


def test_a_reviewer_sees_what_is_in_a_snapshot_and_takes_nothing_away(as_role, freeze, labelled):
    snapshot = freeze()
    client = as_role("reviewer")
    assert snapshot.sha256[:12] in page(client, "snapshots", labelled.project).content.decode()
    shown = page(client, "snapshot", labelled.project, snapshot.sha256).content.decode()
    first = rows(snapshot, "train")[0]
    for part in (snapshot.sha256, labelled.sha256, snapshot.report.sha256, first["chosen"][0]["content"]):
        assert part in shown
    for kind in ("parquet", "jsonl"):
        assert page(client, f"snapshot-train-{kind}", labelled.project, snapshot.sha256).status_code == 404
    assert client.post(reverse("alignment:snapshots", args=[labelled.project.slug])).status_code == 404


def test_an_annotator_finds_no_snapshot(as_role, freeze, labelled):
    client = as_role("annotator")
    assert page(client, "snapshots", labelled.project).status_code == 404
    assert page(client, "snapshot", labelled.project, freeze().sha256).status_code == 404


def test_the_page_says_when_the_files_are_gone(as_role, freeze, labelled):
    snapshot = freeze()
    client = as_role("engineer")
    (snapshot_folder(snapshot) / "train.parquet").unlink()
    assert "can not be read" in page(client, "snapshot", labelled.project, snapshot.sha256).content.decode()
    address = reverse("alignment:snapshot-train-parquet", args=[labelled.project.slug, snapshot.sha256])
    assert "are gone" in client.get(address, follow=True).content.decode()


def test_a_project_without_labels_shows_the_way_to_them(client, make_user, project):
    client.force_login(make_user("eva", project=project, role="engineer"))
    assert "before a policy has made labels" in page(client, "snapshots", project).content.decode()


def test_a_snapshot_of_another_project_is_not_found(as_role, freeze, make_user, client):
    snapshot = freeze()
    other = create_project(name="Elsewhere", by=None)
    client.force_login(make_user("eva", project=other, role="owner"))
    assert page(client, "snapshot", other, snapshot.sha256).status_code == 404


def test_a_simulated_rater_is_marked_in_manifest_and_card(freeze, labelled):
    labelled.project.raters.filter(name="ana").update(simulated=True)
    snapshot = freeze()
    assert {rater["name"]: rater["simulated"] for rater in snapshot.manifest["raters"]}["ana"] is True
    assert "| ana | human, simulated |" in (snapshot_folder(snapshot) / "README.md").read_text()


def test_a_comparison_that_is_retired_leaves_the_next_snapshot_and_the_next_labels(freeze, labelled, label):
    before = {row["comparison"] for row in all_rows(freeze())}
    gone = labelled.project.comparisons.get(external_id=min(before))
    change_comparisons(project=labelled.project, verb="retire", value="", ids=[gone.pk], by=None)
    assert {row["comparison"] for row in all_rows(freeze())} == before - {gone.external_id}
    assert Label.objects.filter(comparison=gone).exists()
    label(labelled)
    assert not Label.objects.filter(comparison=gone).exists()
    change_comparisons(project=labelled.project, verb="bring_back", value="", ids=[gone.pk], by=None)
    label(labelled)
    assert {row["comparison"] for row in all_rows(freeze())} == before


def test_the_same_rows_have_the_same_hash_on_every_database(project, label):
    """The hash is written down here: SQLite and PostgreSQL, which sort and keep JSON otherwise, both give it."""
    rubric = Rubric.objects.create(project=project, name="r", sha256="0" * 64)
    for name, weight in (("clarity", 1.0), ("tone", 0.3)):
        Criterion.objects.create(rubric=rubric, name=name, weight=weight, scale_min=0, scale_max=7)
    scores = {"a": {"clarity": 5, "tone": 3}, "b": {"tone": 1, "clarity": 2}}
    records = [
        ComparisonRecord(
            key=key,
            prompt=[{"role": "user", "content": f"Question {key}, “naïve”?"}],
            reference="42" if place % 2 else None,
            metadata={"zeta": 0.1, "Alpha": [1, None], "é": {"b": 1, "a": 2.5}},
            responses=[ResponseRecord("a", "x", f"Yes {key}."), ResponseRecord("b", "y", f"No {key}.")],
            tags=["Zebra", "apple", "Éclair"][: place % 4],
            judgments=[
                JudgmentRecord(
                    name, ranking={"a": 1, "b": 2}, scores=scores, at=datetime(2026, 5, 1, tzinfo=UTC)
                )
                for name in ("ana", "Ben", "émile")
            ],
        )
        for place, key in enumerate(("B", "a", "É", "b", "Z", "z", "_1", "1"))
    ]
    assert not store_records(project=project, records=records, by=None).rejections
    policy = create_policy(project=project, name="p", document={}, by=None)
    label(policy)
    use_all(ranking=(1, 2), confidence=0.875, weight=1.25, margin=0.5)
    manifest = freeze_snapshot(project=project, policy=policy, by=None, test_share=0.3).manifest
    assert {name: manifest["splits"][name]["sha256"] for name in ("train", "test")} == {
        "train": "25e0b3139c3dc4011a3144dfddb835741f3a19ba7797940b8bf860dd1091d546",
        "test": "92aec91ba970241140e78946b1400d7294d6e812f8262f4df87f03a65c57b94c",
    }
