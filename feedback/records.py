"""What comes into the store, before it is stored: plain records, the same from a file, the API and a generator.

PURE: no Django. A record is one comparison with its prompt, its responses and the judgments that came with it.
Rankings map response keys to ranks, since a file may list the responses in any order.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from feedback.answers import verdict_problem

Message = Mapping[str, str]


@dataclass(frozen=True)
class ResponseRecord:
    key: str
    source: str
    text: str


@dataclass(frozen=True)
class SpanRecord:
    """A comment on characters ``start`` to ``end`` of one response's text, in code points."""

    response: str
    start: int
    end: int
    comment: str


@dataclass(frozen=True)
class JudgmentRecord:
    """``rater`` and ``kind`` name who judged; ``ranking`` maps each response key to its rank, from 1.

    ``simulated`` marks a person played by a program, ``adjudicates`` a reviewer's decision, which is no vote.
    """

    rater: str
    kind: str = "human"
    outcome: str = "ranked"
    ranking: Mapping[str, int] = field(default_factory=dict)
    strength: int | None = None
    shown: Sequence[str] = ()
    scores: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rationale: str = ""
    all_bad: bool = False
    spans: Sequence[SpanRecord] = ()
    flags: Sequence[str] = ()
    seconds: float | None = None
    at: datetime | None = None
    simulated: bool = False
    adjudicates: bool = False


@dataclass(frozen=True)
class GoldRecord:
    """The known answer of a comparison that measures people: the rank of each response key, and what it is for."""

    ranking: Mapping[str, int]
    use: str = "gold"
    explanation: str = ""


@dataclass(frozen=True)
class ComparisonRecord:
    """``key`` is the comparison's id in its file, or None where the file has none; ``line`` counts from 1.

    One with ``gold`` is no label: it measures people.
    """

    prompt: Sequence[Message]
    responses: Sequence[ResponseRecord]
    key: str | None = None
    tags: Sequence[str] = ()
    reference: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    judgments: Sequence[JudgmentRecord] = ()
    purpose: str = "train"
    gold: GoldRecord | None = None
    line: int = 0


@dataclass(frozen=True)
class Rejection:
    """A record, or one judgment in it, that was not stored, and why. ``field`` names the part at fault."""

    line: int
    reason: str
    field: str | None = None


class BadRecord(ValueError):
    """A record that can not be stored. Carries the reason and the field at fault."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


ROLES = ("system", "user", "assistant", "tool")
KINDS = ("human", "judge", "grader", "reward_model")
PURPOSES = ("train", "evaluate")
GOLD_USES = ("gold", "attention", "practice")
MAX_RESPONSES = 26  # people see them as A to Z; their ranks fit the column that holds a ranking
MAX_DEPTH = 20  # of metadata


def check_record(record: ComparisonRecord) -> None:
    """Raise BadRecord where the comparison can not be stored as it is; its judgments are checked one by one."""
    check_messages(record.prompt)
    if len(record.responses) < 2:
        raise BadRecord(
            f"a comparison needs at least 2 responses, this has {len(record.responses)}", "responses"
        )
    if len(record.responses) > MAX_RESPONSES:
        reason = f"a comparison has at most {MAX_RESPONSES} responses, this has {len(record.responses)}"
        raise BadRecord(reason, "responses")
    seen: dict[tuple[str, str], str] = {}
    keys = [response.key for response in record.responses]
    if len(set(keys)) < len(keys):
        raise BadRecord(f"the response ids {keys} are not all different", "responses")
    for index, response in enumerate(record.responses):
        where = f"responses[{index}]"
        for name, limit in (("key", 100), ("source", 200)):
            check_text(getattr(response, name), f"{where}.{name}", limit)
        # An empty text is a response too: models give them, and people judge them.
        check_text(response.text, f"{where}.text")
        twin = seen.setdefault((response.source, response.text), response.key)
        if twin != response.key:
            raise BadRecord(
                f"responses {twin!r} and {response.key!r} are the same text from the same source", where
            )
    check_text(record.key or "", "id", 200)
    if record.reference is not None:
        check_text(record.reference, "reference")
    for tag in record.tags:
        check_text(tag, "tags", 100)
    if record.purpose not in PURPOSES:
        raise BadRecord(f"{record.purpose!r} is none of {', '.join(PURPOSES)}", "purpose")
    check_json(record.metadata, "metadata")
    if record.gold:
        _check_gold(record.gold, record)


def _check_gold(gold: GoldRecord, record: ComparisonRecord) -> None:
    if record.purpose != "train":
        raise BadRecord(f"a comparison to {record.purpose} has no known answer; leave it out", "gold")
    if gold.use not in GOLD_USES:
        raise BadRecord(f"{gold.use!r} is none of {', '.join(GOLD_USES)}", "gold.use")
    keys = [response.key for response in record.responses]
    if set(gold.ranking) != set(keys):
        raise BadRecord(f"it ranks {sorted(gold.ranking)}, the responses are {sorted(keys)}", "gold.ranking")
    problem = verdict_problem("ranked", tuple(gold.ranking[key] for key in keys), len(keys))
    if problem:
        raise BadRecord(problem.reason, "gold.ranking")
    check_text(gold.explanation, "gold.explanation")
    if gold.use == "practice" and not gold.explanation.strip():
        raise BadRecord("practice explains its answer; write why", "gold.explanation")


def check_messages(messages: object) -> None:
    """Raise BadRecord unless ``messages`` is a conversation that ends where an answer is due."""
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise BadRecord("the prompt must be a list of messages, each {role, content}", "prompt")
    for index, message in enumerate(messages):
        where = f"prompt[{index}]"
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            raise BadRecord(f"a message needs a role, one of {', '.join(ROLES)}", where)
        check_text(message.get("content"), f"{where}.content")
    if messages[-1]["role"] == "assistant":
        raise BadRecord(
            "the prompt ends with the assistant's turn; the last turn belongs to the responses", "prompt"
        )


def check_text(value: object, where: str, limit: int | None = None) -> None:
    """Raise BadRecord for what a database can not hold as text: no string, NUL, a lone surrogate, too long."""
    if not isinstance(value, str):
        raise BadRecord(f"it must be text, not {type(value).__name__}", where)
    if "\x00" in value:
        raise BadRecord("it contains a NUL character, which no database stores; remove it", where)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRecord(
            "it contains half of a surrogate pair, which is no character; remove it", where
        ) from None
    if limit is not None and len(value) > limit:
        raise BadRecord(f"it has {len(value)} characters; at most {limit} fit", where)


def check_json(value: object, where: str, depth: int = MAX_DEPTH) -> None:
    """Raise BadRecord for what a database can not hold as JSON: bad text, a number that is none, too deep."""
    if depth == 0:
        raise BadRecord(f"it is nested more than {MAX_DEPTH} deep", where)
    if isinstance(value, str):
        check_text(value, where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadRecord("it has a number that is infinite or none at all", where)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            check_text(name, where)
            check_json(part, where, depth - 1)
    elif isinstance(value, list):
        for part in value:
            check_json(part, where, depth - 1)
    elif not isinstance(value, bool | int | float | None):
        raise BadRecord(f"it has a {type(value).__name__}, which JSON does not know", where)
