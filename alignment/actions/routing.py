"""The way back: what the policy could not decide returns to the people's queue, where an answer wins the most first."""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from alignment.models import Asking, Decision, Label, Labelling, Policy
from alignment.policy.document import PolicyDocument
from alignment.policy.routing import Need, Plan, plan
from alignment.policy.verdicts import ALL, Ground, tag_of
from alignment.queries import rater_names, settled_labelling, unjudged_by_people
from alignment.statistics.verdicts import Codes
from feedback.actions.assignments import ask_people, hold, reopen
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
    random, as the policy says, also out of what waits for people on another ground and keeps its place; it is kept on
    what ground each was asked. Gives how many of them a person can take now; at most nine people are asked about one.
    Refused before the policy is applied.
    """
    labelling = settled_labelling(policy.project, policy)
    if labelling is None:
        raise Refused(_("%(policy)s has not labelled anything yet: apply it first.") % {"policy": policy})
    unjudged = unjudged_by_people(policy.project)
    waiting = _waiting(policy.project, unjudged)
    wanted = _plan(labelling, unjudged, waiting, limit)
    new = wanted.only(~np.isin(wanted.comparison_ids, _all_of(waiting)))
    with transaction.atomic():
        hold(new.comparison_ids.tolist())
        _keep_grounds(wanted.only(np.isin(wanted.comparison_ids, unjudged)))
        requeued = _ask(new)
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


def _all_of(waiting: dict[str, Codes]) -> Codes:
    return np.concatenate(list(waiting.values()))


def _plan(labelling: Labelling, unjudged: Codes, waiting: dict[str, Codes], limit: int | None) -> Plan:
    policy = labelling.policy
    document = PolicyDocument.from_dict(policy.document)
    routed = Label.objects.filter(policy=policy, decision=Decision.ROUTED, comparison__retired_at=None)
    if document.conflict == "adjudicate":
        routed = routed.exclude(reason="conflict")
    rows = list(routed.order_by("comparison_id").values_list("comparison_id", "confidence"))
    doubtful = np.array([pk for pk, _sure in rows], dtype=np.int64)
    doubt = np.array([1.0 if sure is None else 1 - sure for _pk, sure in rows])
    asked, drawn = _all_of(waiting), waiting[Asking.Ground.DRAWN]
    new, undrawn = ~np.isin(doubtful, asked), np.setdiff1d(unjudged, drawn)
    needs = [
        *_certificates_short(labelling, np.setdiff1d(unjudged, asked), waiting[Asking.Ground.SLICE]),
        *_guarantees_short(labelling, undrawn, drawn),
    ]
    return plan(
        doubtful[new],
        doubt[new],
        undrawn,
        needs,
        at_random=_at_random(document, len(doubtful), len(drawn), limit),
        seed=len(unjudged),
        limit=limit,
    )


def _at_random(document: PolicyDocument, routed: int, drawn: int, limit: int | None) -> int:
    """How many to draw for calibration besides those that wait already."""
    share = math.ceil(document.random_share * (routed if limit is None else min(limit, routed)))
    return max(0, share - drawn)


def _certificates_short(labelling: Labelling, unasked: Codes, asked: Codes) -> list[Need]:
    """The judges whose test on a slice may be passed with some more answers than those to what is ``asked`` already."""
    short = [
        one
        for one in labelling.certificates
        if not one["trusted"] and one["needed"] and one["outlook"] != "fail" and one["reason"] != "drifted"
    ]
    project = labelling.policy.project
    untrusted = _labels(labelling, "no_trusted_verdict")
    verdicts = {judge: _judged_by(project, judge) for judge in {one["judge"] for one in short}}
    needs = []
    for one in short:
        said = verdicts[one["judge"]]
        judged = np.intersect1d(said, _members(project, one["slice"]))
        # On a slice with a certificate of its own the one over all says nothing.
        own = [each["slice"] for each in labelling.certificates if each["judge"] == one["judge"]]
        won = np.intersect1d(said, _spoken_for(project, one["slice"], own=own))
        waiting = len(np.intersect1d(untrusted, won))
        answers = one["needed"] - PEOPLE_TO_CERTIFY * len(np.intersect1d(asked, judged))
        hope, pool = 1.0 if one["outlook"] == "pass" else 0.5, np.intersect1d(unasked, judged)
        needs.append(Need(waiting, answers, hope, pool, PEOPLE_TO_CERTIFY, Ground.SLICE))
    return [need for need in needs if need.waiting and need.answers > 0 and len(need.pool)]


def _guarantees_short(labelling: Labelling, undrawn: Codes, drawn: Codes) -> list[Need]:
    """What is not shown of judges' word, on slices or over all; shown by a draw out of all comparisons alike."""
    project = labelling.policy.project
    unproven = _labels(labelling, "not_proven")
    shown = labelling.basis["guarantees"]
    own = [one["slice"] for one in shown if one["own"]]
    lent = [one["slice"] for one in shown if not one["own"]]
    needs = []
    for one in shown:
        if not one["own"] or one["threshold"] is not None or not one["needed"]:
            continue
        members = _members(project, one["slice"])
        inside = len(np.intersect1d(undrawn, members))
        missing = one["needed"] - len(np.intersect1d(drawn, members))
        waiting = len(np.intersect1d(unproven, _spoken_for(project, one["slice"], own=own, lent=lent)))
        if waiting and missing > 0 and inside:
            draws = -(-missing * len(undrawn) // inside)
            needs.append(Need(waiting, draws, 1.0, undrawn, 1, Ground.DRAWN))
    return needs


def _labels(labelling: Labelling, reason: str) -> Codes:
    """The comparisons that the policy labels for this reason."""
    return _ids(Label.objects.filter(policy=labelling.policy, reason=reason), "comparison_id")


def _members(project: Project, slice_name: str) -> Codes:
    """The comparisons of a slice."""
    return _ids(_within(project, slice_name), "pk")


def _spoken_for(project: Project, slice_name: str, *, own: Sequence[str], lent: Sequence[str] = ()) -> Codes:
    """The comparisons for which a finding on this slice speaks. One over all speaks for those in none of the slices
    that have their ``own``, and for those in one to which it is ``lent``."""
    members = _within(project, slice_name)
    if slice_name == ALL:
        members = members.filter(~_tagged(own) | _tagged(lent))
    return _ids(members, "pk")


def _within(project: Project, slice_name: str) -> QuerySet[Comparison]:
    members = Comparison.objects.filter(project=project, retired_at=None)
    return members if slice_name == ALL else members.filter(tags__name=tag_of(slice_name))


def _tagged(slices: Sequence[str]) -> Exists:
    tags = [tag_of(name) for name in slices if name != ALL]
    return Exists(Comparison.tags.through.objects.filter(comparison=OuterRef("pk"), tag__name__in=tags))


def _judged_by(project: Project, judge: str) -> Codes:
    """The comparisons on which the judge of this name gave a verdict."""
    raters = [pk for pk, name in rater_names(project).items() if name == judge]
    said = Judgment.objects.filter(rater__in=raters, current=True, outcome=Outcome.RANKED)
    return _ids(said, "comparison_id")


def _ids(rows: QuerySet[Any], column: str) -> Codes:
    return np.array(sorted(rows.order_by().values_list(column, flat=True)), dtype=np.int64)


def _keep_grounds(wanted: Plan) -> None:
    """Note on what ground each is asked. What was noted before stays, but that a later draw has it among others."""
    drawn = wanted.ground == Ground.DRAWN
    Asking.objects.bulk_create(_askings(wanted.only(~drawn)), batch_size=500, ignore_conflicts=True)
    Asking.objects.bulk_create(
        _askings(wanted.only(drawn)),
        batch_size=500,
        update_conflicts=True,
        unique_fields=["comparison"],
        update_fields=["ground"],
    )


def _askings(wanted: Plan) -> Iterator[Asking]:
    for comparison, ground in zip(wanted.comparison_ids.tolist(), wanted.ground.tolist(), strict=True):
        yield Asking(comparison_id=comparison, ground=_GROUNDS[ground])


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
