"""HelpSteer2 and HelpSteer3 (Wang et al. 2024, 2025).

HelpSteer2 has one response a row with five scores from 0 to 4; rows of the same prompt follow one another and
become one comparison, ranked by helpfulness. HelpSteer3 has two responses a row and each annotator's preference
from -3 (the first is much better) to 3; annotators have no names, so their place in the row stands for one.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row, messages, ranks_of
from alignment.formats.rows import Row, read_rows
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, Message, Rejection, ResponseRecord
from judges.core.rubric import CriterionText, RubricText

TWO, THREE = "helpsteer2", "helpsteer3"
SCALE = (0, 4)
RUBRIC = RubricText(
    TWO,
    "The five attributes on which HelpSteer2's responses are rated.",
    tuple(
        CriterionText(name, description, *SCALE, weight=weight)
        for name, description, weight in (
            ("helpfulness", "How helpful the response is, all in all.", 1.0),
            ("correctness", "Holds all facts that matter, and none that is wrong.", 1.0),
            ("coherence", "Is consistent and clearly put.", 1.0),
            # How a response is, and not how good: they count for nothing where scores are added up.
            (
                "complexity",
                "How much expertise it takes to write the response, from none to a specialist's.",
                0.0,
            ),
            ("verbosity", "How much is said for what was asked, from terse to wordy.", 0.0),
        )
    ),
)
CRITERIA = tuple(criterion.name for criterion in RUBRIC.criteria)
_STRONGEST = 3
_TURN = "<extra_id_1>"
_ROLES = {"User": "user", "Assistant": "assistant"}


def recognise_two(values: Mapping[str, Any]) -> bool:
    return {"prompt", "response", "helpfulness"} <= set(values)


def recognise_three(values: Mapping[str, Any]) -> bool:
    return {"response1", "response2", "overall_preference"} <= set(values)


def read_two(path: Path) -> Read:
    for is_row, group in groupby(read_rows(path), key=_prompt_of):
        if is_row is None:
            yield from (each for each in group if isinstance(each, Rejection))
        else:
            yield from _together([each for each in group if isinstance(each, Row)])


def read_three(path: Path) -> Read:
    return each_row(path, _three)


def _prompt_of(row: Row | Rejection) -> str | None:
    return None if isinstance(row, Rejection) else str(row.values.get("prompt"))


def _together(rows: list[Row]) -> Iterator[ComparisonRecord | Rejection]:
    """The comparison of neighbouring rows with one prompt, and a rejection for each that can not be part of it."""
    good: list[tuple[Row, str, dict[str, int]]] = []
    for row in rows:
        try:
            fields = Fields(row.values)
            prompt, levels = _turns(fields.text("prompt")), _levels(fields)
            good.append((row, fields.text("response"), levels))
        except BadRecord as bad:
            yield Rejection(row.line, bad.reason, bad.field)
    if len(good) == 1:
        yield Rejection(
            good[0][0].line, "no row beside it has the same prompt, so there is nothing to compare"
        )
    elif good:
        yield _two(prompt, good)


def _two(prompt: list[Message], rows: list[tuple[Row, str, dict[str, int]]]) -> ComparisonRecord:
    keys = [str(number) for number in range(1, len(rows) + 1)]
    scores = {key: levels for key, (_, _, levels) in zip(keys, rows, strict=True)}
    ranks = ranks_of([levels["helpfulness"] for levels in scores.values()])
    return ComparisonRecord(
        prompt=prompt,
        responses=[ResponseRecord(key, TWO, text) for key, (_, text, _) in zip(keys, rows, strict=True)],
        judgments=[JudgmentRecord(rater=TWO, ranking=dict(zip(keys, ranks, strict=True)), scores=scores)],
        line=rows[0][0].line,
    )


def _levels(fields: Fields) -> dict[str, int]:
    levels = {name: fields.needed_whole(name) for name in CRITERIA}
    for name, level in levels.items():
        if not SCALE[0] <= level <= SCALE[1]:
            raise BadRecord(f"{level} is not on the scale from {SCALE[0]} to {SCALE[1]}", name)
    return levels


def _turns(prompt: str) -> list[Message]:
    """A prompt of several turns has each begun by a line such as ``<extra_id_1>Assistant``."""
    first, *rest = prompt.split(_TURN)
    turns: list[Message] = [{"role": "user", "content": first.strip()}]
    for turn in rest:
        name, _, text = turn.partition("\n")
        if name.strip() not in _ROLES:
            raise BadRecord(f"{name.strip()!r:.60} is none of {', '.join(_ROLES)}", "prompt")
        turns.append({"role": _ROLES[name.strip()], "content": text.strip()})
    return turns


def _three(row: Fields) -> Iterable[ComparisonRecord]:
    tags = [tag for name in ("domain", "language") if (tag := row.text(name, ""))]
    yield ComparisonRecord(
        prompt=messages(row, "context"),
        responses=[ResponseRecord(key, THREE, row.text(f"response{key}")) for key in "12"],
        tags=list(dict.fromkeys(tags)),
        judgments=list(_judgments(row)),
    )


def _judgments(row: Fields) -> Iterator[JudgmentRecord]:
    individual = list(row.objects("individual_preference"))
    for number, each in enumerate(individual, start=1):
        said = [each.text(name, "") for name in ("reasoning", "feedback1", "feedback2")]
        yield _preference(each, "score", f"{THREE} annotator {number}", "\n\n".join(filter(None, said)))
    if not individual:
        yield _preference(row, "overall_preference", THREE)


def _preference(fields: Fields, name: str, rater: str, rationale: str = "") -> JudgmentRecord:
    score = fields.needed_whole(name)
    if abs(score) > _STRONGEST:
        raise BadRecord(f"{score} is not from -{_STRONGEST} to {_STRONGEST}", fields.place(name))
    ranks = ranks_of([-score, score])
    return JudgmentRecord(
        rater=rater, ranking=dict(zip("12", ranks, strict=True)), strength=abs(score), rationale=rationale
    )
