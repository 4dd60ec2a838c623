"""The registry: stages with their reasons, lineage, cards, downloads, serving, merging."""

import io
import json
import os
import shlex
import shutil
import tarfile
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from feedback.actions.jobs import cancel_job, perform_job
from feedback.errors import Refused
from feedback.models import AuditEntry, JobState
from trainer.actions.measuring import finish_evaluation
from trainer.actions.merging import start_merge
from trainer.actions.model_folders import base_folder
from trainer.actions.model_versions import check_weights, register_base
from trainer.actions.runs import carry_out_run, start_run
from trainer.actions.stages import set_stage
from trainer.cards import lineage_json, model_card
from trainer.costs import cost_of, equal
from trainer.folders import model_folder
from trainer.lineage import lineage_of
from trainer.models import ModelKind, ModelVersion, Stage
from trainer.queries import best_version, stage_of

from .evaluating import evaluated, word_judge
from .test_measuring import store_tagged


@pytest.fixture
def judged(project, policy_model, tuned_model):
    """An evaluation in which the model loses every time on what must hold."""
    store_tagged(project, "must hold", 20)
    evaluation = evaluated(
        tuned_model,
        policy_model,
        [f"bad {n}" for n in range(20)],
        [f"good {n}" for n in range(20)],
        judges=[word_judge(project, "kind", "good")],
        regression_tag=project.tags.get(name="must hold"),
        prompts=[],
    )
    return finish_evaluation(evaluation=evaluation, by=None)


def refused(**asked) -> tuple[str | None, str]:
    with pytest.raises(Refused) as caught:
        set_stage(**asked, by=None)
    return caught.value.field, caught.value.sentence


def test_a_version_becomes_a_candidate_once(project, tuned_model):
    set_stage(model_version=tuned_model, stage=Stage.CANDIDATE, by=None)
    assert stage_of(tuned_model) == "candidate"
    assert refused(model_version=tuned_model, stage=Stage.CANDIDATE)[0] == "stage"
    assert best_version(project) == tuned_model


def test_approving_needs_an_evaluation_of_it_that_has_ended(tuned_model, policy_model, judged):
    asked = {"model_version": policy_model, "stage": Stage.APPROVED}
    assert refused(**asked)[0] == "evaluation"
    assert refused(**asked, evaluation=judged)[0] == "evaluation"
    assert not policy_model.stages.exists()


def test_what_got_worse_is_approved_only_with_a_written_reason(project, tuned_model, judged):
    asked = {"model_version": tuned_model, "stage": Stage.APPROVED, "evaluation": judged}
    field, sentence = refused(**asked, reason="  ")
    assert field == "reason"
    assert "got worse on the regression set must hold" in sentence

    change = set_stage(**asked, reason="The set is outdated.", by=None)

    assert change.overrides
    told = AuditEntry.objects.filter(project=project, verb="set stage").latest("pk").detail
    assert (told["regression"], told["overrides"], told["reason"]) == ("worse", True, "The set is outdated.")
    assert best_version(project) == tuned_model


def test_a_reward_model_is_not_approved(project):
    reward = ModelVersion.objects.create(
        project=project, name="rm", kind=ModelKind.REWARD, path="x", sha256="0"
    )
    assert refused(model_version=reward, stage=Stage.APPROVED)[0] == "stage"


@pytest.fixture
def trained(project, snapshot, policy_model) -> ModelVersion:
    """A version of a run that never trained, but is on record as one that did."""
    run = start_run(project=project, method="dpo", base=policy_model, snapshot=snapshot, by=None)
    run.seconds = 90.0
    run.save()
    return ModelVersion.objects.create(
        project=project,
        name="trained",
        kind=ModelKind.POLICY,
        run=run,
        base=policy_model,
        path=policy_model.path,
        sha256=policy_model.sha256,
        licence="apache-2.0",
    )


def test_lineage_goes_back_to_the_judgments(snapshot, trained, policy_model):
    first, last = lineage_of(trained)
    assert (first.version, first.run) == (policy_model, None)
    told = last.as_json()
    assert told["snapshot_sha256"] == snapshot.sha256
    assert told["policy"]["sha256"] == snapshot.policy.sha256
    assert told["judgments_sha256"] == snapshot.report.inputs_sha256
    judgments = sum(rater["judgments"] for rater in snapshot.manifest["raters"])
    assert told["raters"] == [{"kind": "human", "simulated": False, "people": 2, "judgments": judgments}]
    assert policy_model.path not in json.dumps(told)


def test_what_leaves_the_server_names_no_person(trained):
    for text in (model_card(trained), lineage_json(trained)):
        assert "ana" not in text
        assert "ben" not in text
    assert "judgments by 2 people (human)" in model_card(trained)


def test_cost_counts_the_lineage_and_its_labels(trained, snapshot):
    cost = cost_of(trained)
    labelled = sum(rater["judgments"] for rater in snapshot.manifest["raters"])
    assert (cost.own_seconds, cost.seconds, cost.people, cost.judges) == (90.0, 90.0, labelled, 0)
    assert (cost.training, cost.training_at(None)) == (None, None)
    assert cost.training_at(2.0) == pytest.approx(0.05)
    assert equal([cost, cost._replace(seconds=95.0)])
    assert not equal([cost, cost._replace(seconds=200.0)])


def test_the_card_names_licence_lineage_and_verdicts(tuned_model, judged, trained):
    card = model_card(trained)
    assert card.startswith("---\n")
    assert "license: apache-2.0" in card
    assert trained.run.snapshot.sha256 in card
    told = model_card(tuned_model)
    assert "| against tiny | Judges, by majority | 0.000" in told
    assert "| regression set must hold | worse |" in told


def test_a_licence_is_read_from_the_folders_own_card(project, tiny_model, tmp_path):
    import shutil

    folder = tmp_path / "licensed"
    shutil.copytree(tiny_model, folder)
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: our-own\n---\n# Ours\n")
    version = register_base(project=project, folder=folder, by=None, beat=lambda: None)
    assert version.licence == "our-own"


def test_a_download_is_a_whole_tar_of_the_length_it_says(project, client, make_user, tuned_model):
    client.force_login(make_user("erin", project=project, role="engineer"))
    response = client.get(reverse("trainer:model-download", args=[project.slug, tuned_model.pk]))
    content = response.getvalue()
    assert len(content) == int(response["Content-Length"])
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
        assert {"tuned/model.safetensors", "tuned/config.json", "tuned/README.md"} <= set(names)
        lineage = json.load(archive.extractfile("tuned/lineage.json"))
    assert lineage["lineage"][0]["weights_sha256"] == tuned_model.sha256


@pytest.mark.parametrize(
    ("role", "page", "stage", "approve", "download"),
    [
        ("annotator", 404, 404, 404, 404),
        ("reviewer", 200, 404, 404, 404),
        ("engineer", 200, 302, 404, 200),
        ("owner", 200, 302, 302, 200),
    ],
)
def test_who_may_do_what(
    project, client, make_user, tuned_model, judged, role, page, stage, approve, download
):
    client.force_login(make_user("x", project=project, role=role))

    def address(name: str) -> str:
        return reverse(f"trainer:{name}", args=[project.slug, tuned_model.pk])

    assert client.get(address("model")).status_code == page
    assert client.post(address("model-stage"), {"stage": "candidate"}).status_code == stage
    reason = {"evaluation": judged.pk, "reason": "It is fine."}
    assert client.post(address("model-approve"), reason).status_code == approve
    assert client.get(address("model-download")).status_code == download


def test_an_engineer_does_not_take_an_approval_back(project, client, make_user, tuned_model, judged):
    set_stage(model_version=tuned_model, stage=Stage.APPROVED, evaluation=judged, reason="So be it.", by=None)
    client.force_login(make_user("erin", project=project, role="engineer"))
    taken = client.post(
        reverse("trainer:model-stage", args=[project.slug, tuned_model.pk]), {"stage": "none"}
    )
    assert (taken.status_code, stage_of(tuned_model)) == (404, "approved")


def test_approving_on_the_page_says_why_not(project, client, make_user, tuned_model, judged):
    client.force_login(make_user("olga", project=project, role="owner"))
    answer = client.post(
        reverse("trainer:model-approve", args=[project.slug, tuned_model.pk]), {"evaluation": judged.pk}
    )
    assert answer.status_code == 200
    assert b"got worse on the regression set" in answer.content


def test_versions_stand_side_by_side_with_their_cost(
    project, client, make_user, tuned_model, judged, trained
):
    client.force_login(make_user("rita", project=project, role="reviewer"))
    chosen = {"versions": [tuned_model.pk, trained.pk], "per_hour": "2"}
    page = client.get(reverse("trainer:models-compare", args=[project.slug]), chosen)
    assert page.status_code == 200
    assert b"0.05" in page.content
    table = client.get(reverse("trainer:models-compare-csv", args=[project.slug]), chosen).content.decode()
    rows = [line.split(",") for line in table.splitlines()]
    named = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert named["tuned"]["regression set"] == "worse"
    assert float(named["tuned"]["judges win rate"]) == 0
    assert float(named["trained"]["training dollars"]) == pytest.approx(0.05)


def test_a_folder_with_a_space_is_one_word_of_the_command(project, tiny_model, tmp_path, capsys):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "my $model"))
    version = register_base(project=project, folder=folder, by=None, beat=lambda: None)
    call_command("serve_model", "--version", str(version.pk), "--show")
    assert shlex.split(capsys.readouterr().out)[2] == str(folder)


def test_serving_is_one_command(tuned_model, project, capsys):
    call_command("serve_model", "--version", str(tuned_model.pk), "--show")
    assert capsys.readouterr().out.startswith(f"transformers serve {tuned_model.path}")
    with pytest.raises(CommandError, match="no model version 999"):
        call_command("serve_model", "--version", "999", "--show")


@pytest.fixture
def adapter(project, tiny_model, tmp_path) -> ModelVersion:
    """A folder that passes for an adapter, of which nothing is loaded."""
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"task_type": "CAUSAL_LM"}')
    (folder / "adapter_model.safetensors").write_bytes((tiny_model / "model.safetensors").read_bytes())
    return register_base(project=project, folder=folder, by=None, beat=lambda: None)


def test_an_adapter_is_merged_once_whatever_else_has_its_name(project, adapter, policy_model):
    taken = ModelVersion.objects.create(
        project=project, name="half-merged", kind=ModelKind.POLICY, path="x", sha256="0"
    )
    run = start_merge(model_version=adapter, by=None)
    assert (run.name, run.base) == ("half-merged-2", adapter)
    with pytest.raises(Refused, match="The run half-merged-2 does the very same and has not ended"):
        start_merge(model_version=adapter, by=None)

    cancel_job(job=run.job, by=None)
    again = start_merge(model_version=adapter, by=None)
    assert again.name == "half-merged-3"
    cancel_job(job=again.job, by=None)
    ModelVersion.objects.create(
        project=project, name=again.name, kind=ModelKind.POLICY, run=again, base=adapter, path="y", sha256="1"
    )
    with pytest.raises(Refused, match="half was merged already: it is half-merged-3"):
        start_merge(model_version=adapter, by=None)
    assert taken.run is None


def test_an_adapter_is_loaded_onto_no_other_projects_model(project, adapter, tiny_model, tmp_path):
    """Its configuration may be written by a machine elsewhere, also after the version was registered."""
    root = Path(settings.RUNS_ROOT)
    for name in ("7", "8"):
        shutil.copytree(tiny_model, root / name / "final")
    ModelVersion.objects.create(
        project=project, name="own", kind=ModelKind.POLICY, path="8/final", sha256="0"
    )
    (tmp_path / "link").symlink_to(root / "7")
    second = tmp_path / "second"
    shutil.copytree(model_folder(adapter), second)

    def name_base(folder: Path, base: object) -> None:
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))

    name_base(second, root / "7" / "final")
    stranger = ModelVersion(project=project, name="s", kind=ModelKind.POLICY, path=str(second), sha256="0")
    relative = os.path.relpath(root / "7" / "final", settings.BASE_DIR)
    for base, said in [
        (root / "7" / "final", "belongs to a run"),
        (tmp_path / "link" / "final", "belongs to a run"),
        (second, "belongs to a run"),
        (relative, "name it by a whole path"),
        ("../final", "name it by a whole path"),
        ("/a\0b", "name it by a whole path"),
    ]:
        name_base(model_folder(adapter), base)
        for start in (
            lambda: start_merge(model_version=adapter, by=None),
            lambda: base_folder(project, adapter),
            lambda: check_weights(adapter, lambda: None),
            lambda: register_base(project=project, folder=model_folder(adapter), by=None, beat=lambda: None),
        ):
            with pytest.raises(Refused, match=said):
                start()
    with pytest.raises(Refused, match="belongs to a run"):
        base_folder(project, stranger, "parameters.value_model")
    for base in (root / "8" / "final", tiny_model, "Qwen/Qwen3-0.6B"):
        name_base(model_folder(adapter), base)
        assert base_folder(project, adapter) == model_folder(adapter)


def test_every_page_of_a_merge_is_shown_in_every_state(project, adapter, client, make_user):
    run = start_merge(model_version=adapter, by=None)
    client.force_login(make_user("eve", project=project, role="engineer"))
    for state in JobState.values:
        run.job.state = state
        run.job.lease_until = timezone.now() if state == JobState.RUNNING else None
        run.job.save()
        assert client.get(reverse("trainer:run", args=[project.slug, run.pk])).status_code == 200, state
    for name in ("run-series", "run-csv", "run-elsewhere"):
        assert client.get(reverse(f"trainer:{name}", args=[project.slug, run.pk])).status_code == 200, name
    for name in ("runs", "run-compare", "models"):
        assert client.get(reverse(f"trainer:{name}", args=[project.slug])).status_code == 200, name


@pytest.mark.training
@pytest.mark.slow
def test_an_adapter_is_merged_into_a_version_of_its_own(project, tiny_model, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path / "adapter"
    layers = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), layers).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    adapter = register_base(project=project, folder=folder, by=None, beat=lambda: None)

    run = start_merge(model_version=adapter, by=None)
    perform_job(run.job_id, carry_out_run)

    run.refresh_from_db()
    assert run.job.state == JobState.SUCCEEDED, run.job.message
    merged = ModelVersion.objects.get(run=run)
    assert (merged.name, merged.base, merged.kind) == ("adapter-merged", adapter, ModelKind.POLICY)
    assert merged.sha256 != adapter.sha256
    with pytest.raises(Refused, match="is whole already"):
        start_merge(model_version=merged, by=None)
