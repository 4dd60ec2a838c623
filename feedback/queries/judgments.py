"""Reads of judgments: those that count, reviewers' decisions, and what the AI judges say."""

from typing import NamedTuple

import numpy as np
from django.db import connection
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from feedback.models import (
    Comparison,
    Judgment,
    Outcome,
    Project,
    Purpose,
    Rater,
    RaterKind,
)

Column = NDArray[np.int64]
_NAMES = ("judgment", "comparison", "prompt", "rater", "outcome", "ranking")
# Judgments by the ten thousand, each column an array: of the driver's work, every row sent costs the most.
_COPY = """
COPY (
  SELECT {columns} FROM (
    SELECT j.id AS judgment, j.comparison_id AS comparison, c.prompt_id AS prompt, j.rater_id AS rater,
      (CASE j.outcome {codes} END)::bigint AS outcome, hashtextextended(j.ranking, 0) AS ranking
    FROM feedback_judgment j
    JOIN feedback_rater r ON r.id = j.rater_id
    JOIN feedback_comparison c ON c.id = j.comparison_id
    WHERE r.project_id = {project} AND j."current" AND NOT j.adjudicates
      AND c.purpose = '{purpose}' AND c.retired_at IS NULL
  ) judged GROUP BY judgment / 10000
) TO STDOUT (FORMAT BINARY)
"""
# PostgreSQL's binary format: 19 bytes, then each row's number of columns (-1 after the last) and each column's length
# and value; an array of one dimension has 20 bytes of its own before its elements.
_FILE_HEADER, _ARRAY_HEADER = 19, 20
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])
_RANKINGS = """
SELECT DISTINCT j.ranking, hashtextextended(j.ranking, 0)
FROM feedback_judgment j JOIN feedback_rater r ON r.id = j.rater_id WHERE r.project_id = %s
"""


def current_judgments(project: Project, *, purpose: str = Purpose.TRAIN) -> QuerySet[Judgment]:
    """The judgments that count, in a fixed order: not on retired comparisons, and without reviewers' decisions, which
    were made after seeing the others'.
    """
    raters = Rater.objects.filter(project=project)
    votes = Judgment.objects.filter(
        current=True, adjudicates=False, comparison__purpose=purpose, comparison__retired_at=None
    )
    return votes.filter(rater__in=raters).order_by("comparison_id", "rater_id")


class JudgmentColumns(NamedTuple):
    """Every current judgment for training, in any order: whole numbers, ``outcome`` an index into Outcome's values and
    ``ranking`` one into ``rankings``, the texts in the store, "" for none. A million judgments hold few different ones.
    """

    judgment: Column
    comparison: Column
    prompt: Column
    rater: Column
    outcome: Column
    ranking: Column
    rankings: list[str]


def judgment_columns(project: Project) -> JudgmentColumns:
    """48 bytes a judgment."""
    if connection.vendor == "postgresql":
        return _copied(project)
    met: dict[str, int] = {}
    outcomes = {name: index for index, name in enumerate(Outcome.values)}
    rows = (
        current_judgments(project)
        .order_by()
        .annotate(text=Cast("ranking", TextField()))
        .values_list("pk", "comparison_id", "comparison__prompt_id", "rater_id", "outcome", "text")
        .iterator(chunk_size=20_000)
    )
    numbers = (
        (*keys, outcomes[outcome], met.setdefault(ranking, len(met))) for *keys, outcome, ranking in rows
    )
    table = np.fromiter(numbers, dtype=np.dtype((np.int64, len(_NAMES))))
    columns = dict(zip(_NAMES, np.ascontiguousarray(table.T), strict=True))
    return JudgmentColumns(**columns, rankings=list(met))


def _copied(project: Project) -> JudgmentColumns:
    """By binary COPY, of whole numbers alone: rankings come as their hashes."""
    codes = " ".join(f"WHEN '{name}' THEN {index}" for index, name in enumerate(Outcome.values))
    arrays = ", ".join(f"array_agg({name})" for name in _NAMES)
    statement = _COPY.format(
        columns=arrays, codes=codes, project=int(project.pk), purpose=Purpose.TRAIN.value
    )
    with connection.cursor() as cursor:
        with cursor.cursor.copy(statement) as copy:
            columns = _columns_in(b"".join(copy))
        # Read after the rows, of superseded ones too, so that every ranking that was copied is among them.
        cursor.execute(_RANKINGS, [project.pk])
        texts = {number: text for text, number in cursor.fetchall()}
    known = np.sort(np.array(list(texts), dtype=np.int64))
    found = np.searchsorted(known, columns["ranking"])
    met = np.bincount(found, minlength=len(known)) > 0
    columns["ranking"] = (np.cumsum(met) - 1)[found]
    return JudgmentColumns(**columns, rankings=[texts[number] for number in known[met].tolist()])


def _columns_in(data: bytes) -> dict[str, Column]:
    parts: dict[str, list[Column]] = {name: [np.zeros(0, dtype=np.int64)] for name in _NAMES}
    at = _FILE_HEADER
    while int.from_bytes(data[at : at + 2], "big", signed=True) == len(_NAMES):
        at += 2
        for name in _NAMES:
            length = int.from_bytes(data[at : at + 4], "big")
            elements = data[at + 4 + _ARRAY_HEADER : at + 4 + length]
            parts[name].append(np.frombuffer(elements, dtype=_ELEMENT)["value"].astype(np.int64))
            at += 4 + length
    return {name: np.concatenate(found) for name, found in parts.items()}


def adjudications(project: Project) -> QuerySet[Judgment]:
    """The reviewers' decisions in force on comparisons for training, at most one each."""
    decisions = Judgment.objects.filter(current=True, adjudicates=True, comparison__purpose=Purpose.TRAIN)
    standing = decisions.filter(comparison__project=project, comparison__retired_at=None)
    return standing.order_by("comparison_id")


def judges_view(comparison: Comparison) -> list[Judgment]:
    """The AI judges' current verdicts on a comparison, by name; for whoever has given their own.

    On one that is asked again they are those on the first, so that it can not be told apart.
    """
    first = comparison.repeat_of_id or comparison.pk
    said = Judgment.objects.filter(comparison=first, current=True, rater__kind=RaterKind.JUDGE)
    said = said.filter(outcome=Outcome.RANKED)
    return list(said.select_related("rater").order_by("rater__name"))
