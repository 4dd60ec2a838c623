"""The mapping of any file to comparisons: a small JSON document that says which column is what.

    {"id": "id",
     "prompt": ["instruction", "input"],
     "responses": [{"text": "response_1", "source": "model_1"}, {"text": "response_2", "source": "model_2"}],
     "tags": ["subset", "language"],
     "reference": "answer",
     "metadata": ["licence"],
     "judgments": [{"path": "human.*"},
                   {"path": "gold", "rater": "gold"},
                   {"path": "winner", "rater_column": "annotator"},
                   {"path": "judge.*", "kind": "judge", "verdict": "verdict", "rationale": "reason"}],
     "verdicts": {"1": "1", "2": "2", "tie": "tie", "?": "none"}}

Only ``prompt`` and ``responses``, at least two, are required. A name is a column or a path into it, ``a.b``; a
column whose whole name has dots is found first. The parts of a prompt are joined by an empty line into one user's
turn; a prompt that is one column with a list of messages is that conversation.

``judgments``: each ``path`` leads to verdicts. One ``*`` in it stands for any name, and what it stands for
names the rater (``human.*``, or ``vote_*`` in a CSV file); without one, ``rater`` does, or ``rater_column`` leads to
the name. ``verdict`` and ``rationale`` are paths inside what a star found, and columns where there is no star and the
verdict is a plain value. Two or more paths as ``verdict`` are one judge asked in several orders, each already counted
against the same response: where they differ, the outcome is inconsistent. ``verdicts`` translates the file's values
into 1 (the first response is better), 2, tie and none (no verdict); any other value rejects the row. A verdict that
is none, null or empty is ``missing``: an outcome such as unparseable, or "none" for no judgment at all. Without that,
a person's is none, since people are not asked everything, and a machine's is unparseable. It is never a tie.

A winner says enough about a pair only. ``{"ranks": ["rank_1", "rank_2", "rank_3"], "rater": "ana"}`` in place of a
path names a column for each response that holds its rank from 1, equal ranks being ties.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alignment.formats.fields import Fields
from alignment.formats.source import FormatError
from feedback.records import KINDS, MAX_RESPONSES, BadRecord

RANKINGS = {"1": {"1": 1, "2": 2}, "2": {"1": 2, "2": 1}, "tie": {"1": 1, "2": 1}}
NO_JUDGMENT = "none"
VERDICTS = (*RANKINGS, NO_JUDGMENT)
MISSING = ("unparseable", "refused", "skipped", NO_JUDGMENT)


@dataclass(frozen=True)
class ResponseColumns:
    text: str
    source: str | None


@dataclass(frozen=True)
class JudgmentColumns:
    """Either ``path`` leads to verdicts, or ``ranks`` to the rank of each response."""

    path: str
    ranks: tuple[str, ...]
    rater: str | None
    rater_column: str | None
    kind: str
    verdict: tuple[str, ...]
    rationale: str | None
    missing: str


@dataclass(frozen=True)
class Mapped:
    """A mapping, checked."""

    prompt: tuple[str, ...]
    responses: tuple[ResponseColumns, ...]
    id: str | None = None
    reference: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    judgments: tuple[JudgmentColumns, ...] = ()
    verdicts: Mapping[str, str] = field(default_factory=lambda: {name: name for name in VERDICTS})


def parse_mapping(text: str) -> Mapped:
    """The mapping of a JSON document. Raises FormatError, which names the part at fault."""
    try:
        return _mapped(Fields(json.loads(text)))
    except BadRecord as bad:
        raise FormatError(f"The mapping can not be used: {bad.field or 'mapping'}: {bad.reason}.") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"The mapping is not JSON ({error}).") from None


def _mapped(fields: Fields) -> Mapped:
    fields.only(("id", "prompt", "responses", "tags", "reference", "metadata", "judgments", "verdicts"))
    responses = tuple(_response_columns(each) for each in fields.objects("responses", required=True))
    if not 2 <= len(responses) <= MAX_RESPONSES:
        raise BadRecord(f"2 to {MAX_RESPONSES} are needed, not {len(responses)}", "responses")
    if not fields.texts("prompt"):
        raise BadRecord("it must name at least one column", "prompt")
    return Mapped(
        id=fields.optional_text("id"),
        prompt=tuple(fields.texts("prompt")),
        responses=responses,
        tags=tuple(fields.texts("tags")),
        reference=fields.optional_text("reference"),
        metadata=tuple(fields.texts("metadata")),
        judgments=tuple(_judgment_columns(each, len(responses)) for each in fields.objects("judgments")),
        verdicts=_verdicts(fields.pairs("verdicts")),
    )


def _response_columns(fields: Fields) -> ResponseColumns:
    fields.only(("text", "source"))
    return ResponseColumns(fields.text("text"), fields.optional_text("source"))


def _judgment_columns(fields: Fields, responses: int) -> JudgmentColumns:
    fields.only(("path", "ranks", "rater", "rater_column", "kind", "verdict", "rationale", "missing"))
    path, ranks = fields.text("path", ""), tuple(fields.texts("ranks"))
    rater, rater_column = fields.optional_text("rater"), fields.optional_text("rater_column")
    if bool(path) == bool(ranks):
        raise BadRecord("name the path to a verdict, or the ranks of the responses", fields.place("path"))
    if path.count("*") > 1 or [("*" in path), rater is not None, rater_column is not None].count(True) != 1:
        raise BadRecord(
            "name the rater or its column, or put one * in the path for the raters' names",
            fields.place("path"),
        )
    if path and responses > 2:
        raise BadRecord(
            "a verdict says who wins of two; give more responses their ranks", fields.place("path")
        )
    if ranks and len(ranks) != responses:
        raise BadRecord(f"there are {responses} responses and {len(ranks)} ranks", fields.place("ranks"))
    kind = _one_of(fields, "kind", "human", KINDS)
    missing = _one_of(fields, "missing", NO_JUDGMENT if kind == "human" else "unparseable", MISSING)
    rationale = fields.optional_text("rationale")
    return JudgmentColumns(path, ranks, rater, rater_column, kind, _verdict_paths(fields), rationale, missing)


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


def _verdicts(values: Mapping[str, object]) -> Mapping[str, str]:
    for value, verdict in values.items():
        if verdict not in VERDICTS:
            raise BadRecord(f"{verdict!r} is none of {', '.join(VERDICTS)}", f"verdicts.{value}")
    return {value: str(verdict) for value, verdict in values.items()} or {name: name for name in VERDICTS}
