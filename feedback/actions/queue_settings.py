"""How a project's queue works: whom it asks how often, what it pays and mixes in, and when it stops somebody."""

from dataclasses import asdict, dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from feedback.actions.audit import record
from feedback.actions.slots import MOST_PEOPLE
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person

MOST_MIXED_IN = 0.5  # of a person's items, gold, attention checks and repeats together
MOST_HELD = 50
LONGEST_LEASE = 86_400  # seconds
WIDEST_WINDOW = 1_000
MOST_PAY = 10_000  # dollars an hour


@dataclass(frozen=True)
class QueueSettings:
    """The fields of ``feedback.models.Project`` that the queue goes by; rates and ``gold_minimum`` are shares."""

    overlap: int
    batch_size: int
    lease_seconds: int
    cap_per_day: int | None
    cap_per_person: int | None
    gold_rate: float
    attention_rate: float
    repeat_rate: float
    gold_minimum: float | None
    gold_window: int
    pay_per_hour: float | None


def set_queue(*, project: Project, settings: QueueSettings, by: Person) -> None:
    """Let the project's queue work like this from now on; comparisons that are there keep their overlap.

    Refused, with the field at fault: a value out of its range, more than half of a person's items mixed in.
    """
    _check_ranges(settings)
    _check_rates(settings)
    changed = {name: value for name, value in asdict(settings).items() if getattr(project, name) != value}
    if not changed:
        return
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(**changed)
        record(by=by, verb="set queue", target=project, project=project, **changed)
    project.refresh_from_db()


def _check_ranges(settings: QueueSettings) -> None:
    ranges = {
        "overlap": (0, MOST_PEOPLE),
        "batch_size": (1, MOST_HELD),
        "lease_seconds": (60, LONGEST_LEASE),
        "gold_window": (1, WIDEST_WINDOW),
    }
    for name, (low, high) in ranges.items():
        if not low <= getattr(settings, name) <= high:
            said = _("This must be a number from %(low)s to %(high)s.")
            raise Refused(said % {"low": low, "high": high}, field=name)
    for name in ("cap_per_day", "cap_per_person"):
        if getattr(settings, name) is not None and getattr(settings, name) < 1:
            raise Refused(_("A cap is at least 1; leave it empty for none."), field=name)
    if settings.pay_per_hour is not None and not 0 < settings.pay_per_hour <= MOST_PAY:
        said = _(
            "The pay is a number of dollars over 0 and up to %(most)s; leave it empty where it is not known."
        )
        raise Refused(said % {"most": MOST_PAY}, field="pay_per_hour")


def _check_rates(settings: QueueSettings) -> None:
    rates = {name: getattr(settings, name) for name in ("gold_rate", "attention_rate", "repeat_rate")}
    for name, rate in rates.items():
        if not 0 <= rate <= MOST_MIXED_IN:
            raise Refused(_("This must be a share from 0 to 50 %."), field=name)
    if sum(rates.values()) > MOST_MIXED_IN:
        said = _("Gold, attention checks and repeats together are at most half of what a person is given.")
        raise Refused(said, field="gold_rate")
    if settings.gold_minimum is not None and not 0 < settings.gold_minimum <= 1:
        raise Refused(_("The minimum is a share over 0 and up to 100 %."), field="gold_minimum")
