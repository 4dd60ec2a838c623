"""Stored replies are read again, and nothing is asked: after a change of how replies are read, for one."""

from dataclasses import replace
from uuid import uuid5

from django.db import transaction

from feedback.actions.jobs import Lease
from feedback.actions.judgments import MachineVerdict, store_verdicts
from feedback.models import Judgment
from judges.actions.cases import cases_of
from judges.actions.questions import SUBMISSIONS, Questions
from judges.models import JudgeRun
from judges.queries import selected_comparisons


def reread(run: JudgeRun, lease: Lease, total: int) -> None:
    """Read the replies to every comparison that has all of them; a verdict that is not the same replaces the old."""
    done = 0
    for cases in cases_of(selected_comparisons(run), run, Questions.of(run.judge)):
        said = [case.verdict() for case in cases if not case.missing]
        with transaction.atomic():
            store_verdicts(rater=run.judge.rater, verdicts=_changed(run, said))
        done += len(cases)
        lease.report(done, total)


def _changed(run: JudgeRun, said: list[MachineVerdict]) -> list[MachineVerdict]:
    """Those that are not the judge's current judgments, each with an id of its own."""
    current = {
        judgment.comparison_id: judgment
        for judgment in Judgment.objects.filter(
            rater=run.judge_id, current=True, comparison__in=[one.comparison for one in said]
        ).prefetch_related("scores")
    }
    new = [one for one in said if not _same(one, current.get(one.comparison.pk))]
    return [
        replace(one, submission_id=uuid5(SUBMISSIONS, f"{one.submission_id}:{run.pk}"))
        if one.comparison.pk in current
        else one
        for one in new
    ]


def _same(one: MachineVerdict, judgment: Judgment | None) -> bool:
    if judgment is None:
        return False
    verdict = one.verdict
    scores = {(score.criterion_id, score.position): score.value for score in judgment.scores.all()}
    return (verdict.outcome, tuple(verdict.ranking), verdict.rationale, dict(verdict.scores)) == (
        judgment.outcome,
        judgment.ranking,
        judgment.rationale,
        scores,
    )
