"""Judgments that came with imported comparisons become rows: checked one by one, stored in bulk, each once.

The same judgment has the same submission id in every import. A rater's judgment that came another way,
through the queue or from a judge, and says the same counts as unchanged; one that says something else is
rejected, since only one judgment of a rater counts and an import overwrites none. Whoever has an account
here judges with it: an import gives nothing new in their name.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from django.utils import timezone

from feedback.actions.copying import store_new
from feedback.actions.judgment_rows import NewJudgment, NewSpan, Placed, content_id
from feedback.actions.review_items import Said
from feedback.models import MEASURING, Flag, Judgment, Outcome, Project, Rater, RaterKind, Score, Span
from feedback.records import JudgmentRecord, Rejection

_JUDGMENT = (
    "comparison_id", "rater_id", "submission_id", "outcome", "ranking", "strength", "shown", "all_bad", "adjudicates",
    "rationale", "seconds", "at",
)  # fmt: skip
DECIDED = 0  # stands for the rater of an adjudication, of which a comparison has one, whoever made it
Identity = tuple[int, int]  # a comparison and who judged it


class _Arrived(NamedTuple):
    """A judgment that is about to be stored: where it came from, and whose it is."""

    placed: Placed
    number: int
    new: NewJudgment
    rater: Rater

    @property
    def where(self) -> str:
        return f"judgments[{self.number}]"

    @property
    def identity(self) -> Identity:
        return _identity(self.placed.comparison.pk, self.rater.pk, self.new.record.adjudicates)


@dataclass
class _Known:
    """The judgments on a batch's comparisons: those that count, by who said them, and all submissions."""

    current: set[Identity] = field(default_factory=set)
    submissions: set[tuple[int, UUID]] = field(default_factory=set)


@dataclass(frozen=True)
class StoredJudgments:
    """The judgments that are new, and how many were there."""

    new: list[_Arrived]
    unchanged: int

    def people(self) -> dict[int, Said]:
        """What people say anew of each comparison that they have judged."""
        people: dict[int, Said] = {}
        for placed, _number, new, rater in self.new:
            if rater.kind == RaterKind.HUMAN:
                comparison, record = placed.comparison, new.record
                said = people.setdefault(comparison.pk, Said(comparison.purpose in MEASURING))
                said.add(record.outcome, new.ranking, record.adjudicates, len(record.flags))
        return people

    def taken(self) -> Counter[int]:
        """How many slots of each comparison they take."""
        return Counter(
            placed.comparison.pk
            for placed, _number, new, rater in self.new
            if rater.kind == RaterKind.HUMAN
            and new.record.outcome != Outcome.SKIPPED
            and not new.record.adjudicates
        )


class JudgmentStore:
    """One import's judgments, and the raters met so far."""

    def __init__(self, project: Project, reject: Callable[[Rejection], None]) -> None:
        self.project = project
        self.reject = reject
        self.raters: dict[tuple[str, str], Rater] = {}

    def store(self, placed: list[Placed], made: Collection[int]) -> "StoredJudgments":
        """Store the judgments of a batch. What they mean for queue and review is the caller's to do.

        ``made`` are the comparisons that were made in this transaction, on which there are no judgments yet.
        """
        arrived = [each for one in placed for each in self._arrived(one)]
        known = _known({each.placed.comparison.pk for each in arrived}.difference(made))
        new: dict[Identity, _Arrived] = {}
        differing = []
        unchanged = 0
        for each in arrived:
            submission = (each.rater.pk, each.new.submission_id)
            if submission in known.submissions:
                unchanged += 1
            elif (identity := each.identity) in known.current:
                differing.append(each)
            elif each.rater.user_id:
                self._reject_a_members(each)
            else:
                new[identity] = each
                known.current.add(identity)
                known.submissions.add(submission)
        _save(list(new.values()))
        return StoredJudgments(list(new.values()), unchanged + self._settle(differing))

    def _reject_a_members(self, each: _Arrived) -> None:
        reason = f"{each.rater.name} has an account in this project, and judges with it"
        self.reject(Rejection(each.placed.record.line, reason, f"{each.where}.rater"))

    def _settle(self, differing: list[_Arrived]) -> int:
        """How many say what the rater's current judgment says; the others are rejected."""
        stored = _contents({each.placed.comparison.pk for each in differing})
        same = 0
        for each in differing:
            if stored.get(each.identity) == each.new.submission_id:
                same += 1
            else:
                reason = f"{each.rater.name} has judged this comparison otherwise; only one judgment counts"
                self.reject(Rejection(each.placed.record.line, reason, each.where))
        return same

    def _arrived(self, placed: Placed) -> Iterable[_Arrived]:
        for index, new in enumerate(placed.judgments):
            if isinstance(new, Rejection):
                self.reject(new)
            else:
                yield _Arrived(placed, index, new, self._rater(new.record))

    def _rater(self, record: JudgmentRecord) -> Rater:
        identity = (record.kind, record.rater)
        if identity not in self.raters:
            self.raters[identity], _ = Rater.objects.get_or_create(
                project=self.project,
                kind=record.kind,
                name=record.rater,
                defaults={"simulated": record.simulated},
            )
        return self.raters[identity]


def _identity(comparison: int, rater: int, adjudicates: bool) -> Identity:
    return comparison, DECIDED if adjudicates else rater


def _known(comparisons: set[int]) -> _Known:
    known = _Known()
    rows = Judgment.objects.filter(comparison__among=comparisons)
    columns = ("comparison_id", "rater_id", "submission_id", "current", "adjudicates")
    for comparison, rater, submission, current, adjudicates in rows.values_list(*columns):
        known.submissions.add((rater, submission))
        if current:
            known.current.add(_identity(comparison, rater, adjudicates))
    return known


def _contents(comparisons: set[int]) -> dict[Identity, UUID]:
    """The id that each current judgment of these comparisons would have, had it been imported."""
    rows = Judgment.objects.filter(comparison__among=comparisons, current=True)
    rows = rows.select_related("rater", "comparison").prefetch_related("scores__criterion", "spans")
    return {
        _identity(row.comparison_id, row.rater_id, row.adjudicates): content_id(
            row.comparison.external_id,
            (row.rater.kind, row.rater.name),
            row,
            ranking=row.ranking,
            scores=[(score.position, score.criterion.name, score.value) for score in row.scores.all()],
            spans=[(span.position, span.start, span.end, span.comment) for span in row.spans.all()],
        )
        for row in rows
    }


def _save(arrived: list[_Arrived]) -> None:
    keys = store_new(Judgment, _JUDGMENT, map(_row, arrived))
    by_key = [(key, each.new, each.placed.comparison.pk) for key, each in zip(keys, arrived, strict=True)]
    store_new(
        Score,
        ("judgment_id", "criterion_id", "position", "value"),
        (
            [key, score.criterion.pk, score.position, score.value]
            for key, new, _comparison in by_key
            for score in new.scores
        ),
    )
    store_new(
        Span,
        ("judgment_id", *NewSpan._fields),
        ([key, *span] for key, new, _comparison in by_key for span in new.spans),
    )
    store_new(
        Flag,
        ("judgment_id", "comparison_id", "kind"),
        ([key, comparison, kind] for key, new, comparison in by_key for kind in new.record.flags),
    )


def _row(each: _Arrived) -> list[object]:
    new, record = each.new, each.new.record
    return [
        each.placed.comparison.pk, each.rater.pk, new.submission_id, record.outcome, new.ranking, record.strength,
        new.shown, record.all_bad, record.adjudicates, record.rationale, record.seconds, record.at or timezone.now(),
    ]  # fmt: skip
