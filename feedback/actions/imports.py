"""Records become rows: prompts, responses, comparisons and judgments, in bulk and at most once.

Comparisons are found again by their id, or by their content where they have none, whichever side their
responses are on. What is already there is counted as unchanged; what contradicts it is rejected with a
reason; nothing that is stored is overwritten. Judgments are stored by
``feedback.actions.import_judgments``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from django.db import connection, transaction

from feedback.actions.audit import record as audit
from feedback.actions.copying import store_new
from feedback.actions.import_gold import reject_other_gold, store_gold
from feedback.actions.import_judgments import JudgmentStore
from feedback.actions.judgment_rows import Placed
from feedback.actions.slices import Asked, RulesConflict, SliceRules
from feedback.hashing import content_sha256
from feedback.models import (
    Comparison,
    Judgment,
    Project,
    Prompt,
    Purpose,
    QueueItem,
    Response,
    ReviewItem,
    Slot,
    Tag,
)
from feedback.people import Person
from feedback.records import BadRecord, ComparisonRecord, Message, Rejection, check_record
from feedback.statements import refresh_statistics

BATCH = 200  # records a transaction: people at work on SQLite wait for one batch at most
LARGE_BATCH = 1000  # on PostgreSQL, where they do not wait
GROWING = (Prompt, Response, Comparison, Slot, QueueItem, Judgment, ReviewItem, Comparison.tags.through)
# New comparisons after which PostgreSQL is told to look at these tables; again at four times as many, and so on.
FIRST_LOOK = 1000
BATCH_CHARACTERS = 8_000_000  # of responses in a batch, so that long ones do not fill the memory


@dataclass
class ImportSummary:
    """What an import did, in rows."""

    comparisons_new: int = 0
    comparisons_unchanged: int = 0
    judgments_new: int = 0
    judgments_unchanged: int = 0
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.comparisons_new or self.judgments_new)


def store_records(
    *,
    project: Project,
    records: Iterable[ComparisonRecord | Rejection],
    by: Person,
    overlap: int | None = None,
    reject: Callable[[Rejection], None] | None = None,
    progress: Callable[[int, ImportSummary], None] | None = None,
) -> ImportSummary:
    """Store the records in batches, each whole or not at all; what a reader rejected passes through.

    ``overlap`` is how many people are asked about each new comparison, whatever the project and its slices ask.
    ``reject`` is told of each rejection in place of the summary, for more of them than memory holds;
    raising in it ends the import. ``progress`` is told the last line and the counts so far at the end of each
    batch, in its transaction, so that what it writes is stored with the batch. What was stored before a failure
    stays, and is in the audit trail.
    """
    summary = ImportSummary()
    known = FIRST_LOOK
    rejected = _Counted(reject or summary.rejections.append)
    store = _Store(project, summary, rejected, overlap)
    try:
        for batch in _batches(records, rejected):
            with transaction.atomic():
                store.store(batch)
                if progress:
                    progress(batch[-1].line, summary)
            if summary.comparisons_new >= known:
                refresh_statistics(*GROWING)
                known = summary.comparisons_new * 4
    except Exception:
        if summary.changed:
            _audit(project, by, summary, rejected, complete=False)
        raise
    if summary.comparisons_new >= FIRST_LOOK:
        refresh_statistics(*GROWING)
    _audit(project, by, summary, rejected, complete=True)
    return summary


def prompt_sha256(record: ComparisonRecord) -> str:
    """The identity of a prompt within its project."""
    return content_sha256({"messages": _messages(record.prompt), "reference": record.reference})


@dataclass(frozen=True)
class _Incoming:
    """A record with its hashes: of its prompt, of each response beside its source, and of it all."""

    record: ComparisonRecord
    prompt: str
    responses: tuple[tuple[str, str], ...]
    content: str

    @property
    def id(self) -> str:
        return self.record.key or f"sha256:{self.content}"


class _Counted:
    def __init__(self, reject: Callable[[Rejection], None]) -> None:
        self.count = 0
        self._reject = reject

    def __call__(self, rejection: Rejection) -> None:
        self.count += 1
        self._reject(rejection)


def _audit(
    project: Project, by: Person, summary: ImportSummary, rejected: _Counted, *, complete: bool
) -> None:
    counts = {
        "comparisons": summary.comparisons_new,
        "judgments": summary.judgments_new,
        "rejected": rejected.count,
    }
    audit(by=by, verb="import", target=project, project=project, complete=complete, **counts)


def _batches(
    records: Iterable[ComparisonRecord | Rejection], reject: Callable[[Rejection], None]
) -> Iterator[list[ComparisonRecord]]:
    batch: list[ComparisonRecord] = []
    characters = 0
    most = LARGE_BATCH if connection.vendor == "postgresql" else BATCH
    for record in records:
        if isinstance(record, Rejection):
            reject(record)
            continue
        batch.append(record)
        characters += sum(
            len(response.text) for response in record.responses if isinstance(response.text, str)
        )
        if len(batch) >= most or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Store:
    """One import: the summary being filled, and the tags met so far."""

    def __init__(
        self,
        project: Project,
        summary: ImportSummary,
        reject: Callable[[Rejection], None],
        overlap: int | None,
    ) -> None:
        self.project = project
        self.summary = summary
        self.reject = reject
        self.overlap = overlap
        self.tags: dict[str, Tag] = {}
        self.judgments = JudgmentStore(project, reject)

    def store(self, batch: list[ComparisonRecord]) -> None:
        # One import at a time in a project: two with the same comparisons would collide on their ids.
        self.rules = SliceRules(Project.objects.select_for_update(no_key=True).get(pk=self.project.pk))
        incoming = [_hashed(record) for record in batch if self._is_sound(record)]
        prompts = self._prompts(incoming)
        placed = self._comparisons(incoming, prompts)
        agreeing = reject_other_gold(placed, self.reject)
        self.summary.comparisons_unchanged -= len(placed) - len(agreeing)
        new, unchanged = self.judgments.store(agreeing)
        self.summary.judgments_new += new
        self.summary.judgments_unchanged += unchanged

    def _is_sound(self, record: ComparisonRecord) -> bool:
        try:
            check_record(record)
            self.rules.asked(record.tags)
        except BadRecord as bad:
            self.reject(Rejection(record.line, bad.reason, bad.field))
            return False
        except RulesConflict as conflict:
            self.reject(Rejection(record.line, str(conflict), "tags"))
            return False
        return True

    def _asked(self, record: ComparisonRecord) -> Asked:
        """What a new comparison asks of people: nobody is asked about one that evaluates, or measures them."""
        asked = self.rules.asked(record.tags)
        if self.overlap is not None:
            asked = replace(asked, overlap=self.overlap)
        return asked if record.purpose == Purpose.TRAIN and not record.gold else Asked(overlap=0)

    def _prompts(self, incoming: list[_Incoming]) -> dict[str, int]:
        wanted = {each.prompt: each.record for each in incoming}
        known = self._prompt_ids(wanted)
        store_new(
            Prompt,
            (
                Prompt(
                    project=self.project,
                    sha256=sha256,
                    messages=_messages(record.prompt),
                    reference=record.reference,
                )
                for sha256, record in wanted.items()
                if sha256 not in known
            ),
            ignore_conflicts=True,
        )
        return known if len(known) == len(wanted) else self._prompt_ids(wanted)

    def _prompt_ids(self, hashes: Iterable[str]) -> dict[str, int]:
        rows = Prompt.objects.filter(project=self.project, sha256__in=list(hashes))
        return dict(rows.values_list("sha256", "pk"))

    def _comparisons(self, incoming: list[_Incoming], prompts: dict[str, int]) -> list[Placed]:
        """Each record with its comparison, made where it is new; a contradiction is rejected."""
        ids = {each.id for each in incoming}
        contents = dict(
            self.project.comparisons.filter(external_id__in=ids).values_list("external_id", "content_sha256")
        )
        new: dict[str, _Incoming] = {}
        agreeing = []
        for each in incoming:
            if each.id not in contents:
                contents[each.id] = each.content
                new[each.id] = each
            elif contents[each.id] == each.content:
                self.summary.comparisons_unchanged += 1
            else:
                reason = (
                    f"a comparison with the id {each.id!r} and other texts is already there; change the id"
                )
                self.reject(Rejection(each.record.line, reason, "id"))
                continue
            agreeing.append(each)
        self._create(new, prompts)
        stored = self.project.comparisons.filter(external_id__in={each.id for each in agreeing}).in_bulk(
            field_name="pk"
        )
        by_id = {row.external_id: row for row in stored.values()}
        return self._placed([(each, by_id[each.id]) for each in agreeing])

    def _create(self, new: dict[str, _Incoming], prompts: dict[str, int]) -> None:
        responses = self._responses(list(new.values()), prompts)
        rows = {
            key: Comparison(
                project=self.project,
                prompt_id=prompts[each.prompt],
                external_id=key,
                content_sha256=each.content,
                purpose=each.record.gold.use if each.record.gold else each.record.purpose,
                overlap=self._asked(each.record).overlap,
                metadata=dict(each.record.metadata),
            )
            for key, each in new.items()
        }
        store_new(Comparison, rows.values())
        store_new(
            Slot,
            (
                Slot(
                    comparison=rows[key],
                    response_id=responses[(rows[key].prompt_id, *identity)],
                    position=position,
                    key=response.key,
                )
                for key, each in new.items()
                for position, (response, identity) in enumerate(
                    zip(each.record.responses, each.responses, strict=True)
                )
            ),
        )
        store_gold((each.record, rows[key]) for key, each in new.items())
        store_new(
            QueueItem,
            (
                QueueItem(
                    comparison=rows[key],
                    project_id=self.project.pk,
                    pool_id=self.rules.pool(self._asked(each.record)),
                    slots_free=rows[key].overlap,
                    responses=len(each.record.responses),
                )
                for key, each in new.items()
                if not each.record.gold
            ),
        )
        store_new(
            Comparison.tags.through,
            (
                Comparison.tags.through(comparison_id=rows[key].pk, tag_id=self._tag(tag).pk)
                for key, each in new.items()
                for tag in dict.fromkeys(each.record.tags)
            ),
        )
        self.summary.comparisons_new += len(rows)

    def _responses(
        self, incoming: list[_Incoming], prompts: dict[str, int]
    ) -> dict[tuple[int, str, str], int]:
        wanted = {
            (prompts[each.prompt], *identity): response.text
            for each in incoming
            for response, identity in zip(each.record.responses, each.responses, strict=True)
        }
        store_new(
            Response,
            (
                Response(prompt_id=prompt, source=source, sha256=sha256, text=text)
                for (prompt, source, sha256), text in wanted.items()
            ),
            ignore_conflicts=True,
        )
        stored = Response.objects.filter(prompt__in={prompt for prompt, _, _ in wanted})
        return {
            (row[0], row[1], row[2]): row[3]
            for row in stored.values_list("prompt_id", "source", "sha256", "pk")
        }

    def _tag(self, name: str) -> Tag:
        if name not in self.tags:
            self.tags[name], _ = Tag.objects.get_or_create(project=self.project, name=name)
        return self.tags[name]

    def _placed(self, stored: list[tuple[_Incoming, Comparison]]) -> list[Placed]:
        """Where each record's responses stand in the canonical order of its comparison."""
        slots = Slot.objects.filter(comparison__in={row.pk for _, row in stored})
        positions: dict[int, dict[tuple[str, str], int]] = {}
        rows = slots.values_list("comparison_id", "response__source", "response__sha256", "position")
        for comparison_id, source, sha256, position in rows:
            positions.setdefault(comparison_id, {})[(source, sha256)] = position
        return [
            Placed(
                each.record,
                row,
                {
                    response.key: positions[row.pk][identity]
                    for response, identity in zip(each.record.responses, each.responses, strict=True)
                },
            )
            for each, row in stored
        ]


def _hashed(record: ComparisonRecord) -> _Incoming:
    prompt, responses = prompt_sha256(record), _identities(record)
    return _Incoming(record, prompt, responses, _content(prompt, responses))


def _content(prompt: str, responses: Iterable[tuple[str, str]]) -> str:
    return content_sha256({"prompt": prompt, "responses": sorted(list(each) for each in responses)})


def _identities(record: ComparisonRecord) -> tuple[tuple[str, str], ...]:
    return tuple((response.source, content_sha256(response.text)) for response in record.responses)


def _messages(prompt: Iterable[Message]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in prompt]
