"""A judge's raw reply becomes a verdict against the canonical order, and several calls become one.

What does not fit the schema is unparseable, what the provider marks as a refusal is refused, and calls that
disagree are inconsistent: none of them is ever turned into a tie or a guess.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feedback.records import check_text
from judges.core.rendering import TIE, label
from judges.core.request import Request

RANKED, REFUSED, UNPARSEABLE, INCONSISTENT = "ranked", "refused", "unparseable", "inconsistent"
REFUSAL_STOPS = ("refusal", "content_filter")  # Anthropic's word and OpenAI's


@dataclass(frozen=True)
class CallVerdict:
    """What one call, or several combined, said. ``ranking`` is by canonical position, empty unless ranked.

    ``scores`` maps (criterion name, canonical position) to a level. ``shown`` is the order seen, () for more
    than one.
    """

    outcome: str
    shown: tuple[int, ...]
    ranking: tuple[int, ...] = ()
    rationale: str = ""
    scores: Mapping[tuple[str, int], int] = field(default_factory=dict)


def read_verdict(request: Request, text: str, stop_reason: str) -> CallVerdict:
    """The verdict in a raw reply; never raises, and never reads more into a reply than its schema allows."""
    if stop_reason in REFUSAL_STOPS:
        return CallVerdict(REFUSED, request.shown, rationale=text)
    try:
        reply = json.loads(text, object_pairs_hook=_no_key_twice)
        if not fits(reply, request.schema):
            return CallVerdict(UNPARSEABLE, request.shown)
        check_text(reply["rationale"], "rationale")
    except (ValueError, RecursionError):
        return CallVerdict(UNPARSEABLE, request.shown)
    return CallVerdict(
        RANKED,
        request.shown,
        _ranking(reply["verdict"], request.shown),
        reply["rationale"],
        _scores(reply.get("scores", {}), request.shown),
    )


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Does ``value`` conform to a schema of objects, strings and enums? A boolean is no whole number."""
    if "enum" in schema:
        return any(type(value) is type(option) and value == option for option in schema["enum"])
    if schema["type"] == "string":
        return isinstance(value, str)
    properties = schema["properties"]
    return (
        isinstance(value, dict)
        and set(schema["required"]) <= set(value) <= set(properties)
        and all(fits(part, properties[name]) for name, part in value.items())
    )


def combine(calls: Sequence[CallVerdict]) -> CallVerdict:
    """One verdict from all calls about a comparison: each order's majority, and both orders agreeing.

    A missing verdict in any order stays missing: refused before unparseable before inconsistent. Rationale
    and scores are those of the first call that gave the verdict; an inconsistent one keeps every rationale.
    At least one call.
    """
    by_order: dict[tuple[int, ...], list[CallVerdict]] = {}
    for call in calls:
        by_order.setdefault(call.shown, []).append(call)
    answers = [_majority(samples) for samples in by_order.values()]
    shown = calls[0].shown if len(by_order) == 1 else ()
    for missing in (REFUSED, UNPARSEABLE, INCONSISTENT):
        if any(answer.outcome == missing for answer in answers):
            return CallVerdict(missing, shown, rationale=_rationales(calls))
    if len({answer.ranking for answer in answers}) > 1:
        return CallVerdict(INCONSISTENT, shown, rationale=_rationales(calls))
    first = answers[0]
    return CallVerdict(RANKED, shown, first.ranking, first.rationale, first.scores)


def _majority(samples: Sequence[CallVerdict]) -> CallVerdict:
    """The first of more than half the samples that say the same; inconsistent where no such half is."""
    counts = Counter((sample.outcome, sample.ranking) for sample in samples)
    said, count = counts.most_common(1)[0]
    if 2 * count <= len(samples):
        return CallVerdict(INCONSISTENT, samples[0].shown)
    return next(sample for sample in samples if (sample.outcome, sample.ranking) == said)


def _ranking(verdict: str, shown: tuple[int, ...]) -> tuple[int, ...]:
    """(1, 1) for a tie, else rank 1 for the response that carried the label and 2 for every other."""
    if verdict == TIE:
        return (1,) * len(shown)
    best = _positions(shown)[verdict]
    return tuple(1 if position == best else 2 for position in range(len(shown)))


def _scores(scores: Mapping[str, Mapping[str, int]], shown: tuple[int, ...]) -> dict[tuple[str, int], int]:
    positions = _positions(shown)
    return {
        (criterion, positions[name]): level
        for name, levels in scores.items()
        for criterion, level in levels.items()
    }


def _positions(shown: tuple[int, ...]) -> dict[str, int]:
    return {label(index): position for index, position in enumerate(shown)}


def _rationales(calls: Sequence[CallVerdict]) -> str:
    """Every rationale with the order its labels refer to, by canonical places from 1."""
    said = [
        f"Shown in the order {', '.join(str(position + 1) for position in call.shown)}: {call.rationale}"
        for call in calls
        if call.rationale
    ]
    return "\n".join(said)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a reply that says the same thing twice: which of them is meant would be a guess."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found
