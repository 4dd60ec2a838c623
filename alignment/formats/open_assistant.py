"""OpenAssistant's trees (Köpf et al. 2023): each message of a person whose replies were ranked is a comparison.

Rank 0 is the best. The ranking, which the project merged from several people, is the rater ``open-assistant``'s.
Replies without a rank are left out of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.formats.fields import Fields
from alignment.formats.reading import Read, each_row, ranks_of
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, Message, ResponseRecord

NAME = "open-assistant"
_ROLES = {"prompter": "user", "assistant": "assistant"}
_DEEPEST = 100  # turns


def recognise(values: Mapping[str, Any]) -> bool:
    return "message_tree_id" in values and isinstance(values.get("prompt"), Mapping)


def read(path: Path) -> Read:
    return each_row(path, _records)


def _records(row: Fields) -> Iterable[ComparisonRecord]:
    return _below(row.part("prompt"), [])


def _below(node: Fields, before: list[Message]) -> Iterator[ComparisonRecord]:
    if len(before) > _DEEPEST:
        raise BadRecord(f"the conversation has more than {_DEEPEST} turns", node.place("replies"))
    path: list[Message] = [*before, {"role": _role(node), "content": node.text("text")}]
    replies = list(node.objects("replies"))
    ranked = [each for each in replies if each.has("rank")]
    if path[-1]["role"] == "user" and len(ranked) > 1:
        yield _comparison(node, path, ranked)
    for reply in replies:
        yield from _below(reply, path)


def _comparison(node: Fields, path: list[Message], replies: list[Fields]) -> ComparisonRecord:
    keys = [reply.text("message_id") for reply in replies]
    ranks = ranks_of([-reply.needed_whole("rank") for reply in replies])
    language = node.text("lang", "")
    return ComparisonRecord(
        key=node.text("message_id"),
        prompt=path,
        responses=[
            ResponseRecord(key, NAME, reply.text("text")) for key, reply in zip(keys, replies, strict=True)
        ],
        tags=[language] if language else [],
        judgments=[JudgmentRecord(rater=NAME, ranking=dict(zip(keys, ranks, strict=True)))],
    )


def _role(node: Fields) -> str:
    role = node.text("role")
    if role not in _ROLES:
        raise BadRecord(f"{role!r:.60} is none of {', '.join(_ROLES)}", node.place("role"))
    return _ROLES[role]
