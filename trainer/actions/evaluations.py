"""Evaluations: a model version and its base answer the same held-out prompts; judges and people compare them.

The work samples the responses with the runner, stores the pairs as comparisons that never train anything, has them
scored and graded, and asks the judges and people. What comes of it is measured by ``measuring``.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alignment.models import Snapshot
from feedback.actions.audit import record
from feedback.actions.imports import store_records
from feedback.actions.jobs import Lease, queue_job
from feedback.actions.slots import MOST_PEOPLE, ask_people
from feedback.errors import Refused
from feedback.models import UNFINISHED, Purpose, Tag
from feedback.people import Person
from feedback.records import ComparisonRecord
from judges.actions.runs import start_judge_run
from judges.models import Judge
from judges.queries import unfinished_run
from trainer.actions.evaluation_scores import score_and_grade
from trainer.actions.following import Progress
from trainer.actions.inference import Texts, generate_spec, respond, write_prompts
from trainer.actions.model_versions import check_model_folder
from trainer.drawing import mixed_pair
from trainer.folders import evaluation_folder, model_folder
from trainer.held_out import Conversation, Item, held_out_items, tagged_items, together
from trainer.models import Evaluation, ModelKind, ModelVersion
from trainer.pairs import drawn_for_people

TOO_LONG = "the prompt is too long"
MODEL_SILENT = "the model gave no text"
BASE_SILENT = "the base gave no text"
NOT_STORABLE = "a response can not be stored"


def start_evaluation(
    *,
    model_version: ModelVersion,
    base: ModelVersion,
    judges: Sequence[Judge],
    by: Person,
    snapshot: Snapshot | None = None,
    prompts: Sequence[Conversation] | None = None,
    regression_tag: Tag | None = None,
    reward_models: Sequence[ModelVersion] = (),
    people_pairs: int = 0,
    people_each: int = 1,
    samples: int = 1,
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Queue the comparison of a model with its base on ``prompts``, or on a snapshot's held-out prompts.

    Without either, the snapshot is the one that the model was trained on. The prompts of the ``regression_tag`` are
    added. Each prompt is answered ``samples`` times by both, with the ``parameters`` of the runner's ``generate``.
    Of all pairs a random ``people_pairs`` go to ``people_each`` people. Refused names the field at fault.
    """
    _check_models(model_version, base)
    _check_judges(model_version, judges, reward_models, people_pairs, people_each)
    source, items = _items(model_version, snapshot, prompts, regression_tag)
    evaluation = Evaluation(
        model_version=model_version,
        base=base,
        snapshot=source,
        prompts=[[dict(message) for message in item.prompt] for item in items],
        items=[item.known() for item in items],
        regression_tag=regression_tag,
        people_pairs=people_pairs,
        people_each=people_each,
        parameters={**(parameters or {}), "samples": samples},
        seed=seed,
        created_by=by,
    )
    evaluation.parameters = dict(generate_spec(model_version, seed, evaluation.parameters).parameters)
    with transaction.atomic():
        _refuse_a_second(evaluation)
        evaluation.job = queue_job(
            project=model_version.project, task="trainer.tasks.perform_evaluation", queue="gpu", by=by
        )
        evaluation.save()
        evaluation.judges.set(judges)
        evaluation.reward_models.set(reward_models)
        record(by=by, verb="start evaluation", target=evaluation, project=model_version.project)
    return evaluation


def _items(
    version: ModelVersion,
    snapshot: Snapshot | None,
    prompts: Sequence[Conversation] | None,
    regression_tag: Tag | None,
) -> tuple[Snapshot | None, list[Item]]:
    """What both models answer, and the snapshot that it is held out from, if it is."""
    trained_on = version.run.snapshot if version.run else None
    source = None if prompts is not None else snapshot or trained_on
    given = [Item(prompt) for prompt in prompts] if prompts is not None else held_out_items(source)
    items = together(given, tagged_items(regression_tag) if regression_tag else ())
    if not items:
        raise Refused(_("An evaluation needs at least one prompt; give some."), field="prompts")
    return source, items


def _refuse_a_second(evaluation: Evaluation) -> None:
    """A second click starts no second evaluation. The model's row is held, so that two requests come one by one."""
    ModelVersion.objects.select_for_update(no_key=True).get(pk=evaluation.model_version_id)
    same = Evaluation.objects.filter(
        model_version=evaluation.model_version,
        base=evaluation.base,
        seed=evaluation.seed,
        job__state__in=UNFINISHED,
    )
    if any((each.prompts, each.parameters) == (evaluation.prompts, evaluation.parameters) for each in same):
        raise Refused(
            _("The same evaluation of %(name)s has not ended; wait for it, or change the seed.")
            % {"name": evaluation.model_version}
        )


def carry_out_evaluation(lease: Lease) -> None:
    """Sample, store, score and ask; started again it goes on from what is there."""
    evaluation = Evaluation.objects.select_related("model_version__project", "base").get(job_id=lease.job_id)
    write_prompts(evaluation_folder(evaluation), evaluation.prompts)
    ours = _responses(evaluation, evaluation.model_version, lease, part=0)
    theirs = _responses(evaluation, evaluation.base, lease, part=1)
    lease.report(message=gettext_noop("Storing the comparisons."))
    _store_pairs(evaluation, ours, theirs)
    score_and_grade(evaluation, (ours, theirs), lease)
    _ask_people(evaluation)
    ask_judges(evaluation)
    lease.report(message="")


def ask_judges(evaluation: Evaluation) -> None:
    """Start a run of each judge that has not been asked; one that is busy is left for the next sweep."""
    asked = evaluation.judge_runs.values("judge")
    for judge in evaluation.judges.exclude(pk__in=asked):
        if unfinished_run(judge) is None:
            with transaction.atomic():
                run = start_judge_run(judge=judge, by=evaluation.created_by, purpose=Purpose.EVALUATE)
                evaluation.judge_runs.add(run)


def _ask_people(evaluation: Evaluation) -> None:
    """Send the pairs that were drawn to the annotators' queue; identical responses need nobody."""
    drawn = evaluation.comparisons.filter(pk__in=drawn_for_people(evaluation))
    different = [
        comparison.pk
        for comparison in drawn.prefetch_related("slots__response")
        if len({slot.response.sha256 for slot in comparison.slots.all()}) > 1
    ]
    ask_people(different, overlap=evaluation.people_each)


def _check_models(model_version: ModelVersion, base: ModelVersion) -> None:
    if base.project_id != model_version.project_id:
        raise Refused(_("The model %(base)s belongs to another project.") % {"base": base.name}, field="base")
    if base.pk == model_version.pk:
        raise Refused(_("A model is not evaluated against itself; choose another base."), field="base")
    for field, version in (("model", model_version), ("base", base)):
        if version.kind != ModelKind.POLICY:
            raise Refused(
                _("%(version)s is a reward model, which gives no responses.") % {"version": version.name},
                field=field,
            )
        check_model_folder(version.project, model_folder(version))


def _check_judges(
    version: ModelVersion,
    judges: Sequence[Judge],
    reward_models: Sequence[ModelVersion],
    people_pairs: int,
    people_each: int,
) -> None:
    if not judges and not reward_models and not people_pairs:
        raise Refused(
            _("An evaluation needs a judge; choose one that agreement has shown to be trusted."),
            field="judges",
        )
    for judge in judges:
        if judge.project_id != version.project_id:
            raise Refused(
                _("The judge %(judge)s belongs to another project.") % {"judge": judge}, field="judges"
            )
    for model in reward_models:
        if model.project_id != version.project_id or model.kind != ModelKind.REWARD:
            raise Refused(
                _("%(model)s is no reward model of this project.") % {"model": model.name},
                field="reward_models",
            )
        check_model_folder(model.project, model_folder(model))
    if people_pairs < 0 or not 1 <= people_each <= MOST_PEOPLE:
        raise Refused(
            _("Ask from 1 to %(most)s people about each pair.") % {"most": MOST_PEOPLE}, field="people_each"
        )


def _responses(evaluation: Evaluation, version: ModelVersion, lease: Lease, part: int) -> Texts:
    """The model's texts by prompt and sample. ``part`` is 0 or 1, of the two models."""
    folder = evaluation_folder(evaluation) / ("base" if part else "model")
    spec = generate_spec(version, evaluation.seed, evaluation.parameters)
    return respond(version, folder, spec, lease, lambda progress: _of_both(progress, part))


def _of_both(progress: Progress, part: int) -> Progress:
    """Batches done of both models' batches."""
    if progress.total is not None:
        progress.step, progress.total = part * progress.total + progress.step, 2 * progress.total
    return progress


def _store_pairs(
    evaluation: Evaluation,
    ours: Texts,
    theirs: Texts,
) -> None:
    """One comparison a prompt and sample, and a count of those that can not be one."""
    project = evaluation.model_version.project
    left_out: Counter[str] = Counter()
    records = _records(evaluation, ours, theirs, left_out)
    summary = store_records(project=project, records=records, by=evaluation.created_by)
    left_out[NOT_STORABLE] += len(summary.rejections)
    stored = project.comparisons.filter(external_id__startswith=_key(evaluation, ""))
    if not stored.exists():
        raise Refused(
            _("No prompt gave a pair to compare: %(sentence)s.") % {"sentence": _sentence(left_out)}
        )
    with transaction.atomic():
        evaluation.comparisons.set(stored)
        evaluation.left_out = {reason: count for reason, count in left_out.items() if count}
        evaluation.save(update_fields=["left_out"])


def _records(
    evaluation: Evaluation,
    ours: Texts,
    theirs: Texts,
    left_out: Counter[str],
) -> Iterator[ComparisonRecord]:
    for (index, sample), text in sorted(ours.items()):
        other = theirs[index, sample]
        reason = _why_no_pair(text, other)
        if reason or text is None or other is None:
            left_out[reason] += 1
            continue
        yield _record(evaluation, index, _key(evaluation, f"{index}/{sample}"), text, other)


def _record(evaluation: Evaluation, index: int, key: str, text: str, other: str) -> ComparisonRecord:
    ours, theirs = (evaluation.model_version.name, text), (evaluation.base.name, other)
    return ComparisonRecord(
        key=key,
        prompt=evaluation.prompts[index],
        responses=mixed_pair(key, ours, theirs),
        purpose=Purpose.EVALUATE,
        **evaluation.items[index],
    )


def _why_no_pair(text: str | None, other: str | None) -> str:
    if text is None or other is None:
        return TOO_LONG
    if not text.strip():
        return MODEL_SILENT
    return "" if other.strip() else BASE_SILENT


def _key(evaluation: Evaluation, rest: str) -> str:
    return f"evaluation-{evaluation.pk}/{rest}"


def _sentence(left_out: Counter[str]) -> str:
    return "; ".join(f"{count} times {reason}" for reason, count in left_out.items() if count)
