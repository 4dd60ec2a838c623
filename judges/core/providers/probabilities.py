"""From the logprobs of a reply's tokens to how likely each option of an enum was: scores between two levels.

p(option) = Σ exp(logprob) of the alternatives that spell it, over the same sum of all options, at the first
token of the value. Where an option can not be told from another by that token, or the value does not begin
with a token, the place is left out. As in G-Eval (Liu et al., 2023): score = Σ level · p(level).
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_SPACE = " \t\n\r"
DEEPEST = 50


class Token(NamedTuple):
    """A token of the reply, with (token, logprob) of the likeliest ones in its place."""

    text: str
    top: Sequence[tuple[str, float]]


class _Value(NamedTuple):
    path: str
    start: int  # of the first character, after an opening quote
    schema: Mapping[str, Any]


def enum_probabilities(
    text: str, tokens: Sequence[Token], schema: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """{place: {option: probability}} for each enum of the reply; {} where ``tokens`` are not those of ``text``."""
    if not tokens or "".join(token.text for token in tokens) != text:
        return {}
    try:
        values = list(_enums(text, schema))
    except (ValueError, IndexError):
        return {}
    found = {value.path: _options_at(value, tokens) for value in values}
    return {path: options for path, options in found.items() if options}


def expected_level(options: Mapping[str, float]) -> float | None:
    """Σ level · p(level) for options that are numbers; None where one is not."""
    try:
        return sum(float(option) * share for option, share in options.items()) if options else None
    except ValueError:
        return None


def _options_at(value: _Value, tokens: Sequence[Token]) -> dict[str, float]:
    place = 0
    for token in tokens:
        if place <= value.start < place + len(token.text):
            return _shares(token, token.text[: value.start - place], _spelled(value.schema["enum"]))
        place += len(token.text)
    return {}


def _shares(token: Token, before: str, options: Sequence[str]) -> dict[str, float]:
    """``before``: what the token holds ahead of the value, such as a space; an alternative need not hold it."""
    weights = dict.fromkeys(options, 0.0)
    for alternative, logprob in token.top:
        head = alternative.removeprefix(before).lstrip(_SPACE + '"').rstrip(_SPACE + '",}]')
        spelled = [option for option in options if option == head]
        if not spelled and head:
            spelled = [option for option in options if option.startswith(head)]
        if len(spelled) > 1:
            return {}
        if spelled and not math.isnan(logprob):
            weights[spelled[0]] += math.exp(min(0.0, logprob))
    total = sum(weights.values())
    return {option: weight / total for option, weight in weights.items()} if total > 0 else {}


def _spelled(options: Sequence[Any]) -> list[str]:
    """Options as they stand in JSON, strings without their quotes."""
    return [option if isinstance(option, str) else json.dumps(option) for option in options]


def _enums(text: str, schema: Mapping[str, Any]) -> Iterator[_Value]:
    """Where in the text each value stands whose schema is an enum. Raises ValueError where it is no JSON."""
    json.loads(text)
    yield from _walk(text, _skip(text, 0), schema, "", 0)[1]


def _walk(
    text: str, start: int, schema: Mapping[str, Any], path: str, depth: int
) -> tuple[int, list[_Value]]:
    """The end of the value that starts there, and the enums in it. The text is known to be JSON."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    if "enum" in schema:
        end = _end(text, start)
        return end, [_Value(path, start + (text[start] == '"'), schema)]
    properties = schema.get("properties")
    if text[start] != "{" or not isinstance(properties, Mapping):
        return _end(text, start), []
    return _walk_object(text, start, properties, path, depth)


def _walk_object(
    text: str, start: int, properties: Mapping[str, Any], path: str, depth: int
) -> tuple[int, list[_Value]]:
    found: list[_Value] = []
    place = _skip(text, start + 1)
    while text[place] != "}":
        name, end = json.JSONDecoder().raw_decode(text, place)
        place = _skip(text, _skip(text, end) + 1)  # past the colon
        inner = properties.get(name, {})
        place, more = _walk(
            text, place, inner if isinstance(inner, Mapping) else {}, f"{path}/{name}", depth + 1
        )
        found += more
        place = _skip(text, place)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return place + 1, found


def _end(text: str, start: int) -> int:
    return json.JSONDecoder().raw_decode(text, start)[1]


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] and text[place] in _SPACE:
        place += 1
    return place
