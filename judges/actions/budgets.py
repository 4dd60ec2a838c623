"""Budgets are hard: what a call can cost at worst is reserved before it is sent, in one transaction with its row.

Three apply to a call: its run's, that of the judge's name, and the project's. The rows are locked while they are
read, so calls of several workers can not overshoot together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person
from judges.actions.pricing import NOTHING
from judges.models import Budget, Judge, JudgeRun

MOST = Decimal(999_999)  # dollars


@dataclass(frozen=True)
class Account:
    """Whose budgets a judge's calls are paid from. ``free``: nothing is ever booked."""

    budgets: tuple[int, ...]
    run_id: int | None
    free: bool = False

    @classmethod
    def of(cls, judge: Judge, run: JudgeRun | None, *, free: bool) -> "Account":
        if free:
            return cls((), None, free=True)
        rows = [
            Budget.objects.get_or_create(project=judge.project, judge_name=name)[0]
            for name in ("", judge.name)
        ]
        return cls(tuple(row.pk for row in rows), run.pk if run else None)

    def reserve(self, amounts: Sequence[Decimal | None]) -> int:
        """Reserve these amounts, in order, as far as every budget has room; how many fit.

        None, which is unknown, fits where nothing is limited.
        """
        if self.free:
            return len(amounts)
        room, total, fitting = self._room(), NOTHING, 0
        for amount in amounts:
            if room is not None and (amount is None or total + amount > room):
                break
            total, fitting = total + (amount or NOTHING), fitting + 1
        self._book(reserved=F("reserved") + total)
        return fitting

    def settle(self, *, released: Decimal, spent: Decimal) -> None:
        """Give back what was reserved, and book what was spent instead."""
        if not self.free and (released or spent):
            self._book(reserved=Greatest(F("reserved") - released, Value(NOTHING)), spent=F("spent") + spent)

    def _room(self) -> Decimal | None:
        """Dollars that every budget has left; None where there is none. Locks them, the project's first."""
        rooms = [
            row.limit - row.spent - row.reserved
            for row in Budget.objects.select_for_update().filter(pk__in=self.budgets).order_by("judge_name")
            if row.limit is not None
        ]
        run = JudgeRun.objects.filter(pk=self.run_id).first() if self.run_id else None
        if run is not None and run.budget is not None:
            rooms.append(run.budget - run.spent - run.reserved)
        return min(rooms, default=None)

    def _book(self, **changes: object) -> None:
        # In the order in which they are locked.
        for pk in self.budgets:
            Budget.objects.filter(pk=pk).update(**changes)
        if self.run_id:
            JudgeRun.objects.filter(pk=self.run_id).update(**changes)


def set_budget(*, project: Project, judge_name: str = "", limit: Decimal | None, by: Person) -> Budget:
    """Limit what a project, or the judge of this name in it, may spend on calls; None lifts the limit."""
    check_budget(limit)
    with transaction.atomic():
        row, _ = Budget.objects.select_for_update().get_or_create(project=project, judge_name=judge_name)
        row.limit = limit
        row.save(update_fields=("limit",))
        record(by=by, verb="set budget", target=row, project=project, judge=judge_name, limit=_said(limit))
    return row


def set_run_budget(*, run: JudgeRun, budget: Decimal | None, by: Person) -> None:
    """Change a run's own budget, also while it is under way; None lifts it."""
    check_budget(budget)
    with transaction.atomic():
        JudgeRun.objects.filter(pk=run.pk).update(budget=budget)
        record(by=by, verb="set budget", target=run, project=run.judge.project, limit=_said(budget))
    run.refresh_from_db(fields=("budget",))


def limits_on(judge: Judge, run: JudgeRun | None = None) -> list[tuple[str, Decimal, Decimal]]:
    """The limits in force on a judge's calls: what each is of, its dollars, and what of them is taken."""
    rows = Budget.objects.filter(
        project=judge.project_id, judge_name__in=("", judge.name), limit__isnull=False
    )
    found = [
        (
            gettext("of the judge %(name)r") % {"name": row.judge_name}
            if row.judge_name
            else gettext("of the project"),
            row.limit,
            row.spent + row.reserved,
        )
        for row in rows
        if row.limit is not None
    ]
    if run is not None and run.budget is not None:
        found.append((gettext("of this run"), run.budget, run.spent + run.reserved))
    return found


def why_no_room(judge: Judge, run: JudgeRun | None, *, priced: bool) -> str:
    """One sentence: which budget is used up, and what to do."""
    limits = limits_on(judge, run)
    if not priced:
        return unknown_price(judge)
    name, limit, taken = min(limits, key=lambda found: found[1] - found[2])
    return gettext(
        "The budget %(name)s, $%(limit)s, has no room for another call: $%(taken)s are spent or held for calls "
        "that may have been billed. Raise it, and resume."
    ) % {"name": name, "limit": f"{limit:.2f}", "taken": f"{taken:.4f}"}


def unknown_price(judge: Judge) -> str:
    return (
        f"The price of {judge.model!r} is not known, so no budget can be kept: add it to prices.toml in the var "
        "folder, or lift the budget."
    )


def check_budget(limit: Decimal | None) -> None:
    try:
        fits = limit is None or (limit.is_finite() and 0 <= limit <= MOST and round(limit, 6) == limit)
    except InvalidOperation:
        fits = False
    if not fits:
        raise Refused(
            f"A budget is a number of dollars from 0 to {MOST:,}, to the millionth at most.", field="budget"
        )


def _said(limit: Decimal | None) -> str:
    return "none" if limit is None else f"{limit:f}"
