"""Everything that a ratings table says of its raters, as one JSON body: what ``python -m alignment.statistics`` prints.

Statistics of two raters are over the items that both rated. Every one is ``{value, low, high, n}``, or
``{value: null, n, reason}``; ``excluded`` names what was left out and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from alignment.statistics.agreement import compare
from alignment.statistics.alpha import Level, krippendorff_alpha
from alignment.statistics.alt_test import AltTest, alt_test, labels_needed
from alignment.statistics.ceiling import human_ceiling
from alignment.statistics.contest import Scoring
from alignment.statistics.intervals import DEFAULT, Resampling
from alignment.statistics.ratings import Ratings
from alignment.statistics.verdicts import MISSING, Codes, coded

Json = dict[str, Any]
_ROWS_NAMED = 10


@dataclass(frozen=True)
class Options:
    """What the command may be told."""

    level: Level = "nominal"
    scoring: Scoring = "accuracy"
    epsilon: float = 0.2
    q: float = 0.05
    min_items: int = 30
    min_humans: int = 2
    resampling: Resampling = DEFAULT


def describe(ratings: Ratings, options: Options) -> Json:
    """The whole report of a table."""
    excluded: list[Json] = _missing(ratings)
    body: Json = {
        "raters": _raters(ratings),
        "pairs": list(_pairs(ratings, options, excluded)),
        "groups": {
            "human": _alpha(ratings, ratings.of("human"), options, "human", excluded),
            "all": _alpha(ratings, list(range(len(ratings.raters))), options, "all", excluded),
        },
        "judges": {
            ratings.raters[judge]: _judge(ratings, judge, options, excluded) for judge in ratings.of("judge")
        },
    }
    return body | {"excluded": excluded}


def _missing(ratings: Ratings) -> list[Json]:
    return [
        {"reason": "no value", "rater": rater, "n": len(rows), "rows": rows[:_ROWS_NAMED]}
        for rater, rows in sorted(ratings.missing.items())
    ]


def _raters(ratings: Ratings) -> Json:
    n = np.bincount(ratings.rater, minlength=len(ratings.raters)).tolist()
    return {
        name: {"kind": kind, "n": count}
        for name, kind, count in zip(ratings.raters, ratings.kinds, n, strict=True)
    }


def _pairs(ratings: Ratings, options: Options, excluded: list[Json]) -> Iterator[Json]:
    """Every two raters; those without an item in common are named among the excluded."""
    order = np.argsort(ratings.rater, kind="stable")
    bounds = np.searchsorted(ratings.rater[order], np.arange(len(ratings.raters) + 1))
    said = [order[start:stop] for start, stop in pairwise(bounds.tolist())]
    place = np.full(len(ratings.items), MISSING, dtype=np.int64)
    for one, two in combinations(range(len(said)), 2):
        place[ratings.item[said[one]]] = said[one]
        first = place[ratings.item[said[two]]]
        place[ratings.item[said[one]]] = MISSING
        both = first != MISSING
        names = {"a": ratings.raters[one], "b": ratings.raters[two]}
        if both.any():
            yield names | _between(ratings, first[both], said[two][both], options)
        else:
            excluded.append({"reason": "no item in common", **names})


def _between(ratings: Ratings, one: Codes, two: Codes, options: Options) -> Json:
    found = compare(
        ratings.value[one],
        ratings.value[two],
        ratings.clusters[ratings.item[one]],
        level=options.level,
        numeric=ratings.numeric,
        resampling=options.resampling,
    )
    return {"n": len(one)} | {name: statistic.as_json() for name, statistic in found.items()}


def _alpha(ratings: Ratings, raters: list[int], options: Options, group: str, excluded: list[Json]) -> Json:
    rows = np.isin(ratings.rater, raters)
    item = ratings.item[rows]
    alpha = krippendorff_alpha(
        item, ratings.value[rows], ratings.clusters[item], level=options.level, resampling=options.resampling
    )
    if alpha.excluded:
        excluded.append({"reason": "items with one rating only", "group": group, "n": alpha.excluded})
    return {"krippendorff_alpha": alpha.as_json()}


def _judge(ratings: Ratings, judge: int, options: Options, excluded: list[Json]) -> Json:
    """The judge against the people, on the items that they rated."""
    human = np.isin(ratings.rater, ratings.of("human"))
    items, item = np.unique(ratings.item[human], return_inverse=True)
    values, codes = coded(ratings.value)
    given = np.full(len(ratings.items), MISSING, dtype=np.int64)
    given[ratings.item[ratings.rater == judge]] = codes[ratings.rater == judge]
    table = (item, ratings.rater[human], codes[human], given[items], ratings.clusters[items])
    shared: Json = {
        "scoring": options.scoring,
        "values": values,
        "min_humans": options.min_humans,
        "resampling": options.resampling,
    }
    test = alt_test(
        *table, epsilon=options.epsilon, q=options.q, min_items=options.min_items, min_people=1, **shared
    )
    ceiling = human_ceiling(*table, **shared)
    excluded += _left_out(ratings, judge, test, options)
    return {
        "alt_test": _alt_test(ratings, test, options),
        "ceiling": ceiling.ceiling.as_json(),
        "agreement": ceiling.judge.as_json(),
        "judge_minus_ceiling": ceiling.difference.as_json(),
    }


def _alt_test(ratings: Ratings, test: AltTest, options: Options) -> Json:
    needed = labels_needed(test, q=options.q)
    return {
        "winning_rate": test.rate.as_json(),
        "advantage_probability": test.advantage_probability.as_json(),
        "annotators": [
            person.as_json() | {"rater": ratings.raters[person.rater]} for person in test.annotators
        ],
        "labels_needed": None if needed is None else needed._asdict(),
    }


def _left_out(ratings: Ratings, judge: int, test: AltTest, options: Options) -> Iterator[Json]:
    name = ratings.raters[judge]
    if test.advantage_probability.excluded:
        reason = f"items without a rating of the judge or with fewer than {options.min_humans} people"
        yield {"reason": reason, "judge": name, "n": test.advantage_probability.excluded}
    for person in test.annotators:
        if person.p is None:
            reason = f"fewer than {options.min_items} items with the judge and other people"
            yield {"reason": reason, "judge": name, "rater": ratings.raters[person.rater], "n": person.n}
