"""The health report: what would be frozen is examined, as a job, before it is.

It reads the labels as freezing does, with the same split, and finds what would make a model learn something else than
was meant. It changes nothing.
"""

from collections import Counter
from collections.abc import Iterator

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alignment.actions.snapshot_rows import Alive, labelled_prompts, plan_for, rows_of
from alignment.actions.snapshots import check_freezing, labels_changed
from alignment.health.balance import AS_IT_IS
from alignment.health.consent import terms_of
from alignment.health.examination import examine
from alignment.health.finding import Pair
from alignment.health.plan import Plan
from alignment.health.repeats import text_key
from alignment.models import Decision, HealthCheck, Label, Policy
from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.errors import Refused
from feedback.models import UNFINISHED, Judgment, Outcome, Project, Prompt, Purpose, RaterKind
from feedback.people import Person
from feedback.statements import refresh_statistics

TASK = "alignment.tasks.perform_health"
_EVERY = 100  # prompts between two reports


def request_health(
    *, project: Project, policy: Policy, by: Person, test_share: float = 0.2, seed: int = 0
) -> HealthCheck:
    """Have a worker examine what the policy's labels would freeze to; where the same waits already, that is the one.

    Refused where they can not be frozen.
    """
    check_freezing(project, policy, test_share)
    with transaction.atomic():
        Policy.objects.select_for_update().get(pk=policy.pk)
        same = HealthCheck.objects.filter(policy=policy, test_share=test_share, seed=seed)
        if going_on := same.filter(job__state__in=UNFINISHED).first():
            return going_on
        job = queue_job(project=project, task=TASK, queue="default", by=by)
        check = HealthCheck.objects.create(policy=policy, test_share=test_share, seed=seed, job=job)
        record(by=by, verb="examine", target=policy, project=project, health=check.pk)
    return check


def carry_out_health(lease: Lease) -> None:
    """The work of ``request_health``."""
    check = HealthCheck.objects.select_related("policy__project").get(job_id=lease.job_id)
    policy = check.policy
    labelling = check_freezing(policy.project, policy, check.test_share)
    total = Prompt.objects.filter(project=policy.project).count()

    def alive(done: int) -> None:
        if done % _EVERY == 0:
            lease.report(done, total, gettext_noop("Reading the labels, prompt by prompt."))

    refresh_statistics(Label)
    plan = plan_for(policy, check.test_share, check.seed, AS_IT_IS, alive)
    findings = examine(
        _pairs(policy, plan, alive), people=_people(policy), evaluated=_evaluated(policy.project)
    )
    if labels_changed(labelling):
        raise Refused(
            _("%(policy)s was applied again in the meantime; have it examined again.") % {"policy": policy}
        )
    HealthCheck.objects.filter(pk=check.pk).update(findings=[finding.as_json() for finding in findings])
    lease.report(done=total, total=total, message=gettext_noop("Examined."))


def _pairs(policy: Policy, plan: Plan, alive: Alive) -> Iterator[Pair]:
    for done, prompt in enumerate(labelled_prompts(policy)):
        alive(done)
        split, text = plan.split(prompt.sha256), prompt.text
        for each in prompt.comparisons:
            writers = dict(zip(each.texts, each.writers, strict=True))
            terms = terms_of(each.tags, each.metadata)
            for row in rows_of(prompt, each, Counter()):
                chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
                yield Pair(
                    comparison=each.comparison,
                    split=split,
                    prompt=prompt.sha256,
                    prompt_text=text,
                    chosen=chosen,
                    rejected=rejected,
                    chosen_source=writers[chosen],
                    tags=tuple(each.tags),
                    confidence=each.confidence,
                    terms=terms,
                )


def _people(policy: Policy) -> tuple[int, int]:
    """People's verdicts on what the policy uses, and how many of them say otherwise than its label."""
    used = {
        "comparison__labels__policy": policy,
        "comparison__labels__decision": Decision.USED,
        "comparison__purpose": Purpose.TRAIN,
        "comparison__retired_at": None,
        "rater__kind": RaterKind.HUMAN,
        "current": True,
        "adjudicates": False,
        "outcome": Outcome.RANKED,
    }
    verdicts = Judgment.objects.filter(**used).count()
    alike = Judgment.objects.filter(**used, ranking=F("comparison__labels__ranking")).count()
    return verdicts, verdicts - alike


def _evaluated(project: Project) -> set[bytes]:
    prompts = Prompt.objects.filter(project=project, comparisons__purpose=Purpose.EVALUATE).distinct()
    found = prompts.values_list("messages", flat=True).iterator(chunk_size=500)
    return {text_key("\n".join(message["content"] for message in messages)) for messages in found}
