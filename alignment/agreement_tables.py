"""What the agreement pages show, one table a chart, from the body of a frozen report.

A page and its CSV file are made from the same entries.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]
STATISTIC = ("value", "low", "high", "n", "excluded", "reason")
_ABOUT = ("a", "b", "rater", "judge", "slice", "n")  # the columns that say what a row is of


def entries(body: Json, table: str, slice_name: str) -> list[Json]:
    """The entries of one of TABLES on one slice; a report made before there was such a table has none."""
    return list(TABLES[table](body, slice_name))


def _of(section: str) -> Callable[[Json, str], Iterator[Json]]:
    def on_slice(body: Json, slice_name: str) -> Iterator[Json]:
        return (entry for entry in body.get(section, []) if entry["slice"] == slice_name)

    return on_slice


def _judges(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("judges")(body, slice_name):
        needed = entry.get("labels_needed") or {}
        yield {
            "judge": entry["judge"],
            "slice": slice_name,
            "epsilon": entry["epsilon"],
            "winning_rate": entry["rate"],
            "winning_rate_across": entry.get("winning_rate_across"),
            "advantage_probability": entry["advantage_probability"],
            "agreement": entry["agreement"],
            "symmetric_kappa": entry["symmetric_kappa"],
            "expected": needed.get("outcome"),
            "labels_needed": needed.get("labels"),
        }


def _judges_by_slice(body: Json, _slice: str) -> Iterator[Json]:
    for name in body["slices"]:
        yield from _judges(body, name)


def _ceiling(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("judges")(body, slice_name):
        yield {"judge": entry["judge"], "slice": slice_name} | _renamed(entry["human_ceiling"])


def _renamed(found: Json) -> Json:
    return {
        "people": found["ceiling"],
        "judge_with_people": found["judge"],
        "difference": found["difference"],
    }


def _tests(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("judges")(body, slice_name):
        for person in entry["annotators"]:
            yield {
                "judge": entry["judge"],
                "slice": slice_name,
                "person": person["rater"],
                "n": person["n"],
                "difference": person.get("difference"),
                "p": person["p"],
                "rejected": person["rejected"],
                "rejected_across": person.get("rejected_across"),
            }


def _bias(part: str) -> Callable[[Json, str], Iterator[Json]]:
    def on_slice(body: Json, slice_name: str) -> Iterator[Json]:
        for entry in _of("bias")(body, slice_name):
            found = {name: value for name, value in entry[part].items() if name != "curve"}
            yield {"judge": entry["judge"], "slice": slice_name} | found

    return on_slice


def _curve(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("bias")(body, slice_name):
        for step in entry["length"]["curve"]:
            yield {"judge": entry["judge"], "slice": slice_name} | step


def _leniency(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("bias")(body, slice_name):
        for found in entry["leniency"]:
            yield {"judge": entry["judge"], "slice": slice_name} | found


def _rankings(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("rankings")(body, slice_name):
        for found in entry["sources"]:
            low, high = found["rank"]
            rest = {"rank_from": low, "rank_to": high}
            strengths = {name: found[name] for name in ("plain", "controlled")}
            yield {"rater": entry["rater"], "slice": slice_name, "source": found["source"]} | strengths | rest


def _reliability(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("reliability")(body, slice_name):
        for kind in ("raw", "calibrated"):
            for found in (entry[kind] or {"bins": []})["bins"]:
                yield {"confidence_is": kind, "slice": slice_name} | found


def _drift(body: Json, slice_name: str) -> Iterator[Json]:
    for entry in _of("drift")(body, slice_name):
        model = {change["week"]: change["model"] for change in entry["served"]}
        served = ""
        for week in entry["weeks"]:
            served = next((model[day] for day in sorted(model, reverse=True) if day <= week["week"]), served)
            yield {"judge": entry["judge"], "slice": slice_name, "served_model": served} | week


def _verdicts(body: Json, _slice: str) -> Iterator[Json]:
    for rater in body["raters"]:
        yield {"rater": rater["name"], "kind": rater["kind"], "ranked": rater["ranked"], **rater["missing"]}


TABLES: dict[str, Callable[[Json, str], Iterable[Json]]] = {
    "pairs": _of("pairs"),
    "judges": _judges,
    "judges-by-slice": _judges_by_slice,
    "ceiling": _ceiling,
    "people": _of("ceiling"),
    "tests": _tests,
    "position": _bias("position"),
    "length": _bias("length"),
    "length-curve": _curve,
    "family": _bias("family"),
    "leniency": _leniency,
    "rankings": _rankings,
    "reliability": _reliability,
    "win-rates": _of("win_rates"),
    "drift": _drift,
    "verdicts": _verdicts,
}


def flat_rows(found: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns, whom an entry is about first, and one flat row an entry: ``agreement_value``, ``…_low``.

    Their order is ours: a database need not keep that of a report's names.
    """
    rows = [dict(_flat(entry, "")) for entry in found]
    return sorted({name for row in rows for name in row}, key=_place), rows


def _place(column: str) -> tuple[int, int, str, int]:
    if column in _ABOUT:
        return 0, _ABOUT.index(column), "", 0
    figure, _, part = column.rpartition("_")
    return (1, 0, figure, STATISTIC.index(part)) if part in STATISTIC else (1, 0, column, -1)


def _flat(entry: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in entry.items():
        if isinstance(value, Mapping) and "value" in value:
            yield from ((f"{prefix}{name}_{part}", value.get(part)) for part in STATISTIC)
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}_")
        else:
            yield prefix + name, value
