"""Labels: a policy applied to the judgments that a project has now.

The work is a job. A whole labelling learns: it certifies the judges, calibrates, and decides on every comparison. An
update learns nothing: by what the last whole labelling learnt it decides again where judgments came since, so it takes
as long as there are new judgments. Either writes only what differs from the labels that stand there.

One of a policy is carried out at a time, in the order asked for; what one wrote that did not come to its end is taken
away again.
"""

import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import OperationalError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alignment.actions.basis_rows import basis_json, certificates_json, stored_basis
from alignment.actions.label_rows import content_sha256_of, remove_labels, write_labels
from alignment.actions.notices import tell_of_drift
from alignment.actions.people import measure_people, standing_of
from alignment.actions.reports import report_on
from alignment.facts import study_of
from alignment.models import Label, Labelling, Policy
from alignment.policy.basis import learn
from alignment.policy.decisions import decide
from alignment.policy.document import PolicyDocument
from alignment.policy.labels import Labels
from alignment.queries import (
    Judgments,
    ended_labellings,
    load_adjudications,
    load_judgments,
    load_part,
    settled_labelling,
    touched_since,
)
from alignment.statistics.verdicts import Codes
from feedback.actions.audit import record
from feedback.actions.jobs import JobLost, JobWaits, Lease, queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED, AuditEntry, Comparison, JobState, Judgment, Project
from feedback.people import Person
from feedback.statements import refresh_statistics

TASK = "alignment.tasks.perform_labelling"
# How long one waits for another that goes on, or was asked for before. Where two meet, the elder looks again sooner, so
# that it does not meet the other again.
ELDER_WAITS, YOUNGER_WAITS = timedelta(seconds=1), timedelta(seconds=15)
IMPORT_WAITS = 0.5  # seconds between two looks whether a batch of an import is stored


def apply_policy(*, policy: Policy, by: Person) -> Labelling:
    """Queue the labelling of the policy's project; its labels are the policy's when the job has succeeded.

    Where one waits already, that is the one.
    """
    return _queue(policy, None, by)


def update_labels(*, policy: Policy, by: Person) -> Labelling:
    """Queue the update of the policy's labels where judgments came since. Refused before it was applied to its end."""
    return _queue(policy, _base(policy), by)


def _base(policy: Policy) -> Labelling:
    """What an update of the policy's labels decides by, as things stand: its last whole labelling."""
    last = ended_labellings(policy).filter(base=None).first()
    if last is None:
        raise Refused(_("%(policy)s has not labelled anything yet: apply it first.") % {"policy": policy})
    if last.job.state != JobState.SUCCEEDED:
        raise Refused(
            _("The last time, applying %(policy)s %(job)s; apply it again.")
            % {"policy": policy, "job": last.job.state}
        )
    return last


def _queue(policy: Policy, base: Labelling | None, by: Person) -> Labelling:
    with transaction.atomic():
        # Asked for twice at once, it is still one labelling.
        Policy.objects.select_for_update().get(pk=policy.pk)
        queued = Labelling.objects.filter(policy=policy, job__state=JobState.QUEUED)
        if waiting := queued.filter(base__isnull=base is None).first():
            return waiting
        job = queue_job(project=policy.project, task=TASK, queue="default", by=by)
        labelling = Labelling.objects.create(policy=policy, job=job, base=base)
        verb = "update" if base else "apply"
        record(by=by, verb=verb, target=policy, project=policy.project, labelling=labelling.pk)
    return labelling


def carry_out_labelling(lease: Lease) -> None:
    """The work of both. The same judgments give the same labels, none of them written anew."""
    labelling = Labelling.objects.select_related("policy__project", "job__created_by").get(
        job_id=lease.job_id
    )
    _await_others(labelling)
    try:
        if labelling.base_id:
            _update(labelling, lease)
        else:
            _label(labelling, lease)
    except JobLost:
        raise  # whoever holds the job now goes on with what is written
    except Exception:
        remove_labels(labelling, lease.renew)
        raise


def _await_others(labelling: Labelling) -> None:
    """Raises JobWaits while another labelling of the policy is carried out, or one asked for before is to be."""
    others = Labelling.objects.filter(policy=labelling.policy_id, job__state__in=UNFINISHED).exclude(
        pk=labelling.pk
    )
    earlier = others.filter(pk__lt=labelling.pk).exists()
    if earlier or others.filter(job__state=JobState.RUNNING).exists():
        until = timezone.now() + (YOUNGER_WAITS if earlier else ELDER_WAITS)
        raise JobWaits(until, gettext_noop("Another labelling by this policy comes first."))


def _label(labelling: Labelling, lease: Lease) -> None:
    project = labelling.policy.project
    document = PolicyDocument.from_dict(labelling.policy.document)
    lease.report(message=gettext_noop("Reading the judgments."))
    seen = newest_seen(project, lease)
    judgments = load_judgments(project)
    lease.report(message=gettext_noop("Measuring the agreement between raters."))
    report = report_on(judgments, project=project, by=labelling.job.created_by, alive=lease.report)
    lease.report(message=gettext_noop("Certifying the judges."))
    if document.asks_for_measures and standing_of(project).outdated:
        measure_people(project=project, alive=lease.report)
    study = study_of(project, judgments)
    learnt = learn(document, study, alive=lease.report)
    Labelling.objects.filter(pk=labelling.pk).update(
        report=report,
        certificates=certificates_json(learnt.basis, judgments),
        basis=basis_json(learnt, judgments),
    )
    tell_of_drift(project, learnt.basis, judgments)
    lease.report(message=gettext_noop("Deciding."))
    labels = decide(document, learnt.basis, judgments, load_adjudications(project))
    changed = write_labels(labelling, labels, _progress(lease))
    Labelling.objects.filter(pk=labelling.pk).update(**seen, labels_sha256=labels_sha256(labels, judgments))
    refresh_statistics(Label)
    lease.report(message=f"{len(labels):,} comparisons labelled, {changed:,} of them otherwise than before.")


def _update(labelling: Labelling, lease: Lease) -> None:
    """Decide again, by what the last whole labelling learnt, on what anything happened to since the last labelling."""
    policy = labelling.policy
    base = _base(policy)
    document = PolicyDocument.from_dict(policy.document)
    lease.report(message=gettext_noop("Reading what was judged since."))
    last = settled_labelling(policy.project, policy)
    seen = newest_seen(policy.project, lease)
    touched = touched_since(policy.project, last or base)
    judgments = load_part(policy.project, touched)
    basis = stored_basis(base, judgments)
    labels = decide(document, basis, judgments, load_adjudications(policy.project, touched))
    Labelling.objects.filter(pk=labelling.pk).update(
        base=base, report=base.report, certificates=base.certificates, basis=base.basis
    )
    changed = write_labels(labelling, labels, _progress(lease), touched)
    Labelling.objects.filter(pk=labelling.pk).update(**seen)
    lease.report(
        message=f"{len(touched):,} comparisons looked at again, {changed:,} of their labels changed."
    )


def labels_sha256(labels: Labels, judgments: Judgments) -> str:
    """The hash of all that the labels say, without a primary key, so that it is the same on every database: in the
    order of the comparisons' external ids, the judgments that they rest on named by their raters."""
    external = dict(zip(judgments.comparison_ids.tolist(), judgments.external_ids, strict=True))
    missing = [pk for pk in labels.comparison_ids.tolist() if pk not in external]
    external.update(Comparison.objects.filter(pk__in=missing).values_list("pk", "external_id"))
    named = [external[pk] for pk in labels.comparison_ids.tolist()]
    order: Codes = np.array(sorted(range(len(named)), key=named.__getitem__), dtype=np.int64)
    return content_sha256_of(labels, order, judgments.names, [named[place] for place in order.tolist()])


def newest_seen(project: Project, lease: Lease) -> dict[str, int]:
    """What a labelling that looks now has seen.

    An import takes many numbers long before it commits, and holds its project meanwhile: it is waited for, so that no
    judgment comes later with a number far below.
    """
    newest = {"judgments_until": Judgment.objects, "audit_until": AuditEntry.objects}
    while True:
        with suppress(OperationalError), transaction.atomic():
            Project.objects.select_for_update(no_key=True, nowait=True).get(pk=project.pk)
            return {name: rows.aggregate(newest=Max("pk"))["newest"] or 0 for name, rows in newest.items()}
        lease.report(message=gettext_noop("It waits for an import to come to its end."))
        time.sleep(IMPORT_WAITS)


def _progress(lease: Lease) -> Any:
    def report(done: int, total: int) -> None:
        lease.report(done=done, total=total, message=gettext_noop("Writing the labels."))

    return report
