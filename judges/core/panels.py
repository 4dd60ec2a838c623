"""Several judges' verdicts on a comparison become one. Nothing is asked: what they said is there.

- majority, weighted: the ranking that more than half of the weight of those with a verdict stands for; where none
  has so much, the panel is inconsistent, never a tie.
- mean score: the mean of the members' scores, each from 0 to 1 of its own rubric's scales, ranked with a margin.

A member without a verdict has no weight. Fewer verdicts than the quorum are no verdict: the outcome is then what keeps
the members from one, refused before unparseable before inconsistent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from judges.core.combining import MISSING
from judges.core.rubric import CriterionText
from judges.core.scoring import ranking_within
from judges.core.verdict import INCONSISTENT, RANKED

MAJORITY, WEIGHTED, MEAN_SCORE = RULES = ("majority", "weighted", "mean_score")


@dataclass(frozen=True)
class Member:
    """``family`` is the maker of its model, "" where it is not known and so its own."""

    name: str
    family: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Vote:
    """A member's verdict; ``scores`` are by canonical position, from 0 to 1, empty where it gave none."""

    outcome: str
    ranking: tuple[int, ...] = ()
    scores: Mapping[int, float] | None = None


@dataclass(frozen=True)
class PanelRules:
    rule: str
    quorum: int
    cap_families: bool = True
    tie_margin: float = 0.0


@dataclass(frozen=True)
class PanelVerdict:
    """``supporting`` names the members who gave this ranking themselves."""

    outcome: str
    ranking: tuple[int, ...] = ()
    supporting: tuple[str, ...] = ()


def panel_verdict(
    rules: PanelRules, members: Sequence[Member], votes: Mapping[str, Vote]
) -> PanelVerdict | None:
    """The panel's verdict from the members' votes by name; None while too few have judged to tell."""
    counted = [member for member in members if member.name in votes and _counts(rules, votes[member.name])]
    if len(counted) < rules.quorum:
        return None if len(votes) < len(members) else PanelVerdict(_missing(list(votes.values())))
    shares = shares_of(rules, counted)
    ranking = _by_mean(rules, shares, votes) if rules.rule == MEAN_SCORE else _by_weight(shares, votes)
    if not ranking:
        return PanelVerdict(INCONSISTENT)
    return PanelVerdict(
        RANKED, ranking, tuple(member.name for member in counted if votes[member.name].ranking == ranking)
    )


def shares_of(rules: PanelRules, members: Sequence[Member]) -> dict[str, float]:
    """Each member's share of the panel's weight, by name; the shares sum to 1.

    Capped, a family's members share the weight of the heaviest of them in the proportion of their own.
    """
    weights = {member.name: 1.0 if rules.rule == MAJORITY else member.weight for member in members}
    if rules.cap_families:
        for family in _families(members):
            total = sum(weights[name] for name in family)
            heaviest = max(weights[name] for name in family)
            weights |= {name: weights[name] * heaviest / total for name in family}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def independent_judges(rules: PanelRules, members: Sequence[Member]) -> float:
    """1 / Σ s² over the families' shares s: how many equal judges are as many if a family always says the same.

    The inverse of Simpson's concentration, as in Hill's number of order 2 (1973).
    """
    shares = shares_of(rules, members)
    return 1 / sum(sum(shares[name] for name in family) ** 2 for family in _families(members))


def scores_from(levels: Mapping[tuple[str, int], int], criteria: Sequence[CriterionText]) -> dict[int, float]:
    """Σ w · (level - min) / (max - min) / Σ w by position, of the criteria with a level for every response.

    Empty where no criterion with a weight has.
    """
    positions = sorted({position for _, position in levels})
    used = [
        criterion
        for criterion in criteria
        if criterion.weight and all((criterion.name, position) in levels for position in positions)
    ]
    total = sum(criterion.weight for criterion in used)
    if not total:
        return {}
    return {
        position: sum(
            criterion.weight
            * (levels[criterion.name, position] - criterion.scale_min)
            / (criterion.scale_max - criterion.scale_min)
            for criterion in used
        )
        / total
        for position in positions
    }


def _counts(rules: PanelRules, vote: Vote) -> bool:
    return vote.outcome == RANKED and (rules.rule != MEAN_SCORE or bool(vote.scores))


def _missing(votes: Sequence[Vote]) -> str:
    outcomes = {vote.outcome for vote in votes}
    return next((outcome for outcome in MISSING if outcome in outcomes), INCONSISTENT)


def _families(members: Sequence[Member]) -> list[list[str]]:
    families: dict[tuple[str, str], list[str]] = {}
    for member in members:
        key = ("family", member.family) if member.family else ("alone", member.name)
        families.setdefault(key, []).append(member.name)
    return list(families.values())


def _by_weight(shares: Mapping[str, float], votes: Mapping[str, Vote]) -> tuple[int, ...]:
    behind: dict[tuple[int, ...], float] = {}
    for name, share in shares.items():
        behind[votes[name].ranking] = behind.get(votes[name].ranking, 0.0) + share
    ranking = max(behind, key=behind.__getitem__)
    # Shares of a half and a half may miss it by rounding.
    return ranking if round(behind[ranking], 9) > 0.5 else ()


def _by_mean(rules: PanelRules, shares: Mapping[str, float], votes: Mapping[str, Vote]) -> tuple[int, ...]:
    means: dict[int, float] = {}
    for name, share in shares.items():
        for position, score in (votes[name].scores or {}).items():
            means[position] = means.get(position, 0.0) + share * score
    return ranking_within(means, rules.tie_margin)
