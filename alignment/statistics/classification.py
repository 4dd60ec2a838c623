"""Answers that are one of a few labels, against the right ones: precision, recall and F1 of each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from alignment.statistics.intervals import DEFAULT, Resampling, Totals, bootstrap_all, cluster_table
from alignment.statistics.results import Statistic
from alignment.statistics.verdicts import Codes, Floats, as_codes, same_length

OTHER = -1  # an answer that is none of the labels


class LabelScore(NamedTuple):
    """One label: ``support`` is how often it was right, ``given`` how often it was the answer."""

    label: str
    precision: Statistic
    recall: Statistic
    f1: Statistic
    support: int
    given: int


class Classification(NamedTuple):
    """``macro_f1`` is the labels' mean F1; ``other`` counts answers that are none of the labels, which are wrong."""

    labels: list[LabelScore]
    accuracy: Statistic
    macro_f1: Statistic
    other: int


def classification(
    truth: ArrayLike,
    answered: ArrayLike,
    clusters: ArrayLike,
    *,
    labels: Sequence[str],
    resampling: Resampling = DEFAULT,
) -> Classification:
    """Precision tp / given, recall tp / support, F1 = 2 tp / (given + support), with cluster bootstrap intervals.

    ``truth`` and ``answered`` (rows) are indices into ``labels``; an answer may be OTHER. A ratio without a
    denominator is undefined, and its F1 is left out of the macro mean only where the label neither occurs nor is given.
    """
    right, said, group = (
        as_codes(given, name)
        for given, name in ((truth, "truth"), (answered, "answered"), (clusters, "clusters"))
    )
    same_length(truth=right, answered=said, clusters=group)
    if len(right) and not (right.min() >= 0 and right.max() < len(labels)):
        raise ValueError("truth must be indices into labels")
    if len(said) and not (said.min() >= OTHER and said.max() < len(labels)):
        raise ValueError("answered must be indices into labels, or OTHER")
    table = cluster_table(group, _features(right, said, len(labels)))
    statistics: dict[str, Totals] = {
        **{f"p{index}": _ratio(index, "given", len(labels)) for index in range(len(labels))},
        **{f"r{index}": _ratio(index, "support", len(labels)) for index in range(len(labels))},
        **{f"f{index}": _ratio(index, "both", len(labels)) for index in range(len(labels))},
        "accuracy": lambda totals: totals[:, : len(labels)].sum(axis=1) / totals[:, -1],
        "macro": lambda totals: _macro(totals, len(labels)),
    }
    drawn = bootstrap_all(table, statistics, n=len(right), resampling=resampling)
    found = [
        LabelScore(
            label,
            drawn[f"p{index}"],
            drawn[f"r{index}"],
            drawn[f"f{index}"],
            int((right == index).sum()),
            int((said == index).sum()),
        )
        for index, label in enumerate(labels)
    ]
    return Classification(found, drawn["accuracy"], drawn["macro"], int((said == OTHER).sum()))


def _features(right: Codes, said: Codes, width: int) -> Floats:
    """Rows × (hits by label, answers by label, truths by label, 1)."""
    names = np.arange(width)
    truths = (right[:, None] == names).astype(np.float64)
    answers = (said[:, None] == names).astype(np.float64)
    return np.column_stack([truths * answers, answers, truths, np.ones(len(right))])


def _ratio(index: int, of: str, width: int) -> Totals:
    def value(totals: Floats) -> Floats:
        hits, given, support = (totals[:, part * width + index] for part in range(3))
        below = {"given": given, "support": support, "both": (given + support) / 2}[of]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: Floats = np.where(below > 0, hits / below, np.nan)
        return ratio

    return value


def _macro(totals: Floats, width: int) -> Floats:
    hits, given, support = (totals[:, part * width : (part + 1) * width] for part in range(3))
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(given + support > 0, 2 * hits / (given + support), np.nan)
    known = ~np.isnan(f1)
    mean: Floats = np.where(known, f1, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean
