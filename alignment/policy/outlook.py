"""What a policy would do, in figures, and beside it what simpler ways of labelling would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from alignment.policy.basis import Learnt
from alignment.policy.document import PolicyDocument
from alignment.policy.guarantee import fair_ground, rounded
from alignment.policy.labels import DECISIONS, REASONS, USED, Labels
from alignment.policy.study import Study, View
from alignment.policy.verdicts import ALL, Mask
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.intervals import cluster_share
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import MISSING, Codes


class Outlook(NamedTuple):
    """``expected_error`` is of the labels used, by their confidence; ``by_judges`` of them rest on judges' word alone,
    of which ``error`` was found on the calibration set above the threshold, ``bound`` is its exact upper bound."""

    labels: int
    decisions: dict[str, int]
    reasons: dict[str, int]
    coverage: float
    expected_error: float | None
    by_judges: int
    error: float | None
    bound: float | None


class Way(NamedTuple):
    """One way of labelling: its share of ``covered`` comparisons, how often people contradict it where they judged."""

    name: str
    covered: float
    error: Statistic


class CurvePoint(NamedTuple):
    """At this ``threshold``: the share of the comparisons that judges alone judged which reach it; on the calibration
    set ``n`` of which people contradict ``error``, at most ``bound``. ``chosen`` marks the policy's."""

    threshold: float
    coverage: float
    n: int
    error: float
    bound: float
    chosen: bool


def outlook(labels: Labels, learnt: Learnt) -> Outlook:
    used = labels.decision == USED
    alone = used & (labels.people == 0) & (labels.judges > 0)
    overall = learnt.guarantees.get(ALL)
    chosen = overall.selection.chosen if overall else None
    decisions = np.bincount(labels.decision, minlength=len(DECISIONS)).tolist()
    reasons = np.bincount(labels.reason, minlength=len(REASONS)).tolist()
    return Outlook(
        labels=len(labels),
        decisions=dict(zip(DECISIONS, decisions, strict=True)),
        reasons={name: n for name, n in zip(REASONS, reasons, strict=True) if n},
        coverage=float(used.mean()) if len(labels) else 0.0,
        expected_error=float(1 - labels.confidence[used].mean()) if used.any() else None,
        by_judges=int(alone.sum()),
        error=chosen.error if chosen else None,
        bound=chosen.bound if chosen else None,
    )


def curve(labels: Labels, learnt: Learnt) -> list[CurvePoint]:
    """Coverage against error, over all slices."""
    overall = learnt.guarantees.get(ALL)
    if overall is None:
        return []
    alone = (labels.people == 0) & (labels.judges > 0)
    sure = np.sort(rounded(labels.confidence[alone]))
    points = []
    for step in overall.selection.steps:
        reaching = len(sure) - int(np.searchsorted(sure, step.threshold))
        points.append(
            CurvePoint(
                step.threshold,
                reaching / len(sure) if len(sure) else 0.0,
                step.n,
                step.error,
                step.bound,
                step is overall.selection.chosen,
            )
        )
    return points


def ways(
    document: PolicyDocument, study: Study, labels: Labels, learnt: Learnt, names: list[str]
) -> Iterator[Way]:
    """Ours, people alone, each judge alone, and all machines' verdicts pooled by majority."""
    view = study.view(document)
    where = view.asked & fair_ground(document, study)
    ours = Statistic.undefined("no calibration set", 0)
    cases = learnt.calibration
    if cases.n:
        asked = learnt.basis.threshold_of(document, view.verdicts)[cases.comparison]
        reached = rounded(cases.confidence) >= asked
        ours = _share(cases.wrong[reached], view.verdicts.prompts[cases.comparison[reached]])
    yield Way("policy", _share_of(labels.decision == USED), ours)
    alone = Statistic.undefined("they are what labels are held against", 0)
    yield Way("people", _share_of(view.asked), alone)
    for judge in view.judges:
        given = view.verdicts.given_by(judge)
        yield Way(names[judge], _share_of(given != MISSING), _against(view, given, where))
    machine = ~view.person
    pooled = majority_vote(
        view.verdicts.comparison[machine], view.verdicts.verdict[machine], view.verdicts.count
    )
    yield Way("pooled", _share_of(pooled != MISSING), _against(view, pooled, where))


def changes(labels: Labels, ids: Codes, decision: Codes, ranking: Codes) -> Mask:
    """By label, whether it differs from the one of the same comparison among ``ids`` (ascending), as ``labels`` codes
    decisions and rankings; one that is not there differs."""
    place = np.minimum(np.searchsorted(ids, labels.comparison_ids), max(0, len(ids) - 1))
    if not len(ids):
        return np.ones(len(labels), dtype=np.bool_)
    known = ids[place] == labels.comparison_ids
    same = (decision[place] == labels.decision) & (ranking[place] == labels.used_ranking())
    changed: Mask = ~(known & same)
    return changed


def _share_of(mask: Mask) -> float:
    return float(mask.mean()) if len(mask) else 0.0


def _against(view: View, given: Codes, where: Mask) -> Statistic:
    rows = where & (given != MISSING)
    return _share((given[rows] != view.reference[rows]).astype(np.int64), view.verdicts.prompts[rows])


def _share(wrong: Codes, prompts: Codes) -> Statistic:
    if not len(wrong):
        return Statistic.undefined("people judged none of these", 0)
    return cluster_share(wrong.astype(np.float64), prompts)
