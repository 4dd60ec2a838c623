"""Known answers that came with imported comparisons: stored beside the new ones, compared with those that are there."""

from collections.abc import Callable, Iterable, Mapping

from feedback.actions.judgment_rows import Placed, Stored
from feedback.answers import dense_ranks
from feedback.models import GoldAnswer
from feedback.records import ComparisonRecord, GoldRecord, Rejection


def store_gold(new: Iterable[tuple[ComparisonRecord, Stored]]) -> None:
    """Store the known answers of comparisons that were just made; their canonical order is their record's."""
    GoldAnswer.objects.bulk_create(
        GoldAnswer(
            comparison_id=row.pk,
            ranking=_ranking(record.gold, {each.key: at for at, each in enumerate(record.responses)}),
            explanation=record.gold.explanation,
        )
        for record, row in new
        if record.gold
    )


def reject_other_gold(placed: list[Placed], reject: Callable[[Rejection], None]) -> list[Placed]:
    """Those whose known answer, where they bring one, is the stored one; an import overwrites none."""
    bring = {one.comparison.pk for one in placed if one.record.gold}
    stored = GoldAnswer.objects.in_bulk(bring) if bring else {}
    agreeing = []
    for one in placed:
        if _agrees(one, stored.get(one.comparison.pk)):
            agreeing.append(one)
        else:
            reason = "the comparison is already there without this known answer; change it on the gold page"
            reject(Rejection(one.record.line, reason, "gold"))
    return agreeing


def _agrees(one: Placed, stored: GoldAnswer | None) -> bool:
    gold = one.record.gold
    if gold is None:
        return True
    same = stored is not None and stored.ranking == _ranking(gold, one.positions)
    return same and one.comparison.purpose == gold.use


def _ranking(gold: GoldRecord, positions: Mapping[str, int]) -> tuple[int, ...]:
    by_position = {positions[key]: rank for key, rank in gold.ranking.items()}
    return dense_ranks(tuple(by_position[position] for position in sorted(by_position)))
