"""The human ceiling: how well people agree with each other, which no judge can be asked to exceed, and the judge's
distance from it on the same items."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics.contest import Scoring, contest
from alignment.statistics.intervals import DEFAULT, Resampling, bootstrap_all, cluster_table
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Floats, as_codes, same_length


class Ceiling(NamedTuple):
    """Of two people drawn at random from an item (``ceiling``), and of the judge and one of them (``judge``), how often
    they say the same; and ``difference``, the judge's less the people's. n counts items."""

    ceiling: Statistic
    judge: Statistic
    difference: Statistic

    def as_json(self) -> dict[str, Any]:
        return {name: statistic.as_json() for name, statistic in self._asdict().items()}


def human_ceiling(
    items: ArrayLike,
    raters: ArrayLike,
    labels: ArrayLike,
    judge: ArrayLike,
    clusters: ArrayLike,
    *,
    scoring: Scoring = "accuracy",
    values: ArrayLike | None = None,
    min_humans: int = 2,
    resampling: Resampling = DEFAULT,
) -> Ceiling:
    """The mean over items of the mean score of a person against the others there, and of the judge against the same.

    Arguments are ``contest``'s, ``clusters`` (n) the prompt of each item; every item counts alike, however many people
    judged it. All three are drawn together, so the difference is a paired one.
    """
    group = as_codes(clusters, "clusters")
    same_length(judge=as_codes(judge, "judge"), clusters=group)
    met = contest(items, raters, labels, judge, scoring=scoring, values=values, min_humans=min_humans)
    people = np.bincount(met.items, minlength=len(group))
    found = np.flatnonzero(people)
    means = [
        np.bincount(met.items, scores, minlength=len(group))[found] / people[found] for scores in met[2:4]
    ]
    table = cluster_table(group[found], np.column_stack([*means, np.ones(len(found))]))

    def mean(weights: list[float], totals: Floats) -> Floats:
        share: Floats = totals[:, :2] @ np.array(weights) / totals[:, 2]
        return share

    drawn = bootstrap_all(
        table,
        {
            "ceiling": lambda totals: mean([0.0, 1.0], totals),
            "judge": lambda totals: mean([1.0, 0.0], totals),
            "difference": lambda totals: mean([1.0, -1.0], totals),
        },
        n=len(found),
        excluded=met.excluded,
        resampling=resampling,
        shares=("ceiling", "judge") if scoring == "accuracy" else (),
    )
    return Ceiling(**drawn)
