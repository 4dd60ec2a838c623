"""What a policy document would do to a project now, nothing saved: behind the page on which a policy is edited.

The judgments stay loaded between two looks, with all that does not depend on the field that was moved, until a judgment
comes. Reads the store.
"""

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock
from typing import Any

import numpy as np
from django.db.models import Avg, Max, Sum
from django.utils.translation import gettext as _

from alignment.actions.basis_rows import guarantee_json
from alignment.facts import study_of
from alignment.models import Asking, Label, Labelling, PersonMeasure
from alignment.policy.basis import Learnt, learn
from alignment.policy.decisions import decide
from alignment.policy.document import PolicyDocument
from alignment.policy.labels import DECISIONS, Labels
from alignment.policy.outlook import CurvePoint, Outlook, Way, changes, curve, outlook, ways
from alignment.policy.study import Study
from alignment.policy.verdicts import Adjudication
from alignment.queries import Judgments, load_adjudications, load_judgments, settled_labelling
from alignment.statistics.verdicts import MISSING, Codes
from feedback.models import Judgment, Project, RaterKind
from judges.models import JudgeCall

KEPT = 3  # projects
STALE = 300.0  # seconds, after which a loaded project is read again whatever happened
SHOWN = 20  # comparisons that change


@dataclass
class Loaded:
    """A project's judgments, and what a look needs besides them."""

    stamp: tuple[Any, ...]
    at: float
    judgments: Judgments
    study: Study
    adjudications: list[Adjudication]
    seconds: float | None
    judges_cost: Decimal | None
    people: float
    labels: dict[int, tuple[Codes, Codes, list[tuple[int, ...]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A comparison whose label would be another: its decisions and rankings, before and after."""

    comparison_id: int
    external_id: str
    before: str
    ranking_before: tuple[int, ...]
    after: str
    ranking_after: tuple[int, ...]


@dataclass(frozen=True)
class Saved:
    """By labels on judges' word alone: ``minutes`` of people's work, and the ``dollars`` that it would have cost, less
    ``judges``, what all of the judges' calls cost until now; None with a ``reason``."""

    minutes: float | None
    judges: float | None
    dollars: float | None
    reason: str


@dataclass(frozen=True)
class WhatIf:
    """Everything that the page shows."""

    outlook: Outlook
    learnt: Learnt
    ways: list[Way]
    curve: list[CurvePoint]
    changed: int
    examples: list[Change]
    saved: Saved
    guarantees: list[dict[str, Any]]
    certificates: list[dict[str, Any]]


_loaded: OrderedDict[int, Loaded] = OrderedDict()
_lock = Lock()


def what_if(project: Project, document: PolicyDocument, current: Labelling | None) -> WhatIf:
    """All that the page shows of this document, beside the labels of ``current``."""
    loaded = load(project)
    learnt = learn(document, loaded.study, intervals=False)
    labels = decide(document, learnt.basis, loaded.judgments, loaded.adjudications)
    differs = _changed(loaded, labels, current)
    found = outlook(labels, learnt)
    return WhatIf(
        outlook=found,
        learnt=learnt,
        ways=list(ways(document, loaded.study, labels, learnt, loaded.judgments.names)),
        curve=curve(labels, learnt),
        changed=int(differs.sum()),
        examples=_examples(loaded, labels, np.flatnonzero(differs)[:SHOWN], current),
        saved=saved(loaded, found.by_judges, project.pay_per_hour),
        guarantees=[guarantee_json(one) for one in learnt.guarantees.values()],
        certificates=[
            {
                "judge": loaded.judgments.names[one.judge],
                "slice": one.slice,
                "trusted": one.trusted,
                "sentence": one.sentence,
            }
            for one in learnt.basis.certificates
        ],
    )


def saved(loaded: Loaded, by_judges: int, pay_per_hour: float | None) -> Saved:
    """What it saves that so many labels rest on judges' word alone, each in the place of as many people's verdicts as a
    comparison has that people judged."""
    judges = None if loaded.judges_cost is None else float(loaded.judges_cost)
    if loaded.seconds is None:
        return Saved(None, judges, None, _("No answer of a person here was timed."))
    minutes = by_judges * loaded.people * loaded.seconds / 60
    if pay_per_hour is None:
        return Saved(minutes, judges, None, _("What an hour of a person costs is not set."))
    if judges is None:
        return Saved(minutes, None, None, _("What some of the judges' calls cost is not known."))
    return Saved(minutes, judges, minutes / 60 * pay_per_hour - judges, "")


def load(project: Project) -> Loaded:
    """The project's judgments, loaded before if nothing came since."""
    stamp = _stamp(project)
    with _lock:
        known = _loaded.get(project.pk)
        if known and known.stamp == stamp and time.monotonic() - known.at < STALE:
            _loaded.move_to_end(project.pk)
            return known
    loaded = _read(project, stamp)
    with _lock:
        _loaded[project.pk] = loaded
        while len(_loaded) > KEPT:
            _loaded.popitem(last=False)
    return loaded


def _stamp(project: Project) -> tuple[Any, ...]:
    """What changes when the judgments, people's measures or the grounds do; each found by an index."""
    return (
        project.created_at,
        Judgment.objects.aggregate(newest=Max("pk"))["newest"],
        JudgeCall.objects.aggregate(newest=Max("pk"))["newest"],
        PersonMeasure.objects.filter(rater__project=project).aggregate(at=Max("measured_at"))["at"],
        sorted(
            Counter(
                Asking.objects.filter(comparison__project=project).values_list("ground", flat=True)
            ).items()
        ),
    )


def _read(project: Project, stamp: tuple[Any, ...]) -> Loaded:
    judgments = load_judgments(project)
    people = judgments.people[judgments.rater] & (judgments.verdict != MISSING)
    asked = len(np.unique(judgments.comparison[people]))
    by_people = Judgment.objects.filter(rater__project=project, rater__kind=RaterKind.HUMAN, current=True)
    seconds = by_people.aggregate(mean=Avg("seconds"))["mean"]
    return Loaded(
        stamp=stamp,
        at=time.monotonic(),
        judgments=judgments,
        study=study_of(project, judgments),
        adjudications=load_adjudications(project),
        seconds=seconds,
        judges_cost=_judges_cost(project),
        people=float(people.sum() / asked) if asked else float(max(1, project.overlap)),
    )


def _judges_cost(project: Project) -> Decimal | None:
    """Dollars, None where a reply's price is not known."""
    calls = JudgeCall.objects.filter(judge__project=project, answered_at__isnull=False)
    if calls.filter(cost=None).exists():
        return None
    return calls.aggregate(sum=Sum("cost"))["sum"] or Decimal(0)


def _stored(loaded: Loaded, current: Labelling) -> tuple[Codes, Codes, list[tuple[int, ...]]]:
    """Comparison and decision of the labels of the current policy, and their rankings."""
    if current.pk not in loaded.labels:
        rows = list(
            Label.objects.filter(policy=current.policy_id)
            .order_by("comparison_id")
            .values_list("comparison_id", "decision", "ranking")
        )
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        decisions = np.array([DECISIONS.index(row[1]) for row in rows], dtype=np.int64)
        loaded.labels = {current.pk: (ids, decisions, [row[2] for row in rows])}
    return loaded.labels[current.pk]


def _changed(loaded: Loaded, labels: Labels, current: Labelling | None) -> Any:
    if current is None:
        return np.ones(len(labels), dtype=np.bool_)
    ids, decisions, rankings = _stored(loaded, current)
    codes = {ranking: code for code, ranking in enumerate(labels.rankings)}
    coded = np.array([codes.get(ranking, MISSING) for ranking in rankings], dtype=np.int64)
    return changes(labels, ids, decisions, coded)


def _examples(loaded: Loaded, labels: Labels, places: Codes, current: Labelling | None) -> list[Change]:
    if current is None:
        return []
    ids, decisions, rankings = _stored(loaded, current)
    external = dict(zip(loaded.judgments.comparison_ids.tolist(), loaded.judgments.external_ids, strict=True))
    used = labels.used_ranking()
    found = []
    for place in places.tolist():
        comparison = int(labels.comparison_ids[place])
        at = int(np.searchsorted(ids, comparison))
        known = at < len(ids) and ids[at] == comparison
        found.append(
            Change(
                comparison,
                external.get(comparison, str(comparison)),
                DECISIONS[decisions[at]] if known else "",
                rankings[at] if known else (),
                DECISIONS[labels.decision[place]],
                labels.rankings[used[place]] if used[place] != MISSING else (),
            )
        )
    return found


def current_labelling(project: Project, name: str) -> Labelling | None:
    """What a new version of the policy of this name is held against: its own last labelling, else the newest."""
    own = project.policies.filter(name=name, labellings__job__state="succeeded").order_by("-version").first()
    return settled_labelling(project, own) if own else settled_labelling(project)
