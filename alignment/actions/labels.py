"""Labels: a policy applied to the judgments that a project has now.

The work is a job. It certifies the judges, decides on every comparison, and writes only what differs from the
labels that stand there, in small batches: people at work are not kept waiting, and what was stopped goes on.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop

from alignment.actions.reports import report_on
from alignment.models import Label, Labelling, LabelSource, Policy
from alignment.policy.certificates import Certificate, certify_judges
from alignment.policy.decisions import LabelDecision, decide
from alignment.policy.document import PolicyDocument
from alignment.queries import Judgments, load_adjudications, load_judgments
from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.models import JobState
from feedback.people import Person

BATCH = 500  # comparisons a transaction

Content = tuple[str, tuple[int, ...], float | None, float, str, str, frozenset[int]]


def apply_policy(*, policy: Policy, by: Person) -> Labelling:
    """Queue the labelling of the policy's project; its labels are the policy's when the job has succeeded.

    Where one waits already, that is the one.
    """
    with transaction.atomic():
        # Asked for twice at once, it is still one labelling.
        Policy.objects.select_for_update().get(pk=policy.pk)
        waiting = Labelling.objects.filter(policy=policy, job__state=JobState.QUEUED).first()
        if waiting:
            return waiting
        job = queue_job(
            project=policy.project, task="alignment.tasks.perform_labelling", queue="default", by=by
        )
        labelling = Labelling.objects.create(policy=policy, job=job)
        record(by=by, verb="apply", target=policy, project=policy.project, labelling=labelling.pk)
    return labelling


def carry_out_labelling(lease: Lease) -> None:
    """The work of ``apply_policy``. The same judgments give the same labels, none of them written anew."""
    labelling = Labelling.objects.select_related("policy__project", "job__created_by").get(
        job_id=lease.job_id
    )
    policy = labelling.policy
    lease.report(message=gettext_noop("Reading the judgments."))
    judgments = load_judgments(policy.project)
    lease.report(message=gettext_noop("Measuring the agreement between raters."))
    report = report_on(judgments, project=policy.project, by=labelling.job.created_by, alive=lease.report)
    lease.report(message=gettext_noop("Certifying the judges."))
    document = PolicyDocument.from_dict(policy.document)
    certificates = certify_judges(document, judgments)
    Labelling.objects.filter(pk=labelling.pk).update(
        report=report, certificates=[_certificate(certificate, judgments) for certificate in certificates]
    )
    lease.report(message=gettext_noop("Deciding."))
    decisions = decide(document, certificates, judgments, load_adjudications(policy.project))
    changed = _write(labelling, decisions, lease)
    lease.report(
        message=f"{len(decisions):,} comparisons labelled, {changed:,} of them otherwise than before."
    )


def _certificate(certificate: Certificate, judgments: Judgments) -> dict[str, Any]:
    return {
        "judge": judgments.names[certificate.judge],
        "kind": judgments.raters[certificate.judge].kind,
        "slice": certificate.slice,
        "trusted": certificate.trusted,
        "reason": certificate.reason,
        "sentence": certificate.sentence,
        "winning_rate": certificate.winning_rate,
        "advantage_probability": certificate.advantage_probability.as_json(),
        "agreement": certificate.agreement.as_json(),
    }


def _write(labelling: Labelling, decisions: list[LabelDecision], lease: Lease) -> int:
    """Make the policy's labels say what ``decisions``, by ascending comparison, do; the number changed."""
    changed, after = 0, 0
    for start in range(0, len(decisions), BATCH):
        batch = decisions[start : start + BATCH]
        last = start + BATCH >= len(decisions)
        until = None if last else batch[-1].comparison
        with transaction.atomic():
            lease.report(
                done=start + len(batch), total=len(decisions), message=gettext_noop("Writing the labels.")
            )
            changed += _write_batch(labelling, batch, after, until)
        after = batch[-1].comparison
    return changed


def _write_batch(labelling: Labelling, batch: list[LabelDecision], after: int, until: int | None) -> int:
    """Replace the labels above comparison ``after`` up to ``until``, or to the end, where they differ."""
    stored = Label.objects.filter(policy=labelling.policy, comparison_id__gt=after)
    if until is not None:
        stored = stored.filter(comparison_id__lte=until)
    before = _contents(list(stored))
    touched = [decision for decision in batch if before.pop(decision.comparison, None) != _content(decision)]
    stored.filter(comparison_id__in=before).delete()  # nobody's judgment of these counts any more
    labels = Label.objects.bulk_create(
        [_label(labelling, decision) for decision in touched],
        update_conflicts=True,
        unique_fields=["policy", "comparison"],
        update_fields=["labelling", "decision", "ranking", "confidence", "weight", "reason", "sentence"],
    )
    LabelSource.objects.filter(label__in=labels).delete()
    LabelSource.objects.bulk_create(
        LabelSource(label=label, judgment_id=judgment)
        for label, decision in zip(labels, touched, strict=True)
        for judgment in decision.sources
    )
    return len(touched) + len(before)


def _contents(labels: list[Label]) -> dict[int, Content]:
    """What each stored label says, by comparison."""
    sources: dict[int, set[int]] = {label.pk: set() for label in labels}
    for label_id, judgment_id in LabelSource.objects.filter(label__in=labels).values_list(
        "label_id", "judgment_id"
    ):
        sources[label_id].add(judgment_id)
    return {
        label.comparison_id: (
            label.decision,
            label.ranking,
            label.confidence,
            label.weight,
            label.reason,
            label.sentence,
            frozenset(sources[label.pk]),
        )
        for label in labels
    }


def _content(decision: LabelDecision) -> Content:
    return (
        decision.decision,
        decision.ranking or (),
        decision.confidence,
        decision.weight,
        decision.reason,
        decision.sentence,
        frozenset(decision.sources),
    )


def _label(labelling: Labelling, decision: LabelDecision) -> Label:
    return Label(
        policy=labelling.policy,
        labelling=labelling,
        comparison_id=decision.comparison,
        decision=decision.decision,
        ranking=decision.ranking or (),
        confidence=decision.confidence,
        weight=decision.weight,
        reason=decision.reason,
        sentence=decision.sentence,
    )
