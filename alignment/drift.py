"""A judge is certified by what it was; where its agreement with people changes, it is another. Reads the store.

It is looked at where its provider began to serve another model under the same name, and in its latest judgments beside
all before. Each comparison counts that people judged, one a prompt, but for those about which they were asked because
they were doubtful: on these any judge agrees less, and they come late. Agreement is held against agreement on the same
slices, as a judge that is good at some has not changed where people come to others.
"""

from collections.abc import Iterator
from datetime import datetime

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
RECENT = 100  # comparisons of the latest ones that are held against all before
FEWEST = 20  # comparisons on either side, below which nothing is said


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


def _changes_of_model(project: Project) -> dict[int, tuple[datetime, str]]:
    """By judge that was served by more than one model: since when by the latest, and its name."""
    calls = JudgeCall.objects.filter(judge__project=project, answered_at__isnull=False).exclude(
        served_model=""
    )
    first = calls.values("judge_id", "served_model").annotate(since=Min("answered_at")).order_by("since")
    seen: dict[int, list[tuple[datetime, str]]] = {}
    for row in first:
        seen.setdefault(row["judge_id"], []).append((row["since"], row["served_model"]))
    return {judge: models[-1] for judge, models in seen.items() if len(models) > 1}


def _drift(
    judgments: Judgments, judge: int, majority: Codes, served: tuple[datetime, str] | None, judges: int
) -> Drift | None:
    comparison, verdict = judgments.of(judge)
    ids = judgments.judgment_ids[judgments.rater == judge]
    rows = np.flatnonzero((verdict != MISSING) & (majority[comparison] != MISSING))
    rows = np.sort(rows[np.argsort(ids[rows])[-MOST:]])
    if len(rows) < 2 * FEWEST:
        return None
    ids = ids[rows]
    at = _times(ids)
    right = verdict[rows] == majority[comparison[rows]]
    stratum = _strata(judgments)[comparison[rows]]
    looked_at = list(_splits(at, served, judgments.prompts[comparison[rows]]))
    found = [(_change(right[kept], after[kept], stratum[kept]), since) for after, kept, since in looked_at]
    # Each change that is looked for may be met by chance, of any judge and in each latest hundred so far: Bonferroni.
    looks = judges * (len(looked_at) - 1 + max(1, len(at) // RECENT))
    changes = [_said(met, since, min(1.0, met.p * looks)) for met, since in found if met]
    return min(changes, key=lambda drift: drift.p, default=None)


def _strata(judgments: Judgments) -> Codes:
    """By comparison a number for the slices that it is in."""
    if not judgments.slices:
        return np.zeros(judgments.count, dtype=np.int64)
    masks = np.packbits(np.stack(list(judgments.slices.values()), axis=1), axis=1)
    _, stratum = np.unique(masks, axis=0, return_inverse=True)
    return stratum.astype(np.int64)


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


def _splits(
    at: Floats, served: tuple[datetime, str] | None, prompts: Codes
) -> Iterator[tuple[Mask, Mask, str]]:
    """(after, one comparison a prompt, since when in words) for each moment that is looked at."""
    order = np.lexsort((np.arange(len(at)), at))
    one = np.zeros(len(at), dtype=np.bool_)
    one[order[np.unique(prompts[order], return_index=True)[1]]] = True
    if served is not None:
        yield at >= served[0].timestamp(), one, f"since {served[1]} answers"
    latest = np.zeros(len(at), dtype=np.bool_)
    latest[order[-RECENT:]] = True
    if len(np.unique(at)) > 1 and len(at) >= 2 * RECENT:
        yield latest, one, f"in the latest {RECENT}"


def _change(right: Mask, after: Mask, stratum: Codes) -> Change | None:
    found = change(right, after, stratum)
    return found if found and min(found.n_before, found.n_after) >= FEWEST else None
