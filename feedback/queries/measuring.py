"""Reads that measure people: what they said on items whose answer is known, and the items they have still to meet.

An answer is right where its ranking is the known one, rank for rank: a tie is right only where the known answer has
that tie, and one more or one less makes it wrong. Both are stored with ranks from 1 without gaps, so the database
compares them as they stand. Only verdicts given since the comparison became gold count; a skip is neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from feedback.models import (
    Assignment,
    Comparison,
    GoldAnswer,
    Judgment,
    Outcome,
    Project,
    Purpose,
    Qualification,
    QueueItem,
    Rater,
    RaterKind,
    SliceRule,
)

CHECKS = (Purpose.GOLD, Purpose.ATTENTION)
GOLD_PAGE = 50


@dataclass(frozen=True)
class Score:
    """How many of ``n`` answers to items with a known answer were right."""

    right: int
    n: int

    @property
    def share(self) -> float | None:
        return self.right / self.n if self.n else None


def checks_answered(rater: Rater, *, since: datetime | None = None) -> QuerySet[Judgment]:
    """This person's verdicts on gold and attention items, newest first; found from the gold, which is little."""
    gold = GoldAnswer.objects.filter(
        comparison__project=rater.project_id, comparison__purpose__in=CHECKS
    ).values("comparison")
    verdicts = Judgment.objects.filter(
        comparison__in=gold,
        rater=rater,
        current=True,
        adjudicates=False,
        outcome=Outcome.RANKED,
        at__gte=F("comparison__gold_answer__created_at"),
    )
    return (verdicts.filter(at__gte=since) if since else verdicts).order_by("-at", "-pk")


def score_of(judgments: QuerySet[Judgment]) -> Score:
    """How many of these answers to items with a known answer are right."""
    said = judgments.values_list("ranking", "comparison__gold_answer__ranking")
    right = [ranking == known for ranking, known in said]
    return Score(sum(right), len(right))


def unmet(rater: Rater, purpose: str) -> QuerySet[Comparison]:
    """The measuring items of this purpose that this person has not answered, does not hold, and is qualified for.

    Its cost grows with the items of this purpose, not with what the person has done.
    """
    mine = Assignment.objects.filter(comparison=OuterRef("pk"), rater=rater)
    met = mine.filter(Q(done_at__isnull=False) | Q(expires_at__isnull=False))
    judged = Judgment.objects.filter(comparison=OuterRef("pk"), rater=rater, current=True)
    items = Comparison.objects.filter(project=rater.project_id, purpose=purpose, retired_at=None)
    return items.filter(~Exists(met), ~Exists(judged), ~Exists(_asking_more_than(rater)))


def unpractised(rater: Rater) -> QuerySet[Comparison]:
    """The practice items that this person has still to answer, also those they hold."""
    answered = Judgment.objects.filter(comparison=OuterRef("pk"), rater=rater, current=True)
    items = Comparison.objects.filter(project=rater.project_id, purpose=Purpose.PRACTICE, retired_at=None)
    return items.filter(~Exists(answered), ~Exists(_asking_more_than(rater)))


def checks_in(project: Project) -> int:
    """How many gold and attention items people can still meet in this project."""
    return project.comparisons.filter(purpose__in=CHECKS, retired_at=None).count()


def answers_needed(project: Project) -> int:
    """How many gold and attention items somebody answers before they can be stopped: half the window, rounded up."""
    return (project.gold_window + 1) // 2


def stopped_people(project: Project) -> QuerySet[Rater]:
    """Those who are given nothing more, the last one stopped first."""
    return project.raters.filter(kind=RaterKind.HUMAN, stopped_at__isnull=False).order_by("-stopped_at")


@dataclass(frozen=True)
class GoldPage:
    """Gold items by id, each with how many people answered it (``answered``) and how many of them right (``right``)."""

    rows: Sequence[Comparison]
    after: int | None


def gold_page(project: Project, *, after: int | None = None) -> GoldPage:
    """The GOLD_PAGE items with a known answer after an id, retired ones among them."""
    verdicts = Q(
        judgments__current=True,
        judgments__adjudicates=False,
        judgments__outcome=Outcome.RANKED,
        judgments__rater__kind=RaterKind.HUMAN,
        judgments__at__gte=F("gold_answer__created_at"),
    )
    right = verdicts & Q(judgments__ranking=F("gold_answer__ranking"))
    items = project.comparisons.filter(pk__gt=after or 0, gold_answer__isnull=False)
    counted = items.annotate(answered=Count("judgments", verdicts), right=Count("judgments", right))
    rows = list(counted.select_related("prompt", "gold_answer").order_by("pk")[: GOLD_PAGE + 1])
    more, rows = len(rows) > GOLD_PAGE, rows[:GOLD_PAGE]
    return GoldPage(rows, rows[-1].pk if more else None)


def answers_to(comparison: Comparison) -> QuerySet[Judgment]:
    """What people say of one comparison, newest first."""
    said = comparison.judgments.filter(current=True, adjudicates=False, rater__kind=RaterKind.HUMAN)
    return said.select_related("rater").order_by("-at", "-pk")


@dataclass(frozen=True)
class QueueCounts:
    """A project's queue now: comparisons somebody can take, judgments still wanted, leases, answers since midnight."""

    open: int
    wanted: int
    leased: int
    done_today: int


def queue_counts(project: Project) -> QueueCounts:
    items = QueueItem.objects.filter(project_id=project.pk, slots_free__gt=0)
    counted = items.aggregate(open=Count("pk"), wanted=Sum("slots_free"))
    people = project.raters.filter(kind=RaterKind.HUMAN)
    leases = Assignment.objects.filter(done_at=None, expires_at__gt=timezone.now(), rater__in=people)
    done = Judgment.objects.filter(rater__in=people, current=True, adjudicates=False, at__gte=midnight())
    return QueueCounts(counted["open"], counted["wanted"] or 0, leases.count(), done.count())


def midnight() -> datetime:
    """When today began, in the server's time zone."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _asking_more_than(rater: Rater) -> QuerySet[SliceRule]:
    """The rules of a comparison's tags that ask for a language or a skill this person does not have."""
    names = {
        kind: Qualification.objects.filter(rater=rater, kind=kind).values("name")
        for kind in Qualification.Kind.values
    }
    return SliceRule.objects.filter(tag__comparisons=OuterRef("pk")).exclude(
        Q(language="") | Q(language__in=names["language"]), Q(skill="") | Q(skill__in=names["skill"])
    )
