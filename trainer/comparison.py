"""Model versions side by side: the newest evaluation of each, its cost, and whether the costs are equal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from trainer.costs import Cost, cost_of, equal
from trainer.models import Evaluation, ModelVersion
from trainer.tables import NOTHING, Measure, measures

SHOWN = ("judges", "people", "people_and_judges", "equal_length")


class Compared(NamedTuple):
    """One version with its evaluation, None where it has none against this base."""

    version: ModelVersion
    evaluation: Evaluation | None
    measures: list[Measure]
    cost: Cost

    def by(self, who: str) -> Mapping[str, Any]:
        """The win rate as decided by ``who``."""
        return next((measure.win_rate for measure in self.measures if measure.by == who), NOTHING)

    @property
    def shown(self) -> list[Mapping[str, Any]]:
        return [self.by(who) for who in SHOWN]

    @property
    def graders(self) -> list[Mapping[str, Any]]:
        return [each for each in self._result.get("graders", ()) if each["ran"]]

    @property
    def regression(self) -> Mapping[str, Any] | None:
        tested: Mapping[str, Any] | None = self._result.get("regression")
        return tested

    @property
    def _result(self) -> Mapping[str, Any]:
        return (self.evaluation.result if self.evaluation else None) or {}


def compared(versions: Sequence[ModelVersion], base: ModelVersion | None) -> list[Compared]:
    """Each version with its newest evaluation against ``base``, or against whomever it was."""
    found = []
    for version in versions:
        ended = version.evaluations.exclude(result=None).select_related("base", "model_version")
        chosen = ended.filter(base=base) if base else ended
        evaluation = chosen.order_by("-pk").first()
        found.append(
            Compared(version, evaluation, measures(evaluation) if evaluation else [], cost_of(version))
        )
    return found


def same_cost(rows: Sequence[Compared]) -> bool | None:
    """Whether they took as long to train; None where there is nothing to compare."""
    trained = [row.cost for row in rows if row.cost.seconds]
    return equal(trained) if len(trained) > 1 else None


def compared_rows(rows: Sequence[Compared], per_hour: float | None) -> Iterator[list[object]]:
    """The table for a file."""
    cells = [f"{who} {part}" for who in SHOWN for part in ("win rate", "low", "high", "n")]
    yield [
        *("version", "method", "against", *cells, "regression set", "training seconds", "own seconds"),
        *("training dollars", "people's judgments", "machines' judgments", "judges' dollars"),
    ]
    for row in rows:
        rates = [said.get(part, "") for said in row.shown for part in ("value", "low", "high", "n")]
        yield [
            row.version.name,
            row.version.run.method if row.version.run else "",
            row.evaluation.base.name if row.evaluation else "",
            *("" if cell is None else cell for cell in rates),
            row.regression["verdict"] if row.regression else "",
            row.cost.seconds,
            row.cost.own_seconds,
            row.cost.training_at(per_hour) or "",
            row.cost.people,
            row.cost.judges,
            "" if row.cost.dollars is None else str(row.cost.dollars),
        ]
