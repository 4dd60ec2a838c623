"""Records become rows: prompts, responses, comparisons and judgments, in bulk and at most once.

Comparisons are found again by their id, or by their content where they have none, whichever side their
responses are on. What is already there is counted as unchanged; what contradicts it is rejected with a
reason; nothing that is stored is overwritten. Judgments are stored by
``feedback.actions.import_judgments``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from django.db import transaction

from feedback.actions.audit import record as audit
from feedback.actions.copying import store_new
from feedback.actions.import_gold import reject_other_gold, store_gold
from feedback.actions.import_judgments import JudgmentStore
from feedback.actions.import_reading import Batch, Prepared, Records, plain_messages, prepared_batches
from feedback.actions.judgment_rows import JudgmentReader, Order, Placed, Stored
from feedback.actions.review_items import weigh, weigh_new
from feedback.actions.slices import Asked, RulesConflict, SliceRules
from feedback.actions.slots import fill_slots
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
from feedback.records import ComparisonRecord, Rejection
from feedback.statements import refresh_statistics

GROWING = (Prompt, Response, Comparison, Slot, QueueItem, Judgment, ReviewItem, Comparison.tags.through)
# New comparisons after which PostgreSQL is told to look at these tables; again at four times as many, and so on.
FIRST_LOOK = 1000


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
    records: Records,
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
        for batch in prepared_batches(records, store.reader):
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
        self.reader = JudgmentReader(project)
        self.judgments = JudgmentStore(project, reject)

    def store(self, batch: Batch) -> None:
        # One import at a time in a project: two with the same comparisons would collide on their ids.
        self.rules = SliceRules(Project.objects.select_for_update(no_key=True).get(pk=self.project.pk))
        placed, made = self._comparisons(self._sound(batch))
        agreeing = reject_other_gold(placed, self.reject)
        self.summary.comparisons_unchanged -= len(placed) - len(agreeing)
        judgments = self.judgments.store(agreeing, made)
        taken, people = judgments.taken(), judgments.people()
        self._queue(made, taken)
        fill_slots({pk: count for pk, count in taken.items() if pk not in made})
        weigh_new({pk: said for pk, said in people.items() if pk in made}, project_id=self.project.pk)
        weigh(people.keys() - made.keys())
        self.summary.judgments_new += len(judgments.new)
        self.summary.judgments_unchanged += judgments.unchanged

    def _sound(self, batch: Batch) -> list[Prepared]:
        sound = []
        for each in batch:
            if isinstance(each, Rejection):
                self.reject(each)
                continue
            try:
                self.rules.asked(each.record.tags)
            except RulesConflict as conflict:
                self.reject(Rejection(each.line, str(conflict), "tags"))
            else:
                sound.append(each)
        return sound

    def _asked(self, record: ComparisonRecord) -> Asked:
        """What a new comparison asks of people: nobody is asked about one that evaluates, or measures them."""
        asked = self.rules.asked(record.tags)
        if self.overlap is not None:
            asked = replace(asked, overlap=self.overlap)
        return asked if record.purpose == Purpose.TRAIN and not record.gold else Asked(overlap=0)

    def _comparisons(self, incoming: list[Prepared]) -> tuple[list[Placed], dict[int, Prepared]]:
        """Each record with its comparison, and those that were made for it; a contradiction is rejected."""
        rows = self.project.comparisons.filter(external_id__among={each.id for each in incoming})
        known = {
            external_id: (Stored(pk, external_id, purpose), content)
            for pk, external_id, purpose, content in rows.values_list(
                "pk", "external_id", "purpose", "content_sha256"
            )
        }
        contents = {external_id: content for external_id, (_stored, content) in known.items()}
        new: dict[str, Prepared] = {}
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
                self.reject(Rejection(each.line, reason, "id"))
                continue
            agreeing.append(each)
        stored = {external_id: row for external_id, (row, _content) in known.items()} | self._create(new)
        made = {stored[external_id].pk: each for external_id, each in new.items()}
        orders: dict[int, Order] = {pk: each.responses for pk, each in made.items()}
        orders |= _stored_orders({stored[each.id].pk for each in agreeing} - made.keys())
        return [self._placed(each, stored[each.id], orders) for each in agreeing], made

    def _placed(self, each: Prepared, row: Stored, orders: Mapping[int, Order]) -> Placed:
        """The record where its comparison is; its judgments are read again if the canonical order is another."""
        order = orders[row.pk]
        positions = {
            response.key: order.index(identity)
            for response, identity in zip(each.record.responses, each.responses, strict=True)
        }
        same = order == each.responses
        judgments = each.judgments if same else self.reader.read(each.id, each.record, positions)
        return Placed(each.record, row, positions, judgments)

    def _prompts(self, new: Iterable[Prepared]) -> dict[str, int]:
        """The ids of these records' prompts by their hashes; those that are not there are made."""
        wanted = {each.prompt: each.record for each in new}
        known = self._prompt_ids(wanted)
        missing = {sha256: record for sha256, record in wanted.items() if sha256 not in known}
        keys = store_new(
            Prompt,
            ("project_id", "sha256", "messages", "reference"),
            (
                [self.project.pk, sha256, plain_messages(record.prompt), record.reference]
                for sha256, record in missing.items()
            ),
            ignore_conflicts=True,
        )
        return known | (dict(zip(missing, keys, strict=True)) if keys else self._prompt_ids(missing))

    def _prompt_ids(self, hashes: Iterable[str]) -> dict[str, int]:
        rows = Prompt.objects.filter(project=self.project, sha256__among=hashes)
        return dict(rows.values_list("sha256", "pk"))

    def _create(self, new: dict[str, Prepared]) -> dict[str, Stored]:
        prompts = self._prompts(new.values())
        responses = self._responses(new.values(), prompts)
        keys = store_new(
            Comparison,
            (
                "project_id", "prompt_id", "external_id", "content_sha256", "purpose", "overlap", "metadata"
            ),
            (
                [
                    self.project.pk, prompts[each.prompt], key, each.content, each.purpose,
                    self._asked(each.record).overlap, dict(each.record.metadata),
                ]
                for key, each in new.items()
            ),
        )  # fmt: skip
        made = {
            each.id: Stored(pk, each.id, each.purpose) for pk, each in zip(keys, new.values(), strict=True)
        }
        store_new(
            Slot,
            ("comparison_id", "response_id", "position", "key"),
            (
                [made[key].pk, responses[(prompts[each.prompt], *identity)], position, response.key]
                for key, each in new.items()
                for position, (response, identity) in enumerate(
                    zip(each.record.responses, each.responses, strict=True)
                )
            ),
        )
        store_gold((each.record, made[key]) for key, each in new.items())
        store_new(
            Comparison.tags.through,
            ("comparison_id", "tag_id"),
            (
                [made[key].pk, self._tag(tag).pk]
                for key, each in new.items()
                for tag in dict.fromkeys(each.record.tags)
            ),
        )
        self.summary.comparisons_new += len(made)
        return made

    def _queue(self, made: dict[int, Prepared], taken: Mapping[int, int]) -> None:
        """Put new comparisons into the queue: with the slots that are left, widened where that many are not asked."""
        asked = {pk: self._asked(each.record) for pk, each in made.items() if not each.record.gold}
        store_new(
            QueueItem,
            ("comparison_id", "project_id", "pool_id", "slots_free", "responses"),
            (
                [
                    pk,
                    self.project.pk,
                    self.rules.pool(of),
                    max(0, of.overlap - taken.get(pk, 0)),
                    len(made[pk].record.responses),
                ]
                for pk, of in asked.items()
            ),
        )
        widened: dict[int, list[int]] = {}
        for pk, of in asked.items():
            if taken.get(pk, 0) > of.overlap:
                widened.setdefault(taken[pk], []).append(pk)
        for overlap, pks in widened.items():
            Comparison.objects.filter(pk__in=pks).update(overlap=overlap)

    def _responses(
        self, incoming: Iterable[Prepared], prompts: dict[str, int]
    ) -> dict[tuple[int, str, str], int]:
        wanted = {
            (prompts[each.prompt], *identity): response.text
            for each in incoming
            for response, identity in zip(each.record.responses, each.responses, strict=True)
        }
        keys = store_new(
            Response,
            ("prompt_id", "source", "sha256", "text"),
            ([*identity, text] for identity, text in wanted.items()),
            ignore_conflicts=True,
        )
        if keys:
            return dict(zip(wanted, keys, strict=True))
        stored = Response.objects.filter(prompt__in={prompt for prompt, _, _ in wanted})
        return {
            (row[0], row[1], row[2]): row[3]
            for row in stored.values_list("prompt_id", "source", "sha256", "pk")
        }

    def _tag(self, name: str) -> Tag:
        if name not in self.tags:
            self.tags[name], _ = Tag.objects.get_or_create(project=self.project, name=name)
        return self.tags[name]


def _stored_orders(comparison_ids: set[int]) -> dict[int, Order]:
    slots = Slot.objects.filter(comparison__among=comparison_ids).order_by("position")
    found: dict[int, Order] = {}
    for comparison, source, sha256 in slots.values_list(
        "comparison_id", "response__source", "response__sha256"
    ):
        found[comparison] = (*found.get(comparison, ()), (source, sha256))
    return found
