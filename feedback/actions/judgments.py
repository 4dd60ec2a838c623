"""Judgments are stored here, people's and machines' alike: once for each submission, one current for each rater."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from feedback.actions.answer_checks import complete_answer
from feedback.actions.assignments import assign, free_slots, in_turn, take_slot
from feedback.actions.given import Given, finish, locked, stored_before
from feedback.actions.review_items import judged
from feedback.actions.standing import after_answer
from feedback.answers import Verdict, dense_ranks, verdict_problem
from feedback.errors import Refused
from feedback.models import (
    Comparison,
    Flag,
    Judgment,
    Outcome,
    Rater,
    RaterKind,
    Score,
    Span,
)


def submit_judgment(
    *, rater: Rater, comparison: Comparison, submission_id: UUID, verdict: Verdict, at: datetime | None = None
) -> Judgment:
    """Store a person's answer to a comparison they were assigned; the same ``submission_id`` again is stored once.

    A second answer to the same comparison supersedes the first. An answer that comes after its lease lapsed is kept
    while the comparison still wants one. A skip gives its slot back. Refused: what the project's form does not take,
    or no slot left; then nothing is stored.
    """
    try:
        with transaction.atomic():
            in_turn(rater)
            stored = stored_before(rater, submission_id)
            return stored or _submit(rater, comparison, submission_id, verdict, at or timezone.now())
    except IntegrityError:
        # The same submission arrived twice at the same moment: the other request has stored it.
        stored = stored_before(rater, submission_id)
        if stored is None:
            raise
        return stored


@dataclass(frozen=True)
class MachineVerdict:
    """A machine's verdict on one comparison. ``shown`` is empty where it saw more than one order."""

    comparison: Comparison
    submission_id: UUID
    verdict: Verdict
    shown: tuple[int, ...] = ()


def store_verdicts(
    *, rater: Rater, verdicts: Sequence[MachineVerdict], at: datetime | None = None
) -> list[Judgment]:
    """Store many of a machine's answers, one a comparison, all of them or none.

    Those whose ``submission_id`` is stored already are left out of the result. Prefetch the comparisons' slots.
    """
    if rater.kind == RaterKind.HUMAN:
        raise Refused(_("A person's judgment is submitted through the queue."))
    for said in verdicts:
        check_verdict(said.verdict, said.comparison)
    with transaction.atomic():
        ids = [said.submission_id for said in verdicts]
        known = Judgment.objects.filter(rater=rater, submission_id__in=ids)
        stored = set(known.values_list("submission_id", flat=True))
        new = [said for said in verdicts if said.submission_id not in stored]
        earlier = Judgment.objects.filter(rater=rater, comparison__in=[said.comparison for said in new])
        earlier.filter(current=True).update(current=False)
        when = at or timezone.now()
        judgments = Judgment.objects.bulk_create(
            judgment_row(rater, said.comparison, said.submission_id, said.verdict, said.shown, when)
            for said in new
        )
        Score.objects.bulk_create(
            score
            for said, judgment in zip(new, judgments, strict=True)
            for score in score_rows(judgment, said.verdict)
        )
    return judgments


def check_verdict(verdict: Verdict, comparison: Comparison) -> None:
    """Refuse a ranking that does not rank each response, or an outcome that is no verdict but comes with one."""
    problem = verdict_problem(verdict.outcome, verdict.ranking, comparison.slots.count())
    if problem:
        raise Refused(problem.reason + ".", field=problem.field)


def judgment_row(
    rater: Rater,
    comparison: Comparison,
    submission_id: UUID,
    verdict: Verdict,
    shown: tuple[int, ...],
    at: datetime,
) -> Judgment:
    """A judgment that is not stored yet."""
    return Judgment(
        comparison=comparison,
        rater=rater,
        submission_id=submission_id,
        outcome=verdict.outcome,
        ranking=dense_ranks(verdict.ranking),
        strength=verdict.strength,
        all_bad=verdict.all_bad,
        rationale=verdict.rationale,
        seconds=verdict.seconds,
        shown=shown,
        at=at,
    )


def score_rows(judgment: Judgment, verdict: Verdict) -> list[Score]:
    return [
        Score(judgment=judgment, criterion_id=criterion, position=position, value=value)
        for (criterion, position), value in sorted(verdict.scores.items())
    ]


def _submit(
    rater: Rater, comparison: Comparison, submission_id: UUID, verdict: Verdict, at: datetime
) -> Judgment:
    given = locked(rater, comparison.pk)
    if given is None:  # an answer to what was not assigned takes it now
        lease_end = at + timedelta(seconds=rater.project.lease_seconds)
        assign(rater=rater, comparison=comparison, until=lease_end)
        return _submit(rater, comparison, submission_id, verdict, at)
    if given.done:
        _refuse_after_decision(rater, comparison)
    complete = complete_answer(verdict, comparison, rater.project, len(given.shown))
    if not given.measuring:
        _settle_slot(comparison.pk, given, wanted=complete.outcome != Outcome.SKIPPED)
    if given.standing:
        own = Judgment.objects.filter(comparison=comparison, rater=rater, current=True, adjudicates=False)
        own.update(current=False)
    judgment = judgment_row(rater, comparison, submission_id, complete, given.shown, at)
    judgment.save(force_insert=True)
    _save_parts(judgment, complete)
    finish(given, at)
    after_answer(judgment, first=not given.met)
    judged(judgment)
    return judgment


def _refuse_after_decision(rater: Rater, comparison: Comparison) -> None:
    """Whoever decided a comparison as a reviewer has seen what the others said of it."""
    if Judgment.objects.filter(comparison=comparison, rater=rater, adjudicates=True).exists():
        raise Refused(
            _("You decided this comparison as a reviewer, so it takes no answer of your own any more.")
        )


def _settle_slot(comparison_id: int, given: Given, *, wanted: bool) -> None:
    """A verdict holds one of the comparison's slots, a skip none, whatever the assignment held so far."""
    if wanted and not given.holds_slot:
        take_slot(comparison_id)
    if given.holds_slot and not wanted:
        free_slots(comparison_id)


def _save_parts(judgment: Judgment, verdict: Verdict) -> None:
    if verdict.scores:
        Score.objects.bulk_create(score_rows(judgment, verdict))
    if verdict.spans:
        Span.objects.bulk_create(Span(judgment=judgment, **span._asdict()) for span in verdict.spans)
    if verdict.flags:
        Flag.objects.bulk_create(
            Flag(judgment=judgment, comparison_id=judgment.comparison_id, kind=kind) for kind in verdict.flags
        )
