"""A person's answer given by labels: what they saw was A, B, … in the order shown, not canonical positions.

The labels say nothing of where a response came from, so this is how an annotator answers through the API. Items go by
their assignments' numbers, which say no more: a comparison's own tells when it was imported, and gold comes in batches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.actions.judgments import submit_judgment
from feedback.answers import SKIP_REASONS, SpanComment, Verdict
from feedback.errors import Refused
from feedback.models import Assignment, Judgment, Outcome, Rater
from feedback.queries.rubrics import criteria_for_people


@dataclass(frozen=True)
class LabelledSpan:
    """A comment on characters ``start`` to ``end``, in code points, of the response with this label."""

    label: str
    start: int
    end: int
    comment: str


@dataclass(frozen=True)
class LabelledAnswer:
    """``ranking`` maps each label to its rank from 1; ``scores`` a label to its level on each criterion.

    A skip has one of SKIP_REASONS, and may say more in ``rationale``.
    """

    outcome: str = Outcome.RANKED
    ranking: Mapping[str, int] = field(default_factory=dict)
    strength: int | None = None
    all_bad: bool = False
    rationale: str = ""
    seconds: float | None = None
    scores: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    spans: Sequence[LabelledSpan] = ()
    flags: Sequence[str] = ()
    skip_reason: str = ""


def positions_by_label(shown: tuple[int, ...]) -> dict[str, int]:
    """The canonical position behind each label, A to Z at most: A is what was shown first."""
    return dict(zip(ascii_uppercase, shown, strict=False))


def submit_labelled_answer(
    *, rater: Rater, assignment_id: int, submission_id: UUID, answer: LabelledAnswer
) -> Judgment:
    """Store the answer to what was assigned to ``rater``; the same ``submission_id`` is stored once.

    Refused: no such assignment, what the project's form does not take, a submission id used before.
    """
    with transaction.atomic():
        given = Assignment.objects.filter(rater=rater, pk=assignment_id).select_related("comparison")
        assignment = given.first()
        if assignment is None:
            raise Refused(_("This is not assigned to you; ask for the next one."), field="assignment")
        judgment = submit_judgment(
            rater=rater,
            comparison=assignment.comparison,
            submission_id=submission_id,
            verdict=_verdict(answer, assignment),
        )
        if judgment.comparison_id != assignment.comparison_id:
            raise Refused(
                _("This submission id was used for another comparison; make a new one."),
                field="submission_id",
            )
    return judgment


def _verdict(answer: LabelledAnswer, assignment: Assignment) -> Verdict:
    positions = positions_by_label(assignment.shown)
    return Verdict(
        outcome=answer.outcome,
        ranking=_ranking(answer, positions),
        strength=answer.strength,
        all_bad=answer.all_bad,
        rationale=_rationale(answer),
        seconds=answer.seconds,
        scores=_scores(answer, positions, assignment.comparison.project_id),
        spans=tuple(_span(span, positions) for span in answer.spans),
        flags=tuple(answer.flags),
    )


def _ranking(answer: LabelledAnswer, positions: Mapping[str, int]) -> tuple[int, ...]:
    if not answer.ranking:
        return ()
    if set(answer.ranking) != set(positions):
        raise Refused(
            _("Give a rank to each of %(labels)s, and to nothing else.") % {"labels": ", ".join(positions)},
            field="ranking",
        )
    by_position = {positions[label]: rank for label, rank in answer.ranking.items()}
    return tuple(by_position[position] for position in sorted(by_position))


def _rationale(answer: LabelledAnswer) -> str:
    if answer.outcome != Outcome.SKIPPED:
        if answer.skip_reason:
            raise Refused(_("Only a skip has a reason to skip; leave it out."), field="skip_reason")
        return answer.rationale
    if answer.skip_reason not in SKIP_REASONS:
        known = ", ".join(SKIP_REASONS)
        raise Refused(_("Say why you skip it: %(reasons)s.") % {"reasons": known}, field="skip_reason")
    return f"{answer.skip_reason}: {answer.rationale}" if answer.rationale else answer.skip_reason


def _scores(
    answer: LabelledAnswer, positions: Mapping[str, int], project_id: int
) -> dict[tuple[int, int], int]:
    if not answer.scores:
        return {}
    criteria = {criterion.name: criterion for criterion in criteria_for_people(project_id)}
    scores = {}
    for label, levels in answer.scores.items():
        for name, level in levels.items():
            if label not in positions or name not in criteria:
                raise Refused(
                    _("There is nothing to score as %(criterion)s of %(label)s.")
                    % {"criterion": name, "label": label},
                    field="scores",
                )
            scores[(criteria[name].pk, positions[label])] = level
    return scores


def _span(span: LabelledSpan, positions: Mapping[str, int]) -> SpanComment:
    if span.label not in positions:
        raise Refused(_("No response is called %(label)s.") % {"label": span.label}, field="spans")
    return SpanComment(positions[span.label], span.start, span.end, span.comment)
