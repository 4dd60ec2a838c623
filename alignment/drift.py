"""A judge is certified by what it was; where its agreement with people changes, it is another. Reads the store.

It is looked at where its provider began to serve another model under the same name, and in its latest judgments beside
all before. Each comparison counts that people judged, one a prompt, but for those about which they were asked because
they were doubtful: on these any judge agrees less, and they come late. Agreement is held against agreement on the same
slices, as a judge that is good at some has not changed where people come to others.

Looked at is each whole hundred when it is full, so that labelling twice is no second look. The k-th hundred may spend
1/(k(k+1)) of the chance of an error, the m-th change of model half of that: over all time they sum to one, shared by
the judges of a project.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import numpy as np
from django.db.models import Min

from alignment.policy.verdicts import Drift, Mask
from alignment.queries import Judgments
from alignment.statistics.aggregation import majority_vote
from alignment.statistics.drift import Change, change
from alignment.statistics.verdicts import MISSING, Codes, Floats
from feedback.models import Judgment, Project
from judges.models import JudgeCall

MOST = 5000  # of a judge's newest judgments that are looked at
HUNDRED = 100  # comparisons, the latest whole one of which is held against all before
FEWEST = 20  # comparisons on either side, below which nothing is said


class Served(NamedTuple):
    """The latest model that answered for a judge, since when, and how many changes there were."""

    since: datetime
    model: str
    changes: int


class Look(NamedTuple):
    """The rows looked at and those that came after, since when in words, and one over its share of the error."""

    kept: Mask
    after: Mask
    since: str
    share: int


def drifts(project: Project, judgments: Judgments, fair: Mask) -> dict[int, Drift]:
    """By rater's number, for each judge of which enough is known: the likeliest change of its agreement with people, of
    those looked for, on the comparisons under the mask."""
    comparison, _rater, verdict = judgments.verdict_rows(judgments.people)
    rows = fair[comparison]
    if not rows.any():
        return {}
    majority = majority_vote(comparison[rows], verdict[rows], judgments.count)
    served = _changes_of_model(project)
    judges = np.flatnonzero(~judgments.people).tolist()
    found = {}
    for judge in judges:
        drift = _drift(judgments, judge, majority, served.get(judgments.raters[judge].pk), len(judges))
        if drift:
            found[judge] = drift
    return found


def _changes_of_model(project: Project) -> dict[int, Served]:
    """By judge that was served by more than one model: since when by the latest, its name, and how many changes."""
    calls = JudgeCall.objects.filter(judge__project=project, answered_at__isnull=False).exclude(
        served_model=""
    )
    first = calls.values("judge_id", "served_model").annotate(since=Min("answered_at")).order_by("since")
    seen: dict[int, list[tuple[datetime, str]]] = {}
    for row in first:
        seen.setdefault(row["judge_id"], []).append((row["since"], row["served_model"]))
    return {judge: Served(*models[-1], len(models) - 1) for judge, models in seen.items() if len(models) > 1}


def _drift(
    judgments: Judgments, judge: int, majority: Codes, served: Served | None, judges: int
) -> Drift | None:
    comparison, verdict = judgments.of(judge)
    ids = judgments.judgment_ids[judgments.rater == judge]
    rows = np.flatnonzero((verdict != MISSING) & (majority[comparison] != MISSING))
    total = len(rows)
    rows = np.sort(rows[np.argsort(ids[rows])[-MOST:]])
    if len(rows) < 2 * FEWEST:
        return None
    right = verdict[rows] == majority[comparison[rows]]
    slices = [mask[comparison[rows]] for mask in judgments.slices.values()]
    at, prompts = _times(ids[rows]), judgments.prompts[comparison[rows]]
    changes = [
        _said(met, look.since, min(1.0, met.p * judges * look.share))
        for look in _looks(at, served, total)
        if (met := _change(right, look, _one_a_prompt(at, prompts, look), slices))
    ]
    return min(changes, key=lambda drift: drift.p, default=None)


def _said(met: Change, since: str, p: float) -> Drift:
    return Drift(
        p,
        f"its agreement with people on the same slices was {met.before:.2f} of {met.n_before} and is {met.after:.2f} "
        f"of {met.n_after} {since} (p {p:.2g}). A new version of it is measured anew.",
    )


def _times(ids: Codes) -> Floats:
    """When each judgment was given, in seconds."""
    found: dict[int, datetime] = {}
    for start in range(0, len(ids), 500):
        part = Judgment.objects.filter(pk__in=ids[start : start + 500].tolist())
        found.update(part.values_list("pk", "at"))
    return np.array([found[pk].timestamp() for pk in ids.tolist()])


def _looks(at: Floats, served: Served | None, total: int) -> Iterator[Look]:
    """Each moment that is looked at; the rows are the newest of ``total``."""
    every = np.ones(len(at), dtype=np.bool_)
    if served is not None:
        share = 2 * served.changes * (served.changes + 1)
        yield Look(every, at >= served.since.timestamp(), f"since {served.model} answers", share)
    hundreds, end = total // HUNDRED, len(at) - total % HUNDRED
    place = np.argsort(np.lexsort((np.arange(len(at)), at)))
    if hundreds > 1 and len(np.unique(at)) > 1:
        kept = place < end
        yield Look(
            kept, kept & (place >= end - HUNDRED), f"in the latest {HUNDRED}", hundreds * (hundreds + 1)
        )


def _one_a_prompt(at: Floats, prompts: Codes, look: Look) -> Mask:
    """Of those looked at the first of each prompt."""
    order = np.lexsort((np.arange(len(at)), at))
    order = order[look.kept[order]]
    one = np.zeros(len(at), dtype=np.bool_)
    one[order[np.unique(prompts[order], return_index=True)[1]]] = True
    return one


def _change(right: Mask, look: Look, rows: Mask, slices: list[Mask]) -> Change | None:
    """Within the combinations of those slices that have enough on both sides; a tag of one week has not."""
    after = look.after[rows]
    shared = [each for mask in slices if _enough((each := mask[rows])[after].sum(), each[~after].sum())]
    stratum = np.zeros(len(after), dtype=np.int64)
    if shared:
        packed = np.packbits(np.stack(shared, axis=1), axis=1)
        stratum = np.unique(packed, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    found = change(right[rows], after, stratum)
    return found if found and _enough(found.n_before, found.n_after) else None


def _enough(before: int, after: int) -> bool:
    return min(before, after) >= FEWEST
