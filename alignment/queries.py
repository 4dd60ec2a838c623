"""Every shared read of this room: a project's current judgments as arrays, its reports and its labels."""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from django.db.models import Count, QuerySet

from alignment.models import AgreementReport, Decision, Label, Labelling, Policy, Snapshot
from alignment.policy.decisions import Adjudication
from alignment.policy.verdicts import ALL, Mask, Verdicts
from alignment.statistics.verdicts import MISSING, Codes, encode
from feedback.errors import Refused
from feedback.hashing import canonical_json
from feedback.models import Comparison, Job, JobState, Judgment, Outcome, Project, Purpose, Rater, RaterKind
from feedback.queries.comparisons import tags_by_comparison
from feedback.queries.judgments import adjudications, judgment_columns

OUTCOMES: tuple[str, ...] = tuple(Outcome.values)
REPORT_TASK = "alignment.tasks.perform_report"
PEOPLE_TASK = "alignment.tasks.perform_people"


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

    def verdicts_of(self, rater: int) -> Codes:
        """One rater's verdict on every comparison, MISSING where there is none."""
        verdicts = np.full(self.count, MISSING, dtype=np.int64)
        comparison, verdict = self.of(rater)
        verdicts[comparison] = verdict
        return verdicts

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


def load_adjudications(project: Project) -> list[Adjudication]:
    """What reviewers decided; kept apart from the judgments, since no measure of agreement may see it."""
    rows = adjudications(project).values_list("comparison_id", "pk", "ranking")
    return [Adjudication(*row) for row in rows.iterator(chunk_size=5000)]


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
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def _renumbered(keys: Codes, wanted: Codes) -> Codes:
    """The place of each key in ``wanted``, which holds every key once."""
    order = np.argsort(wanted)
    return order[np.searchsorted(wanted[order], keys)].astype(np.int64)


def _by_first_use(keys: Codes) -> Codes:
    """``keys`` numbered from 0 in the order in which they first occur."""
    _, first, index = np.unique(keys, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[index].astype(np.int64)


def _slices(project: Project, ids: Codes) -> dict[str, Mask]:
    """The comparisons of each tag, by its name; a tag that is itself called "all" becomes "tag all"."""
    place = {pk: index for index, pk in enumerate(ids.tolist())}
    members: dict[str, list[int]] = {}
    for pk, tags in tags_by_comparison(project).items():
        if pk in place:
            for tag in tags:
                members.setdefault("tag all" if tag == ALL else tag, []).append(place[pk])
    slices = {}
    for name, places in members.items():
        slices[name] = np.zeros(len(ids), dtype=np.bool_)
        slices[name][places] = True
    return slices


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
    return (labellings.filter(policy=policy) if policy else labellings).first()


def settled_labelling(project: Project, policy: Policy | None = None) -> Labelling | None:
    """The newest labelling that was carried out to its end, of one policy or any."""
    done = Labelling.objects.filter(policy__project=project, job__state=JobState.SUCCEEDED)
    return (done.filter(policy=policy) if policy else done).select_related("policy", "report", "job").first()


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
