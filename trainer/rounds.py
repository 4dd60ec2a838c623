"""What each round brought: comparisons, labels, people's work, the win rate of its version, and what it cost."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count

from alignment.models import Decision, Label
from feedback.models import Judgment, Project, RaterKind
from trainer.costs import cost_of
from trainer.models import Evaluation, Round
from trainer.queries import rounds_of
from trainer.tables import best_rate


class RoundRow(NamedTuple):
    """``human_labels`` counts people's verdicts on the round's comparisons; ``dollars`` was paid for its responses and
    judgments, ``seconds`` is the training of its version with its ancestors."""

    round: Round
    comparisons: int
    labels: Mapping[str, int]
    human_labels: int
    evaluation: Evaluation | None
    win_rate: Mapping[str, Any]
    dollars: Decimal
    seconds: float


def round_rows(project: Project) -> list[RoundRow]:
    """Newest first."""
    return [round_row(each) for each in rounds_of(project)]


def round_row(each: Round) -> RoundRow:
    """What one round brought by now."""
    comparisons = each.generation.comparisons.all()
    decided = Label.objects.filter(policy=each.policy, comparison__in=comparisons)
    counted = Counter(dict(decided.values_list("decision").annotate(Count("pk")).order_by()))
    said = Judgment.objects.filter(
        comparison__in=comparisons, current=True, adjudicates=False, rater__kind=RaterKind.HUMAN
    )
    version = each.generation.model_version
    ended = version.evaluations.exclude(result=None).order_by("-pk").first() if version else None
    judged = sum((run.spent for run in each.judge_runs.all()), Decimal(0))
    return RoundRow(
        each,
        comparisons.count(),
        {decision: counted[decision] for decision in Decision.values},
        said.count(),
        ended,
        best_rate(ended),
        each.generation.spent + judged,
        cost_of(version).seconds if version else 0.0,
    )


def rounds_table(rows: list[RoundRow]) -> Iterator[list[object]]:
    """The rounds as a table for a file."""
    yield [
        *("round", "started", "responses of", "comparisons", *Decision.values, "human labels"),
        *("routed to people", "win rate", "low", "high", "n", "dollars", "training seconds"),
    ]
    for row in rows:
        rate = [row.win_rate.get(part) for part in ("value", "low", "high", "n")]
        yield [
            row.round.number,
            row.round.created_at.isoformat(),
            row.round.generation.source,
            row.comparisons,
            *row.labels.values(),
            row.human_labels,
            "" if row.round.routed is None else row.round.routed,
            *("" if part is None else part for part in rate),
            str(row.dollars),
            row.seconds,
        ]
