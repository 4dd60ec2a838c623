"""Judgments that came with imported comparisons become rows: checked one by one, stored in bulk, each once.

The same judgment has the same submission id in every import. A rater's judgment that came another way,
through the queue or from a judge, and says the same counts as unchanged; one that says something else is
rejected, since only one judgment of a rater counts and an import overwrites none. Whoever has an account
here judges with it: an import gives nothing new in their name.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from django.utils import timezone

from feedback.actions.assignments import fill_slots
from feedback.actions.judgments import dense_ranks, verdict_problem
from feedback.hashing import content_sha256
from feedback.models import (
    Comparison,
    Criterion,
    Judgment,
    Outcome,
    Project,
    Rater,
    RaterKind,
    Score,
)
from feedback.queries import current_criteria
from feedback.records import KINDS, BadRecord, ComparisonRecord, JudgmentRecord, Rejection, check_text

SUBMISSIONS = UUID("6f0f7a3e-3f0e-5d6c-9d0b-6d2f5b6a9c11")  # namespace of the ids made for imported judgments
MAX_STRENGTH = 100


@dataclass(frozen=True)
class Placed:
    """A record, its stored comparison, and the canonical position of each of the record's response keys."""

    record: ComparisonRecord
    comparison: Comparison
    positions: Mapping[str, int]


@dataclass(frozen=True)
class _Arrived:
    """A judgment that is about to be stored, and where it came from."""

    line: int
    where: str
    row: Judgment
    scores: list[Score]

    @property
    def identity(self) -> tuple[int, int]:
        return self.row.comparison_id, self.row.rater_id


@dataclass
class _Known:
    """The judgments on a batch's comparisons: the current ones by rater, and all submissions."""

    current: dict[tuple[int, int], UUID] = field(default_factory=dict)
    submissions: set[tuple[int, UUID]] = field(default_factory=set)


class JudgmentStore:
    """One import's judgments: the raters met so far, and the criteria that scores may name."""

    def __init__(self, project: Project, reject: Callable[[Rejection], None]) -> None:
        self.project = project
        self.reject = reject
        self.raters: dict[tuple[str, str], Rater] = {}
        self.criteria = {criterion.name: criterion for criterion in current_criteria(project.pk)}

    def store(self, placed: list[Placed]) -> tuple[int, int]:
        """Store the judgments of a batch; returns how many are new and how many were there."""
        arrived = [each for one in placed for each in self._arrived(one)]
        known = _known({each.row.comparison_id for each in arrived})
        new: dict[tuple[int, int], _Arrived] = {}
        differing = []
        unchanged = 0
        for each in arrived:
            if (each.row.rater_id, each.row.submission_id) in known.submissions:
                unchanged += 1
            elif each.identity in known.current:
                differing.append(each)
            elif each.row.rater.user_id:
                self._reject_a_members(each)
            else:
                new[each.identity] = each
                known.current[each.identity] = each.row.submission_id
                known.submissions.add((each.row.rater_id, each.row.submission_id))
        _save(list(new.values()))
        return len(new), unchanged + self._settle(differing)

    def _reject_a_members(self, each: _Arrived) -> None:
        reason = f"{each.row.rater.name} has an account in this project, and judges with it"
        self.reject(Rejection(each.line, reason, f"{each.where}.rater"))

    def _settle(self, differing: list[_Arrived]) -> int:
        """How many say what the rater's current judgment says; the others are rejected."""
        stored = _contents({each.row.comparison_id for each in differing})
        same = 0
        for each in differing:
            if stored.get(each.identity) == each.row.submission_id:
                same += 1
            else:
                reason = (
                    f"{each.row.rater.name} has judged this comparison otherwise; only one judgment counts"
                )
                self.reject(Rejection(each.line, reason, each.where))
        return same

    def _arrived(self, placed: Placed) -> Iterable[_Arrived]:
        for index, judgment in enumerate(placed.record.judgments):
            where = f"judgments[{index}]"
            try:
                row, scores = self._judgment(placed, judgment)
            except BadRecord as bad:
                self.reject(Rejection(placed.record.line, bad.reason, f"{where}.{bad.field}"))
            else:
                yield _Arrived(placed.record.line, where, row, scores)

    def _judgment(self, placed: Placed, record: JudgmentRecord) -> tuple[Judgment, list[Score]]:
        _check_values(record)
        row = Judgment(
            comparison=placed.comparison,
            rater=self._rater(record),
            outcome=record.outcome,
            ranking=_ranking(record, placed.positions),
            strength=record.strength,
            shown=_shown(record, placed.positions),
            rationale=record.rationale,
            seconds=record.seconds,
            at=record.at or timezone.now(),
        )
        scores = self._scores(row, placed.positions, record)
        said = [(score.position, score.criterion.name, score.value) for score in scores]
        row.submission_id = _submission_id(row, placed.comparison.external_id, said)
        return row, scores

    def _rater(self, record: JudgmentRecord) -> Rater:
        identity = (record.kind, record.rater)
        if identity not in self.raters:
            if record.kind not in KINDS:
                raise BadRecord(f"{record.kind!r} is none of {', '.join(KINDS)}", "kind")
            check_text(record.rater, "rater", 200)
            if not record.rater:
                raise BadRecord("it must name who judged", "rater")
            self.raters[identity], _ = Rater.objects.get_or_create(
                project=self.project, kind=record.kind, name=record.rater
            )
        return self.raters[identity]

    def _scores(self, row: Judgment, positions: Mapping[str, int], record: JudgmentRecord) -> list[Score]:
        scores = []
        for key, levels in record.scores.items():
            if key not in positions:
                raise BadRecord(f"{key!r} is none of the responses {sorted(positions)}", "scores")
            for name, value in levels.items():
                criterion = self._criterion(name, value)
                scores.append(Score(judgment=row, criterion=criterion, position=positions[key], value=value))
        return scores

    def _criterion(self, name: str, value: object) -> Criterion:
        criterion = self.criteria.get(name)
        if criterion is None:
            raise BadRecord(f"the project's rubric has no criterion {name!r}; add it first", "scores")
        low, high = criterion.scale_min, criterion.scale_max
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadRecord(f"{name} is {value!r}, the scale goes from {low} to {high}", "scores")
        return criterion


def _check_values(record: JudgmentRecord) -> None:
    if record.seconds is not None and not (math.isfinite(record.seconds) and record.seconds >= 0):
        raise BadRecord("it must be a number of seconds from 0", "seconds")
    if record.strength is not None and not 0 <= record.strength <= MAX_STRENGTH:
        raise BadRecord(f"it must be a whole number from 0 to {MAX_STRENGTH}", "strength")
    check_text(record.rationale, "rationale")


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


def _submission_id(row: Judgment, external_id: str, scores: Iterable[tuple[int, str, int]]) -> UUID:
    """The same words about the same comparison by the same rater have the same id in every file."""
    said = [row.outcome, row.ranking, row.strength, row.rationale, sorted(scores)]
    return uuid5(SUBMISSIONS, content_sha256([external_id, row.rater.kind, row.rater.name, said]))


def _known(comparisons: set[int]) -> _Known:
    known = _Known()
    rows = Judgment.objects.filter(comparison__in=comparisons)
    for comparison, rater, submission, current in rows.values_list(
        "comparison_id", "rater_id", "submission_id", "current"
    ):
        known.submissions.add((rater, submission))
        if current:
            known.current[(comparison, rater)] = submission
    return known


def _contents(comparisons: set[int]) -> dict[tuple[int, int], UUID]:
    """The id that each current judgment of these comparisons would have, had it been imported."""
    rows = Judgment.objects.filter(comparison__in=comparisons, current=True).select_related(
        "rater", "comparison"
    )
    return {
        (row.comparison_id, row.rater_id): _submission_id(
            row,
            row.comparison.external_id,
            [(score.position, score.criterion.name, score.value) for score in row.scores.all()],
        )
        for row in rows.prefetch_related("scores__criterion")
    }


def _save(arrived: list[_Arrived]) -> None:
    Judgment.objects.bulk_create(each.row for each in arrived)
    Score.objects.bulk_create(score for each in arrived for score in each.scores)
    taken: dict[int, int] = {}
    for each in arrived:
        if each.row.rater.kind == RaterKind.HUMAN and each.row.outcome != Outcome.SKIPPED:
            taken[each.row.comparison_id] = taken.get(each.row.comparison_id, 0) + 1
    fill_slots(taken)
