"""Labels become a snapshot: training rows frozen in a folder that is named by the hash of its content.

Rows come in the order of their prompts' hashes, and no primary key is in them, so the same judgments under
the same policy freeze to the same snapshot on every machine and database. A folder is complete or not
there.
"""

import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from alignment.actions.snapshot_rows import (
    EQUAL,
    TIES,
    Alive,
    LabelledPrompt,
    labelled_prompts,
    plan_for,
    rows_of,
)
from alignment.formats.dataset_card import card
from alignment.formats.dataset_folder import (
    CARD,
    MANIFEST,
    SPLITS,
    DamagedError,
    SplitTally,
    addressed,
    problem_with,
    verified_batches,
    write_splits,
    write_text,
)
from alignment.formats.preference import PreferenceRow
from alignment.formats.target import Lines
from alignment.health.balance import AS_IT_IS, BALANCES
from alignment.health.plan import Plan
from alignment.models import AgreementReport, Label, Labelling, Policy, Snapshot
from alignment.queries import ended_labellings
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import UNFINISHED, JobState, Project, Prompt
from feedback.people import Person
from feedback.statements import refresh_statistics

TRAIN, TEST = SPLITS
THINNED = "comparisons of the most frequent tags, left out for balance"
Report = Callable[[int, int], object]


def freeze_snapshot(
    *,
    project: Project,
    policy: Policy,
    by: Person,
    test_share: float = 0.2,
    seed: int = 0,
    balance: str = AS_IT_IS,
    report: Report | None = None,
) -> Snapshot:
    """Freeze the labels that the policy uses now; the same ones again are the same snapshot.

    ``test_share`` of the prompts, drawn with ``seed`` from each combination of tags, are held out as the test split;
    prompts that are nearly the same are held out together or not at all. Refused where there is nothing to freeze,
    a split is empty, the labels are being written, or the disk is full.
    ``balance`` is one of BALANCES and touches the training rows only. ``report`` hears now and then how many of how
    many prompts have been read.
    """
    labelling = check_freezing(project, policy, test_share, balance)
    refresh_statistics(Label)
    alive = _telling(project, report)
    try:
        with _scratch_folder() as folder:
            left_out: Counter[str] = Counter()
            plan = plan_for(policy, test_share, seed, balance, alive)
            rows = _split_rows(labelled_prompts(policy), plan, left_out, alive)
            tallies = write_splits(folder, rows)
            _check_splits(tallies, policy, left_out)
            if labels_changed(labelling):
                raise Refused(
                    _("%(policy)s was applied again in the meantime; freeze again.") % {"policy": policy}
                )
            split = {"test_share": test_share, "seed": seed, "balance": balance}
            manifest = _manifest(labelling, tallies, left_out, split)
            write_text(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
            write_text(folder / CARD, card(manifest))
            _put_in_place(folder, manifest)
    except OSError as error:
        raise Refused(
            _(
                "The snapshot can not be written to %(folder)s (%(error)s): make room there and "
                "freeze again. Nothing was left behind."
            )
            % {"folder": settings.SNAPSHOTS_ROOT, "error": error.strerror or error}
        ) from error
    return _store(project, labelling, manifest, by)


def check_freezing(project: Project, policy: Policy, test_share: float, balance: str = AS_IT_IS) -> Labelling:
    """The labelling that would be frozen; Refused, naming the field, where none can be."""
    if not 0 < test_share < 1:
        raise Refused(
            _("The share held out for testing must lie between 0 and 1, such as 0.2."), field="test_share"
        )
    if balance not in BALANCES:
        raise Refused(
            _("%(balance)r is no way to balance; use one of %(choices)s.")
            % {"balance": balance, "choices": ", ".join(BALANCES)},
            field="balance",
        )
    if policy.project_id != project.pk:
        raise Refused(_("%(policy)s is a policy of another project.") % {"policy": policy}, field="policy")
    return _finished_labelling(policy)


def labels_changed(labelling: Labelling) -> bool:
    """Whether the labels may be others than when ``check_freezing`` gave this labelling."""
    now = _finished_labelling(labelling.policy)
    return (now.pk, now.job.ended_at) != (labelling.pk, labelling.job.ended_at)


def verify_snapshot(*, snapshot: Snapshot) -> None:
    """Read the snapshot's files again. Refused where they do not hold what was frozen."""
    for split in SPLITS:
        deque(_frozen(snapshot, split), maxlen=0)


def frozen_rows(*, snapshot: Snapshot, split: str) -> Iterator[PreferenceRow]:
    """The rows of one split, in order; Refused, at their end at the latest, unless they are what was frozen."""
    for batch, _lines in _frozen(snapshot, split):
        yield from batch.to_pylist()


def frozen_lines(*, snapshot: Snapshot, split: str) -> Lines:
    """The same as JSON lines, those that the split's hash in the manifest is of."""
    for batch, lines in _frozen(snapshot, split):
        yield lines, len(batch)


def snapshot_folder(snapshot: Snapshot) -> Path:
    """Where a snapshot's files are."""
    return Path(settings.SNAPSHOTS_ROOT) / snapshot.sha256


def _frozen(snapshot: Snapshot, split: str) -> Iterator[tuple[pa.RecordBatch, bytes]]:
    try:
        yield from verified_batches(snapshot_folder(snapshot), snapshot.manifest, split)
    except DamagedError as damaged:
        raise Refused(
            _("%(snapshot)s can not be used: %(problem)s. Freeze its labels again.")
            % {"snapshot": str(snapshot).capitalize(), "problem": damaged}
        ) from damaged


def _telling(project: Project, report: Report | None) -> Alive:
    """Reports, but for every hundredth prompt only."""
    total = Prompt.objects.filter(project=project).count()

    def alive(done: int) -> None:
        if report and done % 100 == 0:
            report(min(done, total), total)

    return alive


def _finished_labelling(policy: Policy) -> Labelling:
    """The labelling that the policy's labels are by, as they stand."""
    if Labelling.objects.filter(policy=policy, job__state__in=UNFINISHED).exists():
        raise Refused(
            _("%(policy)s is being applied at this moment; freeze when that has ended.") % {"policy": policy},
            field="policy",
        )
    labelling = ended_labellings(policy).first()
    if labelling is None:
        raise Refused(
            _("%(policy)s has made no labels yet; apply it first.") % {"policy": policy}, field="policy"
        )
    if labelling.job.state != JobState.SUCCEEDED:
        raise Refused(
            _("The last time, applying %(policy)s %(job)s; apply it again.")
            % {"policy": policy, "job": labelling.job.state},
            field="policy",
        )
    return labelling


def _split_rows(
    prompts: Iterable[LabelledPrompt], plan: Plan, left_out: Counter[str], alive: Alive
) -> Iterator[tuple[str, PreferenceRow]]:
    for done, prompt in enumerate(prompts):
        alive(done)
        split = plan.split(prompt.sha256)
        for labelled in prompt.comparisons:
            times, weight = (1, 1.0) if split == TEST else plan.share(prompt.tags, labelled.external_id)
            left_out[THINNED] += not times
            for row in rows_of(prompt, labelled, left_out) if times else ():
                yield from [(split, {**row, "weight": row["weight"] * weight})] * times


def _check_splits(tallies: dict[str, SplitTally], policy: Policy, left_out: Counter[str]) -> None:
    train, test = (tallies[name].rows for name in SPLITS)
    if not train + test:
        reasons = ", ".join(
            f"{count} {what}" for what, count in (_decisions(policy) | left_out).items() if count
        )
        raise Refused(
            _("%(policy)s has no label that tells two answers apart (%(reasons)s): collect more judgments.")
            % {"policy": policy, "reasons": reasons}
        )
    if not train or not test:
        empty = SPLITS[train > 0]
        raise Refused(
            _(
                "No prompt falls into the %(empty)s split: choose another share for testing or another "
                "seed, or label more prompts (%(prompts)s now)."
            )
            % {"empty": empty, "prompts": tallies["train"].prompts + tallies["test"].prompts}
        )


def _decisions(policy: Policy) -> Counter[str]:
    counted = (
        Label.objects.filter(policy=policy).values_list("decision").annotate(Count("pk")).order_by("decision")
    )
    return Counter({f"{decision} labels": count for decision, count in counted})


def _manifest(
    labelling: Labelling, tallies: dict[str, SplitTally], left_out: Counter[str], split: dict[str, Any]
) -> dict[str, Any]:
    policy, report = labelling.policy, labelling.report
    decisions = _decisions(policy)
    tags = tallies["train"].tags + tallies["test"].tags
    content = {
        "policy": {
            "name": policy.name,
            "version": policy.version,
            "sha256": policy.sha256,
            "document": policy.document,
        },
        "report": report.sha256 if report else None,
        "split": split,
        "splits": {name: tally.as_json() for name, tally in tallies.items()},
        "left_out": {
            **{name: left_out[name] for name in (TIES, EQUAL, THINNED)},
            **{name: decisions[name] for name in ("routed labels", "dropped labels")},
        },
        "raters": _raters(policy.project, tallies["train"].raters + tallies["test"].raters),
        "tags": dict(sorted(tags.items())),
        "agreement": _people_alpha(report),
        "certificates": labelling.certificates,
    }
    return addressed(content)


def _raters(project: Project, judgments: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    simulated = set(project.raters.filter(simulated=True).values_list("kind", "name"))
    return [
        {"name": name, "kind": kind, "simulated": (kind, name) in simulated, "judgments": count}
        for (kind, name), count in sorted(judgments.items())
    ]


def _people_alpha(report: AgreementReport | None) -> Any:
    return report.body["groups"]["people"]["krippendorff_alpha"] if report else None


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    root = Path(settings.SNAPSHOTS_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f".{uuid4().hex}.part"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: Path, manifest: dict[str, Any]) -> None:
    target = folder.with_name(manifest["sha256"])
    if target.exists() and problem_with(target, manifest):
        shutil.rmtree(target)
    # Where it is there, frozen before or by somebody else at this moment, it holds the same.
    with suppress(FileExistsError):
        if not target.exists():
            folder.rename(target)
            _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _store(project: Project, labelling: Labelling, manifest: dict[str, Any], by: Person) -> Snapshot:
    with transaction.atomic():
        snapshot, created = Snapshot.objects.get_or_create(
            project=project,
            sha256=manifest["sha256"],
            defaults={
                "policy": labelling.policy,
                "report": labelling.report,
                "train_rows": manifest["splits"]["train"]["rows"],
                "test_rows": manifest["splits"]["test"]["rows"],
                "manifest": manifest,
                "created_by": by,
            },
        )
        if created:
            record(by=by, verb="freeze", target=snapshot, project=project, sha256=snapshot.sha256)
    return snapshot
