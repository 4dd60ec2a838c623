"""New responses become comparisons: two and two of them, or a single one beside the newest from elsewhere."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop

from feedback.actions.imports import store_records
from feedback.models import Comparison, Prompt, Purpose, Response
from feedback.records import ComparisonRecord
from trainer.actions.inference import Texts
from trainer.drawing import mixed_pair
from trainer.models import Generation

LEFT_OUT = {
    "silent": gettext_noop("no text came"),
    "same": gettext_noop("the same text twice"),
    "alone": gettext_noop("nothing to compare it with"),
}


def store_responses(generation: Generation, prompts: Sequence[Prompt], texts: Texts) -> None:
    """Store them with the tags and metadata of their prompts, and count what came of them."""
    left_out: Counter[str] = Counter()
    records = list(_records(generation, prompts, texts, left_out))
    generation.refresh_from_db(fields=["made"])
    asks_nobody = hasattr(generation, "round")  # a round's policy says whom people are asked about
    summary = store_records(
        project=generation.project,
        records=records,
        by=generation.created_by,
        overlap=0 if asks_nobody else None,
    )
    stored = generation.project.comparisons.filter(external_id__startswith=_key(generation, ""))
    with transaction.atomic():
        generation.comparisons.set(stored)
        generation.made = {
            "prompts": len(prompts),
            "responses": sum(bool(text and text.strip()) for text in texts.values()),
            "comparisons": stored.count(),
            "left_out": {name: count for name, count in left_out.items() if count},
            "rejected": len(summary.rejections),
            "budget_reached": bool(generation.made.get("budget_reached")),
        }
        generation.save(update_fields=["made"])


def _records(
    generation: Generation, prompts: Sequence[Prompt], texts: Texts, left_out: Counter[str]
) -> Iterator[ComparisonRecord]:
    for place, prompt in enumerate(prompts):
        given = [texts.get((place, sample)) for sample in range(generation.parameters["samples"])]
        fresh = [text for text in given if text and text.strip()]
        left_out["silent"] += len(given) - len(fresh)
        known = _known(prompt)
        for number, pair in enumerate(_pairs(generation, prompt, fresh, left_out)):
            yield _record(_key(generation, f"{prompt.pk}/{number}"), prompt, pair, known)


def _pairs(
    generation: Generation, prompt: Prompt, fresh: Sequence[str], left_out: Counter[str]
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Two and two of the new texts; one that is left over, or alone, beside the newest from elsewhere."""
    for one, other in zip(fresh[0::2], fresh[1::2], strict=False):
        if one == other:
            left_out["same"] += 1
        else:
            yield (generation.source, one), (generation.source, other)
    if len(fresh) != 1:
        return
    others = Response.objects.filter(prompt=prompt).exclude(source=generation.source)
    newest = others.order_by("-pk").first()
    if newest is None:
        left_out["alone"] += 1
    elif newest.text == fresh[0]:
        left_out["same"] += 1
    else:
        yield (generation.source, fresh[0]), (newest.source, newest.text)


def _record(
    key: str, prompt: Prompt, pair: tuple[tuple[str, str], tuple[str, str]], known: Mapping[str, Any]
) -> ComparisonRecord:
    return ComparisonRecord(
        prompt=prompt.messages,
        reference=prompt.reference,
        responses=mixed_pair(key, *pair),
        key=key,
        **known,
    )


def _known(prompt: Prompt) -> dict[str, Any]:
    """The tags and the metadata that the prompt's comparisons have."""
    own = Comparison.objects.filter(prompt=prompt, purpose=Purpose.TRAIN).prefetch_related("tags")
    comparisons = list(own.order_by("pk"))
    tags = sorted({tag.name for comparison in comparisons for tag in comparison.tags.all()})
    return {"tags": tags, "metadata": comparisons[0].metadata if comparisons else {}}


def _key(generation: Generation, rest: str) -> str:
    return f"generation-{generation.pk}/{rest}"
