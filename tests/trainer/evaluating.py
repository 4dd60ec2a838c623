"""What tests of evaluations share: models that have answered already, and judges by rules."""

import json
from collections.abc import Sequence

from feedback.actions.jobs import perform_job
from feedback.models import Project
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from judges.actions.runs import carry_out_judge_run
from judges.models import Judge
from trainer.actions.evaluation_scores import BASE, MODEL
from trainer.actions.evaluations import carry_out_evaluation, start_evaluation
from trainer.folders import evaluation_folder, model_folder
from trainer.models import Evaluation, ModelVersion
from trainer.spec import RunSpec

PROMPTS = [[{"role": "user", "content": f"Question {index}?"}] for index in range(30)]


def word_judge(project: Project, name: str, *likes: str, **settings) -> Judge:
    """A judge that likes each of these words."""
    rubric = create_rubric(
        project=project, name="Helpful", instructions="Prefer the helpful answer.", by=None
    )
    rules = [{"pattern": word, "weight": 1.0} for word in likes]
    return create_judge(
        project=project,
        name=name,
        provider="rules",
        model="offline",
        rubric=rubric,
        settings={"rules": rules} | settings,
        by=None,
    )


def evaluated(
    model: ModelVersion, base: ModelVersion, ours: Sequence[str], theirs: Sequence[str], **asked
) -> Evaluation:
    """Both models have given these texts, prompt by prompt and sample by sample; whoever is asked has answered."""
    asked = {"prompts": PROMPTS[: len(ours) // asked.get("samples", 1)], "judges": [], "by": None} | asked
    evaluation = start_evaluation(model_version=model, base=base, **asked)
    for side, (version, texts) in enumerate(((model, ours), (base, theirs))):
        leave_texts(evaluation, side, version, texts)
    perform_job(evaluation.job_id, carry_out_evaluation)
    evaluation.refresh_from_db()
    for run in evaluation.judge_runs.all():
        perform_job(run.job_id, carry_out_judge_run)
    return evaluation


def leave_texts(evaluation: Evaluation, side: int, version: ModelVersion, texts: Sequence[str]) -> None:
    """What a runner that has finished leaves; the real one then finds that there is nothing left to do."""
    folder = evaluation_folder(evaluation) / {MODEL: "model", BASE: "base"}[side]
    folder.mkdir(parents=True)
    parameters = evaluation.parameters
    spec = RunSpec(
        "generate", str(model_folder(version)), "../prompts.parquet", evaluation.seed, parameters=parameters
    )
    samples = parameters["samples"]
    lines = [
        json.dumps({"prompt_index": place // samples, "sample": place % samples, "text": text})
        for place, text in enumerate(texts)
    ]
    (folder / "responses.jsonl").write_text("\n".join(lines))
    result = {"spec_sha256": spec.sha256(), "output": "responses.jsonl"}
    (folder / "result.json").write_text(json.dumps(result))
