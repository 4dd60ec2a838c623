"""The way back: what the policy could not decide returns to the people's queue, the most doubtful first."""

from itertools import groupby

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from alignment.models import Decision, Label, Policy
from feedback.actions.assignments import reopen
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.people import Person

MOST_URGENT = 1000  # the priority of a comparison of which nothing is known; new ones have 0


def route_to_people(*, policy: Policy, by: Person, limit: int | None = None) -> int:
    """Ask one more person about the comparisons routed to people, the least sure first, up to ``limit``.

    A comparison's priority in the queue is its doubt, 1 - confidence, in thousandths. Gives how many of them
    a person can take now; at most nine people are asked about one. Refused before the policy is applied.
    """
    if not policy.labels.exists():
        raise Refused(_("%(policy)s has not labelled anything yet: apply it first.") % {"policy": policy})
    routed = Label.objects.filter(policy=policy, decision=Decision.ROUTED, comparison__retired_at=None)
    doubtful = routed.order_by(F("confidence").asc(nulls_first=True), "comparison_id")
    rows = doubtful.values_list("confidence", "comparison_id")[:limit]
    requeued = 0
    for priority, group in groupby(rows, key=lambda row: _priority(row[0])):
        requeued += reopen([comparison_id for _, comparison_id in group], priority=priority)
    with transaction.atomic():
        record(by=by, verb="route to people", target=policy, project=policy.project, comparisons=requeued)
    return requeued


def _priority(confidence: float | None) -> int:
    return MOST_URGENT if confidence is None else max(1, round(MOST_URGENT * (1 - confidence)))
