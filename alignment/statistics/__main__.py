"""``python -m alignment.statistics RATINGS``: what a table of ratings says of its raters, without Django."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    from alignment.statistics.ratings import BadRatings, read_ratings
    from alignment.statistics.report import Options, describe

    options = Options(
        level=given.level,
        scoring=given.scoring,
        epsilon=given.epsilon,
        q=given.q,
        min_items=given.min_items,
        min_humans=given.min_humans,
    )
    try:
        ratings = read_ratings(
            given.ratings, numbers_for=_numbers_for(given), least=0 if given.level == "ratio" else -math.inf
        )
    except BadRatings as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    body = describe(ratings, options)
    print(json.dumps(body, indent=1, allow_nan=False, ensure_ascii=False) if given.json else _text(body))
    return 0


def _numbers_for(given: argparse.Namespace) -> str:
    if given.level != "nominal":
        return f"--level {given.level}"
    return "--scoring neg_rmse" if given.scoring == "neg_rmse" else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m alignment.statistics",
        description="How far raters agree, and whether a judge may stand in for a person. The definition of each "
        "statistic is in docs/statistics.md.",
    )
    parser.add_argument(
        "ratings",
        type=Path,
        metavar="RATINGS",
        help="JSON lines, CSV or Parquet, perhaps compressed with gzip or zstd, one rating a row: item, rater, kind "
        "(human or judge), value, and perhaps cluster, the prompt that intervals resample (default: the item)",
    )
    levels, scorings = ("nominal", "ordinal", "interval", "ratio"), ("accuracy", "neg_rmse")
    parser.add_argument(
        "--level", choices=levels, default="nominal", help="of measurement (default: nominal)"
    )
    parser.add_argument(
        "--scoring", choices=scorings, default="accuracy", help="of the alternative annotator test"
    )
    parser.add_argument(
        "--epsilon", type=_share, default=0.2, help="how much worse than a person a judge may be"
    )
    parser.add_argument("--q", type=_share, default=0.05, help="the false discovery rate over people")
    parser.add_argument("--min-items", type=_at_least(2), default=30, help="items that a person is tested on")
    parser.add_argument("--min-humans", type=_at_least(2), default=2, help="people that an item needs")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, not {text}")
    return value


class _at_least:
    def __init__(self, least: int) -> None:
        self._least = least

    def __call__(self, text: str) -> int:
        if int(text) < self._least:
            raise argparse.ArgumentTypeError(f"must be {self._least} or more, not {text}")
        return int(text)


def _text(body: Json) -> str:
    """The report to read: raters, pairs, groups and judges, one table each."""
    measures = [name for name in (body["pairs"] or [{}])[0] if name not in ("a", "b", "n")]
    raters = [[name, rater["kind"], str(rater["n"])] for name, rater in body["raters"].items()]
    pairs = [
        [pair["a"], pair["b"], str(pair["n"]), *(_figure(pair[name]) for name in measures)]
        for pair in body["pairs"]
    ]
    groups = [[name, _figure(group["krippendorff_alpha"])] for name, group in body["groups"].items()]
    judges = [_judge_row(name, judge) for name, judge in body["judges"].items()]
    people = [
        [name, person["rater"], str(person["n"]), _p(person["p"]), "yes" if person["rejected"] else "no"]
        for name, judge in body["judges"].items()
        for person in judge["alt_test"]["annotators"]
    ]
    parts = [
        _table(["rater", "kind", "ratings"], raters),
        _table(["a", "b", "items", *measures], pairs),
        _table(["group", "krippendorff_alpha"], groups),
        _table(["judge", "winning_rate", "advantage", "agreement", "ceiling", "judge_minus_ceiling"], judges),
        _table(["judge", "person", "items", "p", "may be replaced"], people),
        "\n".join(["Left out:", *(f"  {_sentence(entry)}" for entry in body["excluded"])]),
    ]
    return "\n\n".join(part for part in parts if "\n" in part)


def _judge_row(name: str, judge: Json) -> list[str]:
    test = judge["alt_test"]
    rest = (judge[key] for key in ("agreement", "ceiling", "judge_minus_ceiling"))
    return [name, *map(_figure, [test["winning_rate"], test["advantage_probability"], *rest])]


def _figure(statistic: Json) -> str:
    if statistic["value"] is None:
        return f"– ({statistic['reason']})"
    if statistic["low"] is None:
        return f"{statistic['value']:.3f}"
    return f"{statistic['value']:.3f} [{statistic['low']:.3f}, {statistic['high']:.3f}]"


def _p(p: float | None) -> str:
    return "–" if p is None else f"{p:.2g}"


def _sentence(entry: Json) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in entry.items() if key != "reason")
    return f"{entry['reason']}: {rest}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


if __name__ == "__main__":
    sys.exit(main())
