"""A project's comparisons as records of our own format, page by page: what a backup is written of.

Each page is a handful of plain queries; objects of the models, with all their relations, would take ten times as long.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from alignment.models import Asking
from feedback.models import Comparison, Flag, Judgment, Project, Purpose, Score, Slot, Span
from feedback.records import ComparisonRecord, GoldRecord, JudgmentRecord, ResponseRecord, SpanRecord

_PAGE = 500  # comparisons
_COMPARISON = (
    "pk", "external_id", "prompt__messages", "prompt__reference", "metadata", "purpose",
    "gold_answer__ranking", "gold_answer__explanation",
)  # fmt: skip
_JUDGMENT = (
    "pk", "comparison_id", "rater__name", "rater__kind", "rater__simulated", "outcome", "ranking", "strength", "shown",
    "rationale", "all_bad", "seconds", "at", "adjudicates",
)  # fmt: skip


class _Range(NamedTuple):
    """The project's comparisons from ``after`` to ``last``. Repeats that lie between are read and passed over."""

    project: int
    after: int
    last: int

    def of(self, path: str) -> Q:
        """What points at one of them by ``path``: two bounds cost nothing, where a list of ids costs more than rows."""
        return Q((f"{path}__project", self.project), (f"{path}__gt", self.after), (f"{path}__lte", self.last))


def project_records(project: Project) -> Iterator[ComparisonRecord]:
    """Every comparison but the repeats, with its current judgments: no long query, constant memory."""
    after = 0
    wanted = Comparison.objects.filter(project=project).exclude(purpose=Purpose.REPEAT).order_by("pk")
    while page := list(wanted.filter(pk__gt=after).values_list(*_COMPARISON)[:_PAGE]):
        among = _Range(project.pk, after, after := page[-1][0])
        responses = _responses(among)
        tags = _grouped(
            Comparison.tags.through.objects.filter(among.of("comparison")).order_by("tag__name"),
            "comparison_id",
            "tag__name",
        )
        judgments = _judgments(among, responses)
        for pk, external_id, messages, reference, metadata, purpose, ranking, explanation in page:
            known = ranking is not None
            keys = [response.key for response in responses[pk]]
            yield ComparisonRecord(
                key=external_id,
                prompt=messages,
                responses=responses[pk],
                tags=[name for (name,) in tags.get(pk, ())],
                reference=reference,
                metadata=metadata,
                purpose=Purpose.TRAIN if known else purpose,
                gold=GoldRecord(dict(zip(keys, ranking, strict=True)), purpose, explanation)
                if known
                else None,
                judgments=judgments.get(pk, ()),
            )


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
    asked = Asking.objects.filter(comparison__project=project).count()
    if asked:
        yield f"the grounds on which people were asked about {asked} comparisons, which calibration goes by"
    if project.rubrics.exists():
        yield "the rubric: scores need one with the same criteria where they are imported"


def _responses(among: _Range) -> dict[int, list[ResponseRecord]]:
    slots = Slot.objects.filter(among.of("comparison")).order_by("comparison", "position")
    found = _grouped(slots, "comparison_id", "key", "response__source", "response__text")
    return {pk: [ResponseRecord(*each) for each in rows] for pk, rows in found.items()}


def _judgments(
    among: _Range, responses: Mapping[int, Sequence[ResponseRecord]]
) -> dict[int, list[JudgmentRecord]]:
    current = among.of("judgment__comparison") & Q(judgment__current=True)
    scores = _grouped(
        Score.objects.filter(current).order_by("judgment", "position", "criterion__position"),
        "judgment_id", "position", "criterion__name", "value",
    )  # fmt: skip
    spans = _grouped(
        Span.objects.filter(current).order_by("judgment", "position", "start", "pk"),
        "judgment_id", "position", "start", "end", "comment",
    )  # fmt: skip
    flags = _grouped(Flag.objects.filter(current, settled_at=None).order_by("pk"), "judgment_id", "kind")
    rows = (
        Judgment.objects.filter(among.of("comparison"), current=True).order_by("pk").values_list(*_JUDGMENT)
    )
    found: dict[int, list[JudgmentRecord]] = {}
    for pk, comparison, rater, kind, simulated, outcome, ranking, strength, shown, rationale, *rest in rows:
        all_bad, seconds, at, adjudicates = rest
        keys = [response.key for response in responses[comparison]]
        record = JudgmentRecord(
            rater=rater,
            kind=kind,
            outcome=outcome,
            ranking=dict(zip(keys, ranking, strict=False)),
            strength=strength,
            shown=[keys[position] for position in shown],
            scores=_levels(scores.get(pk, ()), keys),
            rationale=rationale,
            all_bad=all_bad,
            spans=[SpanRecord(keys[position], *span) for position, *span in spans.get(pk, ())],
            flags=[flag for (flag,) in flags.get(pk, ())],
            seconds=seconds,
            at=at,
            simulated=simulated,
            adjudicates=adjudicates,
        )
        found.setdefault(comparison, []).append(record)
    return found


def _levels(scores: Sequence[tuple[Any, ...]], keys: Sequence[str]) -> dict[str, dict[str, int]]:
    levels: dict[str, dict[str, int]] = {}
    for position, criterion, value in scores:
        levels.setdefault(keys[position], {})[criterion] = value
    return levels


def _grouped(rows: QuerySet[Any], by: str, *columns: str) -> dict[int, list[tuple[Any, ...]]]:
    """The columns of the rows, by one of them, in their order."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for key, *values in rows.values_list(by, *columns):
        found.setdefault(key, []).append(tuple(values))
    return found
