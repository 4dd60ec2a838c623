"""A label for every judged pair, without a policy's work: what the benchmark of data freezes."""

from django.utils import timezone

from alignment.actions.policies import create_policy
from alignment.models import Label, Labelling, LabelSource, Policy
from feedback.actions.jobs import queue_job
from feedback.models import Job, JobState, Judgment, Project


def use_everything(project: Project) -> Policy:
    policy = create_policy(project=project, name="all", document={}, by=None)
    job = queue_job(project=project, task="none", queue="default", by=None)
    now = timezone.now()
    Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED, started_at=now, ended_at=now)
    labelling = Labelling.objects.create(policy=policy, job=job)
    judged = Judgment.objects.filter(comparison__project=project).values_list(
        "pk", "comparison_id", "ranking"
    )
    labels = Label.objects.bulk_create(
        (
            Label(
                policy=policy, labelling=labelling, comparison_id=comparison, decision="used", ranking=ranking,
                confidence=0.9, reason="bench", sentence="",
            )
            for _pk, comparison, ranking in judged
        ),
        batch_size=2000,
    )  # fmt: skip
    of = {label.comparison_id: label for label in labels}
    LabelSource.objects.bulk_create(
        (LabelSource(label=of[comparison], judgment_id=pk) for pk, comparison, _ranking in judged),
        batch_size=2000,
    )
    return policy
