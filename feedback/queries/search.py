"""Finding comparisons among a million: every filter is a part of an address, every page is found step by step.

A filter that few comparisons fit can not be answered by one statement in a bounded time on every database, so the
comparisons are gone through by id in stretches that grow: a filter that many fit is answered by the first small
one, one that has an index by a few large ones, and a text that is nowhere is looked for until the time is up. Then
the page says how far it came, and goes on from there.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import reduce
from operator import or_

from django.db import connection, transaction
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet

from feedback.models import (
    Comparison,
    Flag,
    Judgment,
    Outcome,
    Project,
    QueueItem,
    RaterKind,
    ReviewItem,
    Slot,
)
from feedback.parameters import whole

PAGE = 25
MOST_COUNTED = 10_000
SECONDS = 1.5  # one request looks for so long, then says how far it came
FIRST_STRETCH = 512  # ids
GROWTH = 4  # times as long is the next stretch
LAST = 2**62  # an id after all that there are
SUGGESTED_FROM = 200  # comparisons whose sources are suggested

NO_JUDGMENT = "none"
DISAGREEMENTS = ("people", "judges")
STATES = ("open", "full", "retired", "flagged")


@dataclass(frozen=True)
class ComparisonFilter:
    """What a list of comparisons is narrowed to; an empty part narrows nothing.

    ``q`` is looked for in prompts and responses, ``source`` is a response's, ``rater`` the number of one who judged.
    ``outcome`` is one of Outcome, "tie", "all_bad", or "none" for no judgment: the rater's, where one is given, else
    anybody's. ``disagreement`` is between "people", or between people and "judges". ``state`` is "open" where people
    can take it now, "full" where nobody can, "retired", or "flagged" where a flag waits for a reviewer.
    """

    q: str = ""
    tag: str = ""
    source: str = ""
    rater: str = ""
    outcome: str = ""
    disagreement: str = ""
    purpose: str = ""
    state: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "ComparisonFilter":
        """What an address says, without NUL characters, which PostgreSQL does not even look for."""
        wanted = (field.name for field in fields(cls))
        return cls(**{name: parameters.get(name, "").replace("\x00", "").strip() for name in wanted})

    def parameters(self) -> dict[str, str]:
        """The parts that narrow something, as an address has them."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class ComparisonPage:
    """One page of comparisons by id, with the ids that lead to its neighbours.

    ``searched`` is None where the page is whole; otherwise the time was up before it was, and that share of what lies
    before or after, from 0 to 1, has been gone through.
    """

    rows: list[Comparison]
    before: int | None
    after: int | None
    searched: float | None = None


@dataclass(frozen=True)
class Counted:
    """How many were found. Not ``exact``: there may be more."""

    count: int
    exact: bool


def comparison_page(
    project: Project,
    wanted: ComparisonFilter,
    *,
    after: int | None = None,
    before: int | None = None,
    seconds: float = SECONDS,
) -> ComparisonPage:
    """The PAGE comparisons after or before an id; it costs no more for a later page or a larger project.

    Where ``seconds`` are over before the page is full, it holds what was found and leads on from where it came.
    """
    backwards = before is not None
    first, last = _span(project, after=after, before=before)
    found: list[int] = []
    reached: int | None = None
    for low, high in _stretches(first, last, seconds, backwards=backwards):
        most = PAGE + 1 - len(found)
        found += matching(project, wanted, low, high, backwards=backwards, most=most)
        reached = low if backwards else high
        if len(found) > PAGE:
            break
    whole = len(found) > PAGE or reached is None or reached == (first if backwards else last)
    shown = _rows(found[:PAGE][::-1] if backwards else found[:PAGE])
    more = len(found) > PAGE
    if backwards:
        earlier = (shown[0].pk if more else reached) if more or not whole else None
        share = None if whole or reached is None else (last - reached + 1) / (last - first + 1)
        return ComparisonPage(shown, earlier, (before or 0) - 1, share)
    later = (shown[-1].pk if more else reached) if more or not whole else None
    share = None if whole or reached is None else (reached - first + 1) / (last - first + 1)
    return ComparisonPage(shown, after + 1 if after else None, later, share)


def count_comparisons(
    project: Project, wanted: ComparisonFilter, *, most: int | None = MOST_COUNTED, seconds: float = SECONDS
) -> Counted:
    """How many fit, counted up to ``most`` of them and for so many seconds."""
    first, last = _span(project)
    count, reached = 0, first - 1
    for low, high in _stretches(first, last, seconds):
        left = None if most is None else most + 1 - count
        count += _count(project, wanted, low, high, left)
        reached = high
        if most is not None and count > most:
            return Counted(most, exact=False)
    return Counted(count, exact=reached >= last)


def _count(project: Project, wanted: ComparisonFilter, low: int, high: int, most: int | None) -> int:
    if wanted.q:
        return len(matching(project, wanted, low, high, most=most))
    with _by_index():
        return _filtered(project, wanted, low, high)[:most].count()


def few_comparisons(
    project: Project, wanted: ComparisonFilter, most: int, *, seconds: float = SECONDS
) -> list[int] | None:
    """The ids of all that fit; None where they are more than ``most``, or not all found in so many seconds."""
    first, last = _span(project)
    found: list[int] = []
    reached = first - 1
    for low, high in _stretches(first, last, seconds):
        found += matching(project, wanted, low, high, most=most + 1 - len(found))
        reached = high
        if len(found) > most:
            return None
    return found if reached >= last else None


def matching(
    project: Project,
    wanted: ComparisonFilter,
    low: int = 1,
    high: int = LAST,
    *,
    backwards: bool = False,
    most: int | None = None,
) -> list[int]:
    """The ids that fit from ``low`` to ``high``, in order, the first ``most`` of them.

    A value that no comparison has fits none.
    """
    order = "-pk" if backwards else "pk"
    found: set[int] = set()
    with _by_index():
        for part in _parts(project, wanted, low, high):
            found.update(part.order_by(order).values_list("pk", flat=True)[:most])
    return sorted(found, reverse=backwards)[:most]


def _parts(project: Project, wanted: ComparisonFilter, low: int, high: int) -> Iterator[QuerySet[Comparison]]:
    """What fits, each at least once: a text is looked for in prompts and in responses by a statement each.

    In one, with "or" between them, PostgreSQL reads every response there is.
    """
    found = _filtered(project, wanted, low, high)
    if not wanted.q:
        yield found
        return
    # The prompt's JSON has its own way of writing some characters.
    written = {json.dumps(wanted.q)[1:-1], json.dumps(wanted.q, ensure_ascii=False)[1:-1]}
    yield found.filter(reduce(or_, (Q(prompt__messages__icontains=text) for text in sorted(written))))
    yield found.filter(
        Exists(Slot.objects.filter(comparison=OuterRef("pk"), response__text__icontains=wanted.q))
    )


def _filtered(project: Project, wanted: ComparisonFilter, low: int, high: int) -> QuerySet[Comparison]:
    """The project's comparisons in a stretch that all but the text keeps."""
    found = Comparison.objects.filter(project=project, pk__gte=low, pk__lte=high)
    if wanted.tag:
        tagged = Comparison.tags.through.objects.filter(
            comparison=OuterRef("pk"), tag__in=list(project.tags.filter(name=wanted.tag))
        )
        found = found.filter(Exists(tagged))
    if wanted.source:
        slots = Slot.objects.filter(comparison=OuterRef("pk"), response__source=wanted.source)
        found = found.filter(Exists(slots))
    if wanted.purpose:
        found = found.filter(purpose=wanted.purpose)
    for condition in (*_judged(wanted), *_disagreeing(wanted.disagreement), *_in_state(wanted.state)):
        found = found.filter(condition)
    return found


def suggested_sources(project: Project) -> list[str]:
    """Sources of the project's newest comparisons: enough to choose from, not all there are."""
    newest = project.comparisons.order_by("-pk").values_list("pk", flat=True)[:SUGGESTED_FROM]
    slots = Slot.objects.filter(comparison__in=list(newest)).values_list("response__source", flat=True)
    return sorted(set(slots))


def last_comparison(project: Project) -> int:
    """The id of the newest one, 0 where there is none."""
    return _span(project)[1]


def _stretches(
    first: int, last: int, seconds: float, *, backwards: bool = False
) -> Iterator[tuple[int, int]]:
    """Stretches of ids that grow, until the next one would not end in time; always at least one."""
    started, size, done = time.monotonic(), FIRST_STRETCH, 0
    while first + done <= last:
        low = max(first, last - done - size + 1) if backwards else first + done
        high = last - done if backwards else min(last, low + size - 1)
        begun = time.monotonic()
        yield low, high
        now = time.monotonic()
        done += size
        # So many times as long as the last, and so will be the time for it.
        if now - started + GROWTH * (now - begun) > seconds:
            return
        size *= GROWTH


@contextmanager
def _by_index() -> Iterator[None]:
    """Look rows up by their indexes, one after the other, which for a stretch of ids is always right.

    PostgreSQL knows how long the stretch of comparisons is but not that of their texts and judgments, and would read
    these tables whole.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        for name in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{name} = off")
        cursor.execute("SET LOCAL jit = off")
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        yield


def _span(project: Project, *, after: int | None = None, before: int | None = None) -> tuple[int, int]:
    """The first and the last id to look at; the last is before the first where there is none."""
    ends = Comparison.objects.filter(project=project).aggregate(first=Min("pk"), last=Max("pk"))
    first, last = ends["first"] or 1, ends["last"] or 0
    if before is not None:
        last = min(last, before - 1)
    return max(first, (after or 0) + 1), last


def _rows(ids: list[int]) -> list[Comparison]:
    flagged = Exists(Flag.objects.filter(comparison=OuterRef("pk"), settled_at=None))
    rows = Comparison.objects.filter(pk__in=ids).select_related("prompt", "queue_item")
    return list(rows.prefetch_related("tags", "judgments__rater").annotate(open_flags=flagged).order_by("pk"))


def _judged(wanted: ComparisonFilter) -> Iterator[Q]:
    judged = Judgment.objects.filter(comparison=OuterRef("pk"), current=True)
    if wanted.rater:
        judged = judged.filter(rater_id=whole(wanted.rater) or 0)
        if not wanted.outcome:
            yield Q(Exists(judged))
    if wanted.outcome == NO_JUDGMENT:
        yield ~Q(Exists(judged))
    elif wanted.outcome == "tie":
        # All ranks equal; they are dense, so they are all 1.
        yield Q(Exists(judged.filter(ranking__regex=r"^1(,1)*$")))
    elif wanted.outcome == "all_bad":
        yield Q(Exists(judged.filter(all_bad=True)))
    elif wanted.outcome:
        yield Q(Exists(judged.filter(outcome=wanted.outcome)))


def _disagreeing(between: str) -> Iterator[Q]:
    """A person's verdict and another's that differs; reviewers' decisions are no party to it."""
    if not between:
        return
    if between not in DISAGREEMENTS:
        yield Q(pk__in=[])
        return
    if between == "people":
        yield Q(Exists(ReviewItem.objects.filter(comparison=OuterRef("pk"), agreement__lt=1000)))
        return
    said = Judgment.objects.filter(current=True, outcome=Outcome.RANKED, adjudicates=False)
    machines = said.filter(comparison=OuterRef("comparison")).exclude(rater__kind=RaterKind.HUMAN)
    people = said.filter(comparison=OuterRef("pk"), rater__kind=RaterKind.HUMAN)
    yield Q(Exists(people.filter(Exists(machines.exclude(ranking=OuterRef("ranking"))))))


def _in_state(state: str) -> Iterator[Q]:
    waiting = Q(Exists(QueueItem.objects.filter(comparison=OuterRef("pk"), slots_free__gt=0)))
    if state == "open":
        yield Q(retired_at=None) & waiting
    elif state == "full":
        yield Q(retired_at=None) & ~waiting
    elif state == "retired":
        yield Q(retired_at__isnull=False)
    elif state == "flagged":
        yield Q(Exists(Flag.objects.filter(comparison=OuterRef("pk"), settled_at=None)))
    elif state:
        yield Q(pk__in=[])
