"""Judgments are stored here, people's and machines' alike: once for each submission, one current for each rater."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from feedback.actions.assignments import assign, free_slots, take_slot
from feedback.errors import Refused
from feedback.models import Assignment, Comparison, Judgment, Outcome, Rater, RaterKind, Score


@dataclass(frozen=True)
class Verdict:
    """What a rater said. ``ranking`` and ``scores`` refer to canonical positions; see ``feedback.models.Judgment``.

    ``scores`` maps (criterion id, position) to a level.
    """

    outcome: str = Outcome.RANKED
    ranking: tuple[int, ...] = ()
    strength: int | None = None
    rationale: str = ""
    seconds: float | None = None
    scores: dict[tuple[int, int], int] = field(default_factory=dict)


def submit_judgment(
    *, rater: Rater, comparison: Comparison, submission_id: UUID, verdict: Verdict, at: datetime | None = None
) -> Judgment:
    """Store a person's answer to a comparison they were assigned; the same ``submission_id`` again is stored once.

    A second answer to the same comparison supersedes the first. An answer that comes after its lease lapsed is kept
    while the comparison still wants one. A skip gives its slot back. Refused: a bad ranking, or no slot left.
    """
    check_verdict(verdict, comparison)
    try:
        with transaction.atomic():
            stored = Judgment.objects.filter(rater=rater, submission_id=submission_id).first()
            return stored or _submit(rater, comparison, submission_id, verdict, at or timezone.now())
    except IntegrityError:
        # The same submission arrived twice at the same moment: the other request has stored it.
        stored = Judgment.objects.filter(rater=rater, submission_id=submission_id).first()
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
        raise Refused("A person's judgment is submitted through the queue.")
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
            _row(rater, said.comparison, said.submission_id, said.verdict, said.shown, when) for said in new
        )
        Score.objects.bulk_create(
            score
            for said, judgment in zip(new, judgments, strict=True)
            for score in _score_rows(judgment, said.verdict)
        )
    return judgments


def check_verdict(verdict: Verdict, comparison: Comparison) -> None:
    """Refuse a ranking that does not rank each response, or an outcome that is no verdict but comes with one."""
    problem = verdict_problem(verdict.outcome, verdict.ranking, comparison.slots.count())
    if problem:
        raise Refused(f"{problem.reason}.", field=problem.field)


class Problem(NamedTuple):
    """What is wrong with an answer, as a clause, and the field at fault."""

    field: str
    reason: str


def verdict_problem(outcome: str, ranking: tuple[int, ...], responses: int) -> Problem | None:
    """What is wrong with an answer on so many responses, or None; the same for people, machines and files.

    Ranks start at 1 and equal ranks are ties; a rank may only be left out after a tie: (1, 1, 3) or (1, 1, 2).
    """
    if outcome not in Outcome.values:
        return Problem("outcome", f"{outcome!r} is no outcome; use one of {', '.join(Outcome.values)}")
    if outcome != Outcome.RANKED:
        said = f"An outcome of {outcome} has no ranking; leave it out"
        return Problem("ranking", said) if ranking else None
    if len(ranking) != responses:
        said = f"The ranking has {len(ranking)} ranks for {responses} responses; give each response one rank"
        return Problem("ranking", said)
    ordered = sorted(ranking)
    dense = [sorted(set(ranking)).index(rank) + 1 for rank in ordered]
    standard = [ordered.index(rank) + 1 for rank in ordered]
    if ordered not in (dense, standard):
        said = (
            f"The ranks {list(ranking)} do not count from 1 without gaps; the best is 1, equal ranks are ties"
        )
        return Problem("ranking", said)
    return None


def _submit(
    rater: Rater, comparison: Comparison, submission_id: UUID, verdict: Verdict, at: datetime
) -> Judgment:
    assignment = Assignment.objects.select_for_update().filter(comparison=comparison, rater=rater).first()
    if assignment is None:
        lease_end = at + timedelta(seconds=rater.project.lease_seconds)
        assignment = assign(rater=rater, comparison=comparison, until=lease_end)
    held_slot = assignment.done_at is None or not _skipped(rater, comparison)
    wants_slot = verdict.outcome != Outcome.SKIPPED
    if wants_slot and not held_slot:
        take_slot(comparison.pk)
    if held_slot and not wants_slot:
        free_slots(comparison.pk)
    Judgment.objects.filter(comparison=comparison, rater=rater, current=True).update(current=False)
    judgment = _row(rater, comparison, submission_id, verdict, assignment.shown, at)
    judgment.save()
    Score.objects.bulk_create(_score_rows(judgment, verdict))
    Assignment.objects.filter(pk=assignment.pk).update(done_at=at)
    return judgment


def _skipped(rater: Rater, comparison: Comparison) -> bool:
    return Judgment.objects.filter(
        rater=rater, comparison=comparison, current=True, outcome=Outcome.SKIPPED
    ).exists()


def _row(
    rater: Rater,
    comparison: Comparison,
    submission_id: UUID,
    verdict: Verdict,
    shown: tuple[int, ...],
    at: datetime,
) -> Judgment:
    return Judgment(
        comparison=comparison,
        rater=rater,
        submission_id=submission_id,
        outcome=verdict.outcome,
        ranking=dense_ranks(verdict.ranking),
        strength=verdict.strength,
        rationale=verdict.rationale,
        seconds=verdict.seconds,
        shown=shown,
        at=at,
    )


def _score_rows(judgment: Judgment, verdict: Verdict) -> list[Score]:
    return [
        Score(judgment=judgment, criterion_id=criterion, position=position, value=value)
        for (criterion, position), value in sorted(verdict.scores.items())
    ]


def dense_ranks(ranking: tuple[int, ...]) -> tuple[int, ...]:
    """Ranks without gaps, the one form in which rankings are stored: (1, 1, 3) becomes (1, 1, 2)."""
    levels = sorted(set(ranking))
    return tuple(levels.index(rank) + 1 for rank in ranking)
