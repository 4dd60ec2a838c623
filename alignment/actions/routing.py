"""The way back: what the policy could not decide returns to the people's queue, where an answer wins the most first."""

import math
from contextlib import suppress
from itertools import groupby
from typing import Any

import numpy as np
from django.db import transaction
from django.utils.translation import gettext as _

from alignment.models import Asking, Decision, Label, Labelling, Policy
from alignment.policy.document import PolicyDocument
from alignment.policy.routing import Need, Plan, plan
from alignment.policy.verdicts import ALL, Ground
from alignment.queries import rater_names, settled_labelling, unjudged_by_people
from alignment.statistics.verdicts import Codes
from feedback.actions.assignments import ask_people, reopen
from feedback.actions.audit import record
from feedback.actions.reviews import ask_for_review
from feedback.errors import Refused
from feedback.models import Comparison, Judgment, Outcome, Project
from feedback.people import Person

PER_LABEL = 1000  # of priority, for each label that an answer wins; new comparisons have 0
PEOPLE_TO_CERTIFY = 3  # the test compares each person with two others
_GROUNDS = {
    Ground.DRAWN: Asking.Ground.DRAWN,
    Ground.SLICE: Asking.Ground.SLICE,
    Ground.GAIN: Asking.Ground.GAIN,
}


def route_to_people(*, policy: Policy, by: Person, limit: int | None = None) -> int:
    """Ask people about what is routed to them and what else wins labels, up to ``limit`` comparisons.

    A comparison's priority in the queue is the number of labels that an answer wins, in thousandths. Part is drawn at
    random, as the policy says, and it is kept on what ground each was asked. Gives how many of them a person can take
    now; at most nine people are asked about one. Refused before the policy is applied.
    """
    labelling = settled_labelling(policy.project, policy)
    if labelling is None:
        raise Refused(_("%(policy)s has not labelled anything yet: apply it first.") % {"policy": policy})
    unjudged = unjudged_by_people(policy.project)
    wanted = _plan(labelling, unjudged, _waiting(policy.project, unjudged), limit)
    _keep_grounds(wanted, unjudged)
    requeued = _ask(wanted)
    _ask_reviewers(policy, by)
    with transaction.atomic():
        record(by=by, verb="route to people", target=policy, project=policy.project, comparisons=requeued)
    return requeued


def _waiting(project: Project, unjudged: Codes) -> dict[str, Codes]:
    """The comparisons that people were asked about before and have not judged yet, by ground."""
    rows = Asking.objects.filter(comparison__project=project).values_list("ground", "comparison_id")
    found: dict[str, list[int]] = {ground: [] for ground in Asking.Ground.values}
    for ground, comparison in rows:
        found[ground].append(comparison)
    return {ground: np.intersect1d(np.array(ids, dtype=np.int64), unjudged) for ground, ids in found.items()}


def _plan(labelling: Labelling, unjudged: Codes, waiting: dict[str, Codes], limit: int | None) -> Plan:
    policy = labelling.policy
    document = PolicyDocument.from_dict(policy.document)
    routed = Label.objects.filter(policy=policy, decision=Decision.ROUTED, comparison__retired_at=None)
    if document.conflict == "adjudicate":
        routed = routed.exclude(reason="conflict")
    rows = list(routed.order_by("comparison_id").values_list("comparison_id", "confidence"))
    doubtful = np.array([pk for pk, _sure in rows], dtype=np.int64)
    doubt = np.array([1.0 if sure is None else 1 - sure for _pk, sure in rows])
    asked = np.concatenate(list(waiting.values()))
    new, open_ = ~np.isin(doubtful, asked), np.setdiff1d(unjudged, asked)
    drawn = len(waiting[Asking.Ground.DRAWN])
    needs = [
        *_certificates_short(labelling, open_, len(waiting[Asking.Ground.SLICE])),
        *_guarantees_short(labelling, open_, drawn),
    ]
    return plan(
        doubtful[new],
        doubt[new],
        open_,
        needs,
        at_random=_at_random(document, len(doubtful), drawn, limit),
        seed=len(unjudged),
        limit=limit,
    )


def _at_random(document: PolicyDocument, routed: int, drawn: int, limit: int | None) -> int:
    """How many to draw for calibration besides those that wait already."""
    share = math.ceil(document.random_share * (routed if limit is None else min(limit, routed)))
    return max(0, share - drawn)


def _certificates_short(labelling: Labelling, unjudged: Codes, asked: int) -> list[Need]:
    """The judges whose test on a slice may be passed with some more answers."""
    short = [
        one
        for one in labelling.certificates
        if not one["trusted"] and one["needed"] and one["outlook"] != "fail" and one["reason"] != "drifted"
    ]
    needs = []
    for one in short:
        pool = np.intersect1d(unjudged, _judged_by(labelling, one))
        waiting = Label.objects.filter(
            policy=labelling.policy,
            reason="no_trusted_verdict",
            comparison__in=_slice(labelling, one["slice"]),
        )
        hope = 1.0 if one["outlook"] == "pass" else 0.5
        answers = one["needed"] - PEOPLE_TO_CERTIFY * asked
        needs.append(Need(waiting.count(), answers, hope, pool, PEOPLE_TO_CERTIFY, Ground.SLICE))
    return [need for need in needs if need.waiting and need.answers > 0 and len(need.pool)]


def _guarantees_short(labelling: Labelling, unjudged: Codes, drawn: int) -> list[Need]:
    """What is not shown of judges' word, on slices or over all; shown by a draw out of all comparisons alike."""
    needs = []
    for one in labelling.basis["guarantees"]:
        if not one["own"] or one["threshold"] is not None or not one["needed"]:
            continue
        members = _slice(labelling, one["slice"])
        waiting = Label.objects.filter(policy=labelling.policy, reason="not_proven", comparison__in=members)
        inside = len(unjudged) if one["slice"] == ALL else max(1, members.count())
        every = _slice(labelling, ALL).count()
        draws = one["needed"] if one["slice"] == ALL else -(-one["needed"] * every // inside)
        needs.append(Need(waiting.count(), draws - drawn, 1.0, unjudged, 1, Ground.DRAWN))
    return [need for need in needs if need.waiting and need.answers > 0]


def _slice(labelling: Labelling, name: str) -> Any:
    members = Comparison.objects.filter(project=labelling.policy.project, retired_at=None)
    return members if name == ALL else members.filter(tags__name=name)


def _judged_by(labelling: Labelling, certificate: dict[str, Any]) -> Codes:
    """The comparisons of the certificate's slice on which its judge gave a verdict."""
    names = rater_names(labelling.policy.project)
    said = Judgment.objects.filter(
        rater__in=[pk for pk, name in names.items() if name == certificate["judge"]],
        current=True,
        outcome=Outcome.RANKED,
        comparison__in=_slice(labelling, certificate["slice"]),
    )
    return np.array(sorted(said.values_list("comparison_id", flat=True)), dtype=np.int64)


def _keep_grounds(wanted: Plan, unjudged: Codes) -> None:
    """Note on what ground each is asked that no person has judged; what was noted before stays."""
    new = np.isin(wanted.comparison_ids, unjudged)
    Asking.objects.bulk_create(
        (
            Asking(comparison_id=comparison, ground=_GROUNDS[ground])
            for comparison, ground in zip(
                wanted.comparison_ids[new].tolist(), wanted.ground[new].tolist(), strict=True
            )
        ),
        batch_size=500,
        ignore_conflicts=True,
    )


def _ask_reviewers(policy: Policy, by: Person) -> None:
    """Put what judges and people disagree on before a reviewer, where the policy says that one decides it."""
    if policy.document["conflict"] != "adjudicate":
        return
    contested = Label.objects.filter(policy=policy, reason="conflict", comparison__retired_at=None)
    for label in contested.select_related("comparison__project").iterator(chunk_size=500):
        with suppress(Refused):  # decided since
            ask_for_review(comparison=label.comparison, reason=label.sentence, by=by)


def _ask(wanted: Plan) -> int:
    several = wanted.people > 1
    for people in np.unique(wanted.people[several]).tolist():
        ask_people(wanted.comparison_ids[wanted.people == people].tolist(), overlap=people)
    requeued = 0
    urgency = np.maximum(1, np.round(PER_LABEL * wanted.gain)).astype(np.int64)
    rows = zip(wanted.comparison_ids.tolist(), urgency.tolist(), strict=True)
    for priority, group in groupby(rows, key=lambda row: row[1]):
        requeued += reopen([comparison for comparison, _priority in group], priority=priority)
    return requeued
