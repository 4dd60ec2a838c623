"""Judgments that came with imported comparisons become rows: checked one by one, stored in bulk, each once.

The same judgment has the same submission id in every import. A rater's judgment that came another way,
through the queue or from a judge, and says the same counts as unchanged; one that says something else is
rejected, since only one judgment of a rater counts and an import overwrites none. Whoever has an account
here judges with it: an import gives nothing new in their name.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from feedback.actions.copying import store_new
from feedback.actions.judgment_rows import JudgmentReader, JudgmentRows, Placed, content_id
from feedback.models import Flag, Judgment, Outcome, Project, RaterKind, Score, Span
from feedback.records import BadRecord, Rejection

_JUDGMENT = (
    "comparison_id", "rater_id", "submission_id", "outcome", "ranking", "strength", "shown", "all_bad", "adjudicates",
    "rationale", "seconds", "at",
)  # fmt: skip
_SCORE = ("criterion_id", "position", "value")
_SPAN = ("position", "start", "end", "comment")
_FLAG = ("comparison_id", "kind")
DECIDED = 0  # stands for the rater of an adjudication, of which a comparison has one, whoever made it


@dataclass(frozen=True)
class _Arrived:
    """A judgment that is about to be stored, and where it came from."""

    line: int
    where: str
    rows: JudgmentRows

    @property
    def row(self) -> Judgment:
        return self.rows.judgment

    @property
    def identity(self) -> tuple[int, int]:
        return _identity(self.row)

    @property
    def is_persons(self) -> bool:
        return self.row.rater.kind == RaterKind.HUMAN


@dataclass
class _Known:
    """The judgments on a batch's comparisons: those that count, by who said them, and all submissions."""

    current: dict[tuple[int, int], UUID] = field(default_factory=dict)
    submissions: set[tuple[int, UUID]] = field(default_factory=set)


@dataclass(frozen=True)
class StoredJudgments:
    """The judgments that are new, and how many were there."""

    new: list[_Arrived]
    unchanged: int

    def people(self) -> set[int]:
        """The comparisons that people have judged anew."""
        return {each.row.comparison_id for each in self.new if each.is_persons}

    def taken(self) -> Counter[int]:
        """How many slots of each comparison they take."""
        return Counter(
            each.row.comparison_id
            for each in self.new
            if each.is_persons and each.row.outcome != Outcome.SKIPPED and not each.row.adjudicates
        )


class JudgmentStore:
    """One import's judgments."""

    def __init__(self, project: Project, reject: Callable[[Rejection], None]) -> None:
        self.reject = reject
        self.reader = JudgmentReader(project)

    def store(self, placed: list[Placed]) -> "StoredJudgments":
        """Store the judgments of a batch. What they mean for queue and review is the caller's to do."""
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
        return StoredJudgments(list(new.values()), unchanged + self._settle(differing))

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
                rows = self.reader.read(placed, judgment)
            except BadRecord as bad:
                self.reject(Rejection(placed.record.line, bad.reason, f"{where}.{bad.field}"))
            else:
                yield _Arrived(placed.record.line, where, rows)


def _identity(judgment: Judgment) -> tuple[int, int]:
    return judgment.comparison_id, DECIDED if judgment.adjudicates else judgment.rater_id


def _known(comparisons: set[int]) -> _Known:
    known = _Known()
    rows = Judgment.objects.filter(comparison__in=comparisons)
    columns = ("comparison_id", "rater_id", "submission_id", "current", "adjudicates")
    for comparison, rater, submission, current, adjudicates in rows.values_list(*columns):
        known.submissions.add((rater, submission))
        if current:
            known.current[(comparison, DECIDED if adjudicates else rater)] = submission
    return known


def _contents(comparisons: set[int]) -> dict[tuple[int, int], UUID]:
    """The id that each current judgment of these comparisons would have, had it been imported."""
    rows = Judgment.objects.filter(comparison__in=comparisons, current=True).select_related(
        "rater", "comparison"
    )
    return {
        _identity(row): content_id(
            row.comparison.external_id, row, list(row.scores.all()), list(row.spans.all())
        )
        for row in rows.prefetch_related("scores__criterion", "spans")
    }


def _save(arrived: list[_Arrived]) -> None:
    keys = store_new(
        Judgment, _JUDGMENT, ([getattr(each.row, name) for name in _JUDGMENT] for each in arrived)
    )
    for each, key in zip(arrived, keys, strict=True):
        each.row.pk = key
    for model, names, parts in ((Score, _SCORE, "scores"), (Span, _SPAN, "spans"), (Flag, _FLAG, "flags")):
        store_new(
            model,
            ("judgment_id", *names),
            (
                [each.row.pk, *(getattr(part, name) for name in names)]
                for each in arrived
                for part in getattr(each.rows, parts)
            ),
        )
