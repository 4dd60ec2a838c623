"""One judgment of a file becomes rows that are not stored yet: checked, its response keys turned into positions."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from feedback.answers import LONGEST_COMMENT, MOST_SPANS, dense_ranks, verdict_problem
from feedback.hashing import content_sha256
from feedback.models import Criterion, FlagKind, Judgment, Outcome, Project, RaterKind
from feedback.queries.rubrics import current_criteria
from feedback.records import (
    KINDS,
    BadRecord,
    ComparisonRecord,
    JudgmentRecord,
    Rejection,
    ResponseRecord,
    SpanRecord,
    check_text,
)

SUBMISSIONS = UUID("6f0f7a3e-3f0e-5d6c-9d0b-6d2f5b6a9c11")  # namespace of the ids made for imported judgments
MAX_STRENGTH = 100


Order = tuple[tuple[str, str], ...]  # responses, each by its source and its hash


class Stored(NamedTuple):
    """A comparison that is in the store."""

    pk: int
    external_id: str
    purpose: str


class NewScore(NamedTuple):
    position: int
    criterion: Criterion
    value: int


class NewSpan(NamedTuple):
    position: int
    start: int
    end: int
    comment: str


class NewJudgment(NamedTuple):
    """A judgment that can be stored: what its record says, its ranks and order shown by canonical position."""

    record: JudgmentRecord
    submission_id: UUID
    ranking: tuple[int, ...]
    shown: tuple[int, ...]
    scores: list[NewScore]
    spans: list[NewSpan]


class Placed(NamedTuple):
    """A record, its stored comparison, the canonical position of each of its response keys, and its judgments by it."""

    record: ComparisonRecord
    comparison: Stored
    positions: Mapping[str, int]
    judgments: Sequence[NewJudgment | Rejection]


class JudgmentReader:
    """One import's judgments, read without the database: the criteria that scores may name are looked up before."""

    def __init__(self, project: Project) -> None:
        self._sound_raters: set[tuple[str, str]] = set()
        self._criteria = {criterion.name: criterion for criterion in current_criteria(project.pk)}

    def read(
        self, external_id: str, record: ComparisonRecord, positions: Mapping[str, int]
    ) -> list[NewJudgment | Rejection]:
        """The judgments of a comparison's record, in their order; or what can not be stored of one, by its field."""
        found: list[NewJudgment | Rejection] = []
        for index, judgment in enumerate(record.judgments):
            try:
                found.append(self._read(external_id, record, judgment, positions))
            except BadRecord as bad:
                found.append(Rejection(record.line, bad.reason, f"judgments[{index}].{bad.field}"))
        return found

    def _read(
        self,
        external_id: str,
        comparison: ComparisonRecord,
        record: JudgmentRecord,
        positions: Mapping[str, int],
    ) -> NewJudgment:
        _check_values(record)
        self._check_rater(record)
        ranking, shown = _ranking(record, positions), _shown(record, positions)
        scores = self._scores(positions, record)
        spans = _spans(positions, record.spans, comparison.responses)
        submission_id = content_id(
            external_id,
            (record.kind, record.rater),
            record,
            ranking=ranking,
            scores=[(score.position, score.criterion.name, score.value) for score in scores],
            spans=spans,
        )
        return NewJudgment(record, submission_id, ranking, shown, scores, spans)

    def _check_rater(self, record: JudgmentRecord) -> None:
        if (record.kind, record.rater) in self._sound_raters:
            return
        if record.kind not in KINDS:
            raise BadRecord(f"{record.kind!r} is none of {', '.join(KINDS)}", "kind")
        check_text(record.rater, "rater", 200)
        if not record.rater:
            raise BadRecord("it must name who judged", "rater")
        if record.simulated and record.kind != RaterKind.HUMAN:
            raise BadRecord("only a person can be simulated", "simulated")
        self._sound_raters.add((record.kind, record.rater))

    def _scores(self, positions: Mapping[str, int], record: JudgmentRecord) -> list[NewScore]:
        scores = []
        for key, levels in record.scores.items():
            position = _position(key, positions, "scores")
            scores += [
                NewScore(position, self._criterion(name, value), value) for name, value in levels.items()
            ]
        return scores

    def _criterion(self, name: str, value: object) -> Criterion:
        criterion = self._criteria.get(name)
        if criterion is None:
            raise BadRecord(f"the project's rubric has no criterion {name!r}; add it first", "scores")
        low, high = criterion.scale_min, criterion.scale_max
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadRecord(f"{name} is {value!r}, the scale goes from {low} to {high}", "scores")
        return criterion


def content_id(
    external_id: str,
    rater: tuple[str, str],
    judgment: JudgmentRecord | Judgment,
    *,
    ranking: tuple[int, ...],
    scores: Sequence[tuple[int, str, int]],
    spans: Sequence[tuple[int, int, int, str]],
) -> UUID:
    """The same words about the same comparison by the same rater (kind, name) have the same id in every file.

    ``ranking``, ``scores`` (position, criterion, value) and ``spans`` (position, start, end, comment) go by canonical
    position. Flags are no part of what was said: a reviewer settles them, and the judgment stays.
    """
    said: list[object] = [
        judgment.outcome,
        ranking,
        judgment.strength,
        judgment.rationale,
        sorted(scores),
    ]
    said += [sorted(spans)] if spans else []
    said += [name for name in ("all_bad", "adjudicates") if getattr(judgment, name)]
    return uuid5(SUBMISSIONS, content_sha256([external_id, *rater, said]))


def _check_values(record: JudgmentRecord) -> None:
    if record.seconds is not None and not (math.isfinite(record.seconds) and record.seconds >= 0):
        raise BadRecord("it must be a number of seconds from 0", "seconds")
    if record.strength is not None and not 0 <= record.strength <= MAX_STRENGTH:
        raise BadRecord(f"it must be a whole number from 0 to {MAX_STRENGTH}", "strength")
    check_text(record.rationale, "rationale")
    ranked = record.outcome == Outcome.RANKED
    if record.all_bad and not ranked:
        raise BadRecord("only a verdict can say that all are bad", "all_bad")
    if record.adjudicates and not (ranked and record.kind == RaterKind.HUMAN):
        raise BadRecord("only a person's verdict adjudicates", "adjudicates")
    unknown = [kind for kind in record.flags if kind not in FlagKind.values]
    if unknown or len(set(record.flags)) < len(record.flags):
        raise BadRecord(f"flags are {', '.join(FlagKind.values)}, each at most once", "flags")


def _ranking(record: JudgmentRecord, positions: Mapping[str, int]) -> tuple[int, ...]:
    if record.ranking and set(record.ranking) != set(positions):
        raise BadRecord(
            f"it ranks {sorted(record.ranking)}, the responses are {sorted(positions)}", "ranking"
        )
    by_position = {positions[key]: rank for key, rank in record.ranking.items()}
    ranking = tuple(by_position[position] for position in sorted(by_position))
    problem = verdict_problem(record.outcome, ranking, len(positions))
    if problem:
        raise BadRecord(problem.reason, problem.field)
    return dense_ranks(ranking)


def _shown(record: JudgmentRecord, positions: Mapping[str, int]) -> tuple[int, ...]:
    if record.shown and sorted(record.shown) != sorted(positions):
        raise BadRecord(f"it must name each response once, not {list(record.shown)}", "shown")
    return tuple(positions[key] for key in record.shown)


def _spans(
    positions: Mapping[str, int], spans: Sequence[SpanRecord], responses: Sequence[ResponseRecord]
) -> list[NewSpan]:
    if len(spans) > MOST_SPANS:
        raise BadRecord(f"there are {len(spans)} spans; at most {MOST_SPANS} fit", "spans")
    lengths = {response.key: len(response.text) for response in responses} if spans else {}
    rows = []
    for index, span in enumerate(spans):
        position = _position(span.response, positions, f"spans[{index}].response")
        if not 0 <= span.start < span.end <= lengths[span.response]:
            reason = f"{span.start} to {span.end} is no part of {lengths[span.response]} characters"
            raise BadRecord(reason, f"spans[{index}]")
        check_text(span.comment, f"spans[{index}].comment", LONGEST_COMMENT)
        rows.append(NewSpan(position, span.start, span.end, span.comment))
    return rows


def _position(key: str, positions: Mapping[str, int], where: str) -> int:
    if key not in positions:
        raise BadRecord(f"{key!r} is none of the responses {sorted(positions)}", where)
    return positions[key]
