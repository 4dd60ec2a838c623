"""The labels that a policy uses become training rows, prompt by prompt: what a snapshot holds and its health is of.

Rows come in the order of their prompts' hashes and no primary key is in them, so that they are the same on every
machine and database. Pages of prompts are read with a handful of plain queries each, in constant memory.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import QuerySet

from alignment.formats.preference import PreferenceRow, answer, strict_pairs
from alignment.health.balance import balanced
from alignment.health.near_duplicates import NearDuplicates
from alignment.health.plan import Plan
from alignment.health.splits import held_out
from alignment.models import Decision, Label, Policy
from feedback.models import Comparison, Judgment, Prompt, Purpose, Score, Slot

TIES = "comparisons that are ties throughout"
EQUAL = "pairs of equal texts"
_PAGE = 200  # prompts
_PARAMETERS = 10_000  # of a statement; SQLite takes 32,766 where it was built without more
Alive = Callable[[int], None]  # told the number of the prompt that is read


class Source(NamedTuple):
    """A judgment that a label rests on, as a row names it."""

    kind: str
    rater: str
    submission: str


@dataclass
class Labelled:
    """One comparison that a policy uses, with all that its rows are made of.

    ``texts`` and ``writers`` are the responses' and where they come from. ``scores`` has (position, level from 0 to 1
    on its criterion's scale, that criterion's weight) of each level that the label's judgments gave.
    """

    comparison: int
    external_id: str
    metadata: Mapping[str, Any]
    ranking: Sequence[int]
    confidence: float | None
    weight: float
    margin: float | None
    texts: list[str] = field(default_factory=list)
    writers: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    scores: list[tuple[int, float, float]] = field(default_factory=list)

    def score(self, position: int) -> float | None:
        """The weighted mean of the levels that one response was given, from 0 to 1."""
        given = [(level, weight) for at, level, weight in self.scores if at == position]
        # Exact sums: the order of the levels, which is the database's, changes no digit.
        total = math.fsum(weight for _, weight in given)
        return math.fsum(level * weight for level, weight in given) / total if total else None


class LabelledPrompt(NamedTuple):
    """A prompt with its comparisons by their ids."""

    sha256: str
    messages: list[dict[str, str]]
    reference: str | None
    comparisons: list[Labelled]

    @property
    def text(self) -> str:
        return "\n".join(message["content"] for message in self.messages)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of all its comparisons: its stratum."""
        return tuple(sorted({tag for each in self.comparisons for tag in each.tags}))


def used_labels(policy: Policy) -> QuerySet[Label]:
    """The labels that may be frozen."""
    return Label.objects.filter(
        policy=policy,
        decision=Decision.USED,
        comparison__purpose=Purpose.TRAIN,
        comparison__retired_at=None,
    )


def labelled_prompts(policy: Policy) -> Iterator[LabelledPrompt]:
    """The prompts with a label that may be frozen, by their hashes: no long query, the same order everywhere."""
    after = ""
    prompts = Prompt.objects.filter(project=policy.project_id).order_by("sha256")
    columns = ("pk", "sha256", "messages", "reference")
    while page := list(prompts.filter(sha256__gt=after).values_list(*columns)[:_PAGE]):
        after = page[-1][1]
        found = _labelled(policy, [pk for pk, *_ in page])
        for pk, sha256, messages, reference in page:
            if pk in found:
                plain = [{"role": each["role"], "content": each["content"]} for each in messages]
                # Sorted here and not by the database, whose order of letters depends on its locale.
                comparisons = sorted(found[pk], key=lambda each: each.external_id)
                yield LabelledPrompt(sha256, plain, reference, comparisons)


def plan_for(policy: Policy, test_share: float, seed: int, balance: str, alive: Alive) -> Plan:
    """Which prompts are held out, near duplicates together, and how often those of each stratum are taken."""
    tags: dict[str, tuple[str, ...]] = {}
    counts: dict[str, int] = {}
    near = NearDuplicates()
    for prompt in labelled_prompts(policy):
        tags[prompt.sha256] = prompt.tags
        counts[prompt.sha256] = len(prompt.comparisons)
        near.add(prompt.sha256, prompt.text)
        alive(len(tags))
    test = held_out(tags, near.groups(), test_share=test_share, seed=seed)
    sizes: Counter[tuple[str, ...]] = Counter()
    for sha256, stratum in tags.items():
        sizes[stratum] += 0 if sha256 in test else counts[sha256]
    return Plan(test, balanced(sizes, balance), seed)


def rows_of(prompt: LabelledPrompt, labelled: Labelled, left_out: Counter[str]) -> Iterator[PreferenceRow]:
    """The rows of one comparison; ties and equal texts are counted."""
    texts = labelled.texts
    pairs = strict_pairs(labelled.ranking)
    left_out[TIES] += not pairs
    judgments = [
        {"submission": each.submission, "rater": each.rater, "kind": each.kind}
        for each in sorted(labelled.sources)
    ]
    metadata = _as_text(labelled.metadata)
    for better, worse in pairs:
        if texts[better] == texts[worse]:
            left_out[EQUAL] += 1
            continue
        yield {
            "prompt": prompt.messages,
            "chosen": answer(texts[better]),
            "rejected": answer(texts[worse]),
            "weight": labelled.weight,
            "confidence": labelled.confidence,
            "margin": labelled.margin or 0.0,
            "score_chosen": labelled.score(better),
            "score_rejected": labelled.score(worse),
            "reference": prompt.reference,
            "metadata": metadata,
            "comparison": labelled.external_id,
            "prompt_sha256": prompt.sha256,
            "tags": sorted(labelled.tags),
            "judgments": judgments,
        }


def _as_text(metadata: Mapping[str, Any]) -> str | None:
    """Names sorted, since PostgreSQL's JSON keeps an order of its own."""
    return json.dumps(metadata, ensure_ascii=False, sort_keys=True) if metadata else None


def _labelled(policy: Policy, prompts: list[int]) -> dict[int, list[Labelled]]:
    """The labelled comparisons of these prompts, by prompt."""
    rows = used_labels(policy).filter(comparison__prompt__in=prompts)
    found: dict[int, list[Labelled]] = {}
    by_comparison: dict[int, Labelled] = {}
    by_judgment: dict[int, Labelled] = {}
    columns = (
        "comparison_id",
        "comparison__external_id",
        "comparison__metadata",
        "ranking",
        "confidence",
        "weight",
        "margin",
    )
    for prompt, sources, *values in rows.values_list("comparison__prompt_id", "sources", *columns):
        each = Labelled(*values)
        found.setdefault(prompt, []).append(each)
        by_comparison[each.comparison] = each
        by_judgment.update(dict.fromkeys(sources, each))
    _add_texts(by_comparison)
    _add_tags(by_comparison)
    _add_sources(by_judgment)
    return found


def _add_texts(by_comparison: Mapping[int, Labelled]) -> None:
    slots = Slot.objects.filter(comparison__in=list(by_comparison)).order_by("comparison", "position")
    for comparison, text, writer in slots.values_list("comparison_id", "response__text", "response__source"):
        by_comparison[comparison].texts.append(text)
        by_comparison[comparison].writers.append(writer)


def _add_tags(by_comparison: Mapping[int, Labelled]) -> None:
    tagged = Comparison.tags.through.objects.filter(comparison__in=list(by_comparison))
    for comparison, name in tagged.values_list("comparison_id", "tag__name"):
        by_comparison[comparison].tags.append(name)


def _add_sources(by_judgment: Mapping[int, Labelled]) -> None:
    keys = list(by_judgment)
    for start in range(0, len(keys), _PARAMETERS):
        _add_part(keys[start : start + _PARAMETERS], by_judgment)


def _add_part(part: Sequence[int], by_judgment: Mapping[int, Labelled]) -> None:
    sources = Judgment.objects.filter(pk__in=part)
    for judgment, kind, rater, submission in sources.values_list(
        "pk", "rater__kind", "rater__name", "submission_id"
    ):
        by_judgment[judgment].sources.append(Source(kind, rater, str(submission)))
    scores = Score.objects.filter(judgment__in=part)
    given = ("position", "value", "criterion__scale_min", "criterion__scale_max", "criterion__weight")
    for judgment, position, value, low, high, weight in scores.values_list("judgment_id", *given):
        by_judgment[judgment].scores.append((position, (value - low) / (high - low), weight))
