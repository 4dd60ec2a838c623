"""Any file of pairs, read through a mapping: a small JSON document that says which column is what.

    {"id": "id",
     "prompt": ["instruction", "input"],
     "responses": [{"text": "response_1", "source": "model_1"}, {"text": "response_2", "source": "model_2"}],
     "tags": ["subset"],
     "reference": "answer",
     "judgments": [{"path": "human.*"},
                   {"path": "gold", "rater": "gold"},
                   {"path": "judge.*", "kind": "judge", "verdict": "verdict", "rationale": "reason"}],
     "verdicts": {"1": "1", "2": "2", "tie": "tie"}}

Only ``prompt`` and ``responses``, exactly two, are required. A name is a column or a path into it, ``a.b``;
a column whose whole name has dots is found first. The parts of a prompt are joined by an empty line into
one user's turn.

``judgments``: each ``path`` leads to verdicts. One ``*`` in it stands for any name, and what it stands for
names the rater (``human.*``, or ``vote_*`` in a CSV file); without one, ``rater`` does. ``verdict`` and
``rationale`` are paths inside what was found there. Two or more paths as ``verdict`` are one judge asked in
several orders, each already counted against the same response: where they differ, the outcome is
inconsistent. ``verdicts`` translates the file's values into 1 (the first response is better), 2 and tie;
any other value rejects the row. A verdict that is null or empty is ``missing``: an outcome such as
unparseable, or "none" for no judgment at all. Without that, a person's is none, since people are not asked
everything, and a machine's is unparseable. It is never a tie.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.rows import Row, read_rows
from alignment.formats.source import FormatError
from feedback.records import KINDS, BadRecord, ComparisonRecord, JudgmentRecord, Rejection, ResponseRecord

KEYS = ("1", "2")
RANKINGS = {"1": {"1": 1, "2": 2}, "2": {"1": 2, "2": 1}, "tie": {"1": 1, "2": 1}}
NO_JUDGMENT = "none"
MISSING = ("unparseable", "refused", "skipped", NO_JUDGMENT)
UNKNOWN_SOURCE = "unknown"


@dataclass(frozen=True)
class ResponseColumns:
    text: str
    source: str | None


@dataclass(frozen=True)
class JudgmentColumns:
    path: str
    rater: str | None
    kind: str
    verdict: tuple[str, ...]
    rationale: str | None
    missing: str


@dataclass(frozen=True)
class Mapped:
    """A mapping, checked."""

    prompt: tuple[str, ...]
    responses: tuple[ResponseColumns, ResponseColumns]
    id: str | None = None
    reference: str | None = None
    tags: tuple[str, ...] = ()
    judgments: tuple[JudgmentColumns, ...] = ()
    verdicts: Mapping[str, str] = field(default_factory=lambda: {name: name for name in RANKINGS})


def parse_mapping(text: str) -> Mapped:
    """The mapping of a JSON document. Raises FormatError, which names the part at fault."""
    try:
        return _mapped(Fields(json.loads(text)))
    except BadRecord as bad:
        raise FormatError(f"The mapping can not be used: {bad.field or 'mapping'}: {bad.reason}.") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"The mapping is not JSON ({error}).") from None


def read(path: Path, mapping: Mapped) -> Iterator[ComparisonRecord | Rejection]:
    for row in read_rows(path):
        yield row if isinstance(row, Rejection) else _read(row, mapping)


def record_from(values: Mapping[str, Any], mapping: Mapped, line: int = 0) -> ComparisonRecord:
    """The record of one row. Raises BadRecord, which names the column, for what does not fit the mapping."""
    return ComparisonRecord(
        key=_as_text(_one(values, mapping.id), mapping.id) or None if mapping.id else None,
        prompt=[{"role": "user", "content": _prompt(values, mapping.prompt)}],
        responses=[_response(values, *named) for named in zip(KEYS, mapping.responses, strict=True)],
        tags=[tag for name in mapping.tags if (tag := _as_text(_one(values, name), name))],
        reference=_as_text(_one(values, mapping.reference), mapping.reference) or None
        if mapping.reference
        else None,
        judgments=[
            each for columns in mapping.judgments for each in _judgments(values, columns, mapping.verdicts)
        ],
        line=line,
    )


def find(values: object, path: str) -> list[tuple[str, Any]]:
    """(what the star stands for, the value) of all that ``path`` leads to. Raises BadRecord."""
    if not isinstance(values, Mapping):
        raise BadRecord(f"there is no object to find {path!r} in", path)
    if path in values:
        return [("", values[path])]
    name, _, rest = path.partition(".")
    before, star, after = name.partition("*")
    if not star and name not in values:
        raise BadRecord(f"there is no such column; the row has {', '.join(map(str, values))}"[:300], path)
    if not star:
        return find(values[name], rest) if rest else [("", values[name])]
    starred = {
        _starred(key, before, after): value for key, value in values.items() if _fits(key, before, after)
    }
    return [(key, _one(value, rest) if rest else value) for key, value in starred.items()]


def _mapped(fields: Fields) -> Mapped:
    fields.only(("id", "prompt", "responses", "tags", "reference", "judgments", "verdicts"))
    responses = [_response_columns(each) for each in fields.objects("responses", required=True)]
    if len(responses) != 2:
        raise BadRecord(f"exactly 2 are needed, not {len(responses)}", "responses")
    if not fields.texts("prompt"):
        raise BadRecord("it must name at least one column", "prompt")
    return Mapped(
        id=fields.optional_text("id"),
        prompt=tuple(fields.texts("prompt")),
        responses=(responses[0], responses[1]),
        tags=tuple(fields.texts("tags")),
        reference=fields.optional_text("reference"),
        judgments=tuple(_judgment_columns(each) for each in fields.objects("judgments")),
        verdicts=_verdicts(fields.pairs("verdicts")),
    )


def _response_columns(fields: Fields) -> ResponseColumns:
    fields.only(("text", "source"))
    return ResponseColumns(fields.text("text"), fields.optional_text("source"))


def _judgment_columns(fields: Fields) -> JudgmentColumns:
    fields.only(("path", "rater", "kind", "verdict", "rationale", "missing"))
    path, rater = fields.text("path"), fields.optional_text("rater")
    if path.count("*") > 1 or ("*" in path) == (rater is not None):
        raise BadRecord(
            "name the rater, or put one * in the path for the raters' names", fields.place("path")
        )
    kind = _one_of(fields, "kind", "human", KINDS)
    missing = _one_of(fields, "missing", NO_JUDGMENT if kind == "human" else "unparseable", MISSING)
    return JudgmentColumns(
        path, rater, kind, _verdict_paths(fields), fields.optional_text("rationale"), missing
    )


def _one_of(fields: Fields, name: str, default: str, known: Sequence[str]) -> str:
    value = fields.text(name, default)
    if value not in known:
        raise BadRecord(f"{value!r} is none of {', '.join(known)}", fields.place(name))
    return value


def _verdict_paths(fields: Fields) -> tuple[str, ...]:
    try:
        return tuple(fields.texts("verdict"))
    except BadRecord:
        return (fields.text("verdict"),)


def _verdicts(values: Mapping[str, Any]) -> Mapping[str, str]:
    for value, verdict in values.items():
        if verdict not in RANKINGS:
            raise BadRecord(f"{verdict!r} is none of {', '.join(RANKINGS)}", f"verdicts.{value}")
    return values or {name: name for name in RANKINGS}


def _read(row: Row, mapping: Mapped) -> ComparisonRecord | Rejection:
    try:
        return record_from(row.values, mapping, row.line)
    except BadRecord as bad:
        return Rejection(row.line, bad.reason, bad.field)


def _fits(key: object, before: str, after: str) -> bool:
    return (
        isinstance(key, str)
        and key.startswith(before)
        and key.endswith(after)
        and len(key) > len(before + after)
    )


def _starred(key: str, before: str, after: str) -> str:
    return key[len(before) : len(key) - len(after)]


def _one(values: object, path: str) -> Any:
    found = find(values, path)
    if not found:
        raise BadRecord("no column fits it", path)
    return found[0][1]


def _as_text(value: object, where: str) -> str:
    """A column's value as text: a number, true or false as JSON writes it, nothing at all as an empty one."""
    if not isinstance(value, str | int | float | None):
        raise BadRecord(f"it must be text, not {type(value).__name__}", where)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _prompt(values: Mapping[str, Any], names: Sequence[str]) -> str:
    parts = [_as_text(_one(values, name), name) for name in names]
    joined = "\n\n".join(part for part in parts if part.strip())
    if not joined:
        raise BadRecord("the prompt is empty", names[0])
    return joined


def _response(values: Mapping[str, Any], key: str, columns: ResponseColumns) -> ResponseRecord:
    source = _as_text(_one(values, columns.source), columns.source) if columns.source else ""
    return ResponseRecord(key, source or UNKNOWN_SOURCE, _as_text(_one(values, columns.text), columns.text))


def _judgments(
    values: Mapping[str, Any], columns: JudgmentColumns, verdicts: Mapping[str, str]
) -> Iterator[JudgmentRecord]:
    for name, found in find(values, columns.path):
        said = [_one(found, path) for path in columns.verdict] if columns.verdict else [found]
        outcome, ranking = _verdict([_as_text(value, columns.path) for value in said], columns, verdicts)
        if outcome != NO_JUDGMENT:
            yield JudgmentRecord(
                rater=columns.rater or name,
                kind=columns.kind,
                outcome=outcome,
                ranking=ranking,
                rationale=_as_text(_one(found, columns.rationale), columns.path) if columns.rationale else "",
            )


def _verdict(
    said: Sequence[str], columns: JudgmentColumns, verdicts: Mapping[str, str]
) -> tuple[str, Mapping[str, int]]:
    unknown = [value for value in said if value and value not in verdicts]
    if unknown:
        raise BadRecord(f"{unknown[0]!r:.60} is none of the verdicts {', '.join(verdicts)}", columns.path)
    if not all(said):
        return columns.missing, {}
    different = {verdicts[value] for value in said}
    return ("ranked", RANKINGS[different.pop()]) if len(different) == 1 else ("inconsistent", {})
