"""Freezing as background work: asked for on a page, carried out by a worker, shown by its job."""

from django.db import transaction
from django.utils.translation import gettext_noop

from alignment.actions.snapshots import check_freezing, freeze_snapshot
from alignment.health.balance import AS_IT_IS
from alignment.models import Freezing, Policy
from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.models import UNFINISHED, Project
from feedback.people import Person


def request_freezing(
    *,
    project: Project,
    policy: Policy,
    by: Person,
    test_share: float = 0.2,
    seed: int = 0,
    balance: str = AS_IT_IS,
) -> Freezing:
    """Queue the freezing of the policy's labels; where the same waits or goes on already, that is the one.

    Refused where it can be seen now that it would fail.
    """
    check_freezing(project, policy, test_share, balance)
    with transaction.atomic():
        Policy.objects.select_for_update().get(pk=policy.pk)
        same = Freezing.objects.filter(policy=policy, test_share=test_share, seed=seed, balance=balance)
        if going_on := same.filter(job__state__in=UNFINISHED).first():
            return going_on
        job = queue_job(project=project, task="alignment.tasks.perform_freezing", queue="default", by=by)
        freezing = Freezing.objects.create(
            policy=policy, test_share=test_share, seed=seed, balance=balance, job=job
        )
        record(by=by, verb="ask to freeze", target=policy, project=project, freezing=freezing.pk)
    return freezing


def carry_out_freezing(lease: Lease) -> None:
    """The work of ``request_freezing``. The same labels again are the same snapshot."""
    freezing = Freezing.objects.select_related("policy__project", "job__created_by").get(job_id=lease.job_id)
    snapshot = freeze_snapshot(
        project=freezing.policy.project,
        policy=freezing.policy,
        by=freezing.job.created_by,
        test_share=freezing.test_share,
        seed=freezing.seed,
        balance=freezing.balance,
        report=lambda done, total: lease.report(
            done, total, gettext_noop("Reading the labels, prompt by prompt.")
        ),
    )
    Freezing.objects.filter(pk=freezing.pk).update(snapshot=snapshot)
    lease.report(message=f"{snapshot.train_rows:,} train and {snapshot.test_rows:,} test rows.")
