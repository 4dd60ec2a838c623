"""A judge's raw reply becomes a verdict on canonical positions; ``combining`` makes one of several.

What does not fit the schema is unparseable, what the provider marks as a refusal is refused: neither is ever
turned into a tie or a guess.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from feedback.records import check_text
from judges.core.rendering import PASS, PASS_FAIL, SCORES, TIE
from judges.core.request import Request

RANKED, REFUSED, UNPARSEABLE, INCONSISTENT = "ranked", "refused", "unparseable", "inconsistent"
REFUSAL_STOPS = ("refusal", "content_filter")  # Anthropic's word and OpenAI's


@dataclass(frozen=True)
class CallVerdict:
    """What one call, or several combined, said; ``shown`` is the order seen, () for more than one.

    ``ranking`` holds the ranks of the responses shown, by ascending canonical position; a response judged alone has
    rank 1 where it passes and 2 where it fails. It is empty unless ranked, and for scores, which only ``combine``
    turns into ranks. ``scores`` maps (criterion name, canonical position) to a level. ``all_bad``: every response
    failed.
    """

    outcome: str
    shown: tuple[int, ...]
    ranking: tuple[int, ...] = ()
    rationale: str = ""
    scores: Mapping[tuple[str, int], int] = field(default_factory=dict)
    all_bad: bool = False


def read_verdict(request: Request, text: str, stop_reason: str) -> CallVerdict:
    """The verdict in a raw reply; never raises, and never reads more into a reply than its schema allows.

    In the rationale, ids are replaced by "response N", counted from 1 in canonical order.
    """
    if stop_reason in REFUSAL_STOPS:
        return CallVerdict(REFUSED, request.shown, rationale=_in_words(request, text))
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
        _ranking(request, reply),
        _in_words(request, reply["rationale"]),
        _scores(request, reply.get("scores", {})),
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


def _ranking(request: Request, reply: Mapping[str, Any]) -> tuple[int, ...]:
    """(1, 1) for a tie, else rank 1 for the response named and 2 for every other."""
    if request.mode == SCORES:
        return ()
    verdict = reply["verdict"]
    if request.mode == PASS_FAIL:
        return (1,) if verdict == PASS else (2,)
    if verdict == TIE:
        return (1,) * len(request.shown)
    best = request.positions[verdict]
    return tuple(1 if position == best else 2 for position in sorted(request.shown))


def _scores(request: Request, scores: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    by_id = {request.ids[0]: scores} if request.mode == PASS_FAIL else scores
    return {
        (criterion, request.positions[name]): level
        for name, levels in by_id.items()
        for criterion, level in levels.items()
    }


def _in_words(request: Request, text: str) -> str:
    """The ids mean something in this call only; whoever reads the text later knows the responses by number."""
    named = re.compile(rf"(?:\b[Rr]esponse )?\b({'|'.join(request.ids)})\b")
    return named.sub(lambda found: f"response {request.positions[found[1]] + 1}", text)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a reply that says the same thing twice: which of them is meant would be a guess."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found
