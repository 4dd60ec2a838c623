"""A project's comparisons as rows of our own format, page by page: what a backup is written of.

Each page is a handful of statements written out, and their rows become those of the file without records between:
statements made anew from objects, and records, would each take as long as all the rest.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alignment.formats.concord import moment, row_of
from alignment.models import Asking
from feedback.models import Flag, Judgment, Project, Purpose
from feedback.models.fields import whole_numbers
from feedback.statements import loaded, rows

Row = dict[str, Any]
Found = dict[int, list[Any]]
_PAGE = 500  # comparisons
_COMPARISONS = """
SELECT c.id, c.external_id, p.messages, p.reference, c.metadata, c.purpose, g.ranking, g.explanation
FROM feedback_comparison c JOIN feedback_prompt p ON p.id = c.prompt_id
LEFT JOIN feedback_goldanswer g ON g.comparison_id = c.id
WHERE c.project_id = %(project)s AND c.id > %(after)s AND c.purpose <> %(repeat)s ORDER BY c.id LIMIT %(page)s
"""


def _of_a_page(table: str, select: str, order: str) -> str:
    """A statement of what points at the comparisons of a page: two bounds cost nothing, where a list of ids costs more
    than the rows. Repeats that lie between are read and passed over."""
    return f"""{select} JOIN feedback_comparison c ON c.id = {table}.comparison_id
        WHERE {table}.comparison_id > %(after)s AND {table}.comparison_id <= %(last)s
        AND c.id > %(after)s AND c.id <= %(last)s AND c.project_id = %(project)s {order}"""


_RESPONSES = _of_a_page(
    "s",
    "SELECT c.id, s.key, r.source, r.text FROM feedback_slot s JOIN feedback_response r ON r.id = s.response_id",
    "ORDER BY s.comparison_id, s.position",
)
_TAGS = _of_a_page(
    "x",
    "SELECT c.id, t.name FROM feedback_comparison_tags x JOIN feedback_tag t ON t.id = x.tag_id",
    "",
)
_JUDGMENTS = _of_a_page(
    "j",
    """SELECT j.id, c.id, r.name, r.kind, r.simulated, j.outcome, j.ranking, j.strength, j.shown, j.rationale,
        j.all_bad, j.seconds, j.at, j.adjudicates
    FROM feedback_judgment j JOIN feedback_rater r ON r.id = j.rater_id""",
    "AND j.current ORDER BY j.id",
)
_SCORES = _of_a_page(
    "j",
    """SELECT j.id, x.position, k.name, x.value FROM feedback_score x JOIN feedback_judgment j ON j.id = x.judgment_id
    JOIN feedback_criterion k ON k.id = x.criterion_id""",
    "ORDER BY j.id, x.position, k.position",
)
_SPANS = _of_a_page(
    "j",
    """SELECT j.id, x.position, x.start, x."end", x.comment
    FROM feedback_span x JOIN feedback_judgment j ON j.id = x.judgment_id""",
    "ORDER BY j.id, x.position, x.start, x.id",
)
_FLAGS = _of_a_page(
    "j",
    "SELECT j.id, x.kind FROM feedback_flag x JOIN feedback_judgment j ON j.id = x.judgment_id",
    "AND x.settled_at IS NULL ORDER BY x.id",
)


def project_rows(project: Project) -> Iterator[Row]:
    """Every comparison but the repeats, with its current judgments: no long query, constant memory."""
    bounds: Row = {"project": project.pk, "after": 0, "repeat": Purpose.REPEAT.value, "page": _PAGE}
    while page := rows(_COMPARISONS, bounds):
        bounds["last"] = page[-1][0]
        responses = _grouped(_RESPONSES, bounds)
        keys = {pk: [key for key, _source, _text in found] for pk, found in responses.items()}
        tags, judgments = _grouped(_TAGS, bounds), _judgments(bounds, keys)
        for pk, external_id, messages, reference, metadata, purpose, ranking, explanation in page:
            known = ranking is not None
            yield row_of(
                {
                    "id": external_id,
                    "prompt": [
                        {"role": each["role"], "content": each["content"]} for each in json.loads(messages)
                    ],
                    # Not by the database's own alphabet.
                    "tags": sorted(name for (name,) in tags.get(pk, ())),
                    "reference": reference,
                    "metadata": json.loads(metadata),
                    "purpose": Purpose.TRAIN.value if known else purpose,
                    "gold": _gold(purpose, _by_key(keys[pk], ranking), explanation) if known else None,
                    "responses": [
                        {"id": key, "source": source, "text": text} for key, source, text in responses[pk]
                    ],
                    "judgments": judgments.get(pk, []),
                }
            )
        bounds["after"] = bounds["last"]


def not_in_a_backup(project: Project) -> Iterator[str]:
    """What a backup does not hold, a clause each."""
    superseded = Judgment.objects.filter(rater__project=project, current=False).count()
    if superseded:
        yield f"{superseded} judgments that later ones superseded"
    repeated = Judgment.objects.filter(
        rater__project=project, current=True, comparison__purpose=Purpose.REPEAT
    ).count()
    if repeated:
        yield f"{repeated} answers to repeated items, which compare people with themselves"
    settled = Flag.objects.filter(
        judgment__rater__project=project, judgment__current=True, settled_at__isnull=False
    ).count()
    if settled:
        yield f"{settled} flags that reviewers have settled"
    asked = Asking.objects.filter(comparison__project=project).count()
    if asked:
        yield f"the grounds on which people were asked about {asked} comparisons, which calibration goes by"
    if project.rubrics.exists():
        yield "the rubric: scores need one with the same criteria where they are imported"


def _gold(use: str, ranking: Mapping[str, int], explanation: str) -> Row:
    return row_of({"use": use, "ranking": ranking, "explanation": explanation})


def _judgments(bounds: Row, keys_of: Mapping[int, Sequence[str]]) -> Found:
    given = rows(_JUDGMENTS, bounds)  # before its parts, which a judgment has from the beginning
    scores, spans, flags = (_grouped(statement, bounds) for statement in (_SCORES, _SPANS, _FLAGS))
    found: Found = {}
    for pk, comparison, rater, kind, simulated, outcome, ranking, strength, shown, *rest in given:
        rationale, all_bad, seconds, at, adjudicates = rest
        keys = keys_of[comparison]
        row = {
            "rater": rater,
            "kind": kind,
            "outcome": outcome,
            "ranking": _by_key(keys, ranking),
            "strength": strength,
            "shown": [keys[position] for position in whole_numbers(shown)],
            "scores": _levels(scores.get(pk, ()), keys),
            "rationale": rationale,
            "all_bad": all_bad,
            "spans": [
                {"response": keys[position], "start": start, "end": end, "comment": comment}
                for position, start, end, comment in spans.get(pk, ())
            ],
            "flags": [flag for (flag,) in flags.get(pk, ())],
            "seconds": seconds,
            "at": moment(loaded(at)),
            "simulated": simulated,
            "adjudicates": adjudicates,
        }
        found.setdefault(comparison, []).append(row_of(row))
    return found


def _by_key(keys: Sequence[str], ranking: str) -> dict[str, int]:
    """Each response's rank; without a ranking none."""
    return dict(zip(keys, whole_numbers(ranking), strict=bool(ranking)))


def _levels(scores: Sequence[tuple[Any, ...]], keys: Sequence[str]) -> dict[str, dict[str, int]]:
    levels: dict[str, dict[str, int]] = {}
    for position, criterion, value in scores:
        levels.setdefault(keys[position], {})[criterion] = value
    return levels


def _grouped(statement: str, bounds: Row) -> Found:
    """What the statement returns, by its first column, in its order."""
    found: Found = {}
    for key, *values in rows(statement, bounds):
        found.setdefault(key, []).append(values)
    return found
