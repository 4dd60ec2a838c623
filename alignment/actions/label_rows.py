"""Labels into the store: only those that differ, in batches that each stand or fall whole.

Each label's digest covers all that it says, so what differs is found by comparing two columns of numbers. PostgreSQL
takes the rows by COPY; SQLite in small batches, so that people at work are not kept waiting.
"""

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from django.db import connection, transaction

from alignment.models import Label, Labelling
from alignment.policy.labels import DECISIONS, REASONS, Labels
from alignment.statistics.verdicts import Codes
from feedback.hashing import canonical_json

BATCH = 500  # labels a transaction, where people's answers wait for it
BATCH_COPIED = 20_000  # where they do not
LINES_SENT = 500

Progress = Callable[[int, int], None]
Columns = tuple[int, str, str, float | None, float, float | None, str, str, str, int]
_COLUMNS = (
    "comparison_id",
    "decision",
    "ranking",
    "confidence",
    "weight",
    "margin",
    "reason",
    "sentence",
    "sources",
    "digest",
)


def write_labels(
    labelling: Labelling, labels: Labels, progress: Progress, within: Codes | None = None
) -> int:
    """Make the policy's labels say what ``labels`` do; the number changed.

    ``within`` are the comparisons that ``labels`` are about, those without one included; all where it is left out.
    """
    digests = labels.digests(labels.sources)
    ids, stored = _stored(labelling, within)
    place = np.searchsorted(ids, labels.comparison_ids)
    known = np.zeros(len(labels), dtype=np.bool_)
    inside = place < len(ids)
    known[inside] = ids[place[inside]] == labels.comparison_ids[inside]
    same = known.copy()
    same[known] = stored[place[known]] == digests[known]
    gone = ids[~np.isin(ids, labels.comparison_ids)]
    touched = np.flatnonzero(~same)
    _remove(labelling, gone, lambda: progress(0, len(touched)))
    rows = _Rows(labels, digests)
    size = BATCH_COPIED if connection.vendor == "postgresql" else BATCH
    for start in range(0, len(touched), size):
        batch = touched[start : start + size]
        with transaction.atomic():
            progress(start + len(batch), len(touched))
            _write_batch(labelling, rows, batch, labels.comparison_ids[batch[known[batch]]])
    return len(touched) + len(gone)


def _stored(labelling: Labelling, within: Codes | None) -> tuple[Codes, Codes]:
    """Comparison and digest of the policy's labels, ascending."""
    labels = Label.objects.filter(policy=labelling.policy).order_by("comparison_id")
    found: list[tuple[int, int]] = []
    if within is None:
        found = list(labels.values_list("comparison_id", "digest").iterator(chunk_size=50_000))
    else:
        for part in _parts(np.sort(within)):
            found += labels.filter(comparison_id__in=part).values_list("comparison_id", "digest")
    columns = np.array(found, dtype=np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _parts(ids: Codes) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH].tolist()


def remove_labels(labelling: Labelling, alive: Callable[[], object]) -> None:
    """Take away what this labelling wrote, in small transactions; ``alive`` is called in each and may end it."""
    written = Label.objects.filter(policy=labelling.policy, labelling=labelling)
    ids = np.array(list(written.values_list("comparison_id", flat=True)), dtype=np.int64)
    _remove(labelling, ids, alive)


def _remove(labelling: Labelling, comparison_ids: Codes, alive: Callable[[], object]) -> None:
    """Take away the policy's labels of these comparisons."""
    for part in _parts(comparison_ids):
        with transaction.atomic():
            alive()
            Label.objects.filter(policy=labelling.policy, comparison_id__in=part).delete()


def _write_batch(labelling: Labelling, rows: "_Rows", batch: Codes, known: Codes) -> None:
    _remove(labelling, known, lambda: None)  # within a transaction that has looked
    if connection.vendor == "postgresql":
        _copy(labelling, rows.columns(batch))
        return
    Label.objects.bulk_create(
        Label(policy=labelling.policy, labelling=labelling, **dict(zip(_COLUMNS, said, strict=True)))
        for said in rows.columns(batch)
    )


def _copy(labelling: Labelling, rows: Iterator[Columns]) -> None:
    """Rows as lines of COPY's text format. None of our values holds a tab, a line's end or a backslash.

    Sent in pieces, so that PostgreSQL stores some while the next are made.
    """
    table, names = Label._meta.db_table, ", ".join(("policy_id", "labelling_id", *_COLUMNS))
    begin = f"{labelling.policy_id}\t{labelling.pk}\t"
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        while piece := list(islice(rows, LINES_SENT)):
            copy.write("".join([f"{begin}{_line(columns)}\n" for columns in piece]))


def _line(columns: Columns) -> str:
    return "\t".join(["\\N" if value is None else str(value) for value in columns])


class _Rows:
    """The labels' columns as the store has them."""

    def __init__(self, labels: Labels, digests: Codes) -> None:
        self._labels, self._digests = labels, digests
        self._sentences = labels.sentences()
        rankings = [",".join(map(str, ranking)) for ranking in labels.rankings]
        self._rankings = [*rankings, ""]  # where nothing is decided, -1 takes the last
        self._weight, self._ranking = labels.weight, labels.used_ranking()

    def columns(self, batch: Codes) -> Iterator[Columns]:
        """By label, what stands in ``_COLUMNS``."""
        labels = self._labels
        numbers = (
            labels.comparison_ids,
            labels.decision,
            self._ranking,
            labels.confidence,
            self._weight,
            labels.margin,
            labels.reason,
            self._digests,
        )
        for at, sources, (comparison, decision, ranking, confidence, weight, margin, reason, digest) in zip(
            batch.tolist(),
            self.sources(batch),
            zip(*(column[batch].tolist() for column in numbers), strict=True),
            strict=True,
        ):
            yield (
                comparison,
                DECISIONS[decision],
                self._rankings[ranking],
                confidence if confidence == confidence else None,
                weight,
                margin if margin == margin else None,
                REASONS[reason],
                self._sentences[at],
                sources,
                digest,
            )

    def sources(self, batch: Codes) -> Iterator[str]:
        starts, ends = self._labels.starts[batch].tolist(), self._labels.starts[batch + 1].tolist()
        for start, end in zip(starts, ends, strict=True):
            yield ",".join(map(str, self._labels.sources[start:end].tolist()))


def content_sha256_of(labels: Labels, order: Codes, raters: list[str], external_ids: list[str]) -> str:
    """The hash of all that the labels say, in ``order``, without a primary key: sources are named by their raters."""
    digest = hashlib.sha256(canonical_json([raters, external_ids]).encode("utf-8", "surrogatepass"))
    digest.update(labels.digests(labels.raters + 1)[order].astype("<i8").tobytes())
    return digest.hexdigest()
