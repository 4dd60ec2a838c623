"""What a project and each judge of it has spent on calls, and may."""

from decimal import Decimal
from typing import NamedTuple

from feedback.models import Project
from judges.models import Budget

NOTHING = Decimal(0)


class Spending(NamedTuple):
    """``judge_name`` is empty for the whole project; dollars, and ``limit`` is None where there is none."""

    judge_name: str
    spent: Decimal
    reserved: Decimal
    limit: Decimal | None

    @property
    def left(self) -> Decimal | None:
        return None if self.limit is None else max(NOTHING, self.limit - self.spent - self.reserved)


def spending_of(project: Project) -> list[Spending]:
    """The project first, then each judge by name, also those that have spent nothing."""
    rows = {row.judge_name: row for row in Budget.objects.filter(project=project)}
    names = ["", *sorted(set(project.judges.values_list("name", flat=True)))]
    return [_spending(name, rows.get(name)) for name in names]


def _spending(name: str, row: Budget | None) -> Spending:
    return (
        Spending(name, row.spent, row.reserved, row.limit) if row else Spending(name, NOTHING, NOTHING, None)
    )
