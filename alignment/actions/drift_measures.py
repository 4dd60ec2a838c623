"""Whether a judge still says what it said: its agreement with people week by week, and which model answered. Part of
``measures``."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from alignment.judge_answers import Served
from alignment.queries import Judgments
from alignment.statistics.intervals import cluster_share
from alignment.statistics.verdicts import MISSING, Codes
from alignment.surroundings import Surroundings
from alignment.weeks import monday

Json = dict[str, Any]
MOST_WEEKS = 104  # the newest


def drift_entries(part: Judgments, around: Surroundings, majority: Codes, slice_name: str) -> Iterator[Json]:
    """For each machine: its verdicts of each week against the people's majority, whenever that was given. Without the
    comparisons about which people were asked because they were doubtful: on these any judge agrees less."""
    fair = np.where(around.doubtful, MISSING, majority)
    for number in np.flatnonzero(~part.people).tolist():
        rows = (part.rater == number) & (around.week != MISSING)
        if not rows.any():
            continue
        yield {
            "judge": part.names[number],
            "slice": slice_name,
            "weeks": [
                {"week": monday(week), "agreement": agreement}
                for week, agreement in _weeks(part, around, fair, rows)
            ],
            "served": _changes(around.served.get(number, [])),
        }


def _weeks(part: Judgments, around: Surroundings, majority: Codes, rows: Any) -> Iterator[tuple[int, Json]]:
    week, comparison, verdict = around.week[rows], part.comparison[rows], part.verdict[rows]
    for each in np.unique(week)[-MOST_WEEKS:].tolist():
        at = week == each
        said, people = verdict[at], majority[comparison[at]]
        met = (said != MISSING) & (people != MISSING)
        right = (said == people)[met].astype(np.float64)
        prompts = part.prompts[comparison[at][met]]
        yield each, cluster_share(right, prompts, excluded=int((~met).sum())).as_json()


def _changes(served: list[Served]) -> list[Json]:
    """The models that answered, each from the week on in which it came to answer most."""
    most: dict[int, Served] = {}
    for each in served:
        if each.week not in most or each.calls > most[each.week].calls:
            most[each.week] = each
    changes: list[Json] = []
    for week in sorted(most):
        if not changes or changes[-1]["model"] != most[week].model:
            changes.append({"model": most[week].model, "week": monday(week), "calls": 0})
        changes[-1]["calls"] += most[week].calls
    return changes
