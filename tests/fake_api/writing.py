"""A reply that fits the JSON schema asked for, as text and as tokens with their logprobs.

What it fills in: an enum that holds the label preferred (or "tie") takes it; "pass"/"fail" and booleans go by the
quality of the response in question; an enum of numbers takes the level nearest to that quality (from 0 to 1 over the
scale, or the level itself where the quality is one); a string is a short rationale; an array ranks the labels.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fake_api.judge import Judgment

PIECES = re.compile(r"\s?[^\W\d_]+|\s?\d+|\s?[^\w\s]|\s+|_")
SURE = 0.9  # the probability that the judge gives to what it says


@dataclass(frozen=True)
class Piece:
    """A token of the reply; ``others`` are the rest of the enum that it is the value of."""

    text: str
    others: tuple[str, ...] = ()


def write(schema: dict[str, Any], judgment: Judgment) -> list[Piece]:
    """The reply's tokens; joined they are its text."""
    return list(_value(schema, judgment, subject="", name="reply"))


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def logprobs(pieces: list[Piece], top: int) -> list[dict[str, Any]]:
    """OpenAI's form: each token with so many alternatives. An enum's others share what the judge is not sure of."""
    found = []
    for piece in pieces:
        share = (1 - SURE) / len(piece.others) if piece.others else 0.0
        ranked = [(piece.text, SURE if piece.others else 0.999), *((other, share) for other in piece.others)]
        entries = [
            {"token": text, "logprob": math.log(p), "bytes": list(text.encode())} for text, p in ranked
        ]
        found.append({**entries[0], "top_logprobs": entries[:top]})
    return found


def _value(schema: dict[str, Any], judgment: Judgment, *, subject: str, name: str) -> Iterator[Piece]:
    if "enum" in schema:
        yield from _enum(schema["enum"], judgment, subject, name)
    elif schema.get("type") == "object":
        yield from _object(schema, judgment, subject)
    elif schema.get("type") == "array":
        ranked = sorted(judgment.qualities, key=judgment.qualities.__getitem__, reverse=True)
        yield from _plain(json.dumps(ranked))
    elif schema.get("type") == "boolean":
        yield from _plain(json.dumps(_quality(judgment, subject) >= 0.5))
    elif schema.get("type") in ("number", "integer"):
        yield from _plain(json.dumps(round(_quality(judgment, subject))))
    else:
        yield from _plain(json.dumps(_rationale(judgment, subject), ensure_ascii=False))


def _object(schema: dict[str, Any], judgment: Judgment, subject: str) -> Iterator[Piece]:
    yield Piece("{")
    for number, (name, inner) in enumerate(schema.get("properties", {}).items()):
        yield from _plain((", " if number else "") + json.dumps(name, ensure_ascii=False) + ": ")
        about = name if name in judgment.qualities else subject
        yield from _value(inner, judgment, subject=about, name=name)
    yield Piece("}")


def _enum(options: list[Any], judgment: Judgment, subject: str, name: str) -> Iterator[Piece]:
    chosen = _chosen(options, judgment, subject, name)
    others = tuple(_bare(option) for option in options if option != chosen)
    if isinstance(chosen, str):
        yield Piece('"')
        yield Piece(_bare(chosen), others)
        yield Piece('"')
    else:
        yield Piece(_bare(chosen), others)


def _chosen(options: list[Any], judgment: Judgment, subject: str, name: str) -> Any:
    numbers = [option for option in options if isinstance(option, int | float)]
    if len(numbers) == len(options):
        # By the name of the criterion too, so that a response does not have the same level on each.
        quality = _quality(judgment, subject)
        target = quality if quality > 1 else numbers[0] + quality * (numbers[-1] - numbers[0])
        return min(numbers, key=lambda level: abs(level - target))
    if judgment.verdict in options:
        return judgment.verdict
    if set(options) >= {"pass", "fail"}:
        return "pass" if _quality(judgment, subject) >= 0.5 else "fail"
    return options[0]


def _quality(judgment: Judgment, subject: str) -> float:
    known = judgment.qualities
    return known.get(subject, max(known.values(), default=0.0))


def _rationale(judgment: Judgment, subject: str) -> str:
    if judgment.obeyed:
        return "As I was told."
    if subject:
        return f"Response {subject} has the quality {_quality(judgment, subject):.2f}."
    told = ", ".join(f"{label} {quality:.2f}" for label, quality in judgment.qualities.items())
    return f"By quality: {told}."


def _bare(option: Any) -> str:
    return option if isinstance(option, str) else json.dumps(option)


def _plain(text: str) -> Iterator[Piece]:
    return (Piece(piece) for piece in PIECES.findall(text))
