"""Prompts and responses stored by themselves, in bulk and at most once, before anything compares them.

A prompt has the same identity here as in an import, so comparisons that come later find it again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q

from feedback.actions.audit import record as audit
from feedback.actions.import_reading import BATCH, plain_messages, prompt_sha256
from feedback.hashing import content_sha256
from feedback.models import Project, Prompt, Response
from feedback.people import Person
from feedback.records import BadRecord, ComparisonRecord, Rejection, check_messages, check_text


@dataclass(frozen=True)
class NewPrompt:
    """A conversation up to the turn to be answered; ``line`` says which of those sent it is."""

    messages: Any
    reference: Any = None
    line: int = 0


@dataclass(frozen=True)
class NewResponse:
    """An answer to a prompt, which is named by its id or its sha256."""

    prompt: Any
    source: Any
    text: Any
    line: int = 0


@dataclass
class TextsSummary:
    """What was stored, in rows. ``ids`` gives the id of each row that is in the store now, by its line."""

    new: int = 0
    unchanged: int = 0
    ids: dict[int, int] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)


_Record = TypeVar("_Record", NewPrompt, NewResponse)


def store_prompts(*, project: Project, prompts: Iterable[NewPrompt], by: Person) -> TextsSummary:
    """Store the prompts that are not there yet; what can not be stored is rejected with a reason."""
    summary = TextsSummary()
    for batch in _batches(prompts):
        with transaction.atomic():
            _store_prompts(project, _sound(batch, _check_prompt, summary), summary)
    _audit(project, by, "store prompts", summary)
    return summary


def store_responses(*, project: Project, responses: Iterable[NewResponse], by: Person) -> TextsSummary:
    """Store the responses that are not there yet; one whose prompt is not in the project is rejected."""
    summary = TextsSummary()
    for batch in _batches(responses):
        with transaction.atomic():
            _store_responses(project, _sound(batch, _check_response, summary), summary)
    _audit(project, by, "store responses", summary)
    return summary


def _batches(records: Iterable[_Record]) -> Iterator[list[_Record]]:
    iterator = iter(records)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _sound(
    records: Sequence[_Record], check: Callable[[_Record], None], summary: TextsSummary
) -> list[_Record]:
    sound = []
    for record in records:
        try:
            check(record)
        except BadRecord as bad:
            summary.rejections.append(Rejection(record.line, bad.reason, bad.field))
        else:
            sound.append(record)
    return sound


def _check_prompt(record: NewPrompt) -> None:
    try:
        check_messages(record.messages)
    except BadRecord as bad:
        raise BadRecord(bad.reason, (bad.field or "").replace("prompt", "messages", 1)) from bad
    if record.reference is not None:
        check_text(record.reference, "reference")


def _check_response(record: NewResponse) -> None:
    if isinstance(record.prompt, bool) or not isinstance(record.prompt, int | str):
        raise BadRecord("it must be the id or the sha256 of a prompt", "prompt")
    if isinstance(record.prompt, str):
        check_text(record.prompt, "prompt", 64)
    check_text(record.source, "source", 200)
    check_text(record.text, "text")


def _store_prompts(project: Project, records: list[NewPrompt], summary: TextsSummary) -> None:
    hashes = {record.line: _sha256(record) for record in records}
    wanted = {hashes[record.line]: record for record in records}
    before = set(project.prompts.filter(sha256__in=wanted).values_list("sha256", flat=True))
    Prompt.objects.bulk_create(
        (
            Prompt(
                project=project,
                sha256=sha256,
                messages=plain_messages(record.messages),
                reference=record.reference,
            )
            for sha256, record in wanted.items()
            if sha256 not in before
        ),
        ignore_conflicts=True,
    )
    stored = dict(project.prompts.filter(sha256__in=wanted).values_list("sha256", "pk"))
    summary.ids |= {line: stored[sha256] for line, sha256 in hashes.items()}
    _count(summary, len(records), len(stored) - len(before))


def _store_responses(project: Project, records: list[NewResponse], summary: TextsSummary) -> None:
    prompts = _prompts(project, records)
    identities = {}
    wanted = {}
    for record in records:
        prompt_id = prompts.get(record.prompt)
        if prompt_id is None:
            reason = f"there is no prompt {record.prompt!r:.80} in this project; store it first"
            summary.rejections.append(Rejection(record.line, reason, "prompt"))
            continue
        identity = (prompt_id, record.source, content_sha256(record.text))
        identities[record.line] = identity
        wanted[identity] = Response(
            prompt_id=prompt_id, source=record.source, sha256=identity[2], text=record.text
        )
    before = _responses(wanted)
    Response.objects.bulk_create(
        (row for identity, row in wanted.items() if identity not in before), ignore_conflicts=True
    )
    stored = _responses(wanted)
    summary.ids |= {line: stored[identity] for line, identity in identities.items()}
    _count(summary, len(identities), len(stored) - len(before))


def _prompts(project: Project, records: list[NewResponse]) -> dict[int | str, int]:
    """The project's prompts among those named, by id and by sha256."""
    ids = {
        record.prompt for record in records if isinstance(record.prompt, int) and 0 < record.prompt < 2**63
    }
    hashes = {record.prompt for record in records if isinstance(record.prompt, str)}
    found: dict[int | str, int] = {}
    for pk, sha256 in project.prompts.filter(Q(pk__in=ids) | Q(sha256__in=hashes)).values_list(
        "pk", "sha256"
    ):
        found |= {pk: pk, sha256: pk}
    return found


def _responses(wanted: Iterable[tuple[int, str, str]]) -> dict[tuple[int, str, str], int]:
    """The ids of those of the wanted (prompt, source, sha256) that are stored."""
    identities = set(wanted)
    rows = Response.objects.filter(
        prompt__in={identity[0] for identity in identities},
        sha256__in={identity[2] for identity in identities},
    ).values_list("prompt_id", "source", "sha256", "pk")
    return {(row[0], row[1], row[2]): row[3] for row in rows if (row[0], row[1], row[2]) in identities}


def _sha256(record: NewPrompt) -> str:
    return prompt_sha256(ComparisonRecord(prompt=record.messages, responses=(), reference=record.reference))


def _count(summary: TextsSummary, rows: int, new: int) -> None:
    summary.new += new
    summary.unchanged += rows - new


def _audit(project: Project, by: Person, verb: str, summary: TextsSummary) -> None:
    audit(
        by=by, verb=verb, target=project, project=project, new=summary.new, rejected=len(summary.rejections)
    )
