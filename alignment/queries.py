"""Every shared read of this room: a project's current judgments as arrays, its reports and its labels."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from django.db.models import Count, Exists, F, OuterRef, QuerySet

from alignment.models import AgreementReport, Decision, Label, Labelling, Policy, Snapshot
from alignment.policy.verdicts import ALL, Adjudication, Mask, Verdicts, slice_of
from alignment.statistics.verdicts import MISSING, Codes, encode
from feedback.errors import Refused
from feedback.hashing import canonical_json
from feedback.models import (
    AuditEntry,
    Comparison,
    Job,
    JobState,
    Judgment,
    Outcome,
    Project,
    Purpose,
    Rater,
    RaterKind,
)
from feedback.queries.comparisons import tags_by_comparison
from feedback.queries.judgments import adjudications, current_judgments, judgment_columns

OUTCOMES: tuple[str, ...] = tuple(Outcome.values)
REPORT_TASK = "alignment.tasks.perform_report"
PEOPLE_TASK = "alignment.tasks.perform_people"
# Judgments, and audit entries: several times what one transaction of anything but an import writes.
LOOKED_BACK = 5000
# What changes a comparison's label without a judgment, as the audit trail has it.
RELABELLING = ("retire", "bring back", "make gold", "remove gold", "add tag", "remove tag")


@dataclass(frozen=True)
class Judgments(Verdicts):
    """A project's current judgments for training, as columns; a comparison without any is not in it.

    Comparisons are numbered by their external id, raters by kind and name and prompts by first use, so the
    numbers, and every statistic made from them, are the same on every database. Judgments stand in the order
    of comparison and rater; ``outcome`` is an index into OUTCOMES for each of them. ``names`` are the raters'
    names, each of which no other has.
    """

    raters: list[Rater]
    names: list[str]
    external_ids: list[str]
    outcome: Codes

    @property
    def slice_names(self) -> list[str]:
        """Everything first, then each tag."""
        return [ALL, *sorted(self.slices)]

    def of(self, rater: int) -> tuple[Codes, Codes]:
        """One rater's judgments: the comparisons, ascending, and the verdicts, or MISSING."""
        rows = self.rater == rater
        return self.comparison[rows], self.verdict[rows]

    def verdict_rows(self, raters: Mask) -> tuple[Codes, Codes, Codes]:
        """The verdicts of the raters under the mask, one row each: comparison, rater, verdict."""
        rows = raters[self.rater] & (self.verdict != MISSING)
        return self.comparison[rows], self.rater[rows], self.verdict[rows]

    def within(self, slice_name: str) -> "Judgments":
        """The same for one slice's comparisons, numbered anew; raters and rankings keep their numbers."""
        mask = self.mask(slice_name)
        rows = mask[self.comparison]
        return replace(
            self,
            external_ids=list(compress(self.external_ids, mask)),
            comparison_ids=self.comparison_ids[mask],
            prompts=self.prompts[mask],
            slices={},
            judgment_ids=self.judgment_ids[rows],
            comparison=(np.cumsum(mask) - 1)[self.comparison[rows]],
            rater=self.rater[rows],
            outcome=self.outcome[rows],
            verdict=self.verdict[rows],
        )

    def sha256(self) -> str:
        """The content of all this without a primary key: the same judgments have the same hash everywhere."""
        raters = [[rater.kind, rater.name, rater.simulated] for rater in self.raters]
        header = {
            "raters": raters,
            "names": self.names,
            "comparisons": self.external_ids,
            "rankings": self.rankings,
        }
        digest = hashlib.sha256(canonical_json(header).encode())
        for name in sorted(self.slices):
            digest.update(canonical_json(name).encode() + np.packbits(self.slices[name]).tobytes())
        for column in (self.prompts, self.comparison, self.rater, self.outcome, self.verdict):
            digest.update(column.astype("<i8").tobytes())
        return digest.hexdigest()


def load_judgments(project: Project) -> Judgments:
    """The project's current judgments; about 200 bytes a judgment."""
    rows = judgment_columns(project)
    encoded = encode(tuple(map(int, text.split(","))) if text else None for text in rows.rankings)
    external = dict(
        project.comparisons.filter(purpose=Purpose.TRAIN)
        .values_list("pk", "external_id")
        .iterator(chunk_size=5000)
    )
    ids = np.array(sorted(_distinct(rows.comparison).tolist(), key=external.__getitem__), dtype=np.int64)
    raters = sorted(
        project.raters.filter(pk__in=_distinct(rows.rater).tolist()), key=lambda r: (r.kind, r.name)
    )
    comparison = _renumbered(rows.comparison, ids)
    names = rater_names(project)
    rater = _renumbered(rows.rater, np.array([rater.pk for rater in raters], dtype=np.int64))
    order = np.lexsort((rater, comparison))
    first = np.searchsorted(comparison[order], np.arange(len(ids)))
    return Judgments(
        raters=raters,
        names=[names[rater.pk] for rater in raters],
        external_ids=[external[pk] for pk in ids.tolist()],
        comparison_ids=ids,
        prompts=_by_first_use(rows.prompt[order][first]),
        slices=_slices(project, ids),
        people=np.array([rater.kind == RaterKind.HUMAN for rater in raters], dtype=np.bool_),
        rankings=encoded.rankings,
        judgment_ids=rows.judgment[order],
        comparison=comparison[order],
        rater=rater[order],
        outcome=rows.outcome[order],
        verdict=encoded.codes[rows.ranking][order],
    )


def load_part(project: Project, comparison_ids: Codes) -> Judgments:
    """The same for some comparisons alone, those without a judgment left out: as long as these are few, it is quick."""
    found: list[tuple[int, int, int, int, str, tuple[int, ...], str]] = []
    columns = (
        "pk",
        "comparison_id",
        "comparison__prompt_id",
        "rater_id",
        "outcome",
        "ranking",
        "comparison__external_id",
    )
    for part in _parts(comparison_ids):
        rows = current_judgments(project).filter(comparison__in=part).order_by()
        found += rows.values_list(*columns)
    raters = sorted(project.raters.filter(pk__in={row[3] for row in found}), key=lambda r: (r.kind, r.name))
    place = {rater.pk: number for number, rater in enumerate(raters)}
    found.sort(key=lambda row: (row[6], place[row[3]]))
    external = {row[1]: row[6] for row in found}
    number = {pk: index for index, pk in enumerate(external)}
    encoded = encode(row[5] or None for row in found)
    names, ids = rater_names(project), _codes(external)
    return Judgments(
        raters=raters,
        names=[names[rater.pk] for rater in raters],
        external_ids=list(external.values()),
        comparison_ids=ids,
        prompts=_by_first_use(_codes({row[1]: row[2] for row in found}.values())),
        slices=_tags_of(project, ids),
        people=np.array([rater.kind == RaterKind.HUMAN for rater in raters], dtype=np.bool_),
        rankings=encoded.rankings,
        judgment_ids=_codes(row[0] for row in found),
        comparison=_codes(number[row[1]] for row in found),
        rater=_codes(place[row[3]] for row in found),
        outcome=_codes(OUTCOMES.index(row[4]) for row in found),
        verdict=encoded.codes,
    )


def unjudged_by_people(project: Project) -> Codes:
    """The comparisons for training, not retired, without a person's verdict that stands."""
    people = Rater.objects.filter(project=project, kind=RaterKind.HUMAN)
    judged = Judgment.objects.filter(rater__in=people, current=True, outcome=Outcome.RANKED)
    every = Comparison.objects.filter(project=project, purpose=Purpose.TRAIN, retired_at=None)
    seen = set(judged.values_list("comparison_id", flat=True).iterator(chunk_size=20_000))
    return _codes(pk for pk in every.order_by("pk").values_list("pk", flat=True) if pk not in seen)


def touched_since(project: Project, labelling: Labelling) -> Codes:
    """The comparisons that anything happened to since the labelling: judged, decided, answers taken back, retired and
    brought back, made gold and no gold any more, given a tag or rid of one.

    A judgment whose transaction was under way then may have a smaller number than the newest that was seen: so the last
    LOOKED_BACK before it are looked at again, and so with the audit trail. When an answer was taken back is not kept,
    so that all such comparisons are.
    """
    newer = Judgment.objects.filter(pk__gt=labelling.judgments_until - LOOKED_BACK)
    about = Comparison.objects.filter(project=project, purpose=Purpose.TRAIN)
    ids = set(newer.filter(comparison__in=about).values_list("comparison_id", flat=True))
    ids |= set(_taken_back(project).filter(comparison__in=about).values_list("comparison_id", flat=True))
    audited = AuditEntry.objects.filter(
        pk__gt=labelling.audit_until - LOOKED_BACK, project=project, target="comparison", verb__in=RELABELLING
    )
    return _codes(sorted(ids | {pk for pk in audited.values_list("target_id", flat=True) if pk}))


def _taken_back(project: Project) -> QuerySet[Judgment]:
    """Judgments that do not stand any more and that no other by the same rater replaced."""
    standing = Judgment.objects.filter(
        rater=OuterRef("rater"), comparison=OuterRef("comparison"), current=True
    )
    raters = Rater.objects.filter(project=project)
    return Judgment.objects.filter(~Exists(standing), rater__in=raters, current=False).order_by()


def load_adjudications(project: Project, comparison_ids: Codes | None = None) -> list[Adjudication]:
    """What reviewers decided, of some comparisons or all; kept apart from the judgments, since no measure of agreement
    may see it."""
    rows = adjudications(project).values_list("comparison_id", "pk", "ranking")
    if comparison_ids is None:
        return [Adjudication(*row) for row in rows.iterator(chunk_size=5000)]
    parts = (rows.filter(comparison__in=part) for part in _parts(comparison_ids))
    return [Adjudication(*row) for part in parts for row in part]


def _parts(ids: Codes) -> Iterator[list[int]]:
    for start in range(0, len(ids), 500):
        yield ids[start : start + 500].tolist()


def _codes(values: Iterable[int]) -> Codes:
    return np.array(list(values), dtype=np.int64)


def _tags_of(project: Project, ids: Codes) -> dict[str, Mask]:
    """The slices of these comparisons; every tag of the project is one, so that none is taken for no slice."""
    place = {pk: index for index, pk in enumerate(ids.tolist())}
    slices = {
        slice_of(name): np.zeros(len(ids), dtype=np.bool_)
        for name in project.tags.values_list("name", flat=True)
    }
    tagged = Comparison.tags.through.objects
    for part in _parts(ids):
        rows = tagged.filter(comparison__in=part).values_list("comparison_id", "tag__name")
        for comparison, name in rows:
            slices[slice_of(name)][place[comparison]] = True
    return slices


def rater_names(project: Project) -> dict[int, str]:
    """A name for each of the project's raters that no other has: where kinds share one, the kind is added."""
    raters = list(project.raters.all())
    shared = Counter(rater.name for rater in raters)
    return {
        rater.pk: rater.name
        if shared[rater.name] == 1
        else f"{rater.name} ({RaterKind(rater.kind).label.lower()})"
        for rater in raters
    }


def _distinct(keys: Codes) -> Codes:
    """Each key once, ascending: by sorting, which takes a tenth of the time of NumPy's own by hashes."""
    ordered = np.sort(keys)
    distinct: Codes = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return distinct


def _renumbered(keys: Codes, wanted: Codes) -> Codes:
    """The place of each key in ``wanted``, which holds every key once."""
    order = np.argsort(wanted)
    return order[np.searchsorted(wanted[order], keys)].astype(np.int64)


def _by_first_use(keys: Codes) -> Codes:
    """``keys`` numbered from 0 in the order in which they first occur."""
    order = np.argsort(keys, kind="stable")
    begins = np.append(True, keys[order][1:] != keys[order][:-1])[: len(keys)]
    numbers = np.argsort(np.argsort(order[begins]))
    found = np.empty(len(keys), dtype=np.int64)
    found[order] = numbers[np.cumsum(begins) - 1]
    return found


def _slices(project: Project, ids: Codes) -> dict[str, Mask]:
    """The comparisons of each tag, by its slice's name."""
    place = {pk: index for index, pk in enumerate(ids.tolist())}
    members: dict[str, list[int]] = {}
    for pk, tags in tags_by_comparison(project).items():
        if pk in place:
            for tag in tags:
                members.setdefault(slice_of(tag), []).append(place[pk])
    slices = {}
    for name, places in members.items():
        slices[name] = np.zeros(len(ids), dtype=np.bool_)
        slices[name][places] = True
    return slices


def external_ids(project: Project, comparisons: Iterable[int]) -> dict[int, str]:
    """What these comparisons of the project are called outside."""
    return dict(project.comparisons.filter(pk__in=list(comparisons)).values_list("pk", "external_id"))


def policy_named(project: Project, name: str) -> Policy:
    """The newest version of the policy of this name. Refused where there is none."""
    policy = Policy.objects.filter(project=project, name=name).order_by("-version").first()
    if policy is None:
        raise Refused(f"{project.name} has no policy {name!r}.", field="policy")
    return policy


def snapshot_named(project: Project, sha256: str) -> Snapshot:
    """The project's snapshot whose hash begins with ``sha256``. Refused where that is none or several."""
    found = list(project.snapshots.filter(sha256__startswith=sha256.strip().lower())[:2])
    if len(found) != 1:
        many = "more than one snapshot" if found else "no snapshot"
        raise Refused(
            f"{project.name} has {many} whose hash begins with {sha256!r}; the snapshots page lists them.",
            field="snapshot",
        )
    return found[0]


def newest_report(project: Project) -> AgreementReport | None:
    """The report made last."""
    return AgreementReport.objects.filter(project=project).first()


def report_job(project: Project) -> Job | None:
    """The job that measures the project's agreement, where the last one has not succeeded."""
    return _unsettled(project, REPORT_TASK)


def people_job(project: Project) -> Job | None:
    """The job that measures the project's people, where the last one has not succeeded."""
    return _unsettled(project, PEOPLE_TASK)


def _unsettled(project: Project, task: str) -> Job | None:
    job = Job.objects.filter(project=project, task=task).first()
    return None if job is None or job.state == JobState.SUCCEEDED else job


def newest_labelling(project: Project, policy: Policy | None = None) -> Labelling | None:
    """The labelling asked for last, of one policy or any, whatever became of it."""
    labellings = Labelling.objects.filter(policy__project=project).select_related("policy", "report", "job")
    labellings = labellings.select_related("base")
    return (labellings.filter(policy=policy) if policy else labellings).first()


def settled_labelling(project: Project, policy: Policy | None = None) -> Labelling | None:
    """The labelling that came to its end last and well, of one policy or any."""
    done = Labelling.objects.filter(policy__project=project, job__state=JobState.SUCCEEDED)
    done = done.filter(policy=policy) if policy else done
    return _last_ended(done).select_related("policy", "report", "job", "base__policy").first()


def ended_labellings(policy: Policy) -> QuerySet[Labelling]:
    """The policy's labellings that were begun and have ended, well or not, the last first."""
    ended = Labelling.objects.filter(
        policy=policy, job__started_at__isnull=False, job__ended_at__isnull=False
    )
    return _last_ended(ended).select_related("policy", "report", "job")


def _last_ended(labellings: QuerySet[Labelling]) -> QuerySet[Labelling]:
    """In the order in which they wrote, the last first: one that was resumed ends after others asked for later."""
    return labellings.order_by(F("job__ended_at").desc(nulls_last=True), "-pk")


def decision_counts(policy: Policy) -> dict[str, int]:
    """How many comparisons the policy uses, routes and drops."""
    counted = Label.objects.filter(policy=policy).values_list("decision").annotate(Count("pk")).order_by()
    return dict.fromkeys(Decision.values, 0) | dict(counted)


def reason_counts(policy: Policy) -> list[tuple[str, str, int]]:
    """(decision, reason, labels), the most frequent first."""
    counted = Label.objects.filter(policy=policy).values_list("decision", "reason").annotate(n=Count("pk"))
    return list(counted.order_by("-n", "decision", "reason"))


def labels_where(
    policy: Policy, *, decision: str = "", reason: str = "", tag: str = "", after: int = 0
) -> QuerySet[Label]:
    """The policy's labels by comparison, above comparison ``after``; an empty filter lets all through."""
    labels = Label.objects.filter(policy=policy, comparison_id__gt=after)
    if decision:
        labels = labels.filter(decision=decision)
    if reason:
        labels = labels.filter(reason=reason)
    if tag:
        labels = labels.filter(comparison__tags__name=tag)
    return labels.select_related("comparison__prompt").order_by("comparison_id")


def judgments_of(comparison: Comparison) -> QuerySet[Judgment]:
    """What every rater says of a comparison now, people first."""
    current = Judgment.objects.filter(comparison=comparison, current=True).select_related("rater")
    return current.order_by("rater__kind", "rater__name")
