"""How people answer in a project, and one answer, before either meets the store.

PURE: no Django. An answer refers to canonical positions, whatever order its rater was shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

Choice = Literal["pair", "strength", "ranking", "none"]
Rationale = Literal["off", "optional", "required"]
POINTS = (5, 7, 8)
SKIP_REASONS = ("unsure", "lacks_knowledge", "not_my_language", "broken", "other")
OUTCOMES = ("ranked", "skipped", "refused", "unparseable", "inconsistent")
MOST_SPANS = 100  # on one comparison
LONGEST_COMMENT = 2_000  # characters
LONGEST_RATIONALE = 20_000


class BadAnswerForm(ValueError):
    """A form that does not exist. Carries the reason and the field at fault."""

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.reason = reason
        self.field = field


@dataclass(frozen=True)
class AnswerForm:
    """What people are asked for on each comparison of a project; any mixture.

    ``choice`` is how they prefer: one of two, one of two with a strength on ``points`` steps (5 and 7 have a tie in the
    middle, 8 has none), a ranking, or only by their scores. ``tie`` allows equals where they choose or rank.
    """

    choice: Choice = "pair"
    points: int = 5
    tie: bool = True
    all_bad: bool = False
    scores: bool = False
    spans: bool = False
    rationale: Rationale = "optional"
    flags: bool = False

    def __post_init__(self) -> None:
        _check_one_of(self.choice, get_args(Choice), "choice")
        _check_one_of(self.rationale, get_args(Rationale), "rationale")
        _check_one_of(self.points, POINTS, "points")
        for name in ("tie", "all_bad", "scores", "spans", "flags"):
            if not isinstance(getattr(self, name), bool):
                raise BadAnswerForm(f"it must be true or false, not {getattr(self, name)!r:.40}", name)
        if self.choice == "none" and not self.scores:
            raise BadAnswerForm("without a choice people have to give scores, or they say nothing", "scores")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "AnswerForm":
        """The form that a project keeps as JSON; what is not there has its default."""
        return cls.from_json(values)

    @classmethod
    def from_json(cls, values: object) -> "AnswerForm":
        """Raises BadAnswerForm, which names the field, for what is no form."""
        if not isinstance(values, Mapping):
            raise BadAnswerForm("it must be an object", "form")
        unknown = [str(name) for name in values if name not in cls.__dataclass_fields__]
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise BadAnswerForm(f"there is no such field; known are {known}", unknown[0])
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def steps(self) -> int:
        """How many strengths there are on either side of the middle."""
        return self.points // 2

    def kind(self, responses: int, *, criteria: int) -> Choice:
        """How so many responses are judged: more than 2 are ranked; without criteria there are no scores to go by."""
        if self.choice == "none" and (criteria == 0 or not self.scores):
            return "pair" if responses == 2 else "ranking"
        if self.choice in ("pair", "strength") and responses > 2:
            return "ranking"
        return self.choice

    def ties(self, kind: Choice) -> bool:
        """May responses be equal, judged this way?"""
        return {"pair": self.tie, "ranking": self.tie, "strength": self.points % 2 == 1, "none": True}[kind]


def _check_one_of(value: object, known: tuple[object, ...], field: str) -> None:
    if type(value) is not type(known[0]) or value not in known:
        raise BadAnswerForm(f"{value!r:.40} is none of {', '.join(map(str, known))}", field)


class SpanComment(NamedTuple):
    """A comment on characters ``start`` to ``end`` of one response's text, in code points."""

    position: int
    start: int
    end: int
    comment: str


@dataclass(frozen=True)
class Verdict:
    """What a rater said, by canonical positions; see ``feedback.models.Judgment``.

    ``scores`` maps (criterion id, position) to a level. ``strength`` counts from 1; a tie has none.
    """

    outcome: str = "ranked"
    ranking: tuple[int, ...] = ()
    strength: int | None = None
    rationale: str = ""
    seconds: float | None = None
    scores: Mapping[tuple[int, int], int] = field(default_factory=dict)
    all_bad: bool = False
    spans: tuple[SpanComment, ...] = ()
    flags: tuple[str, ...] = ()


class Problem(NamedTuple):
    """What is wrong with an answer, as a clause, and the field at fault."""

    field: str
    reason: str


def verdict_problem(outcome: str, ranking: tuple[int, ...], responses: int) -> Problem | None:
    """What is wrong with an answer on so many responses, or None; the same for people, machines and files.

    Ranks start at 1 and equal ranks are ties; a rank may only be left out after a tie: (1, 1, 3) or (1, 1, 2).
    """
    if outcome not in OUTCOMES:
        return Problem("outcome", f"{outcome!r} is no outcome; use one of {', '.join(OUTCOMES)}")
    if outcome != "ranked":
        said = f"An outcome of {outcome} has no ranking; leave it out"
        return Problem("ranking", said) if ranking else None
    if len(ranking) != responses:
        said = f"The ranking has {len(ranking)} ranks for {responses} responses; give each response one rank"
        return Problem("ranking", said)
    ordered = sorted(ranking)
    standard = [ordered.index(rank) + 1 for rank in ordered]
    if ordered not in (list(dense_ranks(tuple(ordered))), standard):
        said = (
            f"The ranks {list(ranking)} do not count from 1 without gaps; the best is 1, equal ranks are ties"
        )
        return Problem("ranking", said)
    return None


def dense_ranks(ranking: tuple[int, ...]) -> tuple[int, ...]:
    """Ranks without gaps, the one form in which rankings are stored: (1, 1, 3) becomes (1, 1, 2)."""
    levels = sorted(set(ranking))
    return tuple(levels.index(rank) + 1 for rank in ranking)


def is_tie(ranking: tuple[int, ...]) -> bool:
    """Do all the responses share one rank?"""
    return len(set(ranking)) == 1


def has_equals(ranking: tuple[int, ...]) -> bool:
    return len(set(ranking)) < len(ranking)


def ranking_by_scores(
    scores: Mapping[tuple[int, int], int], weights: Mapping[int, float], responses: int
) -> tuple[int, ...]:
    """The ranking that levels imply: by Σ weight × level over the criteria, highest first, equal sums being ties.

    Sums are compared to 9 decimals, since 0.1 + 0.2 must tie with 0.3.
    """
    sums = [
        round(sum(weight * scores[(criterion, position)] for criterion, weight in weights.items()), 9)
        for position in range(responses)
    ]
    best_first = sorted(set(sums), reverse=True)
    return tuple(best_first.index(value) + 1 for value in sums)
