"""An answer that was taken back, as the fields of its form in the order shown, so that the page fills them in again."""

import json

from django.http import QueryDict

from feedback.answers import SKIP_REASONS, is_tie
from feedback.models import Assignment, Judgment, Outcome


def draft_of(assignment: Assignment) -> QueryDict:
    """The person's newest answer to this assignment as the page sent it; empty where there is none."""
    draft = QueryDict(mutable=True)
    judgment = (
        Judgment.objects.filter(
            comparison_id=assignment.comparison_id, rater_id=assignment.rater_id, adjudicates=False
        )
        .prefetch_related("scores", "spans", "flags")
        .order_by("-at", "-pk")
        .first()
    )
    if judgment is not None:
        _fill(draft, judgment, assignment.shown)
    return draft


def _fill(draft: QueryDict, judgment: Judgment, shown: tuple[int, ...]) -> None:
    places = {position: place for place, position in enumerate(shown)}
    draft.setlist("flags", [flag.kind for flag in judgment.flags.all()])
    draft["rationale"] = judgment.rationale
    if judgment.outcome == Outcome.SKIPPED:
        code, _, written = judgment.rationale.partition(": ")
        draft["rationale"] = written if code in SKIP_REASONS else judgment.rationale
        return
    _fill_ranking(draft, judgment, [judgment.ranking[position] for position in shown])
    if judgment.all_bad:
        draft["all_bad"] = "on"
    for score in judgment.scores.all():
        draft[f"score_{score.criterion_id}_{places[score.position]}"] = str(score.value)
    draft["spans"] = json.dumps(
        [
            {"place": places[span.position], "start": span.start, "end": span.end, "comment": span.comment}
            for span in judgment.spans.all()
        ]
    )


def _fill_ranking(draft: QueryDict, judgment: Judgment, ranks: list[int]) -> None:
    for place, rank in enumerate(ranks):
        draft[f"rank_{place}"] = str(rank)
    if len(ranks) == 2:
        tie, first_is_better = is_tie(tuple(ranks)), ranks[0] < ranks[1]
        draft["choice"] = "tie" if tie else "a" if first_is_better else "b"
        strength = 0 if tie else judgment.strength
        if strength is not None:
            draft["strength"] = str(-strength if first_is_better else strength)
