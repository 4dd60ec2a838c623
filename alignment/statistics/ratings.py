"""A ratings table of FORMATS: one rating a row with ``item``, ``rater``, ``kind``, ``value`` and perhaps ``cluster``,
read from JSON lines, CSV or Parquet into columns. What ``python -m alignment.statistics`` takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from alignment.statistics.verdicts import Codes, Floats

KINDS = ("human", "judge")


class BadRatings(ValueError):
    """A table that can not be used: one sentence with the row, the field and the way out."""


@dataclass(frozen=True)
class Ratings:
    """One rating a row: its item, its rater and its value, a number, or where not ``numeric`` a category's code.

    ``items`` and ``raters`` name what the codes stand for, ``kinds`` (raters) says who each is and ``clusters`` (items)
    what is resampled together. ``missing`` holds, by rater, the rows without a value.
    """

    items: list[str]
    raters: list[str]
    kinds: list[str]
    clusters: Codes
    item: Codes
    rater: Codes
    value: Floats
    numeric: bool
    categories: list[str]
    missing: dict[str, list[int]]

    def of(self, kind: str) -> list[int]:
        """The raters of a kind."""
        return [code for code, found in enumerate(self.kinds) if found == kind]


@dataclass
class _Codes:
    """Names numbered as they come."""

    names: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))


def read_ratings(path: Path, *, numbers_for: str = "", least: float = -math.inf) -> Ratings:
    """The ratings in a file, perhaps compressed. Raises BadRatings.

    ``numbers_for`` names the option for which every value must be a number, none below ``least``.
    """
    from alignment.formats.rows import Row, read_rows  # brings pyarrow, which a mere --help can do without
    from alignment.formats.source import FormatError, check_source

    try:
        check_source(path)
        rows = read_rows(path)
        return to_ratings(
            (
                (row.line, row.values) if isinstance(row, Row) else _refuse(row.line, row.reason)
                for row in rows
            ),
            numbers_for=numbers_for,
            least=least,
        )
    except FormatError as error:
        raise BadRatings(error.sentence) from None


def _refuse(line: int, reason: str) -> NoReturn:
    raise BadRatings(f"row {line}: {reason}.")


def to_ratings(
    rows: Iterable[tuple[int, Mapping[str, Any]]], *, numbers_for: str = "", least: float = -math.inf
) -> Ratings:
    """Columns from rows with their numbers. Raises BadRatings for the first row that can not be used."""
    items, raters = _Codes(), _Codes()
    kinds: list[str] = []
    clusters: dict[int, str | None] = {}
    seen: dict[tuple[int, int], int] = {}
    missing: dict[str, list[int]] = {}
    columns: list[tuple[int, int, Any]] = []
    for line, row in rows:
        item = items.of(_name(line, row, "item"))
        name = _name(line, row, "rater")
        rater = raters.of(name)
        _same_kind(line, row, name, rater, kinds)
        _same_cluster(line, row, item, clusters)
        if (first := seen.setdefault((item, rater), line)) != line:
            _refuse(
                line, f"rater {name!r} rated item {row['item']!r} before, in row {first}; keep one of the two"
            )
        value = _value(line, row.get("value"))
        if value is None:
            missing.setdefault(name, []).append(line)
        else:
            if numbers_for:
                _check_number(line, value, numbers_for, least)
            columns.append((item, rater, value))
    if not columns:
        raise BadRatings("No row has a value; a rating needs the fields item, rater, kind and value.")
    return _columns(columns, list(items.names), list(raters.names), kinds, clusters, missing)


def _name(line: int, row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if value is None or value == "":
        _refuse(line, f"{key} is missing; name the {key} in the field {key!r}")
    _refuse(line, f"{key} must be a text or a number, not {value!r}")


def _same_kind(line: int, row: Mapping[str, Any], name: str, rater: int, kinds: list[str]) -> None:
    kind = row.get("kind")
    if kind not in KINDS:
        given = "is missing" if kind in (None, "") else f"is {kind!r}"
        _refuse(line, f"kind {given}; it must be human or judge")
    if rater == len(kinds):
        kinds.append(str(kind))
    elif kinds[rater] != kind:
        _refuse(line, f"rater {name!r} is a {kind} here and a {kinds[rater]} before; give them two names")


def _same_cluster(line: int, row: Mapping[str, Any], item: int, clusters: dict[int, str | None]) -> None:
    given = row.get("cluster")
    cluster = None if given is None or given == "" else _name(line, row, "cluster")
    if clusters.setdefault(item, cluster) != cluster:
        _refuse(
            line,
            f"item {row['item']!r} is in cluster {cluster!r} here and in {clusters[item]!r} before; keep one",
        )


def _value(line: int, value: Any) -> Any:
    """A number, a text, or None for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float):
        if math.isfinite(value) and abs(value) < 2**53:
            return value
        _refuse(line, f"value must be a number below 2**53, not {value!r}")
    _refuse(line, f"value must be a number or a text, not {value!r}")


def _columns(
    columns: list[tuple[int, int, Any]],
    items: list[str],
    raters: list[str],
    kinds: list[str],
    clusters: dict[int, str | None],
    missing: dict[str, list[int]],
) -> Ratings:
    """The table with raters in the order of their names, so that no statistic depends on the order of the rows."""
    item, rater, values = zip(*columns, strict=True)
    numbers = [_number(value) for value in values]
    numeric = all(number is not None for number in numbers)
    categories = [] if numeric else sorted({_text(value) for value in values})
    code = {category: index for index, category in enumerate(categories)}
    coded = numbers if numeric else [code[_text(value)] for value in values]
    by_name = sorted(range(len(raters)), key=raters.__getitem__)
    place = np.argsort(np.array(by_name))
    by_item = np.argsort(np.array(sorted(range(len(items)), key=items.__getitem__)))
    own = [
        ("item", items[index]) if name is None else ("cluster", name)
        for index, name in sorted(clusters.items())
    ]
    names = {cluster: index for index, cluster in enumerate(sorted(set(own)))}
    group = np.empty(len(items), dtype=np.int64)
    group[by_item] = [names[cluster] for cluster in own]
    rows = np.lexsort((place[np.array(rater)], by_item[np.array(item)]))
    return Ratings(
        items=sorted(items),
        raters=[raters[index] for index in by_name],
        kinds=[kinds[index] for index in by_name],
        clusters=group,
        item=by_item[np.array(item)][rows].astype(np.int64),
        rater=place[np.array(rater)][rows].astype(np.int64),
        value=np.array(coded, dtype=np.float64)[rows],
        numeric=numeric,
        categories=categories,
        missing=missing,
    )


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_number(line: int, value: Any, wanted_by: str, least: float) -> None:
    number = _number(value)
    if number is None:
        _refuse(
            line, f"value {value!r} is not a number, as {wanted_by} needs; leave it empty where there is none"
        )
    elif number < least:
        _refuse(line, f"value {value!r} is below {least:g}, where the scale of {wanted_by} begins")
