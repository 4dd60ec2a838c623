"""Evaluations: who may meet whom, how two models' responses become judged pairs, and what the verdicts amount to."""

import json
from collections.abc import Callable, Sequence
from io import StringIO

import pytest

from alignment.models import Labelling, Policy
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE
from feedback.actions.jobs import cancel_job, perform_job, queue_job
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import Comparison, JobState, Prompt
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from judges.actions.runs import carry_out_judge_run, start_judge_run
from judges.models import Judge
from trainer.actions.evaluations import carry_out_evaluation, start_evaluation
from trainer.actions.measuring import advance_evaluations, finish_evaluation
from trainer.folders import evaluation_folder, model_folder
from trainer.held_out import held_out_items
from trainer.management.commands.evaluate import Command
from trainer.models import Evaluation, ModelKind, ModelVersion
from trainer.pairs import majority, pairs_of
from trainer.queries import trusted_judges
from trainer.spec import RunSpec

PROMPTS = [[{"role": "user", "content": f"Question {index}?"}] for index in range(4)]


@pytest.fixture
def make_judge(project) -> Callable[..., Judge]:
    """A judge that likes each of these words."""
    rubric = create_rubric(
        project=project, name="Helpful", instructions="Prefer the helpful answer.", by=None
    )

    def make(name: str, *likes: str, **settings) -> Judge:
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

    return make


@pytest.fixture
def evaluate(policy_model, tuned_model) -> Callable[..., Evaluation]:
    """An evaluation in which the two models have given these texts; its judges have been asked."""

    def make(judges: Sequence[Judge], ours: Sequence[str | None], theirs: Sequence[str | None]) -> Evaluation:
        evaluation = start_evaluation(
            model_version=tuned_model, base=policy_model, judges=judges, prompts=PROMPTS[: len(ours)], by=None
        )
        leave_responses(evaluation, "model", tuned_model, ours)
        leave_responses(evaluation, "base", policy_model, theirs)
        perform_job(evaluation.job_id, carry_out_evaluation)
        evaluation.refresh_from_db()
        return evaluation

    return make


def leave_responses(
    evaluation: Evaluation, side: str, version: ModelVersion, texts: Sequence[str | None]
) -> None:
    """What a runner that has finished leaves; the real one then finds that there is nothing left to do."""
    folder = evaluation_folder(evaluation) / side
    folder.mkdir(parents=True)
    spec = RunSpec(
        "generate",
        str(model_folder(version)),
        "../prompts.parquet",
        evaluation.seed,
        parameters=evaluation.parameters,
    )
    lines = [
        json.dumps({"prompt_index": index, "sample": 0, "text": text}) for index, text in enumerate(texts)
    ]
    (folder / "responses.jsonl").write_text("\n".join(lines))
    (folder / "result.json").write_text(
        json.dumps({"spec_sha256": spec.sha256(), "output": "responses.jsonl"})
    )


def answer(evaluation: Evaluation) -> None:
    """The judges' runs, carried out."""
    for run in evaluation.judge_runs.all():
        perform_job(run.job_id, carry_out_judge_run)


def refusal(**fields) -> tuple[str | None, str]:
    with pytest.raises(Refused) as caught:
        start_evaluation(**fields, by=None)
    assert not Evaluation.objects.exists()
    return caught.value.field, caught.value.sentence


def test_the_same_evaluation_starts_again_only_after_the_first_has_ended(
    policy_model, tuned_model, make_judge
):
    fields = {"model_version": tuned_model, "base": policy_model, "judges": [make_judge("a")], "by": None}
    first = start_evaluation(**fields, prompts=PROMPTS)

    with pytest.raises(Refused, match="The same evaluation of tuned has not ended"):
        start_evaluation(**fields, prompts=PROMPTS)

    start_evaluation(**fields, prompts=PROMPTS[:2])
    cancel_job(job=first.job, by=None)
    start_evaluation(**fields, prompts=PROMPTS)
    assert Evaluation.objects.count() == 3


def test_a_model_is_not_evaluated_against_itself_or_a_stranger(project, policy_model, make_judge):
    fields = {"model_version": policy_model, "judges": [make_judge("kind")], "prompts": PROMPTS}
    other = create_project(name="Another", by=None)
    stranger = ModelVersion.objects.create(
        project=other, name="x", kind=ModelKind.POLICY, path=policy_model.path, sha256="0"
    )

    assert refusal(**fields, base=policy_model)[0] == "base"
    assert "belongs to another project" in refusal(**fields, base=stranger)[1]


def test_a_reward_model_gives_no_responses(project, policy_model, make_judge):
    reward = ModelVersion.objects.create(
        project=project, name="rm", kind=ModelKind.REWARD, path=policy_model.path, sha256="0"
    )
    fields = {"base": policy_model, "judges": [make_judge("kind")], "prompts": PROMPTS}

    assert refusal(model_version=reward, **fields) == (
        "model",
        "rm is a reward model, which gives no responses.",
    )


def test_an_evaluation_needs_a_judge_and_prompts(policy_model, tuned_model, make_judge):
    fields = {"model_version": tuned_model, "base": policy_model}

    assert refusal(**fields, judges=[], prompts=PROMPTS)[0] == "judges"
    assert refusal(**fields, judges=[make_judge("kind")], prompts=[])[0] == "prompts"
    assert "was not trained on a snapshot" in refusal(**fields, judges=[make_judge("kind")])[1]


def test_a_parameter_of_the_sampling_is_checked(policy_model, tuned_model, make_judge):
    fields = {"model_version": tuned_model, "base": policy_model, "judges": [make_judge("kind")]}

    field, _ = refusal(**fields, prompts=PROMPTS, samples=2, parameters={"temperature": 0.0})

    assert field == "parameters.samples"


def test_the_held_out_prompts_are_those_of_the_test_split_each_once(snapshot):
    prompts = [item.prompt for item in held_out_items(snapshot)]

    assert len(prompts) == snapshot.manifest["splits"]["test"]["prompts"] > 0
    assert all(prompt[-1]["role"] == "user" for prompt in prompts)


def test_pairs_become_comparisons_that_never_train(evaluate, make_judge, project, policy_model, tuned_model):
    texts = ["good", "bad", "good", "good"]
    evaluation = evaluate([make_judge("kind", "good")], texts, ["bad", "good", "bad", "good"])

    assert evaluation.job.state == JobState.SUCCEEDED, evaluation.job.message
    comparisons = Comparison.objects.filter(project=project)
    assert set(comparisons.values_list("purpose", flat=True)) == {"evaluate"}
    assert evaluation.comparisons.count() == 4
    for comparison in comparisons:
        sources = set(comparison.slots.values_list("response__source", flat=True))
        assert sources == {tuned_model.name, policy_model.name}
    firsts = {comparison.slots.get(position=0).response.source for comparison in comparisons}
    assert len(firsts) == 2, "the order of the responses must not tell the models apart"


def test_the_win_rate_counts_ties_half(evaluate, make_judge):
    evaluation = evaluate(
        [make_judge("kind", "good")], ["good", "good", "bad", "good"], ["bad", "bad", "good", "good"]
    )
    answer(evaluation)

    advance_evaluations()

    evaluation.refresh_from_db()
    result = evaluation.result
    assert result["win_rate"]["value"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert result["win_rate"]["low"] < 0.625 < result["win_rate"]["high"]
    assert result["win_rate"]["n"] == 4
    assert [result[name] for name in ("wins", "ties", "losses", "identical")] == [2, 1, 1, 1]
    assert result["coverage"]["value"] == 1
    assert result["judge"] == "kind v1"


def test_nothing_is_concluded_before_every_judge_has_answered(evaluate, make_judge):
    evaluation = evaluate([make_judge("kind", "good")], ["good"], ["bad"])

    advance_evaluations()

    evaluation.refresh_from_db()
    assert evaluation.result is None


def test_a_missing_verdict_is_left_out_and_counted(evaluate, make_judge):
    """This judge prefers whatever comes first: its two orders contradict each other."""
    evaluation = evaluate([make_judge("noisy", noise=50.0)], ["one", "two", "three"], ["1", "2", "3"])
    answer(evaluation)

    finish_evaluation(evaluation=evaluation, by=None)

    result = evaluation.result
    assert result["win_rate"]["n"] == result["wins"] + result["ties"] + result["losses"]
    assert result["without_verdict"] == 3 - result["win_rate"]["n"]
    assert result["coverage"]["value"] == pytest.approx(result["win_rate"]["n"] / 3)


def test_the_majority_of_several_judges_decides(evaluate, make_judge):
    judges = [make_judge("a", "red"), make_judge("b", "red"), make_judge("c", "blue")]
    evaluation = evaluate(judges, ["red", "blue"], ["blue", "red"])
    answer(evaluation)

    verdicts = [pair.verdict for pair in pairs_of(evaluation)]

    assert verdicts == [FIRST, SECOND]
    assert [pair.votes for pair in pairs_of(evaluation)] == [3, 3]


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ([], MISSING),
        ([FIRST], FIRST),
        ([FIRST, SECOND], MISSING),
        ([TIE, TIE, SECOND], TIE),
        ([FIRST, SECOND, TIE], MISSING),
        ([SECOND, SECOND, FIRST, FIRST, SECOND], SECOND),
    ],
)
def test_no_majority_is_no_verdict(votes, verdict):
    assert majority(votes) == verdict


def test_what_gives_no_pair_is_counted_by_reason(evaluate, make_judge):
    evaluation = evaluate([make_judge("kind")], ["fine", "", None, "fine"], ["fine", "x", None, " "])

    assert evaluation.left_out == {
        "the prompt is too long": 1,
        "the model gave no text": 1,
        "the base gave no text": 1,
    }
    assert evaluation.comparisons.count() == 1


def test_no_pair_at_all_says_why(evaluate, make_judge):
    evaluation = evaluate([make_judge("kind")], [""], ["x"])

    assert evaluation.job.state == JobState.FAILED
    assert evaluation.job.message == "No prompt gave a pair to compare: 1 times the model gave no text."
    with pytest.raises(Refused, match="wait until the responses"):
        finish_evaluation(evaluation=evaluation, by=None)


def test_a_busy_judge_is_asked_by_the_next_sweep(evaluate, make_judge, project, make_comparisons):
    judge = make_judge("kind", "good")
    make_comparisons(project, 1)
    busy = start_judge_run(judge=judge, by=None)
    evaluation = evaluate([judge], ["good"], ["bad"])
    assert not evaluation.judge_runs.exists()

    perform_job(busy.job_id, carry_out_judge_run)
    advance_evaluations()
    answer(evaluation)
    advance_evaluations()

    evaluation.refresh_from_db()
    assert evaluation.result["wins"] == 1


def test_an_evaluation_carried_out_again_changes_nothing(evaluate, make_judge):
    evaluation = evaluate([make_judge("kind")], ["good"], ["bad"])
    Evaluation.objects.get().job.__class__.objects.filter(pk=evaluation.job_id).update(state=JobState.QUEUED)

    perform_job(evaluation.job_id, carry_out_evaluation)

    assert Comparison.objects.count() == Prompt.objects.count() == 1
    assert evaluation.judge_runs.count() == 1


def test_trusted_judges_are_those_certified_on_everything(project, make_judge):
    kind, harsh = make_judge("kind"), make_judge("harsh")
    policy = Policy.objects.create(project=project, name="p", document={}, sha256="0")
    job = queue_job(project=project, task="alignment.tasks.perform_labelling", queue="default", by=None)
    Labelling.objects.create(
        policy=policy,
        job=job,
        certificates=[
            {"judge": "kind", "slice": "all", "trusted": True},
            {"judge": "harsh", "slice": "all", "trusted": False},
            {"judge": "harsh", "slice": "math", "trusted": True},
        ],
    )
    assert trusted_judges(project) == []

    perform_job(job.pk, lambda lease: None)

    assert trusted_judges(project) == [kind]
    assert harsh not in trusted_judges(project)


@pytest.mark.training
@pytest.mark.slow
def test_two_real_models_answer_and_are_compared(policy_model, tuned_model, make_judge):
    evaluation = start_evaluation(
        model_version=tuned_model,
        base=policy_model,
        judges=[make_judge("brief", length_weight=-1.0)],
        prompts=PROMPTS,
        samples=2,
        parameters={"max_new_tokens": 8},
        by=None,
    )

    perform_job(evaluation.job_id, carry_out_evaluation)
    answer(evaluation)
    advance_evaluations()

    evaluation.refresh_from_db()
    assert evaluation.job.state == JobState.SUCCEEDED, evaluation.job.message
    pairs = list(pairs_of(evaluation))
    assert len(pairs) + sum(evaluation.left_out.values()) == 8
    assert evaluation.job.done == evaluation.job.total == 2
    # The same weights and the same seed give the same texts: all ties.
    assert {pair.verdict for pair in pairs} == {TIE}
    assert evaluation.result["win_rate"]["value"] == 0.5

    spoken = StringIO()
    Command(stdout=spoken)._wait(evaluation)
    assert f"{evaluation}: wins 0.500" in spoken.getvalue()
    assert "as judged by brief v1" in spoken.getvalue()
