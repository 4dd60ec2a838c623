"""Labels become a snapshot: training rows frozen in a folder that is named by the hash of its content.

Rows come in the order of their prompts' hashes, and no primary key is in them, so the same judgments under
the same policy freeze to the same snapshot on every machine and database. A folder is complete or not
there.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Prefetch, QuerySet

from alignment.formats.dataset_card import card
from alignment.formats.dataset_folder import (
    CARD,
    MANIFEST,
    SPLITS,
    SplitTally,
    addressed,
    problem_with,
    write_splits,
    write_text,
)
from alignment.formats.preference import PreferenceRow, answer, strict_pairs
from alignment.health.near_duplicates import NearDuplicates
from alignment.health.splits import held_out
from alignment.models import AgreementReport, Decision, Label, Labelling, LabelSource, Policy, Snapshot
from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import UNFINISHED, JobState, Project, Prompt, Purpose, Slot
from feedback.people import Person

TIES = "comparisons that are ties throughout"
EQUAL = "pairs of equal texts"
_PAGE = 200  # prompts
Report = Callable[[int, int], object]


def freeze_snapshot(
    *,
    project: Project,
    policy: Policy,
    by: Person,
    test_share: float = 0.2,
    seed: int = 0,
    report: Report | None = None,
) -> Snapshot:
    """Freeze the labels that the policy uses now; the same ones again are the same snapshot.

    ``test_share`` of the prompts, drawn with ``seed`` from each combination of tags, are held out as the test split;
    prompts that are nearly the same are held out together or not at all. Refused where there is nothing to freeze,
    a split is empty, the labels are being written, or the disk is full.
    ``report`` hears now and then how many of how many prompts have been read.
    """
    labelling = check_freezing(project, policy, test_share)
    try:
        with _scratch_folder() as folder:
            left_out: Counter[str] = Counter()
            test = _held_out(policy, test_share, seed)
            rows = _split_rows(_labels_by_prompt(policy, report), left_out, test)
            tallies = write_splits(folder, rows)
            _check_splits(tallies, policy, left_out)
            if _finished_labelling(policy) != labelling:
                raise Refused(f"{policy} was applied again in the meantime; freeze again.")
            manifest = _manifest(labelling, tallies, left_out, {"test_share": test_share, "seed": seed})
            write_text(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
            write_text(folder / CARD, card(manifest))
            _put_in_place(folder, manifest)
    except OSError as error:
        raise Refused(
            f"The snapshot can not be written to {settings.SNAPSHOTS_ROOT} ({error.strerror or error}): "
            "make room there and freeze again. Nothing was left behind."
        ) from error
    return _store(project, labelling, manifest, by)


def check_freezing(project: Project, policy: Policy, test_share: float) -> Labelling:
    """The labelling that would be frozen; Refused, naming the field, where none can be."""
    if not 0 < test_share < 1:
        raise Refused(
            "The share held out for testing must lie between 0 and 1, such as 0.2.", field="test_share"
        )
    if policy.project_id != project.pk:
        raise Refused(f"{policy} is a policy of another project.", field="policy")
    return _finished_labelling(policy)


def verify_snapshot(*, snapshot: Snapshot) -> None:
    """Read the snapshot's files again. Refused where they do not hold what was frozen."""
    problem = problem_with(snapshot_folder(snapshot), snapshot.manifest)
    if problem:
        raise Refused(f"{str(snapshot).capitalize()} can not be used: {problem}. Freeze its labels again.")


def snapshot_folder(snapshot: Snapshot) -> Path:
    """Where a snapshot's files are."""
    return Path(settings.SNAPSHOTS_ROOT) / snapshot.sha256


def _finished_labelling(policy: Policy) -> Labelling:
    labelling = Labelling.objects.select_related("job", "report", "policy").filter(policy=policy).first()
    if labelling is None:
        raise Refused(f"{policy} has made no labels yet; apply it first.", field="policy")
    if labelling.job.state in UNFINISHED:
        raise Refused(
            f"{policy} is being applied at this moment; freeze when that has ended.", field="policy"
        )
    if labelling.job.state != JobState.SUCCEEDED:
        raise Refused(
            f"The last time, applying {policy} {labelling.job.state}; apply it again.", field="policy"
        )
    return labelling


def _held_out(policy: Policy, test_share: float, seed: int) -> set[str]:
    """The hashes of the prompts in the test split, near duplicates together."""
    tags: dict[str, tuple[str, ...]] = {}
    near = NearDuplicates()
    for page in _prompt_pages(policy):
        found: dict[int, set[str]] = {}
        labels = _used(policy).filter(comparison__prompt__in=page)
        for prompt, name in labels.values_list("comparison__prompt", "comparison__tags__name"):
            found.setdefault(prompt, set()).update([name] if name else [])
        for each in page:
            if each.pk in found:
                tags[each.sha256] = tuple(sorted(found[each.pk]))
                near.add(each.sha256, "\n".join(message["content"] for message in each.messages))
    return held_out(tags, near.groups(), test_share=test_share, seed=seed)


def _prompt_pages(policy: Policy) -> Iterator[list[Prompt]]:
    """The project's prompts by their hashes: no long query, and the same order on every database."""
    after = ""
    prompts = Prompt.objects.filter(project=policy.project).order_by("sha256")
    while page := list(prompts.filter(sha256__gt=after)[:_PAGE]):
        after = page[-1].sha256
        yield page


def _used(policy: Policy) -> QuerySet[Label]:
    """The labels that may be frozen."""
    return Label.objects.filter(
        policy=policy,
        decision=Decision.USED,
        comparison__purpose=Purpose.TRAIN,
        comparison__retired_at=None,
    )


def _split_rows(
    labelled: Iterator[tuple[Prompt, list[Label]]], left_out: Counter[str], test: set[str]
) -> Iterator[tuple[str, PreferenceRow]]:
    for prompt, labels in labelled:
        split = SPLITS[prompt.sha256 in test]
        for label in labels:
            for row in _rows(prompt, label, left_out):
                yield split, row


def _labels_by_prompt(policy: Policy, report: Report | None) -> Iterator[tuple[Prompt, list[Label]]]:
    """The prompts by their hashes, each with its usable labels by their comparisons' ids."""
    related = (
        _used(policy)
        .select_related("comparison")
        .prefetch_related(
            Prefetch("comparison__slots", Slot.objects.select_related("response").order_by("position")),
            "comparison__tags",
            Prefetch("sources", LabelSource.objects.select_related("judgment__rater")),
        )
    )
    done, total = 0, Prompt.objects.filter(project=policy.project).count()
    for page in _prompt_pages(policy):
        if report:
            report(done, total)
        done += len(page)
        found: dict[int, list[Label]] = {}
        for label in related.filter(comparison__prompt__in=page):
            found.setdefault(label.comparison.prompt_id, []).append(label)
        for prompt in page:
            # Sorted here and not by the database, whose order of letters depends on its locale.
            labels = sorted(found.get(prompt.pk, ()), key=lambda label: label.comparison.external_id)
            if labels:
                yield prompt, labels


def _rows(prompt: Prompt, label: Label, left_out: Counter[str]) -> Iterator[PreferenceRow]:
    texts = [slot.response.text for slot in label.comparison.slots.all()]
    pairs = strict_pairs(label.ranking)
    left_out[TIES] += not pairs
    judgments = sorted(
        (source.judgment.rater.kind, source.judgment.rater.name, str(source.judgment.submission_id))
        for source in label.sources.all()
    )
    for better, worse in pairs:
        if texts[better] == texts[worse]:
            left_out[EQUAL] += 1
            continue
        yield {
            "prompt": [{"role": each["role"], "content": each["content"]} for each in prompt.messages],
            "chosen": answer(texts[better]),
            "rejected": answer(texts[worse]),
            "weight": label.weight,
            "confidence": label.confidence,
            "comparison": label.comparison.external_id,
            "prompt_sha256": prompt.sha256,
            "tags": sorted(tag.name for tag in label.comparison.tags.all()),
            "judgments": [
                {"submission": each, "rater": name, "kind": kind} for kind, name, each in judgments
            ],
        }


def _check_splits(tallies: dict[str, SplitTally], policy: Policy, left_out: Counter[str]) -> None:
    train, test = (tallies[name].rows for name in SPLITS)
    if not train + test:
        reasons = ", ".join(
            f"{count} {what}" for what, count in (_decisions(policy) | left_out).items() if count
        )
        raise Refused(
            f"{policy} has no label that tells two answers apart ({reasons}): collect more judgments."
        )
    if not train or not test:
        empty = SPLITS[train > 0]
        raise Refused(
            f"No prompt falls into the {empty} split: choose another share for testing or another seed, "
            f"or label more prompts ({tallies['train'].prompts + tallies['test'].prompts} now)."
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
            **{name: left_out[name] for name in (TIES, EQUAL)},
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
