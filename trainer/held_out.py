"""The prompts that models are evaluated on, with what the store knows of each: its tags, reference and metadata."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from alignment.actions.snapshots import snapshot_folder
from alignment.models import Snapshot
from feedback.errors import Refused
from feedback.hashing import canonical_json, content_sha256
from feedback.models import Comparison, Project, Prompt, Purpose, Tag
from feedback.records import Message

Conversation = Sequence[Message]


class Item(NamedTuple):
    """One prompt to be answered. ``tags`` are those of its comparisons, which make the slices."""

    prompt: Conversation
    tags: tuple[str, ...] = ()
    reference: str | None = None
    metadata: Mapping[str, Any] | None = None

    def known(self) -> dict[str, Any]:
        """What goes beside the prompt into an evaluation."""
        return {"tags": list(self.tags), "reference": self.reference, "metadata": dict(self.metadata or {})}


def held_out_items(snapshot: Snapshot | None) -> list[Item]:
    """The prompts of a snapshot's test split, each once, with what is known of them. Refused where there are none."""
    if snapshot is None:
        raise Refused(
            _("The model was not trained on a snapshot; give the prompts to evaluate on."), field="prompts"
        )
    path = snapshot_folder(snapshot) / "test.parquet"
    if not snapshot.test_rows or not path.is_file():
        raise Refused(
            _("The %(snapshot)s has no held-out rows at %(path)s; freeze one with a test split.")
            % {"snapshot": snapshot, "path": path},
            field="snapshot",
        )
    rows = pq.read_table(path, columns=["prompt", "prompt_sha256", "tags"]).to_pylist()
    tags: dict[str, set[str]] = {}
    for row in rows:
        tags.setdefault(row["prompt_sha256"], set()).update(row["tags"])
    prompts = {row["prompt_sha256"]: row["prompt"] for row in rows}
    known = {prompt.sha256: prompt for prompt in _stored(snapshot.project, prompts)}
    metadata = _metadata(known.values())
    return _each_once(
        Item(
            prompt,
            tuple(sorted(tags[sha256])),
            known[sha256].reference if sha256 in known else None,
            metadata.get(known[sha256].pk) if sha256 in known else None,
        )
        for sha256, prompt in prompts.items()
    )


def tagged_items(tag: Tag) -> list[Item]:
    """The prompts of the comparisons with this tag, each once. Refused where there are none."""
    chosen = Comparison.objects.filter(tags=tag, purpose=Purpose.TRAIN, retired_at=None)
    found = chosen.select_related("prompt").prefetch_related("tags").order_by("pk")
    items = _each_once(
        Item(
            each.prompt.messages,
            tuple(sorted(tag.name for tag in each.tags.all())),
            each.prompt.reference,
            each.metadata,
        )
        for each in found
    )
    if not items:
        raise Refused(
            _("No comparison has the tag %(tag)s; tag those whose prompts must not get worse.")
            % {"tag": tag.name},
            field="regression_tag",
        )
    return items


def together(first: Iterable[Item], second: Iterable[Item]) -> list[Item]:
    """Both, each prompt once with the tags of all."""
    return _each_once([*first, *second])


def trained_on(snapshot: Snapshot | None, items: Sequence[Item]) -> int:
    """How many of these prompts are in the snapshot's training split: what is known of them is no proof of skill."""
    path = snapshot_folder(snapshot) / "train.parquet" if snapshot else None
    if path is None or not path.is_file():
        return 0
    hashes = set(pq.read_table(path, columns=["prompt_sha256"]).column("prompt_sha256").to_pylist())
    return sum(
        content_sha256({"messages": [dict(each) for each in item.prompt], "reference": item.reference})
        in hashes
        for item in items
    )


def _each_once(items: Iterable[Item]) -> list[Item]:
    found: dict[str, Item] = {}
    for item in items:
        key = canonical_json([item.prompt, item.reference])
        before = found.get(key)
        tags = item.tags if before is None else tuple(sorted({*before.tags, *item.tags}))
        found[key] = (before or item)._replace(tags=tags)
    return list(found.values())


def _stored(project: Project, hashes: Iterable[str]) -> list[Prompt]:
    wanted, found = list(hashes), list[Prompt]()
    for start in range(0, len(wanted), 500):
        found += Prompt.objects.filter(project=project, sha256__in=wanted[start : start + 500])
    return found


def _metadata(prompts: Iterable[Prompt]) -> dict[int, dict[str, Any]]:
    """The metadata of each prompt's first comparison, which graders read."""
    ids, found = [prompt.pk for prompt in prompts], dict[int, dict[str, Any]]()
    for start in range(0, len(ids), 500):
        rows = Comparison.objects.filter(prompt__in=ids[start : start + 500], purpose=Purpose.TRAIN)
        for prompt, metadata in rows.order_by("-pk").values_list("prompt", "metadata"):
            found[prompt] = metadata
    return found
