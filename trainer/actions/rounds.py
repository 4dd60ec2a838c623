"""Rounds: the loop closes. New responses become comparisons, judges judge them, the policy labels and routes to people.

A round holds no worker while others work for it: its job waits, and goes on where it stood.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alignment.actions.labels import apply_policy
from alignment.actions.routing import route_to_people
from alignment.models import Policy
from feedback.actions.audit import record
from feedback.actions.jobs import JobInterrupted, JobWaits, Lease, queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED, Job, JobState, Project
from feedback.people import Person
from judges.actions.runs import start_judge_run
from judges.models import Judge
from judges.queries import unfinished_run
from trainer.actions.generating import start_generation
from trainer.models import ModelVersion, Round
from trainer.queries import best_version, next_policy, trusted_judges

LOOKS_AGAIN = timedelta(seconds=2)


def start_round(
    *,
    project: Project,
    by: Person,
    policy: Policy | None = None,
    judges: Sequence[Judge] | None = None,
    most_routed: int | None = None,
    model_version: ModelVersion | None = None,
    provider: str = "",
    **generation: Any,
) -> Round:
    """Queue a round. ``generation`` is what ``start_generation`` takes; at most ``most_routed`` go to people.

    Left out, the newest approved model version answers, the policy that labelled last decides, and the judges that it
    trusts judge. Refused: nobody to answer, to decide or to judge, or a round that is under way.
    """
    policy = policy or next_policy(project)
    if policy is None or policy.project_id != project.pk:
        raise Refused(_("A round needs a policy; write one, and apply it."), field="policy")
    judging = trusted_judges(project) if judges is None else list(judges)
    if not judging:
        raise Refused(
            _("No judge is trusted on all comparisons, so nobody would judge the new ones; choose judges."),
            field="judges",
        )
    answers = model_version or (None if provider else best_version(project))
    if answers is None and not provider:
        raise Refused(
            _("No model answers yet; train one, or name a provider's model."), field="model_version"
        )
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if project.rounds.filter(job__state__in=UNFINISHED).exists():
            raise Refused(_("A round is under way; wait for its end, or cancel it."))
        number = project.rounds.count() + 1
        generated = start_generation(
            project=project,
            by=by,
            model_version=answers,
            provider=provider,
            **({"seed": number} | generation),
        )
        started = Round.objects.create(
            project=project,
            number=number,
            generation=generated,
            policy=policy,
            most_routed=most_routed,
            job=queue_job(project=project, task="trainer.tasks.perform_round", queue="default", by=by),
            created_by=by,
        )
        started.judges.set(judging)
        record(by=by, verb="start round", target=started, project=project, number=number)
    return started


def carry_out_round(lease: Lease) -> None:
    """Go as far as the work of others allows; each step is done once, whoever was killed in between."""
    found = Round.objects.select_related(
        "project", "policy", "generation__job", "labelling__job", "created_by"
    )
    current = found.get(job_id=lease.job_id)
    lease.report()
    _await(current.generation.job, gettext_noop("The responses are being written."))
    if not current.generation.comparisons.exists():
        raise Refused(_("No comparison came of the new responses; its page says why."))
    _judge(current)
    _label(current)
    if current.routed is None:
        lease.report(message=gettext_noop("Asking people."))
        with transaction.atomic():
            current.routed = route_to_people(
                policy=current.policy, by=current.created_by, limit=current.most_routed
            )
            current.save(update_fields=["routed"])
    lease.report(message="")


def _await(job: Job, message: str) -> None:
    """Raises JobWaits while it is under way, JobInterrupted where it did not end well."""
    if job.state in UNFINISHED:
        raise JobWaits(timezone.now() + LOOKS_AGAIN, message)
    if job.state != JobState.SUCCEEDED:
        raise JobInterrupted(f"{job.message} Resume that first, then the round.")


def _judge(current: Round) -> None:
    asked = set(current.judge_runs.values_list("judge", flat=True))
    for judge in current.judges.all():
        if judge.pk not in asked:
            if unfinished_run(judge) is not None:
                raise JobWaits(timezone.now() + LOOKS_AGAIN, gettext_noop("A judge is busy elsewhere."))
            with transaction.atomic():
                current.judge_runs.add(start_judge_run(judge=judge, by=current.created_by))
    for run in current.judge_runs.select_related("job"):
        _await(run.job, gettext_noop("The judges are judging."))


def _label(current: Round) -> None:
    if current.labelling is None:
        with transaction.atomic():
            current.labelling = apply_policy(policy=current.policy, by=current.created_by)
            current.save(update_fields=["labelling"])
    _await(current.labelling.job, gettext_noop("The policy is labelling."))
