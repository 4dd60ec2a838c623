"""What people's answers say of them: measured from the store and kept, a row a person, until measured again.

A few thousand answers are measured while one waits for the page, more by a worker. The rows are made from the
judgments alone and replaced each time, so no audit line is written for them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from alignment.answers import answers_of, flags_by_person, load_answers, newest_answers, people_of
from alignment.models import PersonMeasure
from alignment.queries import PEOPLE_TASK
from alignment.statistics.people import (
    ATTENTION,
    GOLD,
    Answers,
    agreement_with_known,
    agreement_with_self,
    alpha_with_others,
    first_shown_preferred,
    median_seconds,
    skips,
)
from alignment.statistics.results import Statistic
from alignment.statistics.weeks import Weeks, by_week
from feedback.actions.jobs import Lease, queue_job
from feedback.models import Job, JobState, Project, Rater
from feedback.people import Person

Json = dict[str, Any]
SMALL = 20_000  # answers that are measured while one waits for the page
_FIRST_MONDAY = date(1970, 1, 5)


@dataclass(frozen=True)
class Standing:
    """How fresh a project's measures are. ``measured_at`` is None where there are none."""

    answers: int  # up to one more than SMALL
    measured_at: datetime | None
    outdated: bool

    @property
    def small(self) -> bool:
        return self.answers <= SMALL


def standing_of(project: Project) -> Standing:
    """Whether people answered since they were measured last."""
    measures = PersonMeasure.objects.filter(rater__project=project)
    counted = list(measures.values_list("rater_id", "measured_at", "figures__answers"))
    measured = {rater: at for rater, at, _ in counted}
    answers = len(answers_of(people_of(project)).order_by().values_list("pk")[: SMALL + 1])
    newer = any(
        rater not in measured or at > measured[rater] for rater, at in newest_answers(project).items()
    )
    changed = answers <= SMALL and answers != sum(n for *_, n in counted)
    return Standing(answers, min(measured.values(), default=None), newer or changed)


def measure_people(*, project: Project, alive: Callable[[], None] = lambda: None) -> None:
    """Measure everybody who judges in the project. Slow for a million answers: then ask for it as a job.

    ``alive`` is called every few seconds, so that a lease can be renewed.
    """
    now, people = timezone.now(), people_of(project)
    answers = load_answers(project, people, alive)
    alive()
    figures = _figures(project, people, answers, alive)
    weeks = _weeks_by_person(by_week(answers), len(people))
    rows = [
        PersonMeasure(rater=rater, figures=figures[number], weeks=weeks[number], measured_at=now)
        for number, rater in enumerate(people)
    ]
    with transaction.atomic():
        PersonMeasure.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["rater"],
            update_fields=["figures", "weeks", "measured_at"],
        )


def request_people(*, project: Project, by: Person) -> Job:
    """Have a worker measure the people; the job that waits to do so already, if there is one."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)  # asked for twice at once, it is still one job
        waiting = Job.objects.filter(project=project, task=PEOPLE_TASK, state=JobState.QUEUED).first()
        return waiting or queue_job(project=project, task=PEOPLE_TASK, queue="default", by=by)


def carry_out_people(lease: Lease) -> None:
    """The work of ``request_people``; started again, it measures anew."""
    job = Job.objects.select_related("project").get(pk=lease.job_id)
    lease.report(message=gettext_noop("Measuring what people's answers say."))
    measure_people(project=job.project, alive=lease.report)
    lease.report(done=1, total=1, message=gettext_noop("Measured everybody."))


def _figures(
    project: Project, people: list[Rater], answers: Answers, alive: Callable[[], None]
) -> list[Json]:
    """Each person's figures over all time; a statistic is ``{value, low, high, n}`` or says why it has no value."""
    flags = flags_by_person(project)
    seconds = median_seconds(answers)
    statistics: dict[str, list[Statistic]] = {}
    measures: dict[str, Callable[[], list[Statistic]]] = {
        "gold": lambda: agreement_with_known(answers, GOLD),
        "attention": lambda: agreement_with_known(answers, ATTENTION),
        "others": lambda: alpha_with_others(answers),
        "self": lambda: agreement_with_self(answers),
        "side": lambda: first_shown_preferred(answers),
        "skips": lambda: skips(answers),
    }
    for name, measure in measures.items():
        statistics[name] = measure()
        alive()
    given = _count(answers)
    return [
        {
            "answers": given[number],
            "flags": flags[rater.pk],
            "seconds": seconds[number][0],
            "seconds_by_words": seconds[number][1],
            **{name: found[number].as_json() for name, found in statistics.items()},
        }
        for number, rater in enumerate(people)
    ]


def _count(answers: Answers) -> list[int]:
    counted = [0] * answers.raters
    for rater in answers.rater.tolist():
        counted[rater] += 1
    return counted


def _weeks_by_person(weeks: Weeks, people: int) -> list[list[Json]]:
    """Each person's weeks, earliest first, by the date of their Monday."""
    found: list[list[Json]] = [[] for _ in range(people)]
    for rater, week, *values in zip(*(column.tolist() for column in weeks), strict=True):
        named = dict(zip(Weeks._fields[2:], values, strict=True))
        known = {name: None if value != value else value for name, value in named.items()}
        share = named["gold_right"] / named["gold"] if named["gold"] else None
        monday = _FIRST_MONDAY + timedelta(weeks=week)
        found[rater].append({"week": monday.isoformat(), **known, "gold_share": share})
    return found
