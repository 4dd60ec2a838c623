"""What a model version cost: seconds of training, and the judgments that its data rests on, with its ancestors'."""

from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from feedback.models import RaterKind
from judges.models import JudgeCall
from trainer.lineage import lineage_of, raters
from trainer.models import ModelVersion, Run

EQUAL = 0.1  # costs that differ by no more than this share of the larger one count as equal


class Cost(NamedTuple):
    """``seconds`` of all runs from the oldest ancestor on, ``own_seconds`` of the last one alone, ``training`` their
    price at what an hour cost where each ran, None where no launcher has a price.

    ``people`` counts people's judgments in the snapshots, ``judges`` machines', ``dollars`` what the project's judges
    of the same names were paid in all, None where nothing has a price.
    """

    own_seconds: float
    seconds: float
    training: float | None
    people: int
    judges: int
    dollars: Decimal | None

    def training_at(self, per_hour: float | None) -> float | None:
        """The training at one price an hour, or at the launchers' own."""
        return self.training if per_hour is None else self.seconds / 3600 * per_hour


def cost_of(version: ModelVersion) -> Cost:
    """The cost of the version's whole lineage; a snapshot that several of its runs used counts once."""
    steps = lineage_of(version)
    seconds = [step.run.seconds if step.run else 0.0 for step in steps]
    priced = [
        taken / 3600 * _hour_price(step.run) for taken, step in zip(seconds, steps, strict=True) if step.run
    ]
    snapshots = {step.snapshot.pk: step.snapshot for step in steps if step.snapshot}
    said = [rater for snapshot in snapshots.values() for rater in raters(snapshot)]
    names = {rater["name"] for rater in said if rater["kind"] != RaterKind.HUMAN}
    calls = JudgeCall.objects.filter(judge__project=version.project_id, judge__rater__name__in=names)
    return Cost(
        own_seconds=seconds[-1],
        seconds=sum(seconds),
        training=sum(priced) or None,
        people=sum(rater["judgments"] for rater in said if rater["kind"] == RaterKind.HUMAN),
        judges=sum(rater["judgments"] for rater in said if rater["kind"] != RaterKind.HUMAN),
        dollars=calls.aggregate(total=Sum("cost"))["total"],
    )


def _hour_price(run: Run) -> float:
    return float((run.spec.get("budget") or {}).get("hour_price") or 0.0)


def equal(costs: list[Cost]) -> bool:
    """Whether these versions took as long to train, to within EQUAL."""
    seconds = [cost.seconds for cost in costs]
    return bool(seconds) and max(seconds) - min(seconds) <= EQUAL * max(seconds)
