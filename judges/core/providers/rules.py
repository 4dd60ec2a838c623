"""The offline judge: responses are scored by weighted rules; the reply is what a language model would send.

score = Σ weight of the rules that match + length_weight · words + noise · N(0, 1), the noise drawn from the
request's hash and ``seed``: the same request always has the same reply, and the two orders err apart, as
language models do. It reads the fenced texts of the request and nothing else.

Patterns are RE2's: the time of a search grows with the text and no faster, whoever wrote pattern and text. For
that it has neither lookaround nor references back, and ``\\b``, ``\\w`` and ``\\d`` know ASCII only.
"""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import re2

from feedback.records import BadRecord, check_text
from judges.core.providers.keys import Key
from judges.core.providers.provider import BadSettings, Reply, TokenCount
from judges.core.rendering import FAIL, PAIRWISE, PASS, PASS_FAIL, TIE, sections_of
from judges.core.request import Request
from judges.core.usage import NOTHING

READ = 20_000  # characters of a text
# Together they bound a request to some 15 seconds at the very worst, which is half of what a lease lasts.
MOST_RULES = 30
LONGEST_PATTERN = 1000  # characters
PATTERN_MEMORY = 2**16  # bytes
LARGEST_SEED = 2**63 - 1

_SETTINGS = ("rules", "length_weight", "noise", "margin", "pass_mark", "seed")
_RULE = ("pattern", "when", "weight")


@dataclass(frozen=True)
class Rule:
    """Adds ``weight`` where ``pattern`` is found in the response and ``when`` in the last user message."""

    pattern: Any  # RE2's package has no types
    weight: float
    when: Any = None

    def applies(self, question: str, response: str) -> bool:
        return bool(self.pattern.search(response)) and (self.when is None or bool(self.when.search(question)))


class RulesProvider:
    """The rules of one judge.

    Settings: ``rules``, a list of {pattern, weight, when?}; ``length_weight`` a word; ``noise``, a standard
    deviation; ``margin``, the largest difference that is still a tie; ``pass_mark``, the least score that passes;
    ``seed``. All but ``rules`` default to 0.
    """

    free = True

    def __init__(self, settings: Mapping[str, Any], key: Key | None = None) -> None:  # noqa: ARG002
        _only("", settings, _SETTINGS)
        rules = settings.get("rules")
        if not isinstance(rules, list):
            raise BadSettings("rules", "must be a list of {pattern, weight, when}; it may be empty")
        if len(rules) > MOST_RULES:
            raise BadSettings("rules", f"holds {len(rules)} rules; use at most {MOST_RULES}")
        self.rules = [_rule(f"rules[{index}]", rule) for index, rule in enumerate(rules)]
        self.length_weight = _number("length_weight", settings.get("length_weight", 0.0))
        self.noise = _number("noise", settings.get("noise", 0.0), least=0.0)
        self.margin = _number("margin", settings.get("margin", 0.0), least=0.0)
        self.pass_mark = _number("pass_mark", settings.get("pass_mark", 0.0))
        self.seed = settings.get("seed", 0)
        if type(self.seed) is not int or abs(self.seed) > LARGEST_SEED:
            raise BadSettings(
                "seed", f"must be a whole number of at most {LARGEST_SEED}, not {self.seed!r:.80}"
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        pass

    async def count_tokens(self, request: Request) -> TokenCount:  # noqa: ARG002
        return TokenCount(0, exact=True)

    async def ask(self, request: Request) -> Reply:
        scores = self._scores(request)
        reply: dict[str, Any] = {
            "rationale": "Scores by rule: "
            + ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
            + "."
        }
        parts = request.schema["properties"]
        if "scores" in parts:
            reply["scores"] = _levels(parts["scores"], scores, alone=request.mode == PASS_FAIL)
        if "verdict" in parts:
            reply["verdict"] = self._verdict(request.mode, scores)
        return Reply(
            text=json.dumps(reply),
            stop_reason="end_turn",
            served_model=request.model,
            usage=NOTHING,
        )

    def _scores(self, request: Request) -> dict[str, float]:
        """The score of each response by its id, in the order shown."""
        sections = [(section.name.split(), section.text[:READ]) for section in sections_of(request)]
        question = next(
            (text for name, text in reversed(sections) if name[0] == "message" and name[2] == "user"), ""
        )
        noise = random.Random(f"{request.sha256()}:{self.seed}")
        return {
            name[1]: self._score(question, text) + self.noise * noise.gauss(0.0, 1.0)
            for name, text in sections
            if name[0] == "response"
        }

    def _score(self, question: str, response: str) -> float:
        matched = sum(rule.weight for rule in self.rules if rule.applies(question, response))
        return matched + self.length_weight * len(response.split())

    def _verdict(self, mode: str, scores: Mapping[str, float]) -> str:
        if mode == PASS_FAIL:
            return PASS if next(iter(scores.values())) >= self.pass_mark else FAIL
        best, second = sorted(scores.values(), reverse=True)[:2]
        tied = mode == PAIRWISE and best - second <= self.margin
        return TIE if tied else max(scores, key=scores.__getitem__)


def _levels(schema: Mapping[str, Any], scores: Mapping[str, float], *, alone: bool) -> dict[str, Any]:
    """A score s as levels on each criterion: the share 1 / (1 + exp(-s)) of the way up its scale."""
    if alone:
        (score,) = scores.values()
        return {name: _level(part["enum"], score) for name, part in schema["properties"].items()}
    return {
        name: {
            criterion: _level(level["enum"], scores[name]) for criterion, level in part["properties"].items()
        }
        for name, part in schema["properties"].items()
    }


def _level(levels: Sequence[int], score: float) -> int:
    share = 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))
    return levels[round(share * (len(levels) - 1))]


def _rule(where: str, rule: Any) -> Rule:
    if not isinstance(rule, Mapping):
        raise BadSettings(where, f"must be an object with a pattern and a weight, not {rule!r:.80}")
    _only(f"{where}.", rule, _RULE)
    when = rule.get("when")
    return Rule(
        pattern=_pattern(f"{where}.pattern", rule.get("pattern")),
        weight=_number(f"{where}.weight", rule.get("weight")),
        when=None if when is None else _pattern(f"{where}.when", when),
    )


def _only(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(str(name) for name in set(given) - set(known))
    if unknown:
        raise BadSettings(f"{where}{unknown[0]}", f"is not known; use {', '.join(known)}")


def _pattern(where: str, value: Any) -> Any:
    if not isinstance(value, str) or not value:
        raise BadSettings(where, f"must be a regular expression as text, not {value!r:.80}")
    try:
        check_text(value, where, LONGEST_PATTERN)
        return re2.compile(value, _options())
    except BadRecord as bad:
        raise BadSettings(where, f"can not be used: {bad.reason}") from None
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        raise BadSettings(where, f"is no regular expression that RE2 knows: {reason}") from None


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    return options


def _number(where: str, value: Any, *, least: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_SEED:
        raise BadSettings(where, f"must be a number, and not a huge one, not {value!r:.80}")
    if value < least:
        raise BadSettings(where, f"must be at least {least:g}, not {value!r:.80}")
    return float(value)
