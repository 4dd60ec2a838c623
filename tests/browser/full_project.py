"""A project with something in every state that its pages show, and the way to each of them."""

import json
import random
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alignment.actions.health import carry_out_health, request_health
from alignment.actions.labels import apply_policy, carry_out_labelling
from alignment.actions.people import measure_people
from alignment.actions.policies import create_policy
from alignment.actions.reports import compute_report
from alignment.actions.snapshots import freeze_snapshot
from alignment.agreement_tables import TABLES
from alignment.models import FileImport, Label, Snapshot
from feedback.actions.assignments import take
from feedback.actions.gold import make_gold
from feedback.actions.guidelines import mark_read, publish_guidelines
from feedback.actions.imports import store_records
from feedback.actions.invitations import create_invitation
from feedback.actions.jobs import claim_job, perform_job, queue_job
from feedback.actions.judgments import submit_judgment
from feedback.actions.notices import notify
from feedback.actions.projects import create_project, rater_of, set_member
from feedback.actions.reviews import raise_doubt, send_back
from feedback.actions.standing import stop
from feedback.actions.tokens import create_token
from feedback.answers import Verdict
from feedback.models import (
    BulkChange,
    Comparison,
    Job,
    JobState,
    Judgment,
    Project,
    Rater,
    RaterKind,
    SliceRule,
)
from feedback.queries.review import review_state
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord, SpanRecord
from judges.actions.attacks import start_attack_run
from judges.actions.budgets import set_budget
from judges.actions.graders import create_grader
from judges.actions.judges import create_judge
from judges.actions.panels import create_panel
from judges.actions.rubrics import create_rubric
from judges.actions.runs import start_judge_run
from judges.core.graders.examples import EXAMPLES
from judges.models import Judge
from judges.tasks import perform_attack_run, perform_judge_run
from trainer.actions.evaluations import start_evaluation
from trainer.actions.preflights import start_preflight
from trainer.actions.runs import start_run
from trainer.actions.scoring import start_scoring
from trainer.actions.stages import set_stage
from trainer.curves import Curves
from trainer.folders import run_folder
from trainer.models import Evaluation, ModelKind, ModelVersion, Preflight, Run, RunEvent

from .full_registry import check, check_result, more_of_a_result, push_of, rounds_of
from .full_searches import search, search_forms

PEOPLE = ("ana", "ben", "cy")
FIRST, SECOND, TIE = {"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 1, "b": 1}
RICH = "# A title\n\nSome `code`, $x^2$, **bold**:\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```python\nx = 1  # one\n```"


@dataclass(frozen=True)
class FullProject:
    """``ways`` has, by the full name of an address, the parts that it needs besides the project's: one or many."""

    project: Project
    ways: Mapping[str, list[dict[str, Any]]]


def full_project(owner: User, model: Path) -> FullProject:
    """Everything is made by the actions and endpoints that people use; only what trains is told, not done."""
    project = create_project(name="Everything", by=owner, guidelines="# Be kind\n\nPrefer the kind answer.")
    store_records(project=project, records=_records(), by=owner)
    own = _own_answer(project, owner)
    ways = own | _people(project, owner) | _queue(project, owner) | _judging(project, owner)
    ways |= _alignment(project, owner) | _imports(project, owner)
    return FullProject(project, ways | _training(project, owner, str(_model(model))))


def _records() -> list[ComparisonRecord]:
    """Sixty comparisons that three people and two judges looked at, with all that an answer can hold."""
    rng = random.Random(3)
    records = []
    for index in range(60):
        truth, other = rng.sample((FIRST, SECOND), 2)
        people = [
            JudgmentRecord(
                rater=name,
                ranking=truth if rng.random() < 0.9 else other,
                rationale="It is kinder." if index % 3 == 0 else "",
                spans=[SpanRecord("a", 0, 3, "This part.")] if index % 5 == 0 else (),
                flags=["unsafe"] if index == 7 else (),
                seconds=20.0 + index,
                at=timezone.now() - timedelta(days=60 - index),
            )
            for name in PEOPLE
        ]
        machines = [
            JudgmentRecord("good", "judge", ranking=truth),
            JudgmentRecord("bad", "judge", ranking=rng.choice((FIRST, SECOND, TIE))),
        ]
        texts = [RICH if index == 0 else f"First answer {index}.", f"A second answer {index}."]
        records.append(
            ComparisonRecord(
                key=f"q{index:02d}",
                prompt=[{"role": "user", "content": f"Question {index}?"}],
                responses=[
                    ResponseRecord(key, f"model-{key}", text) for key, text in zip("ab", texts, strict=True)
                ],
                tags=["even" if index % 2 == 0 else "odd"],
                judgments=[*people, *machines],
            )
        )
    return [*records, *_unjudged()]


def _unjudged() -> list[ComparisonRecord]:
    return [
        ComparisonRecord(
            key=f"open{index}",
            prompt=[{"role": "user", "content": f"What of {index}?"}],
            responses=[ResponseRecord("a", "model-a", RICH), ResponseRecord("b", "model-b", "A short one.")],
            tags=["even"],
        )
        for index in range(8)
    ]


def _own_answer(project: Project, owner: User) -> dict[str, list[dict[str, Any]]]:
    """The owner has answered two comparisons; a reviewer sent one of them back."""
    rater = rater_of(project=project, user=owner)
    mark_read(rater=rater, version=1)
    first, second = take(rater=rater, count=2)
    for assignment in (first, second):
        verdict = Verdict(ranking=(1, 2), seconds=30.0, rationale="It is kinder.")
        comparison = assignment.comparison
        said = submit_judgment(
            rater=rater, comparison=comparison, submission_id=uuid.uuid4(), verdict=verdict
        )
    send_back(judgment=said, comment="And the tone?", seen=review_state(said.comparison), by=owner)
    return {"feedback:revise": [{"pk": first.pk}]}


def _people(project: Project, owner: User) -> dict[str, list[dict[str, Any]]]:
    annotator = User.objects.create_user("mia", password="correct horse")
    set_member(project=project, user=annotator, role="annotator", by=owner)
    create_invitation(project=project, role="reviewer", days=7, by=owner, note="Rita")
    _, secret = create_invitation(project=project, role="annotator", days=7, by=owner)
    create_token(user=owner, name="the nightly export", scope="read")
    publish_guidelines(
        project=project, texts={"en": "Be kind.", "fr": "Soyez aimable."}, change="x", by=owner
    )
    mark_read(rater=rater_of(project=project, user=owner), version=2)
    judged = Rater.objects.filter(project=project, kind=RaterKind.HUMAN)
    stop(rater=judged.get(name="cy"), because="7 of 20 known answers were right.", by=None)
    return {
        "feedback:member": [{"pk": project.members.get(user=annotator).pk}],
        "feedback:join": [{"secret": secret}],
        "feedback:guideline-preview": [{"language": "en"}],
        "alignment:person": [{"pk": judged.get(name=name).pk} for name in ("ana", "cy")],
        "alignment:person-answers": [{"pk": judged.get(name="ana").pk}],
    }


def _queue(project: Project, owner: User) -> dict[str, list[dict[str, Any]]]:
    items = list(Comparison.objects.filter(external_id__startswith="open").order_by("pk"))
    make_gold(comparison=items[0], use="gold", ranking=(1, 2), by=owner, explanation="It shows its work.")
    make_gold(comparison=items[1], use="practice", ranking=(2, 1), by=owner, explanation="Short is enough.")
    SliceRule.objects.create(project=project, tag=project.tags.get(name="odd"), overlap=4, skill="medicine")
    notify(project=project, kind="gold", subject="cy", text="cy was stopped.")
    split = project.comparisons.get(external_id="q07")
    raise_doubt(comparison=split, note="Is a joke kind?", by=owner)
    change = BulkChange.objects.create(
        project=project,
        job=queue_job(project=project, task="feedback.tasks.perform_bulk_change", queue="default", by=owner),
        verb="retire",
        value="",
        wanted={},
        last=split.pk,
    )
    return {
        "feedback:gold-item": [{"pk": items[0].pk}, {"pk": items[5].pk}],
        "feedback:review-item": [{"pk": split.pk}, {"pk": items[0].pk}],
        "feedback:comparison": [{"pk": project.comparisons.get(external_id="q00").pk}, {"pk": split.pk}],
        "feedback:bulk-change": [{"pk": change.pk}],
        "feedback:bulk": [{"query": "verb=retire&all=1"}],
    }


def _judging(project: Project, owner: User) -> dict[str, list[dict[str, Any]]]:
    """A judge that has judged some and was attacked, another whose run waits, one that failed; a grader, a panel."""
    judge, slow = _judge(project, owner, "careful"), _judge(project, owner, "slow")
    done = start_judge_run(judge=judge, by=owner, tag=project.tags.get(name="odd"))
    _without_a_loop(perform_judge_run, done.job_id)
    waiting = start_judge_run(judge=slow, by=owner)
    failed = start_judge_run(judge=judge, by=owner)
    failed.job.state, failed.job.message = JobState.FAILED, "The provider refused the key."
    failed.job.save()
    exact = {"grader": EXAMPLES["string_check"].document}
    grader = create_grader(project=project, name="exact", settings=exact, by=owner)
    panel = create_panel(project=project, name="both", members=[(judge, 1.0), (slow, 1.0)], by=owner)
    set_budget(project=project, limit=Decimal(20), by=owner)
    attack = start_attack_run(judge=judge, by=owner)
    _without_a_loop(perform_attack_run, attack.job_id)
    judges = [{"pk": each.pk} for each in (judge, slow, grader)]
    rubric = {"pk": judge.rubric_id}
    judged = Judgment.objects.filter(rater=judge.pk, current=True)
    return {
        "judges:grader-export": judges[2:],
        "judges:judge": judges,
        "judges:judge-edit": judges[:1],
        "judges:judge-changes": judges[:1],
        "judges:judge-export": judges[:1],
        "judges:verdicts": judges,
        "judges:verdict": [{"pk": judge.pk, "comparison": said.comparison_id} for said in judged[:1]],
        "judges:run-new": judges[:1],
        "judges:run": [{"pk": run.pk} for run in (done, waiting, failed)],
        "judges:attacks": judges[:2],
        "judges:attack-deed": [{"pk": attack.pk, "deed": "cancel"}],
        "judges:panel": [{"pk": panel.pk}],
        "judges:rubric": [rubric],
        "judges:rubric-edit": [rubric],
        "judges:rubric-changes": [rubric],
        "judges:rubric-export": [rubric | {"form": "json"}],
    }


def _without_a_loop(work: Callable[[int], None], job_id: int) -> None:
    """In a thread of its own, as in a worker: the test's own has Playwright's event loop."""

    def perform() -> None:
        try:
            work(job_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(perform).result()


def _judge(project: Project, owner: User, name: str) -> Judge:
    rubric = create_rubric(project=project, name="Kind", instructions="Prefer the kind answer.", by=owner)
    return create_judge(
        project=project,
        name=name,
        provider="rules",
        model="rules",
        rubric=rubric,
        settings={"rules": [{"pattern": "First", "weight": 1.0}]},
        by=owner,
    )


def _alignment(project: Project, owner: User) -> dict[str, list[dict[str, Any]]]:
    measure_people(project=project)
    policy = create_policy(project=project, name="people first", document={"min_items": 20}, by=owner)
    perform_job(apply_policy(policy=policy, by=owner).job_id, carry_out_labelling)
    compute_report(project=project, by=owner)
    snapshot = freeze_snapshot(project=project, policy=policy, by=owner, test_share=0.25)
    # The same labels with another split, to compare with; a health report done, and one that waits.
    second = freeze_snapshot(project=project, policy=policy, by=owner, test_share=0.3, seed=1)
    examined = request_health(project=project, policy=policy, by=owner, test_share=0.25)
    perform_job(examined.job_id, carry_out_health)
    waits = request_health(project=project, policy=policy, by=owner, test_share=0.3)
    examined.refresh_from_db()
    behind = next(finding["kind"] for finding in examined.findings if finding["count"])
    again = create_policy(project=project, name="people first", document={"min_items": 25}, by=owner)
    apply_policy(policy=again, by=owner)
    labels = Label.objects.filter(policy=policy)
    shown = [labels.filter(decision=decision).first() for decision in ("used", "routed", "dropped")]
    return {
        "alignment:agreement-csv": [{"table": table} for table in TABLES],
        "alignment:label": [
            {"policy_pk": policy.pk, "comparison_pk": label.comparison_id} for label in shown if label
        ],
        "alignment:policy": [{"pk": policy.pk}, {"pk": again.pk}],
        "alignment:snapshot": [{"sha256": snapshot.sha256}],
        "alignment:snapshot-difference": [{"sha256": snapshot.sha256, "other": second.sha256}],
        "alignment:snapshot-export": [{"sha256": snapshot.sha256}],
        "alignment:health": [{"pk": examined.pk}, {"pk": waits.pk}],
        "alignment:health-rows": [{"pk": examined.pk, "kind": behind}],
        "alignment:health-csv": [{"pk": examined.pk, "kind": behind}],
    } | {
        f"alignment:snapshot-{split}-{kind}": [{"sha256": snapshot.sha256}]
        for split in ("train", "test")
        for kind in ("parquet", "jsonl")
    }


TABLE = b"question,answer_1,answer_2,winner\nWhy?,Because.,No.,a\nWho?,Me.,You.,b\n"
ROW = {
    "id": "imported",
    "prompt": [{"role": "user", "content": "Why?"}],
    "responses": [{"id": "a", "source": "x", "text": "So."}, {"id": "b", "source": "y", "text": "No."}],
}
FILES = {
    "waiting.csv": TABLE,
    "broken.jsonl": b"{\n",
    "large.csv": TABLE,
    "imported.jsonl": json.dumps(ROW).encode() + b"\n{\n",
}


def _imports(project: Project, owner: User) -> dict[str, list[dict[str, Any]]]:
    """Files whose columns are to be chosen, that can not be read, wait for a worker, are in with a row rejected."""
    client = Client()
    client.force_login(owner)
    for name, content in FILES.items():
        url = reverse("alignment:imports", args=[project.slug])
        client.post(url, {"file": SimpleUploadedFile(name, content)})
    sent = {found.name: found for found in FileImport.objects.filter(project=project)}
    large, imported = sent["large.csv"], sent["imported.jsonl"]
    large.job = queue_job(project=project, task="alignment.tasks.perform_import", queue="default", by=owner)
    large.save()
    client.post(reverse("alignment:import", args=[project.slug, imported.pk]), {"choice": ""})
    return {
        "alignment:import": [{"pk": found.pk} for found in sent.values()],
        "alignment:import-mapping": [{"pk": sent["waiting.csv"].pk}],
        "alignment:import-rejects": [{"pk": imported.pk}],
    }


def _training(project: Project, owner: User, model_folder: str) -> dict[str, list[dict[str, Any]]]:
    """Runs that wait, run, have failed and have succeeded; models of two of them; evaluations with and without."""
    snapshot = project.snapshots.last()
    base = ModelVersion.objects.create(
        project=project, name="base", kind=ModelKind.POLICY, path=model_folder, sha256="0" * 64
    )
    runs = {
        state: start_run(
            project=project, method="dpo", base=base, snapshot=snapshot, by=owner, name=state, seed=seed
        )
        for seed, state in enumerate((JobState.QUEUED, JobState.RUNNING, JobState.FAILED, JobState.SUCCEEDED))
    }
    searches = [search(base, snapshot, owner, trials) for trials in (0, 14)]
    claim_job(runs[JobState.RUNNING].job_id)
    for state, said in ((JobState.FAILED, "The runner was killed at step 40."), (JobState.SUCCEEDED, "")):
        Job.objects.filter(pk=runs[state].job_id).update(state=state, message=said, ended_at=timezone.now())
    _events(runs[JobState.RUNNING])
    tuned = ModelVersion.objects.create(
        project=project,
        name="tuned",
        kind=ModelKind.POLICY,
        run=runs[JobState.SUCCEEDED],
        base=base,
        path=model_folder,
        sha256="1" * 64,
        metrics={"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}, "evaluation": {"loss": 0.4}},
    )
    reward = ModelVersion.objects.create(
        project=project, name="reward", kind=ModelKind.REWARD, path=model_folder, sha256="2" * 64
    )
    scoring = start_scoring(model_version=reward, by=owner)
    evaluations = [_evaluation(tuned, base, owner, seed) for seed in range(2)]
    Evaluation.objects.filter(pk=evaluations[0].pk).update(result=_result())
    candidate = set_stage(model_version=tuned, stage="candidate", by=owner)
    checks = [check(reward, snapshot, owner, result) for result in (None, check_result())]
    push = push_of(tuned, owner)
    rounds = rounds_of(project, owner, tuned)
    runs_shown = [{"pk": run.pk} for run in (*runs.values(), *searches)]
    return {
        "trainer:run": runs_shown,
        "trainer:run-series": runs_shown[:1],
        "trainer:run-elsewhere": runs_shown[:1],
        "trainer:run-check": [{"pk": _preflight(project, snapshot, owner).pk}],
        "trainer:run-csv": runs_shown[:1],
        "trainer:run-trials-csv": runs_shown[-1:],
        "trainer:run-compare": [{}, {"query": "&".join(f"run={run.pk}" for run in runs.values())}],
        "trainer:scoring-progress": [{"pk": scoring.pk}],
        "trainer:run-new": [
            {},
            {"query": "method=grpo"},
            *search_forms(searches[-1]),
        ],
        "trainer:evaluation-new": [{"pk": tuned.pk}],
        "trainer:evaluation": [{"pk": evaluation.pk} for evaluation in evaluations],
        "trainer:evaluation-csv": [{"pk": evaluations[0].pk}],
        "trainer:model": [{"pk": version.pk} for version in (base, tuned, reward)],
        "trainer:model-download": [{"pk": candidate.model_version_id}],
        "trainer:models-compare": [{}, {"query": f"versions={tuned.pk}&versions={base.pk}&per_hour=2"}],
        "trainer:reward-check": [{"pk": each.pk} for each in checks],
        "trainer:reward-check-csv": [{"pk": checks[1].pk}],
        "trainer:push-cancel": [{"pk": push.pk}],
        "trainer:generation": [{"pk": each.generation_id} for each in rounds],
    }


def _preflight(project: Project, snapshot: Snapshot, owner: User) -> Preflight:
    """A check that has timed a few steps."""
    asked = {
        "method": "dpo",
        "base": "base",
        "snapshot": snapshot.sha256,
        "launcher": "local",
        "budget": {"hours": 1},
    }
    found = start_preflight(project=project, asked=asked, by=owner)
    rows = {"train": {"given": 30, "used": 28, "too_long": 2}}
    found.probe = {"seconds_per_step": 0.25, "steps": 6, "device": "cpu", "rows": rows, "failed": ""}
    found.save()
    return found


def _model(folder: Path) -> Path:
    """What passes for a model as long as nobody loads it."""
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def _events(run: Run) -> None:
    told = [
        ("started", None, {"rows": {"train": {"given": 30, "used": 28, "too_long": 2, "identical": 0}}}),
        ("metric", 20, {"values": {"loss": 0.7, "accuracy": 0.6}}),
        ("metric", 40, {"values": {"loss": 0.4, "accuracy": 0.8}}),
        ("warning", None, {"message": "Only 28 rows for a batch_size of 32."}),
        ("checkpoint", 20, {"path": "checkpoint-20"}),
        ("samples", 20, {"samples": [{"prompt": "Why?", "text": "Because.", "step": 20}]}),
        ("samples", 40, {"samples": [{"prompt": "Why?", "text": "Because of that.", "step": 40}]}),
        ("alarm", 40, {"alarm": "overfitting", "evidence": "The held-out loss was 1 at step 20."}),
    ]
    for seq, (kind, step, data) in enumerate(told, start=1):
        RunEvent.objects.create(run=run, seq=seq, kind=kind, step=step, data=data, at=run.created_at)
    curves = Curves(lines={"loss": [(20, 0.7), (40, 0.4)]}, last={"loss": (40, 0.4)})
    Run.objects.filter(pk=run.pk).update(step=40, total_steps=100, curves=curves.to_json())
    run_folder(run).mkdir(parents=True, exist_ok=True)
    (run_folder(run) / "runner.log").write_text("A line of the log.\n" * 40)


def _evaluation(tuned: ModelVersion, base: ModelVersion, owner: User, seed: int) -> Evaluation:
    judge = Judge.objects.get(project=tuned.project, name="careful")
    prompts = [[{"role": "user", "content": "Why?"}]]
    return start_evaluation(
        model_version=tuned, base=base, judges=[judge], by=owner, prompts=prompts, samples=1, seed=seed
    )


def _result() -> dict[str, Any]:
    counts = ("pairs", "wins", "ties", "losses", "identical", "without_verdict", "split")
    shares = {
        "win_rate": {"value": 0.72, "low": 0.61, "high": 0.83, "n": 96},
        "coverage": {"value": 1.0, "low": 0.9, "high": 1.0, "n": 96},
    }
    return shares | {"judge": "careful v1"} | dict.fromkeys(counts, 3) | more_of_a_result()
