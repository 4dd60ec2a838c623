"""A project's comparisons as records of our own format, page by page: what a backup is written of."""

from collections.abc import Iterator

from django.db.models import Prefetch, QuerySet

from feedback.models import Comparison, Flag, Judgment, Project, Purpose, Score, Slot
from feedback.records import ComparisonRecord, GoldRecord, JudgmentRecord, ResponseRecord, SpanRecord

_PAGE = 100  # comparisons


def project_records(project: Project) -> Iterator[ComparisonRecord]:
    """Every comparison but the repeats, with its current judgments, page by page: no long query, constant memory."""
    after = 0
    while page := list(_whole(project).filter(pk__gt=after)[:_PAGE]):
        after = page[-1].pk
        for comparison in page:
            yield _record(comparison)


def not_in_a_backup(project: Project) -> Iterator[str]:
    """What a backup does not hold, a clause each."""
    superseded = Judgment.objects.filter(rater__project=project, current=False).count()
    if superseded:
        yield f"{superseded} judgments that later ones superseded"
    repeated = Judgment.objects.filter(
        rater__project=project, current=True, comparison__purpose=Purpose.REPEAT
    ).count()
    if repeated:
        yield f"{repeated} answers to repeated items, which compare people with themselves"
    settled = Flag.objects.filter(
        judgment__rater__project=project, judgment__current=True, settled_at__isnull=False
    ).count()
    if settled:
        yield f"{settled} flags that reviewers have settled"
    if project.rubrics.exists():
        yield "the rubric: scores need one with the same criteria where they are imported"


def _whole(project: Project) -> QuerySet[Comparison]:
    judgments = Judgment.objects.filter(current=True).select_related("rater").order_by("pk")
    scores = Score.objects.select_related("criterion").order_by("position", "criterion__position")
    flags = Prefetch("flags", Flag.objects.filter(settled_at=None).order_by("pk"))
    return (
        Comparison.objects.filter(project=project)
        .exclude(purpose=Purpose.REPEAT)
        .order_by("pk")
        .select_related("prompt", "gold_answer")
        .prefetch_related(
            "tags",
            Prefetch("slots", Slot.objects.select_related("response").order_by("position")),
            Prefetch("judgments", judgments.prefetch_related(Prefetch("scores", scores), "spans", flags)),
        )
    )


def _record(comparison: Comparison) -> ComparisonRecord:
    slots = list(comparison.slots.all())
    keys = [slot.key for slot in slots]
    known = getattr(comparison, "gold_answer", None)
    return ComparisonRecord(
        key=comparison.external_id,
        prompt=comparison.prompt.messages,
        responses=[ResponseRecord(slot.key, slot.response.source, slot.response.text) for slot in slots],
        tags=[tag.name for tag in comparison.tags.all()],
        reference=comparison.prompt.reference,
        metadata=comparison.metadata,
        purpose=Purpose.TRAIN if known else comparison.purpose,
        gold=GoldRecord(dict(zip(keys, known.ranking, strict=True)), comparison.purpose, known.explanation)
        if known
        else None,
        judgments=[_judgment(judgment, keys) for judgment in comparison.judgments.all()],
    )


def _judgment(judgment: Judgment, keys: list[str]) -> JudgmentRecord:
    scores: dict[str, dict[str, int]] = {}
    for score in judgment.scores.all():
        scores.setdefault(keys[score.position], {})[score.criterion.name] = score.value
    return JudgmentRecord(
        rater=judgment.rater.name,
        kind=judgment.rater.kind,
        outcome=judgment.outcome,
        ranking=dict(zip(keys, judgment.ranking, strict=False)),
        strength=judgment.strength,
        shown=[keys[position] for position in judgment.shown],
        scores=scores,
        rationale=judgment.rationale,
        all_bad=judgment.all_bad,
        spans=[
            SpanRecord(keys[span.position], span.start, span.end, span.comment)
            for span in judgment.spans.all()
        ],
        flags=[flag.kind for flag in judgment.flags.all()],
        seconds=judgment.seconds,
        at=judgment.at,
        simulated=judgment.rater.simulated,
        adjudicates=judgment.adjudicates,
    )
