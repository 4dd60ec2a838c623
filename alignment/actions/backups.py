"""A project's comparisons as rows of our own format, page by page: what a backup is written of.

Each page is a handful of statements written out, and their rows become those of the file without records between:
statements made anew from objects, and records, would each take as long as all the rest. A time comes as text, since a
driver takes as long to make one as for the rest of its row.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from alignment.formats.concord import ComparisonRow, GoldRow, JudgmentRow, MessageRow, ResponseRow, SpanRow
from alignment.models import Asking
from feedback.ahead import ahead
from feedback.models import Flag, Judgment, Outcome, Project, Purpose
from feedback.models.fields import whole_numbers

_PAGE = 500  # comparisons
_COMPARISONS = """
SELECT c.id, c.external_id, p.messages, p.reference, c.metadata, c.purpose, g.ranking, g.explanation
FROM feedback_comparison c JOIN feedback_prompt p ON p.id = c.prompt_id
LEFT JOIN feedback_goldanswer g ON g.comparison_id = c.id
WHERE c.project_id = %(project)s AND c.id > %(after)s AND c.purpose <> %(repeat)s ORDER BY c.id LIMIT %(page)s
"""


def _of_a_page(table: str, select: str, order: str) -> str:
    """A statement of what points at the comparisons of a page: two bounds cost nothing, where a list of ids costs more
    than the rows. PostgreSQL does not conclude from one table's bounds to the other's, and would read the other through
    for every page. Repeats that lie between are read and passed over."""
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
        j.all_bad, j.seconds, CAST(j.at AS text), j.adjudicates
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
_PARTS = (_RESPONSES, _TAGS, _JUDGMENTS, _SCORES, _SPANS, _FLAGS)
_TRAIN, _RANKED = Purpose.TRAIN.value, Outcome.RANKED.value
_NUMBERS = lru_cache(whole_numbers)  # of few different texts
_MESSAGES = msgspec.json.Decoder(list[MessageRow]).decode


def project_rows(project: Project) -> Iterator[ComparisonRow]:
    """Every comparison but the repeats, with its current judgments: no long query, constant memory."""
    with connection.cursor() as cursor:
        pages = _pages(cursor, project)
        # SQLite's driver would wait for its turn to run Python at every row.
        for page in ahead(pages) if connection.vendor == "postgresql" else pages:
            yield from _made(page)


class _Page(NamedTuple):
    """What the statements found of the same comparisons, in their order."""

    comparisons: list[tuple[Any, ...]]
    responses: list[tuple[Any, ...]]
    tags: list[tuple[Any, ...]]
    judgments: list[tuple[Any, ...]]  # before its parts, which a judgment has from the beginning
    scores: list[tuple[Any, ...]]
    spans: list[tuple[Any, ...]]
    flags: list[tuple[Any, ...]]


def _pages(cursor: Any, project: Project) -> Iterator[_Page]:
    def found(statement: str) -> list[tuple[Any, ...]]:
        cursor.execute(statement, bounds)
        return list(cursor.fetchall())

    bounds: dict[str, Any] = {
        "project": project.pk, "after": 0, "repeat": Purpose.REPEAT.value, "page": _PAGE
    }  # fmt: skip
    while page := found(_COMPARISONS):
        bounds["last"] = page[-1][0]
        yield _Page(page, *map(found, _PARTS))
        bounds["after"] = bounds["last"]


def _made(page: _Page) -> Iterator[ComparisonRow]:
    responses: dict[int, list[ResponseRow]] = defaultdict(list)
    keys: dict[int, list[str]] = defaultdict(list)
    for comparison, key, source, text in page.responses:
        responses[comparison].append(ResponseRow(key, source, text))
        keys[comparison].append(key)
    tags, judgments = _grouped(page.tags), _judgments(page, keys)
    for pk, external_id, messages, reference, metadata, purpose, ranking, explanation in page.comparisons:
        known = ranking is not None
        yield ComparisonRow(
            id=external_id,
            prompt=_MESSAGES(messages),
            tags=sorted(name for (name,) in tags.get(pk, ())),  # not by the database's own alphabet
            reference=reference,
            metadata=json.loads(metadata) or None,
            purpose=None if known or purpose == _TRAIN else purpose,
            gold=GoldRow(purpose, _by_key(keys[pk], ranking), explanation) if known else None,
            responses=responses[pk],
            judgments=judgments[pk],
        )


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


def _judgments(page: _Page, keys_of: Mapping[int, list[str]]) -> dict[int, list[JudgmentRow]]:
    scores, spans, flags = map(_grouped, (page.scores, page.spans, page.flags))
    found: dict[int, list[JudgmentRow]] = defaultdict(list)
    for (
        pk, comparison, rater, kind, simulated, outcome, ranking, strength, shown, rationale, all_bad, seconds, at,
        adjudicates,
    ) in page.judgments:  # fmt: skip
        if comparison not in keys_of:
            continue  # an import stored it after the page's responses were read
        keys = keys_of[comparison]
        row = JudgmentRow(
            rater,
            kind,
            None if outcome == _RANKED else outcome,
            _by_key(keys, ranking),
            strength,
            [keys[position] for position in _NUMBERS(shown)] if shown else [],
            _levels(scores[pk], keys) if pk in scores else {},
            rationale,
            all_bad,
            [SpanRow(keys[position], *span) for position, *span in spans[pk]] if pk in spans else [],
            [flag for (flag,) in flags[pk]] if pk in flags else [],
            seconds,
            _moment(at),
            simulated,
            adjudicates,
        )
        found[comparison].append(row)
    return found


def _by_key(keys: Sequence[str], ranking: str) -> dict[str, int]:
    """Each response's rank; without a ranking none."""
    return dict(zip(keys, _NUMBERS(ranking), strict=True)) if ranking else {}


def _levels(scores: Sequence[tuple[Any, ...]], keys: Sequence[str]) -> dict[str, dict[str, int]]:
    levels: dict[str, dict[str, int]] = {}
    for position, criterion, value in scores:
        levels.setdefault(keys[position], {})[criterion] = value
    return levels


def _moment(at: str) -> str:
    """A time in UTC as both databases write it as text, ``2026-05-01 10:00:00.5+00``, as a row has it.

    ValueError for one that is written otherwise, as a server's own DateStyle may have it.
    """
    day, time = at[:10], at[11:].removesuffix("+00")
    if at[4:8:3] != "--" or not time[-1:].isdecimal() or "+" in time or "-" in time:
        raise ValueError(f"{at!r} is no time in UTC as ISO 8601 has it: set the server's DateStyle to ISO")
    return f"{day}T{time:0<15}Z" if "." in time else f"{day}T{time}Z"


def _grouped(found: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    """What a statement found, by its first column, in its order."""
    groups: dict[int, list[tuple[Any, ...]]] = {}
    for key, *values in found:
        groups.setdefault(key, []).append(tuple(values))
    return groups
