"""Real data all the way: PandaLM's people and judges become labels, a snapshot, and a reward model."""

import datasets
import pytest
from django.conf import settings

from alignment.actions.imports import import_file
from alignment.actions.labels import apply_policy, carry_out_labelling
from alignment.actions.policies import create_policy
from alignment.actions.reports import compute_report
from alignment.actions.snapshots import freeze_snapshot, snapshot_folder
from alignment.formats.mapping import parse_mapping
from deploy.demo.world import write_untrained_model
from feedback.actions.jobs import perform_job
from feedback.actions.projects import create_project
from feedback.models import JobState
from trainer.actions.runs import carry_out_run, start_run
from trainer.models import ModelVersion

MAPPING = settings.BASE_DIR / "tests" / "data" / "pandalm.mapping.json"


@pytest.mark.training
@pytest.mark.slow
def test_pandalm_goes_from_its_file_to_a_reward_model(db, shared_data, tmp_path):
    project = create_project(name="PandaLM", by=None, overlap=3)
    mapping = parse_mapping(MAPPING.read_text())
    path = shared_data / "pandalm" / "comparisons.jsonl"
    first = import_file(project=project, path=path, mapping=mapping, by=None)
    again = import_file(project=project, path=path, mapping=mapping, by=None)
    assert (first.stored.comparisons_new, first.stored.judgments_new, first.rejected) == (999, 4995, 0)
    assert not again.stored.changed

    body = compute_report(project=project, by=None).body
    kappas = {(pair["a"], pair["b"]): round(pair["cohen_kappa"]["value"], 2) for pair in body["pairs"]}
    assert kappas["annotator1", "annotator2"] == 0.85
    assert kappas["annotator1", "annotator3"] == 0.88
    assert kappas["annotator2", "annotator3"] == 0.86
    assert body["majority"] == {"first": 422, "second": 472, "tie": 105, "none": 0}

    policy = create_policy(project=project, name="default", document={}, by=None)
    labelling = apply_policy(policy=policy, by=None)
    perform_job(labelling.job_id, carry_out_labelling)
    assert policy.labels.filter(decision="used").count() > 900

    snapshot = freeze_snapshot(project=project, policy=policy, by=None)
    read = datasets.load_dataset(
        "parquet", data_dir=str(snapshot_folder(snapshot)), cache_dir=str(tmp_path / "cache")
    )
    assert (len(read["train"]), len(read["test"])) == (snapshot.train_rows, snapshot.test_rows)

    write_untrained_model(
        tmp_path / "model", read["train"][0]["chosen"][0]["content"].split(), hidden=48, seed=0
    )
    run = start_run(
        project=project,
        method="reward",
        base=tmp_path / "model",
        snapshot=snapshot,
        parameters={
            "max_steps": 6,
            "batch_size": 8,
            "max_length": 512,
            "learning_rate": 1e-3,
            "logging_steps": 2,
        },
        by=None,
    )
    perform_job(run.job_id, carry_out_run)
    run.job.refresh_from_db()
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    accuracy = ModelVersion.objects.get(run=run).metrics["accuracy"]
    assert 0 <= accuracy["low"] < accuracy["high"] <= 1
