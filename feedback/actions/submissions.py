"""A person's answer given by labels: what they saw was A, B, … in the order shown, not canonical positions.

The labels say nothing of where a response came from, so this is how an annotator answers through the API.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import ascii_uppercase
from uuid import UUID

from django.db import transaction

from feedback.actions.judgments import Verdict, submit_judgment
from feedback.errors import Refused
from feedback.models import Assignment, Judgment, Outcome, Rater
from feedback.queries import current_criteria


@dataclass(frozen=True)
class LabelledAnswer:
    """``ranking`` maps each label to its rank from 1; ``scores`` a label to its level on each criterion."""

    outcome: str = Outcome.RANKED
    ranking: Mapping[str, int] = field(default_factory=dict)
    strength: int | None = None
    rationale: str = ""
    seconds: float | None = None
    scores: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def positions_by_label(shown: tuple[int, ...]) -> dict[str, int]:
    """The canonical position behind each label, A to Z at most: A is what was shown first."""
    return dict(zip(ascii_uppercase, shown, strict=False))


def submit_labelled_answer(
    *, rater: Rater, comparison_id: int, submission_id: UUID, answer: LabelledAnswer
) -> Judgment:
    """Store the answer to a comparison that is assigned to ``rater``; the same ``submission_id`` is stored once.

    Refused: no assignment, labels that were not shown, levels off the scale, a submission id used before.
    """
    with transaction.atomic():
        given = Assignment.objects.filter(rater=rater, comparison_id=comparison_id).select_related(
            "comparison"
        )
        assignment = given.first()
        if assignment is None:
            raise Refused("This comparison is not assigned to you; ask for the next one.", field="comparison")
        judgment = submit_judgment(
            rater=rater,
            comparison=assignment.comparison,
            submission_id=submission_id,
            verdict=_verdict(answer, assignment),
        )
        if judgment.comparison_id != comparison_id:
            raise Refused(
                "This submission id was used for another comparison; make a new one.", field="submission_id"
            )
    return judgment


def _verdict(answer: LabelledAnswer, assignment: Assignment) -> Verdict:
    positions = positions_by_label(assignment.shown)
    ranking: tuple[int, ...] = ()
    if answer.ranking:
        if set(answer.ranking) != set(positions):
            raise Refused(
                f"Give a rank to each of {', '.join(positions)}, and to nothing else.", field="ranking"
            )
        by_position = {positions[label]: rank for label, rank in answer.ranking.items()}
        ranking = tuple(by_position[position] for position in sorted(by_position))
    return Verdict(
        outcome=answer.outcome,
        ranking=ranking,
        strength=answer.strength,
        rationale=answer.rationale,
        seconds=answer.seconds,
        scores=_scores(answer, positions, assignment.comparison.project_id),
    )


def _scores(answer: LabelledAnswer, positions: dict[str, int], project_id: int) -> dict[tuple[int, int], int]:
    if not answer.scores:
        return {}
    criteria = {criterion.name: criterion for criterion in current_criteria(project_id)}
    scores = {}
    for label, levels in answer.scores.items():
        for name, level in levels.items():
            criterion = criteria.get(name)
            if label not in positions or criterion is None:
                raise Refused(f"There is nothing to score as {name!r} of {label!r}.", field="scores")
            if not criterion.scale_min <= level <= criterion.scale_max:
                scale = f"{criterion.scale_min} to {criterion.scale_max}"
                raise Refused(f"{name} is {level}; its scale goes from {scale}.", field="scores")
            scores[(criterion.pk, positions[label])] = level
    return scores
