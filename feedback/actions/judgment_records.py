"""Judgments that were given elsewhere, stored on comparisons that are here: an import without the texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from feedback.actions.imports import ImportSummary, store_records
from feedback.models import Comparison, Project
from feedback.people import Person
from feedback.records import (
    PURPOSES,
    BadRecord,
    ComparisonRecord,
    JudgmentRecord,
    Rejection,
    ResponseRecord,
    check_text,
)


@dataclass(frozen=True)
class GivenJudgment:
    """A judgment and the id of its comparison; ``line`` says which of those sent it is."""

    comparison: str
    judgment: JudgmentRecord
    line: int = 0


def store_judgments(*, project: Project, judgments: Iterable[GivenJudgment], by: Person) -> ImportSummary:
    """Store judgments of judges, graders, reward models and people who have no account here, as an import does.

    Rejected: an unknown comparison, and a person with an account in the project, who judges for themselves.
    """
    rejections: list[Rejection] = []
    records = list(_records(project, list(judgments), rejections))
    summary = store_records(project=project, records=records, by=by)
    summary.rejections[:] = rejections + [_of_the_judgment(rejection) for rejection in summary.rejections]
    return summary


def _records(
    project: Project, rows: list[GivenJudgment], rejections: list[Rejection]
) -> Iterator[ComparisonRecord]:
    """Each judgment on its comparison; those that can not be stored join ``rejections``."""
    stored = _comparison_records(project, {row.comparison for row in rows if _is_text(row.comparison)})
    for row in rows:
        if row.comparison not in stored:
            reason = f"there is no comparison {row.comparison!r:.80} in this project; store it first"
            rejections.append(Rejection(row.line, reason, "comparison"))
        else:
            yield replace(stored[row.comparison], judgments=[row.judgment], line=row.line)


def _is_text(value: str) -> bool:
    try:
        check_text(value, "comparison", 200)
    except BadRecord:
        return False
    return True


def _comparison_records(project: Project, ids: set[str]) -> dict[str, ComparisonRecord]:
    """The comparisons with these ids as an import would have them, without judgments."""
    rows = project.comparisons.filter(external_id__in=ids).select_related("prompt")
    return {row.external_id: _record(row) for row in rows.prefetch_related("slots__response")}


def _record(row: Comparison) -> ComparisonRecord:
    responses = [
        ResponseRecord(slot.key, slot.response.source, slot.response.text) for slot in row.slots.all()
    ]
    return ComparisonRecord(
        key=row.external_id,
        prompt=row.prompt.messages,
        responses=responses,
        reference=row.prompt.reference,
        purpose=row.purpose if row.purpose in PURPOSES else PURPOSES[0],
    )


def _of_the_judgment(rejection: Rejection) -> Rejection:
    """A rejection names the field within its comparison, which here has the one judgment."""
    field = (rejection.field or "").removeprefix("judgments[0]").lstrip(".")
    return replace(rejection, field=field or None)
