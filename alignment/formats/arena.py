"""Chatbot Arena's votes, and MT-bench's, which have the same row: two models' conversations and who won.

A vote on a conversation whose earlier answers differ between the models judges more than one response, which a
comparison can not hold: such a row is rejected.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row, messages, split_conversations
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, Message, ResponseRecord

NAME = "chatbot-arena"
_WINNERS = {"model_a": (1, 2), "model_b": (2, 1), "tie": (1, 1), "tie (bothbad)": (1, 1)}
_VOTER = "voter"


def recognise(values: Mapping[str, Any]) -> bool:
    return {"model_a", "model_b", "winner", "conversation_a", "conversation_b"} <= set(values)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    turn = row.whole("turn")
    pair = [_until(messages(row, f"conversation_{side}"), turn, f"conversation_{side}") for side in "ab"]
    prompt, first, second = split_conversations(pair[0], pair[1], ("conversation_a", "conversation_b"))
    language = row.text("language", "")
    yield ComparisonRecord(
        prompt=prompt,
        responses=[
            ResponseRecord(side, row.text(f"model_{side}"), text)
            for side, text in (("a", first), ("b", second))
        ],
        tags=[language] if language else [],
        judgments=[_judgment(row)],
    )


def _until(conversation: list[Message], turn: int | None, name: str) -> list[Message]:
    """The conversation up to the answer that was judged: MT-bench rows hold two and say which."""
    answers = [place for place, message in enumerate(conversation) if message["role"] == "assistant"]
    if turn is None or not answers:
        return conversation
    if not 1 <= turn <= len(answers):
        raise BadRecord(f"there is no answer {turn} in it", name)
    return conversation[: answers[turn - 1] + 1]


def _judgment(row: Fields) -> JudgmentRecord:
    winner = row.text("winner")
    if winner not in _WINNERS:
        raise BadRecord(f"{winner!r:.60} is none of {', '.join(_WINNERS)}", "winner")
    rater, kind = _rater(row)
    return JudgmentRecord(
        rater=rater,
        kind=kind,
        ranking=dict(zip("ab", _WINNERS[winner], strict=True)),
        all_bad=winner == "tie (bothbad)",
        at=_moment(row),
    )


def _rater(row: Fields) -> tuple[str, str]:
    """A name, or a list: of one name for a person, of a model and its prompt for a judge."""
    names = (
        [row.text("judge", _VOTER)] if row.is_text("judge") or not row.has("judge") else row.texts("judge")
    )
    if not names:
        raise BadRecord("it must name who judged", "judge")
    return " ".join(names), "judge" if len(names) > 1 else "human"


def _moment(row: Fields) -> datetime | None:
    seconds = row.number("tstamp")
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadRecord("it is no time in seconds since 1970", "tstamp") from None
