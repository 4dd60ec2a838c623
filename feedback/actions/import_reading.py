"""Records before they meet the store: checked, hashed and put into batches, without any question to the database.

So a file is read on a thread of its own, a batch ahead, while the database is at work on the one before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connection

from feedback.actions.judgment_rows import JudgmentReader, NewJudgment, Order
from feedback.ahead import ahead
from feedback.hashing import content_sha256
from feedback.models import Project
from feedback.records import BadRecord, ComparisonRecord, Message, Rejection, check_record

BATCH = 200  # records a transaction: people at work on SQLite wait for one batch at most
LARGE_BATCH = 1000  # on PostgreSQL, where they do not wait
BATCH_CHARACTERS = 8_000_000  # of responses in a batch, so that long ones do not fill the memory


@dataclass(frozen=True)
class Prepared:
    """A record that was checked, with the hashes of its prompt, of each response beside its source, and of it all.

    Its judgments go by the order of its own responses, which is the canonical one unless the comparison is known.
    """

    record: ComparisonRecord
    id: str
    prompt: str
    responses: Order
    content: str
    judgments: list[NewJudgment | Rejection]

    @property
    def line(self) -> int:
        return self.record.line

    @property
    def purpose(self) -> str:
        return self.record.gold.use if self.record.gold else self.record.purpose


Records = Iterable[ComparisonRecord | Prepared | Rejection]
Batch = list[Prepared | Rejection]


def read_ahead(
    *, project: Project, records: Iterable[ComparisonRecord | Rejection]
) -> Iterator[Prepared | Rejection]:
    """A file's records, read and prepared on a thread of their own, one batch while another is stored.

    The thread has no connection: the records must come without any question to the database.
    """
    for batch in ahead(prepared_batches(records, JudgmentReader(project))):
        yield from batch


def prepared_batches(records: Records, reader: JudgmentReader) -> Iterator[Batch]:
    """The records in batches, those that can not be stored as rejections in their place."""
    batch: Batch = []
    characters = 0
    most = LARGE_BATCH if connection.vendor == "postgresql" else BATCH
    for record in records:
        each = _prepared(record, reader) if isinstance(record, ComparisonRecord) else record
        batch.append(each)
        if isinstance(each, Prepared):
            characters += sum(len(response.text) for response in each.record.responses)
        if len(batch) >= most or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def prompt_sha256(record: ComparisonRecord) -> str:
    """The identity of a prompt within its project."""
    return content_sha256({"messages": plain_messages(record.prompt), "reference": record.reference})


def plain_messages(prompt: Iterable[Message]) -> list[dict[str, str]]:
    """A conversation as it is stored: each message with its role and its content alone."""
    return [{"role": message["role"], "content": message["content"]} for message in prompt]


def _prepared(record: ComparisonRecord, reader: JudgmentReader) -> Prepared | Rejection:
    try:
        check_record(record)
    except BadRecord as bad:
        return Rejection(record.line, bad.reason, bad.field)
    prompt = prompt_sha256(record)
    responses = tuple((response.source, content_sha256(response.text)) for response in record.responses)
    content = content_sha256({"prompt": prompt, "responses": sorted(responses)})
    key = record.key or f"sha256:{content}"
    in_order = {response.key: position for position, response in enumerate(record.responses)}
    return Prepared(record, key, prompt, responses, content, reader.read(key, record, in_order))
