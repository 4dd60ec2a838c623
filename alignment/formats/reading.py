"""Rows become records, one or several a row: what every reader of a file with a row a comparison shares."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from alignment.formats.fields import Fields
from alignment.formats.rows import read_rows
from feedback.records import BadRecord, ComparisonRecord, JudgmentRecord, Message, Rejection, ResponseRecord

Read = Iterator[ComparisonRecord | Rejection]


def each_row(path: Path, records: Callable[[Fields], Iterable[ComparisonRecord]]) -> Read:
    """The records of each row with its line, or why it has none. ``records`` raises BadRecord.

    A row's records come all or not at all.
    """
    for row in read_rows(path):
        if isinstance(row, Rejection):
            yield row
            continue
        try:
            yield from [replace(record, line=row.line) for record in records(Fields(row.values))]
        except BadRecord as bad:
            yield Rejection(row.line, bad.reason, bad.field)


def preferred(
    prompt: Sequence[Message],
    chosen: str,
    rejected: str,
    *,
    judgment: JudgmentRecord,
    key: str | None = None,
    sources: tuple[str, str],
    tags: Sequence[str] = (),
) -> ComparisonRecord:
    """A published preference as a comparison: ``judgment`` gets its ranking, ``sources`` are (chosen, rejected).

    The two are put in the order of a hash of their texts, so that neither order nor name says which was chosen.
    Raises BadRecord where they are the same text.
    """
    if chosen == rejected:
        raise BadRecord("the chosen answer equals the rejected one", "rejected")
    by_text = {chosen: sources[0], rejected: sources[1]}
    keys = dict(zip(sorted(by_text, key=_digest), "ab", strict=True))
    return ComparisonRecord(
        key=key,
        prompt=prompt,
        responses=[ResponseRecord(keys[text], by_text[text], text) for text in keys],
        judgments=[replace(judgment, ranking={keys[chosen]: 1, keys[rejected]: 2})],
        tags=tags,
    )


def messages(fields: Fields, name: str) -> list[Message]:
    """A list of {role, content}. Other names in a message are passed over. Raises BadRecord."""
    return [
        {"role": each.text("role"), "content": each.text("content")}
        for each in fields.objects(name, required=True)
    ]


def split_conversations(
    first: Sequence[Message], second: Sequence[Message], names: tuple[str, str]
) -> tuple[list[Message], str, str]:
    """(the shared turns, the answer of ``first``, that of ``second``) of two conversations.

    Raises BadRecord, naming one of ``names``, unless each ends with one answer after the turns they share.
    """
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[shared] == second[shared]:
        shared += 1
    answers = []
    for name, conversation in zip(names, (first, second), strict=True):
        rest = conversation[shared:]
        if len(rest) != 1:
            raise BadRecord("the two conversations differ before their last turn", name)
        if rest[0]["role"] != "assistant":
            raise BadRecord("the conversation does not end with the assistant's turn", name)
        answers.append(rest[0]["content"])
    return list(first[:shared]), answers[0], answers[1]


def ranks_of(values: Sequence[float]) -> list[int]:
    """The rank of each value from 1, the greatest first; equal values are ties."""
    levels = sorted(set(values), reverse=True)
    return [levels.index(value) + 1 for value in values]


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
