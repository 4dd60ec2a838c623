"""OpenAI's TL;DR comparisons (Stiennon et al. 2020): two summaries of a post, and which one a worker chose.

The prompt is laid out as that paper's models were asked. A summary's policy is its source, the worker the rater;
the worker's confidence and note are kept in the rationale's place as they are.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, ResponseRecord

NAME = "tldr"
_PARTS = (("SUBREDDIT", "subreddit"), ("TITLE", "title"), ("POST", "post"), ("ARTICLE", "article"))


def recognise(values: Mapping[str, Any]) -> bool:
    return {"info", "summaries", "choice"} <= set(values)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    summaries = list(row.objects("summaries", required=True))
    if len(summaries) != 2:
        raise BadRecord(f"there must be two, not {len(summaries)}", "summaries")
    split = row.text("split", "")
    yield ComparisonRecord(
        prompt=[{"role": "user", "content": _prompt(row.part("info"))}],
        responses=[
            ResponseRecord(key, each.text("policy", NAME), each.text("text").strip())
            for key, each in zip("ab", summaries, strict=True)
        ],
        tags=[split] if split else [],
        judgments=[_judgment(row, summaries)],
    )


def _prompt(info: Fields) -> str:
    parts = [(name, text) for name, field in _PARTS if (text := (info.optional_text(field) or "").strip())]
    if not parts:
        raise BadRecord("it has no post", "info")
    return "\n\n".join([*(f"{name}: {text}" for name, text in parts), "TL;DR:"])


def _judgment(row: Fields, summaries: list[Fields]) -> JudgmentRecord:
    choice = row.needed_whole("choice")
    if choice not in (0, 1):
        raise BadRecord(f"it must be 0 or 1, not {choice}", "choice")
    return JudgmentRecord(
        rater=row.text("worker", NAME),
        ranking={"a": 1 + choice, "b": 2 - choice},
        rationale="\n".join(_remarks(row, summaries)),
    )


def _remarks(row: Fields, summaries: list[Fields]) -> Iterable[str]:
    for name, each in zip("AB", summaries, strict=True):
        if note := (each.optional_text("note") or "").strip():
            yield f"{name}: {note}"
    confidence = row.part("extra").whole("confidence") if row.has("extra") else None
    if confidence is not None:
        yield f"Confidence: {confidence}"
